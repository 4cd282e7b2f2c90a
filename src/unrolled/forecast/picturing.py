"""What a picture of a forecast shows: a panel, what was forecast of it and what a backtest had, as plain arrays."""

from __future__ import annotations

import numpy as np

from unrolled.data.panel import Panel
from unrolled.forecast.backtest import Backtest
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import Forecast
from unrolled.forecast.result import MOST_SERIES, ForecastResult, Segment, SeriesResult


def picture_of(panel: Panel, config: Config, forecast: Forecast | None, backtest: Backtest | None) -> ForecastResult:
    """Return what is drawn of a panel: its first series, and what the picture says in a sentence."""
    drawn = range(min(len(panel), MOST_SERIES))
    series = tuple(_series(panel, forecast, backtest, number) for number in drawn)
    return ForecastResult(config.name, series, len(panel), _headline(panel, config, forecast, backtest))


def _headline(panel: Panel, config: Config, forecast: Forecast | None, backtest: Backtest | None) -> str:
    compared = backtest.scores.headline() if backtest else ""
    if forecast is None:
        return f"{config.name}'s backtest {compared or 'had nothing to be compared with'}"
    steps = f"The next {config.h} {panel.freq.points}" if config.h > 1 else "The next step"
    ahead = f"{steps}, by {config.name}"
    return f"{ahead}; its backtest {compared}" if compared else ahead


def _series(panel: Panel, forecast: Forecast | None, backtest: Backtest | None, number: int) -> SeriesResult:
    whole = slice(panel.offsets[number], panel.offsets[number + 1])
    return SeriesResult(
        name=str(panel.names[number]),
        times=panel.times[whole],
        values=panel.values[whole],
        forecast=_ahead(panel, forecast, number) if forecast is not None else None,
        backtests=_past_forecasts(panel, backtest, number),
    )


def _ahead(panel: Panel, forecast: Forecast, number: int) -> Segment:
    bands = {level: (low[number], high[number]) for level, (low, high) in forecast.bands.items()}
    return Segment(panel.future_times(forecast.values.shape[1])[number], forecast.values[number], bands)


def _past_forecasts(panel: Panel, backtest: Backtest | None, number: int) -> tuple[Segment, ...]:
    """Return what the backtest had forecast for one series of `panel`."""
    rows = np.flatnonzero(backtest.ids == panel.ids[number]) if backtest is not None else np.zeros(0)
    if backtest is None or not len(rows):
        return ()
    # Of several targets each is a row, in the same order in both.
    row, values = rows[number % panel.n_channels], backtest.forecasts[backtest.model]
    return tuple(
        Segment(
            backtest.times[window, row],
            values[window, row],
            {level: (low[window, row], high[window, row]) for level, (low, high) in backtest.bands.items()},
        )
        for window in range(len(values))
    )
