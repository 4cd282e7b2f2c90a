"""Small data that several tests stand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.panel import Panel

QUICK: dict[str, Any] = {"hidden_size": 8, "max_steps": 30, "val_every": 10, "batch_size": 16, "verbose": False}
"""Settings of a network that trains in a blink."""


def panel_of(series: Sequence[np.ndarray], freq: str | int = 1) -> Panel:
    """Return a panel of integer time with these values."""
    lengths = [len(one) for one in series]
    return Panel(
        values=np.concatenate(series).astype(np.float64),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=np.array([f"s{number}" for number in range(len(series))]),
        times=np.concatenate([np.arange(n) for n in lengths]).astype(np.int64),
        freq=Frequency.parse(freq),
        table=TableKind("pandas", time="integer"),
    )


def waves(n_series: int = 3, length: int = 120, seed: int = 0) -> list[np.ndarray]:
    """Return noisy waves of different levels."""
    draw = np.random.default_rng(seed)
    steps = np.arange(length)
    return [10.0**k * (3 + np.sin(steps / 4 + k)) + 10.0**k * 0.1 * draw.normal(size=length) for k in range(n_series)]


def wave_frame(n_series: int = 3, length: int = 120, freq: str = "D") -> pd.DataFrame:
    """Return the waves as a long pandas table."""
    times = pd.date_range("2024-01-01", periods=length, freq=freq)
    parts = [
        pd.DataFrame({"unique_id": f"s{number}", "ds": times, "y": values})
        for number, values in enumerate(waves(n_series, length))
    ]
    return pd.concat(parts, ignore_index=True)
