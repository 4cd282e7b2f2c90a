"""What the settings leave open, chosen from the frequency and the lengths of the series, and why.

The rules are few and the same for all data; each choice is said in a sentence. They were found on validation cuts, see
docs/decisions/0008.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.frequency import Frequency
from unrolled.forecast.config import COUNTS, Config

PIECES = 6
"""A window of `segments` has at least so many pieces, if its season can be divided into them."""

PASSES, PASSES_OF_FEW = 6, 3
"""How often each window is drawn, on average, where the number of steps is left open."""

FEW = 500
"""Of fewer windows side by side `segments` learns the noise by heart; more dropout and fewer passes prevent that."""

LEAST_STEPS, LEAST_STEPS_OF_SEGMENTS = 500, 1500
"""Fewer steps than that leave a network unfinished, however few the windows are."""

MOST_STEPS = 10_000

LOOKS = 20
"""A training looks at the validation windows so many times; the rate falls meanwhile, and with it the noise."""

LONGEST_WINDOW = 2048


@dataclasses.dataclass(frozen=True)
class Choice:
    """Settings with nothing left open, and why each was chosen, in sentences."""

    config: Config
    reasons: tuple[str, ...]


def choose(config: Config, freq: Frequency, lengths: NDArray[np.int64]) -> Choice:
    """Fill in what the settings leave open for series of these (S,) lengths."""
    choosing = _Choosing(config, freq, lengths)
    steps = (choosing.season, choosing.network, choosing.window, choosing.loss_and_scaling, choosing.network_size)
    for step in (*steps, choosing.training):
        step()
    return Choice(choosing.config, tuple(choosing.reasons))


class _Choosing:
    """The choices one after another; each may stand on those before it."""

    def __init__(self, config: Config, freq: Frequency, lengths: NDArray[np.int64]) -> None:
        self.config, self.freq, self.lengths = config, freq, lengths
        self.reasons: list[str] = []

    def fill(self, why: str = "", **settings: Any) -> None:
        """Set what is still open, and say why if anything was."""
        still = {name: value for name, value in settings.items() if getattr(self.config, name) in (None, "auto")}
        if still:
            self.config = dataclasses.replace(self.config, **still)
            if why:
                self.reasons.append(", ".join(f"{name}={value!r}" for name, value in still.items()) + f": {why}")

    def season(self) -> None:
        """A season is that of the frequency."""
        season = self.freq.season
        what = f"the season of {self.freq.name} series" if season > 1 else f"{self.freq.name} series have no season"
        self.fill(what, season=season)

    def network(self) -> None:
        """Series with a season that repeats are read season by season, others step by step."""
        config, season = self.config, self.config.season or 1
        only_steps = config.decoder == "recursive" or config.pooling == "attention"
        if only_steps:
            self.fill("the decoder or pooling that was asked for is its", network="steps")
        elif config.segment is not None:
            self.fill("the segment that was asked for is its", network="segments")
        elif season == 1:
            self.fill("there is no season to cut windows by", network="steps")
        elif self._longest() < 3 * season + config.h:
            self.fill("the series have too few seasons to cut windows by", network="steps")
        else:
            self.fill(f"the window is read in pieces of the season, {season} steps", network="segments")

    def loss_and_scaling(self) -> None:
        """Series of any level and spread share one network; of series with a season MASE is what counts."""
        config = self.config
        self.fill("", loss={"deepar": "student_t", "segments": "mase"}.get(config.network, "mae"))
        if self.config.loss in COUNTS:
            self.fill("counts are divided by their mean size, and 0 stays 0", scaling="mean")
        elif self._few():
            self.fill(
                "a forecast goes on from the last value; the series' own spread is the unit", scaling="last_series"
            )
        elif config.network == "segments":
            self.fill("a forecast goes on from the last value", scaling="last")
        else:
            self.fill("series of any level and spread share one network", scaling="standard")

    def window(self) -> None:
        """A window holds what repeats: seven seasons, or two long ones, and never less than two horizons."""
        h, season = self.config.h, self.config.season or 1
        if self.config.network == "segments":
            seasons = 7 if season <= 48 else 2
            wanted = min(LONGEST_WINDOW, max(2 * h, seasons * season))
            wanted = min(wanted, (self._longest() - h) // 2)
            input_size = max(season, wanted // season * season)
            self.fill(f"{input_size // season} seasons, as far as the series allow", input_size=input_size)
            self.fill("", segment=_piece(season, self.config.input_size or input_size))
        else:
            self.fill("", input_size=max(1, min(2 * max(h, season), self._longest() - 2 * h)))

    def network_size(self) -> None:
        """The defaults of each network."""
        segments = self.config.network == "segments"
        if self._few():
            self.fill(f"of windows side by side there are fewer than {FEW}, soon learnt by heart", dropout=0.5)
        self.fill("", hidden_size=128 if segments else 64, dropout=0.1 if segments else 0.0)
        self.fill("", learning_rate=3e-3 if segments else 1e-2, average=0.99 if segments else 0.0)

    def training(self) -> None:
        """Each window is seen a few times."""
        config = self.config
        windows = int(np.maximum(self.lengths - (config.input_size or 1) - config.h + 1, 0).sum())
        wanted = (PASSES_OF_FEW if self._few() else PASSES) * windows // config.batch_size
        least = LEAST_STEPS_OF_SEGMENTS if config.network == "segments" else LEAST_STEPS
        steps = min(max(wanted, least), MOST_STEPS)
        self.fill(f"{windows:,} windows, {config.batch_size} a step", max_steps=steps)
        self.fill("", val_every=max(1, (self.config.max_steps or steps) // LOOKS))

    def _few(self) -> bool:
        """Whether `segments` has so few windows to learn from that it would learn them by heart."""
        span = (self.config.input_size or 1) + self.config.h
        return self.config.network == "segments" and int((self.lengths // span).sum()) < FEW

    def _longest(self) -> int:
        return int(self.lengths.max())


def _piece(season: int, input_size: int) -> int:
    """Return the largest divisor of a season that the window holds often enough."""
    divisors = [size for size in range(season, 0, -1) if season % size == 0 and input_size // size >= PIECES]
    return divisors[0] if divisors else 1
