from __future__ import annotations

import numpy as np
import pytest

from makers import QUICK, panel_of, waves
from unrolled.data.panel import Panel
from unrolled.errors import ConfigError, DataError
from unrolled.forecast.backtest import Plan, backtest
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import Fitted, fit_panel

CONFIG = Config(h=4, input_size=8, **QUICK)


def _train(panel: Panel, name: str) -> Fitted:
    return fit_panel(panel, CONFIG, lambda step, loss, best: None)


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


def test_series_too_short_for_the_earliest_cutoff_are_named() -> None:
    panel = panel_of([np.arange(60.0), np.arange(20.0), np.arange(23.0)])
    with pytest.raises(DataError, match=r"24 points: .s1. \(20\), .s2. \(23\)"):
        backtest(panel, CONFIG, Plan(3, 4, False), None, _train)


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
