"""Grids and cubes with the names of their axes around them, which know how much room they need.

Shapes: N = batch, T = time, F = features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, final, runtime_checkable

from unrolled.trace import Array
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, text_width
from unrolled.view.drawing.cube import DEPTH, Cube, cube
from unrolled.view.drawing.draw import NUMBER_SIDES, Slots, ValueScale, axis_letter, caption, grid, slots
from unrolled.view.style import FAINT_INK, INK, INPUT, SMALL, can_draw

LINE_HEIGHT = LEADING * SMALL
MOST_CHARACTERS = 14  # of a name; more are cut off


@final
@dataclass(frozen=True)
class NamedAxis:
    """An axis as it is drawn: what it is, the user's names along it, which of them are drawn and where."""

    name: str
    line: Slots
    names: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """Such as "time T=7"."""
        return f"{self.name} `{axis_letter(self.name)}={self.line.count:,}`"

    def label(self, index: int) -> str:
        """The user's name of the index-th, or its number."""
        name = self.names[index] if index < len(self.names) else ""
        return shorten(name) if name and can_draw(name) else str(index)

    @property
    def widest(self) -> float:
        """Width of the widest label."""
        return max(text_width(self.left_out), *(text_width(self.label(index)) for index in self.line.shown))

    def labels_along(self) -> list[tuple[float, str]]:
        """Return where labels stand along a horizontal axis: every one, or fewer where they are long."""
        line = self.line
        every = [(line.middle(k), self.label(index)) for k, index in enumerate(line.shown)]
        wanted = [every[0], every[-1], *([(line.gap_middle, self.left_out)] if line.gap else [])]
        step = math.ceil((self.widest + 5) / line.pitch)
        kept: list[tuple[float, str]] = []
        for at, label in [*wanted, *every[::step]]:
            half = text_width(label) / 2
            if all(abs(at - other) >= half + text_width(name) / 2 + 4 for other, name in kept):
                kept.append((at, label))
        return kept

    @property
    def left_out(self) -> str:
        """What the ellipsis stands for: "+996"."""
        return f"+{self.line.left_out:,}" if self.line.gap else ""


def named_axis(name: str, count: int, pitch: float, names: Sequence[str] = (), most: int = 7) -> NamedAxis:
    """Place an axis of `count` cells `pitch` apart, with the user's names."""
    return NamedAxis(name, slots(count, pitch, most), tuple(map(str, names)))


def shorten(name: str) -> str:
    """Cut off the end of a very long name."""
    return name if len(name) <= MOST_CHARACTERS else name[: MOST_CHARACTERS - 1] + "…"


@runtime_checkable
class View(Protocol):
    """Something that can be drawn anywhere, and knows its size before."""

    @property
    def width(self) -> float:
        """All of it, labels too."""
        ...

    @property
    def height(self) -> float:
        """All of it, labels too."""
        ...

    def draw(self, canvas: Canvas, left: float, top: float) -> Box:
        """Draw it and return the box of its cells."""
        ...


@final
@dataclass(frozen=True)
class GridView:
    """A tensor of two axes with names around it, and lines of text below."""

    rows: NamedAxis
    columns: NamedAxis
    colour: str
    words: tuple[str, ...] = ()
    values: Array | None = None
    scale: ValueScale | None = None
    padding: Array | None = None
    numbers: bool = False
    texts: Array | None = None
    lit: Array | None = None
    beside: bool = False  # whether the rows' own name stands beside the grid, so that arrows can leave its top

    @property
    def margin(self) -> float:
        """Room on the left, for labels."""
        return max(self.rows.widest, text_width(self.rows.caption) if self.beside else 0.0) + 6

    @property
    def width(self) -> float:
        """All of it, labels too."""
        return max(self.margin + self.columns.line.length, *(text_width(row) for row in (*self.words, "")))

    @property
    def height(self) -> float:
        """All of it, labels too."""
        return self.rows.line.length + LINE_HEIGHT * (3.4 + len(self.words))

    def draw(self, canvas: Canvas, left: float, top: float) -> Box:
        """Draw it and return the box of its cells."""
        x, y = left + self.margin, top - LINE_HEIGHT
        rows, columns = self.rows.line, self.columns.line
        box = grid(
            canvas,
            x,
            y,
            rows,
            columns,
            colour=self.colour,
            values=self.values,
            scale=self.scale,
            padding=self.padding,
            numbers=self.numbers,
            texts=self.texts,
            lit=self.lit,
            counted=False,
        )
        label_rows(canvas, self.rows, x, y, left + (self.margin - 5 - text_width(self.rows.caption)) * self.beside)
        below = label_columns(canvas, self.columns, x, box.bottom)
        write_below(canvas, box, below, self.words, left)
        return box


@final
@dataclass(frozen=True)
class CubeView:
    """The cube with the names of its three axes, and lines of text below."""

    batch: NamedAxis
    time: NamedAxis
    feature: NamedAxis
    colour: str
    words: tuple[str, ...] = ()
    values_NTF: Array | None = None
    scale: ValueScale | None = None
    padding_NT: Array | None = None
    lit_NTF: Array | None = None
    numbers: bool = False

    @property
    def margin(self) -> float:
        """Room on the left, for labels."""
        return max(self.feature.widest, text_width(self.feature.caption)) + 6

    @property
    def cells(self) -> Cube:
        """The cube alone, at the sheet's origin."""
        return Cube(0.0, 0.0, self.batch.line, self.time.line, self.feature.line)

    @property
    def width(self) -> float:
        """All of it, labels too."""
        behind = max(self.batch.widest, text_width(self.batch.caption)) + 8
        return max(self.margin + self.cells.box.width + behind, *(text_width(row) for row in (*self.words, "")))

    @property
    def height(self) -> float:
        """All of it, labels too."""
        return self.cells.box.height + LINE_HEIGHT * (2.6 + len(self.words))

    def draw(self, canvas: Canvas, left: float, top: float) -> Box:
        """Draw it and return the box of its cells."""
        place = replace(self.cells, left=left + self.margin, bottom=top - self.cells.box.height)
        box = cube(
            canvas,
            place,
            colour=self.colour,
            values_NTF=self.values_NTF,
            scale=self.scale,
            padding_NT=self.padding_NT,
            lit_NTF=self.lit_NTF,
            numbers=self.numbers,
        )
        label_rows(canvas, self.feature, place.left, place.front.top, left)
        below = label_columns(canvas, self.time, place.left, place.front.bottom)
        self._label_depth(canvas, place)
        write_below(canvas, place.front, below, self.words, left)
        return box

    def _label_depth(self, canvas: Canvas, place: Cube) -> None:
        line = self.batch.line
        for k, index in enumerate(line.shown):
            x, y = place.at(line.middle(k), place.time.length, place.feature.length)
            canvas.text(x + 6, y - 2, self.batch.label(index), ha="left")
        if line.gap:
            x, y = place.at(line.gap_middle, place.time.length, place.feature.length)
            canvas.text(x + 6, y - 2, self.batch.left_out, ha="left", colour=FAINT_INK)
        x, y = place.at(line.length, place.time.length, place.feature.length)
        canvas.text(x + 6, y + LINE_HEIGHT - 4, self.batch.caption, ha="left", colour=FAINT_INK)


def label_rows(canvas: Canvas, axis: NamedAxis, x: float, top: float, left: float) -> None:
    """Write the names of rows to the left of `x`, the axis' own name above them, `left` being where that begins."""
    for k, index in enumerate(axis.line.shown):
        canvas.text(x - 5, top - axis.line.middle(k), axis.label(index), ha="right")
    if axis.line.gap:
        canvas.text(x - 5, top - axis.line.gap_middle, axis.left_out, ha="right", colour=FAINT_INK)
    canvas.text(left, top + LINE_HEIGHT * 0.6, axis.caption, ha="left", colour=FAINT_INK)


def label_columns(canvas: Canvas, axis: NamedAxis, x: float, bottom: float) -> float:
    """Write the names of columns below, the axis' own name under them; return where the writing ends."""
    y = bottom - LINE_HEIGHT * 0.65
    for at, label in axis.labels_along():
        canvas.text(x + at, y, label, colour=FAINT_INK if label == axis.left_out else INK)
    y -= LINE_HEIGHT
    half = text_width(axis.caption) / 2
    middle = max(x + axis.line.length / 2, x + half - 5)
    canvas.text(middle, y, axis.caption, colour=FAINT_INK)
    return y - LINE_HEIGHT / 2


def write_below(canvas: Canvas, box: Box, y: float, words: Sequence[str], left: float) -> None:
    """Write lines centred below a thing, but never left of `left`."""
    if words:
        widest = max(map(text_width, words))
        middle = max(box.x, left + widest / 2)
        caption(canvas, Box(middle, y, middle, y), *words, gap=2)


def pitch_for(numbers: bool) -> tuple[float, float]:
    """Return the width and height of a cell."""
    return NUMBER_SIDES if numbers else (16.0, NUMBER_SIDES[1])


def depth_pitch() -> float:
    """Return how deep a cell of a cube is, so that names fit beside it."""
    return 1.05 * LINE_HEIGHT / DEPTH[1]


def flow(canvas: Canvas, views: Sequence[View], top: float, gap: float = 26, row_gap: float = 16) -> list[Box]:
    """Draw views from left to right, in as many rows as it takes; return the boxes of their cells."""
    boxes: list[Box] = []
    left, bottom = canvas.left, top
    for view in views:
        if left > canvas.left and left + view.width > canvas.right:
            left, top = canvas.left, bottom - row_gap
        boxes.append(view.draw(canvas, left, top))
        left, bottom = left + view.width + gap, min(bottom, top - view.height)
    return boxes


DRAWN_WAYS = ((True, 7), (False, 7), (True, 4), (False, 4), (False, 3), (False, 2))
"""With numbers or without, and how many at most along the longer axis; the first that has room is drawn."""

SomeView = TypeVar("SomeView", bound=View)


def fitting(make: Callable[[bool, int], SomeView], room: float) -> SomeView:
    """Return the first way of drawing a view that is no wider than `room`."""
    views = (make(numbers, most) for numbers, most in DRAWN_WAYS)
    view = next(views)
    for other in views:
        if view.width <= room:
            break
        view = other
    return view


@final
@dataclass(frozen=True)
class Icon:
    """A small cube with some of its cells lit."""

    place: Cube
    lit_NTF: Array

    @property
    def width(self) -> float:
        """All of it."""
        return self.place.box.width

    @property
    def height(self) -> float:
        """All of it."""
        return self.place.box.height

    def draw(self, canvas: Canvas, left: float, top: float) -> Box:
        """Draw it and return its box."""
        place = replace(self.place, left=left, bottom=top - self.height)
        return cube(canvas, place, colour=INPUT, lit_NTF=self.lit_NTF, quiet=True)


@final
@dataclass(frozen=True)
class SliceView:
    """A slice of a cube, and above it the cube with the slice lit."""

    icon: Icon
    grid: GridView

    @property
    def width(self) -> float:
        """All of it, labels too."""
        return max(self.grid.width, self.grid.margin + self.icon.width)

    @property
    def height(self) -> float:
        """All of it, labels too."""
        return self.icon.height + self.grid.height + 8

    def draw(self, canvas: Canvas, left: float, top: float) -> Box:
        """Draw both and return the box of the slice's cells."""
        middle = max(0.0, (self.grid.columns.line.length - self.icon.width) / 2)
        self.icon.draw(canvas, left + self.grid.margin + middle, top)
        return self.grid.draw(canvas, left, top - self.icon.height - 8)
