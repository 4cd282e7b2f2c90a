"""The picture of a layer's gates and states over time.

Shapes: T = time, H = hidden units.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from unrolled.trace import Array, DirectionTrace, Trace
from unrolled.view.drawing import charts
from unrolled.view.drawing.canvas import Box, Canvas, text_width
from unrolled.view.drawing.charts import FOOT
from unrolled.view.drawing.draw import ValueScale, signed
from unrolled.view.figures.cell_parts import kind_of
from unrolled.view.style import Picture, house_style

PLAIN: Final = {
    "i": "input gate: how much is written",
    "f": "forget gate: how much is kept",
    "g": "candidate: what is written",
    "o": "output gate: how much is shown",
    "r": "reset gate: how much of h the candidate sees",
    "z": "update gate: how much of h is kept",
    "n": "candidate: what is written",
    "c": "cell state: the memory",
    "h": "hidden state: what is passed on",
    "m": "stabiliser: keeps exponentials small",
}
NORMALISER: Final = "normaliser: what c is divided by"

ORDER: Final = {"LSTM": "ifgoch", "GRU": "rznh", "RNN": "h", "SLSTM": "ifgochnm"}
SQUASHED: Final = {"LSTM": "ifo", "GRU": "rz", "RNN": "", "SLSTM": "ifo"}
GATE_LETTERS: Final = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "", "SLSTM": "ifgo"}
KEEPING: Final = {"LSTM": "f", "GRU": "z", "SLSTM": "f"}

_GAP: Final = 16.0
_HEAD: Final = 20.0


class Shown(NamedTuple):
    """What is drawn of one gate or state: its letter and values (T, H)."""

    letter: str
    words: str
    values: Array
    axis: str
    gate: bool


def draw_gates(trace: Trace, *, sample: int, layer: int, direction: str, name: str, width: float) -> Picture:
    """Draw every gate and state of one sample in one direction of one layer."""
    part, length = trace[layer, direction], int(trace.lengths.values[sample])
    kind = kind_of(part)
    shown = _shown(kind, part, sample)
    kinds = _kinds(kind, shown, length)
    with house_style():
        canvas = Canvas(width)
        bottom = _panels(canvas, shown, {s.letter: _scale_of(s.letter, kinds) for s in shown}, length)
        charts.colour_bars(canvas, bottom - 4, [(_bar_label(letters), scale) for letters, scale in kinds])
        return canvas.finish(_title(kind, part, sample, length), _note(trace, sample, layer, direction, name))


def _shown(kind: str, part: DirectionTrace, sample: int) -> list[Shown]:
    found = []
    for letter in ORDER[kind]:
        array = part[letter]
        words = NORMALISER if kind == "SLSTM" and letter == "n" else PLAIN[letter]
        gate = letter in GATE_LETTERS[kind]
        found.append(Shown(letter, words, array.values[:, sample], array.axes[-1], gate))
    return found


def _kinds(kind: str, shown: list[Shown], length: int) -> list[tuple[str, ValueScale]]:
    """One scale for the gates, one for what a tanh bounds, one for each other state."""
    letters = "".join(s.letter for s in shown)
    gates = "".join(letter for letter in letters if letter in SQUASHED[kind])
    bounded = "".join(letter for letter in letters if letter in ("gh" if kind != "GRU" else "nh"))
    groups = [gates, bounded, *(letter for letter in letters if letter not in gates + bounded)]
    values = {s.letter: s.values[:length] for s in shown}
    return [
        (group, (charts.unit_scale if group == gates else signed)(*(values[letter] for letter in group)))
        for group in groups
        if group
    ]


def _scale_of(letter: str, kinds: list[tuple[str, ValueScale]]) -> ValueScale:
    return next(scale for letters, scale in kinds if letter in letters)


def _bar_label(letters: str) -> str:
    return " ".join(letters)


def _panels(canvas: Canvas, shown: list[Shown], scales: dict[str, ValueScale], length: int) -> float:
    """Draw the heat maps in rows, the first at the top; return where the last row ends."""
    columns = _columns(canvas.width, len(shown))
    units = max(s.values.shape[1] for s in shown)
    room = charts.units_room(units)
    wide = (canvas.right - canvas.left - room - _GAP * (columns - 1)) / columns
    tall = float(np.clip(9 * units, 34, 110))
    top = 0.0
    for first in range(0, len(shown), columns):
        row = shown[first : first + columns]
        last = first + columns >= len(shown)
        for k, one in enumerate(row):
            left = canvas.left + room + k * (wide + _GAP)
            box = Box(left, top - _HEAD - tall, left + wide, top - _HEAD)
            _panel(canvas, box, one, scales[one.letter], length, first_column=k == 0, last_row=last)
        top -= _HEAD + tall + (FOOT if last else 12)
    return top


def _columns(width: float, panels: int) -> int:
    if panels == 1:
        return 1
    if panels in (4, 8):
        return 2 if width < 640 else 4
    return 2 if width < 480 else 3


def _panel(
    canvas: Canvas, box: Box, one: Shown, scale: ValueScale, length: int, first_column: bool, last_row: bool
) -> None:
    mark = charts.badge(canvas, box.left, box.top + 11, one.letter, one.gate)
    words = one.words if text_width(one.words) <= box.right - mark.right - 6 else one.words.split(":")[0]
    canvas.text(mark.right + 6, mark.y, words, ha="left")
    axes = charts.heat(canvas, box, one.values, scale, length)
    axes.set_label(one.letter)
    if first_column:
        charts.label_units(canvas, axes, box, one.values.shape[1], one.axis)
    if last_row:
        charts.label_steps(canvas, axes, box, len(one.values))


def _title(kind: str, part: DirectionTrace, sample: int, length: int) -> str:
    if length == 0:
        return f"Sample {sample} has no valid step: there is nothing to see"
    if kind not in KEEPING:
        h = part["h"].values[:length, sample]
        share = float(np.mean(np.abs(h) > 0.9))
        return f"In {charts.percent(share)} of its steps a unit's h is beyond ±0.9, where it learns little"
    letter = KEEPING[kind]
    keep = part[letter].values[:length, sample].astype(np.float64)
    whole = f"At each step {charts.percent(float(keep.mean()))} of the {'state' if kind == 'GRU' else 'memory'} is kept"
    if keep.shape[1] == 1:
        return whole
    units = keep.mean(0)
    most, least = int(units.argmax()), int(units.argmin())
    return (
        f"{whole}, on average: unit {most} keeps the most ({charts.percent(float(units[most]))}), "
        f"unit {least} the least ({charts.percent(float(units[least]))})"
    )


def _note(trace: Trace, sample: int, layer: int, direction: str, name: str) -> str:
    steps, batch = trace.parts[0]["inputs"].shape[:2]
    length = int(trace.lengths.values[sample])
    padding = f"; {steps - length} steps of padding are hatched" if length < steps else ""
    return f"{place(trace.kind, name, layer, direction)}, sample {sample} of `N={batch}`{padding}."


def place(kind: str, name: str, layer: int, direction: str) -> str:
    """Say which part of which recurrent layer is drawn: "LSTM `encoder`, layer 0, forward"."""
    return f"{kind}{f' `{name}`' if name else ''}, layer {layer}, {direction}"
