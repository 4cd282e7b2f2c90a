"""Which loss the settings name."""

from __future__ import annotations

from unrolled.forecast.config import Config
from unrolled.forecast.losses.base import Loss
from unrolled.forecast.losses.points import COSTS, PointLoss
from unrolled.forecast.losses.quantiles import QuantileLoss


def loss_of(config: Config) -> Loss:
    """Return the loss of resolved settings."""
    if config.loss == "quantile":
        return QuantileLoss(config.quantiles)
    return PointLoss(COSTS[config.loss])
