"""The cube of cells: time to the right, features downwards, the batch into the depth, up and to the right.

Shapes: N = batch, T = time, F = features.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from unrolled.trace import Array
from unrolled.view.drawing.canvas import Box, Canvas
from unrolled.view.drawing.draw import (
    Point,
    Slots,
    ValueScale,
    cells,
    hatch,
    ink_on,
    mixed,
    number,
    spans,
    tint,
)
from unrolled.view.style import FADED, LABEL, LINE, PAPER

DEPTH = (0.62, 0.40)  # how far a step into the depth goes right and up, in cells


@final
@dataclass(frozen=True)
class Cube:
    """Where a cube's cells lie on the sheet, `left` and `bottom` being those of its front face."""

    left: float
    bottom: float
    batch: Slots
    time: Slots
    feature: Slots

    @property
    def front(self) -> Box:
        """The face of the first sample."""
        return Box(self.left, self.bottom, self.left + self.time.length, self.bottom + self.feature.length)

    @property
    def box(self) -> Box:
        """Of the whole cube."""
        right, up = self.into(self.batch.length)
        return Box(self.left, self.bottom, self.front.right + right, self.front.top + up)

    def into(self, depth: float) -> Point:
        """Return how far right and up something lies that is `depth` behind the front."""
        return DEPTH[0] * depth, DEPTH[1] * depth

    def at(self, depth: float, along: float, down: float) -> Point:
        """Return a point of the sheet: `depth` behind the front, `along` the steps, `down` the features."""
        right, up = self.into(depth)
        return self.left + along + right, self.front.top - down + up


def cube(
    canvas: Canvas,
    place: Cube,
    *,
    colour: str,
    values_NTF: Array | None = None,
    scale: ValueScale | None = None,
    padding_NT: Array | None = None,
    lit_NTF: Array | None = None,
    numbers: bool = False,
    quiet: bool = False,
) -> Box:
    """Draw a cube of cells.

    Args:
        canvas: The sheet.
        place: Where its cells lie.
        colour: The colour of its role.
        values_NTF: Drawn as colours if there is a `scale`.
        scale: How values become colours.
        padding_NT: True where a step of a sample is padding: hatched, never coloured.
        lit_NTF: True where a cell is the picture's subject; all others fade. All are, where None.
        numbers: Write the values into the cells of the front face.
        quiet: Leave out what the ellipses stand for, in a cube too small for words.
    """
    faces = _Faces(colour, values_NTF, scale, padding_NT, lit_NTF)
    for side in SIDES:
        _draw_side(canvas, place, side, faces)
    if numbers and values_NTF is not None:
        _write_numbers(canvas, place, faces)
    if not quiet:
        _mark_gaps(canvas, place)
    return canvas.cover(place.box)


@final
@dataclass(frozen=True)
class _Faces:
    colour: str
    values_NTF: Array | None
    scale: ValueScale | None
    padding_NT: Array | None
    lit_NTF: Array | None

    def of(self, n: int, t: int, f: int) -> Any:
        if self.values_NTF is None or self.scale is None:
            return tint(self.colour)
        return self.scale(float(self.values_NTF[n, t, f]))

    def padded(self, n: int, t: int) -> bool:
        return self.padding_NT is not None and bool(self.padding_NT[n, t])

    def faded(self, n: int, t: int, f: int) -> bool:
        return self.lit_NTF is not None and not self.lit_NTF[n, t, f]


SIDES = ("right", "top", "front")


def _draw_side(canvas: Canvas, place: Cube, side: str, faces: _Faces) -> None:
    """Draw one of the three faces that can be seen; what the ellipses stand for stays white."""
    whole = [place.at(*corner) for corner in _face(place, side, _whole(place))]
    cells(canvas, [whole], [PAPER], place.box, faces.colour)
    bright: tuple[list[Any], list[Any]] = ([], [])
    dim: tuple[list[Any], list[Any]] = ([], [])
    hatched: list[Any] = []
    for n, t, f in _cells_of(place, side):
        stretch = _stretch(place.batch, n), _stretch(place.time, t), _stretch(place.feature, f)
        corners = [place.at(*corner) for corner in _face(place, side, stretch)]
        index = place.batch.shown[n], place.time.shown[t], place.feature.shown[f]
        if faces.padded(*index[:2]):
            hatched.append(corners)
            continue
        target = dim if faces.faded(*index) else bright
        target[0].append(corners)
        target[1].append(mixed(faces.of(*index), FADED) if target is dim else faces.of(*index))
    cells(canvas, *dim, place.box, LINE)
    cells(canvas, *bright, place.box, faces.colour)
    hatch(canvas, hatched, place.box)


Stretch: TypeAlias = tuple[float, float]  # where something begins and ends along an axis
Region: TypeAlias = tuple[Stretch, Stretch, Stretch]  # batch, time, feature


def _cells_of(place: Cube, side: str) -> list[tuple[int, int, int]]:
    """Return which cells a face shows, as positions among those drawn."""
    batch, time, feature = (range(len(line.shown)) for line in (place.batch, place.time, place.feature))
    if side == "front":
        return [(0, t, f) for t in time for f in feature]
    if side == "top":
        return [(n, t, 0) for n in batch for t in time]
    return [(n, time[-1], f) for n in batch for f in feature]


def _stretch(line: Slots, k: int) -> Stretch:
    return line.start(k), line.start(k) + line.pitch


def _whole(place: Cube) -> Region:
    return (0.0, place.batch.length), (0.0, place.time.length), (0.0, place.feature.length)


def _face(place: Cube, side: str, region: Region) -> list[tuple[float, float, float]]:
    """Return the corners of that part of a face: depth, along, down."""
    (n0, n1), (t0, t1), (f0, f1) = region
    if side == "front":
        return [(0.0, t0, f1), (0.0, t1, f1), (0.0, t1, f0), (0.0, t0, f0)]
    if side == "top":
        return [(n0, t0, 0.0), (n0, t1, 0.0), (n1, t1, 0.0), (n1, t0, 0.0)]
    end = place.time.length
    return [(n0, end, f1), (n1, end, f1), (n1, end, f0), (n0, end, f0)]


def _write_numbers(canvas: Canvas, place: Cube, faces: _Faces) -> None:
    assert faces.values_NTF is not None
    n = place.batch.shown[0]
    for (j, t), (k, f) in itertools.product(enumerate(place.time.shown), enumerate(place.feature.shown)):
        if not faces.padded(n, t) and not faces.faded(n, t, f):
            x, y = place.at(0, place.time.middle(j), place.feature.middle(k))
            canvas.text(x, y, number(float(faces.values_NTF[n, t, f])), colour=ink_on(faces.of(n, t, f)))


def _mark_gaps(canvas: Canvas, place: Cube) -> None:
    """Write dots where cells are left out; how many they are is said beside the axis."""
    front = place.front
    if place.time.gap:
        canvas.text(place.left + place.time.gap_middle, front.y, "⋯", size=LABEL)
    if place.feature.gap:
        canvas.text(place.left + spans(place.time)[0][1] / 2, front.top - place.feature.gap_middle, "⋮", size=LABEL)
    if place.batch.gap:
        canvas.text(*place.at(place.batch.gap_middle, spans(place.time)[0][1] / 2, 0), "⋯", size=LABEL)


def no_padding(lengths_N: Array | None, steps: int) -> Array | None:
    """Return (N, T), True at padded steps; None where there are no lengths."""
    return None if lengths_N is None else np.arange(steps)[None, :] >= np.asarray(lengths_N)[:, None]
