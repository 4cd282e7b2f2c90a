"""Progress of a training on the terminal, and silence everywhere else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from unrolled.forecast.config import Config
from unrolled.forecast.training.loop import OnStep


@dataclass
class Reporter:
    """Tells the user what goes on; without a console it tells nothing."""

    console: Console | None
    bars: Progress | None = None

    def say(self, sentence: str) -> None:
        """Print one line."""
        if self.console is not None:
            self.console.print(sentence, highlight=False, markup=False)

    def fit(self, name: str, config: Config) -> OnStep:
        """Start a bar for one training with these settings; return the function that hears of its steps."""
        if self.bars is None:
            return _nothing
        bars, task = self.bars, self._start(name, config.max_steps)

        def on_step(step: int, loss: float, best: float) -> None:
            validation = f"best validation {best:.4f}" if math.isfinite(best) else ""
            bars.update(task, completed=step, losses=f"loss {loss:.4f}  {validation}")

        return on_step

    def _start(self, name: str, max_steps: int | None) -> TaskID:
        assert self.bars is not None
        return self.bars.add_task(name, total=max_steps, losses="")


def _nothing(step: int, loss: float, best: float) -> None:
    pass


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
