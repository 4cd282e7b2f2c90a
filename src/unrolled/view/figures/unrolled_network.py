"""The picture of a recurrent layer as a full network at every step: its units as circles, and what each hands on.

h goes from every unit to every unit of the next step; c stays with its unit.

Shapes: T = time, H = hidden units.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final, final

from matplotlib.collections import LineCollection
from matplotlib.patches import Wedge

from unrolled.trace import Array, Recurrent, Trace
from unrolled.view.drawing.canvas import Box, Canvas, sized, text_width
from unrolled.view.drawing.draw import (
    Slots,
    ValueScale,
    arrow,
    circle,
    keys,
    named_state,
    panel,
    path,
    signed,
    size_label,
    slots,
    tint,
)
from unrolled.view.drawing.lanes import Lane, width_of
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, INPUT, LINE, Picture, house_style

RADIUS: Final = 8.0
PITCH: Final = 20.0  # from unit to unit
STEPS: Final = (44.0, 92.0)  # from step to step, least and most
LAYER_GAP: Final = 30.0


@final
@dataclass(frozen=True)
class Run:
    """What is known of one sample's run: valid steps alone.

    Attributes:
        steps: How many are valid.
        padded: How many are padding.
        x_TF: The input; None where no numbers are known, then `states` is empty.
        states: (T, H) of each lane and state: states[row]["h"].
        features: Width of the input.
        sizes: Size of each lane's state h, lane by lane.
        words: Sizes of the input with their axes, and which sample is drawn.
    """

    steps: int
    padded: int
    x_TF: Array | None
    states: tuple[dict[str, Array], ...]
    features: int
    sizes: tuple[int, ...]
    words: tuple[str, ...]


def run_of(trace: Trace, sample: int) -> Run:
    """Return what a trace says of one sample."""
    x_TNF = trace.parts[0]["inputs"].values
    t, n, f = x_TNF.shape
    length = int(trace.lengths.values[sample])
    kept = slice(0, length)
    states = tuple(
        {name: part[name].values[kept, sample] for name in ("h", "c") if name in part.arrays} for part in trace.parts
    )
    sizes = {"batch": n, "time": t, "feature": f}
    both = ("batch", "time", "feature") if trace.settings["batch_first"] else ("time", "batch", "feature")
    axes: tuple[str, ...] = both if trace.batched else ("time", "feature")
    sample_words = (f"sample {sample} is drawn",) if trace.batched else ()
    words = (f"`{size_label(axes, [sizes[axis] for axis in axes])}`", *sample_words)
    return Run(length, t - length, x_TNF[kept, sample], states, f, tuple(s["h"].shape[1] for s in states), words)


def run_without_numbers(layer: Recurrent, steps: int) -> Run:
    """Return a run of which only the sizes are known."""
    sizes = tuple(width_of(part) for part in layer.weights)
    features = layer.weights[0]["weight_ih"].shape[1]
    return Run(steps, 0, None, (), features, sizes, (f"`{size_label(('time', 'feature'), (steps, features))}`",))


def unrolled_network(layers: list[list[Lane]], run: Run, width: float | None) -> Picture:
    """Draw the units of every layer at every step."""
    with house_style():
        canvas = Canvas(sized(width))
        sheet = _Sheet(canvas, layers, run)
        sheet.draw()
        own = "; `c` stays with its own" if any(_has_c(lane) for lanes in sheet.layers for lane in lanes) else ""
        title = f"The whole network at every step: `h` reaches every unit of the next step{own}"
        return canvas.finish(title, "An arrow upwards leads from every number below to every unit above.")


@final
@dataclass(frozen=True)
class _Column:
    """The units of a lane at one step: where their circles are."""

    x: float
    box: Box
    heights: tuple[float, ...]


def _has_c(lane: Lane) -> bool:
    """Whether a c is drawn beside the h of each unit."""
    return "c" in lane.states and not lane.projected


class _Sheet:
    """Where everything of the picture lies."""

    def __init__(self, canvas: Canvas, layers: list[list[Lane]], run: Run) -> None:
        self.canvas, self.layers, self.run = canvas, layers, run
        words = [row for layer in layers for lane in layer for row in self._words(lane)]
        names = max(text_width(f"{count - 1:,}") for count in (run.features, *run.sizes)) + 8
        self.units_right = canvas.left + max(text_width(row) for row in (*words, *run.words)) + 8 + names
        several = len(layers) > 1 or len(layers[0]) > 1
        finals = [lane.final("h", len(layer)) for layer in layers for lane in layer]
        self.pill = max(text_width(name, mono=True) for name in finals) + 9
        self.first = self.units_right + (self.pill + 6 if any(len(layer) > 1 for layer in layers) else 0.0)
        self.line = self._line()
        self.several = several
        self.scales = self._scales()

    def _line(self) -> Slots:
        room = self.canvas.right - self.first - self.pill - 16
        steps = self.run.steps
        for most in (7, 4, 3):
            line = slots(steps, STEPS[0], most)
            if line.length <= room:
                return slots(steps, min(STEPS[1], (room - line.gap) / len(line.shown)), most, line.gap or None)
        return slots(steps, min(STEPS[0], (room - 22) / 2), 2, 22.0 if steps > 2 else None)

    def _scales(self) -> dict[str, ValueScale]:
        if self.run.x_TF is None:
            return {}
        of = {name: [lane[name] for lane in self.run.states if name in lane] for name in ("h", "c")}
        of["c"] = of["c"] if any(_has_c(lane) for lanes in self.layers for lane in lanes) else []
        return {"x": signed(self.run.x_TF)} | {name: signed(*values) for name, values in of.items() if values}

    def _words(self, lane: Lane) -> list[str]:
        rows = [f"layer {lane.layer}"]
        if len(self.layers[lane.layer]) > 1:
            rows.append("← reverse" if lane.reverse else "forward →")
        return [*rows, f"`H={self.run.sizes[lane.row]:,}`"]

    def draw(self) -> None:
        """Draw all of it, from the input at the foot upwards."""
        x = self._draw_inputs()
        below, colour = [[column] for column in x], INPUT
        for lanes in self.layers:
            drawn = self._draw_layer(lanes, below, colour)
            below, colour = drawn, HIDDEN
        self._label_steps()
        self._draw_keys()

    # --- units ---

    def _columns(self, count: int, bottom: float, words: tuple[str, ...]) -> list[_Column]:
        """Place a column of units at every step, and write on the left what they are."""
        rows = slots(count, PITCH, gap=16.0)
        top = bottom + rows.length + 8
        heights = tuple(top - 4 - rows.middle(k) for k in range(len(rows.shown)))
        for y, index in zip(heights, rows.shown, strict=True):
            self.canvas.text(self.units_right - 6, y, f"{index:,}", ha="right", colour=FAINT_INK)
        if rows.gap:
            self.canvas.text(self.units_right - 6, top - 4 - rows.gap_middle, "⋮", ha="right", colour=FAINT_INK)
        self.canvas.lines(self.canvas.left, (top + bottom) / 2 + 5.4 * len(words), words[:1], ha="left")
        rest = words[1:]
        if rest:
            y = (top + bottom) / 2 + 5.4 * len(words) - 10.8
            self.canvas.lines(self.canvas.left, y, rest, ha="left", colour=FAINT_INK)
        columns = []
        for k in range(len(self.line.shown)):
            x = self.first + self.line.middle(k)
            box = Box(x - RADIUS - 4, bottom, x + RADIUS + 4, top)
            panel(self.canvas, box, colour=LINE, radius=6)
            columns.append(_Column(x, box, heights))
            if rows.gap:
                self.canvas.text(x, top - 4 - rows.gap_middle, "⋮")
        if self.line.gap:
            self.canvas.text(self.first + self.line.gap_middle, (top + bottom) / 2, "⋯")
        return columns

    def _draw_inputs(self) -> list[_Column]:
        columns = self._columns(self.run.features, 0.0, ("input `x`", *self.run.words))
        shown = slots(self.run.features, PITCH, gap=16.0).shown
        for column, step in zip(columns, self.line.shown, strict=True):
            for y, feature in zip(column.heights, shown, strict=True):
                face = tint(INPUT) if self.run.x_TF is None else self.scales["x"](self.run.x_TF[step, feature])
                circle(self.canvas, column.x, y, RADIUS, face=face, edge=INPUT)
        return columns

    def _draw_layer(self, lanes: list[Lane], below: list[list[_Column]], colour: str) -> list[list[_Column]]:
        """Draw a layer's lanes, the reverse one under the forward one; return the columns of every step."""
        bottom = below[0][-1].box.top + LAYER_GAP
        drawn: list[list[_Column]] = []
        for lane in lanes[::-1]:
            columns = self._columns(self.run.sizes[lane.row], bottom, tuple(self._words(lane)))
            self._draw_lane(lane, columns)
            drawn.append(columns)
            bottom = columns[0].box.top + LAYER_GAP
        for k, sources in enumerate(below):
            self._lead_up(sources, [columns[k] for columns in drawn], colour)
        return [list(columns) for columns in zip(*drawn, strict=True)]

    def _lead_up(self, sources: list[_Column], targets: list[_Column], colour: str) -> None:
        """Lead from the lanes below to the lanes above: straight to the next, around it to the one behind."""
        last, first = sources[-1], targets[0]
        arrow(self.canvas, (last.x, last.box.top + 1), (first.x, first.box.bottom - 1), colour, width=1.4)
        middle = (last.box.top + first.box.bottom) / 2
        if len(sources) > 1:
            low, aside = sources[0], sources[0].box.right + 5
            turns = [(low.box.right, low.box.top - 8), (aside, low.box.top - 8), (aside, middle), (last.x, middle)]
            path(self.canvas, turns, colour, head=False)
        if len(targets) > 1:
            high, aside = targets[1], targets[1].box.left - 5
            turns = [
                (last.x, middle),
                (aside, middle),
                (aside, high.box.bottom + 8),
                (high.box.left, high.box.bottom + 8),
            ]
            path(self.canvas, turns, colour)

    def _draw_lane(self, lane: Lane, columns: list[_Column]) -> None:
        shown = slots(self.run.sizes[lane.row], PITCH, gap=16.0).shown
        two = _has_c(lane)
        for column, step in zip(columns, self.line.shown, strict=True):
            for y, unit in zip(column.heights, shown, strict=True):
                self._unit(lane, column.x, y, step, unit, two)
        pairs = list(itertools.pairwise(columns))
        for k, (left, right) in enumerate(pairs):
            self._hand_on(lane, left, right, broken=bool(self.line.gap) and k == len(pairs) - 1)
        self._finals(lane, columns[0 if lane.reverse else -1])

    def _unit(self, lane: Lane, x: float, y: float, step: int, unit: int, two: bool) -> None:
        """Draw a unit: h as a circle; where there is a c, that above and h below."""
        if not two:
            circle(self.canvas, x, y, RADIUS, face=self._face(lane, "h", step, unit), edge=HIDDEN)
            return
        for name, edge, angles in (("c", CELL, (0, 180)), ("h", HIDDEN, (180, 360))):
            face = self._face(lane, name, step, unit)
            look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "linewidth": 0.9 * self.canvas.scale}
            box = Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)
            self.canvas.add(Wedge((x, y), RADIUS, *angles, zorder=4, **look), box)

    def _face(self, lane: Lane, name: str, step: int, unit: int) -> object:
        if not self.run.states:
            return tint(HIDDEN if name == "h" else CELL)
        values_TH = self.run.states[lane.row][name]
        return self.scales[name](values_TH[step, unit]) if unit < values_TH.shape[1] else tint(CELL)

    def _hand_on(self, lane: Lane, left: _Column, right: _Column, broken: bool) -> None:
        """Draw h from every unit to every unit, c from each to itself, broken off where steps are left out."""
        a, b = left.x + RADIUS, right.x - RADIUS
        if broken:
            middle = self.first + self.line.gap_middle
            self._lines(lane, left, a, middle - 10, ends=left)
            self._lines(lane, right, b, middle + 10, ends=right)
            return
        h = [[(a, y - 3), (b, z - 3)] for y, z in itertools.product(left.heights, right.heights)]
        self._add_lines(h, HIDDEN, 0.4)
        if _has_c(lane):
            for y in left.heights:
                ends = ((b, y + 3), (a, y + 3)) if lane.reverse else ((a, y + 3), (b, y + 3))
                arrow(self.canvas, *ends, CELL, width=1.1)

    def _lines(self, lane: Lane, column: _Column, start: float, stop: float, ends: _Column) -> None:
        """Draw the lines at one side of an ellipsis."""
        whole = [[(start, y - 3), (stop, z - 3)] for y, z in itertools.product(column.heights, ends.heights)]
        share = 0.5
        h = [[p, (p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1]))] for p, q in whole]
        self._add_lines(h, HIDDEN, 0.4)
        if _has_c(lane):
            self._add_lines(
                [[(start, y + 3), (start + share * (stop - start), y + 3)] for y in column.heights], CELL, 1.1
            )

    def _add_lines(self, lines: list[list[tuple[float, float]]], colour: str, width: float) -> None:
        xs, ys = [x for line in lines for x, _ in line], [y for line in lines for _, y in line]
        box = Box(min(xs), min(ys), max(xs), max(ys))
        self.canvas.add(LineCollection(lines, colors=[colour], linewidths=width * self.canvas.scale, zorder=2), box)

    def _finals(self, lane: Lane, column: _Column) -> None:
        directions = len(self.layers[lane.layer])
        states = ["c", "h"] if _has_c(lane) else ["h"]
        for name, up in zip(states, (8.5, -8.5) if len(states) == 2 else (0.0,), strict=True):
            colour, y = (CELL if name == "c" else HIDDEN), column.box.y + up
            code = lane.final(name, directions)
            if lane.reverse:
                named_state(self.canvas, code, column.box.left - 12, y, colour, "right")
                arrow(self.canvas, (column.box.left, y), (column.box.left - 12, y), colour)
            else:
                named_state(self.canvas, code, column.box.right + 12, y, colour, "left")
                arrow(self.canvas, (column.box.right, y), (column.box.right + 12, y), colour)

    # --- words ---

    def _label_steps(self) -> None:
        y = -9.0
        for k, step in enumerate(self.line.shown):
            self.canvas.text(self.first + self.line.middle(k), y, f"{step:,}")
        if self.line.gap:
            self.canvas.text(self.first + self.line.gap_middle, y, f"+{self.line.left_out:,}", colour=FAINT_INK)
        total = self.run.steps + self.run.padded
        words = f"time `T={total:,}`" + (f", the last {self.run.padded:,} padding" if self.run.padded else "")
        self.canvas.text(self.first + self.line.length / 2, y - 12, words, colour=FAINT_INK)

    def _draw_keys(self) -> None:
        y = self.canvas.drawn.bottom - 16
        box = keys(self.canvas, y, [(f"`{name}`", scale) for name, scale in self.scales.items()])
        x, y = (box.right + 18, box.y) if self.scales else (self.canvas.left, y)
        if any(_has_c(lane) for lanes in self.layers for lane in lanes):
            self._key_of_halves(x, y)

    def _key_of_halves(self, x: float, y: float) -> None:
        words = "a unit: `c` above, `h` below"
        if x + 24 + text_width(words) > self.canvas.right:
            x, y = self.canvas.left, y - 16
        for edge, angles in ((CELL, (0, 180)), (HIDDEN, (180, 360))):
            box = Box(x, y - 6, x + 12, y + 6)
            look: dict[str, Any] = {"facecolor": tint(edge), "edgecolor": edge, "linewidth": 0.9 * self.canvas.scale}
            self.canvas.add(Wedge((x + 6, y), 6, *angles, zorder=4, **look), box)
        self.canvas.text(x + 18, y, words, ha="left", colour=FAINT_INK)
