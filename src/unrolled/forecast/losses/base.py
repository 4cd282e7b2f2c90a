"""What a loss is: how many numbers a step it asks of a network, what they cost, and what they say of the value.

A network's numbers and all that is read from them are in the scale of the window. Three kinds: a loss of one number,
the forecast itself; one that learns several quantiles; one that learns a whole distribution, which has any quantile
and can be drawn from.

Shapes: R rows (a target of a window each), h horizon, Q outputs per step, L quantiles, M samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from unrolled.forecast.batch import Batch

Forecasts = Float[Tensor, "R h Q"]

LEAST_MEAN = 1e-6
"""Smallest mean of an amount in the window's scale: with a mean of 0 any but 0 would be impossible."""


class Loss(ABC):
    """A training loss, and the reading of a network trained with it; all in the scale of the window.

    outputs: how many numbers for each step the network gives.
    locations: how many of them, the first ones, are values themselves, to which a baseline may be added: all quantiles;
        the centre of a distribution but not its width; nothing of a count's, which passes a nonlinearity first.
    """

    outputs: int = 1
    locations: int = 1

    @abstractmethod
    def costs(self, forecast: Forecasts, batch: Batch) -> Float[Tensor, "R h"]:
        """Return what each step's forecast costs; of a missing target any finite number."""

    @abstractmethod
    def point(self, forecast: Forecasts) -> Float[Tensor, "R h"]:
        """Return the forecast itself: the value that the loss is about."""

    def moved(self, forecast: Forecasts, location: Float[Tensor, "R 1"], scale: Float[Tensor, "R 1"]) -> Forecasts:
        """Return the numbers that tell of location + scale x value, where `forecast` tells of the value.

        The scale is above 0.
        """
        return forecast * scale[..., None] + location[..., None]

    def __call__(self, forecast: Forecasts, batch: Batch) -> Tensor:
        """Return the mean cost over observed steps; a batch with nothing observed costs 0 and has no gradient.

        A forecast of more steps than the horizon's is of the window's last ones besides.
        """
        batch = batch.to_forecast(forecast.shape[1])
        # A missing target is a filled value here, never NaN: 0 x NaN would poison the sum and its gradient.
        observed_Rh = batch.observed_Rh
        return (self.costs(forecast, batch) * observed_Rh).sum() / observed_Rh.sum().clamp(min=1)


class SpreadLoss(Loss):
    """A loss whose network tells quantiles of each step, so that intervals need no held-out errors."""

    @abstractmethod
    def quantiles(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], shares: Sequence[float]
    ) -> Float[Tensor, "R h L"]:
        """Return the values below which these shares lie, rising with the share, in float64.

        Args:
            forecast: the network's numbers.
            scale: that of the windows, for distributions of counts, which are not the same at another scale.
            shares: rising, each between 0 and 1.
        """


class DistributionLoss(SpreadLoss):
    """A loss whose network gives a distribution for each step: it has every quantile, and can be drawn from.

    Costs are the negative logarithm of the likelihood, computed in float64: what a network says before it has learnt
    anything, and counts of millions, would lose all their digits or overflow in float32.
    """

    @abstractmethod
    def sample(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw `count` values, independently for each step, in the forecast's type.

        The generator lives on the device of the forecast.
        """


class AmountLoss(DistributionLoss):
    """The distribution of an amount from 0 up, whose mean the network's first number makes.

    The forecast is the mean: the median of what is seldom sold is 0 at every step, and says nothing of how much to
    expect.
    """

    locations = 0

    def point(self, forecast: Forecasts) -> Float[Tensor, "R h"]:
        """Return the mean."""
        return positive(forecast[..., 0], LEAST_MEAN)


def positive(raw: Tensor, least: float) -> Tensor:
    """Return numbers above `least`, rising with `raw`: softplus, so that any output of a network will do."""
    return functional.softplus(raw) + least


def spread_times(raw: Tensor, scale: Tensor) -> Tensor:
    """Return the number whose softplus is `scale` times that of `raw`."""
    size = (functional.softplus(raw) * scale).clamp(min=1e-12)  # below it neither number nor gradient means anything
    return size + torch.log(-torch.expm1(-size))


def truth(batch: Batch) -> Float[Tensor, "R h"]:
    """Return the values to forecast in float64, scaled."""
    return batch.targets_Rh.double()
