"""`find_head`: what of a layer's result is read, and what is made of it, told by the numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled.layers as ours
from analysis.models import Decoder, Encoder, Tokens
from analysis.test_record import assert_unchanged, snapshot, used_model
from unrolled.analysis import find_head, record
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.networks import build
from unrolled.trace import Head, Recorded

LENGTHS = [5, 1, 7]
N, T = 3, 7


def found_in(model: nn.Module, x: Any, lengths: Any = None) -> Head | None:
    return find_head(model, x, record(model, x, lengths), lengths)


def applied(head: Head, read: Tensor) -> np.ndarray:
    """Compute a head in NumPy."""
    value = read.detach().numpy()
    for layer in head.layers:
        if layer.weight is not None:
            value = value @ layer.weight.values.T + (0 if layer.bias is None else layer.bias.values)
        elif layer.kind == "ReLU":
            value = np.maximum(value, 0)
        else:
            value = np.tanh(value) if layer.kind == "Tanh" else 1 / (1 + np.exp(-value))
    return value


# What is read, with the code that says so, for a layer that is batch-first.
READINGS: list[tuple[str, dict[str, Any], Any, Callable[..., Tensor]]] = [
    ("output", {}, None, lambda o, h, c: o),
    ("output[:, -1]", {}, None, lambda o, h, c: o[:, -1]),
    ("output[:, -1:]", {}, None, lambda o, h, c: o[:, -1:]),
    ("output[:, 0]", {}, None, lambda o, h, c: o[:, 0]),
    ("output[:, -1]", {"bidirectional": True}, None, lambda o, h, c: o[:, -1]),
    ("output[:, -1]", {}, LENGTHS, lambda o, h, c: o[:, -1]),
    ("h_n[-1]", {}, None, lambda o, h, c: h[-1]),
    ("h_n[-1]", {}, None, lambda o, h, c: h.squeeze(0)),
    ("h_n[-1]", {}, LENGTHS, lambda o, h, c: h[-1].clone()),
    ("h_n", {}, None, lambda o, h, c: h),
    ("c_n[-1]", {}, None, lambda o, h, c: c[-1]),
    ("h_n[-1]", {"num_layers": 2}, None, lambda o, h, c: h[-1]),
    ("h_n[0]", {"num_layers": 2}, None, lambda o, h, c: h[0]),
    ("h_n[-1]", {"bidirectional": True}, None, lambda o, h, c: h[-1]),
    ("torch.cat([h_n[-2], h_n[-1]], dim=1)", {"bidirectional": True}, LENGTHS, lambda o, h, c: torch.cat([*h], 1)),
    ("torch.cat([h_n[-1], h_n[-2]], dim=1)", {"bidirectional": True}, None, lambda o, h, c: torch.cat([h[1], h[0]], 1)),
    ("h_n[-2] + h_n[-1]", {"bidirectional": True}, None, lambda o, h, c: h.sum(0)),
    ("h_n.transpose(0, 1).flatten(1)", {"num_layers": 3}, None, lambda o, h, c: h.permute(1, 0, 2).reshape(N, -1)),
    ("output.mean(dim=1)", {}, None, lambda o, h, c: o.mean(1)),
    ("output.mean(dim=1)", {}, None, lambda o, h, c: nn.functional.adaptive_avg_pool1d(o.mT, 1)[..., 0]),
    ("output.amax(dim=1)", {}, None, lambda o, h, c: o.max(1).values),
    ("output.sum(dim=1) / lengths[:, None]", {}, LENGTHS, lambda o, h, c: o.sum(1) / torch.tensor(LENGTHS)[:, None]),
    (
        "output[torch.arange(N), lengths - 1]",
        {"bidirectional": True},
        LENGTHS,
        lambda o, h, c: o[torch.arange(N), torch.tensor(LENGTHS) - 1],
    ),
    ("output.flatten(1)", {}, None, lambda o, h, c: o.reshape(N, -1)),
]


@pytest.mark.parametrize(("code", "options", "lengths", "read"), READINGS)
def test_what_is_read(code: str, options: Any, lengths: Any, read: Callable[..., Tensor]) -> None:
    x = torch.randn(N, T, 3)
    layer = ours.LSTM(3, 4, batch_first=True, **options)
    output, (h, c) = layer(x, lengths=lengths)
    head = nn.Linear(read(output, h, c).shape[-1], 2)
    model = Encoder(layer, lambda parts, o, s: parts[0](read(o, *s)), head)
    model.norm = nn.Identity()
    found = found_in(model, x, lengths)
    assert found is not None
    assert found.reads == code
    assert [one.kind for one in found.layers] == ["Linear"]
    np.testing.assert_array_equal(found.layers[0].weight.values, head.weight.detach())
    assert (found.layers[0].weight.axes, found.layers[0].bias.axes) == (("output", "input"), ("output",))
    names = {"output": output, "h_n": h, "c_n": c, "lengths": torch.tensor(lengths or [T] * N), "N": N, "torch": torch}
    np.testing.assert_allclose(found.output.values, applied(found, eval(found.reads, names)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.output.values, model.eval()(x, lengths).detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("output[-1]", lambda o, h: o[-1]),
        ("h_n[-1]", lambda o, h: h[-1]),
        ("output.mean(dim=0)", lambda o, h: o.mean(0)),
        ("output.transpose(0, 1)", lambda o, h: o.transpose(0, 1)),
    ],
)
def test_time_major_layers(source: Any, code: str, read: Callable[..., Tensor]) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = source.GRU(3, 4), nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(read(*self.layer(x)))

    found = found_in(Model(), torch.randn(T, N, 3))
    assert found is not None
    assert found.reads == code


def test_where_nothing_tells_them_apart_the_simplest_is_told() -> None:
    model = Encoder(ours.GRU(3, 4, batch_first=True), lambda parts, o, h: parts[0](h[-1].clone()), nn.Linear(4, 1))
    found = found_in(model, torch.randn(N, T, 3))
    assert found is not None
    assert found.reads == "output[:, -1]"


@pytest.mark.parametrize(
    ("kinds", "parts", "make"),
    [
        (["Linear"], [nn.Linear(4, 6)], lambda p, o, h: p[0](o[:, -1]).unflatten(1, (2, 3))),
        (["Linear"], [nn.Linear(4, 1)], lambda p, o, h: p[0](o[:, -1]).squeeze(-1)),
        (["Linear"], [nn.Linear(4, 2)], lambda p, o, h: p[0](o)[:, -1]),
        (["Linear", "ReLU", "Linear"], [nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)], None),
        (["Tanh", "Linear", "Sigmoid"], [nn.Tanh(), nn.Linear(4, 2), nn.Sigmoid()], None),
        (["Linear"], [nn.Dropout(0.5), nn.Identity(), nn.Linear(4, 2, bias=False), nn.Identity()], None),
        (
            ["ReLU", "Linear", "Tanh", "Linear", "Sigmoid"],
            [nn.Linear(4, 5), nn.Linear(5, 2)],
            lambda p, o, h: torch.sigmoid(p[1](torch.tanh(p[0](relu(o[:, -1]))))),
        ),
        (["Linear"], [nn.Linear(4, 2)], lambda p, o, h: (p[0](o[:, -1]), h)),
        ([], [], lambda p, o, h: o[:, -1]),
    ],
)
def test_what_is_made_of_it(kinds: list[str], parts: list[nn.Module], make: Any) -> None:
    def chain(modules: Any, o: Tensor, _h: Any) -> Tensor:
        value = o[:, -1]
        for module in modules:
            value = module(value)
        return value

    model = Encoder(ours.RNN(3, 4, batch_first=True), make or chain, *parts).double()
    x = torch.randn(N, T, 3)
    found = found_in(model, x)
    assert found is not None
    assert (found.reads, [one.kind for one in found.layers]) == ("output[:, -1]", kinds)
    answer = model.eval()(x)
    answer = answer[0] if isinstance(answer, tuple) else answer
    last = model.layer(model.norm(x.mT).mT)[0][:, -1]
    np.testing.assert_allclose(applied(found, last).ravel(), answer.detach().flatten(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.output.values, answer.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "make",
    [
        lambda p, o, h: 2 * p[0](o[:, -1]),
        lambda p, o, h: torch.log_softmax(p[0](o[:, -1]), 1),
        lambda p, o, h: p[0](o[:, -1]) + p[0](h[-1]),
        lambda p, o, h: p[0](o[:, 3]),
        lambda p, o, h: p[0](o[:, -1].sin()),
        lambda p, o, h: p[1](p[0](o[:, -1])),
        lambda p, o, h: o.new_zeros(N),
        lambda p, o, h: {"nothing": None},
        lambda p, o, h: p[0](o[:, -1]).argmax(1),
        lambda p, o, h: p[0](o[:, -1]) > 0,
    ],
)
def test_something_else_is_no_head(make: Any) -> None:
    model = Encoder(ours.RNN(3, 4, batch_first=True), make, nn.Linear(4, 2), nn.LayerNorm(2))
    assert found_in(model, torch.randn(N, T, 3)) is None


def test_a_layer_by_itself_has_no_head() -> None:
    x = torch.randn(T, N, 3)
    assert found_in(nn.LSTM(3, 4), x) is None
    assert found_in(ours.GRU(3, 4), x, [T, 2, 1]) is None


def test_packed_sequences() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 1)

        def forward(self, x: Tensor, lengths: Any) -> Tensor:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return self.head(pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0])

    found = found_in(Model(), torch.randn(N, T, 3), LENGTHS)
    assert found is not None
    assert (found.reads, found.output.axes) == ("output", ("batch", "time", "output"))


def test_of_several_layers_the_last_that_has_a_head() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.GRU(3, 4, batch_first=True), ours.GRU(4, [5, 6], batch_first=True)
            self.head = nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.b(self.a(x)[0])[1][-1][-1])

    model, x = Two(), torch.randn(N, T, 3)
    a, b = record(model, x)
    assert find_head(model, x, a) is None
    for given in (b, (a, b)):
        found = find_head(model, x, given)
        assert found is not None
        assert (found.reads, found.output.sizes) == ("h_n[-1][-1]", {"batch": N, "output": 1})


def test_of_a_loop_the_call_that_makes_the_answer() -> None:
    model, x = Decoder(1), torch.randn(N, T, 3)
    recorded = record(model, x)
    assert [find_head(model, x, one) is None for one in recorded] == [True, False]
    assert found_in(Decoder(4), x) is None


def test_token_ids_and_a_stack_and_a_single_sequence() -> None:
    ids = torch.randint(0, 11, (N, T))
    assert found_in(Tokens(ours.RNN(3, 4, batch_first=True)), ids).reads == "output[:, -1]"  # type: ignore[union-attr]
    assert found_in(Tokens(ours.Stack([ours.LSTMCell(3, 4)], batch_first=True)), ids).reads == "output[:, -1]"  # type: ignore[union-attr]

    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.RNN(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x)[0][-1])

    found = found_in(Single(), torch.randn(T, 3))
    assert found is not None
    assert (found.reads, found.output.axes) == ("output[-1]", ("output",))


def test_a_forecasters_network() -> None:
    torch.set_default_dtype(torch.float32)
    settings = Config(h=6, input_size=20, network="steps", hidden_size=8, loss="mae")

    class OfThePast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = build(settings)

        def forward(self, past: Tensor) -> Tensor:
            nothing = past.new_zeros(len(past), 26, 0)
            return self.network(Inputs(past, nothing[:, :20], nothing, nothing[:, 0]))

    found = found_in(OfThePast(), torch.randn(N, 20, 2))
    assert found is not None
    assert (found.reads, found.output.sizes) == ("output[:, -1]", {"batch": N, "step": 6, "output": 1})


def test_the_model_is_left_as_it_was() -> None:
    model, x = used_model(ours), torch.randn(N, T, 3)
    recorded: tuple[Recorded, ...] = record(model, x)
    before = snapshot(model)
    assert find_head(model, x, recorded).layers == ()  # type: ignore[union-attr]
    assert_unchanged(before, snapshot(model))
