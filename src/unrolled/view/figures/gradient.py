"""The picture of how the gradient flows back through the steps.

Shapes: T = time, N = batch.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from unrolled.trace import Analysis, Array
from unrolled.view.drawing import charts, draw
from unrolled.view.drawing.canvas import Box, Canvas, text_width
from unrolled.view.drawing.charts import FOOT, number_text
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, Picture, house_style

_HEIGHT: Final = 112.0
_HEAD: Final = 22.0
_GAP: Final = 18.0
DASHES: Final = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))  # a layer's second sign, beside its name


class Curve(NamedTuple):
    """Norms over time (T), NaN where there is none, of one state in one direction of one layer."""

    of: str
    layer: int
    direction: str
    norms: Array


def draw_gradient_flow(
    analysis: Analysis, *, lengths: Array, kind: str, sample: int | None, name: str, width: float
) -> Picture:
    """Draw ‖∂L/∂h_t‖, and ‖∂L/∂c_t‖ where there is a c, over the steps, one line a layer.

    Args:
        analysis: What `gradient_flow` found.
        lengths: (N), valid steps of each sample.
        kind: "LSTM", "GRU", …
        sample: Which sample; None for the mean of all whose sequence reaches the step.
        name: The layer's name inside its model.
        width: Of the picture, in inches.
    """
    curves = [curve for curve in _curves(analysis, lengths, sample) if np.isfinite(curve.norms).any()]
    limits = _limits(curves)
    states = [of for of in "hc" if any(curve.of == of for curve in curves)] or ["h"]
    directions = [d for d in ("forward", "reverse") if any(curve.direction == d for curve in curves)] or ["forward"]
    with house_style():
        canvas = Canvas(width)
        boxes = _places(canvas, limits, directions, states)
        for (direction, of), box in boxes.items():
            drawn = [c for c in curves if (c.direction, c.of) == (direction, of)]
            _panel(canvas, box, drawn, limits, lengths, sample, direction, of)
        return canvas.finish(_title(curves), _note(kind, name, sample, lengths))


def _curves(analysis: Analysis, lengths: Array, sample: int | None) -> list[Curve]:
    found = []
    for part in analysis.parts:
        norms_TN = part.values.values.astype(np.float64)
        valid_TN = np.arange(len(norms_TN))[:, None] < lengths
        norms_T = _mean(norms_TN, valid_TN) if sample is None else np.where(valid_TN, norms_TN, np.nan)[:, sample]
        found.append(Curve(part.of, int(part.layer or 0), part.direction or "forward", norms_T))
    return found


def _mean(norms_TN: Array, valid_TN: Array) -> Array:
    counts = valid_TN.sum(1)
    sums = np.where(valid_TN, norms_TN, 0).sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _limits(curves: list[Curve]) -> tuple[float, float]:
    """Whole decades around everything above 0; at most 16 of them, below which nothing can be told from 0."""
    positive = [c.norms[np.isfinite(c.norms) & (c.norms > 0)] for c in curves]
    values = np.concatenate([*positive, np.zeros(0)])
    if not values.size:
        return 0.1, 10.0
    high = 10 ** np.ceil(np.log10(values.max()) + 1e-9)
    low = 10 ** np.floor(np.log10(values.min()) - 1e-9)
    return float(max(low, high * 1e-16)), float(high)


def _places(
    canvas: Canvas, limits: tuple[float, float], directions: list[str], states: list[str]
) -> dict[tuple[str, str], Box]:
    """A chart for each state and direction: states side by side where there is room, the reverse lane below."""
    columns = len(states) if canvas.width >= 560 else 1
    room = max(text_width(charts.power_text(v)) for v in charts.decades(*limits, _HEIGHT, 14)) + 10
    names = text_width("layer 10") + 8
    wide = (canvas.right - canvas.left - columns * (room + names) - _GAP * (columns - 1)) / columns
    places, top = {}, 0.0
    rows = [[(d, of) for of in states] for d in directions]
    rows = rows if columns > 1 else [[cell] for row in rows for cell in row]
    for row in rows:
        for k, cell in enumerate(row):
            left = canvas.left + room + k * (wide + room + names + _GAP)
            places[cell] = Box(left, top - _HEAD - _HEIGHT, left + wide, top - _HEAD)
        top -= _HEAD + _HEIGHT + FOOT + 8
    return places


def _panel(
    canvas: Canvas,
    box: Box,
    curves: list[Curve],
    limits: tuple[float, float],
    lengths: Array,
    sample: int | None,
    direction: str,
    of: str,
) -> None:
    steps = max((len(c.norms) for c in curves), default=int(lengths.max(initial=1)))
    axes = charts.bare_chart(canvas, box, (-0.5, steps - 0.5), limits, log="y", frame=False)
    axes.set_label(f"{of} {direction}")
    mark = charts.badge(canvas, box.left, box.top + 12, of, gate=False)
    flow = "the gradient runs right to left" if direction == "forward" else "the gradient runs left to right"
    words, room = f"{direction}: {flow}", box.width - 40 - text_width(_norm_of(of))
    canvas.text(mark.right + 6, mark.y, words if text_width(words) < room else direction, ha="left")
    drawn = draw.slots(len(curves), 1.0).shown
    for index in drawn:
        _line(canvas, axes, curves[index], limits)
    _names(canvas, box, [curves[index] for index in drawn], limits)
    length = int(lengths.max(initial=0)) if sample is None else int(lengths[sample])
    if length < steps:
        charts.hatch(canvas, axes, length, steps, limits[1], bottom=limits[0])
    charts.label_steps(canvas, axes, box, steps)
    _ticks(canvas, axes, box, limits, of)


def _line(canvas: Canvas, axes: Axes, curve: Curve, limits: tuple[float, float]) -> None:
    norms = np.where(curve.norms >= limits[0], curve.norms, np.nan)
    look: dict[str, Any] = {"color": CELL if curve.of == "c" else HIDDEN, "linewidth": 1.3 * canvas.scale}
    look |= {"linestyle": DASHES[curve.layer % len(DASHES)], "clip_on": False}
    alone = int(np.isfinite(norms).sum()) <= 1
    look |= {"marker": "o" if alone else None, "markersize": 4 * canvas.scale}
    axes.plot(np.arange(len(norms)), norms, label=f"layer {curve.layer}", **look)


def _names(canvas: Canvas, box: Box, curves: list[Curve], limits: tuple[float, float]) -> None:
    """Write each layer's name right of the end of its line, moved apart where two would meet."""
    ends, last = [], 0.0
    for curve in curves:
        seen = np.flatnonzero(np.isfinite(curve.norms) & (curve.norms >= limits[0]))
        norm = float(curve.norms[seen[-1]]) if seen.size else limits[0]
        ends.append((box.bottom + np.log(norm / limits[0]) / np.log(limits[1] / limits[0]) * box.height, curve.layer))
        last = max(last, (float(seen.max(initial=0)) + 1) / len(curve.norms))
    ends.sort()
    x = box.left + last * box.width
    inside = x + text_width("layer 10") < box.right  # over the padding, which ends no line
    for (_, layer), y in zip(ends, _apart([y for y, _ in ends], 11.0, box.top), strict=True):
        charts.beside(canvas, x + 4 if inside else box.right + 6, y, f"layer {layer}")


def _apart(heights: list[float], least: float, top: float) -> list[float]:
    """Move sorted heights apart, both of a pair alike, until they are `least` apart; none lies above `top`."""
    moved = list(heights)
    for _ in range(50):
        for k in range(1, len(moved)):
            missing = max(0.0, least - (moved[k] - moved[k - 1])) / 2
            moved[k - 1], moved[k] = moved[k - 1] - missing, moved[k] + missing
    for k in reversed(range(len(moved))):
        moved[k] = min(moved[k], top if k == len(moved) - 1 else moved[k + 1] - least)
    return moved


def _ticks(canvas: Canvas, axes: Axes, box: Box, limits: tuple[float, float], of: str) -> None:
    places = charts.decades(*limits, box.height, 14)
    labels = [charts.power_text(place) for place in places]
    charts.set_ticks(canvas, axes, "y", places, labels)
    wide = max(map(text_width, labels), default=0)
    canvas.cover(Box(box.left - wide - 6, box.bottom - 5, box.left, box.top + 5))
    canvas.text(box.right, box.top + 12, _norm_of(of), ha="right", colour=FAINT_INK)


def _norm_of(state: str) -> str:
    return f"norm of ∂L/∂{state}_t"


def _title(curves: list[Curve]) -> str:
    # The last layer's gradient has come through time alone; that of the others comes from above at every step too.
    first = min((c for c in curves if c.of == "h"), key=lambda c: (-c.layer, c.direction != "forward"), default=None)
    if first is None:
        return "There is no gradient to see"
    at = np.flatnonzero(np.isfinite(first.norms))
    if len(at) < 2:
        return (
            f"One step: the gradient at h of layer {first.layer} has the norm {number_text(float(first.norms[at[0]]))}"
        )
    late, early = (at[-1], at[0]) if first.direction == "forward" else (at[0], at[-1])
    after, before = float(first.norms[late]), float(first.norms[early])
    way = f"From step {late} back to step {early}" if late > early else f"From step {late} on to step {early}"
    where = f"the gradient of layer {first.layer}" if len({c.layer for c in curves}) > 1 else "the gradient"
    if before <= 0 or after <= 0:
        return f"{way} {where} vanishes altogether" if before <= 0 < after else f"At step {late} {where} is 0"
    ratio = before / after
    if 0.5 < ratio < 2:
        return f"{way} {where} keeps its size: it changes {number_text(ratio)}-fold"
    return f"{way} {where} {'grows' if ratio > 1 else 'shrinks'} {number_text(max(ratio, 1 / ratio))}-fold"


def _note(kind: str, name: str, sample: int | None, lengths: Array) -> str:
    of = f"sample {sample} of `N={len(lengths)}`" if sample is not None else f"the mean over `N={len(lengths)}` samples"
    return (
        f"{kind}{f' `{name}`' if name else ''}, {of}. Each point says how much the loss reacts to that step's state. "
        "What is exactly 0 has no place on a logarithmic axis and is left out."
    )
