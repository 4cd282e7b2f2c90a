"""Running an example as a reader would, and looking at what it leaves behind."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "examples"


def load(name: str) -> dict[str, Any]:
    """Return all that `examples/NAME.py` defines."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def run(name: str, folder: Path) -> Any:
    """Run an example's `main`, see that its picture is more than an empty sheet, and return what it returns."""
    returned = load(name)["main"](folder)
    assert (folder / f"{name}.png").stat().st_size > 10_000
    return returned
