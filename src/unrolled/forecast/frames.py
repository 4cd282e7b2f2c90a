"""Forecasts and backtests as tables in the field's long form.

Their columns are always `unique_id`, `ds` (and `cutoff`, `y`), whatever the input's were called, so
that they go into utilsforecast's `evaluate` as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.frames import to_native
from unrolled.data.panel import Panel
from unrolled.forecast.backtest import Backtest
from unrolled.forecast.fitted import Forecast
from unrolled.forecast.scores import band_columns


def forecast_columns(panel: Panel, forecast: Forecast, model: str) -> dict[str, NDArray[Any]]:
    """Return the columns of a forecast: unique_id, ds, MODEL, MODEL-lo-80, MODEL-hi-80, MODEL-ql0.1, ...

    With several targets a column names that of each row.
    """
    h = forecast.values.shape[1]
    columns = {"unique_id": np.repeat(panel.ids, h), "ds": panel.future_times(h).ravel()}
    columns |= {name: np.repeat(targets, h) for name, targets in _targets(panel).items()}
    values = {model: forecast.values, **band_columns(forecast.bands, model, forecast.quantiles)}
    return columns | {name: array.ravel() for name, array in values.items()}


def backtest_columns(panel: Panel, backtest: Backtest) -> dict[str, NDArray[Any]]:
    """Return the columns of a backtest: unique_id, ds, cutoff, y, then each model's.

    A row for each value that was observed: what is missing can't be scored.
    """
    K, S, h = backtest.actual.shape
    columns = {
        "unique_id": np.broadcast_to(panel.ids[None, :, None], (K, S, h)),
        "ds": backtest.times,
        **{name: np.broadcast_to(targets[None, :, None], (K, S, h)) for name, targets in _targets(panel).items()},
        "cutoff": np.broadcast_to(backtest.cutoffs[:, :, None], (K, S, h)),
        "y": backtest.actual,
        **_model_first(backtest),
    }
    by_series = {name: array.swapaxes(0, 1).ravel() for name, array in columns.items()}
    observed = ~np.isnan(by_series["y"])
    return {name: array[observed] for name, array in by_series.items()}


def sample_columns(panel: Panel, samples_ShM: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the columns of samples: unique_id, ds, sample (counted from 0), value; a path after another."""
    S, h, M = samples_ShM.shape
    columns = {
        "unique_id": np.broadcast_to(panel.ids[:, None, None], (S, M, h)),
        "ds": np.broadcast_to(panel.future_times(h)[:, None, :], (S, M, h)),
        **{name: np.broadcast_to(targets[:, None, None], (S, M, h)) for name, targets in _targets(panel).items()},
        "sample": np.broadcast_to(np.arange(M)[:, None], (S, M, h)),
        "value": samples_ShM.swapaxes(1, 2),
    }
    return {name: array.ravel() for name, array in columns.items()}


def _targets(panel: Panel) -> dict[str, NDArray[Any]]:
    """Return the (S,) target of each series as a column; none where there is but one."""
    return {"target": np.tile(np.array(panel.channels), len(panel.item_ids))} if panel.channels else {}


def _model_first(backtest: Backtest) -> dict[str, NDArray[Any]]:
    ours = {backtest.model: backtest.forecasts[backtest.model]}
    return ours | band_columns(backtest.bands, backtest.model, backtest.quantiles) | backtest.forecasts


def as_frame(panel: Panel, columns: dict[str, NDArray[Any]]) -> Any:
    """Return the columns as a table of the kind that `panel` came from."""
    return to_native(panel.table, columns)
