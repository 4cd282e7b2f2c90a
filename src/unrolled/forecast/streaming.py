"""A forecast after every new observation: the last windows are kept, and one pass of the network makes the next.

Shapes: R rows, one for each series; N windows read together; L longest window, T a network's window, h horizon,
Q outputs per step.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.panel import Panel
from unrolled.data.wording import counted, id_text
from unrolled.errors import DataError, Problems, did_you_mean
from unrolled.forecast.batch import Batch, scaled
from unrolled.forecast.fitted import Fitted, Forecast, Member, gatherer, window
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.intervals import Bands, Wanted, check_levels
from unrolled.forecast.losses import loss_of
from unrolled.forecast.said import Said, hear
from unrolled.forecast.scaling import divisible, location_and_scale

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@final
@dataclass(frozen=True)
class StepForecast:
    """What comes after the newest observations.

    ids: (n,) the series. values: (n, h) forecasts in the units of the data. bands: (n, h) ends by level.
    """

    ids: NDArray[Any]
    values: FloatArray
    bands: Bands


@final
class ForecastStream:
    """Forecasts of series that grow: each new observation gives a new forecast, without reading the past anew.

    Made by `Forecaster.stream`. What it forecasts is what `predict` would, were the observations so far rows of the
    table. It holds windows of its own: several streams of one model, in several threads, know nothing of each other.

    Called with the newest observation it gives the forecast alone: (h,) for a number, (S, h) for an array with one
    for each series, and for {id: number} a dict of (h,). NaN is an observation that is missing.

    >>> import numpy as np, pandas as pd
    >>> from unrolled import Forecaster
    >>> df = pd.DataFrame({"ds": range(200), "y": np.sin(np.arange(200) / 5)})
    >>> model = Forecaster(h=10, max_steps=20, hidden_size=8, verbose=False).fit(df)
    >>> stream = model.stream()
    >>> stream(np.sin(200 / 5)).shape
    (10,)
    >>> stream.times
    array([200])
    """

    def __init__(self, fitted: Fitted, panel: Panel) -> None:
        self._fitted, self._panel = fitted, panel
        self._windows = _Windows(fitted, panel)
        self._numbers = {name: row for row, name in enumerate(panel.ids.tolist())}
        self._every = np.arange(len(panel))
        self._grown = np.zeros(len(panel), dtype=np.int64)
        self._levels: dict[Any, Wanted] = {}
        self._lock = threading.Lock()

    @property
    def ids(self) -> NDArray[Any]:
        """The (S,) ids of the series, in the order of arrays."""
        return self._panel.ids

    @property
    def times(self) -> NDArray[np.generic]:
        """The (S,) times of the newest observations."""
        times: NDArray[np.generic] = self._panel.freq.advance(
            self._panel.times[self._panel.offsets[1:] - 1], self._grown
        )
        return times

    def future_times(self) -> NDArray[np.generic]:
        """Return the (S, h) times that are forecast."""
        steps = np.arange(1, self._fitted.config.h + 1)
        times: NDArray[np.generic] = self._panel.freq.advance(self.times[:, None], steps)
        return times

    def __call__(self, values: Any) -> Any:
        """Take the newest observations in; return the forecast alone, in the form of `values`."""
        found = self.step(values)
        if isinstance(values, Mapping):
            return dict(zip(found.ids.tolist(), found.values, strict=True))
        return found.values if np.ndim(values) else found.values[0]

    def step(self, values: Any, level: Sequence[float] | None = None) -> StepForecast:
        """Take the newest observations in and forecast what comes after them.

        Args:
            values: a number for a single series; an array with one for each series; or {id: number} for some of
                them, of which the others stay where they are. NaN where there was none.
            level: intervals wanted, in per cent.

        Raises:
            DataError: names every id that is unknown, and every value that is no finite number or NaN.
            ConfigError: a level that can't be given.
        """
        levels = self._check_levels(level)
        rows, numbers = self._read(values)
        with self._lock:
            self._windows.push(rows, numbers)
            self._grown[rows] += 1
            return self._forecast(rows, levels)

    def forecast(self, level: Sequence[float] | None = None) -> StepForecast:
        """Return what comes after the newest observations of every series.

        Raises:
            ConfigError: a level that can't be given.
        """
        levels = self._check_levels(level)
        with self._lock:
            return self._forecast(self._every, levels)

    def _forecast(self, rows: IntArray, levels: Wanted) -> StepForecast:
        found = self._windows.forecast(rows, levels)
        return StepForecast(self._panel.ids[rows], found.values, found.bands)

    def _check_levels(self, level: Sequence[float] | None) -> Wanted:
        key = None if level is None else tuple(level) if isinstance(level, list | tuple) else level
        if not isinstance(key, tuple | None) or key not in self._levels:
            return self._levels.setdefault(key, check_levels(level, self._fitted.config, self._fitted.errors))
        return self._levels[key]

    def _read(self, values: Any) -> tuple[IntArray, FloatArray]:
        """Return which rows were observed, and what."""
        if isinstance(values, Mapping):
            return self._read_named(values)
        rows = self._every
        try:
            numbers = np.array(values, dtype=np.float64, ndmin=1)
        except (TypeError, ValueError):
            raise DataError(f"An observation is a number, or NaN where there was none; got {values!r}.") from None
        if numbers.shape != rows.shape:
            raise DataError(
                f"The stream has {len(rows):,} series and was given {_form(numbers)}. Give one number for each, or "
                f"{{id: number}} for some of them, such as {{{id_text(self.ids[0])}: 1.5}}."
            )
        if np.isinf(numbers).any() or self._fitted.transform.outside(numbers).any():
            self._refuse_numbers(rows, numbers)
        return rows, numbers

    def _read_named(self, values: Mapping[Any, Any]) -> tuple[IntArray, FloatArray]:
        problems, known = Problems(), self._numbers
        for name in values.keys() - known.keys():
            hint = did_you_mean(str(name), map(str, known))
            problems.add(f"The stream has no series {id_text(name)}.{hint} It has those that stream(df) was given.")
        problems.raise_as(DataError)
        rows = np.array([known[name] for name in values], dtype=np.int64)
        numbers = np.array([_number(name, value, problems) for name, value in values.items()], dtype=np.float64)
        problems.raise_as(DataError)
        if not len(rows):
            raise DataError("The stream was given no observation: {id: number} is empty.")
        if np.isinf(numbers).any() or self._fitted.transform.outside(numbers).any():
            self._refuse_numbers(rows, numbers)
        return rows, numbers

    def _refuse_numbers(self, rows: IntArray, numbers: FloatArray) -> None:
        problems, transform = Problems(), self._fitted.transform
        for row, number, outside in zip(rows, numbers, transform.outside(numbers), strict=True):
            what = f"The observation of {id_text(self.ids[row])} is {number}"
            problems.check(not np.isinf(number), f"{what}. Give a finite number, or NaN for a gap.")
            problems.check(bool(np.isinf(number)) or not bool(outside), f"{what}, and {transform.domain()}.")
        problems.raise_as(DataError)


def _number(name: Any, value: Any, problems: Problems) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        problems.add(f"The observation of {id_text(name)} is a number, or NaN where there was none; got {value!r}.")
        return np.nan


def _form(numbers: FloatArray) -> str:
    return counted(numbers.size, "number") if numbers.ndim == 1 else f"an array of shape {numbers.shape}"


class _Windows:
    """The last window of each series, in the transformed units, and the networks that read them.

    values_RL: NaN where missing, and before a series begins. last_R1: the last value observed before each window
    that is missing as a whole; 0 where there is none.
    """

    def __init__(self, fitted: Fitted, panel: Panel) -> None:
        self._fitted = fitted
        self._length = max(window(member.config) for member in fitted.members)
        values_RL = _last_points(fitted.transform.forward(panel.values), panel.offsets, self._length)
        self._values_RL = torch.from_numpy(values_RL)
        self._last_R1 = torch.from_numpy(_last_observed(fitted.transform.forward(panel.values), panel.offsets))
        self._readers = [_Reader(fitted, member, panel) for member in fitted.members]

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
    def forecast(self, rows: IntArray, levels: Wanted) -> Forecast:
        """Forecast these rows."""
        every = len(rows) == len(self._values_RL)
        at = slice(None) if every else torch.from_numpy(rows)
        values_RL, last_R1 = self._values_RL[at], self._last_R1[at]
        return self._fitted.reading([reader.hear(at, values_RL, last_R1) for reader in self._readers], levels)


class _Reader:
    """One network, and how it reads the windows."""

    def __init__(self, fitted: Fitted, member: Member, panel: Panel) -> None:
        self.member, config = member, member.config
        self._gather = gatherer(panel, config, fitted.features, fitted.transform)
        self._unit_R1 = self._gather.units_S[:, None]
        self._window = window(config)
        self._loss = loss_of(config)
        self._measure = partial(location_and_scale, config.scaling, season=config.season or 1)
        self._series = _SeriesScales(fitted.transform.forward(panel.values), panel.offsets)

    def push(self, rows: IntArray, new_N: FloatArray) -> None:
        """Take one observation of each of these rows in."""
        if self.member.config.scaling == "series":
            self._series.push(rows, new_N)

    def hear(self, at: Any, values_RL: Tensor, last_R1: Tensor) -> Said:
        """Return what the network says of these rows."""
        return hear(self.member.network, self._loss, self.batch(at, values_RL, last_R1), self.member.config.seed)

    def batch(self, at: Any, values_RL: Tensor, last_R1: Tensor) -> Batch:
        """Return what the network reads of these rows."""
        config = self.member.config
        measure = partial(self._series.measure, at) if config.scaling == "series" else self._measure
        past_RT = values_RL[:, -self._window :]
        both_NTF, location_R1, scale_R1 = scaled(past_RT, last_R1, self._window, self._gather.channels, measure)
        nothing_NW0 = both_NTF.new_empty(len(both_NTF), self._window + config.h, 0)
        inputs = Inputs(both_NTF, nothing_NW0[:, : self._window], nothing_NW0, nothing_NW0[:, 0])
        return Batch(inputs, both_NTF[:, self._window :], location_R1, scale_R1, self._unit_R1[at])


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

    def measure(self, at: Any, past: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return location and scale of these rows; of their windows nothing."""
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
