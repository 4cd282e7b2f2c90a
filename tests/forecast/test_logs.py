"""Logs of a training: JSON lines, TensorBoard, MLflow."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from makers import QUICK, wave_frame
from unrolled import Config, Forecaster
from unrolled.errors import ConfigError
from unrolled.forecast.training.logs import JsonLines, opened
from unrolled.forecast.training.watch import Look

SETTINGS: dict[str, Any] = {"h": 5, "input_size": 12, "network": "steps", **QUICK}


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_for_the_beginning_each_look_and_the_end(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "run.jsonl"
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80), log=log)
    begin, *looks, end = _lines(log)
    assert (begin["event"], begin["network"], begin["first_step"]) == ("begin", 1, 0)
    assert begin["settings"] == model.config.to_json()
    assert set(begin["made_with"]) == {"unrolled", "torch"}
    assert [(look["event"], look["step"]) for look in looks] == [("look", 10), ("look", 20), ("look", 30)]
    assert min(look["validation"] for look in looks) == model.log.best_loss
    assert all(0 < look["rate"] < 0.01 and look["seconds"] > 0 and math.isfinite(look["loss"]) for look in looks)
    assert {key: end[key] for key in model.log.to_json()} == model.log.to_json()
    assert end["sentence"] == model.log.sentence()


def test_logging_changes_no_number(tmp_path: Path) -> None:
    plain = Forecaster(**SETTINGS).fit(wave_frame(2, 80)).predict()
    assert Forecaster(**SETTINGS).fit(wave_frame(2, 80), log=[tmp_path / "a", tmp_path / "b"]).predict().equals(plain)
    assert [line["event"] for line in _lines(tmp_path / "a")] == [line["event"] for line in _lines(tmp_path / "b")]


def test_a_log_is_replaced_by_a_new_fit_and_continued_by_a_resumed_one(tmp_path: Path) -> None:
    log, folder, frame = tmp_path / "run.jsonl", tmp_path / "c", wave_frame(2, 80)
    for _ in range(2):
        Forecaster(**SETTINGS).fit(frame, log=log, checkpoint=folder)
        assert len(_lines(log)) == 5
    with log.open("a") as file:
        file.write('{"event": "look", "st')  # by a program that was killed
    Forecaster(**SETTINGS | {"ensemble": 1}).fit(frame, log=log, checkpoint=folder, resume=True)
    assert len(_lines(log)) == 5  # it was done: there was nothing to log, and the broken line is gone


def test_without_validation_there_is_no_validation_loss(tmp_path: Path) -> None:
    Forecaster(**SETTINGS, val_size=0).fit(wave_frame(2, 80), log=tmp_path / "run.jsonl")
    _, *looks, end = _lines(tmp_path / "run.jsonl")
    assert all(look["validation"] is None for look in looks)
    assert end["best_loss"] is None


def test_each_network_of_an_ensemble_has_its_lines(tmp_path: Path) -> None:
    Forecaster(**SETTINGS, ensemble=2).fit(wave_frame(2, 80), log=tmp_path / "run.jsonl")
    lines = _lines(tmp_path / "run.jsonl")
    assert [line["network"] for line in lines] == [1] * 5 + [2] * 5
    assert [lines[0]["settings"]["seed"], lines[5]["settings"]["seed"]] == [1, 2]


def test_a_log_that_can_not_be_written_is_said_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), log=tmp_path)
    assert str(caught.value) == f"log {tmp_path} can't be written: Is a directory. Give another file's name."


def test_a_full_disk_ends_the_log_and_not_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = os.write, []

    def full(handle: int, content: bytes) -> int:
        calls.append(None)
        if len(calls) == 3:
            return write(handle, content[:10])  # a part of the line is written, then there is no room left
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        return write(handle, content)

    monkeypatch.setattr(os, "write", full)
    with pytest.warns(UserWarning, match=r"can't be written any more: No space left on device\. The training goes on"):
        model = Forecaster(**SETTINGS).fit(wave_frame(2, 80), log=tmp_path / "run.jsonl")
    assert model.log.steps == 30
    assert [line["event"] for line in _lines(tmp_path / "run.jsonl")] == ["begin", "look"]


def test_lines_are_there_as_soon_as_they_are_written(tmp_path: Path) -> None:
    with opened(tmp_path / "run.jsonl") as (lines,):
        assert isinstance(lines, JsonLines)
        lines.begin(Config(h=3), 0, 0)
        lines.look(Look(1, 0.5, None, 0.1, 2.0))
        assert len(_lines(tmp_path / "run.jsonl")) == 2


@pytest.mark.parametrize(("log", "package"), [("tensorboard:runs", "tensorboard"), ("mlflow:", "mlflow")])
def test_a_package_that_is_not_there_is_named_with_its_extra(
    log: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(ConfigError) as caught:
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), log=log)
    assert str(caught.value) == (f"log='{package}:...' needs the package {package}: pip install 'unrolled[{package}]'.")


def test_tensorboard_is_told_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names the folder to write to, as in 'tensorboard:runs'"):
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), log="tensorboard:")


TENSORBOARD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from makers import QUICK, wave_frame
from unrolled import Forecaster
model = Forecaster(h=5, input_size=12, network="steps", ensemble=int(sys.argv[3]), **QUICK)
model.fit(wave_frame(2, 80), log="tensorboard:" + sys.argv[2])
print(json.dumps([member.log.best_loss for member in model._need_fitted().members]))
"""


@pytest.mark.parametrize("networks", [1, 2])
def test_tensorboard_reads_what_was_written(networks: int, tmp_path: Path) -> None:
    """In a process of its own: TensorBoard's own imports warn."""
    pytest.importorskip("tensorboard")
    program = [sys.executable, "-c", TENSORBOARD, str(Path(__file__).parents[1]), str(tmp_path), str(networks)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    best = json.loads(done.stdout.splitlines()[-1])
    reader = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1]); found.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}))
"""
    for number in range(networks):
        folder = tmp_path / f"network-{number + 1}" if networks > 1 else tmp_path
        read = subprocess.run([sys.executable, "-c", reader, folder], capture_output=True, text=True, check=True)
        scalars = json.loads(read.stdout.splitlines()[-1])
        assert set(scalars) == {"loss", "validation", "rate"}
        assert [step for step, _ in scalars["validation"]] == [10, 20, 30]
        assert min(value for _, value in scalars["validation"]) == pytest.approx(best[number], rel=1e-6)


class _Client:
    """MLflow's client, as far as it is used, that remembers."""

    made: ClassVar[list[_Client]] = []

    def __init__(self, tracking_uri: str | None = None) -> None:
        self.address, self.calls = tracking_uri, list[tuple[Any, ...]]()
        self.made.append(self)

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return f"number of {name}"

    def create_run(self, experiment: str) -> SimpleNamespace:
        assert experiment == "number of unrolled"
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    def __getattr__(self, name: str) -> Any:
        return lambda run, *given, **named: self.calls.append((name, *given, *named.values()))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[_Client]:
    module = ModuleType("mlflow.tracking")
    module.MlflowClient = _Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", module)
    monkeypatch.setattr(_Client, "made", [])
    return _Client


@pytest.mark.parametrize(("log", "address"), [("mlflow:", None), ("mlflow:http://here:5000", "http://here:5000")])
def test_mlflow_gets_parameters_metrics_and_the_end(log: str, address: str | None, client: type[_Client]) -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80), log=log)
    (made,) = client.made
    assert made.address == address
    assert ("log_param", "hidden_size", "8") in made.calls
    metrics = [call[1:] for call in made.calls if call[0] == "log_metric"]
    assert [(name, step) for name, _, step in metrics] == [
        (name, step) for step in (10, 20, 30) for name in ("loss", "validation", "rate")
    ]
    assert ("set_tag", "outcome", model.log.sentence()) in made.calls
    assert made.calls[-1] == ("set_terminated", "FINISHED")


def test_a_training_that_fails_fails_in_mlflow(client: type[_Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.forecast.fitting.train", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), log="mlflow:")
    assert client.made[0].calls[-1] == ("set_terminated", "FAILED")


MLFLOW = """
import sys
sys.path.insert(0, sys.argv[1])
from makers import QUICK, wave_frame
from unrolled import Forecaster
address = "file:" + sys.argv[2]
Forecaster(h=5, input_size=12, network="steps", **QUICK).fit(wave_frame(2, 80), log="mlflow:" + address)
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=address)
(run,) = client.search_runs([client.get_experiment_by_name("unrolled").experiment_id])
points = client.get_metric_history(run.info.run_id, "validation")
print(run.info.status, run.data.params["h"], [point.step for point in points])
"""


def test_mlflow_itself_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    program = [sys.executable, "-c", MLFLOW, str(Path(__file__).parents[1]), str(tmp_path / "store")]
    done = subprocess.run(program, capture_output=True, text=True, env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "FINISHED 5 [10, 20, 30]"


@pytest.mark.parametrize(
    ("log", "expected"),
    [([""], "got ''."), ("tensorbord:runs", "got 'tensorbord:runs'. Did you mean 'tensorboard'?")],
)
def test_what_is_no_log_is_refused(log: Any, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught, opened(log):
        pass
    assert expected in str(caught.value)
    assert not list(tmp_path.iterdir())
