"""A trained network with everything forecasting needs: made once, then only read.

Shapes: S series, h horizon, Q outputs per step, M held-out windows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.frequency import Frequency
from unrolled.data.panel import Panel
from unrolled.data.table import short_series
from unrolled.data.windows import held_out, training_windows, validation_windows
from unrolled.errors import DataError
from unrolled.forecast.batch import Batch, Gatherer
from unrolled.forecast.config import Config
from unrolled.forecast.intervals import Bands, HeldOutErrors, check_levels, conformal_bands, quantile_bands
from unrolled.forecast.network import Network, build, middle_output
from unrolled.forecast.train import OnStep, TrainingLog, batches, train, validation_batch

SERIES_AT_ONCE = 1024
"""Prediction takes this many series at a time, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Forecast:
    """(S, h) forecasts in the units of the data, and their bands by level."""

    values: NDArray[np.float64]
    bands: Bands


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
        """Return the (N, T) times of the windows."""
        ends = self.panel.offsets[1:][self.series]
        return self.panel.times[ends[:, None] + np.arange(-_window(self.fitted.config), 0)]

    def future_times(self) -> NDArray[np.generic]:
        """Return the (N, h) times that are forecast."""
        return self.panel.future_times(self.fitted.config.h)[self.series]


@dataclass(frozen=True)
class Fitted:
    """What training leaves behind. Safe to use from several threads: nothing in it changes."""

    config: Config  # with input_size and season filled in
    freq: Frequency
    network: Network
    errors: HeldOutErrors | None
    log: TrainingLog

    def forecast(self, panel: Panel, level: Sequence[float] | None = None) -> Forecast:
        """Forecast the h steps after the end of every series of `panel`."""
        levels = check_levels(level, self.config, self.errors)
        outputs_ShQ, scale_S1 = self._decode(panel)
        values_Sh = outputs_ShQ[..., middle_output(self.config)]
        if self.config.loss == "quantile":
            return Forecast(values_Sh, quantile_bands(outputs_ShQ, levels, self.config))
        bands = conformal_bands(values_Sh, scale_S1, levels, self.errors) if self.errors and levels else {}
        return Forecast(values_Sh, bands)

    def last_windows(self, panel: Panel, series: NDArray[np.int64]) -> LastWindows:
        """Return what the network reads of these series of `panel`, by their numbers, to forecast what comes next."""
        batch = gatherer(panel, self.config)(panel.offsets[1:][series], panel.offsets[:-1][series], h=0)
        return LastWindows(self, panel, series, batch)

    def _decode(self, panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gather = gatherer(panel, self.config)
        outputs, scales = [], []
        for first in range(0, len(panel), SERIES_AT_ONCE):
            some = slice(first, first + SERIES_AT_ONCE)
            batch = gather(panel.offsets[1:][some], panel.offsets[:-1][some], h=0)
            outputs.append(decode(self.network, batch).numpy())
            scales.append(batch.scale_N1.cpu().numpy())
        return np.concatenate(outputs), np.concatenate(scales)


def fit_panel(panel: Panel, config: Config, on_step: OnStep) -> Fitted:
    """Train a network on every window of `panel` that its settings allow."""
    PointsNeeded(config).check(panel)
    config = resolve(config, panel)
    gather, held = gatherer(panel, config), _held_out(panel, config)
    windows = training_windows(panel, _window(config), config.h, held)
    validation = validation_batch(validation_windows(panel, config.h, held), gather, config)
    with torch.random.fork_rng(devices=_generators(config.device)):
        torch.manual_seed(config.seed)
        network = build(config)
        log = train(network, batches(windows, gather, config), validation, config, on_step)
    return Fitted(config, panel.freq, network, _held_out_errors(network, validation, config), log)


def refuse_scarce_levels(panel: Panel, config: Config, level: Sequence[float] | None) -> None:
    """Refuse levels that training on `panel` would leave too few held-out errors for, before it is done.

    Raises:
        ConfigError: names every level that can't be given.
    """
    config = resolve(config, panel)
    windows = validation_windows(panel, config.h, _held_out(panel, config))
    validation = validation_batch(windows, gatherer(panel, config), config)
    errors = None if validation is None else HeldOutErrors(_where_observed(validation, validation.targets_Nh))
    check_levels(level, config, errors)


def _held_out(panel: Panel, config: Config) -> NDArray[np.int64]:
    return held_out(panel.lengths, _window(config), config.h, config.val_size)


def resolve(config: Config, panel: Panel) -> Config:
    """Fill in what the settings leave to the data: the window and the season."""
    return _resolved(config, panel.freq, panel.lengths)


def _resolved(config: Config, freq: Frequency, lengths: NDArray[np.int64]) -> Config:
    season = config.season or freq.season
    input_size = config.input_size or default_window(config.h, season, lengths)
    return dataclasses.replace(config, season=season, input_size=input_size)


def default_window(h: int, season: int, lengths: NDArray[np.int64]) -> int:
    """Return two horizons or two seasons, as far as the longest series can train and validate on it."""
    return max(1, min(2 * max(h, season), int(lengths.max()) - 2 * h))


@dataclass(frozen=True)
class PointsNeeded:
    """How many points every series must have: one window and its horizon before the first cutoff.

    kept_back: points after the first cutoff of a backtest; 0 when all points are trained on.
    """

    config: Config
    kept_back: int = 0

    def __call__(self, freq: Frequency, lengths: NDArray[np.int64]) -> int:
        """Return the number for series of these (S,) lengths."""
        known = np.maximum(lengths - self.kept_back, 0)
        return _window(_resolved(self.config, freq, known)) + self.config.h + self.kept_back

    @property
    def needed_for(self) -> str:
        """What needs the points, in words."""
        return "one window and its backtest" if self.kept_back else "one window"

    def check(self, panel: Panel) -> None:
        """Refuse series that have fewer, naming them."""
        points = self(panel.freq, panel.lengths)
        if short := short_series(panel.ids, panel.lengths, points, self.needed_for):
            raise DataError(short)


def gatherer(panel: Panel, config: Config) -> Gatherer:
    """Return what cuts batches out of `panel` on the settings' device."""
    return Gatherer(torch.from_numpy(panel.values).to(config.device), _window(config), config.scaling)


@torch.inference_mode()
def decode(network: Network, batch: Batch) -> Tensor:
    """Return (N, h, Q) forecasts in the units of the data; quantiles never cross, since they are sorted."""
    return batch.unscaled(network(batch.past_NTF)).sort(dim=2).values.cpu()


def _held_out_errors(network: Network, validation: Batch | None, config: Config) -> HeldOutErrors | None:
    """Return the errors that conformal intervals stand on; a quantile network has intervals of its own."""
    if validation is None or config.loss == "quantile":
        return None
    with torch.inference_mode():
        middle_Mh = network(validation.past_NTF)[..., middle_output(config)]
    return HeldOutErrors(_where_observed(validation, (validation.targets_Nh - middle_Mh).abs()))


def _where_observed(validation: Batch, values_Mh: Tensor) -> NDArray[np.float64]:
    """Return values with NaN where there is nothing to compare a forecast with."""
    return values_Mh.double().masked_fill(validation.observed_Nh == 0, float("nan")).cpu().numpy()


def _window(config: Config) -> int:
    assert config.input_size is not None, "settings are resolved before use"
    return config.input_size


def _generators(device: str) -> list[torch.device]:
    return [] if torch.device(device).type == "cpu" else [torch.device(device)]
