"""The picture of a whole model, from the input at its foot to its answer at the head.

Feature maps are drawn as sheets, dense layers as circles with lines between them, sequences as grids with time to the
right; what learns nothing and changes no shape is a small square on the way.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from unrolled.trace import Block
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, sized, text_width, wrap
from unrolled.view.drawing.cube import DEPTH
from unrolled.view.drawing.draw import (
    Slots,
    arrow,
    circle,
    ellipsis,
    grid,
    operation,
    panel,
    size_label,
    slots,
    tint,
)
from unrolled.view.style import FAINT_INK, HIDDEN, INK, INPUT, LABEL, SMALL, Picture, house_style

RADIUS: Final = 7.0
GAP: Final = 26.0  # between two levels, for arrows and lines
SHEET: Final = (18.0, 58.0)  # least and greatest side of a feature map
SHEET_PITCH: Final = 11.0  # how far one sheet lies behind the other
SMALL_STEPS: Final = ("activation", "dropout", "normalisation")
MOST_LEVELS: Final = 12  # each is of another kind, so more are drawn in full than of cells
STEP: Final = 22.0  # from one step of a sequence to the next
AGAIN: Final = "same weights again"


@final
@dataclass(frozen=True)
class Level:
    """A block that is drawn, and the small steps that follow it without changing the shape."""

    block: Block
    steps: tuple[Block, ...]

    @property
    def looks(self) -> str:
        """What it is drawn as: "maps", "sequence", "nodes", "strip" or "box"."""
        axes = self.block.axes
        if "channel" in axes and "width" in axes:
            return "maps"
        if "time" in axes:
            return "sequence"
        if len([axis for axis in axes if axis != "batch"]) != 1:
            return "box"
        return "strip" if self.block.role in ("flatten", "input") and self.width > 7 else "nodes"

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each axis by its name."""
        return dict(zip(self.block.axes, self.block.shape, strict=True))

    @property
    def width(self) -> int:
        """How many numbers a vector of it has."""
        return self.block.shape[-1] if self.block.shape else 1


@final
@dataclass(frozen=True)
class Drawn:
    """A level on the sheet.

    Attributes:
        level: What it is.
        box: What arrows lead to.
        places: The middle of each of its nodes or steps.
        front: The foremost sheet of feature maps.
        right: Where its words end, if there are any beside it.
    """

    level: Level
    box: Box
    places: tuple[float, ...] = ()
    front: Box | None = None
    right: float = 0.0


def levels_of(blocks: Sequence[Block]) -> list[Level]:
    """Group a model's blocks: each that changes the shape, with the small steps after it."""
    found: list[Level] = []
    for block in blocks:
        if found and block.role in SMALL_STEPS and block.shape == found[-1].block.shape:
            found[-1] = Level(found[-1].block, (*found[-1].steps, block))
        else:
            found.append(Level(block, ()))
    return found


def network(blocks: Sequence[Block], width: float | None) -> Picture:
    """Draw a model's blocks, its input first."""
    with house_style():
        canvas = Canvas(sized(width))
        _Tower(canvas, levels_of(blocks)).draw()
        return canvas.finish(_title(blocks))


def _title(blocks: Sequence[Block]) -> str:
    learnt = sum(block.parameters for block in blocks if AGAIN not in block.note)
    sizes = _numbers(blocks[0]), _numbers(blocks[-1])
    what = f"{sizes[0]:,} number" + ("" if sizes[0] == 1 else "s")
    goes, comes = ("goes" if sizes[0] == 1 else "go"), ("comes" if sizes[1] == 1 else "come")
    return f"{what} {goes} in, {sizes[1]:,} {comes} out: the model learns {learnt:,} parameters"


def _numbers(block: Block) -> int:
    """How many numbers there are for each sample."""
    return math.prod(size for axis, size in zip(block.axes, block.shape, strict=True) if axis != "batch")


class _Tower:
    """The levels one above the other; drawings on the left, words on the right."""

    def __init__(self, canvas: Canvas, levels: list[Level]) -> None:
        self.canvas = canvas
        self.levels = levels
        room = canvas.right - canvas.left
        self.x = canvas.left + max(100.0, 0.26 * room)
        self.words = canvas.left + max(206.0, 0.54 * room)
        sides = [max(level.sizes["height"], level.sizes["width"]) for level in levels if level.looks == "maps"]
        self.largest = max(sides, default=1)

    def draw(self) -> None:
        """Draw every level, or the first and last of many."""
        line = slots(len(self.levels), 1.0, MOST_LEVELS)
        shown = line.shown if not line.gap else (*range(3), *range(len(self.levels) - 4, len(self.levels)))
        below: Drawn | None = None
        y = 0.0
        for k in shown:
            if below is not None and k and k - 1 not in shown:
                left_out = k - 4
                self.canvas.text(self.x, y + GAP, "⋮", size=LABEL)
                self.canvas.text(self.words, y + GAP, f"and {left_out:,} more", ha="left", colour=FAINT_INK)
                arrow(self.canvas, (self.x, y), (self.x, y + GAP - 9))
                arrow(self.canvas, (self.x, y + GAP + 9), (self.x, y + 2 * GAP))
                y, below = y + GAP, None
            drawn = self._draw_level(self.levels[k], y + (GAP if k else 0.0))
            if below is not None:
                self._connect(below, drawn)
            below, y = drawn, max(drawn.box.top, y + 34)

    def _draw_level(self, level: Level, bottom: float) -> Drawn:
        words = self._words(level)
        make = {"maps": self._maps, "sequence": self._sequence, "nodes": self._nodes, "strip": self._strip}
        height = self._height(level)
        least = LEADING * SMALL * len(words)
        drawn = make.get(level.looks, self._box)(level, bottom + max(0.0, (least - height) / 2))
        self._attach(drawn)
        top = drawn.box.y + least / 2
        self.canvas.lines(self.words, top, words[:1], ha="left")
        if words[1:]:
            self.canvas.lines(self.words, top - LEADING * SMALL, words[1:], ha="left", colour=FAINT_INK)
        return drawn

    def _words(self, level: Level) -> list[str]:
        block = level.block
        name = f" `{block.name}`" if block.name and block.name != block.kind else ""
        head = "input" if block.role == "input" else f"`{block.kind}`{name}"
        rows = [head + (f": {block.note}" if block.note else "")]
        rows += _broken(size_label(block.axes, block.shape).split(" · "), self.canvas.right - self.words)
        if block.parameters:
            rows.append(f"{block.parameters:,} parameters")
        for step in level.steps:
            extra = ", ".join(filter(None, [step.note, f"{step.parameters:,} parameters" if step.parameters else ""]))
            rows += wrap(f"then `{step.kind}`" + (f": {extra}" if extra else ""), self.canvas.right - self.words)
        return [row for given in rows for row in wrap(given, self.canvas.right - self.words)]

    # --- what a level is drawn as ---

    def _height(self, level: Level) -> float:
        if level.looks == "maps":
            sheets = slots(level.sizes["channel"], SHEET_PITCH, gap=18.0)
            return self._side(level)[1] + DEPTH[1] * sheets.start(len(sheets.shown) - 1)
        if level.looks == "sequence":
            extra = 30.0 if level.block.role == "recurrent" else 0.0
            return self._features(level).length + extra
        return {"nodes": 2 * RADIUS, "strip": 10.0}.get(level.looks, 24.0)

    def _side(self, level: Level) -> tuple[float, float]:
        """Return the width and height of a feature map as it is drawn."""
        high, wide = level.sizes["height"], level.sizes["width"]
        side = max(SHEET[0], SHEET[1] * math.sqrt(max(high, wide) / self.largest))
        return max(8.0, side * wide / max(high, wide)), max(8.0, side * high / max(high, wide))

    def _maps(self, level: Level, bottom: float) -> Drawn:
        """Draw feature maps as sheets, one behind the other."""
        wide, high = self._side(level)
        line = slots(level.sizes["channel"], SHEET_PITCH, gap=18.0)
        right, up = (share * line.start(len(line.shown) - 1) for share in DEPTH)
        left = self.x - (wide + right) / 2
        boxes = []
        for k in range(len(line.shown)):
            x, y = left + DEPTH[0] * line.start(k), bottom + DEPTH[1] * line.start(k)
            boxes.append(Box(x, y, x + wide, y + high))
        colour = INPUT if level.block.role == "input" else INK
        for box in boxes[::-1]:
            look: dict[str, Any] = {"facecolor": tint(colour, 0.1), "edgecolor": colour, "zorder": 2.5}
            shape = Rectangle((box.left, box.bottom), wide, high, linewidth=0.8 * self.canvas.scale, **look)
            self.canvas.add(shape, box)
        whole = Box(left, bottom, left + wide + right, bottom + high + up)
        if line.gap:
            words = self.canvas.text(
                boxes[-1].right + 5, boxes[-1].y, f"+{line.left_out:,}", ha="left", colour=FAINT_INK
            )
            return Drawn(level, whole, (), boxes[0], words.right)
        return Drawn(level, whole, (), boxes[0])

    def _features(self, level: Level) -> Slots:
        count = level.sizes.get("feature", level.sizes.get("channel", 1))
        return slots(count, 9.0, 5, gap=12.0)

    def _sequence(self, level: Level, bottom: float) -> Drawn:
        """Draw a sequence as a grid, time to the right; below it the copies of a recurrent layer."""
        rows, steps = self._features(level), slots(level.sizes["time"], STEP, gap=26.0)
        left = self.x - steps.length / 2
        places = tuple(left + steps.middle(k) for k in range(len(steps.shown)))
        recurrent = level.block.role == "recurrent"
        top = bottom + rows.length + (30.0 if recurrent else 0.0)
        colour = HIDDEN if recurrent else INPUT if level.block.role == "input" else INK
        box = grid(self.canvas, left, top, rows, steps, colour=colour)
        if recurrent:
            self._copies(level, places, bottom, box.bottom)
            box = Box(box.left, bottom, box.right, box.top)
        return Drawn(level, box, places)

    def _copies(self, level: Level, places: tuple[float, ...], bottom: float, top: float) -> None:
        """Draw a small copy of the network at each step, and what goes from one to the next."""
        both = "bidirectional" in level.block.note
        for k, x in enumerate(places):
            panel(self.canvas, Box(x - 7, bottom, x + 7, bottom + 18), colour=INK, face="white", radius=3)
            arrow(self.canvas, (x, bottom + 18), (x, top), HIDDEN)
            if k:
                before = places[k - 1] + 7
                y = bottom + (13 if both else 9)
                arrow(self.canvas, (before, y), (x - 7, y), HIDDEN)
                if both:
                    arrow(self.canvas, (x - 7, bottom + 5), (before, bottom + 5), HIDDEN)

    def _nodes(self, level: Level, bottom: float) -> Drawn:
        line = slots(level.width, 24.0, gap=30.0)
        left = self.x - line.length / 2
        places = tuple(left + line.middle(k) for k in range(len(line.shown)))
        colour = INPUT if level.block.role == "input" else HIDDEN if level.block.role == "recurrent" else INK
        for x in places:
            circle(self.canvas, x, bottom + RADIUS, RADIUS, face=tint(colour), edge=colour)
        if line.gap:
            ellipsis(self.canvas, left + line.gap_middle, bottom + RADIUS, line.left_out)
        box = Box(left + 5, bottom, left + line.length - 5, bottom + 2 * RADIUS)
        return Drawn(level, box, places)

    def _strip(self, level: Level, bottom: float) -> Drawn:
        """Draw a long vector as a row of cells."""
        line = slots(level.width, 16.0)
        left = self.x - line.length / 2
        places = tuple(left + line.middle(k) for k in range(len(line.shown)))
        colour = INPUT if level.block.role == "input" else INK
        box = grid(self.canvas, left, bottom + 11, slots(1, 11.0), line, colour=colour, counted=False)
        if line.gap:
            words = self.canvas.text(box.right + 5, box.y, f"+{line.left_out:,}", ha="left", colour=FAINT_INK)
            return Drawn(level, box, places, None, words.right)
        return Drawn(level, box, places)

    def _box(self, level: Level, bottom: float) -> Drawn:
        half = max(30.0, text_width(level.block.kind, mono=True) / 2 + 8)
        box = Box(self.x - half, bottom, self.x + half, bottom + 24)
        panel(self.canvas, box, colour=INK, face=tint(INK, 0.06))
        self.canvas.text(box.x, box.y, level.block.kind, mono=True)
        return Drawn(level, box)

    def _attach(self, drawn_level: Drawn) -> None:
        """Draw the small steps beside what they work on."""
        box = drawn_level.box
        x = max(box.right, drawn_level.right) + 22
        symbols = [_symbol(step) for step in drawn_level.level.steps]
        halves = [max(7.5, text_width(symbol) / 2 + 4) for symbol in symbols]
        if x + sum(2 * half + 8 for half in halves) > self.words:
            return  # the words beside it say the same
        for symbol, half in zip(symbols, halves, strict=True):
            drawn = operation(self.canvas, x + half, box.y, symbol)
            arrow(self.canvas, (drawn.left - 8, box.y), (drawn.left, box.y), FAINT_INK, head=False)
            x = drawn.right + 8

    # --- what leads from one to the next ---

    def _connect(self, below: Drawn, above: Drawn) -> None:
        role = above.level.block.role
        both_sequences = above.level.looks == below.level.looks == "sequence"
        if role in ("dense", "embedding") and both_sequences and len(below.places) == len(above.places):
            self._each(below, above)
        elif role == "dense" and below.places and below.level.looks != "sequence" and above.places:
            self._all_to_all(below, above)
        elif role == "recurrent" and below.level.looks == "sequence":
            self._each(below, above)
        elif below.front is not None and above.front is not None:
            self._field(below, above)
        else:
            arrow(self.canvas, (self.x, below.box.top + 2), (self.x, above.box.bottom - 2))

    def _each(self, below: Drawn, above: Drawn) -> None:
        """Every step leads to its own step."""
        for x in above.places:
            arrow(self.canvas, (x, below.box.top + 2), (x, above.box.bottom - 1), INPUT)

    def _all_to_all(self, below: Drawn, above: Drawn) -> None:
        ends = itertools.product(below.places, above.places)
        lines = [[(a, below.box.top), (b, above.box.bottom)] for a, b in ends]
        box = Box(self.x, below.box.top, self.x, above.box.bottom)
        self.canvas.add(LineCollection(lines, colors=[FAINT_INK], linewidths=0.4 * self.canvas.scale, zorder=1), box)

    def _field(self, below: Drawn, above: Drawn) -> None:
        """Draw what one number of a feature map sees of the map below."""
        assert below.front is not None
        assert above.front is not None
        seen = _square(below.front, 0.36, 0.62, 0.36)
        cell = _square(above.front, 0.14, 0.28, 0.70)
        for box in (seen, cell):
            look: dict[str, Any] = {"facecolor": tint(INPUT, 0.45), "edgecolor": INPUT, "zorder": 3}
            self.canvas.add(Rectangle((box.left, box.bottom), box.width, box.height, linewidth=0.6, **look), box)
        lines = [[(seen.left, seen.top), (cell.x, cell.bottom)], [(seen.right, seen.top), (cell.x, cell.bottom)]]
        self.canvas.add(LineCollection(lines, colors=[INPUT], linewidths=0.6 * self.canvas.scale, zorder=2.9), seen)
        x = self.x + 20
        arrow(self.canvas, (x, below.box.top + 2), (x, above.box.bottom - 2))


def _symbol(step: Block) -> str:
    word = {"dropout": "drop", "normalisation": "norm"}.get(step.role, step.kind)
    return word if len(word) <= 7 else word[:6] + "…"


def _square(sheet: Box, share: float, right: float, up: float) -> Box:
    """Return a small square on a sheet."""
    side = max(3.0, share * min(sheet.width, sheet.height))
    x, y = sheet.left + right * sheet.width, sheet.bottom + up * sheet.height
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def _broken(parts: list[str], room: float) -> list[str]:
    """Join sizes with dots between them, in as many lines as it takes."""
    rows = [parts[0]]
    for part in parts[1:]:
        longer = f"{rows[-1]} · {part}"
        if text_width(longer, mono=True) > room:
            rows.append(part)
        else:
            rows[-1] = longer
    return [f"`{row}`" for row in rows]
