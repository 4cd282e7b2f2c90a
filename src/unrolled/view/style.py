"""How every figure looks: colours by role, three text sizes, fonts that hold the text.

Colours are Okabe and Ito's, told apart by colour-blind people too; a second sign (dashes, hatching, a
letter) always says the same thing again.
"""

from __future__ import annotations

import functools
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure

TRUTH = "#222222"
FORECAST = "#D55E00"
QUIET = "#888888"

INPUT = "#0072B2"  # x, data
HIDDEN = "#009E73"  # h, `output`, `h_n`
CELL = "#E69F00"  # c, `c_n`
WEIGHT = "#444444"  # a weight block's frame
GATES = {  # the letter is always written too; a gate of the GRU has the colour of the LSTM's gate nearest in purpose
    "i": "#56B4E9",
    "f": "#D55E00",
    "g": "#CC79A7",
    "o": "#7F7F7F",
    "r": "#56B4E9",
    "z": "#D55E00",
    "n": "#CC79A7",
}
INK = TRUTH  # words and numbers
FAINT_INK = "#5F5F5F"  # words that matter less; 8 pt of it can still be read on white
LINE = "#BBBBBB"  # hatching and lines that matter less
PAPER = "#FFFFFF"

SIGNED_MAP = "PuOr"  # diverging, centred on zero
UNIT_MAP = "cividis"  # 0 to 1
FADED = 0.25  # opacity of what is not the picture's subject

SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"  # the second for names of the API
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
    return _first_installed(CJK_FACES)


@functools.cache
def _first_installed(faces: tuple[str, ...]) -> str | None:
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((face for face in faces if face in installed), None)


def can_draw(text: str) -> bool:
    """Whether the installed faces hold every character of `text`."""
    return installed_cjk_face() is not None or all(ord(character) in held_characters() for character in text)


@functools.cache
def held_characters() -> frozenset[int]:
    """Return the code points of the characters that the house's own face holds."""
    return frozenset(font_manager.get_font(font_manager.findfont(SANS)).get_charmap())


def family(face: str) -> list[str]:
    """Return `face`, and after it the installed face that holds Chinese text, if there is one."""
    fallback = installed_cjk_face()
    return [face, fallback] if fallback else [face]


def _tells_more_than_weights(record: logging.LogRecord) -> bool:
    """Whether a message is worth passing on: a CJK face often has one weight alone, which will do for all text."""
    return "Failed to find font weight" not in str(record.msg)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's fonts and thin lines, leaving matplotlib's own settings as they were."""
    settings: dict[Any, Any] = {
        "font.family": family(SANS),
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
        "hatch.linewidth": 0.6,
        "text.hinting": "none",  # as wide on a screen as on paper
        "savefig.dpi": 144,
        "svg.hashsalt": "unrolled",  # the same picture gives the same file
    }
    told = logging.getLogger(font_manager.__name__)
    told.addFilter(_tells_more_than_weights)
    try:
        with matplotlib.rc_context(settings):
            yield
    finally:
        told.removeFilter(_tells_more_than_weights)
