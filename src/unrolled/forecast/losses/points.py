"""Losses of one number a step: the mean over observed points of what one forecast costs.

Each is about another value: the absolute ones about the median, the squared one about the mean. Shapes: R rows, h
horizon, Q outputs per step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import Forecasts, Loss

PerStep = Float[Tensor, "R h"]

LEAST_SIZE = 0.1
"""The size, in the window's scale, below which sMAPE counts no value as smaller: its gradient has no end at zero."""

LARGEST_UNIT = 100.0
"""MASE counts an error in the scale of its window as at most so many mean seasonal changes: those of a series that
hardly changes from one season to the next would drown all others'."""


class PointLoss(Loss):
    """What one number costs beside what came."""

    def __init__(self, cost: Callable[[Tensor, Batch], Tensor]) -> None:
        self._cost = cost

    def costs(self, forecast: Forecasts, batch: Batch) -> PerStep:
        """Return what each forecast costs."""
        return self._cost(forecast[..., 0], batch)

    def point(self, forecast: Forecasts) -> PerStep:
        """Return the one number."""
        return forecast[..., 0]


def mae(forecast_Rh: PerStep, batch: Batch) -> PerStep:
    """Return the absolute error: least at the median."""
    return (batch.targets_Rh - forecast_Rh).abs()


def mse(forecast_Rh: PerStep, batch: Batch) -> PerStep:
    """Return the squared error: least at the mean."""
    return (batch.targets_Rh - forecast_Rh).square()


def huber(forecast_Rh: PerStep, batch: Batch) -> PerStep:
    """Return the loss of Huber (1964) with its corner at one scaled unit: between median and mean."""
    size_Rh = mae(forecast_Rh, batch)
    return torch.where(size_Rh <= 1, 0.5 * size_Rh.square(), size_Rh - 0.5)


def smape(forecast_Rh: PerStep, batch: Batch) -> PerStep:
    """Return 2 |y - f| / (|y| + |f|) of the values themselves (Makridakis 1993), from 0 to 2.

    The divisor is at least `LEAST_SIZE` in the window's scale.
    """
    level_R1 = batch.location_R1 / batch.scale_R1
    size_Rh = (_size(batch.targets_Rh, level_R1) + _size(forecast_Rh, level_R1)).clamp(min=LEAST_SIZE)
    return (2 * mae(forecast_Rh, batch) / size_Rh).to(forecast_Rh.dtype)


def _size(scaled_Rh: PerStep, level_R1: Tensor) -> Tensor:
    """Return the sizes of the values before scaling, in the window's scale."""
    return (scaled_Rh.double() + level_R1).abs()


def mase(forecast_Rh: PerStep, batch: Batch) -> PerStep:
    """Return the absolute error in units of the series' mean change over a season (Hyndman and Koehler 2006).

    One scaled unit counts as at most `LARGEST_UNIT` of those.
    """
    units_R1 = (batch.scale_R1 / batch.unit_R1).clamp(max=LARGEST_UNIT)
    return mae(forecast_Rh, batch) * units_R1.to(forecast_Rh.dtype)


COSTS: dict[str, Callable[[Tensor, Batch], Tensor]] = {
    "mae": mae,
    "mse": mse,
    "huber": huber,
    "smape": smape,
    "mase": mase,
}
