"""A forecast after every new observation: the last windows are kept, and one pass of the network makes the next.

Shapes: S series, I items, of which each target is a series, h horizon, C targets.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel
from unrolled.data.wording import counted, id_text
from unrolled.errors import DataError, Problems, did_you_mean
from unrolled.forecast.features import check_ahead
from unrolled.forecast.fitted import Fitted
from unrolled.forecast.intervals import Bands, Quantiles, Wanted, check_levels
from unrolled.forecast.stream_covariates import StreamCovariates
from unrolled.forecast.stream_windows import StreamWindows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@final
@dataclass(frozen=True)
class StepForecast:
    """What comes after the newest observations.

    ids: (n,) the series, one for each target. values: (n, h) forecasts in the units of the data. bands: (n, h) ends by
    level. quantiles: (n, h) by the share below them.
    """

    ids: NDArray[Any]
    values: FloatArray
    bands: Bands
    quantiles: Quantiles


@final
class ForecastStream:
    """Forecasts of series that grow: each new observation gives a new forecast, without reading the past anew.

    Made by `Forecaster.stream`. What it forecasts is what `predict` would, were the observations so far rows of the
    table. It holds windows of its own: several streams of one model, in several threads, know nothing of each other.

    Called with the newest observation it gives the forecast alone: (h,) for a number, (S, h) for an array with one
    for each series, and for {id: number} a dict of (h,). NaN is an observation that is missing. Of several targets an
    observation is a list, in their order, and its forecast is (C, h).

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
        check_ahead(panel, fitted.features, fitted.config.h)
        self._fitted, self._panel, self._targets = fitted, panel, panel.n_channels
        self._windows, self._covariates = StreamWindows(fitted, panel), StreamCovariates(fitted, panel)
        self._items = {name: item for item, name in enumerate(panel.item_ids.tolist())}
        self._every = np.arange(len(self._items))
        self._grown = np.zeros(len(self._items), dtype=np.int64)
        self._wanted: dict[Any, Wanted] = {}
        self._lock = threading.Lock()

    @property
    def ids(self) -> NDArray[Any]:
        """The (S,) ids of the series, in the order of arrays."""
        return self._panel.ids

    @property
    def times(self) -> NDArray[np.generic]:
        """The (S,) times of the newest observations."""
        ends, grown = self._panel.times[self._panel.offsets[1:] - 1], np.repeat(self._grown, self._targets)
        times: NDArray[np.generic] = self._panel.freq.advance(ends, grown)
        return times

    def future_times(self) -> NDArray[np.generic]:
        """Return the (S, h) times that are forecast."""
        steps = np.arange(1, self._fitted.config.h + 1)
        times: NDArray[np.generic] = self._panel.freq.advance(self.times[:, None], steps)
        return times

    def __call__(self, values: Any, *, past: Any = None, known: Any = None) -> Any:
        """Take the newest observations in; return the forecast alone, in the form of `values`."""
        found = self.step(values, past=past, known=known).values
        if isinstance(values, Mapping):
            each = found if self._targets == 1 else found.reshape(len(values), self._targets, -1)
            return dict(zip(values, each, strict=True))
        return found.reshape(*np.shape(values), -1)

    def step(
        self,
        values: Any,
        level: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        *,
        past: Any = None,
        known: Any = None,
    ) -> StepForecast:
        """Take the newest observations in and forecast what comes after them.

        Args:
            values: a number for a single series; an array with one for each series; or {id: number} for some of
                them, of which the others stay where they are. NaN where there was none.
            level: intervals wanted, in per cent.
            quantiles: quantiles wanted, such as [0.1, 0.9].
            past: past covariates at the new observation, by name: a value, one for each of `values`, or {id: value}.
            known: future covariates at the step that is newly forecast, h steps after the new observation, likewise.

        Raises:
            DataError: names every id that is unknown, and every value that is lacking or no number.
            ConfigError: a level or quantile that can't be given.
        """
        wanted = self._check_wanted(level, quantiles)
        items, numbers = self._read(values)
        covariates = self._covariates
        rows_of = covariates.read(items, past, known) if covariates.any or past or known else None
        with self._lock:
            if rows_of is not None:
                covariates.push(items, *rows_of, self._grown[items])
            self._windows.push(self._rows(items), numbers)
            self._grown[items] += 1
            return self._forecast(items, wanted)

    def forecast(self, level: Sequence[float] | None = None, quantiles: Sequence[float] | None = None) -> StepForecast:
        """Return what comes after the newest observations of every series.

        Raises:
            ConfigError: a level or quantile that can't be given.
        """
        wanted = self._check_wanted(level, quantiles)
        with self._lock:
            return self._forecast(self._every, wanted)

    def _forecast(self, items: IntArray, wanted: Wanted) -> StepForecast:
        rows = self._rows(items)
        found = self._windows.forecast(rows, self._covariates if self._covariates.any else None, wanted)
        return StepForecast(self._panel.ids[rows], found.values, found.bands, found.quantiles)

    def _rows(self, items: IntArray) -> IntArray:
        """Return the rows of all targets of these items."""
        if self._targets == 1:
            return items
        rows: IntArray = (items[:, None] * self._targets + np.arange(self._targets)).ravel()
        return rows

    def _check_wanted(self, level: Any, quantiles: Any) -> Wanted:
        key = (repr(level), repr(quantiles))
        if key not in self._wanted:
            self._wanted[key] = check_levels(level, self._fitted.config, self._fitted.errors, quantiles)
        return self._wanted[key]

    def _read(self, values: Any) -> tuple[IntArray, FloatArray]:
        """Return which items were observed, and what: a number for each of their rows."""
        if isinstance(values, Mapping):
            items, numbers = self._read_named(values)
        else:
            items, numbers = self._every, self._read_all(values)
        if np.isinf(numbers).any() or self._fitted.transform.outside(numbers).any():
            self._refuse_numbers(items, numbers)
        return items, numbers

    def _read_all(self, values: Any) -> FloatArray:
        try:
            numbers = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(f"An observation is a number, or NaN where there was none; got {values!r}.") from None
        if numbers.size != len(self.ids) or numbers.shape not in self._forms():
            raise DataError(
                f"The stream has {len(self.ids):,} series and was given {_form(numbers)}. Give one number "
                f"for each, or {{id: number}} for some of them, such as {{{id_text(self.ids[0])}: {self._example()}}}."
            )
        return numbers.ravel()

    def _forms(self) -> set[tuple[int, ...]]:
        """Return the shapes that an observation of every series may have."""
        forms = {(len(self.ids),), (len(self._items), self._targets)}
        return forms | ({()} if len(self.ids) == 1 else set())

    def _example(self) -> str:
        return "1.5" if self._targets == 1 else str([1.5] * self._targets)

    def _read_named(self, values: Mapping[Any, Any]) -> tuple[IntArray, FloatArray]:
        problems, known = Problems(), self._items
        for name in values.keys() - known.keys():
            hint = did_you_mean(str(name), map(str, known))
            problems.add(f"The stream has no series {id_text(name)}.{hint} It has those that stream(df) was given.")
        problems.check(len(values) > 0, "The stream was given no observation: {id: number} is empty.")
        problems.raise_as(DataError)
        items = np.array([known[name] for name in values], dtype=np.int64)
        if self._targets == 1:
            numbers = [_number(name, value, problems) for name, value in values.items()]
        else:
            numbers = [one for name, given in values.items() for one in self._of_targets(name, given, problems)]
        problems.raise_as(DataError)
        return items, np.array(numbers, dtype=np.float64)

    def _of_targets(self, name: Any, given: Any, problems: Problems) -> list[float]:
        if np.shape(given) != (self._targets,):
            targets = ", ".join(self._panel.channels)
            problems.add(f"The observation of {id_text(name)} is a list, one for each of {targets}; got {given!r}.")
            return []
        return [_number(name, value, problems) for value in given]

    def _refuse_numbers(self, items: IntArray, numbers: FloatArray) -> None:
        problems, transform, rows = Problems(), self._fitted.transform, self._rows(items)
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
    return counted(numbers.size, "number") if numbers.ndim < 2 else f"an array of shape {numbers.shape}"
