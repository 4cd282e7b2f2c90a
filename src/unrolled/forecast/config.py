"""The settings of a forecaster: one frozen dataclass, checked as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from unrolled.errors import ConfigError, Problems, did_you_mean

Cell = Literal["LSTM", "GRU", "RNN"]
Decoder = Literal["direct", "recursive"]
Loss = Literal["mae", "mse", "huber", "quantile"]
Scaling = Literal["none", "standard", "robust", "last"]

CHOICES: dict[str, tuple[str, ...]] = {
    "cell": get_args(Cell),
    "decoder": get_args(Decoder),
    "loss": get_args(Loss),
    "scaling": get_args(Scaling),
}


@dataclass(frozen=True)
class Config:
    """Settings of a `Forecaster`; every one but the horizon has a default.

    Data:
        h: horizon, the number of steps to forecast.
        input_size: window, the number of past steps the network sees. Default: two horizons or two
            seasons, whichever is longer, as far as the longest series allows.
        season: steps in one season, for the seasonal baseline and MASE. Default: from the frequency.
        freq: distance between steps ("h", "D", "MS", ... or an integer). Default: inferred.
        id_col: column with the series' ids. Default: found by its name; without one, the table is one series.
        time_col: column with the times. Default: found by its name, else the only one of dates.
        target_col: column with the values to forecast. Default: found by its name, else the only one of numbers.

    Network:
        cell: "LSTM", "GRU" or "RNN"; also the name of the forecast's column.
        hidden_size: units per layer; a list gives each layer its own.
        num_layers: recurrent layers.
        dropout: share of a layer's outputs dropped before the next layer, in training.
        decoder: "direct" gives all h steps at once; "recursive" one step, fed back h times.
        scaling: what is taken out of each window and put back: "none", "standard" (mean, standard
            deviation), "robust" (median, interquartile range) or "last" (last value, standard deviation).

    Training:
        loss: "mae", "mse", "huber" or "quantile", on scaled values, observed points only.
        quantiles: what loss="quantile" learns; must hold 0.5, the forecast itself.
        learning_rate: of Adam at its peak; it falls to zero along a half cosine.
        batch_size: windows per step.
        max_steps: optimiser steps at most.
        val_size: points at the end of every series kept for early stopping and for the widths of
            conformal intervals. Default: a tenth of the series, at least one horizon. 0: none.
        val_every: steps between two looks at the validation windows.
        patience: looks without improvement before training stops.
        gradient_clip: largest norm of the gradient; None for no limit.
        seed: two runs with one seed on one machine give the same numbers.
        device: where to compute, by PyTorch's name.
        verbose: report progress; default: only on a terminal.

    Raises:
        ConfigError: names every wrong setting.
    """

    __no_type_check__: ClassVar[bool] = True  # the tests' type checker must not answer before our own checks

    h: int
    input_size: int | None = None
    cell: Cell = "LSTM"
    hidden_size: int | tuple[int, ...] = 64
    num_layers: int = 1
    dropout: float = 0.0
    decoder: Decoder = "direct"
    scaling: Scaling = "standard"
    loss: Loss = "mae"
    quantiles: tuple[float, ...] = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
    learning_rate: float = 1e-2
    batch_size: int = 128
    max_steps: int = 500
    val_size: int | None = None
    val_every: int = 50
    patience: int = 4
    gradient_clip: float | None = 1.0
    season: int | None = None
    freq: str | int | None = None
    id_col: str | None = None
    time_col: str | None = None
    target_col: str | None = None
    seed: int = 1
    device: str = "cpu"
    verbose: bool | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list) and field.name in ("hidden_size", "quantiles"):
                object.__setattr__(self, field.name, tuple(value))
            elif isinstance(value, np.generic):  # a number out of an array or a table
                object.__setattr__(self, field.name, value.item())
        problems = Problems()
        for check in (_check_choices, _check_counts, _check_rates, _check_widths, _check_quantiles, _check_names):
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

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_choices(config: Config, problems: Problems) -> None:
    for name, options in CHOICES.items():
        value = getattr(config, name)
        if value not in options:
            hint = did_you_mean(str(value), options)
            problems.add(f"{name} is one of {', '.join(map(repr, options))}; got {value!r}.{hint}")


def _check_counts(config: Config, problems: Problems) -> None:
    least = {"h": 1, "num_layers": 1, "batch_size": 1, "max_steps": 1, "val_every": 1, "patience": 1, "seed": 0}
    optional = {"input_size": 1, "season": 1, "val_size": 0}
    for name, low in (least | optional).items():
        value = getattr(config, name)
        right = (value is None and name in optional) or (_is_int(value) and value >= low)
        problems.check(right, f"{name} is a whole number of at least {low}; got {value!r}.")
    if _is_int(config.val_size) and _is_int(config.h) and config.val_size is not None:
        fits = config.val_size == 0 or config.val_size >= config.h
        problems.check(fits, f"val_size holds at least one horizon (h={config.h}) or is 0; got {config.val_size}.")


def _check_rates(config: Config, problems: Problems) -> None:
    rate, clip, dropout = config.learning_rate, config.gradient_clip, config.dropout
    problems.check(_is_number(rate) and 0 < rate < float("inf"), f"learning_rate is above 0; got {rate!r}.")
    right = clip is None or (_is_number(clip) and clip > 0)
    problems.check(right, f"gradient_clip is above 0, or None for no limit; got {clip!r}.")
    right = _is_number(dropout) and 0 <= dropout < 1
    problems.check(right, f"dropout is a share from 0 up to, not including, 1; got {dropout!r}.")


def _check_widths(config: Config, problems: Problems) -> None:
    widths = config.hidden_size
    if isinstance(widths, tuple):
        right = len(widths) > 0 and all(_is_int(width) and width >= 1 for width in widths)
        problems.check(right, f"hidden_size lists one width of at least 1 per layer; got {list(widths)!r}.")
        agrees = config.num_layers in (1, len(widths))
        problems.check(
            agrees,
            f"hidden_size lists {len(widths)} layers but num_layers={config.num_layers!r}; leave num_layers out.",
        )
    else:
        right = _is_int(widths) and widths >= 1
        problems.check(right, f"hidden_size is a whole number of at least 1, or a list; got {widths!r}.")


def _check_quantiles(config: Config, problems: Problems) -> None:
    values = config.quantiles
    if not isinstance(values, tuple) or not all(_is_number(q) and 0 < q < 1 for q in values):
        problems.add(f"quantiles lie between 0 and 1, such as [0.1, 0.5, 0.9]; got {values!r}.")
        return
    problems.check(0.5 in values, f"quantiles must hold 0.5, the forecast itself; got {list(values)}.")
    rising = all(a < b for a, b in pairwise(values))
    problems.check(rising, f"quantiles rise, none twice; got {list(values)}.")


def _check_names(config: Config, problems: Problems) -> None:
    for name in ("id_col", "time_col", "target_col"):
        value = getattr(config, name)
        problems.check(value is None or isinstance(value, str), f"{name} is a column's name; got {value!r}.")
    problems.check(
        config.verbose is None or isinstance(config.verbose, bool),
        f"verbose is True, False or None; got {config.verbose!r}.",
    )
    _check_device(config.device, problems)


def _check_device(device: object, problems: Problems) -> None:
    import torch  # here, so that settings can be listed without waiting for it

    try:
        torch.empty(0, device=device)  # type: ignore[call-overload]
    except (RuntimeError, TypeError, AssertionError) as wrong:
        first_line = str(wrong).splitlines()[0]
        problems.add(f"device {device!r} can't be used here: {first_line.rstrip('.')}. 'cpu' always works.")
