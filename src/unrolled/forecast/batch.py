"""From window positions to what a network reads: gathered, masked, scaled.

Shapes: N windows, T past steps, h future steps, F = 2 features (the value, whether it was observed).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from unrolled.forecast.scaling import location_and_scale

FEATURES = 2


@dataclass(frozen=True)
class Batch:
    """Windows as a network reads them: scaled, missing values filled and flagged."""

    past_NTF: Float32[Tensor, "N T 2"]
    future_NhF: Float32[Tensor, "N h 2"]
    location_N1: Float64[Tensor, "N 1"]
    scale_N1: Float64[Tensor, "N 1"]

    def split(self, size: int) -> Iterator[Batch]:
        """Yield the windows `size` at a time."""
        parts = (self.past_NTF, self.future_NhF, self.location_N1, self.scale_N1)
        return map(Batch, *(torch.split(part, size) for part in parts))

    @property
    def targets_Nh(self) -> Float32[Tensor, "N h"]:
        """The values to forecast, scaled."""
        return self.future_NhF[..., 0]

    @property
    def observed_Nh(self) -> Float32[Tensor, "N h"]:
        """1 where there is a value to compare with, 0 where there is none."""
        return self.future_NhF[..., 1]

    def unscaled(self, forecast_NhQ: Float[Tensor, "N h Q"]) -> Float64[Tensor, "N h Q"]:
        """Return a forecast in the units of the data."""
        return forecast_NhQ.double() * self.scale_N1[..., None] + self.location_N1[..., None]


@dataclass(frozen=True)
class Gatherer:
    """Cuts batches of windows out of one flat tensor of values.

    values: (P,) all series end to end, NaN where missing, in float64: a level of a million with
    a spread of one keeps its digits until the level has been taken out.
    """

    values: Float64[Tensor, "P"]
    input_size: int
    scaling: str

    def __call__(self, positions: NDArray[np.int64], begins: NDArray[np.int64], h: int) -> Batch:
        """Gather the windows at `positions`, reading nothing before `begins` or after the values' end.

        A window whose whole past is missing has no level to scale by: its future counts as missing too, and
        what is forecast for it stands on the last value known before it.
        """
        window_NW = self._window(positions, begins, h)
        past = slice(0, self.input_size)
        blank_N1 = window_NW[:, past].isnan().all(dim=1, keepdim=True)
        seen_NW = ~window_NW.isnan() & ~blank_N1
        known_NT = torch.where(blank_N1, self._last_known(positions, begins), window_NW[:, past])
        location_N1, scale_N1 = location_and_scale(self.scaling, known_NT, seen_NW[:, past] | blank_N1)
        scaled_NW = fill_forward((window_NW - location_N1) / scale_N1, seen_NW)
        both_NWF = torch.stack([scaled_NW, seen_NW.double()], dim=2).float()
        return Batch(both_NWF[:, past], both_NWF[:, self.input_size :], location_N1, scale_N1)

    def _window(self, positions: NDArray[np.int64], begins: NDArray[np.int64], h: int) -> Float64[Tensor, "N W"]:
        at_N1 = torch.from_numpy(positions).to(self.values.device)[:, None]
        begin_N1 = torch.from_numpy(begins).to(self.values.device)[:, None]
        index_NW = at_N1 + torch.arange(-self.input_size, h, device=self.values.device)
        window_NW = self.values[index_NW.clamp(0, len(self.values) - 1)]
        return torch.where(index_NW >= begin_N1, window_NW, float("nan"))

    def _last_known(self, positions: NDArray[np.int64], begins: NDArray[np.int64]) -> Float64[Tensor, "N 1"]:
        """Return the last value observed before each position in its series, or 0 where there is none."""
        at_N = self._last_observed[torch.from_numpy(positions - 1).to(self.values.device)]
        known_N = torch.where(at_N >= torch.from_numpy(begins).to(self.values.device), self.values[at_N], 0.0)
        return known_N[:, None]

    @cached_property
    def _last_observed(self) -> Int64[Tensor, "P"]:
        """The position of the last value observed up to each, over all series; -1 before the first."""
        positions_P = torch.arange(len(self.values), device=self.values.device)
        return torch.where(self.values.isnan(), -1, positions_P).cummax(dim=0).values


def fill_forward(values: Float64[Tensor, "N W"], seen: Bool[Tensor, "N W"]) -> Float64[Tensor, "N W"]:
    """Return `values` with each unseen one replaced by the last seen before it, or 0 where there is none."""
    steps_W = torch.arange(1, values.shape[1] + 1, device=values.device)
    last_NW = (seen * steps_W).cummax(dim=1).values
    filled_NW = torch.where(seen, values, 0.0).gather(1, (last_NW - 1).clamp(min=0))
    return torch.where(last_NW > 0, filled_NW, 0.0)
