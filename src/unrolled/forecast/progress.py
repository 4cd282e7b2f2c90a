"""Progress of a training on the terminal, and silence everywhere else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from unrolled.forecast.config import Config
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.watch import UNWATCHED, Look, Watcher


@dataclass
class Reporter:
    """Tells the user what goes on; without a console it tells nothing."""

    console: Console | None
    bars: Progress | None = None
    said: set[str] = field(default_factory=set)

    def say(self, sentence: str) -> None:
        """Print one line."""
        if self.console is not None:
            self.console.print(sentence, highlight=False, markup=False)

    def say_once(self, sentence: str) -> None:
        """Print one line, unless it was printed before: of trainings one after another, what is the same for all."""
        if sentence not in self.said:
            self.said.add(sentence)
            self.say(sentence)

    def watcher(self, name: str) -> Watcher:
        """Return what shows a bar under this name for each network trained."""
        return UNWATCHED if self.bars is None else _Bars(self.bars, name)


class _Bars:
    """A bar for each network."""

    def __init__(self, bars: Progress, name: str) -> None:
        self._bars, self._name, self._task = bars, name, TaskID(0)

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Start a bar."""
        name = self._name if config.ensemble == 1 else f"{self._name}, network {number + 1}/{config.ensemble}"
        self._task = self._bars.add_task(name, total=config.max_steps, completed=first_step, losses="")

    def step(self, step: int, loss: float, best: float) -> None:
        """Move the bar."""
        validation = f"best validation {best:.4f}" if math.isfinite(best) else ""
        self._bars.update(self._task, completed=step, losses=f"loss {loss:.4f}  {validation}")

    def look(self, look: Look) -> None:
        """Show nothing more: the best loss is in the bar."""

    def end(self, log: TrainingLog) -> None:
        """Leave the bar as it is."""


@contextmanager
def reporter(verbose: bool | None) -> Iterator[Reporter]:
    """Give a reporter on stderr: on a terminal by default, always with True, never with False."""
    console = Console(stderr=True)
    if verbose is False or (verbose is None and not console.is_terminal):
        yield Reporter(None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} steps"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield Reporter(console, bars)
