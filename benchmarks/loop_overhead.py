"""What the training loop costs over the bare forward, backward and optimiser steps on the same batches.

The loop draws and scales the windows, clips the gradient, lowers the rate, looks at the validation
windows and keeps the best weights; the bare steps find their batches ready. Prints a table and writes
results/loop_overhead.csv. Run it: python benchmarks/loop_overhead.py
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from measure import in_turn, show_in_readme, spread, write

from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.panel import Panel
from unrolled.data.windows import held_out, training_windows, validation_windows
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import gatherer
from unrolled.forecast.losses import loss_function
from unrolled.forecast.network import build
from unrolled.forecast.train import batches, train, validation_batch

SECONDS, ROUNDS = 2.0, 9
CASES = {
    "batch 32, window 40, H 50": Config(12, input_size=40, hidden_size=50, batch_size=32, season=1),
    "batch 128, window 96, H 64 (defaults at h 48)": Config(48, input_size=96, season=1),
    "batch 128, window 104, H 64 (the demo)": Config(52, input_size=104, season=1),
    "batch 64, window 100, H 128": Config(24, input_size=100, hidden_size=128, batch_size=64, season=1),
    "batch 128, window 40, H 50, recursive": Config(40, input_size=40, hidden_size=50, decoder="recursive", season=1),
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


def steps_in(seconds: float, config: Config) -> int:
    """Return how many steps take about so long, so that short steps are timed as well as long ones."""
    trial = ways(config)["bare"]
    trial()
    return max(50, round(config.max_steps * seconds / in_turn({"bare": trial}, 1)["bare"][0] / 50) * 50)


def ways(config: Config) -> dict[str, Callable[[], object]]:
    """Return the bare steps and the loop, each doing all steps on the same batches."""
    series = panel()
    gather = gatherer(series, config)
    held = held_out(series.lengths, config.input_size or 1, config.h, config.val_size)
    windows = training_windows(series, config.input_size or 1, config.h, held)
    validation = validation_batch(validation_windows(series, config.h, held), gather, config)
    ready = list(itertools.islice(batches(windows, gather, config), config.max_steps))

    def bare() -> None:
        torch.manual_seed(config.seed)
        network, loss = build(config), loss_function(config)
        optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
        for batch in ready:
            optimiser.zero_grad()
            loss(network.teach(batch), batch.targets_Nh, batch.observed_Nh).backward()
            optimiser.step()

    def loop() -> None:
        torch.manual_seed(config.seed)
        train(build(config), batches(windows, gather, config), validation, config, lambda *_: None)

    return {"bare": bare, "loop": loop}


def main() -> None:
    rows = []
    for name, settings in CASES.items():
        steps = steps_in(SECONDS, dataclasses.replace(settings, max_steps=50))
        config = dataclasses.replace(settings, max_steps=steps, patience=steps)
        seconds = in_turn(ways(config), ROUNDS)
        ratio = spread(np.divide(seconds["loop"], seconds["bare"]).tolist())
        bare = spread(seconds["bare"])
        row = {"case": name, "bare_ms_per_step": round(1e3 * bare["median"] / steps, 3)}
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
