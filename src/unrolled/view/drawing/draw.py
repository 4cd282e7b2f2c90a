"""What pictures are made of: grids and cubes of cells, weight blocks, states, gates, operations, arrows, tethers.

Each function draws on a `Canvas` and returns the `Box` that it filled; all sizes are points. Row 0 of a grid is at its
top, index 0 of the batch in front.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat, TypeAlias, final

import matplotlib
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from unrolled.trace import Array
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, Side, text_width
from unrolled.view.style import (
    FADED,
    FAINT_INK,
    GATES,
    INK,
    LABEL,
    LINE,
    PAPER,
    QUIET,
    SIGNED_MAP,
    SMALL,
    UNIT_MAP,
    WEIGHT,
)

MOST_DRAWN = 7  # of anything; of more, the first three and the last
SIDE = 14.0  # side of a cell without a number in it
NUMBER_SIDES = (27.0, 15.0)  # width and height of one with a number
THIN, THICK = 0.6, 1.8  # line widths
TINT = 0.16  # how much of a role's colour a cell without a value has

Point: TypeAlias = tuple[float, float]

AXIS_LETTERS = {
    "batch": "N",
    "time": "T",
    "feature": "F",
    "hidden": "H",
    "projection": "P",
    "channel": "C",
    "layer": "L",
    "direction": "D",
    "horizon": "h",
    "layer_direction": "L·D",
}


def axis_letter(axis: str) -> str:
    """Return the letter of an axis, N for "batch"; a name that has none stands for itself."""
    return AXIS_LETTERS.get(axis, axis)


def size_label(axes: Sequence[str], shape: Sequence[int]) -> str:
    """Return sizes with their axes, in the layout in use: "T=7 · N=4 · H=5"."""
    return " · ".join(f"{axis_letter(axis)}={size:,}" for axis, size in zip(axes, shape, strict=True)) or "one number"


# --- how many are drawn, and where --------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Slots:
    """Which of `count` things are drawn, and where along a line.

    Attributes:
        count: How many there are.
        shown: Indices of those drawn, in order.
        pitch: From one to the next.
        gap: Room left for the ellipsis, after the last but one of those drawn; 0 where all are drawn.
    """

    count: int
    shown: tuple[int, ...]
    pitch: float
    gap: float

    @property
    def length(self) -> float:
        """From the start of the first to the end of the last."""
        return len(self.shown) * self.pitch + self.gap

    @property
    def left_out(self) -> int:
        """How many are not drawn."""
        return self.count - len(self.shown)

    def start(self, k: int) -> float:
        """Where the k-th of those drawn begins."""
        late = self.gap if self.gap and k == len(self.shown) - 1 else 0.0
        return k * self.pitch + late

    def middle(self, k: int) -> float:
        """Where the middle of the k-th of those drawn is."""
        return self.start(k) + self.pitch / 2

    @property
    def gap_middle(self) -> float:
        """Where the ellipsis stands."""
        return (len(self.shown) - 1) * self.pitch + self.gap / 2


def slots(count: int, pitch: float, most: int = MOST_DRAWN, gap: float | None = None) -> Slots:
    """Place `count` things `pitch` apart: all of at most `most`, otherwise the first three, an ellipsis, the last.

    Where `most` is less than four there is room for fewer: the first `most` − 1 and the last.
    """
    if count <= most:
        return Slots(count, tuple(range(count)), pitch, 0.0)
    first = range(max(1, min(3, most - 1)))
    return Slots(count, (*first, count - 1), pitch, gap_for(count - len(first) - 1, pitch) if gap is None else gap)


def gap_for(left_out: int, pitch: float) -> float:
    """Return the room that an ellipsis and its count need."""
    return max(pitch, text_width(f"+{left_out:,}") + 6)


def ellipsis(canvas: Canvas, x: float, y: float, left_out: int, vertical: bool = False, alpha: float = 1.0) -> Box:
    """Draw three dots, and how many things they stand for."""
    if vertical:
        dots = canvas.text(x, y, "⋮", size=LABEL, alpha=alpha)
        return dots.over(canvas.text(x + 5, y, f"+{left_out:,}", colour=FAINT_INK, ha="left", alpha=alpha))
    dots = canvas.text(x, y + 4, "⋯", size=LABEL, alpha=alpha)
    return dots.over(canvas.text(x, y - 6, f"+{left_out:,}", colour=FAINT_INK, alpha=alpha))


# --- values as colours --------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class ValueScale:
    """How numbers become colours: `low` to `high` on a colour map."""

    low: float
    high: float
    colours: str

    def __call__(self, given: SupportsFloat) -> tuple[float, float, float]:
        """Return the colour of a number; white for NaN."""
        value = float(given)
        if not math.isfinite(value):
            return to_rgb(PAPER)
        share = (value - self.low) / (self.high - self.low)
        red, green, blue, _ = matplotlib.colormaps[self.colours](min(1.0, max(0.0, share)))
        return red, green, blue


def signed(*values: Array) -> ValueScale:
    """Return the scale of signed numbers: diverging, centred on zero, as wide as the largest of them."""
    largest = max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in map(np.asarray, values)), default=0.0)
    return ValueScale(-(largest or 1.0), largest or 1.0, SIGNED_MAP)


UNIT = ValueScale(0.0, 1.0, UNIT_MAP)
"""The scale of gates, 0 to 1."""


def number(given: SupportsFloat, digits: int = 2) -> str:
    """Write a number for a cell, in at most five characters where its size allows it: "−0.42", "3.1e5"."""
    value = float(given)
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 9999.5:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    places = digits if size < 9.995 else 1 if size < 99.95 else 0
    return f"{round(value, places) + 0.0:.{places}f}".replace("-", "−")


def ink_on(colour: Any) -> str:
    """Return black or white, whichever can be read on `colour`."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    light = 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
    return INK if (light + 0.05) ** 2 > 1.05 * 0.066 else PAPER


def tint(colour: str, share: float = TINT) -> tuple[float, float, float]:
    """Return `colour` mixed with white."""
    return mixed(to_rgb(colour), share)


def mixed(colour: tuple[float, float, float], share: float) -> tuple[float, float, float]:
    """Return a share of `colour`, the rest of it white."""
    red, green, blue = (1 - share + share * channel for channel in colour)
    return red, green, blue


def colour_bar(canvas: Canvas, left: float, y: float, scale: ValueScale, label: str, width: float = 70) -> Box:
    """Draw the colours of a scale with its range in numbers, and what the values are before it."""
    start = canvas.text(left, y, label, ha="left", colour=FAINT_INK).right + 8 if label else left
    low = canvas.text(start, y, number(scale.low), ha="left")
    bar = Box(low.right + 4, y - 4, low.right + 4 + width, y + 4)
    steps = 48
    values = np.linspace(scale.low, scale.high, steps)
    edges = np.linspace(bar.left, bar.right, steps + 1)
    corners = [_corners(Box(a, bar.bottom, b, bar.top)) for a, b in itertools.pairwise(edges)]
    colours = [scale(value) for value in values]
    canvas.add(PolyCollection(corners, facecolors=colours, edgecolors=colours, linewidths=0.2), bar)
    outline(canvas, bar, LINE, THIN)
    return around_row(canvas.text(bar.right + 4, y, number(scale.high), ha="left"), left, bar)


def keys(canvas: Canvas, y: float, scales: Sequence[tuple[str, ValueScale]], padding: bool = False) -> Box:
    """Draw the colour bars of several kinds of values, and what padding looks like, in as many rows as it takes."""
    x, box = canvas.left, Box(canvas.left, y, canvas.left, y)
    for label, scale in scales:
        wide = 50 + sum(text_width(word) for word in (label, number(scale.low), number(scale.high))) + 16
        if x > canvas.left and x + wide > canvas.right:
            x, y = canvas.left, y - 2 * SMALL
        box = colour_bar(canvas, x, y, scale, label, 50)
        x = box.right + 18
    if padding:
        if x > canvas.left and x + 20 + text_width("padding") > canvas.right:
            x, y = canvas.left, y - 2 * SMALL
        box = padding_key(canvas, x, y)
    return box


def padding_key(canvas: Canvas, left: float, y: float) -> Box:
    """Draw a cell of padding, and beside it what it is."""
    cell = Box(left, y - 5, left + 14, y + 5)
    hatch(canvas, [_corners(cell)], cell)
    return cell.over(canvas.text(cell.right + 5, y, "padding", ha="left", colour=FAINT_INK))


def around_row(last: Box, left: float, bar: Box) -> Box:
    """Return the box of a row that begins at `left`."""
    return Box(left, min(last.bottom, bar.bottom), last.right, max(last.top, bar.top))


# --- grids --------------------------------------------------------------------------------------------------------


def grid(
    canvas: Canvas,
    left: float,
    top: float,
    rows: Slots,
    columns: Slots,
    *,
    colour: str,
    values: Array | None = None,
    scale: ValueScale | None = None,
    padding: Array | None = None,
    numbers: bool = False,
    texts: Array | None = None,
    lit: Array | None = None,
    weight: bool = False,
    alpha: float = 1.0,
    counted: bool = True,
) -> Box:
    """Draw a tensor as a grid of cells, row 0 at the top.

    Args:
        canvas: The sheet.
        left: Where the grid begins.
        top: Where it ends.
        rows: Which rows are drawn.
        columns: Which columns are drawn.
        colour: The colour of its role: of the frame, and palely of cells without a value.
        values: (rows.count, columns.count), drawn as colours if there is a `scale`.
        scale: How values become colours.
        padding: (rows.count, columns.count), True where a cell is padding: hatched, never coloured.
        numbers: Write each value into its cell.
        texts: (rows.count, columns.count), words to write into the cells.
        lit: (rows.count, columns.count), True where a cell is the picture's subject; all others fade.
        weight: Draw the thick frame of a weight block.
        alpha: Opacity; `FADED` for what is not the picture's subject.
        counted: Say in each ellipsis how many cells it stands for.
    """
    corners, faces, hatched = [], [], []
    for r, row in enumerate(rows.shown):
        for c, column in enumerate(columns.shown):
            x, y = left + columns.start(c), top - rows.start(r)
            cell = Box(x, y - rows.pitch, x + columns.pitch, y)
            if padding is not None and padding[row, column]:
                hatched.append(_corners(cell))
                continue
            value = None if values is None else float(values[row, column])
            face = tint(colour) if value is None or scale is None else scale(value)
            faded = lit is not None and not lit[row, column]
            face = mixed(face, FADED) if faded else face
            corners.append(_corners(cell))
            faces.append(face)
            if numbers and value is not None:
                canvas.text(cell.x, cell.y, number(value), colour=QUIET if faded else ink_on(face), alpha=alpha)
            if texts is not None:
                canvas.text(cell.x, cell.y, str(texts[row, column]), colour=ink_on(face), alpha=alpha)
    box = Box(left, top - rows.length, left + columns.length, top)
    edge = WEIGHT if weight else colour
    cells(canvas, corners, faces, box, edge, alpha)
    hatch(canvas, hatched, box, alpha)
    for frame in _frames(box, rows, columns):
        outline(canvas, frame, edge, THICK if weight else 0.9, alpha)
    _mark_gaps(canvas, box, rows, columns, alpha, counted)
    return canvas.cover(box)


def cells(canvas: Canvas, corners: list[Any], faces: list[Any], box: Box, edge: str, alpha: float = 1.0) -> None:
    """Draw polygons with faces of their own and thin edges."""
    if corners:
        line = to_rgb(tint(edge, 0.55))
        look: dict[str, Any] = {"linewidths": 0.5 * canvas.scale, "alpha": alpha, "zorder": 2, "joinstyle": "round"}
        canvas.add(PolyCollection(corners, facecolors=faces, edgecolors=[line], **look), box)


def hatch(canvas: Canvas, corners: list[Any], box: Box, alpha: float = 1.0) -> None:
    """Draw cells of padding: hatched, without a colour."""
    if corners:
        look: dict[str, Any] = {"linewidths": 0.5 * canvas.scale, "alpha": alpha, "zorder": 2, "hatch": "/////"}
        canvas.add(PolyCollection(corners, facecolors=[PAPER], edgecolors=[LINE], **look), box)


def _corners(box: Box) -> list[Point]:
    return [(box.left, box.bottom), (box.right, box.bottom), (box.right, box.top), (box.left, box.top)]


def outline(canvas: Canvas, box: Box, colour: str, width: float, alpha: float = 1.0, dashed: bool = False) -> Box:
    """Draw a frame."""
    look: dict[str, Any] = {"fill": False, "edgecolor": colour, "linewidth": width * canvas.scale, "alpha": alpha}
    style = (0, (3, 2)) if dashed else "solid"
    return canvas.add(
        Rectangle((box.left, box.bottom), box.width, box.height, zorder=3, linestyle=style, joinstyle="round", **look),
        box,
    )


def spans(line: Slots) -> list[tuple[float, float]]:
    """Return where cells are drawn along a line: one stretch, or two around the ellipsis."""
    if not line.gap:
        return [(0.0, line.length)]
    before = (len(line.shown) - 1) * line.pitch
    return [(0.0, before), (before + line.gap, line.length)]


def _frames(box: Box, rows: Slots, columns: Slots) -> list[Box]:
    return [
        Box(box.left + c0, box.top - r1, box.left + c1, box.top - r0)
        for r0, r1 in spans(rows)
        for c0, c1 in spans(columns)
    ]


def _mark_gaps(canvas: Canvas, box: Box, rows: Slots, columns: Slots, alpha: float, counted: bool) -> None:
    first = box.left + spans(columns)[0][1] / 2
    if columns.gap and counted:
        ellipsis(canvas, box.left + columns.gap_middle, box.y, columns.left_out, alpha=alpha)
    elif columns.gap:
        canvas.text(box.left + columns.gap_middle, box.y, "⋯", size=LABEL, alpha=alpha)
    if rows.gap and counted:
        aside = text_width(f"+{rows.left_out:,}") / 2 + 2
        ellipsis(canvas, first - aside, box.top - rows.gap_middle, rows.left_out, vertical=True, alpha=alpha)
    elif rows.gap:
        canvas.text(first, box.top - rows.gap_middle, "⋮", size=LABEL, alpha=alpha)


# --- shapes -------------------------------------------------------------------------------------------------------


def state(canvas: Canvas, box: Box, colour: str, *, alpha: float = 1.0, filled: bool = True) -> Box:
    """Draw the rounded row of a state; its cells or its name go inside."""
    radius = min(box.width, box.height) / 2
    face = tint(colour) if filled else PAPER
    shape = FancyBboxPatch(
        (box.left, box.bottom),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={radius}",
        facecolor=face,
        edgecolor=colour,
        linewidth=0.9 * canvas.scale,
        alpha=alpha,
        zorder=3,
    )
    return canvas.add(shape, box)


def named_state(canvas: Canvas, name: str, x: float, y: float, colour: str, side: Side) -> Box:
    """Draw a state as a rounded row with its name in it, its `side` at x."""
    wide = text_width(name, mono=True) + 9
    left = {"left": x, "center": x - wide / 2, "right": x - wide}[side]
    box = Box(left, y - 6.5, left + wide, y + 6.5)
    state(canvas, box, colour)
    canvas.text(box.x, box.y, name, mono=True)
    return box


def gate(
    canvas: Canvas,
    x: float,
    y: float,
    letter: str,
    *,
    value: float | None = None,
    radius: float = 9,
    alpha: float = 1.0,
) -> Box:
    """Draw a gate: a circle with its letter, in the gate's colour, or filled with the colour of its value, 0 to 1."""
    colour = GATES.get(letter, INK)
    face = tint(colour, 0.3) if value is None else UNIT(value)
    shape = circle(canvas, x, y, radius, face=face, edge=colour, width=1.4, alpha=alpha)
    canvas.text(x, y, letter, size=LABEL, bold=True, colour=ink_on(face), alpha=alpha)
    return shape


def operation(canvas: Canvas, x: float, y: float, symbol: str, *, alpha: float = 1.0) -> Box:
    """Draw an operation, such as "×", "+", "σ" or "tanh": a small square, wider for a longer name."""
    half = max(7.5, text_width(symbol) / 2 + 4)
    box = Box(x - half, y - 7.5, x + half, y + 7.5)
    look: dict[str, Any] = {"facecolor": PAPER, "edgecolor": INK, "linewidth": 0.8 * canvas.scale, "alpha": alpha}
    canvas.add(Rectangle((box.left, box.bottom), box.width, box.height, zorder=4, **look), box)
    canvas.text(x, y, symbol, alpha=alpha)
    return box


def circle(
    canvas: Canvas, x: float, y: float, radius: float, *, face: Any, edge: Any, width: float = 0.9, alpha: float = 1.0
) -> Box:
    """Draw a circle."""
    box = Box(x - radius, y - radius, x + radius, y + radius)
    look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "linewidth": width * canvas.scale, "alpha": alpha}
    return canvas.add(Circle((x, y), radius, zorder=4, **look), box)


def panel(
    canvas: Canvas, box: Box, *, colour: str = LINE, face: Any = None, alpha: float = 1.0, radius: float = 5
) -> Box:
    """Draw a rounded frame behind things that belong together."""
    shape = FancyBboxPatch(
        (box.left, box.bottom),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={radius}",
        facecolor="none" if face is None else face,
        edgecolor=colour,
        linewidth=0.8 * canvas.scale,
        alpha=alpha,
        zorder=1,
    )
    return canvas.add(shape, box)


# --- lines --------------------------------------------------------------------------------------------------------


def arrow(
    canvas: Canvas,
    start: Point,
    end: Point,
    colour: str = INK,
    *,
    bend: float = 0.0,
    width: float = 0.9,
    head: bool = True,
    dashed: bool = False,
    alpha: float = 1.0,
    zorder: float = 3,
) -> None:
    """Draw an arrow, bent to its right where `bend` is above 0."""
    shape = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>,head_length=3.2,head_width=1.6" if head else "-",
        mutation_scale=canvas.scale,
        connectionstyle=f"arc3,rad={bend}",
        shrinkA=0,
        shrinkB=0,
        color=colour,
        linewidth=width * canvas.scale,
        linestyle=(0, (3, 2)) if dashed else "solid",
        alpha=alpha,
        zorder=zorder,
    )
    (x0, y0), (x1, y1) = start, end
    reach = abs(bend) * math.dist(start, end) / 2
    canvas.add(shape, Box(min(x0, x1), min(y0, y1) - reach * (x0 != x1), max(x0, x1), max(y0, y1) + reach * (x0 != x1)))


def path(
    canvas: Canvas,
    points: Sequence[Point],
    colour: str = INK,
    *,
    width: float = 0.9,
    head: bool = True,
    dashed: bool = False,
    alpha: float = 1.0,
    zorder: float = 3,
) -> None:
    """Draw a line through several points, its last stretch an arrow if `head`."""
    xs, ys = zip(*points, strict=True)
    last = max(0, len(points) - 2) if head else len(points) - 1
    style: Any = (0, (3, 2)) if dashed else "solid"
    if last:
        look: dict[str, Any] = {"linewidth": width * canvas.scale, "linestyle": style, "alpha": alpha, "zorder": zorder}
        canvas.axes.plot(xs[: last + 1], ys[: last + 1], color=colour, solid_joinstyle="round", **look)
    if head:
        arrow(canvas, points[-2], points[-1], colour, width=width, dashed=dashed, alpha=alpha, zorder=zorder)
    canvas.cover(Box(min(xs), min(ys), max(xs), max(ys)))


def tether(canvas: Canvas, points: Sequence[Point], *, alpha: float = 1.0) -> None:
    """Draw the dashed line that leads from a weight block to a place where it is used, a dot at its end."""
    path(canvas, points, WEIGHT, width=0.7, head=False, dashed=True, alpha=alpha, zorder=1.5)
    x, y = points[-1]
    circle(canvas, x, y, 1.6, face=WEIGHT, edge=WEIGHT, width=0.2, alpha=alpha)


def caption(canvas: Canvas, box: Box, *rows: str, gap: float = 4) -> Box:
    """Write lines below a thing, centred: its name, then its sizes."""
    written = [
        canvas.text(box.x, box.bottom - gap - LEADING * SMALL * (k + 0.5), row, colour=INK if k == 0 else FAINT_INK)
        for k, row in enumerate(rows)
    ]
    return Box(min(w.left for w in written), written[-1].bottom, max(w.right for w in written), written[0].top)
