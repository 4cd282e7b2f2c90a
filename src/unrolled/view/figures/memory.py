"""The picture of how long each unit remembers.

Shapes: H = hidden units.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from unrolled.trace import Analysis, Array, PartValues
from unrolled.view.drawing import charts, draw
from unrolled.view.drawing.canvas import Box, Canvas, text_width
from unrolled.view.drawing.charts import FOOT, number_text
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, LINE, SMALL, Picture, house_style

NAMED_UNITS: Final = 16  # of more units only the rank is told
TALLEST: Final = 130.0
_HEAD: Final = 18.0
_RIGHT: Final = 34.0  # right of a chart, for a dot's number


def draw_memory(analysis: Analysis, *, kind: str, steps: int, name: str, width: float) -> Picture:
    """Draw each unit's memory length, sorted; layers from bottom to top, the reverse direction under the forward one.

    Args:
        analysis: What `memory_length` found.
        kind: "LSTM", "GRU" or "SLSTM".
        steps: Valid steps of the longest sample: what was seen is no longer than that.
        name: The layer's name inside its model.
        width: Of the picture, in inches.
    """
    parts = sorted(analysis.parts, key=lambda part: (-int(part.layer or 0), part.direction or ""))
    drawn = draw.slots(len(parts), 1.0)
    limits = _limits([part.values.values for part in parts], steps)
    with house_style():
        canvas = Canvas(width)
        top = 0.0
        for k, index in enumerate(drawn.shown):
            if drawn.left_out and k == len(drawn.shown) - 1:
                draw.ellipsis(canvas, canvas.left + 20, top - 12, drawn.left_out)
                top -= 26
            top = _panel(
                canvas, top, parts[index], limits, steps, titled=len(parts) > 1, last=k == len(drawn.shown) - 1
            )
        return canvas.finish(_title(parts), _note(kind, name, parts))


def _limits(lengths: list[Array], steps: int) -> tuple[float, float]:
    """The axis' ends: half a decade around everything, what lasts forever or not at all left aside."""
    finite = np.concatenate([v[np.isfinite(v) & (v > 0)].ravel() for v in lengths] + [np.array([float(max(1, steps))])])
    low, high = float(max(finite.min(), 1e-3)), float(min(finite.max(), 1e9))
    room = (high / low) ** 0.12  # left of the shortest memory, for its number
    return low / max(1.5, room), high * 1.5


def _panel(
    canvas: Canvas, top: float, part: PartValues, limits: tuple[float, float], steps: int, *, titled: bool, last: bool
) -> float:
    lengths = part.values.values.astype(np.float64)
    order = np.argsort(-lengths, kind="stable")
    named = len(order) <= NAMED_UNITS
    tall = 13.0 * len(order) + 4 if named else TALLEST
    head = _HEAD + (14 if titled else 0)
    left = canvas.left + (text_width(f"unit {len(order) - 1}") + 14 if named else charts.units_room(len(order)))
    box = Box(left, top - head - tall, canvas.right - _RIGHT, top - head)
    if titled:
        canvas.text(canvas.left, top - 8, f"layer {part.layer}, {part.direction}", ha="left", bold=True)
    axes = charts.bare_chart(canvas, box, limits, _rows(len(order)), log="x", frame=False)
    axes.set_label(f"{part.layer} {part.direction}")
    _lengths(canvas, axes, lengths[order], limits, part.of)
    _units(canvas, axes, box, order, named)
    _numbers(canvas, box, lengths[order], limits, named)
    _lines(canvas, axes, box, lengths, limits, steps)
    _ticks(canvas, axes, box, limits, last)
    return box.bottom - (FOOT if last else 26)


def _rows(units: int) -> tuple[float, float]:
    """The ends of the vertical axis, with some room around many dots."""
    spare = 0.5 if units <= NAMED_UNITS else 0.06 * units
    return units - 1 + spare, -spare


def _at(lengths: Any, limits: tuple[float, float]) -> Array:
    inside = np.asarray(np.clip(np.nan_to_num(lengths, nan=0.0, posinf=np.inf), *limits))
    return inside


def _lengths(canvas: Canvas, axes: Axes, lengths: Array, limits: tuple[float, float], of: str) -> None:
    """Draw a stem and a dot for each unit, the longest memory at the top."""
    colour = CELL if of == "f" else HIDDEN
    rows, at = np.arange(len(lengths)), _at(lengths, limits)
    few = len(lengths) <= NAMED_UNITS
    if few:
        axes.hlines(rows, limits[0], at, color=colour, linewidth=1.2 * canvas.scale)
    look: dict[str, Any] = {"color": colour, "markersize": (5.5 if few else 2.2) * canvas.scale}
    axes.plot(at, rows, "o", label="memory", markeredgewidth=0, clip_on=False, **look)


def _units(canvas: Canvas, axes: Axes, box: Box, order: Array, named: bool) -> None:
    if named:
        charts.set_ticks(canvas, axes, "y", range(len(order)), [f"unit {unit}" for unit in order])
        canvas.cover(Box(canvas.left, box.bottom, box.left, box.top))
    else:
        charts.label_units(canvas, axes, box, len(order), name=False)
        charts.side_text(canvas, canvas.left + 5, box.y, f"unit, by rank `H={len(order):,}`")


def _numbers(canvas: Canvas, box: Box, lengths: Array, limits: tuple[float, float], named: bool) -> None:
    """Write the lengths beside their dots; of many units those of the first and the last."""
    foot, head = _rows(len(lengths))
    for row in range(len(lengths)) if named else (0, len(lengths) - 1):
        x = _x(box, float(_at(lengths[row], limits)), limits)
        y = box.top - (row - head) / (foot - head) * box.height
        text = "∞" if np.isinf(lengths[row]) else number_text(float(lengths[row]))
        left = row > 0 and not named
        charts.beside(canvas, x - 6 if left else x + 6, y, text, "right" if left else "left")


def _x(box: Box, length: float, limits: tuple[float, float]) -> float:
    return box.left + float(np.log(length / limits[0]) / np.log(limits[1] / limits[0])) * box.width


def _lines(canvas: Canvas, axes: Axes, box: Box, lengths: Array, limits: tuple[float, float], steps: int) -> None:
    """Mark the median, and the length of the longest sample, with words above the chart."""
    middle = float(np.median(lengths))
    marks = [(float(steps), f"`T={steps:,}`: no sample is longer", LINE, "solid")]
    if len(lengths) > 1 and np.isfinite(middle):
        marks.append((middle, f"half of the units: {number_text(middle)} or less", FAINT_INK, "dotted"))
    spots = []
    for value, words, colour, style in marks:
        at = float(_at(np.array(value), limits))
        axes.axvline(at, color=colour, linestyle=style, linewidth=0.9 * canvas.scale, zorder=0.5)
        spots.append((_x(box, at, limits), words))
    _words_above(canvas, box, spots)


def _words_above(canvas: Canvas, box: Box, spots: list[tuple[float, str]]) -> None:
    """Write each line's words over its top: the left one to the left and the right one to the right where they meet."""
    spots.sort()
    room = Box(canvas.left, box.top, canvas.right, box.top + 12)
    ends = [room.left]
    for k, (x, words) in enumerate(spots):
        wide = text_width(words, SMALL)
        after = sum(text_width(later, SMALL) + 14 for _, later in spots[k + 1 :])
        left = min(max(x - wide / 2, ends[-1]), room.right - after - wide)
        canvas.text(left, box.top + 8, words, ha="left", colour=FAINT_INK)
        ends.append(left + wide + 14)


def _ticks(canvas: Canvas, axes: Axes, box: Box, limits: tuple[float, float], last: bool) -> None:
    places = charts.decades(*limits, box.width, 46)
    labels = [charts.power_text(place) for place in places]
    charts.set_ticks(canvas, axes, "x", places, labels)
    canvas.cover(Box(box.left, box.bottom - 16, box.right, box.bottom))
    if last:
        canvas.text(box.x, box.bottom - 21, "memory length in time steps, logarithmic", colour=FAINT_INK)


def _title(parts: list[PartValues]) -> str:
    best = max(parts, key=lambda part: float(np.nan_to_num(part.values.values, nan=-1).max()))
    unit = int(np.nan_to_num(best.values.values, nan=-1).argmax())
    longest = float(best.values.values[unit])
    where = f" of layer {best.layer}, {best.direction}," if len(parts) > 1 else ""
    lasts = "forgets nothing at all" if np.isinf(longest) else f"remembers for {_steps(longest)}"
    everything = np.concatenate([part.values.values.ravel() for part in parts])
    if everything.size == 1:
        return f"The one unit {lasts}"
    return f"Unit {unit}{where} {lasts}; half of the units for {_steps(float(np.median(everything)))} or less"


def _steps(length: float) -> str:
    text = number_text(length)
    return f"{text} step{'' if text in ('1', '1.0') else 's'}"


def _note(kind: str, name: str, parts: list[PartValues]) -> str:
    gate = " or ".join(f"`{letter}`" for letter in sorted({part.of for part in parts}))
    return (
        f"{kind}{f' `{name}`' if name else ''}. After so many steps 37 % (1/e) of what a unit held is left: "
        f"−1/log of the geometric mean of {gate} over all valid steps of the batch."
    )
