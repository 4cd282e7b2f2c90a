"""How long a stream takes from a new observation to the new forecast: one series, one core.

    python benchmarks/stream_latency.py

Each case is a model of one series with random weights (two steps of training), of H=64 units, on windows of hourly
data. A step is `stream(value)`: window, scaling, network, forecast in the units of the data. Beside it stands `predict`
on the whole table, which is what one would call without a stream. Writes results/stream_latency.csv.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import measure
import numpy as np
import pandas as pd
import torch

from unrolled import Forecaster

STEPS, H, HORIZON = 2000, 64, 24
CASES: dict[str, dict[str, Any]] = {
    "steps LSTM, window 48": {"network": "steps", "input_size": 48},
    "steps GRU, window 48": {"network": "steps", "input_size": 48, "cell": "GRU"},
    "steps LSTM, window 168": {"network": "steps", "input_size": 168},
    "steps LSTM, window 48, quantiles": {"network": "steps", "input_size": 48, "loss": "quantile"},
    "segments GRU, window 168": {"network": "segments", "input_size": 168, "cell": "GRU"},
    "segments GRU, window 720": {"network": "segments", "input_size": 720, "cell": "GRU"},
}


def table(length: int = 2000) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    hours = np.arange(length)
    values = 100 + 10 * np.sin(2 * np.pi * hours / 24) + draw.normal(size=length)
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=length, freq="h"), "y": values})


def seconds(call: Callable[[float], Any], count: int) -> np.ndarray:
    draw = np.random.default_rng(1)
    for value in draw.normal(100, 10, max(3, count // 10)):
        call(value)
    taken = []
    for value in draw.normal(100, 10, count):
        start = time.perf_counter()
        call(value)
        taken.append(time.perf_counter() - start)
    return np.array(taken)


def row(name: str, call: str, taken: np.ndarray) -> dict[str, object]:
    low, middle, high, worst = np.percentile(1e3 * taken, [20, 50, 80, 99])
    return {
        "case": name,
        "call": call,
        "ms_median": round(middle, 4),
        "ms_p20": round(low, 4),
        "ms_p80": round(high, 4),
        "ms_p99": round(worst, 4),
        "calls": len(taken),
    }


def main() -> None:
    torch.set_num_threads(1)
    frame, rows = table(), []
    for name, settings in CASES.items():
        model = Forecaster(h=HORIZON, hidden_size=H, max_steps=2, val_every=2, verbose=False, **settings).fit(frame)
        stream = model.stream()
        rows.append(row(name, "stream(value)", seconds(stream, STEPS)))
        rows.append(row(name, "predict(table)", seconds(lambda _, model=model: model.predict(frame), 20)))
        print(*rows[-2:], sep="\n")
    print(measure.write("stream_latency", rows))


if __name__ == "__main__":
    main()
