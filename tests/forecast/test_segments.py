"""The network of pieces: held to loops in NumPy, and to what must be true of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from network_batches import FULL, LAYOUTS, H, T, batch_of, config_of, network_of
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import PLAIN, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks import build


def _weights(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _gru_step(w: dict[str, np.ndarray], x: np.ndarray, h: np.ndarray) -> np.ndarray:
    a = w["encoder.weight_ih_l0"] @ x + w["encoder.bias_ih_l0"]
    b = w["encoder.weight_hh_l0"] @ h + w["encoder.bias_hh_l0"]
    (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
    r, z = _sigmoid(ar + br), _sigmoid(az + bz)
    return (1 - z) * np.tanh(an + r * bn) + z * h


def _by_hand(w: dict[str, np.ndarray], values: np.ndarray, seen: np.ndarray, config: Config) -> np.ndarray:
    """Return the h steps after one window, by loops over steps and pieces."""
    piece, season, length = config.segment or 1, config.season or 1, len(values)
    numbers = [(0.0, 0.0)] * (-length % piece) + list(zip(values, seen, strict=True))
    h = np.zeros(config.hidden_size)
    for begin in range(0, len(numbers), piece):
        flat = np.array(numbers[begin : begin + piece]).ravel()
        embedded = np.maximum(w["embedding.0.weight"] @ flat + w["embedding.0.bias"], 0)
        h = _gru_step(w, embedded, h)
    forecast = []
    for place in w["places"]:
        read = _gru_step(w, place, h)
        logits = w["copies.weight"] @ read + w["copies.bias"]
        weights = np.exp(logits) / np.exp(logits).sum()
        for correction in w["head.weight"] @ read + w["head.bias"]:
            phase = len(forecast) % season
            ago = [values[-1], *(values[length - k * season + phase] for k in range(1, length // season + 1))]
            forecast.append(weights @ ago + correction)
    return np.array(forecast[: config.h])


@pytest.mark.parametrize("segment", [1, 2, 4, 5])  # 4 and 5 divide neither the window nor the horizon
@pytest.mark.parametrize("season", [1, 2, 3])
def test_a_forecast_is_what_loops_give(segment: int, season: int) -> None:
    config = config_of("segments", cell="GRU", segment=segment, season=season)
    batch, network = batch_of(), network_of(config).double()
    inputs = type(batch.inputs)(*(part.double() for part in batch.inputs))
    with torch.inference_mode():
        forecast = network(inputs)[..., 0].numpy()
    for past, row in zip(inputs.past_NTF.numpy(), forecast, strict=True):
        np.testing.assert_allclose(row, _by_hand(_weights(network), past[:, 0], past[:, 1], config), rtol=1e-9)


@pytest.mark.parametrize("season", [1, 2, 3, 6])
@pytest.mark.parametrize("loss", ["mae", "quantile", "normal"])
def test_before_any_training_it_forecasts_nearly_as_seasonal_naive(season: int, loss: str) -> None:
    config, batch = config_of("segments", season=season, loss=loss), batch_of()
    point = loss_of(config).point(build(config)(batch.inputs))
    values = batch.inputs.past_NTF[..., 0]
    expected = torch.stack([values[:, T - season + step % season] for step in range(H)], dim=1)
    torch.testing.assert_close(point, expected, rtol=0, atol=0.02)  # of values between 0.5 and 1.5


def test_a_window_shorter_than_a_season_continues_its_last_value() -> None:
    config, batch = config_of("segments", season=T + 1), batch_of()
    expected = batch.inputs.past_NTF[:, -1:, 0].expand(-1, H)
    torch.testing.assert_close(build(config)(batch.inputs)[..., 0], expected)


def test_the_width_of_a_distribution_copies_nothing() -> None:
    config, batch = config_of("segments", loss="normal"), batch_of()
    assert build(config)(batch.inputs)[..., 1:].abs().max() == 0


CELLS: dict[str, dict[str, Any]] = {
    "LSTM": {"cell": "LSTM"},
    "RNN, two layers": {"cell": "RNN", "num_layers": 2, "dropout": 0.3},
    "two widths": {"cell": "GRU", "hidden_size": [5, 3]},
    "options": {"cell": {"type": "LSTM", "peephole": True, "layer_norm": True, "proj_size": 3}},
    "stack": {"cell": ["GRU", {"type": "LSTM", "coupled_gates": True}], "hidden_size": [5, 3]},
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["mae", "quantile", "student_t", "poisson"])
def test_every_cell_layout_and_loss_has_its_shape_and_gradients(cell: str, layout: str, loss: str) -> None:
    config = config_of("segments", loss=loss, **CELLS[cell])
    columns = LAYOUTS[layout]
    batch, network = batch_of(columns), network_of(config, columns)
    with torch.no_grad():
        network.embedding[0].bias.add_(3.0)  # so few units could all be 0 otherwise
    forecast = network(batch.inputs)
    assert forecast.shape == (3 * columns.channels, H, loss_of(config).outputs)
    loss_of(config)(network.train().teach(batch), batch).backward()  # type: ignore[no-untyped-call]
    without = {name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()}
    assert without == (set() if loss_of(config).locations else {"copies.weight", "copies.bias"})


def _changed(batch: Batch, **parts: torch.Tensor) -> Batch:
    return dataclasses.replace(batch, inputs=batch.inputs._replace(**parts))


def test_the_future_is_never_seen_and_what_is_known_of_it_matters() -> None:
    network, batch = network_of(config_of("segments"), FULL), batch_of(FULL)
    forecast = network.teach(batch)
    assert torch.equal(network.teach(dataclasses.replace(batch, future_NhF=9 * batch.future_NhF)), forecast)
    known = batch.inputs.known_NWK.clone()
    known[:, -1, 1] += 1
    assert not torch.equal(network(_changed(batch, known_NWK=known).inputs), forecast)


@pytest.mark.parametrize("layout", [PLAIN, FULL], ids=["plain", "full"])
def test_windows_do_not_know_of_each_other(layout: Layout) -> None:
    network, batch = network_of(config_of("segments"), layout), batch_of(layout)
    alone = network(type(batch.inputs)(*(part[1:2] for part in batch.inputs)))
    both = slice(layout.channels, 2 * layout.channels)
    torch.testing.assert_close(network(batch.inputs)[both], alone)
