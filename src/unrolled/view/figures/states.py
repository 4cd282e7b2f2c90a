"""The picture of where `output`, `h_n` and `c_n` sit.

Shapes: T = time, N = batch, L = layers, D = directions, H = hidden units.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.patches import FancyBboxPatch

from unrolled.trace import NamedArray, Trace
from unrolled.view.drawing import draw
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, text_width
from unrolled.view.figures.final_codes import final_code, output_code
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, INPUT, LINE, SMALL, Picture, house_style

LAYERS_DRAWN: Final = 3  # of more, the first two and the last
SAMPLES_DRAWN: Final = 2
_COLOURS: Final = {"h": HIDDEN, "c": CELL}
_ROW: Final = 15.0  # height of one state's row
_STEP: Final = 19.0  # from one row to the next
_BETWEEN: Final = 16.0  # between layers
_LINE: Final = LEADING * SMALL
_STRONG: Final = 0.75  # how much colour a final state has


class Columns(NamedTuple):
    """Which steps are drawn, and where: the left edge of each, its width, and how many are left out before it."""

    steps: list[int]
    lefts: list[float]
    width: float
    gaps: list[int]

    def box(self, step: int, y: float, tall: float = _ROW) -> Box:
        """The cell of a step in the row around the height y."""
        left = self.lefts[self.steps.index(step)]
        return Box(left, y - tall / 2, left + self.width, y + tall / 2)


class Lane(NamedTuple):
    """One direction of one layer: its place in the trace, its states, and the heights of their rows."""

    part: int
    layer: int
    direction: str
    heights: dict[str, float]


def draw_states(trace: Trace, *, name: str, width: float) -> Picture:
    """Draw the grid of steps and layers for a sample, and where its outputs and final states are.

    Where lengths differ, the longest and the shortest sample are drawn.
    """
    samples = _samples(trace)
    with house_style():
        canvas = Canvas(width)
        top = 0.0
        for sample in samples:
            top = _sample(canvas, trace, sample, top, titled=trace.batched) - 18
        _codes(canvas, trace, samples, top + 4)
        return canvas.finish(_title(trace, samples), _note(trace, name, samples))


def _samples(trace: Trace) -> list[int]:
    lengths = trace.lengths.values
    return [int(lengths.argmax()), int(lengths.argmin())][: SAMPLES_DRAWN if lengths.min() < lengths.max() else 1]


# --- one sample ---------------------------------------------------------------------------------------------------


def _sample(canvas: Canvas, trace: Trace, sample: int, top: float, titled: bool) -> float:
    length = int(trace.lengths.values[sample])
    steps = trace.parts[0]["inputs"].shape[0]
    if titled:
        words = f"sample {sample}: {_count(length)}" + (
            f", {_count(steps - length)} of padding" if length < steps else ""
        )
        canvas.text(canvas.left, top - 6, words, ha="left", bold=True)
        top -= 22
    columns = _columns(canvas, trace, length, steps)
    lanes, foot = _lanes(trace, top - 34)
    _output_row(canvas, trace, columns, lanes, top - 12, length)
    for lane in lanes:
        _lane(canvas, trace, lane, columns, sample, length)
    _ellipsis_of_layers(canvas, trace, lanes, columns)
    return _input_row(canvas, columns, lanes, foot, length, steps)


def _count(steps: int) -> str:
    return f"{steps:,} step{'' if steps == 1 else 's'}"


def _columns(canvas: Canvas, trace: Trace, length: int, steps: int) -> Columns:
    """Place the steps that are drawn between the names on the left and the final states on both sides."""
    shown, gap = _steps_shown(length, steps), 26.0
    gaps = [later - earlier - 1 for earlier, later in pairwise([-1, *shown])]
    left = canvas.left + _names_width(trace) + (_finals_width(trace) if _reverse(trace) else 0)
    room = canvas.right - _finals_width(trace) - left - gap * sum(g > 0 for g in gaps)
    pitch = min(56.0, room / len(shown))
    lefts, at = [], left
    for hidden in gaps:
        at += gap if hidden else 0
        lefts.append(at)
        at += pitch
    return Columns(shown, lefts, pitch - 8, gaps)


def _steps_shown(length: int, steps: int) -> list[int]:
    """All of at most seven; otherwise the first, those around the end of the sequence, and the last."""
    if steps <= draw.MOST_DRAWN:
        return list(range(steps))
    near = {0, 1, length - 1, length, steps - 1} if length < steps else {0, 1, 2, steps - 1}
    shown = sorted(step for step in near if 0 <= step < steps)
    alone = [before + 1 for before, after in pairwise(shown) if after == before + 2]  # an ellipsis takes as much room
    return sorted({*shown, *alone})


def _reverse(trace: Trace) -> bool:
    return any(part.direction == "reverse" for part in trace.parts)


def _names_width(trace: Trace) -> float:
    return max(text_width("layer 10", bold=True), text_width("forward →"), text_width("`output`")) + 8


def _finals_width(trace: Trace) -> float:
    codes = [final_code(trace, part, state) for part in range(len(trace.parts)) for state in _states(trace, part)]
    return max(text_width(code, mono=True) for code in codes) + 26


def _states(trace: Trace, part: int) -> list[str]:
    arrays = trace.parts[part].arrays
    return [name for name in "hc" if name in arrays and f"{name}_n" in trace.finals]


def _lanes(trace: Trace, top: float) -> tuple[list[Lane], float]:
    """Stack the layers, the last at the top, forward over reverse; return the lanes and where the lowest ends."""
    layers = sorted({part.layer for part in trace.parts})
    shown = [layers[k] for k in draw.slots(len(layers), 1.0, LAYERS_DRAWN).shown]
    lanes, y = [], top
    for layer in reversed(shown):
        if layer == shown[-2 if len(shown) > 1 else 0] and len(shown) < len(layers):
            y -= 16
        for index, part in enumerate(trace.parts):
            if part.layer == layer:
                heights = {}
                for state in _states(trace, index):
                    heights[state] = y - _ROW / 2
                    y -= _STEP
                lanes.append(Lane(index, layer, part.direction, heights))
                y -= 3
        y -= _BETWEEN
    return lanes, y + _BETWEEN


def _lane(canvas: Canvas, trace: Trace, lane: Lane, columns: Columns, sample: int, length: int) -> None:
    """Draw a lane's name, its states at every step, and its final states where its direction ends."""
    first = next(iter(lane.heights.values()))
    if lane.direction == "forward":
        canvas.text(canvas.left, first + 5, f"layer {lane.layer}", ha="left", bold=True)
    word = "forward →" if lane.direction == "forward" else "reverse ←"
    shift = -6 if lane.direction == "forward" else 0
    canvas.text(canvas.left, first + shift, word, ha="left", colour=FAINT_INK)
    last = length - 1 if lane.direction == "forward" else 0
    for state, y in lane.heights.items():
        for step in columns.steps:
            _state_cell(canvas, columns.box(step, y), _COLOURS[state], step < length, step == last and length > 0)
        _arrows(canvas, columns, y, lane.direction, length, _COLOURS[state])
        _final(canvas, trace, lane, columns, state, y, length)


def _state_cell(canvas: Canvas, box: Box, colour: str, valid: bool, final: bool) -> None:
    if not valid:
        draw.hatch(
            canvas, [[(box.left, box.bottom), (box.right, box.bottom), (box.right, box.top), (box.left, box.top)]], box
        )
        draw.outline(canvas, box, LINE, 0.6)
        return
    draw.state(canvas, box, colour)
    if final:
        radius = min(box.width, box.height) / 2
        look: dict[str, Any] = {
            "facecolor": draw.tint(colour, _STRONG),
            "edgecolor": colour,
            "linewidth": 1.6 * canvas.scale,
            "zorder": 3.5,
        }
        style = f"round,pad=0,rounding_size={radius}"
        canvas.add(FancyBboxPatch((box.left, box.bottom), box.width, box.height, boxstyle=style, **look), box)


def _arrows(canvas: Canvas, columns: Columns, y: float, direction: str, length: int, colour: str) -> None:
    """Draw the arrows from step to step, and an ellipsis where steps are left out."""
    for k in range(1, len(columns.steps)):
        before, after = (columns.box(columns.steps[j], y) for j in (k - 1, k))
        if columns.steps[k] < length:
            points = (before.right, y), (after.left, y)
            draw.arrow(canvas, *(points if direction == "forward" else points[::-1]), colour)


def _final(canvas: Canvas, trace: Trace, lane: Lane, columns: Columns, state: str, y: float, length: int) -> None:
    """Write the final state's code where the direction ends, and lead there from the step it was taken at."""
    code, colour = final_code(trace, lane.part, state), _COLOURS[state]
    wide = text_width(code, mono=True) + 10
    if lane.direction == "reverse":
        edge = columns.box(columns.steps[0], y).left
        box = Box(edge - 12 - wide, y - _ROW / 2, edge - 12, y + _ROW / 2)
        draw.arrow(canvas, (edge, y), (box.right, y), colour, width=1.4)
    else:
        edge = columns.box(columns.steps[-1], y).right
        start = columns.box(length - 1, y).right if length > 0 else edge
        box = Box(edge + 12, y - _ROW / 2, edge + 12 + wide, y + _ROW / 2)
        draw.arrow(canvas, (start, y), (box.left, y), colour, width=1.4, zorder=4)
    draw.outline(canvas, box, colour, 1.2)
    canvas.text(box.x, y, code, mono=True)


def _output_row(canvas: Canvas, trace: Trace, columns: Columns, lanes: list[Lane], y: float, length: int) -> None:
    """Draw `output` above the last layer: at every step its h, both directions side by side."""
    canvas.text(canvas.left, y, "`output`", ha="left")
    top_lanes = [lane for lane in lanes if lane.layer == lanes[0].layer]
    highest = max(max(lane.heights.values()) for lane in lanes) + _ROW / 2
    for step in columns.steps:
        box = columns.box(step, y)
        if step >= length:
            _state_cell(canvas, box, HIDDEN, valid=False, final=False)
            continue
        half = box.width / len(top_lanes)
        for k in range(len(top_lanes)):
            cell = Box(box.left + k * half, box.bottom, box.left + (k + 1) * half, box.top)
            corners = [
                (cell.left, cell.bottom),
                (cell.right, cell.bottom),
                (cell.right, cell.top),
                (cell.left, cell.top),
            ]
            draw.cells(canvas, [corners], [draw.tint(HIDDEN, 0.16 if k == 0 else 0.32)], cell, HIDDEN)
        draw.outline(canvas, box, HIDDEN, 0.9)
        draw.arrow(canvas, (box.x, highest), (box.x, box.bottom), LINE)
    for k, hidden in enumerate(columns.gaps):
        if hidden:
            draw.ellipsis(canvas, columns.lefts[k] - 13 - 4, y, hidden)


def _ellipsis_of_layers(canvas: Canvas, trace: Trace, lanes: list[Lane], columns: Columns) -> None:
    layers = sorted({lane.layer for lane in lanes})
    left_out = len({part.layer for part in trace.parts}) - len(layers)
    if left_out:
        below = min(y for lane in lanes if lane.layer == layers[-1] for y in lane.heights.values()) - _ROW / 2
        draw.ellipsis(canvas, columns.lefts[0] + columns.width / 2, below - 15, left_out, vertical=True)


def _input_row(canvas: Canvas, columns: Columns, lanes: list[Lane], foot: float, length: int, steps: int) -> float:
    """Draw x at the foot, arrows from layer to layer, and the numbers of the steps."""
    y = foot - 16 - _ROW / 2
    canvas.text(canvas.left, y, "`x`", ha="left")
    groups = [[lane for lane in lanes if lane.layer == layer] for layer in sorted({lane.layer for lane in lanes})]
    for step in columns.steps:
        box = columns.box(step, y)
        if step >= length:
            _state_cell(canvas, box, INPUT, valid=False, final=False)
        else:
            corners = [(box.left, box.bottom), (box.right, box.bottom), (box.right, box.top), (box.left, box.top)]
            draw.cells(canvas, [corners], [draw.tint(INPUT)], box, INPUT)
            draw.outline(canvas, box, INPUT, 0.9)
            start = box.top
            for group in groups:
                heights = [h for lane in group for h in lane.heights.values()]
                if abs(min(heights) - _ROW / 2 - start) < 40:
                    draw.arrow(canvas, (box.x, start), (box.x, min(heights) - _ROW / 2), LINE)
                start = max(heights) + _ROW / 2
        canvas.text(box.x, y - _ROW / 2 - 8, str(step))
    left, right = columns.lefts[0], columns.lefts[-1] + columns.width
    canvas.text((left + right) / 2, y - _ROW / 2 - 20, f"time `T={steps:,}`", colour=FAINT_INK)
    return y - _ROW / 2 - 27


# --- words --------------------------------------------------------------------------------------------------------


def _codes(canvas: Canvas, trace: Trace, samples: list[int], top: float) -> None:
    """Say what to write to get each thing."""
    rows = _code_rows(trace, samples)
    column = canvas.left + max(text_width(code, mono=True) for code, _ in rows) + 14
    narrow = canvas.right - column < 190
    y = top
    for code, words in rows:
        canvas.text(canvas.left, y - _LINE / 2, code, ha="left", mono=True)
        if narrow:
            y -= _LINE
        left = canvas.left + 10 if narrow else column
        box = canvas.lines(left, y, words, width=canvas.right - left, ha="left", colour=FAINT_INK)
        y = box.bottom - 4


def _code_rows(trace: Trace, samples: list[int]) -> list[tuple[str, str]]:
    sample = samples[-1]
    length = int(trace.lengths.values[sample])
    steps = trace.parts[0]["inputs"].shape[0]
    last = max(part.layer for part in trace.parts)
    halves = [k for k, part in enumerate(trace.parts) if part.layer == last]
    both = "; the units of both directions lie side by side" if len(halves) > 1 else ""
    rows = [(output_code(trace, "n", "t"), f"h of the last layer at step t{both}")]
    if length:
        rows += [_final_row(trace, k, sample, length, 0 if k == halves[0] else 1) for k in halves]
    if length < steps:
        rows.append((output_code(trace, sample, -1), f"padding, all 0: sample {sample} ended at step {length - 1}"))
    if last > 0:
        code = final_code(trace, 0, "h")
        rows.append((code, "h of layer 0 after its last step; `output` has nothing of it"))
    if "c_n" in trace.finals and _states(trace, halves[0])[-1] == "c":
        rows.append(
            (final_code(trace, halves[0], "c"), "c is in no `output`: it is given only where the sequence ends")
        )
    return rows


def _final_row(trace: Trace, part: int, sample: int, length: int, half: int) -> tuple[str, str]:
    """One final state, and where the same numbers stand in `output`, if they do."""
    here = trace.parts[part]
    width = here["h"].shape[-1]
    step = length - 1 if here.direction == "forward" else 0
    units = (half * width, half * width + width)
    code = final_code(trace, part, "h", sample)
    written = "after its last valid step" if here.direction == "forward" else "after step 0, which reverse reads last"
    same = np.array_equal(here["h"].values[step, sample], _output_at(trace, sample, step)[slice(*units)])
    equal = f"the same numbers as `{output_code(trace, sample, step, units)}`: " if same else ""
    return code, f"{equal}h of layer {here.layer}, {here.direction}, {written}"


def _output_at(trace: Trace, sample: int, step: int) -> np.ndarray:
    if not trace.batched:
        return np.asarray(trace.output.values[step])
    return np.asarray(trace.output.values[(sample, step) if trace.settings["batch_first"] else (step, sample)])


def _title(trace: Trace, samples: list[int]) -> str:
    lengths = trace.lengths.values
    steps = trace.parts[0]["inputs"].shape[0]
    short, finals = samples[-1], "`states`" if trace.kind == "Stack" else "`h_n`"
    if 0 < lengths[short] < steps:
        ends = f"Sample {short} ends at step {int(lengths[short]) - 1}"
        return f"{ends}: {finals} holds its state from there, the last step of `output` is padding"
    if _reverse(trace):
        return f"{finals} takes each direction where it ends: forward at step {steps - 1}, reverse at step 0"
    if len(trace.parts) > 1:
        return f"`output` is the last layer at every step; {finals} is every layer at the last step"
    return f"One layer, one direction: {finals} is the last step of `output`"


def _note(trace: Trace, name: str, samples: list[int]) -> str:
    sizes = f"`output`: {_sizes(trace, trace.output)}"
    for state, final in trace.finals.items():
        if not isinstance(final, tuple) and state in ("h_n", "c_n"):
            sizes += f"; `{state}`: {_sizes(trace, final)}"
    others = len(trace.lengths.values) - len(samples)
    more = f" {others:,} more sample{'s are' if others > 1 else ' is'} not drawn." if others else ""
    return f"{trace.kind}{f' `{name}`' if name else ''}. {sizes}.{more}"


def _sizes(trace: Trace, array: NamedArray) -> str:
    """Sizes with their letters; the features of `output` are hidden units of every direction."""
    width = draw.axis_letter(trace.parts[-1]["h"].axes[-1])
    letters = {"feature": f"D·{width}" if len(trace.directions) > 1 else width}
    return " · ".join(f"{letters.get(axis, draw.axis_letter(axis))}={size:,}" for axis, size in array.sizes.items())
