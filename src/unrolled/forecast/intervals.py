"""Prediction intervals: from learnt quantiles, or conformal from held-out errors.

Shapes: S series, h horizon, Q quantiles, M held-out windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, Problems
from unrolled.forecast.config import Config

FloatArray = NDArray[np.float64]
Bands = dict[float, tuple[FloatArray, FloatArray]]
"""(S, h) lower and upper ends by level in per cent."""


@dataclass(frozen=True)
class HeldOutErrors:
    """Sizes of the errors on the validation windows, in units of each window's scale.

    errors: (M, h) absolute errors; NaN where there was nothing to compare with.

    Split conformal intervals (Papadopoulos et al. 2002; Lei et al. 2018, with errors normalised by
    the window's scale): of n errors, the ceil((n + 1) level)-th smallest is the half-width. Each step
    of the horizon uses its own errors; where one has too few for the level, all steps' errors together.
    The windows also chose when training stopped, and overlap, so the promise is not exact; a
    backtest measures what was kept of it.
    """

    errors: FloatArray

    def half_widths(self, level: float) -> FloatArray:
        """Return (h,) half-widths in units of a window's scale."""
        pooled = _conformal_quantile(self.errors.ravel(), level)
        each = np.array([_conformal_quantile(step, level) for step in self.errors.T])
        return np.where(np.isnan(each), pooled, each)

    def highest_level(self) -> float:
        """Return the highest level in per cent that there are enough errors for."""
        count = int((~np.isnan(self.errors)).sum())
        return 100 * count / (count + 1)


def _conformal_quantile(errors: FloatArray, level: float) -> float:
    known = np.sort(errors[~np.isnan(errors)])
    rank = math.ceil(round((len(known) + 1) * level / 100, 9))
    return float(known[rank - 1]) if 1 <= rank <= len(known) else math.nan


def refuse_levels(level: Any, config: Config) -> None:
    """Refuse levels that no training with these settings could give.

    Raises:
        ConfigError: names every level that is no percentage, whose quantiles are not trained, or that needs the
            held-out errors that val_size=0 leaves out.
    """
    problems = Problems()
    if level is not None and (isinstance(level, str) or not np.iterable(level)):
        raise ConfigError(f"level is a list of percentages, such as [80, 95]; got {level!r}.")
    for one in () if level is None else level:
        if not isinstance(one, int | float | np.integer | np.floating) or not 0 < one < 100:
            problems.add(f"A level is a percentage between 0 and 100, such as 80; got {one!r}.")
        elif config.loss == "quantile":
            _check_learnt(float(one), config, problems)
        elif config.val_size == 0:
            problems.add(
                f"level {one:g} needs errors on held-out points, and val_size=0 holds none out. Leave val_size out, "
                "or use loss='quantile'."
            )
    problems.raise_as(ConfigError, "These intervals can't be given:")


def check_levels(level: Any, config: Config, errors: HeldOutErrors | None) -> tuple[float, ...]:
    """Return the wanted levels in rising order.

    Raises:
        ConfigError: names every level that can't be given.
    """
    refuse_levels(level, config)
    problems = Problems()
    levels = tuple(sorted(set(np.asarray([] if level is None else level).tolist())))
    for one in levels if config.loss != "quantile" else ():
        _check_enough(one, errors, problems)
    problems.raise_as(ConfigError, "These intervals can't be given:")
    return levels


def _check_learnt(level: float, config: Config, problems: Problems) -> None:
    available = [f"{100 * (1 - 2 * q):g}" for q in config.quantiles if q < 0.5 and _find(1 - q, config) is not None]
    right = all(_find(q, config) is not None for q in tail_quantiles(level))
    problems.check(
        right,
        f"level {level:g} needs the quantiles {tail_quantiles(level)[0]:g} and {tail_quantiles(level)[1]:g}, which "
        f"were not trained; there are levels {', '.join(available)}. Add them to quantiles= and fit again.",
    )


def _check_enough(level: float, errors: HeldOutErrors | None, problems: Problems) -> None:
    if errors is None:
        problems.add(
            f"level {level:g} needs errors on held-out points, and no series could spare any. Use longer series, "
            "a smaller input_size or h, or loss='quantile'."
        )
    elif errors.highest_level() < level:
        problems.add(
            f"level {level:g} needs more held-out errors than there are: they reach to level "
            f"{errors.highest_level():.4g}. Give a larger val_size, or loss='quantile'."
        )


def tail_quantiles(level: float) -> tuple[float, float]:
    """Return the two quantiles between which `level` per cent lie."""
    tail = (100 - level) / 200
    return tail, 1 - tail


def _find(quantile: float, config: Config) -> int | None:
    near = [i for i, q in enumerate(config.quantiles) if math.isclose(q, quantile, abs_tol=1e-9)]
    return near[0] if near else None


def quantile_bands(forecast_ShQ: FloatArray, levels: Sequence[float], config: Config) -> Bands:
    """Return the bands that a quantile network's outputs give; `forecast_ShQ` is sorted along Q."""
    bands: Bands = {}
    for level in levels:
        low, high = (_find(q, config) for q in tail_quantiles(level))
        bands[level] = forecast_ShQ[..., low], forecast_ShQ[..., high]
    return bands


def conformal_bands(
    forecast_Sh: FloatArray, scale_S1: FloatArray, levels: Sequence[float], errors: HeldOutErrors
) -> Bands:
    """Return the forecast plus and minus the held-out errors' quantiles, in each window's scale."""
    bands: Bands = {}
    for level in levels:
        half_Sh = errors.half_widths(level) * scale_S1
        bands[level] = forecast_Sh - half_Sh, forecast_Sh + half_Sh
    return bands
