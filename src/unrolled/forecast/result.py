"""What a forecast's picture is drawn from: plain numpy, so that it can be drawn without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SERIES = 12
"""A picture shows at most this many series; the rest are counted."""

FloatArray = NDArray[np.float64]
Times = NDArray[np.generic]
Band = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Segment:
    """A forecast over a stretch of time, with its bands by level."""

    times: Times
    values: FloatArray
    bands: dict[float, Band]


@dataclass(frozen=True)
class SeriesResult:
    """One series: its past (NaN where missing), its forecast if there is one, what backtests had forecast."""

    name: str
    times: Times
    values: FloatArray
    forecast: Segment | None
    backtests: tuple[Segment, ...]


@dataclass(frozen=True)
class ForecastResult:
    """Everything in the picture of a forecast.

    series: the first of all series; `n_series` counts them all.
    headline: what the picture teaches, as a sentence.
    """

    model: str
    series: tuple[SeriesResult, ...]
    n_series: int
    headline: str
