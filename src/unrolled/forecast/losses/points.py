"""Losses of one number a step: the mean over observed points of what one forecast costs.

Shapes: R rows, h horizon, Q outputs per step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import Forecasts, Loss


class PointLoss(Loss):
    """The cost of the error alone."""

    def __init__(self, cost: Callable[[Tensor], Tensor]) -> None:
        self._cost = cost

    def costs(self, forecast: Forecasts, batch: Batch) -> Float[Tensor, "R h"]:
        """Return what each error costs."""
        return self._cost(batch.targets_Rh - forecast[..., 0])

    def point(self, forecast: Forecasts) -> Float[Tensor, "R h"]:
        """Return the one number."""
        return forecast[..., 0]


def huber(error: Tensor) -> Tensor:
    """Huber (1964) with its corner at one scaled unit."""
    size = error.abs()
    return torch.where(size <= 1, 0.5 * size.square(), size - 0.5)


COSTS: dict[str, Callable[[Tensor], Tensor]] = {"mae": torch.abs, "mse": torch.square, "huber": huber}
