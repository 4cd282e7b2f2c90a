"""The quantile loss (Koenker and Bassett 1978): a network learns several quantiles of each step at once.

They never cross: what is read of a network are its numbers in rising order. Rearranging them so can only lower the
loss (Chernozhukov, Fernandez-Val and Galichon 2010), and asks nothing of the network, whose outputs stay free; learnt
steps between neighbours would make the outer quantiles sums of many softplus.

Shapes: R rows, h horizon, Q = L outputs per step, one for each quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.losses.base import Forecasts, SpreadLoss


class QuantileLoss(SpreadLoss):
    """The mean over the quantiles of the pinball loss."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        self.levels = tuple(quantiles)
        self.outputs = self.locations = len(self.levels)
        self.middle = self.levels.index(0.5)

    def costs(self, forecast: Forecasts, batch: Batch) -> Float[Tensor, "R h"]:
        """Return the pinball loss of each step."""
        levels_Q = forecast.new_tensor(self.levels)
        error_RhQ = batch.targets_Rh[..., None] - forecast
        return torch.maximum(levels_Q * error_RhQ, (levels_Q - 1) * error_RhQ).mean(2)

    def point(self, forecast: Forecasts) -> Float[Tensor, "R h"]:
        """Return the median."""
        return forecast.sort(dim=2).values[..., self.middle]

    def quantiles(
        self, forecast: Forecasts, scale: Float[Tensor, "R 1"], shares: Sequence[float]
    ) -> Float[Tensor, "R h L"]:
        """Return those of the learnt quantiles that are asked for; there are no others."""
        return forecast.double().sort(dim=2).values[..., [self._place(share) for share in shares]]

    def _place(self, share: float) -> int:
        found = find(share, self.levels)
        assert found is not None, "what is asked for is checked"
        return found


def find(share: float, among: Sequence[float]) -> int | None:
    """Return the place of a share in a list of them, or None where it is not there."""
    near = [place for place, one in enumerate(among) if math.isclose(one, share, abs_tol=1e-9)]
    return near[0] if near else None
