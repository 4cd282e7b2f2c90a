"""`clamp` against the loop in NumPy, with the gate or the state set by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import unrolled.layers as ours
from analysis.models import OPTIONS, Decoder, Encoder, Running, make, names_of
from analysis.test_record import assert_unchanged, snapshot, used_model
from unrolled.analysis import clamp
from unrolled.errors import ConfigError

LENGTHS = [4, 6, 0]
Edit = Callable[[str, int, int, int, np.ndarray], np.ndarray]
"""Of a gate or state, its layer, direction, step and values: the values to go on with."""


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def edited_run(layer: Any, x: np.ndarray, lengths: list[int], edit: Edit) -> np.ndarray:
    """The output (T, N, Y) of a plain LSTM, GRU or RNN, everything edited as it comes."""
    for k in range(layer.num_layers):
        sides = []
        for d in range(2 if layer.bidirectional else 1):
            suffix = f"_l{k}" + ("_reverse" if d else "")
            w = {n.removesuffix(suffix): p.detach().numpy() for n, p in layer.named_parameters() if n.endswith(suffix)}
            output = np.zeros((*x.shape[:2], layer.hidden_size))
            for n, length in enumerate(lengths):
                h, c = np.zeros(layer.hidden_size), np.zeros(layer.hidden_size)
                for t in range(length)[:: -1 if d else 1]:
                    of_x = w["weight_ih"] @ x[t, n] + w["bias_ih"]
                    of_h = w["weight_hh"] @ h + w["bias_hh"]

                    def put(name: str, values: np.ndarray, t: int = t, k: int = k, d: int = d) -> np.ndarray:
                        return edit(name, k, d, t, values)

                    if type(layer).__name__ == "LSTM":
                        i, f, g, o = np.split(of_x + of_h, 4)
                        i, f, g = put("i", sigmoid(i)), put("f", sigmoid(f)), put("g", np.tanh(g))
                        raw = f * c + i * g
                        h = put("o", sigmoid(o)) * np.tanh(raw)
                        c = put("c", raw)
                    elif type(layer).__name__ == "GRU":
                        (rx, zx, nx), (rh, zh, nh) = np.split(of_x, 3), np.split(of_h, 3)
                        r, z = put("r", sigmoid(rx + rh)), put("z", sigmoid(zx + zh))
                        h = z * h + (1 - z) * put("n", np.tanh(nx + r * nh))
                    else:
                        h = np.tanh(of_x + of_h)
                    h = put("h", h)
                    output[t, n] = h
            sides.append(output)
        x = np.concatenate(sides, -1)
    return x


def hold(of: str, value: float, units: Any = slice(None), where: Callable[..., bool] = lambda k, d, t: True) -> Edit:
    def edit(name: str, k: int, d: int, t: int, values: np.ndarray) -> np.ndarray:
        values = values.copy()
        if name == of and where(k, d, t):
            values[units] = value
        return values

    return edit


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
@pytest.mark.parametrize(
    ("kind", "of"), [*(("LSTM", s) for s in "ifgohc"), *(("GRU", s) for s in "rznh"), ("RNN", "h")]
)
def test_every_gate_and_state(kind: str, of: str, source: Any) -> None:
    layer = make((kind, {}), 3, 4, 2, source=source, bidirectional=True)
    x = torch.randn(6, 3, 3)
    weights = torch.randn(6, 3, 8)
    found = clamp(layer, x, of, 0.3, units=[0, 2], lengths=LENGTHS, loss=lambda result: (result[0] * weights).sum())
    plain = edited_run(layer, x.numpy(), LENGTHS, lambda *given: given[-1])
    held = edited_run(layer, x.numpy(), LENGTHS, hold(of, 0.3, [0, 2]))
    assert found == pytest.approx(float(((held - plain) * weights.numpy()).sum()), rel=1e-10, abs=1e-13)
    assert found != 0


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"layer": 1}, lambda k, d, t: k == 1),
        ({"direction": "reverse"}, lambda k, d, t: d == 1),
        ({"layer": 0, "direction": "forward", "steps": 2}, lambda k, d, t: (k, d, t) == (0, 0, 2)),
        ({"steps": [-1, 0]}, lambda k, d, t: t in (0, 5)),
    ],
)
@pytest.mark.parametrize("of", ["f", "c"])
def test_where_it_is_held(of: str, asked: Any, where: Any) -> None:
    layer, x = make(("LSTM", {}), 3, 4, 2, bidirectional=True), torch.randn(6, 3, 3)
    found = clamp(layer, x, of, 1.0, units=1, **asked)
    plain = edited_run(layer, x.numpy(), [6] * 3, lambda *given: given[-1])
    held = edited_run(layer, x.numpy(), [6] * 3, hold(of, 1.0, 1, where))
    assert found == pytest.approx(float((held - plain).sum()), rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("case", [case for case in OPTIONS if case[0] != "SLSTM"], ids=names_of)
def test_a_gate_held_at_what_it_is_changes_nothing(case: Any) -> None:
    layer, x = make(case, 3, 3), torch.randn(5, 1, 3)
    part = layer.trace(x)[0, "forward"]
    for gate in {"LSTM": "fgo", "GRU": "rzn"}[case[0]]:
        for t in (0, 4):
            as_is = float(part[gate].values[t, 0, 1])
            assert clamp(layer, x, gate, as_is, units=1, steps=t) == pytest.approx(0, abs=1e-13)
        assert clamp(layer, x, gate, 0.5) != 0


def test_inside_a_model_by_name_and_in_every_call_of_a_loop() -> None:
    model = Encoder(nn.GRU(3, 4, batch_first=True), lambda parts, output, h_n: parts[0](h_n[-1]), nn.Linear(4, 1))
    x = torch.randn(2, 5, 3)
    answer, bias = model.eval()(x).sum().item(), 2 * model.parts[0].bias.item()
    assert clamp(model, x, "h", 0.0, name="layer") == pytest.approx(bias - answer, rel=1e-12)
    loop = Decoder(12)
    answer, bias = loop(x).sum().item(), 2 * 12 * loop.head.bias.item()
    assert clamp(loop, x, "h", 0.0, name="decoder") == pytest.approx(bias - answer, rel=1e-12)
    assert clamp(loop, x, "h", 0.0, name="decoder (call 12)") not in (0, bias - answer)


def test_stacks() -> None:
    stack = ours.Stack([ours.LSTMCell(3, 4), Running(), (ours.GRUCell(4, 4), ours.SLSTMCell(4, 2))]).eval()
    x = torch.randn(5, 2, 3)
    assert clamp(stack, x, "z", 1.0) == pytest.approx(-stack(x)[0][..., :4].sum().item(), rel=1e-12)
    assert clamp(stack, x, "h", 0.0, layer=2, direction="reverse") != 0


def test_the_model_is_left_as_it_was() -> None:
    for source in (nn, ours):
        model, x = used_model(source), torch.randn(4, 6, 3)
        before = snapshot(model)
        assert clamp(model, x, "f", 0.0) == clamp(model, x, "f", 0.0) != 0
        assert_unchanged(before, snapshot(model))


def test_errors_teach() -> None:
    x = torch.randn(5, 2, 3)
    with pytest.raises(ConfigError, match=r"no 'f' to hold\. There is layer 0, forward: r, z, n, h"):
        clamp(ours.GRU(3, 4), x, "f", 0.0)
    with pytest.raises(ConfigError, match=r"no 'i' to hold\..*i is 1 − f: hold f"):
        clamp(ours.LSTM(3, 4, coupled_gates=True), x, "i", 0.0)
    with pytest.raises(ConfigError, match=r"no 'o' to hold\. There is layer 0, forward: h, c, n, m"):
        clamp(ours.SLSTM(3, 4), x, "o", 0.0)
    with pytest.raises(ConfigError, match=r"no 'f' to hold at layer=3, direction='reverse'"):
        clamp(nn.LSTM(3, 4), x, "f", 0.0, layer=3, direction="reverse")
    with pytest.raises(ConfigError, match=r"layer 0, forward has units 0 to 3; got units=\[4\]"):
        clamp(nn.LSTM(3, 4), x, "f", 0.0, units=[1, 4])
    with pytest.raises(ConfigError, match=r"has units 0 to 1; got units=\[3\]"):
        clamp(nn.LSTM(3, 4, proj_size=2), x, "h", 0.0, units=3)
    with pytest.raises(ConfigError, match=r"ran 5 steps, 0 to 4; got steps=\[5\]"):
        clamp(nn.LSTM(3, 4), x, "f", 0.0, steps=5)
    with pytest.raises(ConfigError, match="one number, a tensor without axes; got float"):
        clamp(nn.LSTM(3, 4), x, "f", 0.0, loss=lambda result: 1.0)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("wrong", [1.5, [0.5], "ab", [], [True, False]])
def test_units_and_steps_are_whole_numbers(wrong: Any) -> None:
    layer, x, unchecked = ours.LSTM(2, 3), torch.randn(5, 2, 2), inspect.unwrap(clamp)
    for what in ("units", "steps"):
        with pytest.raises(ConfigError, match=f"expected {what} to be a whole number, or several; got"):
            unchecked(layer, x, "f", 1.0, **{what: wrong})
    one = clamp(layer, x, "f", 1.0, units=[1])
    assert unchecked(layer, x, "f", 1.0, units=np.int64(1)) == one
    assert unchecked(layer, x, "f", 1.0, units=torch.tensor([1])) == one
