"""What holds of every network, whatever its cell, loss and covariates."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from network_batches import FULL, LAYOUTS, H, T, batch_of, config_of, fed_back, network_of
from unrolled.errors import ConfigError
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import PLAIN, Inputs, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks import Network, build, deepar

CELLS: dict[str, Any] = {
    "LSTM": "LSTM",
    "GRU": "GRU",
    "RNN": "RNN",
    "SLSTM": {"type": "SLSTM", "num_heads": 2},
    "options": {"type": "LSTM", "peephole": True, "layer_norm": True, "initial_state": "learned", "proj_size": 3},
    "stack": ["GRU", {"type": "LSTM", "coupled_gates": True}],
    "learned stack": {"type": "Stack", "cells": ["LSTM", "RNN"], "initial_state": "learned"},
}
SIZES: dict[str, Any] = {"SLSTM": 4, "stack": [5, 3], "learned stack": 4}

AUTOREGRESSIVE = ("recursive", "seq2seq", "deepar")
NETWORKS = ("steps", *AUTOREGRESSIVE)
POINTS = ("mae", "quantile")
LOSSES = (*POINTS, "normal", "student_t", "negative_binomial", "poisson", "tweedie")
COUNTS = ("negative_binomial", "poisson", "tweedie")


def _goes(network: str, pooling: str, loss: str, scaling: str) -> bool:
    counts_moved = loss in COUNTS and scaling == "revin"
    return not counts_moved and (network != "deepar" or (pooling == "last" and loss not in POINTS))


BY_CELL = [
    (network, cell, *rest)
    for network, cell in itertools.product(NETWORKS, CELLS)
    for rest in (("last", "plain"), ("attention", "both"))
    if _goes(network, rest[0], "normal", "none")
]
BY_LAYOUT = [
    (network, "GRU", pooling, layout)
    for network, pooling, layout in itertools.product(NETWORKS, ("last", "attention"), LAYOUTS)
    if _goes(network, pooling, "normal", "none")
]
BY_LOSS = [
    (network, loss, *rest)
    for network, loss in itertools.product(NETWORKS, LOSSES)
    for rest in (("none", "plain"), ("none", "both"), ("revin", "both"))
    if _goes(network, "last", loss, rest[0])
]
by_cell = pytest.mark.parametrize(("name", "cell", "pooling", "layout"), [*BY_CELL, *BY_LAYOUT])
by_loss = pytest.mark.parametrize(("name", "loss", "scaling", "layout"), BY_LOSS)
each = pytest.mark.parametrize("name", NETWORKS)
autoregressive = pytest.mark.parametrize("name", AUTOREGRESSIVE)


def _of_cell(name: str, cell: str, pooling: str) -> Config:
    return config_of(name, cell=CELLS[cell], hidden_size=SIZES.get(cell, 5), pooling=pooling, loss="normal")


def _of_loss(name: str, loss: str, scaling: str) -> Config:
    return config_of(name, loss=loss, scaling=scaling, pooling="last" if name == "deepar" else "attention")


def _usual(name: str, **settings: Any) -> Config:
    return config_of(name, **{"loss": "student_t" if name == "deepar" else "mae"} | settings)


def _check(config: Config, layout: Layout) -> None:
    """Check shapes, teacher forcing on own forecasts, and that the gradient reaches every parameter."""
    batch, network, loss = batch_of(layout), network_of(config, layout), loss_of(config)
    forecast = network(batch.inputs)
    assert forecast.shape == (3 * layout.channels, H, loss.outputs)
    taught = network.teach(fed_back(config, batch, forecast))[:, -H:]
    torch.testing.assert_close(taught, forecast)
    loss(network.train().teach(batch), batch).backward()  # type: ignore[no-untyped-call]
    unreached = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()]
    assert unreached == []


@by_cell
def test_every_cell_goes_with_every_network(name: str, cell: str, pooling: str, layout: str) -> None:
    _check(_of_cell(name, cell, pooling), LAYOUTS[layout])


@by_loss
def test_every_loss_goes_with_every_network(name: str, loss: str, scaling: str, layout: str) -> None:
    _check(_of_loss(name, loss, scaling), LAYOUTS[layout])


@autoregressive
@pytest.mark.parametrize("scaling", ["none", "revin"])
def test_a_forecast_in_training_stands_on_true_values_before_it_and_on_none_after(name: str, scaling: str) -> None:
    network, batch = network_of(_usual(name, scaling=scaling), FULL), batch_of(FULL)
    step = 2
    future = batch.future_NhF.clone()
    future[:, step] += 1
    was, changed = network.teach(batch)[:, -H:], network.teach(dataclasses.replace(batch, future_NhF=future))[:, -H:]
    assert torch.equal(was[:, : step + 1], changed[:, : step + 1])
    assert (was[:, step + 1 :] != changed[:, step + 1 :]).any(dim=(1, 2)).all()


def test_a_direct_network_sees_no_future_in_training_either() -> None:
    network, batch = network_of(_usual("steps"), FULL), batch_of(FULL)
    other = dataclasses.replace(batch, future_NhF=9 * batch.future_NhF)
    assert torch.equal(network.teach(batch), network.teach(other))
    assert torch.equal(network.teach(batch), network(batch.inputs))


@each
@pytest.mark.parametrize("column", range(len(FULL.known)))
def test_covariates_known_ahead_change_forecasts_from_their_step_on(name: str, column: int) -> None:
    network, inputs = network_of(_usual(name), FULL), batch_of(FULL).inputs
    step = 2
    was, changed = network(inputs), network(_changed(inputs, "known_NWK", column, T + step))
    assert torch.equal(was[:, :step], changed[:, :step])
    assert (was[:, step] != changed[:, step]).any(dim=1).all()


@each
@pytest.mark.parametrize("part", ["covariates_NTP", "known_NWK", "static_NS"])
@pytest.mark.parametrize("column", [0, 1])
def test_every_covariate_of_the_window_changes_the_forecast(name: str, part: str, column: int) -> None:
    network, inputs = network_of(_usual(name), FULL), batch_of(FULL).inputs
    changed = network(_changed(inputs, part, column, T - 1))
    assert (network(inputs) != changed).any(dim=2).all()


def _changed(inputs: Inputs, part: str, column: int, step: int) -> Inputs:
    values = getattr(inputs, part).clone()
    at = values[..., column] if values.dim() == 2 else values[:, step, column]
    at.copy_(torch.where(at == 1.0, 2.0, 1.0))  # another number, and another category
    return inputs._replace(**{part: values})


@each
@pytest.mark.parametrize("scaling", ["none", "revin"])
def test_a_window_is_forecast_alike_whatever_stands_beside_it(name: str, scaling: str) -> None:
    settings = {} if name == "deepar" else {"pooling": "attention"}
    network, inputs = network_of(_usual(name, scaling=scaling, **settings), FULL), batch_of(FULL, windows=5).inputs
    alone = torch.cat([network(Inputs(*(part[one : one + 1] for part in inputs))) for one in range(5)])
    torch.testing.assert_close(network(inputs), alone)


@each
def test_weights_move_to_another_network_of_the_same_settings(name: str) -> None:
    config, inputs = _usual(name, scaling="revin"), batch_of(FULL).inputs
    network, other = network_of(config, FULL), network_of(config, FULL, seed=1)
    assert not torch.equal(network(inputs), other(inputs))
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(inputs), other(inputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_without_covariates_there_is_nothing_but_the_plain_network(name: str) -> None:
    parameters = {key: tuple(one.shape) for key, one in build(_usual(name, hidden_size=5)).named_parameters()}
    outputs = {"deepar": 3, "steps": H}.get(name, 1)
    lstm = {"weight_ih_l0": (20, 2), "weight_hh_l0": (20, 5), "bias_ih_l0": (20,), "bias_hh_l0": (20,)}
    parts = ("encoder", "decoder") if name == "seq2seq" else ("encoder",)
    wanted = {f"{part}.{key}": shape for part in parts for key, shape in lstm.items()}
    assert parameters == wanted | {"head.weight": (outputs, 5), "head.bias": (outputs,)}


@each
def test_one_step_of_a_window_and_one_ahead_are_enough(name: str) -> None:
    config = dataclasses.replace(_usual(name), h=1, input_size=1)
    whole = batch_of(FULL)
    inputs = Inputs(
        whole.inputs.past_NTF[:, :1],
        whole.inputs.covariates_NTP[:, :1],
        whole.inputs.known_NWK[:, :2],
        whole.inputs.static_NS,
    )
    batch = dataclasses.replace(whole, inputs=inputs, future_NhF=whole.future_NhF[:, :1])
    network = network_of(config, FULL)
    forecast = network(inputs)
    assert forecast.shape == (6, 1, loss_of(config).outputs)
    torch.testing.assert_close(network.teach(batch), forecast)


@each
@pytest.mark.usefixtures("unchecked")
def test_networks_are_exported_whole_for_batches_of_any_size(name: str) -> None:
    settings = {} if name == "deepar" else {"pooling": "attention"}
    network, inputs = network_of(_usual(name, scaling="revin", **settings), FULL), batch_of(FULL, windows=4).inputs
    windows = torch.export.Dim("windows", min=2, max=64)
    shapes = {"inputs": Inputs(*({0: windows} for _ in inputs))}
    with torch.no_grad():
        exported = torch.export.export(network, (inputs,), dynamic_shapes=shapes).module()
    other = batch_of(FULL, windows=7, seed=3).inputs
    torch.testing.assert_close(exported(other), network(other))


def test_what_is_learnt_of_categories_never_seen_is_learnt_in_training() -> None:
    network = network_of(_usual("steps"), Layout(static=(5,)))
    batch = batch_of(Layout(static=(5,)), windows=200)
    batch = dataclasses.replace(batch, inputs=batch.inputs._replace(static_NS=torch.full((200, 1), 3.0)))
    (embedding,) = network.covariates.static.embeddings  # type: ignore[union-attr]
    loss_of(_usual("steps"))(network.train().teach(batch), batch).backward()  # type: ignore[no-untyped-call]
    touched = embedding.weight.grad.abs().sum(dim=1) > 0  # type: ignore[union-attr]
    assert touched.tolist() == [True, False, False, True, False, False]


def test_the_gradient_of_a_missing_target_is_zero_in_every_step_that_deepar_weighs() -> None:
    config = _usual("deepar")
    network, batch, loss = network_of(config), batch_of(), loss_of(config)
    taught = network.teach(batch).detach().requires_grad_()
    loss(taught, batch).backward()  # type: ignore[no-untyped-call]
    seen = torch.cat([batch.inputs.past_NTF[:, 1:, 1], batch.future_NhF[..., 1]], dim=1)
    assert taught.shape == (3, T - 1 + H, 3)
    assert torch.equal(taught.grad.abs().sum(dim=2) > 0, seen > 0)  # type: ignore[union-attr]


def _paths(network: Network, batch: Batch, count: int, seed: int = 0) -> Tensor:
    return network.sample_paths(batch.inputs, batch.scale_R1, count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cell", ["GRU", "options", "stack"])
@pytest.mark.parametrize(
    ("loss", "scaling"),
    [("normal", "none"), ("normal", "revin"), ("student_t", "revin"), ("negative_binomial", "none")],
)
@pytest.mark.parametrize("layout", ["plain", "both"])
def test_each_path_is_drawn_from_what_training_would_say_after_its_own_steps(
    cell: str, loss: str, scaling: str, layout: str
) -> None:
    config = config_of("deepar", cell=CELLS[cell], hidden_size=SIZES.get(cell, 5), loss=loss, scaling=scaling)
    network, batch, count = network_of(config, LAYOUTS[layout]), batch_of(LAYOUTS[layout]), 6
    paths = _paths(network, batch, count)
    assert paths.shape == (3 * batch.channels, H, count)
    # Each path as what came: teacher forcing gives the distributions that its steps were drawn from.
    draw, told, again = torch.Generator().manual_seed(0), loss_of(config), []
    each_path = [network.assess(_with_future(batch, paths[..., one])) for one in range(count)]
    by_path = torch.stack([one.unflatten(0, (-1, batch.channels)) for one in each_path], dim=1).flatten(0, 2)
    scale = batch.scale_R1.unflatten(0, (-1, batch.channels)).repeat_interleave(count, dim=0).flatten(0, 1)
    for step in range(H):
        again.append(told.sample(by_path[:, step : step + 1], scale, 1, draw)[..., 0])  # type: ignore[attr-defined]
    drawn = torch.cat(again, dim=1).unflatten(0, (-1, count, batch.channels))
    torch.testing.assert_close(paths, drawn.permute(0, 2, 3, 1).flatten(0, 1), rtol=1e-4, atol=1e-4)


def _with_future(batch: Batch, values_Rh: Tensor) -> Batch:
    values = values_Rh.unflatten(0, (-1, batch.channels)).transpose(1, 2)
    return dataclasses.replace(batch, future_NhF=torch.cat([values, torch.ones_like(values)], dim=2))


def test_paths_come_of_the_generator_alone() -> None:
    network, batch = network_of(_usual("deepar"), FULL), batch_of(FULL)
    torch.manual_seed(5)
    one = _paths(network, batch, 4)
    torch.manual_seed(6)
    assert torch.equal(one, _paths(network, batch, 4))
    assert not torch.equal(one, _paths(network, batch, 4, seed=1))


def test_other_networks_draw_no_paths() -> None:
    network, batch = network_of(_usual("steps")), batch_of()
    assert not network.draws_samples
    with pytest.raises(NotImplementedError):
        _paths(network, batch, 2)


def test_reversible_normalisation_changes_nothing_before_it_has_learnt() -> None:
    inputs = batch_of(FULL).inputs
    for name in NETWORKS:
        torch.manual_seed(0)
        plain = build(_usual(name), FULL).eval()
        torch.manual_seed(0)
        torch.testing.assert_close(build(_usual(name, scaling="revin"), FULL).eval()(inputs), plain(inputs))


@pytest.mark.parametrize("scaling", ["none", "revin"])
def test_plain_inputs_without_any_columns_are_read_as_values_alone(scaling: str) -> None:
    inputs = batch_of(PLAIN).inputs
    assert [part.shape[-1] for part in inputs] == [2, 0, 0, 0]
    assert network_of(_usual("steps", scaling=scaling))(inputs).shape == (3, H, 1)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"network": "deepar", "pooling": "attention"}, "pooling='attention' is of network='steps' or 'seq2seq'; got"),
        (
            {"network": "segments", "pooling": "attention"},
            "pooling='attention' is of network='steps' or 'seq2seq'; got",
        ),
        ({"network": "seq2seq", "decoder": "recursive"}, "decoder='recursive' is of network='steps'; got"),
        ({"network": "deepar", "loss": "mae"}, "network='deepar' learns a distribution"),
        ({"scaling": "revin", "loss": "poisson"}, "from which nothing is subtracted"),
    ],
)
def test_settings_of_other_networks_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(3, **settings)
    (problem,) = caught.value.problems
    assert expected in problem


def test_many_paths_are_drawn_of_a_few_windows_after_others(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = network_of(_usual("deepar"), FULL), batch_of(FULL, windows=5)
    monkeypatch.setattr(deepar, "PATHS_AT_ONCE", 9)  # two windows of four paths each at a time
    first_two, rest = [Inputs(*(part[at] for part in batch.inputs)) for at in (slice(0, 2), slice(2, 4))]
    draw = torch.Generator().manual_seed(0)
    parts = [network.sample_paths(one, batch.scale_R1[:4], 4, draw) for one in (first_two, rest)]
    paths = _paths(network, batch, 4)
    assert paths.shape == (10, H, 4)
    torch.testing.assert_close(paths[:8], torch.cat(parts))
