"""Distributions around a location: the normal, and Student's t for values that stray farther.

A network gives the location, which is the forecast, and the spread; for Student's t the degrees of freedom besides.
Shapes: R rows, h horizon, Q outputs per step, L quantiles, M samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import DistributionLoss, Forecasts, positive, spread_times, truth
from unrolled.forecast.losses.student import log_gamma_half_step, t_quantile

LEAST_SPREAD = 1e-4
"""Smallest spread in the window's scale: a series that can be foretold exactly must not drive it to zero."""

LEAST_FREEDOM = 2.01
"""Above 2, so that the variance exists."""

PerStep = Float[Tensor, "R h"]


class _Located(DistributionLoss):
    """A distribution whose first number is its location, the forecast, and whose second is its spread."""

    def point(self, forecast: Forecasts) -> PerStep:
        """Return the location."""
        return forecast[..., 0]

    def moved(self, forecast: Forecasts, location: Float[Tensor, "R 1"], scale: Float[Tensor, "R 1"]) -> Forecasts:
        """Return the numbers of location + scale x value; the shape stays."""
        middle_Rh, raw_Rh = forecast[..., 0] * scale + location, spread_times(forecast[..., 1], scale)
        return torch.cat([middle_Rh[..., None], raw_Rh[..., None], forecast[..., 2:]], dim=2)


class Normal(_Located):
    """The normal distribution: its location, which is mean and median, and its standard deviation."""

    outputs = 2

    def costs(self, forecast: Forecasts, batch: Batch) -> PerStep:
        """Return the negative log-likelihood."""
        spread_Rh = _spread(forecast.double())
        strays_Rh = (truth(batch) - forecast[..., 0]) / spread_Rh
        return 0.5 * strays_Rh.square() + spread_Rh.log() + 0.5 * math.log(2 * math.pi)

    def quantiles(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], shares: Sequence[float]
    ) -> Float[Tensor, "R h L"]:
        """Return the quantiles."""
        strays_L = forecast.new_tensor([NormalDist().inv_cdf(share) for share in shares], dtype=torch.float64)
        return _around(forecast, strays_L)

    def sample(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw values."""
        return _around(forecast, _normal_draws(forecast, count, generator)).to(forecast.dtype)


class StudentT(_Located):
    """Student's t: its location, which is mean and median, its scale, and its degrees of freedom, above 2."""

    outputs = 3

    def costs(self, forecast: Forecasts, batch: Batch) -> PerStep:
        """Return the negative log-likelihood."""
        spread_Rh, freedom_Rh = _spread(forecast.double()), self._freedom(forecast)
        strays_Rh = (truth(batch) - forecast[..., 0]) / spread_Rh
        tail_Rh = 0.5 * (freedom_Rh + 1) * torch.log1p(strays_Rh.square() / freedom_Rh)
        norm_Rh = log_gamma_half_step(0.5 * freedom_Rh) - 0.5 * (math.pi * freedom_Rh).log()
        return tail_Rh + spread_Rh.log() - norm_Rh

    def quantiles(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], shares: Sequence[float]
    ) -> Float[Tensor, "R h L"]:
        """Return the quantiles."""
        freedom_Rh = self._freedom(forecast)
        return _around(forecast, torch.stack([t_quantile(share, freedom_Rh) for share in shares], dim=2))

    def sample(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw values: normal ones, each divided by a spread of its own."""
        freedom_RhM = self._freedom(forecast)[..., None].expand(-1, -1, count)
        precision_RhM = torch._standard_gamma(0.5 * freedom_RhM, generator=generator) / (0.5 * freedom_RhM)
        strays_RhM = _normal_draws(forecast, count, generator) / precision_RhM.sqrt()
        return _around(forecast, strays_RhM).to(forecast.dtype)

    def _freedom(self, forecast: Forecasts) -> PerStep:
        return positive(forecast[..., 2].double(), LEAST_FREEDOM)


def _spread(forecast: Forecasts) -> PerStep:
    return positive(forecast[..., 1], LEAST_SPREAD)


def _around(forecast: Forecasts, strays: Tensor) -> Tensor:
    """Return the location plus so many spreads."""
    numbers = forecast.double()
    return numbers[..., :1] + _spread(numbers)[..., None] * strays


def _normal_draws(forecast: Forecasts, count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*forecast.shape[:2], count, generator=generator, device=forecast.device, dtype=torch.float64)
