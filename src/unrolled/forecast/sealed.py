"""A description in JSON and tensors in safetensors that belong together: with checksums, so that damage is found.

What saved models and checkpoints are made of. No pickle anywhere: reading such files from a stranger runs no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from unrolled.errors import ArtifactError
from unrolled.forecast.training.state import Tensors

_SELF, _TENSORS = "sha256", "weights_sha256"
_MOST_NAMES = 6


@dataclass(frozen=True)
class Format:
    """What a kind of description is called, the newest number that is read, and the first that has its own checksum."""

    name: str
    what: str
    newest: int
    sealed_since: int = 1


def sealed(kind: Format, description: Mapping[str, Any], tensors: Tensors) -> tuple[str, bytes]:
    """Return the text of the description, with versions and checksums, and the bytes of the tensors."""
    content = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})
    whole = {
        "schema": f"{kind.name}/{kind.newest}",
        **description,
        "made_with": {"unrolled": version("unrolled"), "torch": str(torch.__version__)},
        _TENSORS: hashlib.sha256(content).hexdigest(),
    }
    return json.dumps(whole | {_SELF: _sha256(whole)}, indent=2, allow_nan=False) + "\n", content


def unsealed(kind: Format, description: Path, tensors: Path) -> tuple[int, dict[str, Any], Tensors]:
    """Return the schema's number, the description and the tensors that `sealed` gave.

    Raises:
        ArtifactError: says which file is missing, damaged, foreign or newer, and what to do.
    """
    number, found = _described(kind, description)
    content = _read(tensors)
    if hashlib.sha256(content).hexdigest() != found.get(_TENSORS):
        raise ArtifactError(
            f"{tensors} is damaged or not the file that {description.name} was saved with: its checksum differs. "
            "Restore it."
        )
    try:
        return number, found, safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as wrong:
        raise ArtifactError(f"{tensors} is no safetensors file: {wrong}.") from None


def _described(kind: Format, path: Path) -> tuple[int, dict[str, Any]]:
    content = _read(path)
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError) as wrong:
        raise ArtifactError(f"{path} is damaged: {wrong}. Restore it or save the model again.") from None
    number = _number(kind, path, found)
    if number >= kind.sealed_since and found.pop(_SELF, None) != _sha256(found):
        raise ArtifactError(
            f"{path} is damaged, or was changed after it was written: its checksum differs. Restore it."
        )
    return number, found


def _number(kind: Format, path: Path, found: object) -> int:
    schema = found.get("schema") if isinstance(found, dict) else None
    name, _, number = str(schema).partition("/")
    if name != kind.name or not (number.isascii() and number.isdigit()):
        raise ArtifactError(f'{path} is not of {kind.what}: its "schema" is {schema!r}, not "{kind.name}/...".')
    if int(number) > kind.newest:
        raise ArtifactError(
            f"{path} was written by a newer unrolled (schema {number}; this one reads up to {kind.newest}). "
            "Install the newer version: pip install --upgrade unrolled."
        )
    return int(number)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing{_beside(path)}.") from None
    except OSError as wrong:
        raise ArtifactError(f"{path} can't be read: {wrong.strerror}.") from None


def _beside(path: Path) -> str:
    """Say what is there instead of a file that is missing."""
    names = sorted(one.name for one in path.parent.iterdir()) if path.parent.is_dir() else []
    shown = ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES:,} more" * (len(names) > _MOST_NAMES))
    return f"; in {path.parent} there is {shown}" if names else f"; {path.parent} is empty"


def _sha256(description: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
