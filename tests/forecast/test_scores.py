from __future__ import annotations

import math

import numpy as np
import pytest

from makers import panel_of
from unrolled.forecast.scores import Scores, average, score_window

NAN = float("nan")


def _by_hand(past, actual, forecast, season) -> dict[str, float]:
    rows = []
    for before, y, f in zip(past, actual, forecast, strict=True):
        seen = ~np.isnan(y)
        error = np.abs(y - f)[seen]
        scale = np.nanmean(np.abs(before[season:] - before[:-season]))
        smape = np.mean(200 * error / (np.abs(y) + np.abs(f))[seen])
        rows.append((error.mean(), np.sqrt((error**2).mean()), error.mean() / scale, smape))
    return dict(zip(("MAE", "RMSE", "MASE", "sMAPE"), np.mean(rows, axis=0), strict=True))


def test_metrics_agree_with_their_definitions_and_leave_out_missing_points() -> None:
    draw = np.random.default_rng(0)
    past = [10 + draw.normal(size=30), 100 + draw.normal(size=25)]
    past[0][7] = NAN
    actual = np.stack([10 + draw.normal(size=6), 100 + draw.normal(size=6)])
    actual[1, 2] = NAN
    forecast = actual + draw.normal(size=(2, 6))
    forecast[1, 2] = 1e9  # stands against a missing value
    forecasts = {"LSTM": forecast, "SeasonalNaive": np.nan_to_num(actual)}
    scores = score_window(panel_of(past), actual, forecasts, {}, "LSTM", season=4)
    expected = _by_hand(past, actual, forecast, 4)
    assert scores.by_model["LSTM"] == pytest.approx(expected)
    assert scores.by_model["SeasonalNaive"]["MAE"] == 0
    assert scores.points == 11


def test_coverage_is_the_share_of_observed_values_in_the_band() -> None:
    actual = np.array([[1.0, 2.0, 3.0, NAN]])
    bands = {80: (np.array([[0.0, 0, 0, 0]]), np.array([[1.0, 1, 5, 5]])), 97.5: (actual - 1, actual + 1)}
    forecasts = {"LSTM": actual, "SeasonalNaive": actual}
    scores = score_window(panel_of([np.arange(9.0)]), actual, forecasts, bands, "LSTM", 1)
    assert scores.coverage[80] == pytest.approx(200 / 3)
    assert scores.coverage[97.5] == 100
    assert "67 % of the values lie in the 80 % band" in scores.covered()


def test_the_quantile_loss_weighs_observed_points_of_bands_and_quantiles() -> None:
    actual = np.array([[1.0, 2.0, NAN], [10.0, -4.0, 5.0]])
    low, high, third = actual - 1, actual + 2, np.full((2, 3), 3.0)
    low[0, 2] = high[0, 2] = third[0, 2] = 1e9  # stand against a missing value
    forecasts = {"LSTM": actual, "SeasonalNaive": actual}
    past = panel_of([np.arange(9.0), np.arange(9.0)])
    scores = score_window(past, actual, forecasts, {80: (low, high)}, "LSTM", 1, {0.1: low, 0.3: third})
    costs = [
        sum(
            share * (y - q) if y >= q else (1 - share) * (q - y)
            for y, q in zip(actual.ravel(), ends.ravel(), strict=True)
            if not math.isnan(y)
        )
        for share, ends in ((0.1, low), (0.9, high), (0.3, third))  # 0.1 is asked for twice, and counts once
    ]
    assert scores.quantile_loss == pytest.approx(2 * np.mean(costs) / (1 + 2 + 10 + 4 + 5))
    nothing = score_window(past, actual, forecasts, {}, "LSTM", 1)
    assert nothing.to_json()["quantile_loss"] is None
    zeros = score_window(past, 0 * actual, forecasts, {80: (low, high)}, "LSTM", 1)
    assert math.isnan(zeros.quantile_loss)
    assert average([scores, zeros]).quantile_loss == scores.quantile_loss


def _scores(ours: float, naive: float, season: int = 12, mase: bool = True) -> Scores:
    rows = {
        "LSTM": {"MAE": ours, "RMSE": ours, "MASE": ours if mase else NAN, "sMAPE": ours},
        "SeasonalNaive": {"MAE": naive, "RMSE": naive, "MASE": naive if mase else NAN, "sMAPE": naive},
    }
    return Scores("LSTM", rows, {}, 10, season)


def test_the_verdict_says_better() -> None:
    assert _scores(0.5, 1.0).verdict() == "LSTM beats seasonal naive: MASE 0.5 against 1, 50 % less."


def test_the_verdict_says_worse_in_plain_words() -> None:
    assert _scores(2.0, 1.0).verdict().startswith("LSTM is worse than seasonal naive here: MASE 2 against 1.")


def test_the_verdict_falls_back_on_mae_where_mase_does_not_exist() -> None:
    assert "MAE 0.5 against 1" in _scores(0.5, 1.0, mase=False).verdict()


def test_the_verdict_says_so_when_there_was_nothing_to_compare() -> None:
    assert "nothing was observed" in _scores(NAN, NAN).verdict()


def test_averages_leave_out_what_does_not_exist() -> None:
    first, second = _scores(1.0, 2.0), _scores(3.0, 4.0)
    second.by_model["LSTM"]["MASE"] = math.inf
    both = average([first, second])
    assert both.by_model["LSTM"] == {"MAE": 2, "RMSE": 2, "MASE": 1, "sMAPE": 2}
    assert both.points == 20


def test_json_holds_no_nan() -> None:
    assert _scores(NAN, 1.0).to_json()["metrics"]["LSTM"]["MAE"] is None


@pytest.mark.parametrize(
    ("ours", "naive", "expected"),
    [
        (0.5, 1.0, "error was 50 % below seasonal naive's"),
        (1.2, 1.0, "error was 20 % above seasonal naive's"),
        (NAN, 1.0, ""),
        (1.0, 0.0, ""),
    ],
)
def test_the_headline_says_it_in_a_few_words(ours: float, naive: float, expected: str) -> None:
    assert _scores(ours, naive).headline() == expected


def test_with_nothing_observed_there_are_no_scores_and_no_error() -> None:
    actual = np.full((1, 3), NAN)
    forecasts = {"LSTM": np.ones((1, 3)), "SeasonalNaive": np.ones((1, 3))}
    bands = {80: (np.zeros((1, 3)), np.ones((1, 3)))}
    scores = average([score_window(panel_of([np.arange(9.0)]), actual, forecasts, bands, "LSTM", 1)])
    assert scores.points == 0
    assert scores.to_json()["coverage"] == {"80": None}
    assert set(scores.to_json()["metrics"]["LSTM"].values()) == {None}
    assert scores.covered() == ""
    assert "nothing was observed" in scores.verdict()


def test_without_a_season_the_advice_names_the_naive_forecast() -> None:
    row = {"MAE": 2.0, "RMSE": 2.0, "MASE": 2.0, "sMAPE": 2.0}
    better = dict.fromkeys(row, 1.0)
    scores = Scores("LSTM", {"LSTM": row, "Naive": better, "SeasonalNaive": better}, {}, 1, season=1)
    assert "Prefer Naive," in scores.verdict()
