"""Checkpoints: a fit that was killed, at whatever moment, ends with the weights of one that never was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from makers import QUICK, wave_frame
from training_parts import Stepped, training_parts
from unrolled import Forecaster
from unrolled.errors import ArtifactError, ConfigError
from unrolled.forecast.training.checkpoint import Checkpoints, Progress
from unrolled.forecast.training.loop import train
from unrolled.forecast.training.state import State

SETTINGS = {"h": 5, "input_size": 12, "network": "steps", **QUICK}
FILES = {f"checkpoint-{slot}.{ending}" for slot in (0, 1) for ending in ("json", "safetensors")}
EVERYTHING = {
    "hidden_size": [6, 5],
    "dropout": 0.3,
    "average": 0.9,
    "ensemble": 2,
    "patience": 2,
    "val_every": 5,
    "max_steps": 120,
    "weight_decay": 0.01,
}

FITS = """
import json, os, sys, warnings
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from makers import wave_frame
from unrolled import Forecaster
settings, out = json.loads(sys.argv[2]), sys.argv[3]
for line in sys.stdin:
    child = os.fork()  # so that all is imported once
    if not child:
        model = Forecaster(**settings)
        log = out + "/log.jsonl"
        model.fit(wave_frame(2, 80), checkpoint=out + "/checkpoint", checkpoint_every=0, resume=True, log=log)
        model.save(out + "/model")
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Fits:
    """Starts the same fit as often as it is asked, each in a process of its own."""

    def __init__(self, settings: dict[str, Any], out: Path) -> None:
        self.checkpoint = out / "checkpoint"
        command = [sys.executable, "-c", FITS, str(Path(__file__).parents[1]), json.dumps(settings), str(out)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _say(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def start(self) -> int:
        """Return the number of the process."""
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)
        return self._say()

    def ended(self) -> int:
        """Wait for the process that was started; return its exit code."""
        return self._say()

    def kill_after(self, checkpoints: int, seconds: float) -> int:
        """Start the fit, kill it so long after it has written so many checkpoints; return its exit code."""
        child, wanted = self.start(), _number(self.checkpoint) + checkpoints
        with suppress(ProcessLookupError):
            while _number(self.checkpoint) < wanted:
                os.kill(child, 0)  # raises when it has ended
                time.sleep(0.001)
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        return self.ended()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def _number(folder: Path) -> int:
    """Return the number of the newest checkpoint, -1 where there is none."""
    found = [json.loads(path.read_text())["number"] for path in folder.glob("checkpoint-*.json")]
    return max(found, default=-1)


@pytest.mark.parametrize(
    ("settings", "kills"), [(EVERYTHING, 4), ({"val_size": 0, "max_steps": 150}, 3)], ids=["everything", "plain"]
)
def test_killed_again_and_again_it_ends_with_the_very_weights(
    settings: dict[str, Any], kills: int, tmp_path: Path
) -> None:
    asked = SETTINGS | settings
    out = tmp_path / "out"
    out.mkdir()
    fits, draw = Fits(asked, out), np.random.default_rng(len(settings))
    try:
        # Anywhere between two checkpoints, and in the writing of one.
        codes = [fits.kill_after(int(draw.integers(2, 25)), draw.uniform(0, 0.01)) for _ in range(kills)]
        assert codes == [-signal.SIGKILL] * kills
        fits.start()
        assert fits.ended() == 0
    finally:
        fits.close()
    Forecaster(**asked).fit(wave_frame(2, 80)).save(tmp_path / "whole")
    for name in ("config.json", "weights.safetensors"):
        assert (out / "model" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {path.name for path in (out / "checkpoint").iterdir()} == FILES
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert sum(line["event"] == "begin" for line in lines) >= kills
    assert lines[-1]["event"] == "end"


def _states(**settings: Any) -> tuple[list[State], dict[str, torch.Tensor], Any]:
    network, source, validation, config = training_parts(**settings)
    states: list[State] = []
    log = train(network, source, validation, config, keep=lambda state: states.append(state()))
    return states, network.state_dict(), log


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_size": [6, 5], "dropout": 0.3},
        {"average": 0.9, "patience": 1, "val_every": 3, "max_steps": 60, "learning_rate": 0.3},
        {"val_size": 0, "average": 0.5},
        {"loss": "mse", "learning_rate": 1e25, "gradient_clip": None},
        {"cell": {"type": "LSTM", "zoneout": 0.2}},
        {"network": "deepar", "max_steps": 12},
    ],
    ids=["dropout", "early stopping", "no validation", "setbacks", "zoneout", "samples"],
)
def test_from_every_step_the_training_goes_on_as_if_it_never_stopped(settings: dict[str, Any]) -> None:
    states, weights, log = _states(**settings)
    if "patience" in settings:
        assert log.stopped == "early"
    if "loss" in settings:
        assert log.setbacks
    for state in states[:: max(1, len(states) // 5)] + states[-1:]:
        again = State.from_parts(json.loads(json.dumps(state.to_json())), state.tensors())
        network, source, validation, config = training_parts(state.drawn, **settings)
        torch.manual_seed(99)  # whatever was drawn since
        watcher = Stepped()
        assert train(network, source, validation, config, watcher, again) == log
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, weights[name]), (state.now.steps, name)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The checkpoints of a fit that was interrupted, of both generations."""
    folder = tmp_path / "checkpoint"
    states, _, _ = _states()
    checkpoints = Checkpoints(folder, every=0)
    checkpoints.begin(PRINT)
    for state in states[:20]:
        checkpoints.keep([], lambda state=state: state)
    return folder


PRINT: dict[str, Any] = {
    "settings": {"h": 5, "learning_rate": 0.01},
    "data": {"series": 3, "points": 360, "sha256": "a"},
    "start": None,
}


def _steps(progress: Progress) -> int:
    assert progress.state is not None
    return progress.state.now.steps


def _newest(folder: Path) -> int:
    return max((0, 1), key=lambda slot: json.loads((folder / f"checkpoint-{slot}.json").read_text())["number"])


def test_the_newest_checkpoint_counts(kept: Path) -> None:
    assert {path.name for path in kept.iterdir()} == FILES
    assert _steps(Checkpoints(kept, resume=True).begin(PRINT)) == 20


@pytest.mark.parametrize("ending", ["json", "safetensors"])
@pytest.mark.parametrize("how", ["cut", "gone", "flipped"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(kept: Path, ending: str, how: str) -> None:
    path = kept / f"checkpoint-{_newest(kept)}.{ending}"
    _spoil(path, how)
    assert _steps(Checkpoints(kept, resume=True).begin(PRINT)) == 19


def _spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 4
        path.write_bytes(content)


def test_when_both_are_damaged_it_says_so_and_touches_nothing(kept: Path) -> None:
    for slot in (0, 1):
        _spoil(kept / f"checkpoint-{slot}.safetensors", "cut")
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(ArtifactError) as caught:
        Checkpoints(kept, resume=True).begin(PRINT)
    said = str(caught.value).replace(str(kept), "F")
    each = (
        "F/checkpoint-{0}.safetensors is damaged or not the file that checkpoint-{0}.json was saved with: its checksum"
    )
    assert said == (
        "No checkpoint in F can be used; resume=False starts anew:\n"
        f"  - {each.format(0)} differs. Restore it.\n  - {each.format(1)} differs. Restore it."
    )
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert Checkpoints(kept).begin(PRINT) == Progress()


def test_one_of_a_newer_version_is_said(kept: Path) -> None:
    for path in kept.glob("*.json"):
        path.write_text(path.read_text().replace("unrolled-checkpoint/1", "unrolled-checkpoint/2"))
    with pytest.raises(ArtifactError, match="written by a newer unrolled"):
        Checkpoints(kept, resume=True).begin(PRINT)


def test_other_settings_and_data_are_named_all_at_once(kept: Path) -> None:
    other = {
        "settings": {"h": 7, "learning_rate": 0.01},
        "data": {"series": 3, "points": 360, "sha256": "b"},
        "start": "weights",
    }
    with pytest.raises(ConfigError) as caught:
        Checkpoints(kept, resume=True).begin(other)
    assert str(caught.value) == (
        f"The checkpoint in {kept} is of another training. Give it the same settings and data, or another folder, or "
        "start anew with resume=False:\n"
        "  - h was 5 there and is 7 now.\n"
        "  - the data were 3 series of 360 points there and are 3 series of 360 points now, but other ids, times, "
        "values or covariates.\n"
        "  - the weights that training starts from are others: see warm_start."
    )


def test_a_fit_with_other_settings_or_data_is_not_resumed(tmp_path: Path) -> None:
    frame, folder = wave_frame(2, 80), tmp_path / "c"
    Forecaster(**SETTINGS).fit(frame, checkpoint=folder)
    with pytest.raises(ConfigError, match=r"learning_rate was 0.01 there and is 0.02 now"):
        Forecaster(**SETTINGS, learning_rate=0.02).fit(frame, checkpoint=folder, resume=True)
    frame.loc[3, "y"] += 1e-9
    with pytest.raises(ConfigError, match=r"the data were 2 series of 160 points there.*but other ids"):
        Forecaster(**SETTINGS).fit(frame, checkpoint=folder, resume=True)
    with pytest.raises(ConfigError, match="and are 1 series of 80 points now"):
        Forecaster(**SETTINGS).fit(frame[:80], checkpoint=folder, resume=True)


def test_resumed_when_done_it_gives_the_networks_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, settings = wave_frame(2, 80), SETTINGS | {"ensemble": 2}
    model = Forecaster(**settings).fit(frame, checkpoint=tmp_path / "c")
    monkeypatch.setattr("unrolled.forecast.fitting.train", lambda *a, **k: pytest.fail("training started"))
    again = Forecaster(**settings | {"verbose": True}).fit(frame, checkpoint=tmp_path / "c", resume=True)
    assert again.predict().equals(model.predict())
    assert again.log == model.log


def test_with_nothing_there_resume_starts_anew_and_without_resume_what_is_there_is_replaced(tmp_path: Path) -> None:
    frame = wave_frame(2, 80)
    first = Forecaster(**SETTINGS).fit(frame, checkpoint=tmp_path / "c", resume=True)
    other = Forecaster(**SETTINGS, seed=2).fit(frame, checkpoint=tmp_path / "c")
    assert not first.predict().equals(other.predict())
    again = Forecaster(**SETTINGS, seed=2).fit(frame, checkpoint=tmp_path / "c", resume=True)
    assert again.predict().equals(other.predict())


def test_after_ctrl_c_the_fit_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = wave_frame(2, 80)
    expected = Forecaster(**SETTINGS).fit(frame).predict()
    write, calls = Checkpoints._write, []

    def interrupted(checkpoints: Checkpoints, progress: Progress) -> None:
        write(checkpoints, progress)
        calls.append(None)
        if len(calls) == 18:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "_write", interrupted)
    with pytest.warns(UserWarning, match="interrupted at step 17"):
        Forecaster(**SETTINGS).fit(frame, checkpoint=tmp_path / "c", checkpoint_every=0)
    resumed = Forecaster(**SETTINGS).fit(frame, checkpoint=tmp_path / "c", resume=True)
    assert resumed.predict().equals(expected)


@pytest.mark.parametrize("what", ["a file", "a thesis", "a model"])
def test_a_folder_that_is_something_else_is_refused_and_left_alone(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "mine"
    if what == "a file":
        folder.write_text("x")
    else:
        folder.mkdir()
        (folder / ("config.json" if what == "a model" else "thesis.tex")).write_text("x")
    expected = {
        "a file": f"{folder} is a file; give a folder's name for the checkpoints.",
        "a thesis": f"{folder} exists and holds no checkpoints. Give a new folder's name, or an empty one.",
    }
    with pytest.raises(ArtifactError) as caught:
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), checkpoint=folder)
    assert str(caught.value) == expected.get(what, expected["a thesis"])
    assert len(list(tmp_path.rglob("*"))) == (1 if what == "a file" else 2)


def test_other_files_beside_checkpoints_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    Forecaster(**SETTINGS).fit(wave_frame(2, 80), checkpoint=folder, log=folder / "log.jsonl")
    (folder / ".unrolled-left").write_text("by a program that was killed")
    (folder / ".unrolled-model").mkdir()  # where a model is being saved
    Forecaster(**SETTINGS).fit(wave_frame(2, 80), checkpoint=folder)
    assert {path.name for path in folder.iterdir()} <= {*FILES, "log.jsonl", ".unrolled-model"}
    assert (folder / "log.jsonl").exists()


@pytest.mark.usefixtures("unchecked")
def test_wrong_arguments_are_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Checkpoints(tmp_path / "c", every=-1, resume="yes")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "These checkpoints can't be kept:\n"
        "  - checkpoint_every is a number of seconds, at least 0; got -1.\n"
        "  - resume is True or False; got 'yes'."
    )
    with pytest.raises(ConfigError, match=r"resume=True goes on from a checkpoint; give its folder"):
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), resume=True)


def test_a_full_disk_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError) as caught:
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), checkpoint=tmp_path / "c")
    assert str(caught.value) == (
        f"{tmp_path}/c/checkpoint-0.safetensors can't be written: No space left on device. Make room there, or give "
        "another place; what was there before is as it was."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_does_not_end_the_training(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(kept, every=0, resume=True)
    progress = checkpoints.begin(PRINT)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.warns(UserWarning, match=r"No space left.*The training goes on without a new checkpoint\."):
            checkpoints.keep([], lambda: progress.state)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    checkpoints.keep([], lambda: progress.state)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} != before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk")
def test_on_a_small_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(ArtifactError, match=r"No space left on device\. Make room there"):
            Forecaster(**SETTINGS | {"hidden_size": 40}).fit(wave_frame(2, 80)).save(disk / "model")
        assert list(disk.iterdir()) == []
        with pytest.warns(UserWarning, match="No space left on device"):
            Forecaster(**SETTINGS | {"hidden_size": 16}).fit(
                wave_frame(2, 80), checkpoint=disk / "c", checkpoint_every=0
            )
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_checkpoint_is_due_every_so_many_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("unrolled.forecast.training.checkpoint.time.monotonic", lambda: clock[0])
    checkpoints, asked = Checkpoints(tmp_path / "c", every=60), []
    checkpoints.begin(PRINT)
    state = _states()[0][3]
    for _ in range(200):
        clock[0] += 1
        checkpoints.keep([], lambda: asked.append(clock[0]) or state)
    assert asked == [1060, 1120, 1180]
    checkpoints.keep([])
    assert _number(tmp_path / "c") == 4


def test_checkpoints_hold_no_pickle_and_can_be_copied(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "copy")
    assert _steps(Checkpoints(tmp_path / "copy", resume=True).begin(PRINT)) == 20
    described = json.loads((kept / "checkpoint-0.json").read_text())
    assert described["schema"] == "unrolled-checkpoint/1"
