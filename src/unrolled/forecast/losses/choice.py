"""Which loss the settings name."""

from __future__ import annotations

from unrolled.forecast.config import Config
from unrolled.forecast.losses.base import DistributionLoss, Loss
from unrolled.forecast.losses.counts import NegativeBinomial, Poisson
from unrolled.forecast.losses.normal import Normal, StudentT
from unrolled.forecast.losses.points import COSTS, PointLoss
from unrolled.forecast.losses.quantiles import QuantileLoss
from unrolled.forecast.losses.tweedie import Tweedie

DISTRIBUTIONS: dict[str, type[DistributionLoss]] = {
    "normal": Normal,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
    "tweedie": Tweedie,
}


def loss_of(config: Config) -> Loss:
    """Return the loss of resolved settings."""
    if config.loss == "quantile":
        return QuantileLoss(config.quantiles)
    if config.loss in DISTRIBUTIONS:
        return DISTRIBUTIONS[config.loss]()
    return PointLoss(COSTS[config.loss])
