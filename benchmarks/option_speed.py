"""What a cell's options cost: a training step of each beside one of the plain layer, taking turns in one process.

Every layer has its turn, round and round, so that a machine that slows down slows all alike; a ratio is that of two
turns of the same round. Prints a table, writes results/option_speed.csv.
Run it: python benchmarks/option_speed.py [--quick]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from measure import spread, write

import unrolled

ROUNDS, QUICK_ROUNDS = 15, 5
TURN = 0.06  # seconds of steps in one turn
SIZES = [(32, 40, 1, 50), (128, 96, 7, 64), (64, 100, 32, 128), (128, 96, 7, 256)]  # N, T, F, H
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "peephole": {"peephole": True},
    "zoneout": {"zoneout": (0.1, 0.1)},
    "recurrent_dropout": {"recurrent_dropout": 0.2},
    "weight_drop": {"weight_drop": 0.2},
    "learned states": {"initial_state": "learned"},
    "layer_norm": {"layer_norm": True},
    "coupled_gates": {"coupled_gates": True},
}
FOR_ALL = ("plain", "zoneout", "recurrent_dropout", "weight_drop", "learned states")
SHARED = {"zoneout": {"zoneout": 0.1}}  # where a cell has one state only


def layers(kind: str, features: int, hidden: int) -> dict[str, torch.nn.Module]:
    """Return a layer for each option that a kind has."""
    make = getattr(unrolled, kind)
    names = OPTIONS if kind == "LSTM" else FOR_ALL
    given = OPTIONS if kind == "LSTM" else OPTIONS | SHARED
    return {name: make(features, hidden, **given[name]) for name in names}


def step_of(layer: torch.nn.Module, x: Tensor) -> Callable[[], None]:
    """Return a training step without an optimiser, which costs all alike."""

    def step() -> None:
        layer.zero_grad(set_to_none=True)
        layer(x)[0].sum().backward()

    return step


def turn(step: Callable[[], None]) -> float:
    """Return a step's seconds, of one turn: the first step warms up."""
    step()
    start, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - start < TURN:
        step()
        count += 1
    return (time.perf_counter() - start) / count


def compare(kind: str, size: tuple[int, ...], rounds: int) -> list[dict[str, object]]:
    """Measure one kind at one size."""
    batch, steps, features, hidden = size
    torch.manual_seed(0)
    x = torch.randn(steps, batch, features)
    made = layers(kind, features, hidden)
    turns = [{name: turn(step_of(layer, x)) for name, layer in made.items()} for _ in range(rounds)]
    return [row(kind, size, name, made[name], x, turns) for name in made]


def row(
    kind: str, size: tuple[int, ...], name: str, layer: Any, x: Tensor, turns: list[dict[str, float]]
) -> dict[str, object]:
    """Return one line of the table."""
    ratios = spread([one[name] / one["plain"] for one in turns])
    return {
        "layer": kind,
        "option": name,
        "N, T, F, H": ", ".join(map(str, size)),
        "kernel": unrolled.info(layer, x).choices[0].chosen,
        "ms": round(1e3 * spread([one[name] for one in turns])["median"], 3),
        "times plain": round(ratios["median"], 2),
        "p20": round(ratios["p20"], 2),
        "p80": round(ratios["p80"], 2),
    }


def main() -> None:
    """Measure, print and write; --quick prints alone."""
    quick = "--quick" in sys.argv
    rounds = QUICK_ROUNDS if quick else ROUNDS
    rows = []
    for kind, sizes in (("LSTM", SIZES), ("GRU", SIZES[1:2]), ("RNN", SIZES[1:2])):
        for size in sizes:
            for line in compare(kind, size, rounds):
                print(*line.values(), sep=" | ", flush=True)
                rows.append(line)
    if not quick:
        print(write("option_speed", rows))


if __name__ == "__main__":
    main()
