from __future__ import annotations

import inspect
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from utilsforecast.evaluation import evaluate
from utilsforecast.losses import mae, mase, rmse

from makers import QUICK, wave_frame
from unrolled import Config, Forecaster
from unrolled.errors import ConfigError, DataError, NotFittedError
from unrolled.forecast.batch import Batch
from unrolled.forecast.training.loop import _Loop

SETTINGS = {"h": 5, "input_size": 12, **QUICK}
NAMES = {"unique_id": "shop", "ds": "day", "y": "sold"}


def _as(kind: str, frame: pd.DataFrame, folder: Path):
    match kind:
        case "pandas":
            return frame
        case "polars":
            return pl.DataFrame({name: frame[name].to_numpy() for name in frame})
        case "pyarrow":
            return pa.Table.from_pandas(frame, preserve_index=False)
        case "csv":
            frame.to_csv(folder / "table.csv", index=False)
            return folder / "table.csv"
        case "parquet":
            frame.to_parquet(folder / "table.parquet", index=False)
            return str(folder / "table.parquet")
    raise AssertionError(kind)


KINDS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.Table,
    "csv": pd.DataFrame,
    "parquet": pd.DataFrame,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [{}, NAMES], ids=["default names", "own names"])
def test_a_table_in_gives_a_table_of_its_kind_out(kind: str, names: dict, tmp_path: Path) -> None:
    table = _as(kind, wave_frame(2, 80).rename(columns=names), tmp_path)
    columns = dict(zip(("id_col", "time_col", "target_col"), names.values(), strict=False))
    model = Forecaster(**SETTINGS, **columns).fit(table)
    forecast = model.predict(level=[80])
    tested = model.cross_validation(table, n_windows=2, level=[80])
    assert type(forecast) is type(tested) is KINDS[kind]
    names_out = list(forecast.columns if kind != "pyarrow" else forecast.column_names)
    assert names_out == ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    assert len(forecast) == 2 * 5
    assert len(tested) == 2 * 2 * 5


def test_the_kind_of_table_changes_no_number(tmp_path: Path) -> None:
    frame = wave_frame(2, 80)
    found = [Forecaster(**SETTINGS).fit(_as(kind, frame, tmp_path)).predict() for kind in ("pandas", "polars", "csv")]
    first, *others = [np.asarray(table["LSTM"]) for table in found]
    assert all(np.allclose(first, other, rtol=1e-12) for other in others)


def test_forecasts_follow_the_last_time_of_each_series() -> None:
    frame = wave_frame(2, 80)
    frame = frame[(frame.unique_id == "s0") | (frame.ds < "2024-03-10")]
    forecast = Forecaster(**SETTINGS).fit(frame).predict()
    last = frame.groupby("unique_id").ds.max()
    for name, part in forecast.groupby("unique_id"):
        assert part.ds.tolist() == pd.date_range(last[name], periods=6)[1:].tolist()


def test_the_backtest_goes_into_utilsforecast_as_it_is() -> None:
    frame = wave_frame(3, 100)
    model = Forecaster(**SETTINGS)
    tested = model.cross_validation(frame, n_windows=3, level=[80, 90])
    table = evaluate(tested, metrics=[mae, rmse])
    assert set(table.columns) == {"unique_id", "cutoff", "metric", "LSTM", "Naive", "SeasonalNaive", "Drift"}
    assert not table.isna().any().any()
    mean = table[table.metric == "mae"].LSTM.mean()
    assert mean == pytest.approx(model.scores.by_model["LSTM"]["MAE"])


def test_the_forecast_goes_into_utilsforecast_joined_with_what_came() -> None:
    frame = wave_frame(2, 90)
    past, came = frame[frame.ds < "2024-03-26"], frame[frame.ds >= "2024-03-26"]
    forecast = Forecaster(**SETTINGS).fit(past).predict()
    joined = forecast.merge(came, on=["unique_id", "ds"])
    table = evaluate(joined, metrics=[partial(mase, seasonality=7)], train_df=past, models=["LSTM"])
    assert len(joined) == 2 * 5
    assert np.isfinite(table.LSTM).all()


def test_missing_values_are_neither_scored_nor_in_the_backtests_rows() -> None:
    frame = wave_frame(1, 90)
    frame.loc[[86, 20, 21], "y"] = np.nan
    model = Forecaster(**SETTINGS)
    tested = model.cross_validation(frame, n_windows=2)
    assert len(tested) == 2 * 5 - 1
    assert not tested.isna().any().any()
    assert model.scores.points == 9


def test_absent_rows_and_nan_rows_mean_the_same() -> None:
    frame = wave_frame(1, 90)
    frame.loc[[20, 21, 60], "y"] = np.nan
    with_nan = Forecaster(**SETTINGS).fit(frame).predict()
    without = Forecaster(**SETTINGS).fit(frame.dropna()).predict()
    assert np.array_equal(with_nan.LSTM, without.LSTM)


@pytest.mark.parametrize("settings", [{}, {"loss": "quantile"}, {"decoder": "recursive"}, {"cell": "GRU"}])
def test_intervals_hold_the_forecast_and_grow_with_the_level(settings: dict) -> None:
    model = Forecaster(**SETTINGS | settings).fit(wave_frame())
    table = model.predict(level=[90, 50])
    name = settings.get("cell", "LSTM")
    inner_low, inner_high = table[f"{name}-lo-50"], table[f"{name}-hi-50"]
    assert (table[f"{name}-lo-90"] <= inner_low).all()
    assert (inner_low <= table[name]).all()
    assert (table[name] <= inner_high).all()
    assert (inner_high <= table[f"{name}-hi-90"]).all()


def test_scaling_lets_series_of_any_level_share_one_model() -> None:
    frame = wave_frame(1, 100)
    shifted = frame.assign(y=1e6 + 1e3 * frame.y)
    plain = Forecaster(**SETTINGS).fit(frame).predict().LSTM
    moved = Forecaster(**SETTINGS).fit(shifted).predict().LSTM
    assert np.allclose(1e6 + 1e3 * plain, moved, rtol=1e-6)


def test_new_series_can_be_forecast_with_a_trained_model() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80))
    other = wave_frame(3, 40).assign(unique_id=lambda f: "new-" + f.unique_id)
    assert set(model.predict(other).unique_id) == {"new-s0", "new-s1", "new-s2"}


def test_new_series_at_another_frequency_are_refused() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80))
    with pytest.raises(DataError, match=r"trained on daily series; these are hourly"):
        model.predict(wave_frame(2, 80, freq="h"))


def test_cross_validation_leaves_the_trained_model_as_it_was() -> None:
    frame = wave_frame(2, 80)
    model = Forecaster(**SETTINGS).fit(frame)
    before = model.predict().LSTM.tolist()
    model.cross_validation(frame, n_windows=2)
    assert model.predict().LSTM.tolist() == before


def test_the_window_is_chosen_from_horizon_and_season() -> None:
    frame = wave_frame(1, 200)
    quick = QUICK | {"max_steps": 2}
    assert Forecaster(h=3, **quick).fit(frame).config.input_size == 49  # seven weeks of days
    assert Forecaster(h=30, **quick).fit(frame).config.input_size == 56  # two horizons, in whole weeks
    assert Forecaster(h=20, **quick).fit(frame[:70]).config.input_size == 21  # what the series has room for
    assert Forecaster(h=3, **quick).config.input_size is None


def test_only_tables_without_any_series_of_the_chosen_window_are_refused() -> None:
    frame = wave_frame(2, 80)
    with pytest.raises(DataError, match=r"2 series shorter than one window of 30 points: .s0. \(19\), .s1. \(19\)"):
        Forecaster(h=10, input_size=20, **QUICK).fit(frame[frame.ds < "2024-01-20"])


def test_a_wrong_table_is_refused_before_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.forecast.forecaster.fit_panel", lambda *a: pytest.fail("training started"))
    frame = wave_frame(1, 80)
    frame.loc[3, "y"] = np.inf
    with pytest.raises(DataError):
        Forecaster(**SETTINGS).fit(frame)


def test_what_needs_a_fit_says_so(tmp_path: Path) -> None:
    model = Forecaster(h=3)
    for ask in (model.predict, lambda: model.log, lambda: model.save(tmp_path / "m"), model.plot):
        with pytest.raises(NotFittedError, match="fit"):
            ask()
    with pytest.raises(NotFittedError, match="cross_validation"):
        _ = model.scores


def test_settings_are_the_constructors_parameters() -> None:
    signature = inspect.signature(Forecaster)
    assert list(signature.parameters) == list(inspect.signature(Config).parameters)


@pytest.mark.parametrize("call", [lambda: Forecaster(), lambda: Forecaster(h=3, hiden_size=5)])
def test_wrong_settings_are_refused_at_once(call) -> None:
    with pytest.raises(ConfigError):
        call()


def test_nothing_is_printed_or_written_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = {k: v for k, v in SETTINGS.items() if k != "verbose"}  # the default: not on a terminal, so silent
    model = Forecaster(**quick).fit(wave_frame(2, 80))
    model.predict(level=[80])
    model.cross_validation(wave_frame(2, 80), n_windows=2)
    model.plot()
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    Forecaster(**SETTINGS | {"verbose": True}).fit(wave_frame(2, 80))
    said = capsys.readouterr().err
    assert "daily" in said
    assert "30/30 steps" in said
    assert "Training did all 30 steps" in said


def test_the_plot_shows_what_was_asked_for(tmp_path: Path) -> None:
    frame = wave_frame(2, 80)
    model = Forecaster(**SETTINGS)
    model.cross_validation(frame, n_windows=2)
    model.fit(frame).predict(level=[80])
    result = model.result()
    assert [series.name for series in result.series] == ["s0", "s1"]
    assert len(result.series[0].backtests) == 2
    assert result.series[1].forecast is not None
    assert set(result.series[1].forecast.bands) == {80}
    model.plot(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text().startswith("<?xml")


def test_repr_says_what_it_is() -> None:
    assert repr(Forecaster(h=3)) == "Forecaster(LSTM, h=3, input_size=None, not fitted)"


def test_predicting_other_series_leaves_the_trained_ones_the_default() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80))
    before = model.predict()
    model.predict(wave_frame(1, 40).assign(unique_id="new"))
    assert [series.name for series in model.result().series] == ["new"]
    assert model.predict().equals(before)


def test_a_backtest_of_other_series_does_not_change_what_is_forecast() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80))
    model.cross_validation(wave_frame(1, 80).assign(unique_id="other"), n_windows=1)
    assert set(model.predict().unique_id) == {"s0", "s1"}


def test_a_backtest_alone_can_be_plotted() -> None:
    model = Forecaster(**SETTINGS)
    model.cross_validation(wave_frame(2, 80), n_windows=2)
    assert all(series.forecast is None and len(series.backtests) == 2 for series in model.result().series)
    assert "backtest error was" in model.result().headline


@pytest.mark.parametrize("verbose", [True, False])
def test_ctrl_c_during_training_is_said_and_the_best_weights_are_used(
    verbose: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step, calls = _Loop.step, []

    def interrupted(loop: _Loop, batch: Batch) -> float:
        calls.append(None)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return step(loop, batch)

    monkeypatch.setattr(_Loop, "step", interrupted)
    model = Forecaster(**SETTINGS | {"verbose": verbose})
    with nullcontext() if verbose else pytest.warns(UserWarning, match="interrupted at step 24"):
        model.fit(wave_frame(2, 80))
    assert ("interrupted at step 24" in capsys.readouterr().err) == verbose
    assert model.log.stopped == "interrupted"
    assert np.isfinite(model.predict(level=[80])["LSTM"]).all()


def test_a_series_that_ended_long_ago_is_forecast_at_its_own_level() -> None:
    frame = wave_frame(1, 80)
    frame["y"] += 1e6
    frame.loc[50:, "y"] = np.nan
    forecast = Forecaster(**SETTINGS).fit(frame).predict()
    assert forecast["LSTM"].between(0.5e6, 1.5e6).all()


def test_the_horizon_is_given_once() -> None:
    with pytest.raises(TypeError, match="h twice"):
        Forecaster(24, h=12)
