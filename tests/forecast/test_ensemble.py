"""Ensembles: networks of several seeds and windows, their median, and what Ctrl-C leaves of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makers import QUICK, panel_of, wave_frame, waves
from training_parts import Stepped
from unrolled import Forecaster
from unrolled.data.windows import held_out
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.ensemble import ensemble_configs
from unrolled.forecast.fitted import Fitted
from unrolled.forecast.fitting import fit_panel
from unrolled.forecast.training.loop import _Loop

SETTINGS: dict[str, Any] = {"h": 5, "network": "steps", "ensemble": 5, **QUICK, "max_steps": 10}


def _resolved(**settings: Any) -> Config:
    return Config(**{"h": 5, "input_size": 24, "network": "steps", "ensemble": 5} | settings)


def _windows(config: Config, lengths: list[int], open_window: bool = True) -> list[int | None]:
    return [one.input_size for one in ensemble_configs(config, np.array(lengths), open_window)]


def test_seeds_follow_each_other_and_windows_take_turns() -> None:
    config = _resolved(seed=7)
    assert _windows(config, [400, 400]) == [24, 12, 36, 48, 24]
    assert [one.seed for one in ensemble_configs(config, np.array([400]), True)] == [7, 8, 9, 10, 11]


def test_a_window_that_was_asked_for_is_that_of_all() -> None:
    assert _windows(_resolved(), [400], open_window=False) == [24] * 5


def test_windows_of_pieces_are_whole_pieces() -> None:
    config = _resolved(network="segments", segment=7, input_size=35)
    windows = _windows(config, [900])
    assert windows == [35, 14, 56, 70, 35]  # 17.5 and 52.5 in whole pieces


def test_a_window_that_was_asked_for_stays_so_in_pieces_that_do_not_divide_it() -> None:
    config = _resolved(network="segments", segment=7, input_size=30)
    assert _windows(config, [900], open_window=False) == [30] * 5


def test_no_window_is_longer_than_the_series_allow() -> None:
    assert _windows(_resolved(), [70]) == [24, 12, 36, 24, 24]
    assert _windows(_resolved(), [40]) == [24, 12, 24, 24, 24]
    for length in range(35, 200):
        lengths = np.array([length, 2 * length])
        first, *others = ensemble_configs(_resolved(val_size=10), lengths, True)
        held = held_out(lengths, first.input_size or 0, 5, 10)
        for one in others:
            if (one.input_size or 0) > (first.input_size or 0):
                assert np.array_equal(held_out(lengths, one.input_size or 0, 5, 10), held)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_panel(panel_of(waves()), Config(**SETTINGS))


def test_the_forecast_is_the_median_of_networks_that_all_differ(fitted: Fitted) -> None:
    panel = panel_of(waves())
    assert [member.config.input_size for member in fitted.members] == [10, 5, 15, 20, 10]
    each = []
    for member in fitted.members:
        alone = Fitted((member,), fitted.freq, fitted.features, fitted.transform, fitted.errors)
        each.append(alone.forecast(panel).values)
    for number, values in enumerate(each):
        assert not any(np.allclose(values, other, rtol=1e-6) for other in each[:number])
    np.testing.assert_allclose(fitted.forecast(panel).values, np.median(each, axis=0), rtol=1e-12)


def test_what_is_known_of_the_windows_is_said(fitted: Fitted) -> None:
    assert fitted.reasons[-1] == (
        "ensemble=5: networks with windows of 10, 5, 15, 20, 10 steps, seeds 1 to 5; the forecast is their median"
    )
    assert fitted.longest_window == 20


def test_an_ensemble_goes_to_a_folder_and_back(tmp_path: Path) -> None:
    frame = wave_frame(2, 120)
    model = Forecaster(**SETTINGS | {"ensemble": 3, "dropout": 0.1, "num_layers": 2}).fit(frame)
    model.save(tmp_path / "m")
    loaded = Forecaster.load(tmp_path / "m")
    assert loaded.predict(frame, level=[80]).equals(model.predict(level=[80]))
    windows = [member.config.input_size for member in loaded._need_fitted().members]
    assert windows == [14, 7, 21]
    assert "The median of 3 networks" in (tmp_path / "m" / "card.md").read_text()


def test_progress_says_which_network_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Forecaster(**SETTINGS | {"ensemble": 2, "verbose": True}).fit(wave_frame(2, 80))
    said = " ".join(capsys.readouterr().err.split())
    assert "fit, network 1/2" in said
    assert "fit, network 2/2" in said
    assert "Network 2: Training did all 10 steps" in said


def test_a_watcher_hears_of_each_network() -> None:
    watcher = Stepped()
    fit_panel(panel_of(waves()), Config(**SETTINGS | {"ensemble": 2}), watcher)
    assert watcher.begun == [(0, 0), (1, 0)]
    assert watcher.steps == [*range(1, 11), *range(1, 11)]
    assert [log.steps for log in watcher.ended] == [10, 10]


def _interrupted_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Press Ctrl-C in the step of this number, counted over all networks."""
    step, calls = _Loop.step, []

    def interrupted(loop: _Loop, batch: Batch) -> float:
        calls.append(None)
        if len(calls) == number:
            raise KeyboardInterrupt
        return step(loop, batch)

    monkeypatch.setattr(_Loop, "step", interrupted)


def test_ctrl_c_keeps_the_networks_that_are_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = wave_frame(2, 120)
    whole = fit_panel(Forecaster(**SETTINGS).read(frame), Config(**SETTINGS))
    _interrupted_at(monkeypatch, 26)
    model = Forecaster(**SETTINGS)
    with pytest.warns(
        UserWarning, match=r"Training was interrupted: 2 networks are kept of the 5 that were asked for\."
    ):
        model.fit(frame)
    kept = model._need_fitted()
    assert [member.config.seed for member in kept.members] == [1, 2]
    assert kept.config.ensemble == 2
    for member, other in zip(kept.members, whole.members, strict=False):
        for name, tensor in member.network.state_dict().items():
            assert tensor.equal(other.network.state_dict()[name])
    assert np.isfinite(model.predict(level=[80]).LSTM).all()
    model.save(tmp_path / "m")
    assert Forecaster.load(tmp_path / "m").predict(frame).equals(model.predict())


def test_ctrl_c_in_the_first_network_keeps_its_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    _interrupted_at(monkeypatch, 6)
    model = Forecaster(**SETTINGS | {"val_every": 3})
    with pytest.warns(
        UserWarning, match=r"interrupted at step 5; the weights of step 3 are kept.*\n.*1 network is kept"
    ):
        model.fit(wave_frame(2, 120))
    assert len(model._need_fitted().members) == 1


def test_a_window_left_open_is_read_of_new_series_by_the_longest() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 120))
    short = model.predict(wave_frame(1, 15).assign(unique_id="new"))
    assert np.isfinite(short.LSTM).all()
    assert any("shorter than one window of 28 points" in note for note in model.notes)
