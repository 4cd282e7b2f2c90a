"""The command line as a user types it."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from makers import wave_frame
from unrolled.cli import main
from unrolled.cli_settings import described
from unrolled.forecast.config import Config
from unrolled.view.page.html import page_absence

QUICK = ["--max-steps", "20", "--val-every", "10", "--hidden-size", "6", "--input-size", "12"]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    wave_frame(2, 80).to_csv(tmp_path / "sales.csv", index=False)
    return tmp_path / "sales.csv"


def test_forecast_writes_everything_it_promises(table: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert run("forecast", table, "-h", "5", "--level", "80", "--level", "90", *QUICK, "-o", out) == 0
    assert {path.name for path in out.iterdir()} == {
        "forecast.csv", "backtest.csv", "metrics.json", "forecast.png", "forecast.svg", "config.json", "model",
        *(() if page_absence() else ("explorer.html",)),
    }  # fmt: skip
    forecast = pd.read_csv(out / "forecast.csv")
    assert list(forecast) == ["unique_id", "ds", "LSTM", *(f"LSTM-{e}-{n}" for n in (80, 90) for e in ("lo", "hi"))]
    assert forecast.ds.iloc[0] == "2024-03-21"
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["metrics"]) == {"LSTM", "Naive", "SeasonalNaive", "Drift"}
    assert set(metrics["metrics"]["LSTM"]) == {"MAE", "RMSE", "MASE", "sMAPE"}
    assert set(metrics["coverage"]) == {"80", "90"}
    with Image.open(out / "forecast.png") as picture:
        assert picture.size[0] > 800
    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["input_size"] == 12
    assert config["backtest"]["windows"] == 4
    printed = capsys.readouterr().out
    assert "SeasonalNaive" in printed
    assert "seasonal naive: MASE" in printed or "seasonal naive here: MASE" in printed


def test_predict_uses_a_saved_model(table: Path, tmp_path: Path, capsys) -> None:
    run("forecast", table, "-h", "5", *QUICK, "-o", tmp_path / "out")
    capsys.readouterr()
    assert run("predict", tmp_path / "out" / "model", table, "--level", "80") == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    written = pd.read_csv(tmp_path / "out" / "forecast.csv")
    pd.testing.assert_series_equal(printed.LSTM, written.LSTM)
    assert "LSTM-hi-80" in printed
    run("predict", tmp_path / "out" / "model", table, "-o", tmp_path / "new" / "next.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "next.csv"), written)


def test_backtest_writes_its_files_alone(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("backtest", table, "-h", "5", "--windows", "2", "--step-size", "3", *QUICK, "-o", out) == 0
    assert {path.name for path in out.iterdir()} == {
        "backtest.csv", "metrics.json", "backtest.png", "backtest.svg", "config.json",
    }  # fmt: skip
    assert pd.read_csv(out / "backtest.csv").cutoff.nunique() == 2


def test_json_prints_one_object_and_nothing_else(table: Path, tmp_path: Path, capsys) -> None:
    assert run("backtest", table, "-h", "5", "--windows", "1", *QUICK, "-o", tmp_path / "out", "--json") == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["settings"]["h"] == 5
    assert report["metrics"]["Naive"]["MAE"] > 0
    assert printed.err == ""


def test_other_files_in_the_folder_are_left_alone(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    run("backtest", table, "-h", "5", "--windows", "1", *QUICK, "-o", out)
    run("backtest", table, "-h", "5", "--windows", "1", *QUICK, "-o", out)
    assert (out / "notes.txt").read_text() == "mine"


def test_short_series_are_forecast_without_a_backtest_and_it_is_said(tmp_path: Path, capsys) -> None:
    wave_frame(1, 20).to_csv(tmp_path / "short.csv", index=False)
    assert run("forecast", tmp_path / "short.csv", "-h", "5", *QUICK, "-o", tmp_path / "out") == 0
    assert not (tmp_path / "out" / "backtest.csv").exists()
    assert "There was no backtest" in capsys.readouterr().out.replace("\n", " ")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"] is None


def _bad(tmp_path: Path, text: str) -> Path:
    (tmp_path / "bad.csv").write_text(text)
    return tmp_path / "bad.csv"


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("unique_id,ds,y\n", [], "bad.csv"),
        ("ds,y\n2024-01-01,1\n2024-01-02,x\n", [], "'x'"),
        ("ds,y\n2024-01-01,1\n2024-01-02,2\n", ["--target-col", "Y_"], "Did you mean"),
        ("ds,y\n2024-01-01,1\n2024-01-02,2\n", ["--cell", "LSTM", "--dropout", "2"], "dropout is a share"),
    ],
)
def test_errors_are_one_block_on_stderr_with_exit_code_2(text, options, expected, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert run("forecast", _bad(tmp_path, text), "-h", "3", *options, "-o", out) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert expected in printed.err
    assert "Traceback" not in printed.err
    assert not out.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"bad.csv"}


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no file"):
        main(["forecast", str(tmp_path / "none.csv"), "-h", "3", "--debug"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["forecast", "x.csv"],
        ["forecast", "-h", "3"],
        ["forecast", "x.csv", "-h", "three"],
        ["forecast", "x.csv", "-h", "3", "--cell", "GPT"],
        ["forcast", "x.csv"],
        ["sample", "co3"],
        ["predict", "no-model", "x.csv"],
    ],
)
def test_wrong_use_ends_with_code_2_and_no_traceback(arguments: list[str], capsys) -> None:
    assert run(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sunspots", "co2", "sine"])
def test_samples_are_tables_that_forecast_takes(name: str, tmp_path: Path, capsys) -> None:
    assert run("sample", name, "-o", tmp_path / "data.csv") == 0
    table = pd.read_csv(tmp_path / "data.csv")
    assert list(table) == ["unique_id", "ds", "y"]
    assert run("sample", name) == 0
    assert capsys.readouterr().out == (tmp_path / "data.csv").read_text()


def test_info_tells_versions_and_kernels(capsys) -> None:
    assert run("info") == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("unrolled", "torch", "reference"))


def test_every_setting_has_an_option_with_words() -> None:
    assert set(described()) == set(inspect.signature(Config).parameters)


def test_help_shows_every_setting(capsys) -> None:
    assert run("forecast", "--help") == 0
    printed = capsys.readouterr().out
    for name in inspect.signature(Config).parameters:
        assert ("--horizon" if name == "h" else f"--{name.replace('_', '-')}")[:14] in printed


def test_it_runs_as_a_program(table: Path) -> None:
    program = [sys.executable, "-c", "from unrolled.cli import main; main()"]
    done = subprocess.run([*program, "sample", "sine"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "unique_id,ds,y"


def test_ctrl_c_outside_a_training_stops_and_writes_nothing(table: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def stopped(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unrolled.forecast.forecaster.Forecaster.save", stopped)
    assert run("forecast", table, "-h", "5", *QUICK, "-o", tmp_path / "out") == 130
    assert capsys.readouterr().err == "Stopped; nothing was written.\n"
    assert {path.name for path in tmp_path.iterdir()} == {"sales.csv"}


def test_a_folder_is_never_taken_for_a_file_to_replace(table: Path, tmp_path: Path, capsys) -> None:
    run("forecast", table, "-h", "5", *QUICK, "-o", tmp_path / "out")
    assert run("predict", tmp_path / "out" / "model", table, "-o", tmp_path / "out") == 2
    assert "is a folder" in capsys.readouterr().err
    assert (tmp_path / "out" / "model" / "weights.safetensors").exists()


def test_a_folder_called_model_that_is_none_is_left_alone(table: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("precious")
    assert run("forecast", table, "-h", "5", *QUICK, "-o", tmp_path) == 2
    assert "is not a saved model" in capsys.readouterr().err
    assert (tmp_path / "model" / "thesis.txt").read_text() == "precious"
    assert not (tmp_path / "forecast.csv").exists()


@pytest.mark.parametrize("option", ["--windows", "--step-size"])
def test_no_windows_or_steps_are_refused(table: Path, tmp_path: Path, capsys, option: str) -> None:
    assert run("backtest", table, "-h", "5", *QUICK, option, "0", "-o", tmp_path / "out") == 2
    assert "at least 1; got 0" in capsys.readouterr().err


def test_values_that_all_lie_before_the_backtest_give_a_forecast_without_scores(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    frame.loc[frame.ds > "2024-02-20", "y"] = None
    frame.to_csv(table, index=False)
    options = ["--loss", "quantile", "--level", "80", *QUICK]
    assert run("forecast", table, "-h", "5", *options, "-o", tmp_path / "out") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["coverage"] == {"80": None}


def test_the_default_backtest_leaves_room_for_its_intervals(tmp_path: Path) -> None:
    wave_frame(1, 36).to_csv(tmp_path / "short.csv", index=False)
    options = ["--input-size", "14", "--level", "50", "--max-steps", "2", "--hidden-size", "4"]
    assert run("forecast", tmp_path / "short.csv", "-h", "4", *options, "-o", tmp_path / "out") == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["backtest"]["windows"] == 3


def test_an_unforeseen_error_is_one_block_too(table: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr("unrolled.forecast.job.Job.run_forecast", fail)
    assert run("forecast", table, "-h", "5", "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "Error: RuntimeError: can't allocate memory" in error
    assert "--debug" in error
    assert "Traceback" not in error


def test_a_level_that_held_out_errors_cannot_reach_is_refused_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("unrolled.forecast.forecaster.fit_panel", lambda *a: pytest.fail("training started"))
    wave_frame(1, 60).to_csv(tmp_path / "short.csv", index=False)
    arguments = [tmp_path / "short.csv", "-h", "5", *QUICK, "--level", "99", "-o", tmp_path / "out"]
    assert run("forecast", *arguments) == 2
    assert run("backtest", *arguments, "--windows", "1") == 2
    assert capsys.readouterr().err.count("level 99 needs more held-out errors than there are") == 2


def test_the_version_is_told(capsys) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("unrolled 0.")


@pytest.fixture
def promoted(tmp_path: Path) -> tuple[Path, Path]:
    """Sales with promotions up to a day, and the promotions planned after it."""
    frame = wave_frame(2, 85).assign(promo=lambda rows: rows.index % 3 == 0)
    past = frame.ds < frame.ds.max() - pd.Timedelta(days=4)
    frame[past].to_csv(tmp_path / "past.csv", index=False)
    frame[~past].drop(columns="y").to_csv(tmp_path / "plan.csv", index=False)
    return tmp_path / "past.csv", tmp_path / "plan.csv"


def test_what_is_planned_is_read_from_a_file(promoted: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    past, plan = promoted
    asked = ["-h", "5", "--future-covariates", "promo", "--calendar", "auto", *QUICK]
    assert run("forecast", past, *asked, "--future", plan, "-o", tmp_path / "out") == 0
    forecast = pd.read_csv(tmp_path / "out" / "forecast.csv")
    assert len(forecast) == 2 * 5
    model = tmp_path / "out" / "model"
    assert run("predict", model, past, "--future", plan, "-o", tmp_path / "next.csv") == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "next.csv"), forecast)
    if not page_absence():
        assert run("explore", model, past, "--future", plan, "-o", tmp_path / "page.html") == 0
        assert (tmp_path / "page.html").exists()


def test_an_unknown_future_is_refused_before_any_training(
    promoted: tuple[Path, Path], tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("unrolled.forecast.forecaster.fit_panel", lambda *a: pytest.fail("training started"))
    assert run("forecast", promoted[0], "-h", "5", "--future-covariates", "promo", "-o", tmp_path / "out") == 2
    assert "'promo' must be known over the horizon" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tuned_settings_are_written_and_taken(table: Path, tmp_path: Path, capsys) -> None:
    found = tmp_path / "found"
    assert run("tune", table, "-h", "5", "--trials", "2", "--network", "steps", *QUICK, "-o", found) == 0
    assert "finished trials" in capsys.readouterr().out
    content = json.loads((found / "tuned.json").read_text())
    assert content["settings"]["hidden_size"] == 6
    asked = ["-h", "5", "--settings", found / "tuned.json", "--num-layers", "2", "-o", tmp_path / "out"]
    assert run("forecast", table, *asked) == 0
    used = json.loads((tmp_path / "out" / "config.json").read_text())["settings"]
    assert used["num_layers"] == 2  # typed, which counts more than the file
    assert used["hidden_size"] == 6  # the file's
    tried = {name: value for name, value in content["tried"].items() if name != "num_layers"}
    assert {name: used[name] for name in tried} == tried


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "does not exist"), ("{}", "holds no settings"), ("{", "holds no settings")]
)
def test_a_file_without_settings_is_refused(content, expected, table: Path, tmp_path: Path, capsys) -> None:
    if content is not None:
        (tmp_path / "tuned.json").write_text(content)
    assert run("forecast", table, "-h", "5", "--settings", tmp_path / "tuned.json", "-o", tmp_path / "out") == 2
    assert expected in capsys.readouterr().err


def test_a_job_run_again_goes_on_from_its_checkpoint(table: Path, tmp_path: Path) -> None:
    asked = ["forecast", table, "-h", "5", *QUICK, "--checkpoint", tmp_path / "run", "--log", tmp_path / "log.jsonl"]
    assert run(*asked, "-o", tmp_path / "first") == 0
    assert run(*asked, "-o", tmp_path / "second") == 0
    first, second = (tmp_path / name / "model" / "weights.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    events = [json.loads(line)["event"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert events.count("end") == 1  # the second had nothing left to train
