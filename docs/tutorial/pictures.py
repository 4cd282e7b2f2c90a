"""Make the tutorial's pictures by running its own code: `python docs/tutorial/pictures.py [folder]`.

A chapter's Python blocks are one program. They save the pictures that the chapter shows, so what a reader sees is what
the code beside it draws. The Chinese chapters have the same code and show the same pictures.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.data.samples import write_sample

HERE = Path(__file__).parent
CHAPTERS = sorted(path for path in HERE.glob("[1-9]_*.md") if not path.name.endswith(".zh.md"))
MADE = HERE.parent / "_made"
_BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", flags=re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A Python block; `prints` is the text block that follows it at once, which quotes what it prints."""

    code: str
    prints: str


def blocks_of(chapter: Path) -> list[Block]:
    """Return a chapter's Python blocks in their order."""
    return [Block(*found.groups("")) for found in _BLOCK.finditer(chapter.read_text(encoding="utf-8"))]


def run(chapter: Path, folder: Path) -> list[str]:
    """Run a chapter's blocks one after another in `folder`; return what each printed."""
    write_sample("co2", folder / "out" / "demo" / "co2.csv")
    names: dict[str, Any] = {"__name__": chapter.stem}
    printed = []
    for number, block in enumerate(blocks_of(chapter), start=1):
        said = io.StringIO()
        code = compile(block.code, f"{chapter.name}, block {number}", "exec")
        with contextlib.chdir(folder), contextlib.redirect_stdout(said):
            exec(code, names)
        printed.append(said.getvalue())
    return printed


def main(folder: Path = MADE) -> list[Path]:
    """Run all chapters and move the pictures that they save into `folder`; return those."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for chapter in CHAPTERS:
            run(chapter, Path(place))
        saved = sorted(Path(place).glob("*.png"))
        return [Path(shutil.move(picture, folder / picture.name)) for picture in saved]


if __name__ == "__main__":
    for made in main(*map(Path, sys.argv[1:2])):
        print(made)
