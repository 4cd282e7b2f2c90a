"""How every figure looks: colours by role, three text sizes, fonts that hold the text.

Colours are Okabe and Ito's, told apart by colour-blind people too; a second sign (dashes, hatching, a
letter) always says the same thing again.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure

TRUTH = "#222222"
FORECAST = "#D55E00"
QUIET = "#888888"
BAND_OPACITY = (0.25, 0.12)  # the narrower band, the wider band

TITLE, LABEL, SMALL = 12, 9, 8  # points; nothing is smaller

# Faces that hold Chinese, Japanese and Korean text, on the usual systems.
CJK_FACES = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Arial Unicode MS",
)


class Picture(Figure):
    """A matplotlib Figure that a notebook shows without pyplot and its global state."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Write the picture in the house's fonts and resolution; arguments as for any matplotlib Figure."""
        with house_style():
            super().savefig(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        self.savefig(target, format="png")
        return target.getvalue()


def installed_cjk_face() -> str | None:
    """Return a face that holds Chinese text, or None where none is installed."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((face for face in CJK_FACES if face in installed), None)


def can_draw(text: str) -> bool:
    """Whether the installed faces hold every character of `text`."""
    face = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    held = face.get_charmap()
    return installed_cjk_face() is not None or all(ord(character) in held for character in text)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's fonts and thin lines, leaving matplotlib's own settings as they were."""
    face = installed_cjk_face()
    settings: dict[Any, Any] = {
        "font.family": ["DejaVu Sans"] + ([face] if face else []),
        "font.size": SMALL,
        "axes.titlesize": LABEL,
        "axes.labelsize": LABEL,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.fontsize": SMALL,
        "figure.titlesize": TITLE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.2,
        "savefig.dpi": 144,
        "svg.hashsalt": "unrolled",  # the same picture gives the same file
    }
    with matplotlib.rc_context(settings):
        yield
