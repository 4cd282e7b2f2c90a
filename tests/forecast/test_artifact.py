from __future__ import annotations

import inspect
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ArtifactError, NotFittedError
from unrolled.forecast.config import Config

SETTINGS = {"h": 5, "input_size": 12, **QUICK}


@pytest.fixture(scope="module")
def model() -> Forecaster:
    return Forecaster(**SETTINGS).fit(wave_frame(2, 80))


@pytest.fixture
def saved(model: Forecaster, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("settings", [{}, {"loss": "quantile"}, {"decoder": "recursive", "hidden_size": [6, 4]}])
def test_a_loaded_model_gives_the_same_numbers(settings: dict, tmp_path: Path) -> None:
    frame = wave_frame(2, 80)
    model = Forecaster(**SETTINGS | settings).fit(frame)
    model.save(tmp_path / "run" / "model")
    loaded = Forecaster.load(tmp_path / "run" / "model")
    assert loaded.predict(frame, level=[80]).equals(model.predict(level=[80]))
    assert loaded.config == model.config
    assert loaded.log == model.log


def test_the_folder_holds_three_files_and_no_pickle(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {"config.json", "weights.safetensors", "card.md"}
    assert json.loads((saved / "config.json").read_text())["schema"] == "unrolled-forecaster/1"
    assert "network.head.weight" in load_file(saved / "weights.safetensors")
    assert "last 12" in (saved / "card.md").read_text()


def test_saving_again_replaces_the_model(model: Forecaster, saved: Path) -> None:
    (saved / "card.md").write_text("old")
    model.save(saved)
    assert (saved / "card.md").read_text() != "old"
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "make", [lambda p: p.write_text("x"), lambda p: (p.mkdir(), (p / "thesis.tex").write_text("x"))]
)
def test_something_else_is_never_overwritten(model: Forecaster, tmp_path: Path, make) -> None:
    target = tmp_path / "mine"
    make(target)
    with pytest.raises(ArtifactError, match="is not a saved model"):
        model.save(target)
    assert target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_failing_save_leaves_nothing_half_written(
    model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unrolled.forecast.artifact.card", full)
    with pytest.raises(OSError, match="No space"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


DAMAGES = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors is missing"),
    "config cut off": (lambda f: _truncate(f / "config.json"), "config.json is damaged"),
    "config no text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json is damaged"),
    "weights cut off": (lambda f: _truncate(f / "weights.safetensors"), "weights.safetensors is damaged"),
    "foreign": (lambda f: (f / "config.json").write_text('{"model": "bert"}'), "is not of a saved forecaster"),
    "a list": (lambda f: (f / "config.json").write_text("[1]"), "is not of a saved forecaster"),
    "newer": (lambda f: _edit(f / "config.json", schema="unrolled-forecaster/2"), "written by a newer unrolled"),
    "other settings": (lambda f: _edit(f / "config.json", settings={"h": 99}), "don't describe one model"),
    "unknown setting": (lambda f: _edit(f / "config.json", settings={"h": 5, "wat": 1}), "'wat' is no setting"),
    "no frequency": (lambda f: _edit(f / "config.json", frequency=None), "don't describe one model"),
    "no training": (lambda f: _edit(f / "config.json", training={"a": 1}), "don't describe one model"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_gets_an_error_that_says_which_file_and_why(saved: Path, damage: str) -> None:
    spoil, expected = DAMAGES[damage]
    spoil(saved)
    with pytest.raises(ArtifactError) as caught:
        Forecaster.load(saved)
    assert expected in str(caught.value)


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no folder"):
        Forecaster.load(tmp_path / "nothing")


def test_a_loaded_model_asks_for_the_series_to_forecast(saved: Path) -> None:
    with pytest.raises(NotFittedError, match=r"pass a table of those to forecast, as in predict\(df\)"):
        Forecaster.load(saved).predict()


def test_saved_settings_are_whole(saved: Path) -> None:
    settings = json.loads((saved / "config.json").read_text())["settings"]
    assert Config.from_settings(settings).input_size == 12
    assert set(settings) == set(inspect.signature(Config).parameters)


def test_one_model_serves_several_threads(saved: Path) -> None:
    model = Forecaster.load(saved)._need_fitted()
    panels = [Forecaster(**SETTINGS).read(wave_frame(1, 40 + n)) for n in range(4)]
    expected = [model.forecast(panel, [80]).values for panel in panels]
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        for _ in range(5):
            found[number] = model.forecast(panels[number], [80]).values

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[number], expected[number]) for number in range(4))
