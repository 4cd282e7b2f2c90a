"""What a picture of one step of a cell shows: its states before and after, its gates, their numbers and equations.

Shapes: H = hidden units, F = features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, SupportsFloat, final

from unrolled.trace import Array, DirectionTrace, Trace
from unrolled.view.drawing.charts import percent
from unrolled.view.drawing.draw import number

KINDS: Final = ("LSTM", "SLSTM", "GRU", "RNN")
PLAIN: Final[Mapping[str, object]] = {
    "peephole": False,
    "layer_norm": False,
    "coupled_gates": False,
    "cell_clip": None,
    "preactivation_clip": None,
    "residual": False,
    "zoneout": 0.0,
}
"""Options that the diagram does not show, with the value at which there is nothing to show."""


@final
@dataclass(frozen=True)
class CellStep:
    """One step of one direction of one layer for one sample.

    Attributes:
        kind: "LSTM", "SLSTM", "GRU" or "RNN".
        x: (F), what it reads.
        before: Its states before the step, by letter: "h", "c".
        after: Those after it.
        gates: Its gates by letter (H), and under "f_pre" what each was before its nonlinearity.
        step: Its number.
        unit: The unit whose numbers are written out.
        squash: How the gates' nonlinearity is written, and that of the candidate: ("σ", "tanh").
        exponential: Which gates of an SLSTM are exponentials.
        reverse: Whether the step before it, in its direction, is the later one.
    """

    kind: str
    x: Array
    before: Mapping[str, Array]
    after: Mapping[str, Array]
    gates: Mapping[str, Array]
    step: int
    unit: int
    squash: tuple[str, str]
    exponential: str = "i"
    reverse: bool = False

    def squash_of(self, letter: str) -> str:
        """How the nonlinearity of a gate is written."""
        if self.kind == "SLSTM" and letter in self.exponential:
            return "exp"
        return self.squash[1] if letter in ("g", "n", "h") else self.squash[0]

    @property
    def projected(self) -> bool:
        """Whether h has another width than the gates."""
        return "c" in self.after and len(self.after["h"]) != len(self.after["c"])


def kind_of(part: DirectionTrace) -> str:
    """Which of the cells this is, told by its gates; "" for a module of the user's own."""
    has = part.arrays.__contains__
    if has("f_pre"):
        return "SLSTM" if has("m") else "LSTM"
    return "GRU" if has("z_pre") else "RNN" if has("h_pre") else ""


def cell_step(trace: Trace, part: DirectionTrace, sample: int, step: int, unit: int | None) -> CellStep:
    """Read one step from a trace; without a unit, the one whose state changes most is written out."""
    kind = kind_of(part)
    states = [letter for letter in "hc" if f"{letter}_0" in part.arrays]
    before = {letter: _before(trace, part, letter, sample, step) for letter in states}
    after = {letter: part[letter].values[step, sample] for letter in states}
    names = {"LSTM": "ifgo", "SLSTM": "ifgo", "GRU": "rzn", "RNN": "h"}[kind]
    arrays = [*names, *(f"{name}_pre" for name in names), *(("n",) if kind == "SLSTM" else ())]
    gates = {name: part[name].values[step, sample] for name in arrays}
    main = states[-1]
    chosen = int(abs(after[main] - before[main]).argmax()) if unit is None else unit
    x, squash = part["inputs"].values[step, sample], _squash(trace.settings, kind)
    exponential = "if" if trace.settings.get("forget_gate") == "exp" else "i"
    return CellStep(kind, x, before, after, gates, step, chosen, squash, exponential, part.direction == "reverse")


def _before(trace: Trace, part: DirectionTrace, letter: str, sample: int, step: int) -> Array:
    """A state before the step: that of the step before it in the direction's order, or the initial one."""
    earlier = step - 1 if part.direction == "forward" else step + 1
    if earlier < 0 or earlier >= int(trace.lengths.values[sample]):
        first: Array = part[f"{letter}_0"].values[sample]
        return first
    value: Array = part[letter].values[earlier, sample]
    return value


def _squash(settings: Mapping[str, object], kind: str) -> tuple[str, str]:
    outer = str(settings.get("recurrent_activation", "sigmoid"))
    inner = str(settings.get("nonlinearity" if kind == "RNN" else "activation", "tanh"))
    return {"sigmoid": "σ"}.get(outer, _short(outer)), _short(inner)


def _short(name: str) -> str:
    return {"sigmoid": "σ", "relu": "ReLU"}.get(name, name if len(name) <= 8 else "φ")


# --- words --------------------------------------------------------------------------------------------------------


def equations(cell: CellStep) -> list[tuple[str, str]]:
    """Each equation, and below it the numbers of the chosen unit."""
    return {"LSTM": _of_lstm, "SLSTM": _of_slstm, "GRU": _of_gru, "RNN": _of_rnn}[cell.kind](cell)


def _gate(cell: CellStep, letter: str, squash: str) -> tuple[str, str]:
    value, pre = cell.gates[letter][cell.unit], cell.gates[f"{letter}_pre"][cell.unit]
    return f"{letter} = {squash}(W x + R h + b)", f"{squash}({number(pre)}) = {number(value)}"


def _of_lstm(cell: CellStep) -> list[tuple[str, str]]:
    outer, inner = cell.squash
    rows = [_gate(cell, letter, inner if letter == "g" else outer) for letter in "figo"]
    i, f, g, o = (factor(cell.gates[letter][cell.unit]) for letter in "ifgo")
    before, after = (states["c"][cell.unit] for states in (cell.before, cell.after))
    rows.append(("c = f·c + i·g", f"{f}·{factor(before)} + {i}·{g} = {number(after)}"))
    if cell.projected:
        return [*rows, (f"h = `weight_hr` (o·{inner}(c))", f"P={len(cell.after['h'])} mixtures of all units")]
    h = number(cell.after["h"][cell.unit])
    return [*rows, (f"h = o·{inner}(c)", f"{o}·{inner}({number(after)}) = {h}")]


def _of_slstm(cell: CellStep) -> list[tuple[str, str]]:
    rows = [_gate(cell, "g", "tanh"), _gate(cell, "o", "σ")]
    i, f, g, o = (factor(cell.gates[letter][cell.unit]) for letter in "ifgo")
    before, after = (states["c"][cell.unit] for states in (cell.before, cell.after))
    n, h = factor(cell.gates["n"][cell.unit]), number(cell.after["h"][cell.unit])
    rows.insert(0, ("i, f: exponentials, stabilised by m", f"i = {i}, f = {f}"))
    rows.append(("c = f·c + i·g", f"{f}·{factor(before)} + {i}·{g} = {number(after)}"))
    return [*rows, ("h = o·c / n", f"{o}·{factor(after)} / {n} = {h}")]


def _of_gru(cell: CellStep) -> list[tuple[str, str]]:
    outer, inner = cell.squash
    rows = [_gate(cell, letter, outer) for letter in "zr"]
    pre, n = (number(cell.gates[name][cell.unit]) for name in ("n_pre", "n"))
    rows.append((f"n = {inner}(W x + b + r·(R h + b))", f"{inner}({pre}) = {n}"))
    z, before, after = cell.gates["z"][cell.unit], cell.before["h"][cell.unit], cell.after["h"][cell.unit]
    sums = f"{number(1 - z)}·{factor(cell.gates['n'][cell.unit])} + {number(z)}·{factor(before)} = {number(after)}"
    return [*rows, ("h = (1 − z)·n + z·h", sums)]


def _of_rnn(cell: CellStep) -> list[tuple[str, str]]:
    return [_gate(cell, "h", cell.squash[1])]


def factor(value: SupportsFloat) -> str:
    """Write a factor of a product: a negative one in brackets."""
    text = number(value)
    return f"({text})" if text.startswith("−") else text


def title(cell: CellStep) -> str:
    """Say what happens to the chosen unit at this step."""
    start = f"Step {cell.step}: unit {cell.unit}"
    if cell.kind == "RNN":
        pre, h = (number(cell.gates[name][cell.unit]) for name in ("h_pre", "h"))
        return f"Step {cell.step}: all that unit {cell.unit} knows goes through one {cell.squash[1]}, {pre} becomes {h}"
    if cell.kind == "GRU":
        z = float(cell.gates["z"][cell.unit])
        return f"{start} keeps {percent(z)} of its state and takes {percent(1 - z)} of the candidate"
    f, i, g = (float(cell.gates[letter][cell.unit]) for letter in "fig")
    return f"{start} keeps {percent(f)} of its memory and writes {number(i * g)} into it"


def not_drawn(settings: Mapping[str, object]) -> str:
    """Name the options in use that the diagram does not show; "" where there are none."""
    used = [f"`{name}={settings[name]}`" for name, plain in PLAIN.items() if settings.get(name, plain) != plain]
    return f" Not drawn, but in the numbers: {', '.join(used)}." if used else ""
