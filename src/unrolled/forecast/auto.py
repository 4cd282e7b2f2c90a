"""What the settings leave open, chosen from the frequency and the lengths of the series, and why.

The rules are few and the same for all data; each choice is said in a sentence.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.frequency import Frequency
from unrolled.forecast.config import Config


@dataclasses.dataclass(frozen=True)
class Choice:
    """Settings with nothing left open, and why each was chosen, in sentences."""

    config: Config
    reasons: tuple[str, ...]


def choose(config: Config, freq: Frequency, lengths: NDArray[np.int64]) -> Choice:
    """Fill in what the settings leave open for series of these (S,) lengths."""
    season = config.season or freq.season
    open_: dict[str, Any] = {
        "season": season,
        "input_size": config.input_size or default_window(config.h, season, lengths),
        "network": "steps" if config.network == "auto" else config.network,
        "hidden_size": config.hidden_size or 64,
        "dropout": config.dropout or 0.0,
        "scaling": "standard" if config.scaling == "auto" else config.scaling,
        "loss": "mae" if config.loss == "auto" else config.loss,
        "learning_rate": config.learning_rate or 1e-2,
        "max_steps": config.max_steps or 500,
    }
    return Choice(dataclasses.replace(config, **open_), ())


def default_window(h: int, season: int, lengths: NDArray[np.int64]) -> int:
    """Return two horizons or two seasons, as far as the longest series can train and validate on it."""
    return max(1, min(2 * max(h, season), int(lengths.max()) - 2 * h))
