from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file, save

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ArtifactError, ConfigError, NotFittedError
from unrolled.forecast.config import Config

SETTINGS = {"h": 5, "input_size": 12, "network": "steps", **QUICK}


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
    assert json.loads((saved / "config.json").read_text())["schema"] == "unrolled-forecaster/2"
    assert "network.0.head.weight" in load_file(saved / "weights.safetensors")
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


def _said(model: Forecaster, target: Path) -> str:
    """Save; return what an error says."""
    try:
        model.save(target)
    except ArtifactError as wrong:
        return str(wrong)
    return ""


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FULL = (
    r"model can't be written: No space left on device\. Make room there, or give another place; what was there before"
)


@pytest.mark.parametrize("call", ["write_bytes", "write_text", "chmod", "mkdtemp", "fsync", "rename"])
@pytest.mark.parametrize("earlier", [False, True], ids=["new", "over an older one"])
def test_a_full_disk_leaves_the_old_model_whole(
    model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, earlier: bool
) -> None:
    """Each call that writes fails in turn, the first time it is made, the second, and so on until none is left."""
    target = tmp_path / "runs" / "model"
    if earlier:
        model.save(target)
    before, failures = _files(tmp_path), 0
    place = {"write_bytes": Path, "write_text": Path, "chmod": Path, "mkdtemp": tempfile}.get(call, os)
    real = getattr(place, call)
    while True:
        calls: list[None] = []

        def failing(*args: Any, _calls: list[None] = calls, _at: int = failures, **named: Any) -> Any:
            _calls.append(None)
            if len(_calls) == _at + 1:
                raise OSError(28, "No space left on device")
            return real(*args, **named)

        with monkeypatch.context() as patch:
            patch.setattr(place, call, failing)
            if failures == 20:
                pytest.fail("it never succeeds")
            said = _said(model, target)
        if not said:
            break
        assert re.search(FULL, said)
        assert _files(tmp_path) == before
        assert earlier or list(tmp_path.iterdir()) == []
        failures += 1
    assert failures > 0 or (call == "rename" and not earlier)
    assert Forecaster.load(target).predict(wave_frame(2, 80)).equals(model.predict())


LIMITED = """
import resource, signal, sys
from unrolled import Forecaster
from unrolled.errors import ArtifactError
model = Forecaster.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        model.save(sys.argv[2])
        print("saved")
    except ArtifactError as wrong:
        print(str(wrong).replace(chr(10), " "))
"""


def test_a_disk_that_fills_up_in_the_middle_of_a_file_leaves_the_old_model_whole(saved: Path, tmp_path: Path) -> None:
    """The system itself refuses to let files grow beyond so many bytes."""
    other = tmp_path / "other"
    shutil.copytree(saved, other)
    (other / "card.md").write_text("old")
    before = _files(other)
    sizes = ("0", "1", "400", "1500", "2500")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, saved, other, *sizes], capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    assert len(said) == len(sizes)
    for line in said:
        assert line == (
            f"{other} can't be written: File too large. Make room there, or give another place; what was there before "
            "is as it was."
        )
    assert _files(other) == before
    assert {path.name for path in tmp_path.iterdir()} == {"model", "other"}


KILLED = """
import os, shutil, signal, sys
from unrolled import Forecaster
saved, other = sys.argv[1:]
model = Forecaster.load(saved)
for call, number in (("fsync", 1), ("fsync", 4), ("rename", 1), ("rename", 2), ("fsync", 5)):
    if not os.path.exists(other):
        shutil.copytree(saved, other)
    child = os.fork()  # so that all is imported once
    if not child:
        real, calls = getattr(os, call), []
        def fatal(*args):
            calls.append(None)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)
        setattr(os, call, fatal)
        model.save(other)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(call, number, code, os.path.exists(other), Forecaster.load(other).config.h)
"""


def test_killed_at_any_call_of_a_save_there_is_a_whole_model(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    command = [sys.executable, "-c", KILLED, saved, other]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "fsync 1 -9 True 5",
        "fsync 4 -9 True 5",
        "rename 1 -9 True 5",
        "rename 2 -9 False 5",  # the old one stands beside it
        "fsync 5 -9 True 5",
    ]
    Forecaster.load(other).save(other)
    assert not (tmp_path / ".other.before").exists()
    assert _files(other).keys() == _files(saved).keys()


def _seal(description: dict[str, Any]) -> str:
    """Give a description that was changed its checksum, as a program that meant it would."""
    description.pop("sha256", None)
    seal = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    return json.dumps(description | {"sha256": seal})


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(_seal(json.loads(path.read_text()) | changes))


def _edit_network(folder: Path, **changes: Any) -> None:
    network = json.loads((folder / "config.json").read_text())["networks"][0]
    _edit(folder, networks=[network | changes])


def _reweigh(folder: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    """Change the weights, with the checksums of someone who meant it."""
    weights = load_file(folder / "weights.safetensors")
    change(weights)
    content = save(weights)
    (folder / "weights.safetensors").write_bytes(content)
    _edit(folder, weights_sha256=hashlib.sha256(content).hexdigest())


def _instead(folder: Path, **files: str) -> None:
    """Let a folder be someone else's."""
    for path in folder.iterdir():
        path.unlink()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


BERT = '{"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 768}'
DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (
        lambda f: (f / "config.json").unlink(),
        "F/config.json is missing; in F there is card.md, weights.safetensors.",
    ),
    "no weights": (
        lambda f: (f / "weights.safetensors").unlink(),
        "F/weights.safetensors is missing; in F there is card.md, config.json.",
    ),
    "empty": (_instead, "F/config.json is missing; F is empty."),
    "config no text": (
        lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"),
        "F/config.json is damaged: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte. Restore it "
        "or save the model again.",
    ),
    "of Hugging Face": (
        lambda f: _instead(f, config__json=BERT, pytorch_model__bin="x"),
        'F/config.json is not of a saved forecaster: its "schema" is None, not "unrolled-forecaster/...".',
    ),
    "of neuralforecast": (
        lambda f: _instead(f, configuration__pkl="x", dataset__pkl="x", LSTM_0__ckpt="x"),
        "F/config.json is missing; in F there is LSTM_0.ckpt, configuration.pkl, dataset.pkl.",
    ),
    "a checkpoint": (
        lambda f: _edit(f, schema="unrolled-checkpoint/1"),
        "F/config.json is not of a saved forecaster: its \"schema\" is 'unrolled-checkpoint/1', not "
        '"unrolled-forecaster/...".',
    ),
    "a list": (
        lambda f: (f / "config.json").write_text("[1]"),
        'F/config.json is not of a saved forecaster: its "schema" is None, not "unrolled-forecaster/...".',
    ),
    "newer": (
        lambda f: _edit(f, schema="unrolled-forecaster/3"),
        "F/config.json was written by a newer unrolled (schema 3; this one reads up to 2). Install the newer version: "
        "pip install --upgrade unrolled.",
    ),
    "changed by hand": (
        lambda f: (f / "config.json").write_text((f / "config.json").read_text().replace('"season": 7', '"season": 8')),
        "F/config.json is damaged, or was changed after it was written: its checksum differs. Restore it.",
    ),
    "another's weights": (
        lambda f: (f / "weights.safetensors").write_bytes(save({"a": np.zeros(3)})),
        "F/weights.safetensors is damaged or not the file that config.json was saved with: its checksum differs. "
        "Restore it.",
    ),
    "a folder for a file": (
        lambda f: ((f / "weights.safetensors").unlink(), (f / "weights.safetensors").mkdir()),
        "F/weights.safetensors can't be read: Is a directory.",
    ),
    "a link to nothing": (
        lambda f: ((f / "weights.safetensors").unlink(), (f / "weights.safetensors").symlink_to(f / "gone")),
        "F/weights.safetensors is missing; in F there is card.md, config.json, weights.safetensors.",
    ),
    "an unknown setting": (
        lambda f: _edit_network(f, settings={"h": 5, "wat": 1}),
        "F/config.json and weights.safetensors beside it don't describe one model: These settings can't be used:\n"
        "  - 'wat' is no setting of a Forecaster. Save it again.",
    ),
    "no frequency": (
        lambda f: _edit(f, frequency={}),
        "F/config.json and weights.safetensors beside it don't describe one model: 'unit' is missing. Save it again.",
    ),
    "no training": (
        lambda f: _edit_network(f, training={"a": 1}),
        "F/config.json and weights.safetensors beside it don't describe one model: 'best_loss' is missing. "
        "Save it again.",
    ),
    "no network": (
        lambda f: _edit(f, networks=[]),
        "F/config.json and weights.safetensors beside it don't describe one model: there is no network in it. "
        "Save it again.",
    ),
    "weights of other shapes": (
        lambda f: _reweigh(f, lambda w: w.update({"network.0.head.weight": np.zeros((7, 8), np.float32)})),
        "F/config.json and weights.safetensors beside it don't describe one model: head.weight is (7, 8) float32, and "
        "of this network (5, 8) float32. Save it again.",
    ),
    "weights of another type": (
        lambda f: _reweigh(f, lambda w: w.update({"network.0.head.bias": np.zeros(5)})),
        "F/config.json and weights.safetensors beside it don't describe one model: head.bias is (5,) float64, and of "
        "this network (5,) float32. Save it again.",
    ),
    "a weight missing, another too many": (
        lambda f: _reweigh(f, lambda w: w.update({"network.0.hat.bias": w.pop("network.0.head.bias")})),
        "F/config.json and weights.safetensors beside it don't describe one model: hat.bias is no weight of this "
        "network; head.bias is missing. Save it again.",
    ),
    "errors of another horizon": (
        lambda f: _reweigh(f, lambda w: w.update({"held_out_errors": np.zeros((9, 4))})),
        "F/config.json and weights.safetensors beside it don't describe one model: held_out_errors is (9, 4) float64, "
        "and should be (windows, 5) float64. Save it again.",
    ),
    "weights that are no numbers": (
        lambda f: _reweigh(f, lambda w: w["network.0.head.bias"].__setitem__(2, np.nan)),
        "F/config.json and weights.safetensors beside it don't describe one model: head.bias holds numbers that are "
        "none (NaN or infinite). Save it again.",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_gets_an_error_that_says_which_file_and_why(saved: Path, damage: str) -> None:
    spoil, expected = DAMAGES[damage]
    spoil(saved)
    with pytest.raises(ArtifactError) as caught:
        Forecaster.load(saved)
    assert str(caught.value).replace(str(saved), "F") == expected


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_file_cut_anywhere_is_found_out(saved: Path, name: str) -> None:
    whole = (saved / name).read_bytes()
    for length in (0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 2):
        (saved / name).write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match=f"{name} is damaged"):
            Forecaster.load(saved)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_bit_that_flipped_is_found_out(saved: Path, name: str) -> None:
    whole, draw = (saved / name).read_bytes(), np.random.default_rng(0)
    for place in draw.integers(0, len(whole), 40):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << int(draw.integers(0, 8))
        (saved / name).write_bytes(spoilt)
        if name == "config.json" and _says_the_same(spoilt, whole):
            continue
        with pytest.raises(ArtifactError, match=f"{name} is|is not of a saved forecaster"):
            Forecaster.load(saved)


def _says_the_same(spoilt: bytes, whole: bytes) -> bool:
    """Whether only the spaces between the words are others."""
    try:
        return bool(json.loads(spoilt) == json.loads(whole))
    except ValueError:
        return False


def test_the_card_may_be_anything(saved: Path) -> None:
    (saved / "card.md").unlink()
    assert Forecaster.load(saved).config.h == 5


def test_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(ArtifactError) as caught:
            Forecaster.load(place)
        assert str(caught.value) == (
            f"{place} is no folder. A saved model is a folder with config.json, weights.safetensors and card.md."
        )


def test_links_are_followed_in_reading_and_in_writing(model: Forecaster, saved: Path, tmp_path: Path) -> None:
    (saved / "weights.safetensors").rename(tmp_path / "blob")
    (saved / "weights.safetensors").symlink_to(tmp_path / "blob")
    (tmp_path / "latest").symlink_to(saved)
    assert Forecaster.load(tmp_path / "latest").predict(wave_frame(2, 80)).equals(model.predict())
    blob = (tmp_path / "blob").read_bytes()
    model.save(tmp_path / "latest")
    assert (tmp_path / "latest").readlink() == saved
    assert not (saved / "weights.safetensors").is_symlink()
    assert (tmp_path / "blob").read_bytes() == blob


def test_a_model_of_the_version_before_is_read() -> None:
    """The folder and its forecasts are those of the version that wrote schema 1."""
    golden = Path(__file__).parents[1] / "golden" / "forecaster"
    model = Forecaster.load(golden / "schema-1")
    expected = pd.read_csv(golden / "schema-1.csv", parse_dates=["ds"])
    found = model.predict(wave_frame(2, 60), level=[80])
    assert found.columns.tolist() == expected.columns.tolist()
    for column in expected.columns[2:]:
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-5)
    assert (model.config.network, model.log.steps, model.log.setbacks) == ("steps", 20, ())


def test_a_model_without_held_out_points_goes_there_and_back(tmp_path: Path) -> None:
    Forecaster(**SETTINGS | {"val_size": 0}).fit(wave_frame(2, 80)).save(tmp_path / "one")
    Forecaster.load(tmp_path / "one").save(tmp_path / "two")
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert "Intervals: none" in (tmp_path / "two" / "card.md").read_text()


def test_a_model_trained_on_a_device_that_is_not_here_computes_on_the_cpu(saved: Path, model: Forecaster) -> None:
    settings = json.loads((saved / "config.json").read_text())["networks"][0]["settings"]
    _edit_network(saved, settings=settings | {"device": "cuda:77"})
    loaded = Forecaster.load(saved)
    assert loaded.config.device == "cpu"
    assert loaded.predict(wave_frame(2, 80)).equals(model.predict())
    with pytest.raises(ConfigError, match="device 'abacus' can't be used here"):
        Forecaster.load(saved, device="abacus")


def test_reading_a_model_draws_no_random_numbers(saved: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Forecaster.load(saved)
    assert torch.equal(torch.rand(2), expected)


def test_a_loaded_model_asks_for_the_series_to_forecast(saved: Path) -> None:
    with pytest.raises(NotFittedError, match=r"pass a table of those to forecast, as in predict\(df\)"):
        Forecaster.load(saved).predict()


def test_saved_settings_are_whole(saved: Path) -> None:
    settings = json.loads((saved / "config.json").read_text())["networks"][0]["settings"]
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
