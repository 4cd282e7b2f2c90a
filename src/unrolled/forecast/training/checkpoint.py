"""Checkpoints of a fit: a folder from which it goes on after being killed, as if it never had been.

Two generations, each two files, take turns: `checkpoint-0.safetensors` with all tensors, then `checkpoint-0.json` with
everything else and the checksum of both. One that was being written when the program was killed does not agree with
its checksum; the one before it then counts. No pickle anywhere. The format is described in docs/formats.md.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.errors import ArtifactError, ConfigError, Problems
from unrolled.files import DRAFT, write_whole
from unrolled.forecast.sealed import Format, sealed, unsealed
from unrolled.forecast.training.fingerprint import differences
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.state import State, Tensors, joined, under

FORMAT = Format("unrolled-checkpoint", "a checkpoint", newest=1)
GENERATIONS = 2


@dataclass(frozen=True)
class Finished:
    """A network of an ensemble that is done."""

    weights: Tensors
    log: TrainingLog


@dataclass(frozen=True)
class Progress:
    """How far a fit is: the networks that are done, and where the next one is, if it has begun."""

    finished: tuple[Finished, ...] = ()
    state: State | None = None

    def tensors(self) -> Tensors:
        """Return all tensors by name; `from_parts` undoes it."""
        done = {f"finished.{number}.": one.weights for number, one in enumerate(self.finished)}
        return joined(done | ({"state.": self.state.tensors()} if self.state is not None else {}))

    def to_json(self) -> dict[str, Any]:
        """Return all but the tensors, as plain JSON types."""
        finished = [one.log.to_json() for one in self.finished]
        return {"finished": finished, "state": self.state.to_json() if self.state is not None else None}

    @classmethod
    def from_parts(cls, content: Mapping[str, Any], tensors: Tensors) -> Progress:
        """Return the progress whose parts `to_json` and `tensors` gave."""
        finished = tuple(
            Finished(under(f"finished.{number}.", tensors), TrainingLog.from_json(log))
            for number, log in enumerate(content["finished"])
        )
        state = content["state"]
        return cls(finished, None if state is None else State.from_parts(state, under("state.", tensors)))


@dataclass(frozen=True)
class _Found:
    """A whole generation."""

    number: int
    fingerprint: dict[str, Any]
    progress: Progress


class Checkpoints:
    """The checkpoints of one fit.

    Args:
        folder: made if need be; nothing in it but checkpoints is ever touched.
        every: seconds between two; 0 writes one after every step.
        resume: whether to go on from what is in the folder.

    Raises:
        ConfigError: an argument is wrong.
        ArtifactError: the folder is something else, or can't be written.
    """

    def __init__(self, folder: str | os.PathLike[str], every: float = 60.0, resume: bool = False) -> None:
        self.folder, self.every, self.resume = Path(folder), every, resume
        _check(every, resume)
        _refuse_something_else(self.folder)
        self._fingerprint: dict[str, Any] = {}
        self._number = 0
        self._written_at = -math.inf

    def begin(self, fingerprint: dict[str, Any]) -> Progress:
        """Return how far the fit was, and write the first checkpoint, which shows at once that the folder works.

        Raises:
            ConfigError: what is in the folder is of other settings or data.
            ArtifactError: every checkpoint in the folder is damaged, or the folder can't be written.
        """
        found = self._newest() if self.resume else None
        if found is not None:
            changed = differences(found.fingerprint, fingerprint)
            changed.raise_as(ConfigError, _heading(self.folder))
        self._tidy()
        self._fingerprint = fingerprint
        self._number = 0 if found is None else found.number + 1
        progress = Progress() if found is None else found.progress
        self._write(progress)
        return progress

    def keep(self, finished: Sequence[Finished], state: Callable[[], State] | None = None) -> None:
        """Write a checkpoint when it is time; without a state, which is between two networks, at once.

        A full disk does not end the training: it is said, and tried again the next time.
        """
        if state is not None and time.monotonic() - self._written_at < self.every:
            return
        try:
            self._write(Progress(tuple(finished), None if state is None else state()))
        except ArtifactError as wrong:
            self._written_at = time.monotonic()
            warnings.warn(f"{wrong} The training goes on without a new checkpoint.", stacklevel=2)

    def _write(self, progress: Progress) -> None:
        slot = self._number % GENERATIONS
        description = {"number": self._number, **self._fingerprint, **progress.to_json()}
        text, tensors = sealed(FORMAT, description, progress.tensors())
        write_whole(_tensors_file(self.folder, slot), tensors, ArtifactError)
        write_whole(_json_file(self.folder, slot), text, ArtifactError)
        self._number += 1
        self._written_at = time.monotonic()

    def _newest(self) -> _Found | None:
        """Return the newest generation that is whole; None where there is none at all.

        Raises:
            ArtifactError: there are some, all of them damaged, or of a newer unrolled.
        """
        problems = Problems()
        found = [_read(self.folder, slot, problems) for slot in range(GENERATIONS)]
        whole = [one for one in found if one is not None]
        if not whole:
            problems.raise_as(ArtifactError, f"No checkpoint in {self.folder} can be used; resume=False starts anew:")
            return None
        return max(whole, key=lambda one: one.number)

    def _tidy(self) -> None:
        """Remove what a program that was killed left half written; and what a fit that starts anew replaces."""
        for draft in self.folder.glob(f"{DRAFT}*"):
            if draft.is_file():  # a folder is the draft of a model that is saved there, none of ours
                draft.unlink()
        for slot in () if self.resume else range(GENERATIONS):
            # The description first: tensors alone are no checkpoint.
            _json_file(self.folder, slot).unlink(missing_ok=True)
            _tensors_file(self.folder, slot).unlink(missing_ok=True)


def checkpoints_in(folder: str | os.PathLike[str] | None, every: float, resume: bool) -> Checkpoints | None:
    """Return the checkpoints of a fit that was given these arguments; None where it keeps none.

    Raises:
        ConfigError, ArtifactError: as `Checkpoints`.
    """
    if folder is None and resume:
        raise ConfigError("resume=True goes on from a checkpoint; give its folder: fit(..., checkpoint='folder').")
    return None if folder is None else Checkpoints(folder, every, resume)


def _check(every: float, resume: bool) -> None:
    problems = Problems()
    right = isinstance(every, int | float) and not isinstance(every, bool) and every >= 0
    problems.check(right, f"checkpoint_every is a number of seconds, at least 0; got {every!r}.")
    problems.check(isinstance(resume, bool), f"resume is True or False; got {resume!r}.")
    problems.raise_as(ConfigError, "These checkpoints can't be kept:")


def _refuse_something_else(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(f"{folder} is a file; give a folder's name for the checkpoints.")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    ours = {file(folder, slot).name for slot in range(GENERATIONS) for file in (_json_file, _tensors_file)}
    drafts = {name for name in names if name.startswith(DRAFT)}
    if names - drafts and not names & ours:
        raise ArtifactError(f"{folder} exists and holds no checkpoints. Give a new folder's name, or an empty one.")


def _heading(folder: Path) -> str:
    return (
        f"The checkpoint in {folder} is of another training. Give it the same settings and data, "
        "or another folder, or start anew with resume=False:"
    )


def _json_file(folder: Path, slot: int) -> Path:
    return folder / f"checkpoint-{slot}.json"


def _tensors_file(folder: Path, slot: int) -> Path:
    return folder / f"checkpoint-{slot}.safetensors"


def _read(folder: Path, slot: int, problems: Problems) -> _Found | None:
    """Return a generation, or note why it is none; one that was never written is no problem."""
    path = _json_file(folder, slot)
    if not path.exists():
        return None
    try:
        _, description, tensors = unsealed(FORMAT, path, _tensors_file(folder, slot))
    except ArtifactError as wrong:
        problems.add(str(wrong))
        return None
    fingerprint = {key: description[key] for key in ("settings", "data", "start")}
    return _Found(description["number"], fingerprint, Progress.from_parts(description, tensors))
