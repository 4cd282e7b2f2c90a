"""Gradients with respect to each step's states, against loops by hand and against restarted layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian

import unrolled.layers as ours
from analysis.models import KINDS, OPTIONS, Decoder, Encoder, Running, Tokens, by_hand, make, names_of
from analysis.test_record import assert_unchanged, snapshot, used_model
from unrolled.analysis import gradient_flow, sensitivity
from unrolled.errors import ConfigError, ShapeError

LENGTHS = [4, 6, 0]


def weighted(weights: Tensor) -> Any:
    """A loss in which every number of the output counts otherwise."""
    return lambda result: (result[0] * weights).sum()


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
@pytest.mark.parametrize("case", KINDS, ids=names_of)
def test_gradient_flow_against_a_loop_by_hand(case: Any, source: Any) -> None:
    layer = make(case, 3, 4, 2, source=source, bidirectional=True)
    x = torch.randn(6, 3, 3)
    output, retained, _ = by_hand(layer, x, LENGTHS)
    weights = torch.randn_like(output)
    (output * weights).sum().backward()
    expected = {key: {at: state.grad for at, state in states.items()} for key, states in retained.items()}
    layer.zero_grad()
    found = gradient_flow(layer, x, LENGTHS, loss=weighted(weights))
    names = ["h", "c"] if case[0] == "LSTM" else ["h"]
    assert [(p.layer, p.direction, p.of) for p in found.parts] == [
        (k, d, of) for k in range(2) for d in ("forward", "reverse") for of in names
    ]
    for part in found.parts:
        norms = np.zeros((6, 3))
        for at, gradient in expected[part.layer, part.direction, part.of].items():
            norms[at] = 0 if gradient is None else gradient.norm()
        np.testing.assert_allclose(part.values.values, norms, rtol=1e-11, atol=1e-14)
    assert all(parameter.grad is None for parameter in layer.parameters())


def restarted(layer: Any, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run on from given states, each (1, N, S)."""
    output, last = layer(x, states if len(states) > 1 else states[0])
    return output, last if isinstance(last, tuple) else (last,)


def states_after(layer: Any, x: Tensor, t: int) -> tuple[Tensor, ...]:
    with torch.no_grad():
        last = layer(x[: t + 1])[1]
    return last if isinstance(last, tuple) else (last,)


FUNCTIONS = {"tanh": torch.tanh, "softsign": nn.functional.softsign}


def h_of(layer: Any, x: Tensor, t: int, states: tuple[Tensor, ...]) -> Tensor:
    """h_t as far as it is made of c_t, the second of `states`; the gates are what they were, but for a peephole."""
    part = layer.trace(x)[0, "forward"]
    if layer.kind not in ("LSTM", "SLSTM") or getattr(layer, "zoneout", 0.0):
        return states[0]  # under zoneout h is made of c before it was mixed with the old c
    c, o = states[1], torch.as_tensor(part["o"].values[t])
    if layer.kind == "SLSTM":
        return o * c / torch.as_tensor(part["n"].values[t])
    if layer.peephole:
        weight = layer.weight_peephole_l0[-1].detach()
        o = torch.sigmoid(torch.as_tensor(part["o_pre"].values[t] - weight.numpy() * part["c"].values[t]) + weight * c)
    shown = c
    if layer.layer_norm:
        norms = layer.norm_c_l0.detach(), layer.norm_c_bias_l0.detach()
        shown = nn.functional.layer_norm(c, norms[0].shape, *norms)
    h = o * FUNCTIONS[layer.activation](shown)
    return h @ layer.weight_hr_l0.detach().T if layer.proj_size else h


def through_h(layer: Any, x: Tensor, t: int, given: tuple[Tensor, ...], k: int) -> tuple[Tensor, ...]:
    """The states after step t, all of them made of the k-th alone."""
    return given if k == 0 else (h_of(layer, x, t, given).reshape(given[0].shape), *given[1:])


@pytest.mark.parametrize("case", KINDS + OPTIONS, ids=names_of)
def test_gradient_flow_against_a_layer_started_again_at_each_step(case: Any) -> None:
    layer, x = make(case, 3, 4), torch.randn(5, 2, 3)
    weights = torch.randn_like(layer(x)[0])
    found = gradient_flow(layer, x, loss=weighted(weights))
    for t in range(5):
        for k, name in enumerate(layer.spec().states[:2]):
            leaves = tuple(s.clone().requires_grad_() for s in states_after(layer, x, t))
            states = through_h(layer, x, t, leaves, k)
            rest = (restarted(layer, x[t + 1 :], states)[0] * weights[t + 1 :]).sum() if t < 4 else 0
            loss = rest + (states[0] * weights[t]).sum()
            if loss.requires_grad:
                (gradient,) = torch.autograd.grad(loss, leaves[k], allow_unused=True, materialize_grads=True)
                norms = found.find(name).values[t]
                np.testing.assert_allclose(norms, gradient[0].norm(dim=-1), rtol=1e-11, atol=1e-14)


def test_gradient_flow_inside_a_model_by_its_default_loss() -> None:
    layer = nn.LSTM(3, 4, batch_first=True)
    model = Encoder(layer, lambda parts, output, states: (parts[0](states[0][-1]), states), nn.Linear(4, 2))
    x = torch.randn(3, 6, 3)
    found = gradient_flow(model, x)
    with torch.no_grad():
        normed = model.eval().norm(x.mT).mT
    _, retained, last = by_hand(layer, normed.transpose(0, 1), [6, 6, 6])
    model.parts[0](last[0, "forward"]).sum().backward()
    for part in found.parts:
        assert part.name == "layer"
        norms = np.zeros((6, 3))
        for at, state in retained[0, "forward", part.of].items():
            norms[at] = state.grad.norm() if state.grad is not None else 0
        np.testing.assert_allclose(part.values.values, norms, rtol=1e-11, atol=1e-14)


def test_gradient_flow_of_loops_tokens_and_stacks() -> None:
    found = gradient_flow(Decoder(20), torch.randn(2, 5, 3))
    assert [part.name for part in found.parts] == ["encoder", "decoder", *(f"decoder (call {k})" for k in range(2, 9))]
    assert (found.find("h", name="decoder (call 8)").values.values > 0).all()
    tokens = gradient_flow(Tokens(ours.GRU(3, 4, batch_first=True)), torch.randint(0, 11, (2, 5)), [2, 5])
    assert tokens.find("h").values.sizes == {"time": 5, "batch": 2}
    stack = ours.Stack([ours.LSTMCell(3, 4), Running(), nn.RNNCell(4, 2)])
    parts = gradient_flow(nn.Sequential(stack), torch.randn(5, 2, 3)).parts
    assert [(part.layer, part.of) for part in parts] == [(0, "h"), (0, "c"), (2, "h")]


def test_gradient_flow_says_why_it_cannot() -> None:
    layer, x = ours.GRU(3, 4), torch.randn(5, 2, 3)
    with pytest.raises(ConfigError, match="does not depend on the recurrent layers"):
        gradient_flow(layer, x, loss=lambda result: result[0].detach().sum())
    with pytest.raises(ConfigError, match=r"one number, a tensor without axes; got a tensor \(5, 2, 4\)"):
        gradient_flow(layer, x, loss=lambda result: result[0])
    with pytest.raises(ConfigError, match="has none of unrolled's"):
        gradient_flow(nn.Linear(3, 4), x)
    uncalled = Encoder(layer, None)  # type: ignore[arg-type]
    uncalled.forward = lambda x: x + uncalled.norm.weight  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="the recurrent layers 'layer', but none of them was called"):
        gradient_flow(uncalled, x)
    with pytest.raises(ShapeError, match=r"GRU expected input \(T=time, N=batch, F=3\)"):
        gradient_flow(layer, torch.randn(5, 2, 4))


@pytest.mark.parametrize("verb", [gradient_flow, sensitivity])
@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
def test_the_model_is_left_as_it_was(verb: Any, source: Any) -> None:
    model, x = used_model(source), torch.randn(4, 6, 3)
    before = snapshot(model)
    verb(model, x)
    assert_unchanged(before, snapshot(model))
    with torch.no_grad():
        assert np.isfinite(verb(model, x).find("h").values.values).all()


def jacobian_norms(layer: Any, x: Tensor) -> dict[str, np.ndarray]:
    """‖∂h_T/∂h_t‖ of one layer from the whole Jacobian, sequence by sequence, by starting again at step t."""
    names = layer.spec().states[:2]
    norms = {name: np.zeros(x.shape[:2]) for name in names}
    for n in range(x.shape[1]):
        one = x[:, n : n + 1]
        for t in range(len(x)):
            states = states_after(layer, one, t)
            for k, name in enumerate(names):

                def last_h(state: Tensor, k: int = k, t: int = t, states: Any = states, one: Any = one) -> Tensor:
                    given = tuple(state if j == k else s for j, s in enumerate(states))
                    changed = through_h(layer, one, t, given, k)
                    return restarted(layer, one[t + 1 :], changed)[1][0] if t < len(x) - 1 else changed[0]

                norms[name][t, n] = jacobian(last_h, states[k]).norm()
    return norms


@pytest.mark.parametrize("case", KINDS + OPTIONS, ids=names_of)
def test_sensitivity_with_all_projections_is_the_norm_of_the_jacobian(case: Any) -> None:
    layer, x = make(case, 3, 4), torch.randn(5, 2, 3)
    found = sensitivity(layer, x, projections=None)
    for name, norms in jacobian_norms(layer, x).items():
        np.testing.assert_allclose(found.find(name).values.values, norms, rtol=1e-10, atol=1e-13)


def test_sensitivity_of_each_direction_of_each_layer_against_a_loop_by_hand() -> None:
    layer = nn.GRU(3, 4, 2, bidirectional=True)
    x = torch.randn(6, 3, 3)
    found = sensitivity(layer, x, LENGTHS, projections=4)
    _, retained, last = by_hand(layer, x, LENGTHS)
    for part in found.parts:
        squares = np.zeros((6, 3))
        for n in range(3):
            for unit in range(4):
                states = {at: s for at, s in retained[part.layer, part.direction, "h"].items() if at[1] == n}
                if not states:
                    continue
                rows = torch.autograd.grad(
                    last[part.layer, part.direction][n, unit],
                    list(states.values()),
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                for at, row in zip(states, rows, strict=True):
                    squares[at] += float(row.square().sum())
        np.testing.assert_allclose(part.values.values, np.sqrt(squares), rtol=1e-11, atol=1e-14)


def test_the_estimate_is_unbiased() -> None:
    layer, x = make(("LSTM", {}), 3, 6), torch.randn(4, 1, 3)
    exact = sensitivity(layer, x, projections=None).find("h").values.values
    draws = [sensitivity(layer, x, projections=2, seed=seed).find("h").values.values ** 2 for seed in range(300)]
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - exact**2) <= 4 * error + 1e-12).all()
    assert np.std(draws, axis=0).max() > 0  # it is an estimate


def test_sensitivity_draws_by_its_seed_and_says_what_is_wrong() -> None:
    layer, x = ours.GRU(3, 9), torch.randn(4, 1, 3)
    a, b, c = (sensitivity(layer, x, projections=3, seed=s).find("h").values.values for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    for wrong in (0, -1, True):
        with pytest.raises(ConfigError, match="projection"):
            sensitivity(layer, x, projections=wrong)
