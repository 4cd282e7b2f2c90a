"""What sphinx-gallery is told of examples/: their order, their argument, and the pictures that each saves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]

FOLDER: Final = ROOT / "out" / "examples"
"""Where the examples write."""

ORDER: Final = (
    "shapes",
    "data_cube",
    "batches",
    "ragged",
    "regression_head",
    "stacked_widths",
    "from_scratch",
    "two_wirings",
    "seq2seq",
    "text",
    "sine",
    "sunspots",
    "co2_gaps",
    "many_series",
    "speed_up_my_model",
)
"""From what a batch is to what one does with it; others come after these, by name."""


def place(file: str) -> tuple[int, str]:
    """Return what the files of the gallery are sorted by."""
    name = Path(file).stem
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def folder_argument(gallery: dict[str, Any], script: dict[str, Any]) -> list[str]:
    """Return what follows the script's name on its command line: a path from examples/, where it is run."""
    return [os.path.relpath(FOLDER, ROOT / "examples")]


def saved_picture(block: Any, script: dict[str, Any], gallery: dict[str, Any]) -> str:
    """Show the pictures that the example has saved: NAME.png, and after it those that are NAME_something.png."""
    from sphinx_gallery.scrapers import figure_rst

    name = Path(script["src_file"]).stem
    pictures = [*FOLDER.glob(f"{name}.png"), *sorted(FOLDER.glob(f"{name}_*.png"))]
    shown = [shutil.move(picture, next(script["image_path_iterator"])) for picture in pictures]
    return "".join(figure_rst([path], gallery["src_dir"], name) for path in shown)  # below each other, in full width
