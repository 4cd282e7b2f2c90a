"""Distributions of counts: Poisson's, and the negative binomial for counts that vary more than that.

Counts are not the same at another scale, so both are of the data's own units: their mean is the window's scale times
what the network gives. Shapes: R rows, h horizon, Q outputs per step, L quantiles, M samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import LEAST_MEAN, AmountLoss, Forecasts, positive, truth
from unrolled.forecast.losses.beta import incomplete_beta

LARGEST_MEAN = 1e15
"""Largest mean of what is drawn or read off: beyond it float64 has no whole numbers."""

LEAST_SHAPE = 1e-8
"""Smallest shape of a negative binomial: there it is Poisson's to all digits."""

PerStep = Float[Tensor, "R h"]
Scale = Float[Tensor, "R 1"]
Samples = Float[Tensor, "R h M"]
Quantiles = Float[Tensor, "R h L"]


class Poisson(AmountLoss):
    """Poisson's distribution: its mean, which is its variance too."""

    outputs = 1

    def costs(self, forecast: Forecasts, batch: Batch) -> PerStep:
        """Return the negative log-likelihood of the counts."""
        return _poisson_cost(_counts(batch), _mean(forecast, batch.scale_R1))

    def quantiles(self, forecast: Forecasts, scale: Scale, shares: Sequence[float]) -> Quantiles:
        """Return the smallest counts that are exceeded in no more than the rest of cases, in the window's scale."""
        mean_Rh = _mean(forecast, scale).clamp(max=LARGEST_MEAN)
        spread = _Spread(
            mean_Rh,
            mean_Rh.sqrt(),
            share_up_to=lambda counts_Rh: torch.special.gammaincc(counts_Rh + 1, mean_Rh),
            share_of=lambda counts_Rh: (-_poisson_cost(counts_Rh, mean_Rh)).exp(),
        )
        return spread.smallest_counts(shares) / scale.double()[..., None]

    def sample(self, forecast: Forecasts, scale: Scale, count: int, generator: torch.Generator) -> Samples:
        """Draw counts, in the window's scale."""
        mean_RhM = _mean(forecast, scale).clamp(max=LARGEST_MEAN)[..., None].expand(-1, -1, count)
        return (torch.poisson(mean_RhM, generator) / scale.double()[..., None]).to(forecast.dtype)


class NegativeBinomial(AmountLoss):
    """The negative binomial with the mean m and the shape a of Salinas et al. (2020): its variance is m + a m².

    The network gives m in the window's scale, and a times the root of that scale: an item that sells a hundred times
    as much varies less beside its mean.
    """

    outputs = 2

    def costs(self, forecast: Forecasts, batch: Batch) -> PerStep:
        """Return the negative log-likelihood of the counts."""
        scale_R1 = batch.scale_R1
        return _binomial_cost(_counts(batch), _mean(forecast, scale_R1), _shape(forecast, scale_R1))

    def quantiles(self, forecast: Forecasts, scale: Scale, shares: Sequence[float]) -> Quantiles:
        """Return the smallest counts that are exceeded in no more than the rest of cases, in the window's scale."""
        mean_Rh, shape_Rh = _mean(forecast, scale).clamp(max=LARGEST_MEAN), _shape(forecast, scale)
        spread = _Spread(
            mean_Rh,
            (mean_Rh + shape_Rh * mean_Rh.square()).sqrt(),
            share_up_to=lambda counts_Rh: incomplete_beta(1 / shape_Rh, counts_Rh + 1, 1 / (1 + shape_Rh * mean_Rh)),
            share_of=lambda counts_Rh: (-_binomial_cost(counts_Rh, mean_Rh, shape_Rh)).exp(),
        )
        return spread.smallest_counts(shares) / scale.double()[..., None]

    def sample(self, forecast: Forecasts, scale: Scale, count: int, generator: torch.Generator) -> Samples:
        """Draw counts, in the window's scale: Poisson's, each with a mean of its own drawn from a gamma."""
        rest_RhM = (1 / _shape(forecast, scale))[..., None].expand(-1, -1, count)
        gamma_RhM = torch._standard_gamma(rest_RhM, generator=generator) / rest_RhM
        mean_RhM = (gamma_RhM * _mean(forecast, scale)[..., None]).clamp(max=LARGEST_MEAN)
        return (torch.poisson(mean_RhM, generator) / scale.double()[..., None]).to(forecast.dtype)


def _mean(forecast: Forecasts, scale: Scale) -> PerStep:
    return positive(forecast[..., 0].double(), LEAST_MEAN) * scale.double()


def _shape(forecast: Forecasts, scale: Scale) -> PerStep:
    return positive(forecast[..., 1].double(), 0) / scale.double().sqrt() + LEAST_SHAPE


def _counts(batch: Batch) -> PerStep:
    """Return the counts as they were: scaling to float32 and back leaves them a little beside whole numbers.

    What stands for a missing count may be anything that was scaled, and is made one.
    """
    return (truth(batch) * batch.scale_R1.double()).round().clamp(min=0)


def _poisson_cost(counts_Rh: PerStep, mean_Rh: PerStep) -> PerStep:
    return mean_Rh - counts_Rh * mean_Rh.log() + torch.lgamma(counts_Rh + 1)


def _binomial_cost(counts_Rh: PerStep, mean_Rh: PerStep, shape_Rh: PerStep) -> PerStep:
    rest_Rh, odds_Rh = 1 / shape_Rh, shape_Rh * mean_Rh
    ways_Rh = torch.lgamma(counts_Rh + rest_Rh) - torch.lgamma(rest_Rh) - torch.lgamma(counts_Rh + 1)
    return (counts_Rh + rest_Rh) * torch.log1p(odds_Rh) - counts_Rh * odds_Rh.log() - ways_Rh


@dataclass(frozen=True)
class _Spread:
    """Distributions of counts: mean and standard deviation, and what share of each lies up to and at a count."""

    mean_Rh: PerStep
    deviation_Rh: PerStep
    share_up_to: Callable[[PerStep], PerStep]
    share_of: Callable[[PerStep], PerStep]

    def smallest_counts(self, shares: Sequence[float]) -> Quantiles:
        """Return for each share the smallest count with at least that share of the distribution up to it."""
        found = torch.stack([self._smallest_count(share) for share in shares], dim=2)
        return found.cummax(dim=2).values  # rounding of the shares must not let two cross

    def _smallest_count(self, share: float) -> PerStep:
        """Search from a guess outward in doubling steps, then halve what lies between.

        Of counts beyond 1e12 no more than 12 digits are looked for. Where the shares are no numbers the count is none
        either; there the search ends at 0.
        """

        def enough(counts_Rh: PerStep) -> Tensor:
            return (counts_Rh >= 0) & ~(self.share_up_to(counts_Rh.clamp(min=0)) < share)

        high_Rh = self._guess(share).nan_to_num(0.0, posinf=LARGEST_MEAN)
        low_Rh = high_Rh - 1
        step_Rh = (1e-6 * high_Rh).ceil().clamp(min=1)
        while (short_Rh := ~enough(high_Rh)).any():
            low_Rh, high_Rh = torch.where(short_Rh, high_Rh, low_Rh), torch.where(short_Rh, high_Rh + step_Rh, high_Rh)
            step_Rh = 2 * step_Rh
        step_Rh = (1e-6 * high_Rh).ceil().clamp(min=1)
        while (long_Rh := enough(low_Rh)).any():
            high_Rh, low_Rh = torch.where(long_Rh, low_Rh, high_Rh), torch.where(long_Rh, low_Rh - step_Rh, low_Rh)
            step_Rh = 2 * step_Rh
        while (high_Rh - low_Rh > (1e-12 * high_Rh).clamp(min=1)).any():
            middle_Rh = ((low_Rh + high_Rh) / 2).floor()
            enough_Rh = enough(middle_Rh)
            low_Rh, high_Rh = torch.where(enough_Rh, low_Rh, middle_Rh), torch.where(enough_Rh, middle_Rh, high_Rh)
        return high_Rh.where(~self.share_up_to(high_Rh).isnan(), torch.nan)

    def _guess(self, share: float) -> PerStep:
        """Return the normal's quantile, and where it is coarse, after some steps of Newton's that go not far."""
        count_Rh = (self.mean_Rh + NormalDist().inv_cdf(share) * self.deviation_Rh).floor().clamp(min=0)
        for _ in range(4 if bool((self.deviation_Rh > 10).any()) else 0):
            step_Rh = (share - self.share_up_to(count_Rh)) / self.share_of(count_Rh).clamp(min=1e-300)
            step_Rh = torch.minimum(torch.maximum(step_Rh, -self.deviation_Rh), self.deviation_Rh)
            count_Rh = (count_Rh + step_Rh).round().clamp(min=0)
        return count_Rh
