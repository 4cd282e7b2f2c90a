"""What trained networks say of windows, read in the (transformed) units of the values: forecasts, quantiles, samples.

Shapes: R rows, h horizon, Q outputs per step, L quantiles, M samples, E networks of an ensemble.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import ConfigError, Problems
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.config_checks import MOST_SEEDS
from unrolled.forecast.intervals import HeldOutErrors
from unrolled.forecast.losses import DISTRIBUTIONS, DistributionLoss, Loss, SpreadLoss
from unrolled.forecast.networks import Network

FloatArray = NDArray[np.float64]

PATHS = 200
"""So many paths are drawn to forecast with a network that draws samples."""


@dataclass(frozen=True)
class Said(ABC):
    """What one network says of some windows. location_R1, scale_R1: what was taken out of each, to be put back."""

    location_R1: Float64[Tensor, "R 1"]
    scale_R1: Float64[Tensor, "R 1"]

    @abstractmethod
    def point(self) -> FloatArray:
        """Return the (R, h) forecast."""

    @abstractmethod
    def quantiles(self, shares: Sequence[float]) -> FloatArray:
        """Return the (R, h, L) quantiles of these rising shares, which never cross."""

    @abstractmethod
    def samples(self, count: int, generator: torch.Generator) -> FloatArray:
        """Return (R, h, M) samples."""

    def put_back(self, values: Tensor) -> FloatArray:
        """Return (R, h) or (R, h, L) values of the window's scale in units of the values."""
        location, scale = (one if values.ndim == 2 else one[..., None] for one in (self.location_R1, self.scale_R1))
        found: FloatArray = (values.double() * scale + location).numpy()
        return found


@dataclass(frozen=True)
class Numbers(Said):
    """The numbers that a loss understands."""

    loss: Loss
    outputs_RhQ: Float[Tensor, "R h Q"]

    def point(self) -> FloatArray:
        """Return the value that the loss is about."""
        return self.put_back(self.loss.point(self.outputs_RhQ))

    def quantiles(self, shares: Sequence[float]) -> FloatArray:
        """Return what the loss reads off them."""
        assert isinstance(self.loss, SpreadLoss), "what is asked for is checked"
        return self.put_back(self.loss.quantiles(self.outputs_RhQ, self.scale_R1, shares))

    def samples(self, count: int, generator: torch.Generator) -> FloatArray:
        """Return values that are drawn independently for each step."""
        assert isinstance(self.loss, DistributionLoss), "what is asked for is checked"
        return self.put_back(self.loss.sample(self.outputs_RhQ.double(), self.scale_R1, count, generator))


@dataclass(frozen=True)
class Paths(Said):
    """Paths that were drawn: the forecast is their median."""

    paths_RhM: Float[Tensor, "R h M"]

    def point(self) -> FloatArray:
        """Return the median path."""
        return np.median(self.put_back(self.paths_RhM), axis=2)

    def quantiles(self, shares: Sequence[float]) -> FloatArray:
        """Return the paths' quantiles."""
        return np.moveaxis(np.quantile(self.put_back(self.paths_RhM), shares, axis=2), 0, 2)

    def samples(self, count: int, generator: torch.Generator) -> FloatArray:
        """Return the paths."""
        assert count == self.paths_RhM.shape[2], "as many are drawn as are asked for"
        return self.put_back(self.paths_RhM)


def refuse_samples(config: Config, count: Any, seed: Any) -> None:
    """Refuse what nothing can be drawn from.

    Raises:
        ConfigError: the loss tells no distribution, or a number of samples or a seed that is none.
    """
    problems = Problems()
    others = ", ".join(map(repr, DISTRIBUTIONS))
    problems.check(
        config.loss in DISTRIBUTIONS,
        f"loss={config.loss!r} tells no distribution to draw samples from. Fit a model with one of {others}.",
    )
    for name, value, least in (("n", count, 1), ("seed", 0 if seed is None else seed, 0)):
        right = isinstance(value, int) and not isinstance(value, bool) and value >= least
        problems.check(right, f"{name} is a whole number of at least {least}; got {value!r}.")
    problems.check(not isinstance(seed, int) or seed < MOST_SEEDS, f"seed is below 2**63; got {seed!r}.")
    problems.raise_as(ConfigError, "No samples can be drawn:")


@torch.inference_mode()
def hear(
    network: Network, loss: Loss, batch: Batch, seed: int, count: int = PATHS, generator: torch.Generator | None = None
) -> Said:
    """Return what a network says of the windows of a batch.

    Args:
        network: trained with `loss`.
        loss: what its numbers mean.
        batch: the windows.
        seed: what paths are drawn with where there is no generator: forecasts are the same each time.
        count: how many paths are drawn.
        generator: for paths that are not the same each time; on the CPU.
    """
    units = batch.location_R1.cpu(), batch.scale_R1.cpu()
    if not network.draws_samples:
        return Numbers(*units, loss, network(batch.inputs).cpu())
    device = batch.scale_R1.device
    if generator is not None:
        seed = int(torch.randint(2**62, (), generator=generator))
    drawing = torch.Generator(device).manual_seed(seed)
    return Paths(*units, network.sample_paths(batch.inputs, batch.scale_R1, count, drawing).cpu())


def forecast_of(said: Sequence[Said]) -> FloatArray:
    """Return the (R, h) median of what the networks of an ensemble forecast."""
    return _median([one.point() for one in said])


def quantiles_of(said: Sequence[Said], shares: Sequence[float], errors: HeldOutErrors | None) -> FloatArray:
    """Return (R, h, L) quantiles: the networks' own, or those of held-out errors around their forecast.

    Of an ensemble, the median of the networks' quantiles of each share. A median of what distributions are made of
    would be no distribution of theirs; and a mixture of them would be wider than each where they differ in location,
    by what the median of the forecasts takes away (Lichtendahl et al. 2013).
    """
    if errors is None:
        return _median([one.quantiles(shares) for one in said])
    shifts_hL: FloatArray = np.stack([errors.shift(share) for share in shares], axis=1)
    scale_R11: FloatArray = said[0].scale_R1.numpy()[..., None]
    return forecast_of(said)[..., None] + shifts_hL * scale_R11


def samples_of(said: Sequence[Said], count: int, generator: torch.Generator) -> FloatArray:
    """Return (R, h, M) samples, of an ensemble with the quantiles that `quantiles_of` tells.

    Of each step the smallest sample of every network, then the next ones, are joined in their median; these stand
    where the first network's stood, so that paths keep hanging together as its do (Schefzik et al. 2013).
    """
    drawn = [one.samples(count, generator) for one in said]
    if len(drawn) == 1:
        return drawn[0]
    ordered_RhM: FloatArray = _median([np.sort(one, axis=2) for one in drawn])
    places_RhM = drawn[0].argsort(axis=2).argsort(axis=2)
    joined_RhM: FloatArray = np.take_along_axis(ordered_RhM, places_RhM, axis=2)
    return joined_RhM


def _median(each: Sequence[FloatArray]) -> FloatArray:
    found: FloatArray = each[0] if len(each) == 1 else np.median(np.stack(each), axis=0)
    return found
