"""What a loss is: how many numbers a step it asks of a network, what they cost, and what they say of the value.

Shapes: R rows (a target of a window each), h horizon, Q outputs per step, L quantiles, M samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from unrolled.forecast.batch import Batch

Forecasts = Float[Tensor, "R h Q"]


class Loss(ABC):
    """A training loss, and the reading of a network trained with it; all in the scale of the window.

    outputs: how many numbers for each step the network gives.
    """

    outputs: int = 1

    @abstractmethod
    def costs(self, forecast: Forecasts, batch: Batch) -> Float[Tensor, "R h"]:
        """Return what each step's forecast costs; of a missing target any finite number."""

    @abstractmethod
    def point(self, forecast: Forecasts) -> Float[Tensor, "R h"]:
        """Return the forecast itself: the value that the loss is about."""

    def __call__(self, forecast: Forecasts, batch: Batch) -> Tensor:
        """Return the mean cost over observed steps; a batch with nothing observed costs 0 and has no gradient."""
        # A missing target is a filled value here, never NaN: 0 x NaN would poison the sum and its gradient.
        observed_Rh = batch.observed_Rh
        return (self.costs(forecast, batch) * observed_Rh).sum() / observed_Rh.sum().clamp(min=1)


class DistributionLoss(Loss):
    """A loss whose network gives a distribution for each step: it has quantiles, and can be drawn from.

    `scale` is that of the windows, for distributions of counts, which are not the same at another scale.
    """

    @abstractmethod
    def quantiles(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], shares: Sequence[float]
    ) -> Float[Tensor, "R h L"]:
        """Return the values below which these shares lie, rising with the share."""

    @abstractmethod
    def sample(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw values, independently for each step."""
