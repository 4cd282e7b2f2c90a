from __future__ import annotations

import numpy as np
import pytest
import torch

from unrolled.forecast.config import Config
from unrolled.forecast.losses import loss_function

POINT = {
    "mae": lambda e: np.abs(e),
    "mse": lambda e: e**2,
    "huber": lambda e: np.where(np.abs(e) <= 1, 0.5 * e**2, np.abs(e) - 0.5),
}


def _data(outputs: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    forecast = 2 * torch.randn(5, 7, outputs, generator=draw)
    target = torch.randn(5, 7, generator=draw)
    return forecast, target, (torch.rand(5, 7, generator=draw) > 0.3).float()


@pytest.mark.parametrize("name", POINT)
def test_point_losses_are_means_over_observed_points(name: str) -> None:
    forecast, target, observed = _data(1)
    error = (target - forecast[..., 0]).double().numpy()[observed.numpy() == 1]
    loss = loss_function(Config(7, loss=name))(forecast, target, observed)
    assert loss.item() == pytest.approx(POINT[name](error).mean(), rel=1e-5)


def test_quantile_loss_is_the_mean_pinball_loss() -> None:
    quantiles = (0.1, 0.5, 0.8)
    forecast, target, observed = _data(3)
    seen = observed.numpy() == 1
    cost = []
    for number, q in enumerate(quantiles):
        error = (target - forecast[..., number]).double().numpy()[seen]
        cost.append(np.where(error >= 0, q * error, (q - 1) * error))
    loss = loss_function(Config(7, loss="quantile", quantiles=quantiles))(forecast, target, observed)
    assert loss.item() == pytest.approx(np.mean(cost), rel=1e-5)


def test_the_quantile_loss_is_least_at_the_quantile() -> None:
    sample = torch.arange(101.0)
    loss = loss_function(Config(1, loss="quantile", quantiles=(0.2, 0.5)))
    costs = [loss(torch.full((101, 1, 2), float(g)), sample[:, None], torch.ones(101, 1)).item() for g in range(101)]
    low = loss_function(Config(1, loss="quantile", quantiles=(0.2, 0.5)))
    at = [
        low(torch.tensor([[[float(g), 50.0]]]).expand(101, 1, 2), sample[:, None], torch.ones(101, 1))
        for g in range(101)
    ]
    assert int(torch.stack(at).argmin()) == 20
    assert int(np.argmin(costs)) in range(20, 51)


@pytest.mark.parametrize("name", [*POINT, "quantile"])
def test_missing_points_give_no_loss_and_no_gradient(name: str) -> None:
    config = Config(7, loss=name)
    forecast, target, observed = _data(len(config.quantiles) if name == "quantile" else 1)
    forecast.requires_grad_()
    loss_function(config)(forecast, target, observed).backward()
    assert forecast.grad is not None
    assert (forecast.grad[observed == 0] == 0).all()
    assert (forecast.grad[observed == 1] != 0).any()


def test_a_batch_with_nothing_observed_costs_nothing() -> None:
    forecast, target, observed = _data(1)
    assert loss_function(Config(7))(forecast, target, 0 * observed).item() == 0
