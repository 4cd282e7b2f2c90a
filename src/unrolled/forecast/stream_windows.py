"""The last windows of a stream's series, and the networks that read them.

Shapes: R rows, one for each series; N windows read together; L longest window, T a network's window, h horizon.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.panel import Panel
from unrolled.forecast.batch import Batch, scaled, scaled_whole
from unrolled.forecast.fitted import Fitted, Forecast, Member, channels_together, window
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.intervals import Wanted
from unrolled.forecast.losses import loss_of
from unrolled.forecast.said import Said, hear
from unrolled.forecast.scaling import OF_SERIES, divisible, location_and_scale
from unrolled.forecast.stream_covariates import StreamCovariates

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class StreamWindows:
    """The last window of each series, in the transformed units, and the networks that read them.

    values_RL: NaN where missing, and before a series begins. last_R1: the last value observed before each window
    that is missing as a whole; 0 where there is none.
    """

    def __init__(self, fitted: Fitted, panel: Panel) -> None:
        self._fitted = fitted
        values = fitted.transform.forward(panel.values)
        self._values_RL = torch.from_numpy(_last_points(values, panel.offsets, fitted.longest_window))
        self._last_R1 = torch.from_numpy(_last_observed(values, panel.offsets))
        self._readers = [_Reader(member, panel, values) for member in fitted.members]

    def push(self, rows: IntArray, numbers: FloatArray) -> None:
        """Take one observation of each of these rows in."""
        new_N = self._fitted.transform.forward(numbers)
        values_RL, last_R = self._values_RL.numpy(), self._last_R1.numpy()[:, 0]
        if len(rows) == len(values_RL):
            values_RL[:, :-1] = values_RL[:, 1:]
        else:
            values_RL[rows, :-1] = values_RL[rows, 1:]
        values_RL[rows, -1] = new_N
        last_R[rows] = np.where(np.isnan(new_N), last_R[rows], new_N)
        for reader in self._readers:
            reader.push(rows, new_N)

    @torch.inference_mode()
    def forecast(self, rows: IntArray, covariates: StreamCovariates | None, wanted: Wanted) -> Forecast:
        """Forecast these rows: all targets of some items."""
        every = len(rows) == len(self._values_RL)
        at = slice(None) if every else torch.from_numpy(rows)
        values_RL, last_R1 = self._values_RL[at], self._last_R1[at]
        said = [reader.hear(rows, at, values_RL, last_R1, covariates) for reader in self._readers]
        return self._fitted.reading(said, wanted)


class _Reader:
    """One network, and how it reads the windows; `values` are the panel's, in the transformed units."""

    def __init__(self, member: Member, panel: Panel, values: FloatArray) -> None:
        self.member, config = member, member.config
        self._window, self._loss, self._device = window(config), loss_of(config), torch.device(config.device)
        self._targets, self._together = panel.n_channels, channels_together(panel, config)
        self._measure = partial(location_and_scale, config.scaling)
        self._seen_1T = torch.ones(1, self._window, dtype=torch.bool)
        self._series = _SeriesScales(values, panel.offsets) if config.scaling in OF_SERIES else None

    def push(self, rows: IntArray, new_N: FloatArray) -> None:
        """Take one observation of each of these rows in."""
        if self._series is not None:
            self._series.push(rows, new_N)

    def hear(
        self, rows: IntArray, at: Any, values_RL: Tensor, last_R1: Tensor, covariates: StreamCovariates | None
    ) -> Said:
        """Return what the network says of these rows."""
        measure = self._measure if self._series is None else partial(self._measure, series=self._series.of(at))
        past_RT = values_RL[:, -self._window :]
        if np.isnan(past_RT.numpy()).any():
            both_NTF, location_R1, scale_R1 = scaled(past_RT, last_R1, self._window, self._together, measure)
        else:
            seen_RT = self._seen_1T.expand(past_RT.shape)
            both_NTF, location_R1, scale_R1 = scaled_whole(past_RT, seen_RT, self._together, measure)
        inputs = Inputs(both_NTF, *self._beside(rows, both_NTF, covariates))
        batch = Batch(inputs, both_NTF[:, self._window :], location_R1, scale_R1, torch.ones_like(scale_R1))
        if self._device.type != "cpu":
            batch = _moved(batch, self._device)
        return hear(self.member.network, self._loss, batch, self.member.config.seed)

    def _beside(
        self, rows: IntArray, both_NTF: Tensor, covariates: StreamCovariates | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the covariates of each window."""
        if covariates is None:
            nothing_NW0 = both_NTF.new_empty(both_NTF.shape[0], self._window + self.member.config.h, 0)
            return nothing_NW0[:, : self._window], nothing_NW0, nothing_NW0[:, 0]
        return covariates.windows(rows[:: self._together] // self._targets, self._window)


def _moved(batch: Batch, device: torch.device) -> Batch:
    inputs = Inputs(*(part.to(device) for part in batch.inputs))
    parts = (batch.future_NhF, batch.location_R1, batch.scale_R1, batch.unit_R1)
    return Batch(inputs, *(part.to(device) for part in parts))


class _SeriesScales:
    """Mean and standard deviation of each whole series, kept up to date (Welford 1962)."""

    def __init__(self, values: FloatArray, offsets: IntArray) -> None:
        each = [values[begin:end] for begin, end in pairwise(offsets)]
        self._count_R = np.array([(~np.isnan(one)).sum() for one in each], dtype=np.float64)
        self._mean_R = np.array([np.nansum(one) for one in each]) / np.maximum(self._count_R, 1)
        self._squares_R = np.array([np.nansum((one - m) ** 2) for one, m in zip(each, self._mean_R, strict=True)])

    def push(self, rows: IntArray, new_N: FloatArray) -> None:
        """Take one observation of each of these rows in."""
        rows, new_N = rows[~np.isnan(new_N)], new_N[~np.isnan(new_N)]
        self._count_R[rows] += 1
        change_N = new_N - self._mean_R[rows]
        self._mean_R[rows] += change_N / self._count_R[rows]
        self._squares_R[rows] += change_N * (new_N - self._mean_R[rows])

    def of(self, at: Any) -> tuple[Tensor, Tensor]:
        """Return location and scale of these rows."""
        count_R = np.maximum(self._count_R, 1)
        location_R, scale_R = (torch.from_numpy(v) for v in (self._mean_R, np.sqrt(self._squares_R / count_R)))
        return divisible(location_R[at][:, None], scale_R[at][:, None])


def _last_points(values: FloatArray, offsets: IntArray, length: int) -> FloatArray:
    """Return the (S, length) last values of each series, NaN before its beginning."""
    at_SL = offsets[1:, None] + np.arange(-length, 0)
    values_SL: FloatArray = np.where(at_SL >= offsets[:-1, None], values[np.maximum(at_SL, 0)], np.nan)
    return values_SL


def _last_observed(values: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the (S, 1) last value of each series that is not missing; 0 where there is none."""
    last_P = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    last_S = last_P[offsets[1:] - 1]
    return np.where(last_S >= offsets[:-1], values[last_S], 0.0)[:, None]
