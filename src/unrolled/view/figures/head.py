"""The picture of a head: what it reads of a recurrent layer, and how it makes the model's answer of it.

Shapes: T = time, N = batch, Y = features of the output, S = width of a state.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from matplotlib.collections import LineCollection

from unrolled.trace import Array, Head, HeadKind, NamedArray, Recorded, Trace
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, text_width, wrap
from unrolled.view.drawing.draw import (
    Slots,
    arrow,
    circle,
    ellipsis,
    ink_on,
    keys,
    number,
    operation,
    signed,
    size_label,
    slots,
    tint,
)
from unrolled.view.drawing.labelled import GridView, fitting, named_axis, pitch_for
from unrolled.view.style import FAINT_INK, HIDDEN, INK, SMALL, Picture, house_style

RADIUS: Final = 13.5  # of a unit with its number in it
PITCH: Final = 32.0  # from unit to unit
LEVEL_GAP: Final = 34.0
HEAD_WIDTH: Final = 7.0  # inches
WORDS: Final = 150.0  # room for words beside the drawing


@final
@dataclass(frozen=True)
class Read:
    """What a head reads of one sample.

    Attributes:
        lit_TY: True where a number of `output` is read.
        vector: The numbers that enter the head; None where they cannot be told.
        every_step: Whether the head reads each step by itself; `vector` is then that of the last valid one.
    """

    lit_TY: Array
    vector: Array | None
    every_step: bool = False


def read_of(trace: Trace, code: str, sample: int) -> Read:
    """Say what `code` reads of a sample's output."""
    y_TY = output_of(trace, sample)
    steps, length = len(y_TY), int(trace.lengths.values[sample])
    lit = np.zeros(y_TY.shape, dtype=bool)
    plain = re.fullmatch(r"output\[(?::, )?(-1|0)(?::1?)?\]", code)
    if plain or "lengths - 1" in code:
        step = (length - 1 if "lengths" in code else int(plain[1])) % steps if plain else max(length - 1, 0)
        lit[step] = True
        return Read(lit, y_TY[step])
    if code.startswith("output"):
        return _whole_output(code, y_TY, lit, length)
    return _states(trace, code, sample, lit)


def _whole_output(code: str, y_TY: Array, lit: Array, length: int) -> Read:
    lit[:] = True
    pooled = {"mean": y_TY.mean(0), "amax": y_TY.max(0), "sum": y_TY.sum(0)}
    if found := re.match(r"output\.(mean|amax|sum)", code):
        vector = pooled[found[1]] / (max(length, 1) if "lengths" in code else 1)
        return Read(lit, vector)
    if code == "output.flatten(1)":
        return Read(lit, y_TY.ravel())
    return Read(lit, y_TY[max(length - 1, 0)], every_step=code != "output.transpose(1, 2)")


def _states(trace: Trace, code: str, sample: int, lit: Array) -> Read:
    """Find the rows of `h_n` or `c_n` that are read, and light those of h that stand in `output`."""
    name = code.partition("_n")[0][-1]
    count = len(trace.parts)
    rows = [int(k) % count for k in re.findall(r"_n\[(-?\d+)\]", code)] or list(range(count))
    if isinstance(trace.finals.get(f"{name}_n"), tuple):  # a tensor for each layer: the last one's rows
        directions = len(trace.directions)
        last = [int(k) for k in re.findall(r"_n\[-1\]\[(-?\d+)\]", code)]
        rows = [count - directions + k % directions for k in last] or list(range(count - directions, count))
    vectors = [_row(trace, name, k, sample) for k in rows]
    for k in rows if name == "h" else ():
        _light(trace, k, sample, lit)
    total = np.sum(vectors, axis=0) / (2 if "/ 2" in code else 1) if "+" in code else None
    return Read(lit, np.concatenate(vectors) if total is None else total)


def _row(trace: Trace, name: str, k: int, sample: int) -> Array:
    """Return row k of `h_n` or `c_n`; the initial state where a sample has no step."""
    place = trace.state_place(k)
    part, step = trace.parts[k], int(place.steps[sample])
    found: Array = part[name].values[step, sample] if step >= 0 else part[f"{name}_0"].values[sample]
    return found


def _light(trace: Trace, k: int, sample: int, lit: Array) -> None:
    place, directions = trace.state_place(k), len(trace.directions)
    last = len(trace.parts) - directions
    if k >= last and place.steps[sample] >= 0:
        width = lit.shape[1] // directions
        lit[int(place.steps[sample]), (k - last) * width : (k - last + 1) * width] = True


def output_of(trace: Trace, sample: int) -> Array:
    """Return a sample's output (T, Y)."""
    y = trace.output.values
    return y if not trace.batched else y[sample] if trace.settings["batch_first"] else y[:, sample]


@final
@dataclass(frozen=True)
class Level:
    """A row of the head's units: values where they are known, how many, what it is, and what is applied to it."""

    count: int
    values: Array | None
    words: tuple[str, ...]
    applied: tuple[str, ...] = ()


def levels_of(trace: Trace, head: Head, read: Read, sample: int) -> list[Level]:
    """Work out the head's rows from what it reads upwards."""
    first = next((layer.weight for layer in head.layers if layer.weight is not None), None)
    width = len(read.vector) if read.vector is not None else 1 if first is None else first.shape[1]
    values = read.vector if first is None or width == first.shape[1] else None
    width = width if first is None else first.shape[1]
    step = max(int(trace.lengths.values[sample]) - 1, 0)
    reads = f"`{head.reads}`" + (f", each step by itself; drawn is step {step:,}" if read.every_step else "")
    found = [Level(width, values, ("the head reads", reads, f"`F={width:,}`"))]
    for layer in head.layers:
        if layer.weight is None:
            level = found[-1]
            values = None if level.values is None else FUNCTIONS[layer.kind](level.values)
            found[-1] = Level(level.count, values, level.words, (*level.applied, layer.kind))
            continue
        found.append(_dense(layer.weight, layer.bias, found[-1].values))
    last = found[-1]
    answer = ("the answer", f"`{size_label(head.output.axes, head.output.shape)}`")
    found[-1] = Level(last.count, last.values, (*last.words, *answer), last.applied)
    return found


def _dense(weight: NamedArray, bias: NamedArray | None, values: Array | None) -> Level:
    outputs, inputs = weight.shape
    shift = np.zeros(outputs) if bias is None else bias.values
    count = weight.values.size + (0 if bias is None else outputs)
    made = None if values is None else weight.values @ values + shift
    return Level(outputs, made, (f"`Linear` {inputs:,} → {outputs:,}", f"{count:,} parameters"))


FUNCTIONS: Final[Mapping[HeadKind, Callable[[Array], Array]]] = {
    "Linear": lambda v: v,
    "ReLU": lambda v: np.maximum(v, 0.0),
    "Tanh": np.tanh,
    "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
}


def head(recorded: Recorded, found: Head, sample: int, width: float | None) -> Picture:
    """Draw a recurrent layer's output, what a head reads of it, and the head."""
    with house_style():
        canvas = Canvas(HEAD_WIDTH if width is None else width)
        read = read_of(recorded.trace, found.reads, sample)
        sheet = _Sheet(canvas, recorded, found, read, sample)
        sheet.draw()
        return canvas.finish(_title(recorded.trace, found.reads, read, sample), sheet.note())


def _title(trace: Trace, code: str, read: Read, sample: int) -> str:
    length, steps = int(trace.lengths.values[sample]), len(read.lit_TY)
    both = len(trace.directions) > 1
    last_step = re.fullmatch(r"output\[(:, )?-1:?\]", code) is not None
    if last_step and length < steps:
        return f"The head reads `{code}`, which is padding in sample {sample}"
    if last_step:
        return f"The head reads one column of `output`: `{code}`, the last step"
    if read.every_step:
        return "The same head reads every step of `output`"
    if code == "h_n[-1]" and both:
        return "The head reads `h_n[-1]`: the reverse direction alone"
    if code == "h_n[-1]":
        return "The head reads `h_n[-1]`: the last layer's `h` after the last valid step"
    if both and code.startswith("torch.cat"):
        return f"The head reads the last `h` of both directions: `{code}`"
    return f"The head reads `{code}`"


def not_found(model: str, names: list[str]) -> str:
    """Say that a model has no head that can be drawn, and what would be one."""
    if names == [""]:
        return f"head draws what follows a recurrent layer, and {model} is the layer itself. Give the whole model."
    return (
        f"head found no way from {' or '.join(map(repr, names))} to the answer of {model} by Linear, ReLU, Tanh, "
        "Sigmoid and Dropout modules alone. It knows heads that read `output`, a step of it, its mean, maximum or sum "
        "over time, `h_n` or `c_n`. `figures.network` draws any model."
    )


class _Sheet:
    """Where everything of the picture lies."""

    def __init__(self, canvas: Canvas, recorded: Recorded, found: Head, read: Read, sample: int) -> None:
        self.canvas, self.recorded, self.read, self.sample = canvas, recorded, read, sample
        self.trace = recorded.trace
        self.levels = levels_of(self.trace, found, read, sample)
        known = [level.values for level in self.levels[1:] if level.values is not None]
        self.scale = signed(*known) if known else None
        room = canvas.right - canvas.left - WORDS
        self.grid = fitting(lambda numbers, most: self._output_view(numbers, most), room)
        self.most = max(2, min(7, int((room - 30) // PITCH)))
        widest = max(self._line(level).length for level in self.levels)
        self.middle = canvas.left + max(self.grid.margin + self.grid.columns.line.length / 2, widest / 2)
        self.words = canvas.left + max(self.grid.width, self.middle - canvas.left + widest / 2) + 24

    def _line(self, level: Level) -> Slots:
        return slots(level.count, PITCH, self.most, gap=None if level.count <= self.most else 34.0)

    def _output_view(self, numbers: bool, most: int) -> GridView:
        y_TY = output_of(self.trace, self.sample)
        steps, features = y_TY.shape
        wide, high = pitch_for(numbers)
        length = int(self.trace.lengths.values[self.sample])
        padding = np.broadcast_to(np.arange(steps)[None] >= length, (features, steps))
        return GridView(
            named_axis("feature", features, high),
            named_axis("time", steps, wide, (), most),
            HIDDEN,
            (),
            y_TY.T,
            signed(y_TY[:length]),
            padding,
            numbers,
            lit=self.read.lit_TY.T,
            beside=True,
        )

    def note(self) -> str:
        """Say whose numbers are drawn."""
        return f"The numbers are those of sample {self.sample}." if self.trace.batched else ""

    def draw(self) -> None:
        """Draw the output at the foot, and the head above it."""
        box = self.grid.draw(self.canvas, self.middle - self.grid.columns.line.length / 2 - self.grid.margin, 0.0)
        out = self.trace.output
        layer = self.recorded.layer
        named = f"`output` of `{layer.name}`" if layer.name else "`output`"
        self._write(box.y, (named, layer.source, f"`{size_label(out.axes, out.shape)}`"))
        columns = self._read_columns(box)
        below: list[tuple[float, float, float]] = []
        for k, level in enumerate(self.levels):
            above = self._draw_level(level, self.canvas.drawn.top + (24 if k == 0 else LEVEL_GAP))
            if k == 0:
                self._lead(box, columns, above)
            else:
                self._all_to_all(below, above)
            below = above
        self._draw_key()

    def _read_columns(self, box: Box) -> list[float]:
        """Return the middles of the columns that are read, the last one's where each is read by itself.

        Where none of them is drawn, that of the ellipsis in their place.
        """
        line = self.grid.columns.line
        last = max(int(self.trace.lengths.values[self.sample]), 1) - 1
        read = {last} if self.read.every_step else set(np.flatnonzero(self.read.lit_TY.any(axis=1)).tolist())
        drawn = [line.middle(k) for k, step in enumerate(line.shown) if step in read]
        return [box.left + x for x in drawn or ([line.gap_middle] if read else [])]

    def _draw_level(self, level: Level, bottom: float) -> list[tuple[float, float, float]]:
        """Draw a row of units; return middle, bottom and top of each."""
        line, scale = self._line(level), self.grid.scale if level is self.levels[0] else self.scale
        left = self.middle - line.length / 2
        y = bottom + RADIUS
        places = []
        for k, index in enumerate(line.shown):
            x = left + line.middle(k)
            value = None if level.values is None else float(level.values[index])
            face = tint(INK) if value is None or scale is None else scale(value)
            circle(self.canvas, x, y, RADIUS, face=face, edge=INK if level is not self.levels[0] else HIDDEN)
            if value is not None:
                self.canvas.text(x, y, number(value), colour=ink_on(face))
            places.append((x, y - RADIUS, y + RADIUS))
        if line.gap:
            ellipsis(self.canvas, left + line.gap_middle, y, line.left_out)
        self._apply(level, left + line.length, y)
        self._write(y, level.words)
        return places

    def _apply(self, level: Level, x: float, y: float) -> None:
        for symbol in level.applied:
            half = text_width(symbol) / 2 + 4
            if x + 2 * half + 10 > self.words:
                break
            x = operation(self.canvas, x + half + 4, y, symbol).right

    def _write(self, y: float, words: tuple[str, ...]) -> None:
        room = self.canvas.right - self.words
        rows = [row for given in words for row in wrap(given, room)]
        top = y + LEADING * SMALL * len(rows) / 2
        self.canvas.lines(self.words, top, rows[:1], ha="left")
        if rows[1:]:
            self.canvas.lines(self.words, top - LEADING * SMALL, rows[1:], ha="left", colour=FAINT_INK)

    def _lead(self, box: Box, columns: list[float], above: list[tuple[float, float, float]]) -> None:
        target = (self.middle, above[0][1] - 3)
        for x in columns:
            arrow(self.canvas, (x, box.top + 2), target, HIDDEN)

    def _all_to_all(self, below: list[tuple[float, float, float]], above: list[tuple[float, float, float]]) -> None:
        lines = [[(a[0], a[2]), (b[0], b[1])] for a, b in itertools.product(below, above)]
        box = Box(below[0][0], below[0][2], below[-1][0], above[0][1])
        self.canvas.add(LineCollection(lines, colors=[FAINT_INK], linewidths=0.4 * self.canvas.scale, zorder=1), box)

    def _draw_key(self) -> None:
        assert self.grid.scale is not None
        scales = [("`output`", self.grid.scale), *([("head", self.scale)] if self.scale else [])]
        padded = self.grid.padding is not None and bool(self.grid.padding.any())
        keys(self.canvas, self.canvas.drawn.bottom - 14, scales, padded)
