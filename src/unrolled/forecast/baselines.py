"""The baselines that stand beside the model in every backtest.

Each takes the past of all series and gives (S, h) forecasts. Missing values are looked through:
the last observed value counts as the last value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel

Forecasts = NDArray[np.float64]


def baselines(panel: Panel, h: int, season: int) -> dict[str, Forecasts]:
    """Return each baseline's (S, h) forecast by its column name."""
    return {
        "Naive": naive(panel, h),
        "SeasonalNaive": seasonal_naive(panel, h, season),
        "Drift": drift(panel, h),
    }


def naive(panel: Panel, h: int) -> Forecasts:
    """The last value, h times."""
    _, last = _ends(panel)
    return np.repeat(panel.values[last][:, None], h, axis=1)


def seasonal_naive(panel: Panel, h: int, season: int) -> Forecasts:
    """The value one season earlier; where that is missing, a season before it; then the last value."""
    begin, end = panel.offsets[:-1, None], panel.offsets[1:, None]
    at = end - season + np.arange(h) % season
    source = np.where(at >= begin, panel.values[np.maximum(at, begin)], np.nan)
    while (again := np.isnan(source) & (at >= begin)).any():
        at = np.where(again, at - season, at)
        source = np.where(again & (at >= begin), panel.values[np.maximum(at, begin)], source)
    return np.where(np.isnan(source), naive(panel, h), source)


def drift(panel: Panel, h: int) -> Forecasts:
    """The line from the first value to the last, continued."""
    first, last = _ends(panel)
    start, stop = panel.values[first], panel.values[last]
    slope = (stop - start) / np.maximum(last - first, 1)
    gap = panel.offsets[1:] - 1 - last  # missing steps between the last value and the end
    steps = gap[:, None] + np.arange(1, h + 1)
    line: Forecasts = stop[:, None] + slope[:, None] * steps
    return line


def _ends(panel: Panel) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of each series' first and last observed value."""
    positions = np.arange(len(panel.values))
    seen = ~np.isnan(panel.values)
    total = len(panel.values)
    first = np.minimum.reduceat(np.where(seen, positions, total), panel.offsets[:-1])
    last = np.maximum.reduceat(np.where(seen, positions, -1), panel.offsets[:-1])
    return first, last
