from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from unrolled import figures
from unrolled.forecast.result import ForecastResult, Segment, SeriesResult
from unrolled.view.style import FORECAST, TRUTH, can_draw


def _result(n_series: int, names: str = "series-{}", backtests: int = 2, ahead: bool = True) -> ForecastResult:
    draw = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "us") + np.arange(100) * np.timedelta64(1, "D")
    later = times[-1] + np.arange(1, 11) * np.timedelta64(1, "D")

    def segment(at: np.ndarray) -> Segment:
        return Segment(at, np.ones(10), {80: (np.zeros(10), 2 * np.ones(10)), 95: (-np.ones(10), 3 * np.ones(10))})

    series = tuple(
        SeriesResult(
            names.format(number),
            times,
            draw.normal(size=100),
            segment(later) if ahead else None,
            tuple(segment(times[80 + 10 * k : 90 + 10 * k]) for k in range(backtests)),
        )
        for number in range(n_series)
    )
    return ForecastResult("LSTM", series, n_series, "LSTM forecasts the next 10 steps.")


def _undrawn(figure) -> set[object]:
    """Return the labels of ticks outside the axes' limits: they exist but are not drawn."""
    found = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return found


def _overlaps(figure) -> list[tuple[str, str]]:
    """List the pairs of texts whose boxes overlap when drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in _undrawn(figure)]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]
    inside = [(name, box) for name, box in boxes if box.width and box.height]
    return [
        (a, b)
        for number, (a, first) in enumerate(inside)
        for b, second in inside[number + 1 :]
        if first.overlaps(second) and not (a == b and first.bounds == second.bounds)
    ]


@pytest.mark.parametrize("n_series", [1, 2, 3, 5, 12, 40])
def test_at_most_twelve_series_are_drawn_and_the_rest_counted(n_series: int) -> None:
    figure = figures.forecast(_result(n_series))
    drawn = [axis for axis in figure.axes if axis.get_visible() and axis.lines]
    assert len(drawn) == min(n_series, 12)
    said = "and 28 more series" in str([text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))])
    assert said == (n_series == 40)


@pytest.mark.parametrize("n_series", [1, 2, 4, 7, 12, 40])
def test_no_labels_overlap(n_series: int) -> None:
    assert _overlaps(figures.forecast(_result(n_series, names="a rather long name {}"))) == []


def test_truth_and_forecast_have_their_colours() -> None:
    axis = figures.forecast(_result(1)).axes[0]
    colours = {line.get_label(): line.get_color() for line in axis.lines}
    assert colours["observed"] == TRUTH
    assert colours["forecast"] == colours["backtest"] == FORECAST


def test_every_label_is_said_once() -> None:
    figure = figures.forecast(_result(3))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(labels) == sorted(["observed", "backtest", "forecast", "80 % band", "95 % band"])


@pytest.mark.parametrize(("backtests", "ahead"), [(0, True), (2, False)])
def test_a_forecast_or_a_backtest_alone_can_be_drawn(backtests: int, ahead: bool) -> None:
    figure = figures.forecast(_result(2, backtests=backtests, ahead=ahead))
    assert len(figure.axes) == 2


def test_names_that_no_face_can_draw_get_a_number() -> None:
    figure = figures.forecast(_result(1, names="\ue123\ue124"))
    shown = figure.axes[0].get_title(loc="left")
    assert shown == ("\ue123\ue124" if can_draw("\ue123") else "series 1")


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_it_can_be_written_in_every_format_the_same_each_time(ending: str) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
    for target in (first, second):
        figures.forecast(_result(2)).savefig(target, format=ending, metadata=metadata)
    assert first.getvalue() == second.getvalue()
    assert len(first.getvalue()) > 5000


def test_a_notebook_shows_it() -> None:
    assert figures.forecast(_result(1))._repr_png_().startswith(b"\x89PNG")


def test_matplotlibs_settings_are_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.forecast(_result(1))
    assert dict(matplotlib.rcParams) == before


def test_values_without_a_neighbour_are_drawn_as_dots() -> None:
    result = _result(1, backtests=0)
    result.series[0].values[::2] = np.nan
    line = next(line for line in figures.forecast(result).axes[0].lines if line.get_label() == "observed")
    assert line.get_marker() == "o"
    assert len(line.get_markevery()) == np.isfinite(line.get_ydata()).sum() > 0


def test_a_horizon_of_one_is_drawn() -> None:
    result = _result(1, backtests=1)
    series = result.series[0]

    def first(segment: Segment) -> Segment:
        return Segment(
            segment.times[:1],
            segment.values[:1],
            {level: (low[:1], high[:1]) for level, (low, high) in segment.bands.items()},
        )

    short = replace(series, forecast=first(series.forecast), backtests=tuple(map(first, series.backtests)))
    axes = figures.forecast(replace(result, series=(short,))).axes[0]
    dots = [line.get_label() for line in axes.lines if line.get_marker() == "o"]
    assert dots == ["backtest", "forecast"]
    assert [band.get_segments()[0][:, 1].tolist() for band in axes.collections] == [[-1, 3], [0, 2]]


def test_dollar_signs_in_a_name_are_no_formula() -> None:
    axes = figures.forecast(_result(1, "US$5 and AU$6 {}")).axes[0]
    assert axes.get_title(loc="left") == "US$5 and AU$6 0"
    assert not axes._left_title.get_parse_math()
