"""What the tests of training share: its parts, made small, and a watcher that remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from makers import QUICK, panel_of, waves
from unrolled.data.covariates import Features
from unrolled.data.windows import held_out, training_windows, validation_windows
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import gatherer, resolve
from unrolled.forecast.networks import Network, build
from unrolled.forecast.training.draw import batches, validation_batch
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.watch import Look
from unrolled.forecast.transforms import Transform

Parts = tuple[Network, Iterator[Batch], Batch | None, Config]


class Stepped:
    """Calls a function with each step, and remembers what it was told."""

    def __init__(self, on_step: Callable[[int], None] = lambda step: None) -> None:
        self.on_step, self.begun, self.ended = on_step, list[tuple[int, int]](), list[TrainingLog]()
        self.looks, self.steps = list[Look](), list[int]()

    def begin(self, config: Config, number: int, first_step: int) -> None:
        self.begun.append((number, first_step))

    def step(self, step: int, loss: float, best: float) -> None:
        self.steps.append(step)
        self.on_step(step)

    def look(self, look: Look) -> None:
        self.looks.append(look)

    def end(self, log: TrainingLog) -> None:
        self.ended.append(log)


def training_parts(first: int = 0, **settings: Any) -> Parts:
    """Return a network, its batches from the `first` on, its validation windows and its settings."""
    panel = panel_of(waves())
    config = resolve(Config(h=5, **{"input_size": 10} | QUICK | settings), panel).config
    assert config.input_size is not None
    held = held_out(panel.lengths, config.input_size, 5, config.val_size)
    gather = gatherer(panel, config, Features(), Transform())
    source = batches(training_windows(panel, config.input_size, 5, held), gather, config, first)
    torch.manual_seed(config.seed)
    return build(config), source, validation_batch(validation_windows(panel, 5, held), gather, config), config
