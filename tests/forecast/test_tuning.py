"""`tune`: what it tries, how it compares, when it ends."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unrolled
from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ConfigError, DataError
from unrolled.forecast import tuning
from unrolled.forecast.training.loop import TrainingLog
from unrolled.forecast.tuning import tune

SETTINGS: dict[str, Any] = QUICK | {"max_steps": 4, "val_every": 2}
SPACE: dict[str, Any] = {"hidden_size": [4, 8], "learning_rate": (1e-3, 1e-1)}
FRAME = wave_frame(2, 60)


def test_the_best_of_the_trials_wins() -> None:
    found = tune(FRAME, 4, trials=3, space=SPACE, input_size=8, **SETTINGS)
    assert [one.state for one in found.trials] == ["done"] * 3
    best = min(found.trials, key=lambda one: one.score)
    assert (found.score, found.tried) == (best.score, best.settings)
    assert found.trials[0].settings == {}
    assert found.default_score == found.trials[0].score
    assert found.settings == {"h": 4, "input_size": 8} | SETTINGS | best.settings
    assert all(one.settings["hidden_size"] in (4, 8) for one in found.trials[1:])
    assert all(1e-3 <= one.settings["learning_rate"] <= 1e-1 for one in found.trials[1:])
    assert found.forecaster().config == found.config
    assert [row["trial"] for row in found.table()] == [0, 1, 2]


def test_a_score_is_that_of_a_cross_validation() -> None:
    found = tune(FRAME, 4, trials=2, space=SPACE, n_windows=2, input_size=8, **SETTINGS)
    for one in found.trials:
        model = Forecaster(h=4, input_size=8, **SETTINGS | one.settings)
        model.cross_validation(FRAME, n_windows=2, refit=True)
        assert one.score == pytest.approx(model.scores.by_model["LSTM"]["MASE"], rel=1e-9)


def test_the_same_seed_finds_the_same() -> None:
    first, second = (tune(FRAME, 4, trials=3, space=SPACE, input_size=8, **SETTINGS) for _ in range(2))
    assert [one.settings for one in first.trials] == [one.settings for one in second.trials]
    assert [one.score for one in first.trials] == [one.score for one in second.trials]
    other = tune(FRAME, 4, trials=3, space=SPACE, input_size=8, seed=7, **SETTINGS)
    assert [one.settings for one in first.trials] != [one.settings for one in other.trials]


def test_an_ensemble_is_searched_with_one_network_and_given_back_whole() -> None:
    found = tune(FRAME, 4, trials=2, space=SPACE, input_size=8, ensemble=5, **SETTINGS)
    alone = tune(FRAME, 4, trials=2, space=SPACE, input_size=8, **SETTINGS)
    assert [one.score for one in found.trials] == [one.score for one in alone.trials]
    assert found.config.ensemble == 5


def test_trials_worse_than_the_median_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([1.0, 1.0, 1.1, 1.1, 1.2, 1.2, 1.3, 1.3, 5.0, 0.9, 0.9])
    monkeypatch.setattr(tuning._Search, "_score", lambda *_: next(scores))
    found = tune(FRAME, 4, trials=6, space=SPACE, input_size=8, **SETTINGS)
    assert [one.state for one in found.trials] == ["done"] * 4 + ["worse", "done"]
    assert found.trials[4].scores == (5.0,)
    assert found.score == 0.9


def test_the_time_budget_ends_a_training_that_is_under_way() -> None:
    begun = time.monotonic()
    slow = SETTINGS | {"max_steps": 10**6, "val_every": 10**5, "hidden_size": 32}
    found = tune(FRAME, 4, time_budget=1.5, space={"learning_rate": (1e-3, 1e-2)}, input_size=8, **slow)
    assert time.monotonic() - begun < 15
    assert [one.state for one in found.trials] == ["stopped"]
    assert found.tried == {}
    assert math.isnan(found.score)
    assert "No trial was finished" in found.verdict()


@pytest.mark.parametrize("during", ["training", "search"])
def test_ctrl_c_keeps_the_best_so_far(during: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = tuning.fit_panel, []

    def interrupted(panel: Any, config: Any, watcher: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            return real(panel, config, watcher)
        if during == "search":
            raise KeyboardInterrupt
        # As the loop ends when it is interrupted: it keeps its weights, and says so to the watcher.
        log = real(panel, config).log
        watcher.end(TrainingLog(log.steps, log.best_step, log.best_loss, "interrupted"))
        raise AssertionError("the watcher let it go on")

    monkeypatch.setattr(tuning, "fit_panel", interrupted)
    found = tune(FRAME, 4, trials=5, space=SPACE, input_size=8, **SETTINGS)
    assert [one.state for one in found.trials] == ["done", "stopped"]
    assert found.score == found.trials[0].score
    assert "interrupted" in found.notes[0]


def test_a_storage_lets_a_search_go_on(tmp_path: Path) -> None:
    kept = tmp_path / "trials.log"
    first = tune(FRAME, 4, trials=2, space=SPACE, storage=kept, input_size=8, **SETTINGS)
    second = tune(FRAME, 4, trials=4, space=SPACE, storage=kept, input_size=8, **SETTINGS)
    assert second.trials[:2] == first.trials
    assert len(second.trials) == 4
    assert second.trials[2].settings != first.trials[1].settings
    again = tune(FRAME, 4, trials=4, space=SPACE, storage=kept, input_size=8, **SETTINGS)
    assert (again.trials, again.settings) == (second.trials, second.settings)
    with pytest.raises(ConfigError, match=r"another search(.|\n)*the data were 2 series of 120 points"):
        tune(wave_frame(3, 60), 4, trials=5, space=SPACE, storage=kept, input_size=8, **SETTINGS)
    with pytest.raises(ConfigError, match="space that is searched was another"):
        tune(FRAME, 4, trials=5, space={"hidden_size": [4, 6]}, storage=kept, input_size=8, **SETTINGS)


def test_defaults_that_were_stopped_are_tried_again_by_the_search_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    kept = tmp_path / "trials.log"
    with monkeypatch.context() as patched:
        patched.setattr(tuning, "fit_panel", interrupted)
        tune(FRAME, 4, trials=1, space=SPACE, storage=kept, input_size=8, **SETTINGS)
    found = tune(FRAME, 4, trials=3, space=SPACE, storage=kept, input_size=8, **SETTINGS)
    assert [(one.state, bool(one.settings)) for one in found.trials] == [
        ("stopped", False),
        ("done", False),
        ("done", True),
    ]
    assert found.default_score == found.trials[1].score


def test_the_default_space_is_what_the_settings_leave_open() -> None:
    found = tune(FRAME, 4, trials=1, network="steps", **{k: v for k, v in SETTINGS.items() if k != "hidden_size"})
    assert found.trials[0].settings == {}
    base = unrolled.Config(h=4, **SETTINGS | {"hidden_size": None})
    panel = Forecaster(h=4).read(FRAME)
    defaults = tuning.resolve(base, panel).config
    space = tuning.default_space(base, defaults, panel, 8)
    assert set(space) >= {"learning_rate", "hidden_size", "input_size", "num_layers", "dropout", "network", "scaling"}
    assert defaults.input_size in space["input_size"]
    assert (defaults.dropout, 0.5 in space["dropout"]) == (0.5, True)
    low, high = space["learning_rate"]
    assert low < (defaults.learning_rate or 0) < high
    given = {"learning_rate": 0.02, "input_size": 8, "network": "steps", "dropout": 0.1, "scaling": "last"}
    base = unrolled.Config(h=4, **SETTINGS | given)
    assert set(tuning.default_space(base, tuning.resolve(base, panel).config, panel, 8)) == {"num_layers"}


def test_settings_that_fail_are_told_in_the_table() -> None:
    found = tune(FRAME, 4, trials=3, space={"input_size": [8, 500]}, seed=3, **SETTINGS)
    failed = [one for one in found.trials if one.state == "failed"]
    assert all(one.settings == {"input_size": 500} and "508 points" in one.why for one in failed)
    assert failed
    assert found.trials[0].state == "done"


def test_a_constant_series_is_compared_by_its_errors() -> None:
    frame = pd.DataFrame({"ds": range(60), "y": np.full(60, 3.0)})
    found = tune(frame, 4, trials=2, space=SPACE, input_size=8, **SETTINGS)
    assert found.metric == "MAE"
    assert found.score == pytest.approx(0, abs=20)


def test_the_result_is_plain() -> None:
    found = tune(FRAME, 4, trials=2, space=SPACE, input_size=8, **SETTINGS)
    plain = found.to_json()
    assert unrolled.Config.from_settings(plain["settings"]) == found.config
    assert [row["trial"] for row in plain["trials"]] == [0, 1]
    assert "Best of 2 finished trials" in found.verdict()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"time_budget": 0}, ["time_budget is a number of seconds above 0", "got 0"]),
        ({"time_budget": -2.5, "trials": 0}, ["got -2.5", "trials is a whole number of at least 1"]),
        ({"time_budget": None}, ["would never end"]),
        ({"space": {}}, ["space is a dict"]),
        ({"n_windows": 0}, ["n_windows is a whole number"]),
        ({"space": {"hidden_sizes": [4], "learning_rate": 0.1}}, ["Did you mean 'hidden_size'", "got 0.1"]),
        ({"space": {"cell": ["LSTM", "GRUU"], "dropout": (0.5, 0.1)}}, ["got 'GRUU'", "got (0.5, 0.1)"]),
        ({"space": {"dropout": [0.1, 1.5]}}, ["dropout is a share", "got 1.5"]),
        ({"hidden_sise": 3}, ["'hidden_sise' is no setting"]),
    ],
)
def test_wrong_calls_are_told_before_anything_is_trained(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        tune(FRAME, 4, **arguments)
    for word in words:
        assert word in str(caught.value)


def test_a_table_too_short_is_refused() -> None:
    with pytest.raises(DataError, match="points"):
        tune(wave_frame(1, 10), 4, input_size=8)


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"unrolled\[tune\]"):
        tune(FRAME, 4)
