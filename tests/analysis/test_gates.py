"""Saturation, memory length and contributions, each against loops over single numbers."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

import unrolled.layers as ours
from analysis.models import KINDS, OPTIONS, Running, make, names_of
from loops import run as numpy_run
from unrolled.analysis import contributions, hidden_pca, memory_length, record, saturation
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.trace import Trace

LENGTHS = [4, 7, 0, 1]
GATED = [case for case in KINDS + OPTIONS if case[0] != "RNN"]


def traced(case: Any, lengths: Any = LENGTHS, **more: Any) -> tuple[Any, Trace, torch.Tensor]:
    options = {"num_layers": 2, "bidirectional": True} | more
    layer = make(case, 3, 4, options.pop("num_layers"), **options)
    x = torch.randn(7, len(lengths), 3)
    return layer, layer.trace(x, lengths=lengths), x


def reading_order(trace: Trace, part: Any, n: int) -> list[int]:
    steps = list(range(int(trace.lengths[n])))
    return steps[::-1] if part.direction == "reverse" else steps


@pytest.mark.parametrize("case", GATED, ids=names_of)
def test_saturation_counts(case: Any) -> None:
    _, trace, _ = traced(case)
    found = saturation(trace, low=0.3, high=0.6)
    gates = {"LSTM": "ifo", "GRU": "rz", "SLSTM": "o"}[case[0]]
    assert [(p.layer, p.direction, p.of) for p in found.parts] == [
        (part.layer, part.direction, gate) for part in trace.parts for gate in gates
    ]
    for values in found.parts:
        part = trace[values.layer, values.direction]
        for unit in range(4):
            all_values = [part[values.of][t, n, unit] for n in range(4) for t in range(LENGTHS[n])]
            below = sum(v < 0.3 for v in all_values) / len(all_values)
            above = sum(v > 0.6 for v in all_values) / len(all_values)
            assert values.values[:, unit].tolist() == pytest.approx([below, above], rel=1e-15)
    assert found.facts == {"low": 0.3, "high": 0.6}


def test_saturation_bounds_and_layers_without_gates() -> None:
    _, trace, _ = traced(("LSTM", {}))
    for bounds in ((0.9, 0.1), (-0.1, 0.5), (0.5, 1.5), (0.5, 0.5)):
        with pytest.raises(ConfigError, match=r"expected 0 ≤ low < high ≤ 1"):
            saturation(trace, *bounds)
    _, rnn, _ = traced(("RNN", {}))
    for verb in (saturation, memory_length, contributions):
        with pytest.raises(ConfigError, match=rf"{verb.__name__} needs .* this is the trace of RNN"):
            verb(rnn)
    _, empty, _ = traced(("GRU", {}), lengths=[0, 0])
    for verb in (saturation, memory_length):
        with pytest.raises(ShapeError, match="every sequence of this trace is empty"):
            verb(empty)


def share_kept(layer: Any, trace: Trace, part: Any, t: int, n: int, unit: int, before: int) -> float:
    """What of the old state is in the new one, from the gates."""
    if trace.kind == "SLSTM":
        old = part["n_0"][n, unit] if before < 0 else part["n"][before, n, unit]
        return part["f"][t, n, unit] * old / part["n"][t, n, unit]
    rates = layer.zoneout if isinstance(layer.zoneout, tuple) else (layer.zoneout,) * 2
    rate, gate = (rates[1], "f") if trace.kind == "LSTM" else (rates[0], "z")
    return rate + (1 - rate) * part[gate][t, n, unit]


@pytest.mark.parametrize("case", GATED, ids=names_of)
def test_memory_length_is_when_a_fraction_1_over_e_is_left(case: Any) -> None:
    layer, trace, _ = traced(case)
    for values in memory_length(trace).parts:
        part = trace[values.layer, values.direction]
        for unit in range(4):
            product, count = 1.0, 0
            for n in range(4):
                order = reading_order(trace, part, n)
                for before, t in zip([-1, *order], order, strict=False):
                    product *= share_kept(layer, trace, part, t, n, unit, before)
                    count += 1
            length = values.values[unit]
            if product == 0:  # a gate was shut at some step, or nothing was there before the first one
                assert length == 0
            else:
                rate = product ** (1 / count)
                assert rate**length == pytest.approx(1 / math.e, rel=1e-12)


def test_memory_length_at_its_ends() -> None:
    lstm = ours.LSTM(1, 3, kernel="reference")  # the native sigmoid is never quite 0
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.bias_ih_l0[3:6] = torch.tensor([math.inf, -math.inf, math.log(3)])  # f is 1, 0 and 3/4
    found = memory_length(lstm.trace(torch.randn(5, 2, 1))).find("f").values.values
    assert found.tolist() == pytest.approx([math.inf, 0.0, -1 / math.log(0.75)], rel=1e-12)


def assert_contributions_are_exact(layer: Any, trace: Trace) -> None:
    """Against the definition: what step t wrote, times every later f, in O(T²)."""
    found = contributions(trace)
    state, keep = ("h", "z") if trace.kind == "GRU" else ("c", "f")
    rates = layer.zoneout if isinstance(layer.zoneout, tuple) else (layer.zoneout,) * 2
    rate = rates[1 if state == "c" else 0]
    for k, part in enumerate(trace.parts):
        of_steps = found.find(state, part.layer, part.direction).values.values
        of_first = found.find(f"{state}_0", part.layer, part.direction).values.values
        for n in range(len(trace.lengths.values)):
            order = reading_order(trace, part, n)
            kept = {t: rate + (1 - rate) * part[keep][t, n].astype(float) for t in order}
            for place, t in enumerate(order):
                if trace.kind == "GRU":
                    wrote = (1 - part["z"][t, n]) * part["n"][t, n]
                else:
                    wrote = part["i"][t, n] * part["g"][t, n]
                before = part[f"{state}_0"][n] if place == 0 else part[state][order[place - 1], n]
                if layer_clips(layer):
                    whole = np.clip(part[keep][t, n] * before + wrote, -layer.cell_clip, layer.cell_clip)
                    wrote = whole - part[keep][t, n] * before
                left = (1 - rate) * wrote * np.prod([kept[s] for s in order[place + 1 :]], axis=0)
                np.testing.assert_allclose(of_steps[t, n], left, rtol=1e-12, atol=1e-13)
            survived = part[f"{state}_0"][n] * np.prod([kept[s] for s in order], axis=0)
            np.testing.assert_allclose(of_first[n], survived, rtol=1e-12, atol=1e-13)
            assert not of_steps[len(order) :, n].any()
        finals = trace.finals[f"{state}_n"]
        final = finals[part.layer][k % 2] if isinstance(finals, tuple) else finals[k]
        np.testing.assert_allclose(of_steps.sum(0) + of_first, final, rtol=0, atol=1e-12)
    assert found.facts["largest_gap"] < 1e-12


def layer_clips(layer: Any) -> bool:
    return getattr(layer, "cell_clip", None) is not None


@pytest.mark.parametrize("case", GATED, ids=names_of)
def test_contributions_add_up_to_the_final_state(case: Any) -> None:
    layer, _, x = traced(case)
    states = [torch.randn(4, 4, layer.hidden_size) for _ in layer.spec().states]
    if getattr(layer, "proj_size", 0):
        states[0] = torch.randn(4, 4, layer.proj_size)
    if case[0] == "SLSTM":
        states[2] = states[2].abs() + 0.5
    hx = tuple(states) if len(states) > 1 else states[0]
    assert_contributions_are_exact(layer, layer.trace(x, hx, LENGTHS))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_contributions_with_widths_per_layer_and_without_lengths(kind: str) -> None:
    layer = make((kind, {}), 3, [4, 5], bidirectional=True, batch_first=True)
    assert_contributions_are_exact(layer, layer.trace(torch.randn(3, 6, 3)))


def test_contributions_of_torchs_layers_against_a_run_in_numpy() -> None:
    theirs = torch.nn.LSTM(3, 4, bidirectional=True)
    mine = ours.LSTM(3, 4, bidirectional=True)
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn(7, 4, 3)
    (recorded,) = record(theirs, x, LENGTHS)
    found = contributions(recorded.trace)
    _, finals = numpy_run(mine, x.numpy(), LENGTHS)
    for d, direction in enumerate(("forward", "reverse")):
        total = found.find("c", 0, direction).values.values.sum(0) + found.find("c_0", 0, direction).values.values
        np.testing.assert_allclose(total, finals[0][d][1], rtol=0, atol=1e-12)


def test_a_step_that_wrote_and_was_kept_is_all_that_contributes() -> None:
    lstm = ours.LSTM(1, 1)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.weight_ih_l0[0], lstm.bias_ih_l0[0] = 100, -50  # i is open where x is 1
        lstm.bias_ih_l0[1], lstm.bias_ih_l0[2] = 50, 50  # f keeps, g is 1
    x = torch.zeros(6, 1, 1)
    x[2] = 1
    found = contributions(lstm.trace(x)).find("c").values.values.ravel()
    np.testing.assert_allclose(found, [0, 0, 1, 0, 0, 0], atol=1e-20)


def test_a_stack_of_other_cells() -> None:
    stack = ours.Stack(
        [ours.LSTMCell(3, 4, cell_clip=0.1), ours.RNNCell(4, 4), Running(), (ours.GRUCell(4, 4), ours.SLSTMCell(4, 2))],
        zoneout=0.0,
    )
    trace = stack.eval().trace(torch.randn(7, 4, 3), lengths=LENGTHS)
    found = contributions(trace)
    assert [(p.layer, p.direction, p.of) for p in found.parts] == [
        (0, "forward", "c"),
        (0, "forward", "c_0"),
        (3, "forward", "h"),
        (3, "forward", "h_0"),
        (3, "reverse", "c"),
        (3, "reverse", "c_0"),
    ]
    assert found.facts["largest_gap"] < 1e-12
    assert [p.of for p in memory_length(trace).parts] == ["f", "z", "f"]
    assert [p.of for p in saturation(trace).parts] == ["i", "f", "o", "r", "z", "o"]


def test_float32_traces_are_worked_out_in_float64() -> None:
    layer = ours.LSTM(3, 4, dtype=torch.float32)
    found = contributions(layer.trace(torch.randn(50, 2, 3, dtype=torch.float32)))
    assert found.find("c").values.values.dtype == np.float64
    assert 0 < found.facts["largest_gap"] < 1e-5
    with pytest.raises(KeyError, match="contributions has nothing about 'h' there; it has layer 0, forward, c"):
        found.find("h")


@pytest.mark.parametrize("verb", [contributions, memory_length, saturation, hidden_pca])
def test_a_model_in_place_of_its_trace(verb: Any) -> None:
    with pytest.raises(DtypeError, match=rf"{verb.__name__} expected a Trace; got LSTM\. Pass record\(model, x\)"):
        inspect.unwrap(verb)(ours.LSTM(2, 3))
