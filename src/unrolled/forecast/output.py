"""The files that a forecast or a backtest leaves in its folder: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import ConfigError
from unrolled.files import DRAFT, explained, folder_made, move_into_place


@contextmanager
def written_together(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty draft folder, inside `folder`; when all went well move what is in it to `folder`.

    Files of the same names that were there are replaced, and folders by folders; others are left alone. When
    anything goes wrong the draft is removed and `folder` is as it was.

    Raises:
        ConfigError: `folder` can't be made or has no room left, or a folder stands where a file is to be written.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is a file; give a folder's name to write to.")
    with ExitStack() as stack:
        with explained(target, ConfigError):
            stack.enter_context(folder_made(target))
            draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=target))
        stack.callback(shutil.rmtree, draft, ignore_errors=True)
        with explained(target, ConfigError, full_alone=True):
            yield draft
            items = list(draft.iterdir())
            _refuse_folders_for_files(items, target)
            for item in items:
                move_into_place(item, target / item.name)


def _refuse_folders_for_files(items: list[Path], target: Path) -> None:
    for place in (target / item.name for item in items if item.is_file()):
        if place.is_dir():
            raise ConfigError(f"{place} is a folder; give the name of a file to write to.")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain JSON types, indented; a number that is none is a mistake, not a file."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
