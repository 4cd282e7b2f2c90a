"""Tweedie's distribution of power 1.5, for demand that comes now and then: exact zeros, and amounts of any size.

It is the sum of a Poisson number of exponential amounts (Jorgensen 1987): with mean m and dispersion d the number has
the mean n = 2 sqrt(m) / d, each amount the mean m / n, and the variance is d m^1.5. Powers from 1 (counts of one size)
to 2 (no zeros) are all such sums; of those 1.5 alone, where the amounts are exponential, has a density without an
infinite series (Dunn and Smyth 2005), so that the dispersion can be learnt too, and intervals are exact.

Written in w = sqrt(value / amount) it is near a normal around sqrt(n) of variance 1/2, above a lump at 0 of exp(-n).
It is of the same kind in every unit, so the window's scale does not matter. The forecast is the mean. Shapes: R rows,
h horizon, Q outputs per step, L quantiles, M samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import DistributionLoss, Forecasts, positive, truth

LEAST_MEAN = 1e-6
LEAST_DISPERSION = 1e-3
"""Smallest mean and dispersion in the window's scale: with a mean of 0 any amount would be impossible."""

REACH = 9.0
"""So far from its middle, in w, the distribution has nothing left that float64 could tell."""

NODES_X, NODES_W = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(32))
"""Gauss and Legendre's nodes and weights, from -1 to 1."""

PerStep = Float[Tensor, "R h"]
Scale = Float[Tensor, "R 1"]


class Tweedie(DistributionLoss):
    """The compound of Poisson and gamma of power 1.5: its mean and its dispersion, which the network gives."""

    outputs = 2

    def costs(self, forecast: Forecasts, batch: Batch) -> PerStep:
        """Return the negative log-likelihood; at 0 that of a lump, elsewhere that of a density."""
        number_Rh, amount_Rh = _number_and_amount(forecast)
        values_Rh = truth(batch).clamp(min=0)  # what stands for a missing value may be anything
        zero_Rh = values_Rh == 0
        root_Rh = (torch.where(zero_Rh, 1.0, values_Rh) / amount_Rh).sqrt()
        density_Rh = _log_density(root_Rh, number_Rh) - (2 * amount_Rh * root_Rh).log()
        return torch.where(zero_Rh, number_Rh, -density_Rh)

    def point(self, forecast: Forecasts) -> PerStep:
        """Return the mean."""
        return positive(forecast[..., 0], LEAST_MEAN)

    def quantiles(self, forecast: Forecasts, scale: Scale, shares: Sequence[float]) -> Float[Tensor, "R h L"]:
        """Return the quantiles; 0 for shares that the lump at 0 holds."""
        number_Rh, amount_Rh = _number_and_amount(forecast)
        found = [amount_Rh * _root_of_quantile(number_Rh, share).square() for share in shares]
        return torch.stack(found, dim=2)

    def sample(
        self, forecast: Forecasts, scale: Scale, count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw values: a number of amounts each, whose sum is a gamma."""
        number_Rh, amount_Rh = _number_and_amount(forecast)
        number_RhM = torch.poisson(number_Rh[..., None].expand(-1, -1, count), generator)
        sum_RhM = torch._standard_gamma(number_RhM.clamp(min=1), generator=generator)
        return torch.where(number_RhM > 0, sum_RhM * amount_Rh[..., None], 0.0).to(forecast.dtype)


def _number_and_amount(forecast: Forecasts) -> tuple[PerStep, PerStep]:
    """Return the mean number of amounts, and their mean."""
    numbers = forecast.double()
    mean_Rh, dispersion_Rh = positive(numbers[..., 0], LEAST_MEAN), positive(numbers[..., 1], LEAST_DISPERSION)
    number_Rh = 2 * mean_Rh.sqrt() / dispersion_Rh
    return number_Rh, mean_Rh / number_Rh


def _log_density(root: Tensor, number: Tensor) -> Tensor:
    """Return the logarithm of the density of w, sqrt(value / amount), where it is above 0."""
    middle = number.sqrt()
    bessel: Tensor = torch.special.i1e(2 * root * middle)  # I1 times exp(-2 w sqrt(n)), which completes the square
    return math.log(2) + middle.log() - (root - middle).square() + bessel.log()


def _root_of_quantile(number_Rh: PerStep, share: float) -> PerStep:
    """Return w below which this share lies, by Newton's method between bounds that it narrows."""
    zero_Rh, middle_Rh = (-number_Rh).exp() >= share, number_Rh.sqrt()
    low_Rh, high_Rh = (middle_Rh - REACH).clamp(min=0), middle_Rh + REACH
    found_Rh = torch.minimum((middle_Rh + NormalDist().inv_cdf(share) / math.sqrt(2)).clamp(min=0.1), high_Rh)
    below_Rh = (-number_Rh).exp() + _mass(low_Rh, found_Rh, number_Rh, pieces=4)
    for _ in range(60):
        short_Rh = below_Rh < share
        low_Rh, high_Rh = torch.where(short_Rh, found_Rh, low_Rh), torch.where(short_Rh, high_Rh, found_Rh)
        step_Rh = (share - below_Rh) / _log_density(found_Rh, number_Rh).exp()
        next_Rh = found_Rh + step_Rh
        inside_Rh = (next_Rh > low_Rh) & (next_Rh < high_Rh)
        next_Rh = torch.where(inside_Rh, next_Rh, 0.5 * (low_Rh + high_Rh))
        below_Rh = below_Rh + _mass(found_Rh, next_Rh, number_Rh)
        moved_Rh, found_Rh = (next_Rh - found_Rh).abs(), next_Rh
        if (zero_Rh | (moved_Rh < 1e-10)).all():
            break
    return torch.where(zero_Rh, 0.0, found_Rh)


def _mass(begin_Rh: PerStep, end_Rh: PerStep, number_Rh: PerStep, pieces: int = 1) -> PerStep:
    """Return the share of the distribution between two w, by Gauss and Legendre's rule on equal pieces."""
    half_Rh1 = 0.5 * (end_Rh - begin_Rh)[..., None] / pieces
    total_Rh = torch.zeros_like(begin_Rh)
    for piece in range(pieces):
        root = begin_Rh[..., None] + half_Rh1 * (2 * piece + 1 + NODES_X.to(begin_Rh.device))
        density = _log_density(root.clamp(min=1e-150), number_Rh[..., None]).exp()
        total_Rh = total_Rh + (half_Rh1 * NODES_W.to(begin_Rh.device) * density).sum(dim=2)
    return total_Rh
