"""From window positions to what a network reads: gathered, masked, scaled.

Shapes: N windows, T past steps, h future steps, C targets read together, F = 2 C features (the values, whether each
was observed), R = N C rows, one for each target of each window; S series, P points, K covariates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from unrolled.forecast.inputs import Inputs
from unrolled.forecast.scaling import OF_SERIES, divisible, location_and_scale

IntArray = NDArray[np.int64]

POINTS_AT_ONCE = 1 << 20
"""So many points are looked at together where all of them are."""


@dataclass(frozen=True)
class Batch:
    """Windows as a network reads them, and what came: scaled, missing values filled and flagged.

    location_R1, scale_R1: what was taken out of each row and divided by. unit_R1: the mean size of each series'
    change from one season to the next, in units of the data: what MASE measures errors in; 1 where no future was read.
    """

    inputs: Inputs
    future_NhF: Float32[Tensor, "N h F"]
    location_R1: Float64[Tensor, "R 1"]
    scale_R1: Float64[Tensor, "R 1"]
    unit_R1: Float64[Tensor, "R 1"]

    def split(self, size: int) -> Iterator[Batch]:
        """Yield the windows `size` at a time."""
        inputs = map(Inputs, *(torch.split(part, size) for part in self.inputs))
        rows = size * self.channels
        parts = (torch.split(part, rows) for part in (self.location_R1, self.scale_R1, self.unit_R1))
        return map(Batch, inputs, torch.split(self.future_NhF, size), *parts)

    @property
    def channels(self) -> int:
        """How many targets are read together."""
        return self.future_NhF.shape[2] // 2

    @property
    def targets_Rh(self) -> Float32[Tensor, "R h"]:
        """The values to forecast, scaled: row after row, the targets of one window beside each other."""
        return by_row(self.future_NhF[..., : self.channels])

    @property
    def observed_Rh(self) -> Float32[Tensor, "R h"]:
        """1 where there is a value to compare with, 0 where there is none."""
        return by_row(self.future_NhF[..., self.channels :])

    def to_forecast(self, steps: int) -> Batch:
        """Return the batch with its last `steps` to forecast: the horizon's, or more for a likelihood of the window's.

        What is read stays the same.
        """
        more = steps - self.future_NhF.shape[1]
        if more == 0:
            return self
        longer_NhF = torch.cat([self.inputs.past_NTF[:, -more:], self.future_NhF], dim=1)
        return replace(self, future_NhF=longer_NhF)


def by_row(values_NhC: Float[Tensor, "N h C"]) -> Float[Tensor, "R h"]:
    """Return a row for each target of each window."""
    return values_NhC.transpose(1, 2).flatten(0, 1)


def by_window(rows_RW: Float[Tensor, "R W"], channels: int) -> Float[Tensor, "N W C"]:
    """Return the rows' targets beside each other; undoes `by_row`."""
    if channels == 1:  # much the cheaper, and what a stream does at every step
        return rows_RW.unsqueeze(2)
    return rows_RW.reshape(-1, channels, rows_RW.shape[1]).transpose(1, 2)


@dataclass(frozen=True)
class CovariateTable:
    """The covariates of a panel as a network reads them; see `Inputs` for their numbers. I items, P points.

    past_PK: at the place of each point of the items, end to end. known: the same, with h rows more after each item,
    for the steps to be forecast. static: a row per item. targets: so many series of the panel are one item.
    """

    past_PK: Float32[Tensor, "P past"]
    known_RK: Float32[Tensor, "R known"]
    static_IK: Float32[Tensor, "I static"]
    targets: int = 1


@dataclass(frozen=True)
class Gatherer:
    """Cuts batches of windows out of one flat tensor of values.

    values: (P,) all series end to end, NaN where missing, in float64: a level of a million with
    a spread of one keeps its digits until the level has been taken out.
    offsets: (S+1,) where each series begins. channels: so many series after each other are read together.
    horizon: steps ahead that covariates are known for.
    """

    values: Float64[Tensor, "P"]
    offsets: Int64[Tensor, "boundaries"]
    input_size: int
    horizon: int
    scaling: str = "none"
    season: int = 1
    channels: int = 1
    covariates: CovariateTable | None = field(default=None)

    def __call__(self, series: IntArray, positions: IntArray, h: int) -> Batch:
        """Gather windows of the numbered series, forecast from `positions` on.

        Nothing is read before a series' beginning or after its end. With several channels, `series` are the first
        of each item. A window whose whole past is missing has no level to scale by: its future counts as missing
        too, and what is forecast for it stands on the last value known before it.
        """
        first_N = self._tensor(series)
        at_N = self._tensor(positions)
        series_R, at_R = self._rows(first_N, at_N)
        window_RW = self._window(series_R, at_R, h)
        last_R1 = self._last_known(window_RW[:, : self.input_size], series_R, at_R)
        measure = partial(self._location_and_scale, series_R)
        both_NWF, location_R1, scale_R1 = scaled(window_RW, last_R1, self.input_size, self.channels, measure)
        inputs = Inputs(both_NWF[:, : self.input_size], *self._covariates(first_N, at_N))
        # Only a loss asks for the unit, and of a panel that is forecast no loss is computed.
        unit_R1 = self.units_S[series_R][:, None] if h else torch.ones_like(scale_R1)
        return Batch(inputs, both_NWF[:, self.input_size :], location_R1, scale_R1, unit_R1)

    def _tensor(self, numbers: IntArray) -> Int64[Tensor, "N"]:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.values.device)

    def _rows(
        self, first_N: Int64[Tensor, "N"], at_N: Int64[Tensor, "N"]
    ) -> tuple[Int64[Tensor, "R"], Int64[Tensor, "R"]]:
        """Return the series and the position of each row: those of the item's other targets follow the first's."""
        if self.channels == 1:
            return first_N, at_N
        series_R = (first_N[:, None] + torch.arange(self.channels, device=first_N.device)).flatten()
        since_N = at_N - self.offsets[first_N]
        return series_R, self.offsets[series_R] + since_N.repeat_interleave(self.channels)

    def _window(self, series_R: Int64[Tensor, "R"], at_R: Int64[Tensor, "R"], h: int) -> Float64[Tensor, "R W"]:
        index_RW = at_R[:, None] + torch.arange(-self.input_size, h, device=at_R.device)
        begin_R1, end_R1 = self.offsets[series_R][:, None], self.offsets[series_R + 1][:, None]
        window_RW = self.values[index_RW.clamp(0, len(self.values) - 1)]
        return torch.where((index_RW >= begin_R1) & (index_RW < end_R1), window_RW, float("nan"))

    def _last_known(
        self, past_RT: Float64[Tensor, "R T"], series_R: Int64[Tensor, "R"], at_R: Int64[Tensor, "R"]
    ) -> Float64[Tensor, "R 1"]:
        """Return the last value observed before each window without any in its series, 0 where there is none.

        For windows with a value, which have no use for it, it is 0 too: most data have no other.
        """
        blank_R = past_RT.isnan().all(dim=1)
        known_R = torch.zeros_like(at_R, dtype=self.values.dtype)
        if blank_R.any():
            series_B, at_B = series_R[blank_R], at_R[blank_R]
            last_B = self._last_observed[(at_B - 1).clamp(min=0)]
            known_R[blank_R] = torch.where(last_B >= self.offsets[series_B], self.values[last_B], 0.0)
        return known_R[:, None]

    @cached_property
    def _last_observed(self) -> Int64[Tensor, "P"]:
        """The position of the last value observed up to each, over all series; -1 before the first."""
        positions_P = torch.arange(len(self.values), device=self.values.device)
        return torch.where(self.values.isnan(), -1, positions_P).cummax(dim=0).values

    def _location_and_scale(
        self, series_R: Int64[Tensor, "R"], past_RT: Float64[Tensor, "R T"], seen_RT: Bool[Tensor, "R T"]
    ) -> tuple[Float64[Tensor, "R 1"], Float64[Tensor, "R 1"]]:
        if self.scaling not in OF_SERIES:
            return location_and_scale(self.scaling, past_RT, seen_RT)
        mean_S, spread_S = self._series_scales
        return location_and_scale(
            self.scaling, past_RT, seen_RT, (mean_S[series_R][:, None], spread_S[series_R][:, None])
        )

    @cached_property
    def _series_scales(self) -> tuple[Float64[Tensor, "S"], Float64[Tensor, "S"]]:
        """The mean and standard deviation of each whole series."""
        mean_S = self._mean_of_series(lambda points, series: self.values[points])
        mean_S = torch.where(mean_S.isnan(), 0.0, mean_S)
        variance_S = self._mean_of_series(lambda points, series: (self.values[points] - mean_S[series]).square())
        location_S1, scale_S1 = divisible(mean_S[:, None], variance_S.sqrt()[:, None])
        return location_S1[:, 0], scale_S1[:, 0]

    @cached_property
    def units_S(self) -> Float64[Tensor, "S"]:
        """The mean size of each series' change from one season to the next; 1 where there is none."""

        def change(points: Tensor, series: Tensor) -> Tensor:
            before = points - self.season
            sizes = (self.values[points] - self.values[before.clamp(min=0)]).abs()
            return torch.where(before >= self.offsets[series], sizes, float("nan"))

        units_S = self._mean_of_series(change)
        return torch.where(units_S > 0, units_S, 1.0)  # neither 0 nor NaN

    def _mean_of_series(self, measure: Callable[[Tensor, Tensor], Tensor]) -> Float64[Tensor, "S"]:
        """Return the mean over each series of what `measure` gives for points and their series, NaN left out.

        Some points at a time, so that what is made on the way stays small beside the values; series by series, so
        that large values of one do not blur those of another.
        """
        sum_S = self.values.new_zeros(len(self.offsets) - 1)
        count_S = torch.zeros_like(sum_S)
        for begin in range(0, len(self.values), POINTS_AT_ONCE):
            end = min(begin + POINTS_AT_ONCE, len(self.values))
            edges = self.offsets.new_tensor([begin, end - 1])
            first, last = (torch.searchsorted(self.offsets, edges, right=True) - 1).tolist()
            lengths = self.offsets[first : last + 2].clamp(begin, end).diff()
            series = torch.arange(first, last + 1, device=lengths.device).repeat_interleave(lengths)
            found = measure(torch.arange(begin, end, device=lengths.device), series)
            seen = ~found.isnan()
            sum_S[first : last + 1] += torch.segment_reduce(torch.where(seen, found, 0.0), "sum", lengths=lengths)
            count_S[first : last + 1] += torch.segment_reduce(seen.to(found.dtype), "sum", lengths=lengths)
        return sum_S / count_S

    def _covariates(self, first_N: Int64[Tensor, "N"], at_N: Int64[Tensor, "N"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the covariates of the windows, past, known and static; a step before a series' begin is its first."""
        T, W, table = self.input_size, self.input_size + self.horizon, self.covariates
        if table is None:
            nothing = torch.zeros(len(at_N), W, 0, device=at_N.device)
            return nothing[:, :T], nothing, nothing[:, 0]
        item_N = first_N // table.targets
        since_N1 = (at_N - self.offsets[first_N])[:, None]
        steps_NW = (since_N1 + torch.arange(-T, self.horizon, device=at_N.device)).clamp(min=0)
        at_NW = self._item_offsets[item_N][:, None] + steps_NW
        known_NW = at_NW + item_N[:, None] * self.horizon  # the futures of the items before lie between
        return table.past_PK[at_NW[:, :T]], table.known_RK[known_NW], table.static_IK[item_N]

    @cached_property
    def _item_offsets(self) -> Int64[Tensor, "items"]:
        lengths_I = self.offsets.diff()[:: self.covariates.targets if self.covariates else 1]
        return torch.cat([lengths_I.new_zeros(1), lengths_I.cumsum(0)])


Measure = Callable[[Float64[Tensor, "R T"], Bool[Tensor, "R T"]], tuple[Float64[Tensor, "R 1"], Float64[Tensor, "R 1"]]]
"""Gives location and scale of each row's past, and is told which of it was observed."""


def scaled(
    window: Float64[Tensor, "R W"], last: Float64[Tensor, "R 1"], input_size: int, channels: int, measure: Measure
) -> tuple[Float32[Tensor, "N W F"], Float64[Tensor, "R 1"], Float64[Tensor, "R 1"]]:
    """Return windows as a network reads their values, and what was taken out of each row and divided by.

    Whoever cuts windows calls this: `Gatherer`, a stream of new observations, an exported model.

    Args:
        window: (R, W) values, NaN where missing; the past are the first `input_size`.
        last: (R, 1) the last value known before each window, for one whose past is missing as a whole.
        input_size: how many of the W steps are the past.
        channels: so many rows after each other are read together.
        measure: how to scale.
    """
    past = slice(0, input_size)
    blank_R1 = window[:, past].isnan().all(dim=1, keepdim=True)
    seen_RW = ~window.isnan() & ~blank_R1
    known_RT = torch.where(blank_R1, last, window[:, past])
    location_R1, scale_R1 = measure(known_RT, seen_RW[:, past] | blank_R1)
    filled_RW = fill_forward((window - location_R1) / scale_R1, seen_RW)
    values_NWC, seen_NWC = (by_window(part.float(), channels) for part in (filled_RW, seen_RW))
    return torch.cat([values_NWC, seen_NWC], dim=2), location_R1, scale_R1


def scaled_whole(
    past: Float64[Tensor, "R T"], seen: Bool[Tensor, "R T"], channels: int, measure: Measure
) -> tuple[Float32[Tensor, "N T F"], Float64[Tensor, "R 1"], Float64[Tensor, "R 1"]]:
    """Return what `scaled` does of pasts without a gap, to the last bit, with half of the calls; `seen` is all True.

    For one window at a time, which takes as long as its calls.
    """
    location_R1, scale_R1 = measure(past, seen)
    values_NTC, seen_NTC = (by_window(part.float(), channels) for part in ((past - location_R1) / scale_R1, seen))
    return torch.cat([values_NTC, seen_NTC], dim=2), location_R1, scale_R1


def fill_forward(values: Float64[Tensor, "N W"], seen: Bool[Tensor, "N W"]) -> Float64[Tensor, "N W"]:
    """Return `values` with each unseen one replaced by the last seen before it, or 0 where there is none."""
    steps_W = torch.arange(1, values.shape[1] + 1, device=values.device)
    last_NW = (seen * steps_W).cummax(dim=1).values
    filled_NW = torch.where(seen, values, 0.0).gather(1, (last_NW - 1).clamp(min=0))
    return torch.where(last_NW > 0, filled_NW, 0.0)
