"""The picture of a forecast: history, what the backtest had forecast, and what comes, with its bands."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes

from unrolled.forecast.result import MOST_SERIES, ForecastResult, Segment, SeriesResult
from unrolled.view.style import (
    BAND_OPACITY,
    FORECAST,
    LABEL,
    QUIET,
    SMALL,
    TITLE,
    TRUTH,
    Picture,
    can_draw,
    house_style,
)

SHORT_HORIZON = 12  # a shorter one is drawn with as much history as this


def forecast(result: ForecastResult) -> Picture:
    """Draw history, backtest and forecast of at most 12 series; the rest are counted.

    Args:
        result: what `Forecaster.result()` returns.

    Returns:
        The figure; `savefig` writes it as PNG, SVG or PDF.
    """
    shown = result.series[:MOST_SERIES]
    columns = _columns(len(shown))
    rows = math.ceil(len(shown) / columns)
    with house_style():
        picture = Picture(figsize=_size(rows, columns), layout="constrained")
        axes = picture.subplots(rows, columns, squeeze=False).ravel()
        for number, (axis, series) in enumerate(zip(axes, shown, strict=False)):
            _draw_series(axis, series, number)
        for axis in axes[len(shown) :]:
            axis.set_visible(False)
        _label(picture, axes, result)
    return picture


def _columns(series: int) -> int:
    return 1 if series == 1 else 2 if series <= 4 else 3


def _size(rows: int, columns: int) -> tuple[float, float]:
    return (10.0, 4.6) if rows == columns == 1 else (4.2 * columns, 2.2 * rows + 1.2)


def _draw_series(axis: Axes, series: SeriesResult, number: int) -> None:
    drawn = slice(_first_drawn(series), None)
    _draw_line(axis, series.times[drawn], series.values[drawn], color=TRUTH, label="observed")
    dashed: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (4, 2))}
    for segment in series.backtests:
        _draw_line(axis, segment.times, segment.values, color=FORECAST, label="backtest", **dashed)
        axis.axvline(segment.times[0], color=QUIET, linewidth=0.5, linestyle=":")
    if series.forecast is not None:
        _draw_forecast(axis, series.forecast)
    # Two dollar signs in a name are no formula.
    axis.set_title(series.name if can_draw(series.name) else f"series {number + 1}", loc="left", parse_math=False)
    axis.margins(x=0.01)
    if np.issubdtype(series.times.dtype, np.datetime64):
        locator = dates.AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _draw_line(axis: Axes, times: np.ndarray, values: np.ndarray, **look: Any) -> None:
    """Draw a line, with dots for the values that have no neighbour: a line alone would not show them."""
    known = np.pad(~np.isnan(values), 1)
    alone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
    dots: dict[str, Any] = {"marker": "o", "markersize": 3, "markevery": alone.tolist()} if len(alone) else {}
    axis.plot(times, values, **look, **dots)


def _first_drawn(series: SeriesResult) -> int:
    """Return where the drawn history begins: long enough for the backtest, short enough to see the forecast."""
    segments = [*series.backtests, *([series.forecast] if series.forecast else [])]
    ahead = max(len(segment.values) for segment in segments)
    tested = sum(len(segment.values) for segment in series.backtests)
    return max(0, len(series.values) - tested - 3 * max(ahead, SHORT_HORIZON))


def _draw_forecast(axis: Axes, segment: Segment) -> None:
    """Draw the line, and the bands around it, the widest first and palest."""
    levels = sorted(segment.bands, reverse=True)
    for place, level in enumerate(levels):
        low, high = segment.bands[level]
        opacity = BAND_OPACITY[0] if place == len(levels) - 1 else BAND_OPACITY[1]
        look: dict[str, Any] = {"color": FORECAST, "alpha": opacity, "label": f"{level:g} % band"}
        if len(segment.times) == 1:  # a band over one point has no width of its own
            axis.vlines(segment.times, low, high, linewidth=6, **look)
        else:
            axis.fill_between(segment.times, low, high, linewidth=0, **look)
    _draw_line(axis, segment.times, segment.values, color=FORECAST, label="forecast")
    axis.axvline(segment.times[0], color=QUIET, linewidth=0.8)


def _label(picture: Picture, axes: np.ndarray, result: ForecastResult) -> None:
    """Write what the picture teaches, one legend for all, and how many series are not drawn."""
    width = int(picture.get_figwidth() * 11)
    picture.suptitle(textwrap.fill(result.headline, width), x=0.01, ha="left", fontsize=TITLE)
    by_name = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    picture.legend(
        by_name.values(), by_name.keys(), loc="outside lower center", ncols=len(by_name), frameon=False, fontsize=SMALL
    )
    left_out = result.n_series - min(len(result.series), MOST_SERIES)
    if left_out:
        picture.supxlabel(f"and {left_out:,} more series", fontsize=LABEL, color=QUIET, x=0.99, ha="right")
