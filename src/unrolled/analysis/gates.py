"""What a trace tells by itself: saturated gates, how long a unit remembers, what is left of what each step wrote.

Everything is worked out in float64. Shapes: T = time, N = batch, H = hidden units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from unrolled.analysis.traces import require_trace
from unrolled.errors import ConfigError, ShapeError
from unrolled.trace import Analysis, Array, DirectionTrace, NamedArray, PartValues, Trace


def saturation(trace: Trace, low: float = 0.1, high: float = 0.9) -> Analysis:
    """How often each gate is nearly shut or nearly open.

    For each unit of each gate, the fraction of valid steps, of all sequences, at which the gate is below `low`, and
    above `high`. A forget gate that is mostly above `high` keeps; one mostly below `low` makes the unit look at the
    last steps only. Source: Karpathy, Johnson & Fei-Fei (2015), "Visualizing and understanding recurrent networks",
    with the same bounds.

    Args:
        trace: Of a layer that has gates: i, f, o of an LSTM; r, z of a GRU; o of an SLSTM, whose other gates are
            exponential and have no upper end.
        low: Below this, a gate counts as shut.
        high: Above this, a gate counts as open.

    Returns:
        For each gate of each direction of each layer ("end", "hidden"): the fractions below `low` and above `high`.

    Raises:
        ConfigError: `low` and `high` are not in order between 0 and 1, or the layer has no gates.
        ShapeError: Every sequence is empty.
        DtypeError: `trace` is none.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import saturation
        >>> found = saturation(unrolled.LSTM(3, 4).trace(torch.randn(9, 2, 3)))
        >>> found.find("f").values
        NamedArray(end=2, hidden=4; float64)
    """
    require_trace("saturation", trace)
    if not 0 <= low < high <= 1:
        raise ConfigError(f"saturation expected 0 ≤ low < high ≤ 1; got low={low!r}, high={high!r}.")
    valid_TN = _valid_steps("saturation", trace)
    parts = []
    for part in trace.parts:
        for gate in _gates(part):
            values_VH = part[gate].values[valid_TN]
            ends_2H = np.stack([(values_VH < low).mean(0), (values_VH > high).mean(0)])
            parts.append(PartValues(part.layer, part.direction, gate, NamedArray(ends_2H, ("end", "hidden"))))
    _require("saturation", trace, parts, "gates between 0 and 1")
    return Analysis("saturation", tuple(parts), {"low": low, "high": high})


def memory_length(trace: Trace) -> Analysis:
    """Over how many steps each unit forgets: until 1/e of what it held is left, at its average rate.

    −1 / log f̄, where f̄ is the geometric mean of the forget gate (of a GRU, of z, which keeps the old state) over the
    valid steps of all sequences. After T steps f̄^T of the old value is left, which is exp(−T / length). A unit that
    forgets everything at some step has length 0, one that forgets nothing infinity. What h feeds back in through the
    other gates is not counted. Sources: Tallec & Ollivier (2018), "Can recurrent neural networks warp time?", for
    gates as rates of forgetting; Mahto et al. (2021), "Multi-timescale representation learning in LSTM language
    models", for the length of a unit.

    Args:
        trace: Of an LSTM, GRU or SLSTM, or of a stack of such cells. With zoneout the expected share of what is kept
            counts; of an SLSTM, the share in its normalised cell c/n.

    Returns:
        For each direction of each layer, of "f" or "z": ("hidden",), in steps.

    Raises:
        ConfigError: The layer has no forget gate.
        ShapeError: Every sequence is empty.
        DtypeError: `trace` is none.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import memory_length
        >>> lstm = unrolled.LSTM(3, 4, forget_bias=3.0)
        >>> steps = memory_length(lstm.trace(torch.randn(9, 2, 3))).find("f").values
        >>> steps, bool((steps.values > 5).all())
        (NamedArray(hidden=4; float64), True)
    """
    require_trace("memory_length", trace)
    valid_TN = _valid_steps("memory_length", trace)
    parts = []
    for part, line in _lines(trace):
        kept_VH = line.relative_TNH[valid_TN]
        with np.errstate(divide="ignore"):
            rate_H = np.log(np.abs(kept_VH)).mean(0)
            length_H = np.where(rate_H < 0, -1 / rate_H, np.inf)
        parts.append(PartValues(part.layer, part.direction, line.gate, NamedArray(length_H, ("hidden",))))
    _require("memory_length", trace, parts, "a gate that says how much of the old state is kept")
    return Analysis("memory", tuple(parts))


def contributions(trace: Trace) -> Analysis:
    """What each step wrote into the final state, as far as it survived: an exact sum.

    c_t = f_t c_(t−1) + i_t g_t is linear in what was there, so c_T is the sum over t of i_t g_t ∏_(s>t) f_s, plus
    c_0 ∏ f_s. For a GRU, h_t = z_t h_(t−1) + (1 − z_t) n_t gives the same of h. The gates themselves depend on earlier
    steps through h: this says what was written when and how much of it is left, not what caused it. Source: Murdoch &
    Szlam (2017), "Automatic rule extraction from long short term memory networks", whose additive decomposition it is.

    Args:
        trace: Of an LSTM, GRU or SLSTM, or of a stack of such cells, with whatever options: peepholes, layer
            normalisation and coupled gates change the gates, not the sum. With zoneout the expected new state counts;
            what `cell_clip` cut off is counted against the step that was clipped. Of an SLSTM, c is the stabilised
            one that the trace has.

    Returns:
        For each direction of each layer: of "c" (a GRU: "h") ("time", "batch", "hidden"), 0 at padded steps; and of
        "c_0" ("h_0") ("batch", "hidden"). Together they are the state after the last step that the direction reads, a
        row of `c_n` (`h_n`); `facts["largest_gap"]` is by how much they miss it at most.

    Raises:
        ConfigError: The layer has no such line through time: an RNN puts its whole state through its nonlinearity at
            every step.
        DtypeError: `trace` is none.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import contributions
        >>> trace = unrolled.LSTM(3, 4).double().trace(torch.randn(9, 2, 3).double())
        >>> found = contributions(trace)
        >>> total = found.find("c").values.values.sum(0) + found.find("c_0").values.values
        >>> bool(abs(total - trace.c_n[0]).max() < 1e-12)
        True
    """
    require_trace("contributions", trace)
    parts, gaps = [], [0.0]
    for part, line in _lines(trace):
        place = (part.layer, part.direction)
        left_TNH, first_NH = _survivors(line, trace, part)
        parts.append(PartValues(*place, line.state, NamedArray(left_TNH, ("time", "batch", "hidden"))))
        parts.append(PartValues(*place, f"{line.state}_0", NamedArray(first_NH, ("batch", "hidden"))))
        gap_NH = left_TNH.sum(0) + first_NH - _final(line, trace, part)
        gaps.append(float(np.abs(gap_NH).max(initial=0)))
    _require("contributions", trace, parts, "a state that is kept by a gate and added to")
    return Analysis("contributions", tuple(parts), {"largest_gap": max(gaps)})


class _Line(NamedTuple):
    """A state's line through time: new = kept · old + written, unit by unit.

    relative: Of what is there after the step, the share that was there before: kept, but for an SLSTM.
    """

    state: str
    gate: str
    first_NH: Array
    kept_TNH: Array
    written_TNH: Array
    relative_TNH: Array


def _lines(trace: Trace) -> Iterator[tuple[DirectionTrace, _Line]]:
    """The parts that have such a line."""
    for part in trace.parts:
        if "f" in part.arrays and "c" in part.arrays:
            yield part, _lstm_line(trace, part)
        elif "z" in part.arrays and "r" in part.arrays:
            yield part, _gru_line(trace, part)


def _lstm_line(trace: Trace, part: DirectionTrace) -> _Line:
    i, f, g, c, first = (part[name].values.astype(np.float64) for name in ("i", "f", "g", "c", "c_0"))
    rate = _zoneout(trace)[1]
    kept = rate + (1 - rate) * f
    written = c - kept * _before(c, first, trace, part) if _clips(trace, part) else (1 - rate) * i * g
    if "m" not in part.arrays:
        return _Line("c", "f", first, kept, written, kept)
    n, n_0 = part["n"].values.astype(np.float64), part["n_0"].values.astype(np.float64)
    # The stabiliser scales c and n alike, so that the share of the old c/n in the new one is free of it.
    relative = np.divide(f * _before(n, n_0, trace, part), n, out=np.zeros_like(n), where=n != 0)
    return _Line("c", "f", first, kept, written, relative)


def _gru_line(trace: Trace, part: DirectionTrace) -> _Line:
    z, n, first = (part[name].values.astype(np.float64) for name in ("z", "n", "h_0"))
    rate = _zoneout(trace)[0]
    kept = rate + (1 - rate) * z
    return _Line("h", "z", first, kept, (1 - rate) * (1 - z) * n, kept)


def _clips(trace: Trace, part: DirectionTrace) -> bool:
    """Whether c may have been clipped; a stack's cells don't say, so that there it may always have been."""
    return trace.settings.get("cell_clip") is not None or (trace.kind == "Stack" and "m" not in part.arrays)


def _zoneout(trace: Trace) -> tuple[float, float]:
    """The share of the old h and of the old c that zoneout keeps in evaluation (Krueger et al. 2017)."""
    rate = trace.settings.get("zoneout", 0.0)
    return (rate[0], rate[-1]) if isinstance(rate, tuple | list) else (rate, rate)


def _survivors(line: _Line, trace: Trace, part: DirectionTrace) -> tuple[Array, Array]:
    """What each step wrote, and the initial state, times what all later steps kept."""
    left_TNH = np.zeros_like(line.written_TNH)
    survives_NH = np.ones_like(line.first_NH)
    steps = len(left_TNH)
    for t in range(steps) if part.direction == "reverse" else reversed(range(steps)):
        valid_N1 = trace.valid.values[t][:, None]
        left_TNH[t] = np.where(valid_N1, line.written_TNH[t] * survives_NH, 0)
        survives_NH = np.where(valid_N1, survives_NH * line.kept_TNH[t], survives_NH)
    return left_TNH, line.first_NH * survives_NH


def _before(state_TNH: Array, first_NH: Array, trace: Trace, part: DirectionTrace) -> Array:
    """The state before each step, in the order in which the direction reads; anything at padded steps."""
    before_TNH = np.empty_like(state_TNH)
    if part.direction == "forward":
        before_TNH[0], before_TNH[1:] = first_NH, state_TNH[:-1]
        return before_TNH
    before_TNH[:-1] = state_TNH[1:]
    lengths = trace.lengths.values
    rows = np.flatnonzero(lengths > 0)
    before_TNH[lengths[rows] - 1, rows] = first_NH[rows]
    return before_TNH


def _final(line: _Line, trace: Trace, part: DirectionTrace) -> Array:
    """The state after the last step that the direction reads."""
    steps_N = trace.state_place(trace.parts.index(part)).steps
    final_NH: Array = part[line.state].values[steps_N, np.arange(len(steps_N))].astype(np.float64)
    return np.where(steps_N[:, None] < 0, line.first_NH, final_NH)


def _gates(part: DirectionTrace) -> tuple[str, ...]:
    """The gates that lie between 0 and 1."""
    if "m" in part.arrays:
        return ("o",)
    if "f" in part.arrays:
        return ("i", "f", "o")
    return ("r", "z") if "r" in part.arrays else ()


def _valid_steps(verb: str, trace: Trace) -> Array:
    valid_TN: Array = trace.valid.values
    if not valid_TN.any():
        raise ShapeError(f"{verb} looks at valid steps, and every sequence of this trace is empty (lengths 0).")
    return valid_TN


def _require(verb: str, trace: Trace, parts: list[PartValues], needed: str) -> None:
    if not parts:
        raise ConfigError(
            f"{verb} needs {needed}, which an LSTM, a GRU or an SLSTM has; this is the trace of {trace.kind}. "
            "For any kind of layer there are gradient_flow and sensitivity."
        )
