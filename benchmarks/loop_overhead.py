"""What the training loop costs over the bare forward, backward and optimiser steps on the same batches.

The loop draws and scales the windows, clips the gradient, sees that the loss is a number, lowers the rate, looks at the
validation windows, keeps the best weights and good ones to go back to; the bare steps find their batches ready. Both
take turns step by step, so that a machine that slows down slows both. Prints a table, writes results/loop_overhead.csv
and the README's table. Run it: python benchmarks/loop_overhead.py
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from measure import show_in_readme, spread, write

from unrolled.data.covariates import Features
from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.panel import Panel
from unrolled.data.windows import held_out, training_windows, validation_windows
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import gatherer, resolve
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks import build
from unrolled.forecast.training.draw import batches, validation_batch
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.loop import train
from unrolled.forecast.training.watch import Look
from unrolled.forecast.transforms import Transform

BLOCKS, SECONDS = 20, 40.0
STEPS = {"network": "steps", "season": 1, "val_every": 50}
CASES = {
    "batch 32, window 40, H 50": Config(12, input_size=40, hidden_size=50, batch_size=32, **STEPS),
    "batch 128, window 96, H 64": Config(48, input_size=96, hidden_size=64, **STEPS),
    "the same with a running average": Config(48, input_size=96, hidden_size=64, average=0.99, **STEPS),
    "batch 64, window 100, H 128": Config(24, input_size=100, hidden_size=128, batch_size=64, **STEPS),
    "batch 128, window 40, H 50, recursive": Config(40, input_size=40, hidden_size=50, decoder="recursive", **STEPS),
    "segments, batch 128, window 168, H 128": Config(
        48, input_size=168, season=24, segment=24, network="segments", hidden_size=128, average=0.99, val_every=50
    ),
}


def panel() -> Panel:
    """Return 200 noisy waves of 800 points, one value in fifty missing."""
    draw = np.random.default_rng(0)
    values = np.sin(np.arange(800) / 4) + 0.1 * draw.normal(size=(200, 800))
    values[draw.random(values.shape) < 0.02] = np.nan
    return Panel(
        values=values.ravel(),
        offsets=np.arange(0, values.size + 1, 800),
        ids=np.arange(200),
        times=np.tile(np.arange(800), 200),
        freq=Frequency.parse(1),
        table=TableKind("pandas", time="integer"),
    )


class Bare:
    """Forward, backward and optimiser step alone, on a network of its own."""

    def __init__(self, config: Config) -> None:
        self.network, self.loss, self.seconds = build(config), loss_of(config), 0.0
        assert config.learning_rate is not None, "settings are resolved"
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=config.learning_rate, fused=True)

    def step(self, batch: Batch) -> None:
        """Do one step and count its time."""
        started = time.perf_counter()
        self.optimiser.zero_grad()
        self.loss(self.network.teach(batch), batch).backward()
        self.optimiser.step()
        self.seconds += time.perf_counter() - started


def between_steps(source: Iterator[Batch], bare: Bare) -> Iterator[Batch]:
    """Do a bare step, on the batch that the loop has just used, before the loop gets its next."""
    last = next(source)
    yield last
    for batch in source:
        bare.step(last)
        last = batch
        yield batch


class Marks:
    """Notes the time, and the bare steps' seconds, at each look."""

    def __init__(self, bare: Bare) -> None:
        self.bare, self.found = bare, []

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Note nothing."""

    def step(self, step: int, loss: float, best: float) -> None:
        """Note nothing."""

    def look(self, look: Look) -> None:
        """Note the time."""
        self.found.append((time.perf_counter(), self.bare.seconds))

    def end(self, log: TrainingLog) -> None:
        """Note nothing."""


def measure(config: Config) -> tuple[list[float], list[float]]:
    """Train once, bare steps and the loop's in turn; return each block's bare seconds and the loop's.

    A block has one look at the validation windows. What is not a bare step is the loop's.
    """
    series = panel()
    config = resolve(config, series).config
    gather = gatherer(series, config, Features(), Transform())
    assert config.input_size is not None, "settings are resolved"
    held = held_out(series.lengths, config.input_size, config.h, config.val_size)
    windows = training_windows(series, config.input_size, config.h, held)
    validation = validation_batch(validation_windows(series, config.h, held), gather, config)
    bare = Bare(config)
    marks = Marks(bare)
    train(build(config), between_steps(batches(windows, gather, config), bare), validation, config, marks)
    whole, alone = np.diff(marks.found, axis=0).T
    return alone.tolist(), (whole - alone).tolist()


def blocks_in(seconds: float, config: Config) -> int:
    """Return how many blocks fill so long, so that small networks are looked at more often."""
    trial, _ = measure(dataclasses.replace(config, max_steps=2 * config.val_every))
    return max(BLOCKS, round(seconds / (2 * trial[0])))


def main() -> None:
    rows = []
    for name, settings in CASES.items():
        endless = dataclasses.replace(settings, patience=10**6)
        steps = (1 + blocks_in(SECONDS, endless)) * settings.val_every
        alone, loop = measure(dataclasses.replace(endless, max_steps=steps))
        ratio = spread(np.divide(loop, alone).tolist())
        bare = spread(alone)
        row = {"case": name, "bare_ms_per_step": round(1e3 * bare["median"] / settings.val_every, 3)}
        rows.append(row | {f"overhead_percent_{key}": round(100 * (value - 1), 1) for key, value in ratio.items()})
        print(rows[-1], flush=True)
    print(write("loop_overhead", rows))
    show_in_readme(
        "loop_overhead",
        rows,
        {
            "case": "training of an LSTM",
            "bare_ms_per_step": "bare, ms a step",
            "overhead_percent_median": "loop's overhead, %, median",
            "overhead_percent_p20": "p20",
            "overhead_percent_p80": "p80",
        },
    )


if __name__ == "__main__":
    main()
