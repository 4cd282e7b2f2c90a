"""The picture of windows: a series cut into overlapping inputs and targets, and a batch made of them.

Shapes: L = length of the series, W = windows, N = batch, T = input_size, F = features, h = horizon.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from unrolled.trace import Array
from unrolled.view.drawing.canvas import Box, Canvas, sized, text_width
from unrolled.view.drawing.draw import cells, keys, number, outline, path, signed, size_label, slots, tint
from unrolled.view.drawing.labelled import (
    LINE_HEIGHT,
    CubeView,
    GridView,
    View,
    depth_pitch,
    fitting,
    flow,
    named_axis,
    pitch_for,
)
from unrolled.view.style import FAINT_INK, FORECAST, INPUT, LINE, TRUTH, Picture, house_style

ROW: Final = 15.0  # from window to window
BAR: Final = 9.0  # height of a window
CURVE: Final = 44.0  # height of the series
WIDEST_STEP: Final = 22.0
BATCHES: Final = 58.0  # room on the right for the batches
BREAK: Final = 26.0  # where steps are left out
MOST_ALONE: Final = 60  # so many steps are drawn without a break


@final
@dataclass(frozen=True)
class Cut:
    """A series and how it is cut.

    Attributes:
        series_LF: The values.
        input_size: Steps of an input.
        h: Steps of a target.
        step: From the start of a window to that of the next.
        batch_size: Windows of a batch.
    """

    series_LF: Array
    input_size: int
    h: int
    step: int
    batch_size: int

    @property
    def reach(self) -> int:
        """Steps of a window."""
        return self.input_size + self.h

    @property
    def count(self) -> int:
        """How many windows there are."""
        return (len(self.series_LF) - self.reach) // self.step + 1

    def inputs(self, window: int) -> Array:
        """(T, F) of one window."""
        start = window * self.step
        return self.series_LF[start : start + self.input_size]

    def targets(self, window: int) -> Array:
        """(h, F) of one window."""
        start = window * self.step + self.input_size
        return self.series_LF[start : start + self.h]


@final
@dataclass(frozen=True)
class _Axis:
    """Where the steps of the series lie: in one stretch, or in two with a break between."""

    stretches: tuple[tuple[int, int, float], ...]  # first step, end, where it begins on the sheet
    pitch: float

    def at(self, step: float, last: bool = False) -> float:
        """Return where a step begins; of a step in both stretches, in the last if asked for."""
        first, _, left = self.stretches[-1 if last else 0]
        return left + (step - first) * self.pitch


def windows(cut: Cut, width: float | None) -> Picture:
    """Draw a series, its windows, and the first batch of them."""
    with house_style():
        canvas = Canvas(sized(width))
        _Sheet(canvas, cut).draw()
        one = cut.count == 1
        steps = f"{cut.input_size:,} {'step' if cut.input_size == 1 else 'steps'} to look at, {cut.h:,} to forecast"
        title = f"One series, {cut.count:,} {'window' if one else 'windows'}: {steps}"
        return canvas.finish(title, _left_over(cut))


def _left_over(cut: Cut) -> str:
    """Say how many steps at the end belong to no window."""
    over = len(cut.series_LF) - (cut.count - 1) * cut.step - cut.reach
    return f"The last {'step is' if over == 1 else f'{over:,} steps are'} in no window." if over else ""


class _Sheet:
    """Where everything of the picture lies."""

    def __init__(self, canvas: Canvas, cut: Cut) -> None:
        self.canvas, self.cut = canvas, cut
        self.rows = slots(cut.count, ROW, gap=ROW)
        self.left = canvas.left + text_width(f"window {cut.count - 1:,}") + 8
        self.axis = self._place()

    def _place(self) -> _Axis:
        """Draw the whole series where it is short; otherwise its beginning and its end."""
        cut, room = self.cut, self.canvas.right - BATCHES - self.left
        length = len(cut.series_LF)
        first = (len(self.rows.shown) - 2) * cut.step + cut.reach
        if not self.rows.gap or length <= MOST_ALONE or first + cut.reach >= length:
            return _Axis(((0, length, self.left),), min(WIDEST_STEP, room / length))
        start = (cut.count - 1) * cut.step
        pitch = min(WIDEST_STEP, (room - BREAK) / (first + length - start))
        return _Axis(((0, first, self.left), (start, length, self.left + first * pitch + BREAK)), pitch)

    def draw(self) -> None:
        """Draw the series at the top, the windows below it, the first batch at the foot."""
        self._draw_series()
        self._label_steps(-8.0)
        top = -8.0 - 2 * LINE_HEIGHT
        boxes = [self._draw_window(window, top - self.rows.start(k)) for k, window in enumerate(self.rows.shown)]
        if self.rows.gap:
            self.canvas.text(self.left - 7, top - self.rows.gap_middle, "⋮", ha="right")
            self.canvas.text(
                self.left, top - self.rows.gap_middle, f"+{self.rows.left_out:,}", ha="left", colour=FAINT_INK
            )
        self._bracket_batches(boxes)
        self._draw_key(top - self.rows.length - 10)
        self._draw_batch(self.canvas.drawn.bottom - 20)

    # --- the series ---

    def _draw_series(self) -> None:
        values = self.cut.series_LF[:, 0]
        used = np.concatenate([values[a:b] for a, b, _ in self.axis.stretches])
        finite = used[np.isfinite(used)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        for first, end, left in self.axis.stretches:
            points = [
                (
                    left + (k + 0.5) * self.axis.pitch,
                    4 + (CURVE - 8) * ((v - low) / (high - low) if high > low else 0.5),
                )
                for k, v in enumerate(values[first:end])
                if np.isfinite(v)
            ]
            if points:
                path(self.canvas, [*points, points[-1]], TRUTH, width=1.1, head=False)
            if self.axis.pitch >= 6:
                xs, ys = zip(*points, strict=True) if points else ((), ())
                self.canvas.axes.plot(xs, ys, "o", color=TRUTH, markersize=2.4 * self.canvas.scale, zorder=4)
            box = Box(left, 0.0, left + (end - first) * self.axis.pitch, CURVE)
            outline(self.canvas, box, LINE, 0.6)
        self.canvas.text(self.left - 6, CURVE - 5, number(high), ha="right", colour=FAINT_INK)
        self.canvas.text(self.left - 6, 5, number(low), ha="right", colour=FAINT_INK)
        features = self.cut.series_LF.shape[1]
        which = "" if features == 1 else f", feature 0 of `F={features:,}`"
        self.canvas.text(self.left, CURVE + 9, f"the series{which}", ha="left")

    def _label_steps(self, y: float) -> None:
        """Write the first and last step of each stretch, and the axis' name."""
        half = self.axis.pitch / 2
        for first, end, left in self.axis.stretches:
            right = left + (end - first) * self.axis.pitch
            room = right - left
            self.canvas.text(max(left + half, left + text_width(f"{first:,}") / 2), y, f"{first:,}")
            if end - 1 > first and room > text_width(f"{first:,}{end - 1:,}") + 12:
                self.canvas.text(min(right - half, right - text_width(f"{end - 1:,}") / 2), y, f"{end - 1:,}")
        if len(self.axis.stretches) == 2:
            self.canvas.text(self.axis.stretches[1][2] - BREAK / 2, CURVE / 2, "⋯")
        middle = (self.left + self._right()) / 2
        self.canvas.text(middle, y - LINE_HEIGHT, f"time, {len(self.cut.series_LF):,} steps", colour=FAINT_INK)

    def _right(self) -> float:
        first, end, left = self.axis.stretches[-1]
        return left + (end - first) * self.axis.pitch

    # --- windows ---

    def _draw_window(self, window: int, top: float) -> Box:
        """Draw a window where it lies on the series: its input, then its target."""
        cut = self.cut
        start = window * cut.step
        last = len(self.axis.stretches) == 2 and window == self.rows.shown[-1]
        left, turn, right = (self.axis.at(start + k, last) for k in (0, cut.input_size, cut.reach))
        y = top - ROW / 2
        self.canvas.text(self.left - 7, y, f"window {window:,}", ha="right")
        self._cells(Box(left, y - BAR / 2, turn, y + BAR / 2), cut.input_size, INPUT)
        self._cells(Box(turn, y - BAR / 2, right, y + BAR / 2), cut.h, FORECAST)
        return Box(left, y - BAR / 2, right, y + BAR / 2)

    def _cells(self, box: Box, count: int, colour: str) -> None:
        inner = count if self.axis.pitch >= 4 else 1
        edges = np.linspace(box.left, box.right, inner + 1)
        corners = [[(a, box.bottom), (b, box.bottom), (b, box.top), (a, box.top)] for a, b in itertools.pairwise(edges)]
        cells(self.canvas, corners, [tint(colour, 0.35)] * inner, box, colour)
        outline(self.canvas, box, colour, 0.9)

    def _bracket_batches(self, boxes: list[Box]) -> None:
        """Join the windows of each batch with a line on the right."""
        x = self._right() + 9
        groups: dict[int, list[Box]] = {}
        for window, box in zip(self.rows.shown, boxes, strict=True):
            groups.setdefault(window // self.cut.batch_size, []).append(box)
        for batch, members in groups.items():
            top, bottom = members[0].top, members[-1].bottom
            path(self.canvas, [(x, top), (x + 4, top), (x + 4, bottom), (x, bottom)], FAINT_INK, head=False)
            self.canvas.text(x + 8, (top + bottom) / 2, f"batch {batch:,}", ha="left")

    def _draw_key(self, y: float) -> None:
        x = self.canvas.left
        words = ((INPUT, f"input, `input_size={self.cut.input_size:,}`"), (FORECAST, f"target, `h={self.cut.h:,}`"))
        for colour, word in words:
            self._cells(Box(x, y - BAR / 2, x + 16, y + BAR / 2), 1, colour)
            x = self.canvas.text(x + 21, y, word, ha="left").right + 18
        apart = f"a window every {self.cut.step:,} steps" if self.cut.step > 1 else "a window at every step"
        if x + text_width(apart) > self.canvas.right:
            x, y = self.canvas.left, y - LINE_HEIGHT
        self.canvas.text(x, y, apart, ha="left", colour=FAINT_INK)

    # --- a batch ---

    def _draw_batch(self, top: float) -> None:
        n = min(self.cut.batch_size, self.cut.count)
        x_NTF = np.stack([self.cut.inputs(k) for k in range(n)])
        y_NhF = np.stack([self.cut.targets(k) for k in range(n)])
        scale = signed(x_NTF, y_NhF)
        names = [f"window {k}" for k in range(n)]
        room = self.canvas.right - self.canvas.left
        words = ("batch 0: the inputs", f"`x`  `{size_label(('batch', 'time', 'feature'), x_NTF.shape)}`")

        def cube(numbers: bool, most: int) -> CubeView:
            wide, high = pitch_for(numbers)
            t, f = x_NTF.shape[1:]
            return CubeView(
                named_axis("batch", n, depth_pitch(), names),
                named_axis("time", t, wide, (), most),
                named_axis("feature", f, high),
                INPUT,
                words,
                x_NTF,
                scale,
                numbers=numbers,
            )

        def target(numbers: bool, most: int) -> GridView:
            wide, high = pitch_for(numbers)
            sizes = f"`N={n:,} · h={self.cut.h:,}`" + (
                f", feature 0 of `F={y_NhF.shape[2]:,}`" if y_NhF.shape[2] > 1 else ""
            )
            return GridView(
                named_axis("batch", n, high, names),
                named_axis("horizon", self.cut.h, wide, (), most),
                FORECAST,
                ("batch 0: the targets", f"`y`  {sizes}"),
                y_NhF[:, :, 0],
                scale,
                numbers=numbers,
            )

        views: list[View] = [fitting(cube, room), fitting(target, room)]
        flow(self.canvas, views, top)
        keys(self.canvas, self.canvas.drawn.bottom - 14, [("values", scale)])
