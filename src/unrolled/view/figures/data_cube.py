"""The picture of a batch: the cube of samples, time steps and features, its slices, and what `batch_first` moves.

Shapes: N = batch, T = time, F = features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from unrolled.trace import Array
from unrolled.view.drawing.canvas import Box, Canvas, sized, text_width
from unrolled.view.drawing.cube import Cube, no_padding
from unrolled.view.drawing.draw import (
    MOST_DRAWN,
    NUMBER_SIDES,
    ValueScale,
    keys,
    path,
    signed,
    size_label,
    slots,
)
from unrolled.view.drawing.labelled import (
    CubeView,
    GridView,
    Icon,
    NamedAxis,
    SliceView,
    View,
    depth_pitch,
    fitting,
    flow,
    named_axis,
    pitch_for,
    shorten,
)
from unrolled.view.style import INK, INPUT, LABEL, Picture, can_draw, house_style

SHOWS = ("cube", "slices", "batch_first")


@final
@dataclass(frozen=True)
class Batch:
    """A batch as it is drawn.

    Attributes:
        values_NTF: Its numbers.
        names: The user's names along "batch", "time" and "feature".
        tokens: Each sample's own names along time, such as the words of a sentence.
        lengths_N: Valid steps of each sample; None where there is no padding.
        batch_first: The layout in use.
    """

    values_NTF: Array
    names: dict[str, tuple[str, ...]]
    tokens: tuple[tuple[str, ...], ...]
    lengths_N: Array | None
    batch_first: bool

    @property
    def sizes(self) -> tuple[int, int, int]:
        """N, T, F."""
        n, t, f = self.values_NTF.shape
        return n, t, f

    @property
    def padding_NT(self) -> Array | None:
        """True at padded steps."""
        return no_padding(self.lengths_N, self.sizes[1])

    @property
    def label(self) -> str:
        """Its sizes in the layout in use."""
        n, t, f = self.sizes
        return layout_label(n, t, f, self.batch_first)

    def scale(self) -> ValueScale:
        """The colours of its valid numbers."""
        padding_NT = self.padding_NT
        return signed(self.values_NTF if padding_NT is None else self.values_NTF[~padding_NT])

    def axis(self, name: str, pitch: float, most: int = MOST_DRAWN, sample: int | None = None) -> NamedAxis:
        """One of its axes with the user's names; along time those of `sample`, where each has its own."""
        count = self.sizes[("batch", "time", "feature").index(name)]
        names = self.tokens[sample or 0] if name == "time" and self.tokens else self.names.get(name, ())
        return named_axis(name, count, pitch, names, most)


def layout_label(n: int, t: int, f: int, batch_first: bool) -> str:
    """Return the sizes of an input in its layout, as code."""
    if batch_first:
        return f"`{size_label(('batch', 'time', 'feature'), (n, t, f))}`"
    return f"`{size_label(('time', 'batch', 'feature'), (t, n, f))}`"


def data_cube(batch: Batch, show: str, width: float | None) -> Picture:
    """Draw a batch as `show` says: "cube", "slices" or "batch_first"."""
    with house_style():
        canvas = Canvas(sized(width))
        title = {"cube": _draw_cube, "slices": _draw_slices, "batch_first": _draw_layouts}[show](canvas, batch)
        return canvas.finish(title)


# --- the cube beside a table --------------------------------------------------------------------------------------


def _draw_cube(canvas: Canvas, batch: Batch) -> str:
    n, t, f = batch.sizes
    room = canvas.right - canvas.left
    words = ("all steps together: the cube", f"`x`  {batch.label}")
    whole = fitting(lambda numbers, most: _cube_view(batch, numbers, most, words), room)
    if batch.tokens:
        table: View = fitting_words(batch, room)
        flow(canvas, [table, whole], 0)
        _add_colour_bar(canvas, batch)
        return f"Every word becomes {_count(f, 'number')}: a batch of {_count(n, 'sentence')} is a cube"
    step = fitting(lambda numbers, most: _step_view(batch, numbers, most), room)
    boxes = flow(canvas, [step, whole], 0)
    _outline_step(canvas, whole, boxes[1])
    _add_colour_bar(canvas, batch)
    each = f"{_count(n, 'sample')} × {_count(t, 'step')} × {_count(f, 'feature')}"
    return f"Time is an axis of its own, not more columns: {each}"


def _cube_view(
    batch: Batch, numbers: bool, most: int, words: Sequence[str], lit_NTF: Array | None = None, bare: bool = False
) -> CubeView:
    wide, high = pitch_for(numbers)
    return CubeView(
        batch.axis("batch", depth_pitch()),
        batch.axis("time", wide, most),
        batch.axis("feature", high),
        INPUT,
        tuple(words),
        batch.values_NTF,
        None if bare else batch.scale(),
        batch.padding_NT,
        lit_NTF,
        numbers,
    )


def _step_view(batch: Batch, numbers: bool, most: int) -> GridView:
    n, _, f = batch.sizes
    wide, high = pitch_for(numbers)
    code = "x[:, 0]" if batch.batch_first else "x[0]"
    return GridView(
        batch.axis("batch", high),
        batch.axis("feature", wide, most),
        INPUT,
        ("one step alone: a table", f"`{code}`  `{size_label(('batch', 'feature'), (n, f))}`"),
        batch.values_NTF[:, 0],
        batch.scale(),
        _pad(batch, 0, f),
        numbers,
    )


def _pad(batch: Batch, step: int, features: int) -> Array | None:
    padding_NT = batch.padding_NT
    return None if padding_NT is None else np.repeat(padding_NT[:, step, None], features, axis=1)


def fitting_words(batch: Batch, room: float) -> GridView:
    """Return the table of a batch of sentences, with as many of its words as have room."""
    words = np.array([[shorten(token) for token in row] for row in batch.tokens], dtype=object)
    widest = max((text_width(word) for word in words.ravel() if can_draw(word)), default=8.0) + 8
    n, t, _ = batch.sizes
    sizes = size_label(("batch", "time"), (n, t))

    def make(_: bool, most: int) -> GridView:
        rows = batch.axis("batch", NUMBER_SIDES[1])
        columns = named_axis("time", t, widest, (), most)
        below = ("a batch of sentences", f"`{sizes}`")
        return GridView(rows, columns, INPUT, below, padding=batch.padding_NT, texts=words)

    return fitting(make, room)


def _outline_step(canvas: Canvas, view: CubeView, cells: Box) -> None:
    """Draw a line around the first step of every sample: the table beside the cube."""
    place = replace(view.cells, left=cells.left, bottom=cells.bottom)
    wide, high, deep = place.time.pitch, place.feature.length, place.batch.length
    front = [(0.0, 0.0, 0.0), (0.0, wide, 0.0), (0.0, wide, high), (0.0, 0.0, high), (0.0, 0.0, 0.0)]
    top = [(0.0, 0.0, 0.0), (deep, 0.0, 0.0), (deep, wide, 0.0), (0.0, wide, 0.0)]
    for corners in (front, top):
        path(canvas, [place.at(*corner) for corner in corners], INK, width=1.4, head=False, zorder=5)


# --- slices -------------------------------------------------------------------------------------------------------


def _draw_slices(canvas: Canvas, batch: Batch) -> str:
    room = canvas.right - canvas.left
    flow(canvas, [_sample_slice(batch, room), _feature_slice(batch, room), _step_slice(batch, room)], 0)
    _add_colour_bar(canvas, batch)
    return "Three ways to cut one cube: a sample, a feature, a step"


def _sample_slice(batch: Batch, room: float) -> SliceView:
    n, t, f = batch.sizes
    code = "x[0]" if batch.batch_first else "x[:, 0]"
    name = batch.axis("batch", 1.0).label(0)
    axes, shape = (("time", "feature"), (t, f))

    def make(numbers: bool, most: int) -> GridView:
        wide, high = pitch_for(numbers)
        padding = None if batch.padding_NT is None else np.repeat(batch.padding_NT[:1], f, axis=0)
        return GridView(
            batch.axis("feature", high),
            batch.axis("time", wide, most, 0),
            INPUT,
            (f"one sample ({name}): `{code}`", f"`{size_label(axes, shape)}`"),
            batch.values_NTF[0].T,
            batch.scale(),
            padding,
            numbers,
        )

    lit = np.zeros((n, t, f), dtype=bool)
    lit[0] = True
    return SliceView(_icon(batch, lit), fitting(make, room))


def _feature_slice(batch: Batch, room: float) -> SliceView:
    n, t, f = batch.sizes
    name = batch.axis("feature", 1.0).label(0)
    axes, shape = (("batch", "time"), (n, t)) if batch.batch_first else (("time", "batch"), (t, n))

    def make(numbers: bool, most: int) -> GridView:
        wide, high = pitch_for(numbers)
        return GridView(
            batch.axis("batch", high),
            batch.axis("time", wide, most) if not batch.tokens else named_axis("time", t, wide, (), most),
            INPUT,
            (f"one feature ({name}): `x[:, :, 0]`", f"`{size_label(axes, shape)}`"),
            batch.values_NTF[:, :, 0],
            batch.scale(),
            batch.padding_NT,
            numbers,
        )

    lit = np.zeros((n, t, f), dtype=bool)
    lit[:, :, 0] = True
    return SliceView(_icon(batch, lit), fitting(make, room))


def _step_slice(batch: Batch, room: float) -> SliceView:
    view = fitting(lambda numbers, most: _step_view(batch, numbers, most), room)
    name = "0" if batch.tokens else batch.axis("time", 1.0).label(0)
    code = "x[:, 0]" if batch.batch_first else "x[0]"
    lit = np.zeros(batch.sizes, dtype=bool)
    lit[:, 0] = True
    return SliceView(
        _icon(batch, lit), replace(view, words=(f"one step ({name}): `{code}`", view.words[1].split("  ")[1]))
    )


def _icon(batch: Batch, lit_NTF: Array) -> Icon:
    n, t, f = batch.sizes
    place = Cube(0, 0, slots(n, 9.0, gap=9.0), slots(t, 7.0, gap=9.0), slots(f, 7.0, gap=9.0))
    return Icon(place, lit_NTF)


# --- batch_first --------------------------------------------------------------------------------------------------


def _draw_layouts(canvas: Canvas, batch: Batch) -> str:
    n, t, f = batch.sizes
    sample, step = np.zeros((2, n, t, f), dtype=bool)
    sample[0], step[:, 0] = True, True
    first = batch.axis("batch", 1.0).label(0)
    time = "0" if batch.tokens else batch.axis("time", 1.0).label(0)
    views = [
        _layout_view(canvas, batch, True, sample, f"`x[0]` is a sample ({first}), all its steps"),
        _layout_view(canvas, batch, False, step, f"`x[0]` is a step ({time}) of all samples"),
    ]
    flow(canvas, views, 0, gap=40)
    lines = (
        "`x.transpose(0, 1)` leads from one to the other.",
        f"`x.reshape({t}, {n}, {f})` does not: it would mix the samples." if n > 1 and t > 1 else "",
    )
    y = canvas.drawn.bottom - 14
    for line in filter(None, lines):
        y = canvas.lines(canvas.left, y, line, width=canvas.right - canvas.left, size=LABEL, ha="left").bottom
    return "`batch_first` says which axis comes first; no number moves"


def _layout_view(canvas: Canvas, batch: Batch, batch_first: bool, lit_NTF: Array, what: str) -> CubeView:
    yours = "  (yours)" if batch_first == batch.batch_first else ""
    words = (f"`batch_first={batch_first}`{yours}", layout_label(*batch.sizes, batch_first), what)
    room = canvas.right - canvas.left
    room = (room - 40) / 2 if room > 560 else room
    return fitting(lambda _, most: _cube_view(batch, False, most, words, lit_NTF, bare=True), room)


# --- shared -------------------------------------------------------------------------------------------------------


def _add_colour_bar(canvas: Canvas, batch: Batch) -> None:
    padded = batch.padding_NT is not None and bool(batch.padding_NT.any())
    keys(canvas, canvas.drawn.bottom - 18, [("values of `x`", batch.scale())], padded)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
