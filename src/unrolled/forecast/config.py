"""The settings of a forecaster: one frozen dataclass, checked as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from unrolled.errors import ConfigError, Problems, did_you_mean

Network = Literal["auto", "steps", "segments", "seq2seq", "deepar"]
Cell = Literal["LSTM", "GRU", "RNN", "SLSTM"]
Decoder = Literal["direct", "recursive"]
Pooling = Literal["last", "attention"]
Channels = Literal["independent", "joint"]
Scaling = Literal["auto", "none", "standard", "robust", "last", "mean", "revin", "series", "last_series"]
Transform = Literal["none", "log", "boxcox"]
Loss = Literal[
    "auto",
    "mae",
    "mse",
    "huber",
    "smape",
    "mase",
    "quantile",
    "normal",
    "student_t",
    "negative_binomial",
    "poisson",
    "tweedie",
]

CHOICES: dict[str, tuple[str, ...]] = {
    "network": get_args(Network),
    "decoder": get_args(Decoder),
    "pooling": get_args(Pooling),
    "channels": get_args(Channels),
    "scaling": get_args(Scaling),
    "transform": get_args(Transform),
    "loss": get_args(Loss),
}

COUNTS = ("negative_binomial", "poisson", "tweedie")
"""Losses of values from 0 up, whose network gives a mean size: nothing may be subtracted from them."""

CELLS: tuple[str, ...] = get_args(Cell)

STACK = "Stack"
"""The type of a dict that holds a list of cells, and options of all of them together."""

LISTS = ("static_covariates", "past_covariates", "future_covariates", "calendar")
"""Settings that are lists of names; one name alone will do as well."""


@dataclass(frozen=True)
class Config:
    """Settings of a `Forecaster`; every one but the horizon has a default.

    Data:
        h: horizon, the number of steps to forecast.
        input_size: window, the number of past steps the network sees. Default: chosen from the season, the
            horizon and the lengths of the series; `notes` say what and why.
        season: steps in one season, for the network, the seasonal baseline and MASE. Default: from the frequency.
        freq: distance between steps ("h", "D", "MS", ... or an integer). Default: inferred.
        id_col: column with the series' ids. Default: found by its name; without one, the table is one series.
        time_col: column with the times. Default: found by its name, else the only one of dates.
        target_col: column with the values to forecast, or a list of several. Default: found by its name, else the
            only one of numbers.
        channels: several targets "independent", each a series to the one network; or "joint": it sees all of them
            and forecasts all of them.
        static_covariates: columns with one value for the whole series, numbers or categories.
        past_covariates: columns known up to the forecast's start, such as the weather measured.
        future_covariates: columns known over the horizon too, such as prices or promotions planned.
        calendar: features made of the times, known over the horizon: "auto" for those that suit the frequency, or
            a list of "minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter". Default: none.
        holidays: country whose public holidays are a covariate, such as "DE" or "US-CA". Needs the extra "holidays".

    Network:
        network: "steps" reads the window step by step; "segments" in pieces of a season, and forecasts them in
            parallel; "seq2seq" has a decoder start from the encoder's states; "deepar" feeds back samples of the
            distribution it learns. "auto" chooses from frequency and lengths; `notes` say what and why.
        cell: "LSTM", "GRU", "RNN" or "SLSTM"; or a dict of its type and the options of the layer of that name, such as
            {"type": "LSTM", "peephole": True}; or a list of those, one per layer, alone or with options of all layers,
            {"type": "Stack", "cells": [...], "zoneout": 0.1}. The (first) type names the forecast's column.
        hidden_size: units per layer; a list gives each layer its own. Default: 64, 128 for "segments".
        num_layers: recurrent layers.
        dropout: share of a layer's outputs dropped before the next layer, in training; of "segments" also of what
            the head reads. Default: 0; for "segments" 0.1, or 0.5 where there are few windows.
        decoder: of "steps": "direct" gives all h steps at once; "recursive" one step, fed back h times.
        pooling: of "steps" and "seq2seq": what the head reads of the encoder, "last" its last output, "attention" a
            weighted mean of all of them besides.
        segment: of "segments": steps in one piece. Default: a season, or the part of one that divides it best.
        scaling: what is taken out of each window and put back: "none", "standard" (mean, standard deviation),
            "robust" (median, interquartile range), "last" (last value, standard deviation), "mean" (divides by the
            mean size), "revin" ("standard", then a learnt gain and offset), "series" ("standard" over the whole
            series) or "last_series" (last value, standard deviation of the whole series). "auto" chooses.
        transform: of the values before anything else: "log" (of 1 + y), "boxcox" (its exponent is estimated).

    Training:
        loss: "mae", "mse", "huber", "smape", "mase", "quantile", or the likelihood of a distribution: "normal",
            "student_t", and for counts "negative_binomial", "poisson", "tweedie". Observed points only. "auto" is
            "mae", for "segments" "mase", for "deepar" "student_t".
        quantiles: what loss="quantile" learns; must hold 0.5, the forecast itself.
        learning_rate: of AdamW at its peak; it falls to zero along a half cosine. Default: 0.01, 0.003 for "segments".
        weight_decay: of AdamW.
        average: share of the old weights kept at each step in the running average that forecasts; 0: no average.
            Default: 0, 0.99 for "segments".
        batch_size: windows per step.
        max_steps: optimiser steps at most. Default: chosen from how many windows there are.
        val_size: points at the end of every series kept for early stopping and for the widths of
            conformal intervals. Default: a tenth of the series, at least one horizon. 0: none.
        val_every: steps between two looks at the validation windows. Default: chosen from max_steps.
        patience: looks without improvement before training stops.
        gradient_clip: largest norm of the gradient; None for no limit.
        ensemble: networks trained, of different seeds and windows, whose forecasts' median is the forecast.
        seed: two runs with one seed on one machine give the same numbers.
        device: where to compute, by PyTorch's name.
        verbose: report progress; default: only on a terminal.

    Raises:
        ConfigError: names every wrong setting.
    """

    __no_type_check__: ClassVar[bool] = True  # the tests' type checker must not answer before our own checks

    h: int
    input_size: int | None = None
    network: Network = "auto"
    cell: Any = "LSTM"
    hidden_size: int | tuple[int, ...] | None = None
    num_layers: int = 1
    dropout: float | None = None
    decoder: Decoder = "direct"
    pooling: Pooling = "last"
    segment: int | None = None
    scaling: Scaling = "auto"
    transform: Transform = "none"
    loss: Loss = "auto"
    quantiles: tuple[float, ...] = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
    learning_rate: float | None = None
    weight_decay: float = 0.0
    average: float | None = None
    batch_size: int = 128
    max_steps: int | None = None
    val_size: int | None = None
    val_every: int | None = None
    patience: int = 5
    gradient_clip: float | None = 1.0
    ensemble: int = 1
    season: int | None = None
    freq: str | int | None = None
    id_col: str | None = None
    time_col: str | None = None
    target_col: str | tuple[str, ...] | None = None
    channels: Channels = "independent"
    static_covariates: tuple[str, ...] = ()
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    holidays: str | None = None
    seed: int = 1
    device: str = "cpu"
    verbose: bool | None = None

    def __post_init__(self) -> None:
        from unrolled.forecast.config_checks import check

        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _plain(field.name, getattr(self, field.name)))
        problems = Problems()
        check(self, problems)
        problems.raise_as(ConfigError, "These settings can't be used:")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Config:
        """Make a Config, refusing names that are no settings with the nearest that is one."""
        fields = {field.name for field in dataclasses.fields(cls)}
        problems = Problems()
        for name in settings.keys() - fields:
            problems.add(f"{name!r} is no setting of a Forecaster.{did_you_mean(name, fields)}")
        problems.check("h" in settings, "h, the number of steps to forecast, is missing: Forecaster(h=24).")
        try:
            config = cls(**{"h": 1} | {k: v for k, v in settings.items() if k in fields})
        except ConfigError as wrong:
            for problem in wrong.problems:
                problems.add(problem)
        problems.raise_as(ConfigError, "These settings can't be used:")
        return config

    @property
    def name(self) -> str:
        """The name of the forecast's column: the type of the (first) cell."""
        return cell_types(self.cell)[0]

    @property
    def targets(self) -> tuple[str, ...]:
        """The target columns that were named."""
        named = self.target_col
        return named if isinstance(named, tuple) else () if named is None else (named,)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return {field.name: _as_json(getattr(self, field.name)) for field in dataclasses.fields(self)}


class Options(dict[str, Any]):
    """A cell's type and options; settings with it can be hashed, as all others can."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def cell_types(cell: Any) -> tuple[str, ...]:
    """Return the type of each cell that the setting names."""
    return tuple(one["type"] if isinstance(one, Mapping) else one for one in cells_of(cell))


def cells_of(cell: Any) -> tuple[Any, ...]:
    """Return each cell that the setting names: a name, or a mapping of its type and options."""
    if isinstance(cell, Mapping) and cell.get("type") == STACK:
        cell = cell.get("cells", ())
    return cell if isinstance(cell, tuple) else (cell,)


def is_stack(cell: Any) -> bool:
    """Whether the setting names the cell of each layer, rather than one for all."""
    return isinstance(cell, tuple) or (isinstance(cell, Mapping) and cell.get("type") == STACK)


def _plain(name: str, value: Any) -> Any:
    """Return a setting as it is kept: lists as tuples, NumPy's numbers as Python's."""
    if name in LISTS and isinstance(value, str):
        return (value,)
    return _as_kept(value)


def _as_kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Options({name: _as_kept(one) for name, one in value.items()})
    if isinstance(value, tuple | list):
        return tuple(map(_as_kept, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):  # an Activation: its name and constants
        return tuple(one for one in dataclasses.astuple(value) if one is not None)
    return value.item() if isinstance(value, np.generic) else value  # a number out of an array or a table


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _as_json(one) for name, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, tuple) else value
