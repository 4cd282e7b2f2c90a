"""The picture of a recurrent layer over time: one network with a loop, or its copies with the one set of weights.

Shapes: T = time, F = features.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from unrolled.trace import Array, Recurrent, Trace
from unrolled.view.drawing.canvas import Box, Canvas, sized, text_width
from unrolled.view.drawing.draw import (
    Slots,
    arrow,
    grid,
    keys,
    named_state,
    operation,
    panel,
    path,
    signed,
    size_label,
    slots,
    tether,
)
from unrolled.view.drawing.lanes import Lane, lanes_of, width_of
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, INK, INPUT, WEIGHT, Picture, house_style

COPY: Final = (36.0, 32.0)  # width and height of one copy of the network
PITCHES: Final = (45.0, 84.0)  # from step to step, least and most
ROW: Final = 13.0  # height of a cell
BLOCK_ROW: Final = 28.0  # height of a weight block with its name
FOLDED_WIDTH: Final = 6.0  # inches
PADDED: Final = 40.0  # room for the column that stands for padding
COLOURS: Final = {"h": HIDDEN, "c": CELL}


@final
@dataclass(frozen=True)
class Columns:
    """What enters and leaves at each step.

    Attributes:
        axes: Of the input, in the layout in use.
        shape: Of the input.
        out_axes: Of `output`.
        out_shape: Of `output`.
        sample: Which sample is drawn; None where there is no batch.
        x_TF: Its input, valid steps alone; None where no numbers are known.
        y_TF: Its output.
        steps: How many steps are valid.
        padded: How many are padding.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    out_axes: tuple[str, ...]
    out_shape: tuple[int, ...]
    sample: int | None
    x_TF: Array | None
    y_TF: Array | None
    steps: int
    padded: int

    @property
    def widths(self) -> tuple[int, int]:
        """Features that enter, and that leave."""
        return self.shape[-1], self.out_shape[-1]


def columns_of(trace: Trace, sample: int) -> Columns:
    """Return what a trace says of one sample."""
    batch_first, batched = trace.settings["batch_first"], trace.batched
    x_TNF = trace.parts[0]["inputs"].values
    t, n, f = x_TNF.shape
    length = int(trace.lengths.values[sample])
    y = trace.output.values
    y_TF = y if not batched else y[sample] if batch_first else y[:, sample]
    names = ("batch", "time", "feature") if batch_first else ("time", "batch", "feature")
    axes = names if batched else ("time", "feature")
    shape = tuple({"batch": n, "time": t, "feature": f}[axis] for axis in axes)
    kept = slice(0, length)
    chosen = sample if batched else None
    out = trace.output
    return Columns(axes, shape, out.axes, out.shape, chosen, x_TNF[kept, sample], y_TF[kept], length, t - length)


def columns_without_numbers(layer: Recurrent, steps: int) -> Columns:
    """Return as many steps of a sequence of which only the sizes are known."""
    first = layer.weights[0].arrays.get("weight_ih")
    last = [part for part in layer.weights if part.layer == layer.weights[-1].layer]
    width = sum(width_of(part) for part in last)
    axes = ("time", "feature")
    features = 1 if first is None else first.shape[-1]
    return Columns(axes, (steps, features), axes, (steps, width), None, None, None, steps, 0)


def unrolled(layer: Recurrent, columns: Columns, width: float | None) -> Picture:
    """Draw the copies of a layer over time, each set of weights once."""
    with house_style():
        canvas = Canvas(sized(width))
        sheet = _Sheet(canvas, lanes_of(layer), columns, loop=False)
        sheet.draw()
        return canvas.finish(_unrolled_title(layer, columns))


def folded(layer: Recurrent, columns: Columns, width: float | None) -> Picture:
    """Draw a layer with its loop."""
    with house_style():
        canvas = Canvas(FOLDED_WIDTH if width is None else width)
        sheet = _Sheet(canvas, lanes_of(layer), columns, loop=True)
        sheet.draw()
        return canvas.finish("A loop: what one step hands on, the next step reads", _in_code(layer))


def _in_code(layer: Recurrent) -> str:
    if len(layer.weights) > 1:
        return ""
    states = ", ".join(lanes_of(layer)[0][0].states)
    return f"As code: `for t in range(T): {states} = {layer.kind}Cell(x[t], {states})`"


def _unrolled_title(layer: Recurrent, columns: Columns) -> str:
    lanes = len(layer.weights)
    times = "once" if columns.steps == 1 else f"{columns.steps:,} times"
    if lanes == 1:
        return f"One network, used {times}"
    layers = layer.weights[-1].layer + 1
    if lanes == layers:
        return f"{_number(layers)} networks, one above the other, each used {times}"
    return f"{_number(lanes)} networks, each used {times}: one reads forwards, one backwards" + (
        " in each layer" if layers > 1 else ""
    )


def _number(count: int) -> str:
    words = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}
    return words.get(count, f"{count:,}")


class _Sheet:
    """Where everything of the picture lies."""

    def __init__(self, canvas: Canvas, layers: list[list[Lane]], columns: Columns, loop: bool) -> None:
        self.canvas, self.layers, self.columns, self.loop = canvas, layers, columns, loop
        self.left_width = max(
            *(self._panel_width(lane) for lanes in layers for lane in lanes),
            *(text_width(row) for rows in self._words() for row in rows),
        )
        self.first = canvas.left + self.left_width + self._room_for_states(first=True)
        self.line = self._line()
        if loop:
            self.first = (canvas.left + self.left_width + canvas.right - PITCHES[0]) / 2

    def _line(self) -> Slots:
        """Place the steps: all of at most seven, fewer where the sheet is narrow."""
        if self.loop:
            return slots(1, PITCHES[0])
        room = self.canvas.right - self.first - self._room_for_states(first=False)
        room -= PADDED if self.columns.padded else 0
        steps = self.columns.steps
        for most in (7, 4, 3):
            line = slots(steps, PITCHES[0], most)
            if line.length <= room:
                pitch = min(PITCHES[1], (room - line.gap) / len(line.shown))
                return slots(steps, pitch, most, line.gap or None)
        return slots(steps, min(PITCHES[0], (room - 22) / 2), 2, 22.0 if steps > 2 else None)

    def _room_for_states(self, first: bool) -> float:
        """Return how wide the states on the left are, or those on the right, with their arrows."""
        lanes = [lane for layer in self.layers for lane in layer]
        names = [self._state_names(lane, "h")[lane.reverse if first else not lane.reverse] for lane in lanes]
        return max(text_width(name, mono=True) for name in names) + 23

    def _state_names(self, lane: Lane, state: str) -> tuple[str, str]:
        return f"{state}_0", lane.final(state, len(self.layers[lane.layer]))

    def x(self, k: int) -> float:
        """The middle of the k-th step that is drawn."""
        return self.first + self.line.middle(k)

    @property
    def places(self) -> list[float]:
        """The middle of each step that is drawn."""
        return [self.x(k) for k in range(len(self.line.shown))]

    def draw(self) -> None:
        """Draw all of it, from the input at the foot to the output at the head."""
        leaves = self._draw_inputs()
        colour = INPUT
        for lanes in self.layers:
            leaves = self._draw_layer(lanes, leaves, colour)
            colour = HIDDEN
        self._draw_outputs(leaves)
        self._draw_keys()

    # --- input and output ---

    def _words(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        c = self.columns
        which = f"sample {c.sample} is drawn" if c.sample is not None and len(c.shape) > 2 and not self.loop else ""
        given = ("input `x`", f"`{size_label(c.axes, c.shape)}`", which)
        made = ("`output`", f"`{size_label(c.out_axes, c.out_shape)}`", "")
        if self.loop:
            given, made = ("input `x[t]`", f"`F={c.widths[0]:,}`", ""), ("`output[t]`", f"`F={c.widths[1]:,}`", "")
        return tuple(filter(None, given)), tuple(filter(None, made))

    def _draw_inputs(self) -> float:
        rows = slots(self.columns.widths[0], ROW, gap=12.0)
        self._draw_cells(rows.length, rows, self.columns.x_TF, INPUT, self._words()[0])
        self._label_steps()
        return rows.length

    def _draw_outputs(self, leaves: float) -> None:
        rows = slots(self.columns.widths[1], ROW, gap=12.0)
        bottom = max(leaves, self.canvas.drawn.top) + 14
        self._rise(leaves, bottom, HIDDEN)
        self._draw_cells(bottom + rows.length, rows, self.columns.y_TF, HIDDEN, self._words()[1])

    def _draw_cells(
        self, top: float, rows: Slots, values_TF: Array | None, colour: str, words: tuple[str, ...]
    ) -> None:
        """Draw a column of features for each step, and what they are on the left."""
        scale = None if values_TF is None else signed(values_TF)
        one = slots(1, 27.0)
        for k, step in enumerate(self.line.shown):
            values = None if values_TF is None else values_TF[step][:, None]
            left = self.x(k) - 13.5
            grid(
                self.canvas,
                left,
                top,
                rows,
                one,
                colour=colour,
                values=values,
                scale=scale,
                numbers=True,
                counted=False,
            )
        if rows.gap:
            left = self.x(0) - 17
            self.canvas.text(left, top - rows.gap_middle, f"+{rows.left_out:,}", ha="right", colour=FAINT_INK)
        if self.line.gap:
            self.canvas.text(self.first + self.line.gap_middle, top - rows.length / 2, "⋯")
        if self.columns.padded and not self.loop:
            padded = np.ones((rows.count, 1), dtype=bool)
            grid(self.canvas, self._padded_left(), top, rows, one, colour=colour, padding=padded, counted=False)
        y = top - rows.length / 2 + len(words) * 10.8 / 2
        self.canvas.lines(self.canvas.left, y, words[:1], ha="left")
        self.canvas.lines(self.canvas.left, y - 10.8, words[1:], ha="left", colour=FAINT_INK)

    def _padded_left(self) -> float:
        return self.first + self.line.length + self._room_for_states(first=False) + 4

    def _label_steps(self) -> None:
        if self.loop:
            return
        y = -8.0
        for k, step in enumerate(self.line.shown):
            self.canvas.text(self.x(k), y, f"{step:,}")
        if self.line.gap:
            middle = self.first + self.line.gap_middle
            self.canvas.text(middle, y, f"+{self.line.left_out:,}", colour=FAINT_INK)
        if self.columns.padded:
            self.canvas.text(self._padded_left() + 13.5, y, f"+{self.columns.padded:,}", colour=FAINT_INK)
        total = self.columns.steps + self.columns.padded
        self.canvas.text(self.first + self.line.length / 2, y - 11, f"time `T={total:,}`", colour=FAINT_INK)

    def _draw_keys(self) -> None:
        if self.columns.x_TF is None or self.columns.y_TF is None:
            return
        scales = [("`x`", signed(self.columns.x_TF)), ("`output`", signed(self.columns.y_TF))]
        keys(self.canvas, self.canvas.drawn.bottom - 16, scales, bool(self.columns.padded))

    # --- layers ---

    def _draw_layer(self, lanes: list[Lane], leaves: float, colour: str) -> float:
        """Draw a layer above what is there; return where its results leave it."""
        base = max(leaves, self.canvas.drawn.top) + (26 if self.loop else 18)
        if len(lanes) == 1:
            copies = self._draw_lane(lanes[0], base)
            self._rise(leaves, copies.bottom, colour)
            return copies.top
        low = self._draw_lane(lanes[1], base)
        high = self._draw_lane(lanes[0], self.canvas.drawn.top + (34 if self.loop else 22))
        return self._join(leaves, low, high, colour)

    def _rise(self, bottom: float, top: float, colour: str) -> None:
        for x in self.places:
            arrow(self.canvas, (x, bottom), (x, top), colour)

    def _join(self, leaves: float, low: Box, high: Box, colour: str) -> float:
        """Lead the input to both directions, and both results to where they are concatenated."""
        aside = COPY[0] / 2 + 6
        cat = max(self.canvas.drawn.top, high.top + 20) + 14
        for x in self.places:
            arrow(self.canvas, (x, leaves), (x, low.bottom), colour)
            fork = low.bottom - 9
            path(self.canvas, [(x, fork), (x - aside, fork), (x - aside, high.bottom - 9)], colour, head=False)
            path(self.canvas, [(x - aside, high.bottom - 9), (x - 5, high.bottom - 9), (x - 5, high.bottom)], colour)
            arrow(self.canvas, (x - 5, high.top), (x - 5, cat - 7.5), HIDDEN)
            turn = low.top + 5
            path(
                self.canvas,
                [(x + 5, low.top), (x + 5, turn), (x + aside, turn), (x + aside, cat - 15)],
                HIDDEN,
                head=False,
            )
            path(self.canvas, [(x + aside, cat - 15), (x + 5, cat - 15), (x + 5, cat - 7.5)], HIDDEN)
            operation(self.canvas, x, cat, "cat")
        return cat + 7.5

    def _panel_width(self, lane: Lane) -> float:
        names = [text_width(name, mono=True) for name, _, _ in lane.weights]
        return max([*names, 0]) + 16 if names else text_width(self._heading(lane))

    def _heading(self, lane: Lane) -> str:
        several = len(self.layers) > 1 or len(self.layers[0]) > 1
        which = f"layer {lane.layer}" + (f", {lane.direction}" if len(self.layers[0]) > 1 else "")
        times = "" if self.loop else f"same weights × {self.columns.steps:,}"
        return ": ".join(filter(None, [which if several else "", times]))

    def _draw_lane(self, lane: Lane, base: float) -> Box:
        """Draw one direction of a layer: its weights, tethered to its copies; return the box of the copies."""
        height = 10 + BLOCK_ROW * max(1, len(lane.weights))
        bottom = base + (height - COPY[1]) / 2 - 4
        copies = Box(self.first, bottom, self.first + self.line.length, bottom + COPY[1])
        weights = Box(self.canvas.left, base, self.canvas.left + self.left_width, base + height)
        if lane.weights:
            self._draw_weights(lane, weights)
            self._draw_tethers(weights, copies)
        heading = self._heading(lane)
        if heading:
            self.canvas.text(weights.left, weights.top + 8, heading, ha="left")
        if self.loop:
            self._draw_loops(lane, copies)
        else:
            self._draw_states(lane, copies)
        for x in self.places:
            copy = Box(x - COPY[0] / 2, copies.bottom, x + COPY[0] / 2, copies.top)
            panel(self.canvas, copy, colour=INK, face="white")
            self.canvas.text(copy.x, copy.y, lane.kind)
        if self.line.gap:
            self.canvas.text(self.first + self.line.gap_middle, copies.y, "⋯")
        return copies

    def _draw_weights(self, lane: Lane, box: Box) -> None:
        panel(self.canvas, box, colour=WEIGHT, face="white", radius=4)
        y = box.top - 4
        for name, rows, columns in lane.weights:
            icon = slots(min(rows, 3), 4.0), slots(min(columns, 3), 4.0)
            self.canvas.text(box.left + 8, y - 6, name, mono=True, ha="left")
            cells = grid(self.canvas, box.left + 9, y - 12.5, *icon, colour=WEIGHT, weight=True)
            self.canvas.text(cells.right + 6, y - 18.5, f"{rows:,} × {columns:,}", ha="left", colour=FAINT_INK)
            y -= BLOCK_ROW

    def _draw_tethers(self, weights: Box, copies: Box) -> None:
        y = copies.top + 9
        ends = [x - COPY[0] / 2 + 6 for x in self.places]
        tether(self.canvas, [(weights.right, y), (ends[-1], y), (ends[-1], copies.top)])
        for at in ends[:-1]:
            tether(self.canvas, [(at, y), (at, copies.top)])

    # --- what is handed on ---

    def _levels(self, lane: Lane, copies: Box) -> list[tuple[str, str, float]]:
        """Return name, colour and height of the lines of the states."""
        if len(lane.states) == 1:
            return [("h", HIDDEN, copies.y)]
        return [("h", HIDDEN, copies.y - 7.5), ("c", CELL, copies.y + 7.5)]

    def _draw_states(self, lane: Lane, copies: Box) -> None:
        half = COPY[0] / 2
        for name, colour, y in self._levels(lane, copies):
            stops = [(x - half, x + half) for x in self.places]
            names = self._state_names(lane, name)
            ends = names[::-1] if lane.reverse else names
            low = named_state(self.canvas, ends[0], copies.left - 2, y, colour, "right")
            high = named_state(self.canvas, ends[1], copies.right + 12, y, colour, "left")
            stretches = [(low.left, low.right), *stops, (high.left, high.right)]
            for k, (before, after) in enumerate(itertools.pairwise(stretches)):
                start, end = (before[1], y), (after[0], y)
                if self.line.gap and k == len(stops) - 1:
                    self._around_gap(start, end, colour, lane.reverse)
                    continue
                arrow(self.canvas, *((end, start) if lane.reverse else (start, end)), colour)

    def _around_gap(self, start: tuple[float, float], end: tuple[float, float], colour: str, reverse: bool) -> None:
        """Break off an arrow where steps are left out."""
        middle = self.first + self.line.gap_middle
        near, far = (middle - 9, start[1]), (middle + 9, start[1])
        pairs = ((near, start), (end, far)) if reverse else ((start, near), (far, end))
        for a, b in pairs:
            arrow(self.canvas, a, b, colour)

    def _draw_loops(self, lane: Lane, copies: Box) -> None:
        """Draw what leaves on the right and comes back on the left, one step later."""
        x, half, out = self.x(0), COPY[0] / 2, 34.0
        when = "a step earlier" if lane.reverse else "a step later"
        for name, colour, y in self._levels(lane, copies):
            over = name != "h"
            turn = copies.top + 20 if over else copies.bottom - 16
            points = [(x + half, y), (x + half + out, y), (x + half + out, turn), (x - half - out, turn)]
            path(self.canvas, [*points, (x - half - out, y), (x - half, y)], colour)
            held = ", ".join(lane.states[1:]) if over else name
            named_state(self.canvas, held, x + half + out, (y + turn) / 2, colour, "center")
            if not over:
                self.canvas.text(x - half - out - 4, turn + 1, when, ha="right", colour=FAINT_INK)
