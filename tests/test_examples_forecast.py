"""What the examples of forecasting say is so: sunspots, co2_gaps, many_series."""

from __future__ import annotations

from pathlib import Path

import pytest

from example_runs import load, run


def test_the_lstm_knows_the_sunspots_cycle_better_than_the_cycle_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = run("sunspots", tmp_path)
    assert scores.points == 55
    best_baseline = min(row["MAE"] for name, row in scores.by_model.items() if name != "LSTM")
    assert scores.by_model["LSTM"]["MAE"] < best_baseline
    assert 60 <= scores.coverage[80] <= 100
    out = capsys.readouterr().out
    assert scores.verdict() in out
    assert "The next peak is expected in 20" in out


def test_missing_weeks_and_weeks_without_a_value_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same, errors = run("co2_gaps", tmp_path)
    assert same
    assert errors["all weeks"] < 1.0
    assert errors["what is left"] < errors["all weeks"] + 0.5
    assert "2,232 weeks, of which 59 were never measured" in capsys.readouterr().out


def test_one_network_serves_all_shops_and_a_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    errors = run("many_series", tmp_path)
    assert len(errors) == 41
    assert errors["one network for all"].mean() < errors["the year before"].mean()
    alone = errors["its own network"].dropna()
    assert len(alone) == 8
    assert errors.loc[alone.index, "one network for all"].mean() < alone.mean()
    assert errors.loc["new shop", "one network for all"] < 0.2
    assert "all 41 shops" in capsys.readouterr().out


def test_the_new_shop_is_young_and_comes_last() -> None:
    lengths = load("many_series")["shops"]().groupby("unique_id", sort=False).size()
    assert lengths.to_list() == [72] * 40 + [36]
    assert lengths.index[-1] == "new shop"
