"""Backtest: forecasts made as if at earlier times, beside the baselines' and what really came.

Shapes: K cutoffs, S series, h horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel
from unrolled.errors import ConfigError, Problems
from unrolled.forecast.baselines import baselines
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import Fitted, PointsNeeded, refuse_scarce_levels
from unrolled.forecast.intervals import Bands, Quantiles
from unrolled.forecast.reading import with_a_past
from unrolled.forecast.scores import Scores, average, score_window

FloatArray = NDArray[np.float64]
_Wanted = tuple[Sequence[float] | None, Sequence[float] | None]
"""Levels and quantiles, as the user gives them."""


@dataclass(frozen=True)
class Backtest:
    """What was forecast at each cutoff, and what came.

    ids: (S,) the series. cutoffs: (K, S) last known time of each series. times, actual: (K, S, h).
    forecasts: (K, S, h) by column name, the model first, then the baselines.
    bands: (K, S, h) lower and upper ends of the model's intervals by level. quantiles: (K, S, h) by share.
    """

    model: str
    ids: NDArray[Any]
    cutoffs: NDArray[np.generic]
    times: NDArray[np.generic]
    actual: FloatArray
    forecasts: dict[str, FloatArray]
    bands: Bands
    scores: Scores
    quantiles: Quantiles = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Where the cutoffs lie and how often the model is trained anew.

    refit: False trains once, before the first cutoff; True at every cutoff; a number n at every n-th.
    train_size: at each cutoff only so many points before it are known, a window that slides; None: all of them, a
        window that expands.
    """

    __no_type_check__: ClassVar[bool] = True  # the tests' type checker must not answer before our own checks

    n_windows: int
    step_size: int
    refit: bool | int
    train_size: int | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        for name, value in (("n_windows", self.n_windows), ("step_size", self.step_size)):
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            problems.check(whole, f"{name} is a whole number of at least 1; got {value!r}.")
        size = self.train_size
        right = size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 1)
        problems.check(right, f"train_size is a whole number of at least 1, or None for all points; got {size!r}.")
        right = isinstance(self.refit, int) and self.refit >= 0
        problems.check(right, f"refit is False, True or every how many cutoffs to train anew; got {self.refit!r}.")
        problems.raise_as(ConfigError, "This backtest can't be run:")

    def kept_back(self, h: int) -> Iterator[int]:
        """Yield how many points at the end are unknown at each cutoff, the earliest cutoff first."""
        for window in reversed(range(self.n_windows)):
            yield h + window * self.step_size

    def known_at(self, panel: Panel, kept_back: int) -> Panel:
        """Return what is known of `panel` at the cutoff that keeps so many points back."""
        past = panel.drop_last(kept_back)
        return past if self.train_size is None else past.keep_last(self.train_size)

    def check(self, panel: Panel, config: Config) -> None:
        """Refuse series that are too short for the first cutoff, and a `train_size` that is too small for any.

        Raises:
            DataError, ConfigError: say which, and how many points it takes.
        """
        first = next(self.kept_back(config.h))
        needed = PointsNeeded(config, first, self.train_size)
        needed.check(panel)
        points = needed(panel.freq, panel.lengths) - first
        if self.train_size is not None and self.train_size < points:
            raise ConfigError(
                f"train_size={self.train_size} holds no window to train on: one and its horizon take {points} points. "
                "Give a larger train_size, or a smaller input_size."
            )

    def testable(self, panel: Panel, config: Config) -> Panel:
        """Return the panel without the series of which nothing is known at some cutoff; a note names them."""
        known = []
        for kept_back in self.kept_back(config.h):
            end = np.maximum(panel.offsets[1:] - kept_back, panel.offsets[:-1])
            begin = (
                panel.offsets[:-1] if self.train_size is None else np.maximum(panel.offsets[:-1], end - self.train_size)
            )
            known.append((begin, end))
        return with_a_past(panel, known)

    def trains_at(self, window: int) -> bool:
        """Whether the model is trained anew before this cutoff."""
        return window == 0 or (bool(self.refit) and window % int(self.refit) == 0)


def backtest(
    panel: Panel,
    config: Config,
    plan: Plan,
    level: Sequence[float] | None,
    train: Callable[[Panel, str], Fitted],
    quantiles: Sequence[float] | None = None,
) -> Backtest:
    """Run `plan` over `panel`, training as often as it says.

    `train` is given what is known before a cutoff and a name for the training.
    """
    plan.check(panel, config)
    refuse_scarce_levels(plan.known_at(panel, next(plan.kept_back(config.h))), config, level, quantiles)
    windows: list[_Window] = []
    fitted: Fitted | None = None
    for number, kept_back in enumerate(plan.kept_back(config.h)):
        known = plan.known_at(panel, kept_back)
        if fitted is None or plan.trains_at(number):
            fitted = train(known, f"backtest {number + 1}/{plan.n_windows}")
        windows.append(_window(panel, kept_back, known, fitted, (level, quantiles)))
    return _joined(windows, config.name, panel.ids)


@dataclass(frozen=True)
class _Window:
    """One cutoff: (S,) and (S, h) arrays."""

    cutoff: NDArray[np.generic]
    times: NDArray[np.generic]
    actual: FloatArray
    forecasts: dict[str, FloatArray]
    bands: Bands
    quantiles: Quantiles
    scores: Scores


def _window(panel: Panel, kept_back: int, known: Panel, fitted: Fitted, wanted: _Wanted) -> _Window:
    """Forecast from what is known; MASE's unit is of all the past, the same whatever is known of it."""
    config, past = fitted.config, panel.drop_last(kept_back)
    forecast = fitted.forecast(known, *wanted)
    assert config.season is not None, "a fitted model's settings are resolved"
    forecasts = {config.name: forecast.values, **baselines(known, config.h, config.season)}
    at = _following(panel, past, config.h)
    bands, quantiles = forecast.bands, forecast.quantiles
    scores = score_window(past, panel.values[at], forecasts, bands, config.name, config.season, quantiles)
    last = past.offsets[1:] - 1
    return _Window(past.times[last], panel.times[at], panel.values[at], forecasts, bands, quantiles, scores)


def _following(panel: Panel, past: Panel, h: int) -> NDArray[np.int64]:
    """Return (S, h) positions in `panel` of the steps that follow `past`."""
    positions: NDArray[np.int64] = (panel.offsets[:-1] + past.lengths)[:, None] + np.arange(h)
    return positions


def _joined(windows: list[_Window], model: str, ids: NDArray[Any]) -> Backtest:
    first = windows[0]
    return Backtest(
        model=model,
        ids=ids,
        cutoffs=np.stack([window.cutoff for window in windows]),
        times=np.stack([window.times for window in windows]),
        actual=np.stack([window.actual for window in windows]),
        forecasts={name: np.stack([window.forecasts[name] for window in windows]) for name in first.forecasts},
        bands={
            level: (
                np.stack([window.bands[level][0] for window in windows]),
                np.stack([window.bands[level][1] for window in windows]),
            )
            for level in first.bands
        },
        quantiles={share: np.stack([window.quantiles[share] for window in windows]) for share in first.quantiles},
        scores=average([window.scores for window in windows]),
    )
