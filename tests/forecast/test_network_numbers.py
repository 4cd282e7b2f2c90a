"""Whole forecasts of each network computed again from its weights, step by step in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from network_batches import FULL, H, T, batch_of, config_of, network_of
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.losses import loss_of
from unrolled.forecast.losses.base import spread_times
from unrolled.forecast.losses.normal import LEAST_FREEDOM, LEAST_SPREAD

Array = NDArray[np.float64]
Weights = dict[str, Array]
C = FULL.channels


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


class Lstm:
    """One layer over one window, by the textbook."""

    def __init__(self, weights: Weights, part: str) -> None:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self.w, self.u, self.b, self.d = (weights[f"{part}.{name}_l0"] for name in names)
        self.h = self.c = np.zeros(self.u.shape[1])

    def step(self, x: Array) -> Array:
        i, f, g, o = np.split(self.w @ x + self.b + self.u @ self.h + self.d, 4)
        self.c = _sigmoid(f) * self.c + _sigmoid(i) * np.tanh(g)
        self.h = _sigmoid(o) * np.tanh(self.c)
        return self.h


def _pooled(weights: Weights, outputs: list[Array]) -> Array:
    hidden, bias, score = (weights[f"pool.scorer.{name}"] for name in ("hidden.weight", "hidden.bias", "score.weight"))
    scores = np.array([score[0] @ np.tanh(hidden @ h + bias) for h in outputs])
    shares = np.exp(scores) / np.exp(scores).sum()
    return sum(share * h for share, h in zip(shares, outputs, strict=True))


def _head(weights: Weights, read: Array) -> Array:
    return weights["head.weight"] @ read + weights["head.bias"]


class Window:
    """One window's inputs, categories as their learnt vectors."""

    def __init__(self, weights: Weights, inputs: Inputs, number: int) -> None:
        self.values, past, known, static = (part[number].numpy() for part in inputs)

        def vector(kind: str, code: float) -> Array:
            return weights[f"covariates.{kind}.embeddings.0.weight"][int(code)]

        self.past = [np.array([row[0], *vector("past", row[1])]) for row in past]
        self.known = [np.array([*vector("known", row[0]), row[1]]) for row in known]
        self.static = np.array([static[0], *vector("static", static[1])])

    def same_step(self, t: int) -> Array:
        return np.concatenate([self.values[t], self.past[t], self.known[t], self.static])

    def next_step(self, t: int, values: Array) -> Array:
        return np.concatenate([values, self.past[min(t, T - 1)], self.known[t + 1], self.static])

    def ahead(self, k: int, values: Array) -> Array:
        return np.concatenate([values, self.known[T + k], self.static])


def _as_read(points: Array) -> Array:
    return np.concatenate([points, np.ones(C)])


def _direct(weights: Weights, window: Window) -> Array:
    lstm = Lstm(weights, "encoder")
    outputs = [lstm.step(window.same_step(t)) for t in range(T)]
    read = np.concatenate([outputs[-1], _pooled(weights, outputs)])
    main = _head(weights, read).reshape(H, -1)
    context = weights["ahead.state.weight"] @ read + weights["ahead.state.bias"]
    hidden = [np.maximum(0, context + weights["ahead.known.weight"] @ window.known[T + k]) for k in range(H)]
    return main + np.stack([weights["ahead.head.weight"] @ one for one in hidden])


def _recursive(weights: Weights, window: Window) -> Array:
    lstm = Lstm(weights, "encoder")
    outputs = [lstm.step(window.next_step(t, window.values[t])) for t in range(T)]
    summary, output, steps = _pooled(weights, outputs), outputs[-1], []
    for k in range(H):
        steps.append(_head(weights, np.concatenate([output, summary])))
        if k + 1 < H:
            output = lstm.step(window.next_step(T + k, _as_read(_median(steps[-1]))))
    return np.stack(steps)


def _seq2seq(weights: Weights, window: Window) -> Array:
    encoder, decoder = Lstm(weights, "encoder"), Lstm(weights, "decoder")
    outputs = [encoder.step(window.same_step(t)) for t in range(T)]
    decoder.h, decoder.c = encoder.h, encoder.c
    summary, values, steps = _pooled(weights, outputs), window.values[-1], []
    for k in range(H):
        output = decoder.step(window.ahead(k, values))
        steps.append(_head(weights, np.concatenate([output, summary])))
        values = _as_read(_median(steps[-1]))
    return np.stack(steps)


def _deepar(weights: Weights, window: Window) -> Array:
    lstm = Lstm(weights, "encoder")
    outputs = [lstm.step(window.next_step(t, window.values[t])) for t in range(T)]
    output, steps = outputs[-1], []
    for k in range(H):
        steps.append(_head(weights, output))
        if k + 1 < H:
            output = lstm.step(window.next_step(T + k, _as_read(steps[-1].reshape(C, -1)[:, 0])))
    return np.stack(steps)


def _median(step: Array) -> Array:
    return np.sort(step.reshape(C, -1), axis=1)[:, 1]


CASES: dict[str, Any] = {
    "steps": (_direct, {"pooling": "attention", "loss": "quantile", "quantiles": (0.1, 0.5, 0.9)}),
    "recursive": (_recursive, {"pooling": "attention", "loss": "quantile", "quantiles": (0.1, 0.5, 0.9)}),
    "seq2seq": (_seq2seq, {"pooling": "attention", "loss": "quantile", "quantiles": (0.1, 0.5, 0.9)}),
    "deepar": (_deepar, {"loss": "student_t"}),
}


def _rows(steps_HX: Array) -> Array:
    """(h, C Q) of one window to (C, h, Q)."""
    return steps_HX.reshape(H, C, -1).transpose(1, 0, 2)


@pytest.mark.parametrize("name", CASES)
def test_a_network_computes_what_its_weights_say(name: str) -> None:
    again, settings = CASES[name]
    network = network_of(config_of(name, **settings), FULL).double()
    inputs = Inputs(*(part.double() for part in batch_of(FULL).inputs))
    weights = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    wanted = np.concatenate([_rows(again(weights, Window(weights, inputs, number))) for number in range(3)])
    with torch.no_grad():
        np.testing.assert_allclose(network(inputs).numpy(), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_reversible_normalisation_changes_what_is_read_and_undoes_it_on_what_is_said(name: str) -> None:
    again, settings = CASES[name]
    network = network_of(config_of(name, scaling="revin", **settings), FULL).double()
    inputs = Inputs(*(part.double() for part in batch_of(FULL).inputs))
    state = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
    weights = {key.removeprefix("network."): value for key, value in state.items()}
    gain, offset = np.exp(state["log_gain"]), state["offset"]
    wanted = []
    for number in range(3):
        window = Window(weights, inputs, number)
        window.values = np.concatenate([window.values[:, :C] * gain + offset, window.values[:, C:]], axis=1)
        said = _rows(again(weights, window))
        undone = (said - offset[:, None, None]) / gain[:, None, None]
        if name == "deepar":  # location, raw spread, raw freedom
            spread = _softplus(said[..., 1]) / gain[:, None]
            undone = np.stack([undone[..., 0], np.log(np.expm1(spread)), said[..., 2]], axis=2)
        wanted.append(undone)
    with torch.no_grad():
        np.testing.assert_allclose(network(inputs).numpy(), np.concatenate(wanted), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["normal", "student_t"])
def test_a_moved_distribution_is_that_of_the_moved_value(name: str) -> None:
    loss, batch = loss_of(config_of("steps", loss=name)), batch_of()
    forecast = torch.randn(3, H, loss.outputs, dtype=torch.float64)
    location, scale = torch.tensor([[0.3], [-2.0], [0.0]]).double(), torch.tensor([[0.2], [3.0], [1.0]]).double()
    spread = torch.nn.functional.softplus(forecast[..., 1]) * scale + LEAST_SPREAD
    middle = location + scale * forecast[..., 0]
    if name == "normal":
        wanted: Any = torch.distributions.Normal(middle, spread)
    else:
        freedom = torch.nn.functional.softplus(forecast[..., 2]) + LEAST_FREEDOM
        wanted = torch.distributions.StudentT(freedom, middle, spread)
    costs = loss.costs(loss.moved(forecast, location, scale), batch)
    torch.testing.assert_close(costs, -wanted.log_prob(batch.targets_Rh.double()))


def test_a_moved_spread_has_a_number_and_a_gradient_however_small_it_is() -> None:
    raw = torch.tensor([-1000.0, -90.0, -20.0, 0.0, 50.0, 1e4], requires_grad=True)
    moved = spread_times(raw, torch.tensor(2.0))
    moved.sum().backward()  # type: ignore[no-untyped-call]
    assert raw.grad is not None
    assert moved.isfinite().all()
    assert raw.grad.isfinite().all()
    twice = 2 * torch.nn.functional.softplus(raw.detach())
    torch.testing.assert_close(torch.nn.functional.softplus(moved.detach())[2:], twice[2:])
