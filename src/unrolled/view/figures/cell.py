"""The picture of one step of a cell: the known diagram, with the numbers of this step as colours.

c runs along the top and h below it, both from left to right; x comes in at the foot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from unrolled.trace import Array, Trace
from unrolled.view.drawing import charts, draw
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, text_width
from unrolled.view.drawing.draw import NUMBER_SIDES, Slots, ValueScale
from unrolled.view.figures.cell_parts import CellStep, cell_step, equations, not_drawn, title
from unrolled.view.figures.gates import place
from unrolled.view.style import CELL, FAINT_INK, GATES, HIDDEN, INK, INPUT, LABEL, SMALL, Picture, house_style

_WIDE, _TALL = NUMBER_SIDES
_LINE: Final = LEADING * SMALL
_WORDS_WIDTH: Final = 210.0
_WIDEST_DIAGRAM: Final = 470.0
_COLOURS: Final = {"h": HIDDEN, "c": CELL, "x": INPUT}


@final
@dataclass(frozen=True)
class Plan:
    """Where things lie in the diagram; the line of the memory, c or for a GRU h, is at height 0.

    Attributes:
        left: Middle of the states on the left.
        right: Middle of the states on the right.
        columns: Middle of each gate's column.
        units: Which units are drawn.
        features: Which features of x are drawn.
        strips: Upper end of the gates' numbers.
    """

    left: float
    right: float
    columns: dict[str, float]
    units: Slots
    features: Slots
    strips: float

    @property
    def circles(self) -> float:
        """Height of the gates' circles, which are below their numbers."""
        return self.strips - self.units.length - 15

    @property
    def squares(self) -> float:
        """Height of the nonlinearities, which are below the circles."""
        return self.circles - 26

    @property
    def from_h(self) -> float:
        """Height of the line on which h comes to the gates."""
        return self.squares - 22

    @property
    def from_x(self) -> float:
        """Height of the line on which x comes to the gates."""
        return self.from_h - 12


def draw_cell(
    trace: Trace, *, sample: int, step: int, layer: int, direction: str, unit: int | None, name: str, width: float
) -> Picture:
    """Draw one step of one direction of one layer, for one sample, and write out one unit's equations."""
    part = trace[layer, direction]
    cell = cell_step(trace, part, sample, step, unit)
    scales = _scales(cell)
    with house_style():
        canvas = Canvas(width)
        room = canvas.right - canvas.left
        beside = room - _WORDS_WIDTH - 24 >= 400
        plan = _plan(cell, canvas.left, min(_WIDEST_DIAGRAM, room - (_WORDS_WIDTH + 24 if beside else 0)))
        {"LSTM": _lstm, "SLSTM": _lstm, "GRU": _gru, "RNN": _rnn}[cell.kind](canvas, cell, plan, scales)
        drawn = canvas.drawn
        words_left = drawn.right + 24 if beside else canvas.left
        _equations(canvas, cell, words_left, drawn.top if beside else drawn.bottom - 12, beside)
        bars = [(label, scales[key]) for key, label in _labels(cell).items()]
        charts.colour_bars(canvas, canvas.drawn.bottom - 8, bars)
        where = place(cell.kind, name, layer, direction)
        note = f"{where}, sample {sample}, step {step} of `T={int(trace.lengths.values[sample])}`."
        return canvas.finish(title(cell), note + not_drawn(trace.settings))


def _plan(cell: CellStep, left: float, room: float) -> Plan:
    units = _slots(len(next(iter(cell.gates.values()))), cell.unit)
    order = {"LSTM": "figo", "SLSTM": "figo", "GRU": "zrn", "RNN": "h"}[cell.kind]
    names = max(text_width(str(unit)) for unit in units.shown) + 7
    first, last = left + names + _WIDE / 2, left + room - _WIDE / 2
    # The gates share the room between the states; after the last there is room for one more column.
    step = (last - first) / (len(order) + 1.35)
    columns = {letter: first + (k + 1.05) * step for k, letter in enumerate(order)}
    strips = -max(56.0, units.length / 2 + 28)
    return Plan(first, last, columns, units, _slots(len(cell.x), 0), strips)


def _slots(count: int, wanted: int) -> Slots:
    """All of at most seven units; otherwise the first three, and the last, or in its place the one that is wanted."""
    line = draw.slots(count, _TALL, gap=18)
    if wanted in line.shown:
        return line
    return Slots(count, (*line.shown[:-1], wanted), line.pitch, line.gap)


def _scales(cell: CellStep) -> dict[str, ValueScale]:
    """One scale for the gates, one for what a tanh bounds, one for c, one for x."""
    squashed = [cell.gates[letter] for letter in "ifoz" + ("r" if cell.kind == "GRU" else "") if letter in cell.gates]
    bounded = [cell.gates[letter] for letter in ("g",) if letter in cell.gates]
    bounded += [cell.gates["n"]] if cell.kind == "GRU" else []
    states = [cell.before["h"], cell.after["h"]]
    scales = {"h": draw.signed(*bounded, *states), "x": draw.signed(cell.x)}
    if squashed:
        scales["gates"] = charts.unit_scale(*squashed)
    if "c" in cell.after:
        scales["c"] = draw.signed(cell.before["c"], cell.after["c"])
    return scales


def _labels(cell: CellStep) -> dict[str, str]:
    """What each colour bar is of."""
    labels = {"LSTM": "i f o", "SLSTM": "i f o", "GRU": "z r"}
    gates = {"gates": labels[cell.kind]} if cell.kind in labels else {}
    bounded = {"h": {"LSTM": "g h", "SLSTM": "g h", "GRU": "n h"}.get(cell.kind, "h")}
    return gates | bounded | ({"c": "c"} if "c" in cell.after else {}) | {"x": "x"}


# --- parts of a diagram -------------------------------------------------------------------------------------------


def _strip(
    canvas: Canvas, plan: Plan, x: float, top: float, values: Array, scale: ValueScale, colour: str, unit: int | None
) -> Box:
    """Draw one number for each unit, the chosen unit's framed; `unit` is None where there are no units."""
    lines = plan.units if unit is not None and len(values) == plan.units.count else _slots(len(values), 0)
    column = draw.slots(1, _WIDE)
    box = draw.grid(
        canvas, x - _WIDE / 2, top, lines, column, colour=colour, values=np.asarray(values)[:, None], scale=scale,
        numbers=True,
    )  # fmt: skip
    if unit is not None and len(values) == plan.units.count:
        y = top - lines.start(lines.shown.index(unit))
        draw.outline(canvas, Box(box.left, y - _TALL, box.right, y), INK, 1.6)
    return box


def _state(
    canvas: Canvas,
    cell: CellStep,
    plan: Plan,
    letter: str,
    x: float,
    middle: float,
    scales: dict[str, ValueScale],
    after: bool,
) -> Box:
    """Draw a state's numbers around a height, its name above."""
    values = (cell.after if after else cell.before)[letter]
    tall = (plan.units if len(values) == plan.units.count else _slots(len(values), 0)).length
    box = _strip(canvas, plan, x, middle + tall / 2, values, scales[letter], _COLOURS[letter], cell.unit)
    canvas.text(x, box.top + 7, letter + ("ₜ" if after else "ₜ₊₁" if cell.reverse else "ₜ₋₁"), bold=True, size=LABEL)
    return box


def _input(canvas: Canvas, cell: CellStep, plan: Plan, scales: dict[str, ValueScale]) -> None:
    """Draw x at the foot, and lead it to its line."""
    top = plan.from_x - 24
    box = _strip(canvas, plan, plan.left, top, cell.x, scales["x"], INPUT, None)
    canvas.text(plan.left, box.top + 7, "xₜ", bold=True, size=LABEL)
    canvas.text(plan.left, box.bottom - 8, f"`F={plan.features.count:,}`", colour=FAINT_INK)
    turn = box.right + 12
    last = max(plan.columns.values())
    points = [(box.right, box.y), (turn, box.y), (turn, plan.from_x), (last, plan.from_x)]
    draw.path(canvas, points, INPUT, width=1.2, head=False)


def _unit_names(canvas: Canvas, plan: Plan, box: Box) -> None:
    """Write the units' numbers left of a state."""
    for k, unit in enumerate(plan.units.shown):
        canvas.text(box.left - 5, box.top - plan.units.middle(k), str(unit), ha="right", colour=FAINT_INK)
    canvas.text(box.right - _WIDE / 2, box.bottom - 8, f"`H={plan.units.count:,}`", colour=FAINT_INK)


def _gate_column(canvas: Canvas, cell: CellStep, plan: Plan, letter: str, scales: dict[str, ValueScale]) -> Box:
    """Draw a gate: from the lines of h and x through its nonlinearity and its circle to its numbers."""
    x, scale = plan.columns[letter], scales["h" if letter in ("g", "n") else "gates"]
    strip = _strip(canvas, plan, x, plan.strips, cell.gates[letter], scale, GATES[letter], cell.unit)
    for y, colour in ((plan.from_h, HIDDEN), (plan.from_x, INPUT)):
        draw.circle(canvas, x, y, 1.8, face=colour, edge=colour)
    draw.path(canvas, [(x, plan.from_x), (x, plan.squares - 7.5)], INK)
    draw.operation(canvas, x, plan.squares, cell.squash_of(letter))
    draw.path(canvas, [(x, plan.squares + 7.5), (x, plan.circles - 9)], INK, head=False)
    draw.gate(canvas, x, plan.circles, letter)
    draw.path(canvas, [(x, plan.circles + 9), (x, strip.bottom)], INK, head=False)
    return strip


def _panel(canvas: Canvas, plan: Plan, top: float) -> None:
    """Draw the cell's frame, which the states cross."""
    box = Box(plan.left + _WIDE / 2 + 6, plan.from_x - 12, plan.right - _WIDE / 2 - 6, top)
    draw.panel(canvas, box, face="#F7F7F7", radius=10)


# --- the three cells ----------------------------------------------------------------------------------------------


def _lstm(canvas: Canvas, cell: CellStep, plan: Plan, scales: dict[str, ValueScale]) -> None:
    f, i, g, o = (plan.columns[letter] for letter in "figo")
    out = (o + _WIDE / 2 + plan.right - _WIDE / 2) / 2
    middle = plan.strips - plan.units.length / 2
    _panel(canvas, plan, max(26.0, plan.units.length / 2))
    before = _state(canvas, cell, plan, "c", plan.left, 0, scales, after=False)
    after = _state(canvas, cell, plan, "c", plan.right, 0, scales, after=True)
    _unit_names(canvas, plan, before)
    draw.path(canvas, [(before.right, 0), (after.left, 0)], CELL, width=1.6)
    _h_in(canvas, cell, plan, scales)
    _input(canvas, cell, plan, scales)
    strips = {letter: _gate_column(canvas, cell, plan, letter, scales) for letter in "figo"}
    draw.path(canvas, [(f, strips["f"].top), (f, -7.5)], INK)
    draw.path(canvas, [(i, strips["i"].top), (i, -32), (g - 7.5, -32)], INK)
    draw.path(canvas, [(g, strips["g"].top), (g, -39.5)], INK)
    draw.path(canvas, [(g, -24.5), (g, -7.5)], INK)
    draw.path(canvas, [(out, 0), (out, middle + 7.5)], CELL)
    draw.path(canvas, [(strips["o"].right, middle), (out - 7.5, middle)], INK)
    for x, y, symbol in (
        (f, 0, "×"),
        (g, 0, "+"),
        (g, -32, "×"),
        (out, -32, "÷n" if cell.kind == "SLSTM" else cell.squash[1]),
        (out, middle, "×"),
    ):
        draw.operation(canvas, x, y, symbol)
    h = _state(canvas, cell, plan, "h", plan.right, middle, scales, after=True)
    draw.path(canvas, [(out + 7.5, middle), (h.left, middle)], HIDDEN, width=1.6)


def _h_in(canvas: Canvas, cell: CellStep, plan: Plan, scales: dict[str, ValueScale]) -> None:
    """Draw h before the step on the left, and lead it to its line."""
    values = cell.before["h"]
    tall = (plan.units if len(values) == plan.units.count else _slots(len(values), 0)).length
    box = _state(canvas, cell, plan, "h", plan.left, plan.from_h + 8 + tall / 2, scales, after=False)
    turn, last = box.right + 12, max(plan.columns.values())
    points = [(box.right, box.y), (turn, box.y), (turn, plan.from_h), (last, plan.from_h)]
    draw.path(canvas, points, HIDDEN, width=1.2, head=False)


def _gru(canvas: Canvas, cell: CellStep, plan: Plan, scales: dict[str, ValueScale]) -> None:
    z, r, n = (plan.columns[letter] for letter in "zrn")
    middle, between = plan.strips - plan.units.length / 2, (plan.columns["r"] + plan.columns["n"]) / 2
    _panel(canvas, plan, max(26.0, plan.units.length / 2))
    before = _state(canvas, cell, plan, "h", plan.left, 0, scales, after=False)
    after = _state(canvas, cell, plan, "h", plan.right, 0, scales, after=True)
    _unit_names(canvas, plan, before)
    draw.path(canvas, [(before.right, 0), (after.left, 0)], HIDDEN, width=1.6)
    tap = before.right + 18
    draw.path(canvas, [(tap, 0), (tap, plan.from_h), (n, plan.from_h)], HIDDEN, width=1.2, head=False)
    draw.circle(canvas, tap, 0, 1.8, face=HIDDEN, edge=HIDDEN)
    _input(canvas, cell, plan, scales)
    strips = {letter: _gate_column(canvas, cell, plan, letter, scales) for letter in "zrn"}
    draw.path(canvas, [(z, strips["z"].top), (z, -7.5)], INK)
    draw.path(canvas, [(z, -32), (n - 7.5, -32)], INK)
    draw.circle(canvas, z, -32, 1.8, face=INK, edge=INK)
    draw.path(canvas, [(n, strips["n"].top), (n, -39.5)], INK)
    draw.path(canvas, [(n, -24.5), (n, -7.5)], INK)
    draw.path(canvas, [(strips["r"].right, middle), (between, middle), (between, plan.from_h + 7.5)], INK)
    for x, y, symbol in ((z, 0, "×"), (n, 0, "+"), (r, -32, "1−"), (n, -32, "×"), (between, plan.from_h, "×")):
        draw.operation(canvas, x, y, symbol)


def _rnn(canvas: Canvas, cell: CellStep, plan: Plan, scales: dict[str, ValueScale]) -> None:
    x = plan.columns["h"]
    height = plan.from_h + 8 + plan.units.length / 2
    box = Box(plan.left + _WIDE / 2 + 6, plan.from_x - 12, plan.right - _WIDE / 2 - 6, height + plan.units.length / 2)
    draw.panel(canvas, box.over(Box(box.left, box.bottom, box.right, height + 20)), face="#F7F7F7", radius=10)
    _h_in(canvas, cell, plan, scales)
    _input(canvas, cell, plan, scales)
    after = _state(canvas, cell, plan, "h", plan.right, height, scales, after=True)
    half = Box(-_WIDE / 2, -plan.units.length / 2, _WIDE / 2, plan.units.length / 2)
    before = Box(plan.left + half.left, height + half.bottom, plan.left + half.right, height + half.top)
    _unit_names(canvas, plan, before)
    for y, colour in ((plan.from_h, HIDDEN), (plan.from_x, INPUT)):
        draw.circle(canvas, x, y, 1.8, face=colour, edge=colour)
    draw.path(canvas, [(x, plan.from_x), (x, height), (after.left, height)], HIDDEN, width=1.6)
    draw.operation(canvas, (x + after.left) / 2, height, cell.squash[1])


# --- equations ----------------------------------------------------------------------------------------------------


def _equations(canvas: Canvas, cell: CellStep, left: float, top: float, beside: bool) -> None:
    """Write the equations with one unit's numbers below each: in one column, or in two below the diagram."""
    canvas.text(left, top - _LINE / 2, f"unit {cell.unit} at this step", ha="left", bold=True)
    rows = equations(cell)
    top -= _LINE + 6
    columns = 1 if beside else 2
    wide = (canvas.right - left) / columns
    each = (len(rows) + columns - 1) // columns
    for k, (equation, numbers) in enumerate(rows):
        column, row = divmod(k, each)
        x, y = left + column * wide, top - row * (2 * _LINE + 6)
        canvas.text(x, y - _LINE / 2, equation, ha="left", colour=FAINT_INK)
        canvas.text(
            x + 8, y - 1.5 * _LINE, f"= {numbers}" if not numbers.startswith(("P=", "i =")) else numbers, ha="left"
        )
    y = top - each * (2 * _LINE + 6) - 2
    words = "W x: a row of `weight_ih` times x; R h: a row of `weight_hh` times h before the step; b: the biases."
    canvas.lines(left, y, words, width=canvas.right - left, ha="left", colour=FAINT_INK)
