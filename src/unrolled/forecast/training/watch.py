"""Who hears of a training while it runs: the progress bar, a log, a search that gives up on bad settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from unrolled.forecast.config import Config
from unrolled.forecast.training.log import TrainingLog


@dataclass(frozen=True)
class Look:
    """What is known when a training looks at its validation windows.

    loss: of the step's batch; None before the first. validation: None without validation windows. rate: of the step.
    seconds: since the training began, or was resumed.
    """

    step: int
    loss: float | None
    validation: float | None
    rate: float
    seconds: float


@runtime_checkable
class Watcher(Protocol):
    """Hears of each network's training in turn. What it raises ends the training, and reaches who started it."""

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Hear that network `number`, counted from 0, of `config.ensemble` starts, or goes on after `first_step`."""

    def step(self, step: int, loss: float, best: float) -> None:
        """Hear of a step: its loss, and the best validation loss so far."""

    def look(self, look: Look) -> None:
        """Hear of a look at the validation windows."""

    def end(self, log: TrainingLog) -> None:
        """Hear how the training ended."""


@dataclass(frozen=True)
class Watchers:
    """Several watchers as one; of none, silence."""

    each: Sequence[Watcher] = ()

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Tell all of them."""
        for one in self.each:
            one.begin(config, number, first_step)

    def step(self, step: int, loss: float, best: float) -> None:
        """Tell all of them."""
        for one in self.each:
            one.step(step, loss, best)

    def look(self, look: Look) -> None:
        """Tell all of them."""
        for one in self.each:
            one.look(look)

    def end(self, log: TrainingLog) -> None:
        """Tell all of them."""
        for one in self.each:
            one.end(log)


UNWATCHED: Watcher = Watchers()
