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

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import LEAST_MEAN, AmountLoss, Forecasts, positive, truth

LEAST_DISPERSION = 1e-3
"""Smallest dispersion in the window's scale."""

REACH = 9.0
"""So far from its middle, in w, the distribution has nothing left that float64 could tell."""

NODES_X, NODES_W = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(32))
"""Gauss and Legendre's nodes and weights, from -1 to 1."""

FloatArray = NDArray[np.float64]
PerStep = Float[Tensor, "R h"]
Scale = Float[Tensor, "R 1"]


class Tweedie(AmountLoss):
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

    def quantiles(self, forecast: Forecasts, scale: Scale, shares: Sequence[float]) -> Float[Tensor, "R h L"]:
        """Return the quantiles; 0 for shares that the lump at 0 holds."""
        number_Rh, amount_Rh = _number_and_amount(forecast)
        found = torch.stack([amount_Rh * _in_amounts(share, number_Rh) for share in shares], dim=2)
        return found.cummax(dim=2).values  # rounding must not let two cross

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


def _in_amounts(share: float, number_Rh: PerStep) -> PerStep:
    """Return the quantile in units of the mean amount: a smooth function of sqrt(number), 0 where the lump holds it.

    Solved for at the nodes of a Chebyshev polynomial once, and read off that.
    """
    middle_Rh = number_Rh.sqrt()
    beyond_Rh = (middle_Rh - math.sqrt(-math.log(share))).clamp(min=0)
    found = _by_middle(share)((beyond_Rh / (1 + beyond_Rh)).cpu().numpy())
    quantile_Rh = torch.as_tensor(found, device=number_Rh.device) * (1 + number_Rh)
    return torch.where(beyond_Rh > 0, quantile_Rh, 0.0).clamp(min=0)


@functools.lru_cache(maxsize=256)
def _by_middle(share: float) -> Chebyshev:
    """Return the quantile of a share beside 1 + number, as a function of t: sqrt(number) is t / (1 - t) from where
    the lump at 0 no longer holds that share.
    """
    lump = math.sqrt(-math.log(share))

    def solved(t: FloatArray) -> FloatArray:
        number = (lump + torch.from_numpy(t / (1 - t))).square()
        found: FloatArray = (_root_of_quantile(share, number).square() / (1 + number)).numpy()
        return found

    return Chebyshev.interpolate(solved, 80, domain=[0, 1])


def _root_of_quantile(share: float, number: Tensor) -> Tensor:
    """Return w below which this share lies, for each number, by Newton's method between bounds that it narrows."""
    middle = number.sqrt()
    low, high = (middle - REACH).clamp(min=0), middle + REACH
    found = torch.minimum((middle + NormalDist().inv_cdf(share) / math.sqrt(2)).clamp(min=0.1), high)
    below = (-number).exp() + _mass(low, found, number, pieces=4)
    for _ in range(60):
        low, high = torch.where(below < share, found, low), torch.where(below < share, high, found)
        after = found + (share - below) / _log_density(found, number).exp()
        after = torch.where((after > low) & (after < high), after, 0.5 * (low + high))
        below, found = below + _mass(found, after, number), after
    return found


def _mass(begin: Tensor, end: Tensor, number: Tensor, pieces: int = 1) -> Tensor:
    """Return the share of the distribution between two w, by Gauss and Legendre's rule on equal pieces."""
    half = 0.5 * (end - begin)[:, None] / pieces
    total = torch.zeros_like(begin)
    for piece in range(pieces):
        root = begin[:, None] + half * (2 * piece + 1 + NODES_X)
        total = total + (half * NODES_W * _log_density(root.clamp(min=1e-150), number[:, None]).exp()).sum(dim=1)
    return total
