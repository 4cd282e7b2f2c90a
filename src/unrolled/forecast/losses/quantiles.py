"""The quantile loss (Koenker and Bassett 1978): a network learns several quantiles of each step at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import Forecasts, Loss


class QuantileLoss(Loss):
    """The mean over the quantiles of the pinball loss."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        self.levels = tuple(quantiles)
        self.outputs = len(self.levels)
        self.middle = self.levels.index(0.5)

    def costs(self, forecast: Forecasts, batch: Batch) -> Float[Tensor, "R h"]:
        """Return the pinball loss of each step."""
        levels_Q = forecast.new_tensor(self.levels)
        error_RhQ = batch.targets_Rh[..., None] - forecast
        return torch.maximum(levels_Q * error_RhQ, (levels_Q - 1) * error_RhQ).mean(2)

    def point(self, forecast: Forecasts) -> Float[Tensor, "R h"]:
        """Return the median."""
        return forecast[..., self.middle]
