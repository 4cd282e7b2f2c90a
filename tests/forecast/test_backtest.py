from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from makers import QUICK, panel_of, wave_frame, waves
from unrolled import Forecaster
from unrolled.data.panel import Panel
from unrolled.errors import ConfigError, DataError
from unrolled.forecast.backtest import Plan, backtest
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import Fitted
from unrolled.forecast.fitting import fit_panel

CONFIG = Config(h=4, input_size=8, **QUICK)


def _train(panel: Panel, name: str) -> Fitted:
    return fit_panel(panel, CONFIG)


def test_cutoffs_lie_step_size_apart_and_the_last_leaves_one_horizon() -> None:
    panel = panel_of([np.arange(60.0), np.arange(70.0)])
    result = backtest(panel, CONFIG, Plan(3, 5, False), None, _train)
    assert result.cutoffs.tolist() == [[45, 55], [50, 60], [55, 65]]
    assert result.times[0, 0].tolist() == [46, 47, 48, 49]
    assert result.actual[2, 1].tolist() == [66, 67, 68, 69]


def test_baselines_stand_beside_the_model() -> None:
    panel = panel_of([np.arange(60.0)])
    result = backtest(panel, CONFIG, Plan(2, 4, False), None, _train)
    assert list(result.forecasts) == ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    assert result.forecasts["Drift"] == pytest.approx(result.actual)


@pytest.mark.parametrize(("refit", "trained"), [(False, [1]), (True, [1, 2, 3, 4]), (2, [1, 3]), (3, [1, 4])])
def test_the_model_is_trained_as_often_as_said(refit, trained) -> None:
    lengths = []

    def counted(panel: Panel, name: str) -> Fitted:
        lengths.append(int(panel.lengths[0]))
        return _train(panel, name)

    backtest(panel_of([np.arange(60.0)]), CONFIG, Plan(4, 4, refit), None, counted)
    assert lengths == [60 - 4 - 4 * (4 - number) for number in trained]


def test_nothing_after_a_cutoff_reaches_its_forecast() -> None:
    values = waves(1, 60)[0]
    spoilt = values.copy()
    spoilt[-8:] += 1000
    first, second = (backtest(panel_of([v]), CONFIG, Plan(2, 4, False), [80], _train) for v in (values, spoilt))
    for name in first.forecasts:
        assert np.array_equal(first.forecasts[name][0], second.forecasts[name][0])
    assert np.array_equal(first.bands[80][0][0], second.bands[80][0][0])


def test_series_that_are_all_too_short_for_the_earliest_cutoff_are_named() -> None:
    panel = panel_of([np.arange(20.0), np.arange(23.0)])
    with pytest.raises(DataError, match=r"24 points: .s0. \(20\), .s1. \(23\)"):
        backtest(panel, CONFIG, Plan(3, 4, False), None, _train)
    panel = panel_of([np.arange(24.0), np.arange(13.0)])  # the second is forecast, though not trained on
    tested = backtest(panel, CONFIG, Plan(3, 4, False), None, _train)
    assert tested.actual.shape == (3, 2, 4)
    assert np.isfinite(tested.forecasts[tested.model]).all()


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ((0, 4, False), "n_windows is a whole number of at least 1; got 0."),
        ((2, 0, False), "step_size is a whole number of at least 1; got 0."),
        ((2, 4, -1), "refit is False, True or every how many cutoffs to train anew; got -1."),
        ((2, 4, "yes"), "refit is False, True or every how many cutoffs to train anew; got 'yes'."),
    ],
)
def test_a_wrong_plan_is_refused(plan, expected) -> None:
    with pytest.raises(ConfigError) as caught:
        Plan(*plan)
    assert expected in str(caught.value)


def test_every_problem_of_a_plan_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Plan(0, 0, -1)
    assert len(caught.value.problems) == 3


SERIES = [100 + np.arange(60.0), 500 + np.arange(50.0)]


def _seen(plan: Plan) -> list[list[list[float]]]:
    """Return for each training the values of each series that it saw: they tell their places by themselves."""
    seen = []

    def watched(panel: Panel, name: str) -> Fitted:
        seen.append([panel.values[a:b].tolist() for a, b in pairwise(panel.offsets)])
        return _train(panel, name)

    backtest(panel_of(SERIES), CONFIG, plan, None, watched)
    return seen


def test_an_expanding_window_is_all_the_points_before_each_cutoff() -> None:
    seen = _seen(Plan(3, 5, True))
    assert seen == [[values[: len(values) - left].tolist() for values in SERIES] for left in (14, 9, 4)]


@pytest.mark.parametrize("size", [12, 20, 40])
def test_a_sliding_window_is_the_last_points_before_each_cutoff(size: int) -> None:
    seen = _seen(Plan(3, 5, True, size))
    expected = [
        [values[max(0, len(values) - left - size) : len(values) - left] for values in SERIES] for left in (14, 9, 4)
    ]
    assert seen == [[values.tolist() for values in of_cutoff] for of_cutoff in expected]


def test_what_lies_before_a_sliding_window_changes_no_forecast() -> None:
    """Nor any baseline: the drift is that of the points in the window."""
    values = waves(1, 60)[0]
    other = values.copy()
    other[: 60 - 4 - 20] *= -7
    results = [backtest(panel_of([v]), CONFIG, Plan(1, 4, False, 20), [80], _train) for v in (values, other)]
    first, second = results
    for name in ("LSTM", "Drift"):
        assert np.array_equal(first.forecasts[name], second.forecasts[name])
    assert np.array_equal(first.bands[80][1], second.bands[80][1])
    drift = values[55] + np.arange(1, 5) * (values[55] - values[36]) / 19
    assert first.forecasts["Drift"][0, 0] == pytest.approx(drift)


def test_the_unit_of_mase_is_of_all_the_past() -> None:
    values = waves(1, 60)[0]
    result = backtest(panel_of([values]), CONFIG, Plan(1, 4, False, 20), None, _train)
    unit = np.abs(np.diff(values[:56])).mean()
    expected = np.abs(values[56:] - values[55]).mean() / unit
    assert result.scores.by_model["Naive"]["MASE"] == pytest.approx(expected)


def test_a_train_size_without_a_window_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train_size=11 holds no window .* take 12 points"):
        backtest(panel_of(SERIES), CONFIG, Plan(2, 4, True, 11), None, _train)


@pytest.mark.parametrize("size", [0, -3, True, "all", 2.5])
def test_a_train_size_that_is_no_number_is_refused(size) -> None:
    with pytest.raises(ConfigError, match="train_size is a whole number"):
        Plan(1, 4, False, size)


def test_train_size_by_way_of_the_forecaster() -> None:
    model = Forecaster(h=4, input_size=8, **QUICK)
    model.cross_validation(wave_frame(2, 60), n_windows=2, refit=True, train_size=20)
    assert model.backtest is not None
    assert model.backtest.actual.shape == (2, 2, 4)
    with pytest.raises(ConfigError, match="train_size=5 holds no window"):
        model.cross_validation(wave_frame(2, 60), train_size=5)
