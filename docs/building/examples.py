"""What sphinx-gallery is told of examples/: their order, their argument, and the picture that each saves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "out" / "examples"
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
    """Return what follows the script's name on its command line."""
    return [str(FOLDER)]


def saved_picture(block: Any, script: dict[str, Any], gallery: dict[str, Any]) -> str:
    """Show the picture that the example has saved under its own name."""
    from sphinx_gallery.scrapers import figure_rst

    name = Path(script["src_file"]).stem
    picture = FOLDER / f"{name}.png"
    if not picture.exists():
        return ""
    shown = next(script["image_path_iterator"])
    shutil.move(picture, shown)
    rst: str = figure_rst([shown], gallery["src_dir"], name)
    return rst
