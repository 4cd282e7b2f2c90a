"""Trained networks with everything forecasting needs: made once, then only read.

Shapes: S series, h horizon, Q outputs per step, M held-out windows, E networks of an ensemble.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.covariates import Features
from unrolled.data.frequency import Frequency
from unrolled.data.panel import Panel
from unrolled.data.table import LONGER, short_series
from unrolled.data.windows import Places, held_out, validation_windows
from unrolled.errors import DataError
from unrolled.forecast.auto import Choice, choose
from unrolled.forecast.batch import Batch, CovariateTable, Gatherer
from unrolled.forecast.config import Config
from unrolled.forecast.features import check_ahead, covariate_table
from unrolled.forecast.intervals import (
    NOTHING,
    Bands,
    HeldOutErrors,
    Quantiles,
    Wanted,
    check_levels,
    conformal,
)
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks import Network
from unrolled.forecast.said import PATHS, Said, forecast_of, hear, quantiles_of, samples_of
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.transforms import Transform

SERIES_AT_ONCE = 1024
"""Prediction takes this many series at a time, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Forecast:
    """(S, h) forecasts in the units of the data, their bands by level, and their quantiles by share."""

    values: NDArray[np.float64]
    bands: Bands
    quantiles: Quantiles = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LastWindows:
    """What a network reads of some series of a panel to forecast what comes after them.

    series: (N,) which of the panel's series, in its order.
    """

    fitted: Fitted
    panel: Panel
    series: NDArray[np.int64]
    batch: Batch

    def times(self) -> NDArray[np.generic]:
        """Return the (N, T) times of the windows, those before a shorter series' beginning among them."""
        last = self.panel.times[self.panel.offsets[1:] - 1][self.series]
        return self.panel.freq.advance(last[:, None], np.arange(1 - window(self.fitted.config), 1))

    def future_times(self) -> NDArray[np.generic]:
        """Return the (N, h) times that are forecast."""
        return self.panel.future_times(self.fitted.config.h)[self.series]


@dataclass(frozen=True)
class Member:
    """One trained network; its settings have nothing left open. Those of an ensemble differ in seed and window."""

    config: Config
    network: Network
    log: TrainingLog


@dataclass(frozen=True)
class Fitted:
    """What training leaves behind. Safe to use from several threads: nothing in it changes.

    reasons: what was chosen where the settings left it open, and why.
    """

    members: tuple[Member, ...]
    freq: Frequency
    features: Features
    transform: Transform
    errors: HeldOutErrors | None
    reasons: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """The settings, with nothing left open; of an ensemble those of the first."""
        return self.members[0].config

    @property
    def network(self) -> Network:
        """The network; of an ensemble the first."""
        return self.members[0].network

    @property
    def log(self) -> TrainingLog:
        """How the training ended; of an ensemble that of the first."""
        return self.members[0].log

    @property
    def longest_window(self) -> int:
        """How many past steps the network that sees most of them sees."""
        return max(window(member.config) for member in self.members)

    def forecast(
        self, panel: Panel, level: Sequence[float] | None = None, quantiles: Sequence[float] | None = None
    ) -> Forecast:
        """Forecast the h steps after the end of every series of `panel`."""
        wanted = check_levels(level, self.config, self.errors, quantiles)
        check_ahead(panel, self.features, self.config.h)
        gatherers = Gatherers(panel, self.features, self.transform)
        parts = [self.reading(said_by(self.members, gatherers, ends), wanted) for ends in _last_places(panel)]
        return joined(parts)

    def sample(self, panel: Panel, count: int, seed: int) -> NDArray[np.float64]:
        """Return (S, h, M) values drawn of the h steps after the end of every series, in the units of the data."""
        check_ahead(panel, self.features, self.config.h)
        gatherers, generator = Gatherers(panel, self.features, self.transform), torch.Generator().manual_seed(seed)
        parts = [
            samples_of(said_by(self.members, gatherers, ends, count, generator), count, generator)
            for ends in _last_places(panel)
        ]
        return self.transform.inverse(np.concatenate(parts))

    def last_windows(self, panel: Panel, series: NDArray[np.int64]) -> LastWindows:
        """Return what the network reads of these series of `panel`, by their numbers, to forecast what comes next."""
        check_ahead(panel, self.features, self.config.h)
        gather = gatherer(panel, self.config, self.features, self.transform)
        return LastWindows(self, panel, series, gather(series, panel.offsets[1:][series], h=0))

    def reading(self, said: Sequence[Said], wanted: Wanted = NOTHING) -> Forecast:
        """Return what the networks say of some windows in the units of the data."""
        undo, shares = self.transform.inverse, wanted.shares
        errors = self.errors if conformal(self.config) else None
        found = undo(quantiles_of(said, shares, errors)) if shares else None
        by_share = {} if found is None else {share: found[..., number] for number, share in enumerate(shares)}
        return Forecast(undo(forecast_of(said)), *wanted.pick(by_share))


def joined(parts: Sequence[Forecast]) -> Forecast:
    """Return forecasts of some series and of others as one."""
    first = parts[0]
    return Forecast(
        np.concatenate([part.values for part in parts]),
        {
            level: (
                np.concatenate([part.bands[level][0] for part in parts]),
                np.concatenate([part.bands[level][1] for part in parts]),
            )
            for level in first.bands
        },
        {share: np.concatenate([part.quantiles[share] for part in parts]) for share in first.quantiles},
    )


def _last_places(panel: Panel) -> Iterator[Places]:
    """Yield the ends of the series, some at a time."""
    return (Places(some, panel.offsets[1:][some]) for some in _portions(panel))


def _portions(panel: Panel) -> list[NDArray[np.int64]]:
    """Return the series' numbers, some at a time; several targets of one id never apart."""
    channels = max(1, len(panel.channels))
    firsts = np.arange(0, len(panel), channels)
    at_once = max(1, SERIES_AT_ONCE // channels)
    return [
        (firsts[begin : begin + at_once, None] + np.arange(channels)).ravel()
        for begin in range(0, len(firsts), at_once)
    ]


def refuse_scarce_levels(
    panel: Panel, config: Config, level: Sequence[float] | None, quantiles: Sequence[float] | None = None
) -> None:
    """Refuse levels that training on `panel` would leave too few held-out errors for, before it is done.

    Raises:
        ConfigError: names every level that can't be given.
    """
    config = resolve(config, panel).config
    found = held_out_windows(panel, config)
    errors = None if not len(found.series) else HeldOutErrors(_truth(panel, found, config))
    known = errors if errors is not None and not np.isnan(errors.errors).all() else None
    check_levels(level, config, known, quantiles)


def held_out_points(panel: Panel, config: Config) -> NDArray[np.int64]:
    """Return how many points at the end of each series a network of resolved settings is not trained on."""
    return held_out(panel.lengths, window(config), config.h, config.val_size)


def held_out_windows(panel: Panel, config: Config) -> Places:
    """Return the windows that intervals are measured on: of several targets read together, all beside each other."""
    channels = channels_together(panel, config)
    every = validation_windows(panel, config.h, held_out_points(panel, config)).each(channels)
    series_N, positions_N = every.locate(every.spread(2 * config.batch_size))
    series_NC = series_N[:, None] + np.arange(channels)
    since_N = positions_N - panel.offsets[series_N]
    return Places(series_NC.ravel(), (panel.offsets[series_NC] + since_N[:, None]).ravel())


def _truth(panel: Panel, windows: Places, config: Config) -> NDArray[np.float64]:
    """Return the (M, h) values that came after each window, NaN where missing."""
    return np.asarray(panel.values[windows.positions[:, None] + np.arange(config.h)])


def channels_together(panel: Panel, config: Config) -> int:
    """Return how many targets of `panel` a network reads together."""
    return max(1, len(panel.channels)) if config.channels == "joint" else 1


def resolve(config: Config, panel: Panel) -> Choice:
    """Fill in what the settings leave to the data."""
    return choose(config, panel.freq, panel.lengths)


@dataclass(frozen=True)
class PointsNeeded:
    """How many points a series must have to be trained on: one window and its horizon before the first cutoff.

    kept_back: points after the first cutoff of a backtest; 0 when all points are trained on.
    train_size: so many points before a cutoff are known; None: all.
    """

    config: Config
    kept_back: int = 0
    train_size: int | None = None

    def __call__(self, freq: Frequency, lengths: NDArray[np.int64]) -> int:
        """Return the number for series of these (S,) lengths."""
        known = np.clip(lengths - self.kept_back, 0, self.train_size)
        return window(choose(self.config, freq, known).config) + self.config.h + self.kept_back

    @property
    def needed_for(self) -> str:
        """What needs the points, in words."""
        return "one window and its backtest" if self.kept_back else "one window"

    def check(self, panel: Panel) -> None:
        """Refuse a panel of which every series has fewer, naming them."""
        points = self(panel.freq, panel.lengths)
        if panel.lengths.max() < points:
            raise DataError(f"{self._short(panel, points)} {LONGER}")

    def notes(self, panel: Panel) -> tuple[str, ...]:
        """Return what to say of those that have fewer, while others have enough."""
        short = self._short(panel, self(panel.freq, panel.lengths))
        return (f"{short} No window of theirs is trained on; they can be forecast all the same.",) if short else ()

    def _short(self, panel: Panel, points: int) -> str:
        return short_series(panel.names, panel.lengths, points, self.needed_for) or ""


class Gatherers:
    """What cuts batches out of one panel, for each network of an ensemble; what they share is made once."""

    def __init__(self, panel: Panel, features: Features, transform: Transform) -> None:
        self.panel, self.features = panel, features
        transform.refuse(panel)
        self._values = torch.from_numpy(transform.forward(panel.values))
        self._offsets = torch.from_numpy(panel.offsets)
        self._covariates: CovariateTable | None = None
        self._made: dict[tuple[object, ...], Gatherer] = {}

    def __call__(self, config: Config) -> Gatherer:
        """Return that for a network of resolved settings, on their device."""
        key = (window(config), config.scaling, config.season)
        if not self._made:
            self._covariates = covariate_table(self.panel, self.features, config)
        if key not in self._made:
            self._made[key] = Gatherer(
                values=self._values.to(config.device),
                offsets=self._offsets.to(config.device),
                input_size=window(config),
                horizon=config.h,
                scaling=config.scaling,
                season=config.season or 1,
                channels=channels_together(self.panel, config),
                covariates=self._covariates,
            )
        return self._made[key]


def gatherer(panel: Panel, config: Config, features: Features, transform: Transform) -> Gatherer:
    """Return what cuts batches out of `panel` for one network, on the settings' device."""
    return Gatherers(panel, features, transform)(config)


def median_of(outputs: Sequence[Tensor]) -> Tensor:
    """Return the median of the networks' (R, h, Q) outputs, where these are values themselves."""
    return torch.stack(list(outputs)).quantile(0.5, dim=0) if len(outputs) > 1 else outputs[0]


def said_by(
    members: Sequence[Member],
    gatherers: Gatherers,
    windows: Places,
    count: int = PATHS,
    generator: torch.Generator | None = None,
) -> list[Said]:
    """Return what each network says of the windows; `count` and `generator` are of paths that are drawn."""
    said = []
    for member in members:
        gather, config = gatherers(member.config), member.config
        firsts = windows.series % gather.channels == 0
        batch = gather(windows.series[firsts], windows.positions[firsts], h=0)
        said.append(hear(member.network, loss_of(config), batch, config.seed, count, generator))
    return said


def held_out_errors(
    members: Sequence[Member], panel: Panel, features: Features, transform: Transform
) -> HeldOutErrors | None:
    """Return the errors that conformal intervals stand on; None for networks that tell their own."""
    config = members[0].config
    windows = held_out_windows(panel, config)
    if not len(windows.series) or not conformal(config):
        return None
    said = said_by(members, Gatherers(panel, features, transform), windows)
    errors = np.abs(transform.forward(_truth(panel, windows, config)) - forecast_of(said)) / said[0].scale_R1.numpy()
    return None if np.isnan(errors).all() else HeldOutErrors(errors)


def window(config: Config) -> int:
    """Return how many past steps a network of resolved settings sees."""
    assert config.input_size is not None, "settings are resolved before use"
    return config.input_size
