"""Running an example as a reader would, and looking at what it leaves behind."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "examples"


def load(name: str) -> dict[str, Any]:
    """Return all that `examples/NAME.py` defines."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def run(name: str, folder: Path, *pictures: str) -> Any:
    """Run an example's `main`, see that its pictures are more than an empty sheet, and return what it returns."""
    returned, _ = run_with_names(name, folder, *pictures)
    return returned


def run_with_names(name: str, folder: Path, *pictures: str) -> tuple[Any, dict[str, Any]]:
    """Do what `run` does, and return besides all that the example defines."""
    example = load(name)
    returned = example["main"](folder)
    for picture in (name, *pictures):
        assert (folder / f"{picture}.png").stat().st_size > 10_000
    return returned, example
