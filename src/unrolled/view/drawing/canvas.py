"""A blank sheet to draw on, measured in points: where things lie is worked out, never left to chance.

The sheet's width is given, its height follows from what is drawn. One unit is one point (1/72 inch) up to a width of
`WIDEST`; a wider sheet shows the same drawing, magnified.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from unrolled.view.style import FAINT_INK, INK, MONO, SANS, SMALL, TITLE, Picture, family, held_characters

WIDTH = 9.0  # inches, unless the caller asks for another
NARROWEST, WIDEST = 340.0, 720.0  # points
MARGIN = 12.0
JOINT = 0.15  # between words of two faces that no space parts, in text sizes
LEADING = 1.35  # from line to line, in text sizes

Side: TypeAlias = Literal["left", "center", "right"]


@final
@dataclass(frozen=True)
class Box:
    """A rectangle of the sheet, in points; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From bottom to top."""
        return self.top - self.bottom

    @property
    def x(self) -> float:
        """The middle, horizontally."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """The middle, vertically."""
        return (self.bottom + self.top) / 2

    def grow(self, by: float) -> Box:
        """Return the box with a border around it."""
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)

    def over(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
        )


def around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that holds all of `boxes`."""
    return functools.reduce(Box.over, boxes)


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float = SMALL, mono: bool = False, bold: bool = False) -> float:
    """Return how wide a line of text is, in points; words between backticks are monospaced."""
    runs = _placed_runs(text, size, mono, bold)
    return runs[-1][0] + _run_width(runs[-1][1], size, runs[-1][2], bold) if runs else 0.0


def wrap(text: str, width: float, size: float = SMALL) -> list[str]:
    """Break a text into lines no wider than `width`, if its words allow it; code in backticks only where it must be."""
    lines = [""]
    for word in _words(text, width, size):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _words(text: str, width: float, size: float) -> Iterator[str]:
    for word in re.findall(r"(?:`[^`]*`|[^\s`])+", text):
        if " " in word and text_width(word, size) > width:
            yield from _broken_code(word)
        else:
            yield word


def _broken_code(word: str) -> Iterator[str]:
    """Break code at its spaces, each part between backticks of its own."""
    inside = False
    for part in word.split(" "):
        yield ("`" if inside else "") + part + ("`" if inside ^ (part.count("`") % 2 == 1) else "")
        inside ^= part.count("`") % 2 == 1


@final
class Canvas:
    """A sheet in the making: draw on `axes`, then `finish`.

    Attributes:
        axes: Fills the sheet; its units are points.
        width: Of the sheet, in those units.
        left, right: Between them is room to draw.
        scale: How much a wide sheet magnifies; every line width and text size is multiplied by it.
    """

    def __init__(self, width: float = WIDTH) -> None:
        points = 72 * width
        self.width = min(points, WIDEST)
        self.scale = points / self.width
        self.picture = Picture(figsize=(width, 1))
        self.axes: Axes = self.picture.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.left, self.right = MARGIN, self.width - MARGIN
        self._drawn: Box | None = None
        self._charts: list[tuple[Axes, Box]] = []

    @property
    def drawn(self) -> Box:
        """The smallest box around all that was drawn so far."""
        return self._drawn or Box(self.left, 0, self.left, 0)

    def cover(self, box: Box) -> Box:
        """Note that something lies in `box`."""
        self._drawn = box if self._drawn is None else self._drawn.over(box)
        return box

    def add(self, artist: Artist, box: Box) -> Box:
        """Draw an artist that lies in `box`."""
        self.axes.add_artist(artist)
        return self.cover(box)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SMALL,
        colour: str = INK,
        ha: Side = "center",
        mono: bool = False,
        bold: bool = False,
        alpha: float = 1.0,
        zorder: float = 6,
    ) -> Box:
        """Write one line around the height y; words between backticks are monospaced, as names of the API are."""
        width = text_width(text, size, mono, bold)
        left = x - {"left": 0.0, "center": width / 2, "right": width}[ha]
        look: dict[str, Any] = {"fontsize": size * self.scale, "color": colour, "alpha": alpha, "zorder": zorder}
        look |= {"parse_math": False, "va": "center_baseline", "ha": "left", "fontweight": "bold" if bold else "normal"}
        for at, run, as_code in _placed_runs(text, size, mono, bold):
            start = left + at + _run_width(run[: len(run) - len(run.lstrip())], size, as_code, bold)
            if run.strip():
                self.axes.text(start, y, run.strip(), family=_family(run, as_code), **look)
        return self.cover(Box(left, y - 0.62 * size, left + width, y + 0.62 * size))

    def lines(
        self, x: float, top: float, text: str | Sequence[str], *, width: float = 0, size: float = SMALL, **look: Any
    ) -> Box:
        """Write several lines below `top`: those given, or a text broken at `width`."""
        rows = wrap(text, width, size) if isinstance(text, str) else text
        step = LEADING * size
        boxes = [self.text(x, top - step * (k + 0.5), row, size=size, **look) for k, row in enumerate(rows)]
        return around([*boxes, Box(boxes[0].left, top - step * len(rows), boxes[0].left, top)])

    def chart(self, box: Box, **kwargs: Any) -> Axes:
        """Return ordinary axes, for curves, whose frame is `box`; the labels around it need room left free."""
        axes = self.picture.add_axes((0, 0, 1, 1), **kwargs)
        self._charts.append((axes, self.cover(box)))
        return axes

    def finish(self, title: str, note: str = "") -> Picture:
        """Write the title over the drawing and a note below it; cut the sheet to the height of what is there."""
        room = self.right - self.left
        self.lines(self.left, self._title_top(title, room), title, width=room, size=TITLE, ha="left")
        if note:
            self.lines(self.left, self.drawn.bottom - 8, note, width=room, colour=FAINT_INK, ha="left")
        bottom, top = self.drawn.bottom - MARGIN, self.drawn.top + MARGIN
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(bottom, top)
        self.picture.set_size_inches(self.width * self.scale / 72, (top - bottom) * self.scale / 72)
        for axes, box in self._charts:
            height = top - bottom
            place = (box.left / self.width, (box.bottom - bottom) / height)
            axes.set_position((*place, box.width / self.width, box.height / height))
        return self.picture

    def _title_top(self, title: str, room: float) -> float:
        rows = len(wrap(title, room, TITLE))
        return self.drawn.top + 12 + rows * LEADING * TITLE


def sized(width: float | None) -> float:
    """Return a sheet's width in inches: the house's where none is given."""
    return WIDTH if width is None else float(width)


def _family(run: str, as_code: bool) -> list[str]:
    face = MONO if as_code else SANS
    return [face] if _held(run) == run else family(face)


def _held(run: str) -> str:
    return "".join(character for character in run if ord(character) in held_characters())


def _placed_runs(text: str, size: float, mono: bool, bold: bool) -> list[tuple[float, str, bool]]:
    """Return where each run of one face begins; where no space parts two, they are parted a little."""
    placed: list[tuple[float, str, bool]] = []
    at = 0.0
    for run, as_code in _runs(text, mono):
        if placed and run[0] != " " and placed[-1][1][-1] != " ":
            at += JOINT * size
        placed.append((at, run, as_code))
        at += _run_width(run, size, as_code, bold)
    return placed


def _runs(text: str, mono: bool) -> list[tuple[str, bool]]:
    """Split at backticks; every second run is a name of the API."""
    return [(run, mono or k % 2 == 1) for k, run in enumerate(text.split("`")) if run]


@functools.lru_cache(maxsize=4096)
def _run_width(run: str, size: float, as_code: bool, bold: bool) -> float:
    """Measure in the house's face; a character that it lacks comes from a CJK face, and is as wide as high."""
    held = _held(run)
    font = FontProperties(family=MONO if as_code else SANS, size=size, weight="bold" if bold else "normal")
    measured = TextToPath().get_text_width_height_descent(held, font, ismath=False)[0] if held else 0.0
    return float(measured) + size * (len(run) - len(held))
