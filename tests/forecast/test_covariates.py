"""Covariates, several targets, short and gappy series: end to end, through the forecaster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from makers import QUICK
from unrolled import Forecaster
from unrolled.data.panel import Panel
from unrolled.errors import ConfigError, DataError
from unrolled.forecast import features as features_module

SETTINGS = {
    "h": 4,
    "input_size": 10,
    "id_col": "shop",
    "time_col": "day",
    "static_covariates": ["region", "size"],
    "past_covariates": ["temp"],
    "future_covariates": ["promo", "kind"],
    "calendar": ["dayofweek"],
    **QUICK,
}
CUT = pd.Timestamp("2024-03-11")


def shops(n: int = 80, names: str = "abc", seed: int = 0) -> pd.DataFrame:
    """Sales that rise with the promotion of the day, visits that fall with it."""
    draw = np.random.default_rng(seed)
    parts = []
    for number, name in enumerate(names):
        promo = draw.integers(0, 2, n)
        parts.append(
            pd.DataFrame(
                {
                    "shop": name,
                    "day": pd.date_range("2024-01-01", periods=n),
                    "sales": 10 + 5 * promo + 0.1 * draw.normal(size=n),
                    "visits": 30 - 9 * promo + 0.1 * draw.normal(size=n),
                    "promo": promo == 1,
                    "kind": np.where(promo, "sale", "none"),
                    "temp": draw.normal(size=n),
                    "region": ["north", "south"][number % 2],
                    "size": float(number),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def halves(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return frame[frame.day < CUT], frame[frame.day >= CUT]


def test_a_forecast_follows_what_is_known_of_the_future() -> None:
    past, future = halves(shops(names="ab"))
    settings = SETTINGS | {"network": "steps", "max_steps": 200, "hidden_size": 16, "patience": 20}
    model = Forecaster(target_col="sales", **settings).fit(past)
    with_promotion = model.predict(future=future.assign(promo=True, kind="sale"))["LSTM"]
    without = model.predict(future=future.assign(promo=False, kind="none"))["LSTM"]
    assert (with_promotion - without).min() > 2.5  # of 5
    assert "rows of the future not used: 12 beyond the horizon" in model.notes


@pytest.mark.parametrize("channels", ["independent", "joint"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_several_targets_with_covariates_from_table_to_saved_model(channels: str, library: str, tmp_path: Path) -> None:
    past, future = halves(shops().sample(frac=1, random_state=1))
    made = {"pandas": lambda frame: frame, "polars": pl.from_pandas}[library]
    model = Forecaster(target_col=["sales", "visits"], channels=channels, **SETTINGS).fit(made(past))
    forecast = model.predict(level=[80], future=made(future))
    assert list(forecast.columns) == ["unique_id", "ds", "target", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    ids = list(dict.fromkeys(past.shop))
    assert list(forecast["unique_id"]) == [one for one in ids for _ in range(8)]
    assert list(forecast["target"]) == (["sales"] * 4 + ["visits"] * 4) * 3
    assert list(forecast["ds"][:4]) == list(pd.date_range(CUT, periods=4))

    model.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model")
    table = again.predict(made(past), level=[80], future=made(future.drop(columns=["sales", "visits", "temp"])))
    np.testing.assert_array_equal(table["LSTM-lo-80"], forecast["LSTM-lo-80"])
    with pytest.raises(DataError, match=r"There is no column 'visits', given as target_col\."):
        again.predict(made(past.drop(columns="visits")), future=made(future))

    tested = model.cross_validation(made(past), n_windows=2)
    assert list(tested.columns)[:5] == ["unique_id", "ds", "target", "cutoff", "y"]
    actual = past.melt(["shop", "day"], ["sales", "visits"], "target").set_index(["shop", "day", "target"])["value"]
    keys = zip(tested["unique_id"], tested["ds"], tested["target"], strict=True)
    assert [actual[key] for key in keys] == list(tested["y"])
    assert len(tested) == 3 * 2 * 2 * 4


@pytest.mark.parametrize("channels", ["independent", "joint"])
def test_pictures_name_the_target(channels: str) -> None:
    past, _ = halves(shops(names="ab"))
    plain = {key: value for key, value in SETTINGS.items() if not key.endswith("covariates")}
    model = Forecaster(target_col=["sales", "visits"], channels=channels, **plain)
    model.cross_validation(past, n_windows=1)
    model.fit(past)
    result = model.result()
    assert [one.name for one in result.series] == ["a · sales", "a · visits", "b · sales", "b · visits"]
    for number, one in enumerate(result.series):
        np.testing.assert_array_equal(one.backtests[0].values, model.backtest.forecasts["LSTM"][0, number])
        assert np.abs(one.backtests[0].values - one.values.mean()).max() < 12  # of its own target's size


def test_targets_may_be_missing_at_different_times() -> None:
    past, _ = halves(shops(names="ab"))
    past = past.assign(visits=past.visits.where(past.day > "2024-01-20"), sales=past.sales.where(past.day.dt.day != 5))
    plain = {key: value for key, value in SETTINGS.items() if not key.endswith("covariates")}
    model = Forecaster(target_col=["sales", "visits"], channels="joint", **plain).fit(past)
    assert np.isfinite(model.predict()["LSTM"]).all()
    tested = model.cross_validation(past, n_windows=3)
    assert np.isfinite(tested.drop(columns=["unique_id", "ds", "target", "cutoff"]).to_numpy()).all()
    assert len(tested) == 3 * 2 * 2 * 4 - 2  # 5 March lies in one window, of two shops' sales


def test_a_backtest_knows_the_future_rows_that_it_would_have_known() -> None:
    past, _ = halves(shops(names="ab"))
    model = Forecaster(target_col="sales", **SETTINGS)
    tested = model.cross_validation(past, n_windows=1)
    known = past[past.day < CUT - pd.Timedelta("4D")]
    by_hand = Forecaster(target_col="sales", **SETTINGS).fit(known).predict(future=past)
    np.testing.assert_array_equal(tested["LSTM"], by_hand["LSTM"])
    # A plot before anyone said what is known of the future shows the backtest alone.
    model.fit(past)
    assert model.result().series[0].forecast is None
    assert len(model.result().series[0].backtests) == 1


def test_without_a_table_of_the_future_it_is_asked_for() -> None:
    past, future = halves(shops(names="ab"))
    model = Forecaster(target_col="sales", **SETTINGS).fit(past)
    for series in (None, past):
        with pytest.raises(DataError, match=r"reads 'promo', 'kind' over the next 4 days, .* future="):
            model.predict(series)
    with pytest.raises(DataError, match="future="):
        model.plot()
    with pytest.raises(DataError) as wrong:
        model.predict(future=future[(future.shop != "b") | (future.day.dt.day != 12)].assign(promo=np.nan))
    assert wrong.value.problems == (
        "The next 4 days of 'b' lack 2024-03-12. Add a row for each.",
        "'promo' has no value in 7 rows of the future: ('a', 2024-03-11), ('a', 2024-03-12), ('a', 2024-03-13) and 4 "
        "more. Fill them.",
    )
    plain = Forecaster(h=4, id_col="shop", target_col="sales", **QUICK).fit(past[["shop", "day", "sales"]])
    with pytest.raises(ConfigError, match=r"^future= is what a model with future_covariates reads"):
        plain.predict(future=future)


def test_wrong_covariates_are_named_in_fit_and_in_predict() -> None:
    past, future = halves(shops(names="ab"))
    with pytest.raises(DataError) as wrong:
        Forecaster(target_col="sales", **SETTINGS | {"past_covariates": ["tmp"]}).fit(
            past.assign(size=range(len(past)))
        )
    assert [problem.split(".")[0] for problem in wrong.value.problems] == [
        "There is no column 'tmp', given as a past covariate",
        "'size' is given as a static covariate, and changes within 2 series: series 'a' has 0 and 69; "
        "series 'b' has 70 and 139",
    ]
    model = Forecaster(target_col="sales", **SETTINGS).fit(past)
    with pytest.raises(DataError) as wrong:
        model.predict(past.assign(temp="warm", region=1.5), future=future)
    assert [problem.split(",")[0].split(" in ")[0] for problem in wrong.value.problems] == [
        "'region' holds numbers with fractions where the model was trained on texts.",
        "'temp' has text where numbers belong",
    ]


def test_series_and_categories_that_training_never_saw() -> None:
    past, _ = halves(shops())
    model = Forecaster(target_col="sales", **SETTINGS).fit(past)
    new, later = (one.assign(shop="new", region="east") for one in halves(shops(names="z", seed=5)))
    forecast = model.predict(new.tail(3), future=later)  # shorter than the window, too
    assert np.isfinite(forecast["LSTM"]).all()
    assert {
        "1 series shorter than one window of 10 points: 'new' (3). What is missing counts as not observed.",
        "region: 'east' did not occur in training and counts as unknown",
    } < set(model.notes)


def test_missing_covariates_change_nothing_but_themselves() -> None:
    past, future = halves(shops())
    gappy = past.assign(temp=past.temp.where(past.day.dt.day % 3 > 0), kind=past.kind.where(past.day.dt.day % 5 > 0))
    gappy = gappy.drop(index=gappy.index[[7, 100]])
    model = Forecaster(target_col="sales", **SETTINGS).fit(gappy)
    assert np.isfinite(model.predict(future=future)["LSTM"]).all()
    assert [note for note in model.notes if note.startswith(("temp", "kind"))] == [
        f"temp: no value for {210 - gappy.temp.count()} of 210 days; the last one known stands for it, else the mean",
        f"kind: no value for {210 - gappy.kind.count()} of 210 days; it counts as unknown",
    ]


# Short, gappy, constant


def short_and_long() -> pd.DataFrame:
    frame = shops(70, "abcde")[["shop", "day", "sales"]]
    room = {"a": 70, "b": 70, "c": 9, "d": 3, "e": 1}
    later = frame.groupby("shop").cumcount(ascending=False) < frame.shop.map(room)
    return frame[later]


PLAIN = {"h": 4, "input_size": 10, "id_col": "shop", **QUICK}


def test_short_series_are_not_trained_on_and_forecast_all_the_same() -> None:
    frame = short_and_long()
    model = Forecaster(**PLAIN).fit(frame)
    short = (
        "3 series shorter than one window of 14 points: 'c' (9), 'd' (3), 'e' (1). No window of theirs is trained on; "
        "they can be forecast all the same."
    )
    assert short in model.notes
    forecast = model.predict()
    assert forecast["unique_id"].tolist() == [one for one in "abcde" for _ in range(4)]
    assert np.isfinite(forecast["LSTM"]).all()
    # The weights are those of a training on the long ones alone.
    alone = Forecaster(**PLAIN).fit(frame[frame.shop.isin(["a", "b"])]).predict(frame)
    np.testing.assert_array_equal(alone["LSTM"], forecast["LSTM"])
    with pytest.raises(
        DataError, match=r"3 series shorter than one window of 14 points: 'c' \(9\), .* Give longer ones"
    ):
        Forecaster(**PLAIN).fit(frame[frame.shop.isin(["c", "d", "e"])])


def test_a_backtest_leaves_out_series_of_which_nothing_is_known_before_it() -> None:
    model = Forecaster(**PLAIN)
    tested = model.cross_validation(short_and_long(), n_windows=2)
    assert tested["unique_id"].unique().tolist() == ["a", "b", "c"]
    assert np.isfinite(tested.drop(columns=["unique_id", "ds", "cutoff"]).to_numpy()).all()
    left_out = "2 series are left out of the backtest, without a value before its first cutoff: 'd' first."
    assert left_out in model.notes


def test_scores_never_touch_masked_points() -> None:
    frame = shops(70, "ab")[["shop", "day", "sales"]]
    holes = frame.assign(sales=frame.sales.where(frame.day.dt.day % 3 > 0))
    model = Forecaster(**PLAIN)
    tested = model.cross_validation(holes, n_windows=2)
    seen = holes.dropna()
    assert len(tested) == sum(day >= seen.day.max() - pd.Timedelta("7D") for day in seen.day)
    errors = (tested.LSTM - tested.y).abs().groupby([tested.cutoff, tested.unique_id]).mean()
    assert model.scores.by_model["LSTM"]["MAE"] == pytest.approx(errors.groupby("cutoff").mean().mean())
    assert model.scores.points == len(tested)


@pytest.mark.parametrize("case", ["constant", "zeros", "no tail", "a hole in the middle", "one value"])
def test_odd_series_among_others(case: str) -> None:
    frame = shops(70, "ab")[["shop", "day", "sales"]]
    of_b, late = frame.shop == "b", frame.day > "2024-02-10"
    middle = frame.day.between("2024-01-20", "2024-02-20")
    sales = {
        "constant": frame.sales.mask(of_b, 7.0),
        "zeros": frame.sales.mask(of_b, 0.0),
        "no tail": frame.sales.mask(of_b & late),
        "a hole in the middle": frame.sales.mask(of_b & middle),
        "one value": frame.sales.mask(of_b & (frame.day != "2024-01-01")),
    }[case]
    model = Forecaster(**PLAIN).fit(frame.assign(sales=sales))
    forecast = model.predict(level=[50])
    assert np.isfinite(forecast.drop(columns=["unique_id", "ds"]).to_numpy()).all()
    of_b = forecast[forecast.unique_id == "b"]
    if case == "no tail":  # it stands on the last value that is known
        last = frame.sales[(frame.shop == "b") & ~late].iloc[-1]
        assert (of_b.LSTM - last).abs().max() < 3 * last
    tested = model.cross_validation(frame.assign(sales=sales), n_windows=2)
    assert np.isfinite(tested[["LSTM", "y"]].to_numpy()).all()


def test_covariates_are_made_once_for_an_ensemble_and_however_many_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Panel] = []
    made = features_module.covariate_table
    monkeypatch.setattr(
        "unrolled.forecast.fitted.covariate_table", lambda panel, *rest: calls.append(panel) or made(panel, *rest)
    )
    monkeypatch.setattr("unrolled.forecast.fitted.SERIES_AT_ONCE", 1)
    past, future = halves(shops())
    model = Forecaster(target_col="sales", ensemble=2, **SETTINGS).fit(past)
    assert len(calls) == 2  # for the training, and for the errors on held-out points
    model.predict(future=future)
    assert len(calls) == 3
