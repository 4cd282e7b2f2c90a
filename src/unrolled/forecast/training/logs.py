"""Logs of a training: plain JSON lines; TensorBoard and MLflow for those who have them."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unrolled.errors import ConfigError, Problems, did_you_mean
from unrolled.forecast.config import Config
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.watch import Look, Watcher

Log = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
"""A path for JSON lines, "tensorboard:FOLDER", "mlflow:ADDRESS"; or several of them."""

KINDS = ("tensorboard", "mlflow")

EXPERIMENT = "unrolled"


@contextmanager
def opened(log: Log, resume: bool = False) -> Iterator[tuple[Watcher, ...]]:
    """Give what writes each log, and close it in the end.

    Args:
        log: see `Log`.
        resume: whether JSON lines are added to those that are there, instead of replacing them.

    Raises:
        ConfigError: a log can't be written, or its package is not installed.
    """
    each = _each(log)
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_opened(one, resume)) for one in each)


def _each(log: Any) -> list[str | os.PathLike[str]]:
    """Return the logs that were asked for, having refused what names none."""
    each = [] if log is None else list(log) if isinstance(log, tuple | list) else [log]
    problems = Problems()
    for one in each:
        named = isinstance(one, str | os.PathLike) and str(one) != ""
        what = "log is a path, 'tensorboard:FOLDER' or 'mlflow:ADDRESS', or a list of those"
        if problems.check(named, f"{what}; got {one!r}.") and ":" in str(one):
            kind = str(one).partition(":")[0]
            nearest = did_you_mean(kind, KINDS)  # of a kind that is spelt wrong no file is made
            problems.check(kind in KINDS or not nearest, f"{what}; got {one!r}.{nearest}")
    problems.raise_as(ConfigError)
    return each


@contextmanager
def _opened(log: str | os.PathLike[str], resume: bool) -> Iterator[Watcher]:
    kind, _, place = os.fspath(log).partition(":")
    if kind == "tensorboard":
        with _tensorboard(place) as board:
            yield board
    elif kind == "mlflow":
        with _mlflow(place) as run:
            yield run
    else:
        with _json_lines(Path(log), resume) as lines:
            yield lines


def header(config: Config) -> dict[str, Any]:
    """Return what a log begins with: the settings, and who trained."""
    import torch

    return {
        "settings": config.to_json(),
        "made_with": {"unrolled": version("unrolled"), "torch": str(torch.__version__)},
    }


class JsonLines:
    """A line for the beginning, each look and the end of each network's training: whole lines alone, each at once."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle, self._network, self._broken = path, handle, 0, False

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Write the settings and versions."""
        self._network = number + 1
        self._write("begin", header(config) | {"first_step": first_step})

    def step(self, step: int, loss: float, best: float) -> None:
        """Write nothing: a line a step would be too many."""

    def look(self, look: Look) -> None:
        """Write what the look found."""
        self._write("look", vars(look))

    def end(self, log: TrainingLog) -> None:
        """Write how it ended."""
        self._write("end", log.to_json() | {"sentence": log.sentence()})

    def _write(self, event: str, content: Mapping[str, Any]) -> None:
        line = json.dumps({"event": event, "network": self._network, **content}, allow_nan=False) + "\n"
        if self._broken:
            return
        try:
            _write_whole(self._handle, line.encode())
        except OSError as wrong:  # a log is worth less than the training it is of
            self._broken = True
            warnings.warn(
                f"{self._path} can't be written any more: {wrong.strerror}. The training goes on without it.",
                stacklevel=2,
            )


def _write_whole(handle: int, line: bytes) -> None:
    """Add a line, or nothing of it."""
    before = os.fstat(handle).st_size
    written = 0
    try:
        while written < len(line):
            written += os.write(handle, line[written:])
    except OSError:
        os.ftruncate(handle, before)
        raise


@contextmanager
def _json_lines(path: Path, resume: bool) -> Iterator[JsonLines]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | (0 if resume else os.O_TRUNC), 0o644)
    except OSError as wrong:
        raise ConfigError(f"log {path} can't be written: {wrong.strerror}. Give another file's name.") from None
    try:
        os.ftruncate(handle, _whole_lines(path))
        yield JsonLines(path, handle)
    finally:
        os.close(handle)


def _whole_lines(path: Path) -> int:
    """Return how many bytes end with the last whole line: a program that was killed may have left part of one."""
    return path.read_bytes().rfind(b"\n") + 1


class TensorBoard:
    """Scalars of each look, those of an ensemble's networks in folders of their own."""

    def __init__(self, folder: str, writer: Any) -> None:
        self._folder, self._open = folder, writer
        self._writer: Any = None

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Start a run, with the settings as text."""
        self.close()
        folder = self._folder if config.ensemble == 1 else os.path.join(self._folder, f"network-{number + 1}")
        # After a kill the steps are done again: what is known of later ones is not shown.
        self._writer = self._open(folder, purge_step=first_step + 1 if first_step else None)
        text = json.dumps(header(config), indent=2).replace("\n", "\n    ")
        self._writer.add_text("settings", f"    {text}", first_step)

    def step(self, step: int, loss: float, best: float) -> None:
        """Write nothing: a point a step would be too many."""

    def look(self, look: Look) -> None:
        """Add a point to each curve."""
        for name, value in measures(look).items():
            self._writer.add_scalar(name, value, look.step)
        self._writer.flush()

    def end(self, log: TrainingLog) -> None:
        """Say how it ended."""
        self._writer.add_text("outcome", log.sentence(), log.steps)

    def close(self) -> None:
        """Close the run that is open, if one is."""
        if self._writer is not None:
            self._writer.close()


def measures(look: Look) -> dict[str, float]:
    """Return the numbers of a look by name, without those that there are not."""
    found = {"loss": look.loss, "validation": look.validation, "rate": look.rate}
    return {name: value for name, value in found.items() if value is not None}


@contextmanager
def _tensorboard(folder: str) -> Iterator[TensorBoard]:
    if not folder:
        raise ConfigError("log='tensorboard:FOLDER' names the folder to write to, as in 'tensorboard:runs'.")
    try:
        from torch.utils.tensorboard import SummaryWriter  # needs the package tensorboard
    except ImportError:
        raise ConfigError(_missing("tensorboard")) from None
    board = TensorBoard(folder, SummaryWriter)
    try:
        yield board
    finally:
        board.close()


def _missing(extra: str) -> str:
    return f"log='{extra}:...' needs the package {extra}: pip install 'unrolled[{extra}]'."


class MLflow:
    """One run: settings as parameters, the numbers of each look as metrics."""

    def __init__(self, client: Any, run: str) -> None:
        self._client, self._run, self._prefix = client, run, ""

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Log the settings, of an ensemble those of the first network."""
        self._prefix = "" if config.ensemble == 1 else f"network-{number + 1}/"
        for name, value in config.to_json().items() if number == 0 else ():
            self._client.log_param(self._run, name, json.dumps(value))
        for package, number_of in header(config)["made_with"].items():
            self._client.set_tag(self._run, f"{package}_version", number_of)

    def step(self, step: int, loss: float, best: float) -> None:
        """Write nothing: a request a step would be too many."""

    def look(self, look: Look) -> None:
        """Log the numbers."""
        for name, value in measures(look).items():
            self._client.log_metric(self._run, self._prefix + name, value, step=look.step)

    def end(self, log: TrainingLog) -> None:
        """Say how it ended."""
        self._client.set_tag(self._run, f"{self._prefix}outcome", log.sentence())


@contextmanager
def _mlflow(address: str) -> Iterator[MLflow]:
    """Give a run at this address, or at MLflow's own default; it fails when the training does."""
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise ConfigError(_missing("mlflow")) from None
    client = MlflowClient(tracking_uri=address or None)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = client.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
    run = client.create_run(number).info.run_id
    try:
        yield MLflow(client, run)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run, "FINISHED")
