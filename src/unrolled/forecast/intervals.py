"""Prediction intervals: which can be asked for, and conformal ones from held-out errors.

An interval is two quantiles: level 80 goes from that of 0.1 to that of 0.9, so that levels and quantiles give the same
numbers. A network that learnt quantiles or a distribution tells them itself, see `said`; of any other they are
read off its errors on points that it was not trained on.

Shapes: S series, h horizon, M held-out windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, Problems
from unrolled.forecast.config import Config
from unrolled.forecast.losses.choice import DISTRIBUTIONS
from unrolled.forecast.losses.quantiles import find

FloatArray = NDArray[np.float64]
Bands = dict[float, tuple[FloatArray, FloatArray]]
"""(S, h) lower and upper ends by level in per cent."""

Quantiles = dict[float, FloatArray]
"""(S, h) quantiles by the share below them."""


@dataclass(frozen=True)
class Wanted:
    """The levels in per cent and the quantiles that are asked for, each rising."""

    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """All quantiles that it takes, rising."""
        ends = (tail for level in self.levels for tail in tail_quantiles(level))
        return tuple(sorted({*self.quantiles, *ends}))

    def pick(self, found: Quantiles) -> tuple[Bands, Quantiles]:
        """Return the bands and the quantiles that are asked for from those of all `shares`."""
        bands = {level: (found[low], found[high]) for level in self.levels for low, high in [tail_quantiles(level)]}
        return bands, {one: found[one] for one in self.quantiles}


NOTHING = Wanted()


def tail_quantiles(level: float) -> tuple[float, float]:
    """Return the two quantiles between which `level` per cent lie.

    Rounded, so that 80 asks for the very 0.1 and 0.9 that a user writes.
    """
    tail = round((100 - level) / 200, 12)
    return tail, round(1 - tail, 12)


@dataclass(frozen=True)
class HeldOutErrors:
    """Sizes of the errors on the validation windows, in units of each window's scale.

    errors: (M, h) absolute errors; NaN where there was nothing to compare with.

    Split conformal intervals (Papadopoulos et al. 2002; Lei et al. 2018, with errors normalised by the window's
    scale): of n errors, the ceil((n + 1) level)-th smallest is the half-width. Each step of the horizon uses its own
    errors; where one has too few for the level, all steps' errors together. Of widths that fall from one step to the
    next the mean is taken, since errors shrink with the horizon but by chance. The windows also chose when training
    stopped, and overlap, so the promise is not exact; a backtest measures what was kept of it. Of one series it can be
    far from the level, since the errors of one forecast hang together; of many cutoffs or series it is near.
    """

    errors: FloatArray

    def half_widths(self, level: float) -> FloatArray:
        """Return (h,) half-widths in units of a window's scale."""
        pooled = _conformal_quantile(self.errors.ravel(), level)
        each = np.array([_conformal_quantile(step, level) for step in self.errors.T])
        return rising(np.where(np.isnan(each), pooled, each))

    def shift(self, share: float) -> FloatArray:
        """Return (h,): how far from the forecast the quantile of a share lies, in units of a window's scale."""
        if share == 0.5:
            return np.zeros(self.errors.shape[1])
        return math.copysign(1.0, share - 0.5) * self.half_widths(round(abs(100 - 200 * share), 9))

    def highest_level(self) -> float:
        """Return the highest level in per cent that there are enough errors for."""
        count = int((~np.isnan(self.errors)).sum())
        return 100 * count / (count + 1)


def _conformal_quantile(errors: FloatArray, level: float) -> float:
    known = np.sort(errors[~np.isnan(errors)])
    rank = math.ceil(round((len(known) + 1) * level / 100, 9))
    return float(known[rank - 1]) if 1 <= rank <= len(known) else math.nan


def rising(widths: FloatArray) -> FloatArray:
    """Return the nearest widths, by their squares, that never fall: neighbours that do are joined in their mean.

    >>> rising(np.array([1.0, 4.0, 2.0, 5.0]))
    array([1., 3., 3., 5.])
    """
    blocks: list[tuple[float, int]] = []
    for width in widths:
        blocks.append((float(width), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (first, n), (second, m) = blocks[-2:]
            blocks[-2:] = [((first * n + second * m) / (n + m), n + m)]
    return np.concatenate([np.full(n, width) for width, n in blocks])


def refuse_levels(level: Any, config: Config, quantiles: Any = None) -> Wanted:
    """Refuse levels and quantiles that no training with these settings could give; return those that are wanted.

    Raises:
        ConfigError: names every level that is no percentage and every quantile that is no share, that is not trained,
            or that needs the held-out errors that val_size=0 leaves out.
    """
    problems = Problems()
    wanted = Wanted(
        _numbers(level, (0, 100), "level", "A level is a percentage between 0 and 100, such as 80", problems),
        _numbers(quantiles, (0, 1), "quantiles", "A quantile lies between 0 and 1, such as 0.9", problems),
    )
    for name, shares in _named(wanted):
        if config.loss == "quantile":
            _check_learnt(name, shares, config, problems)
        elif config.val_size == 0 and conformal(config):
            problems.add(
                f"{name} needs errors on held-out points, and val_size=0 holds none out. Leave val_size out, "
                "or use loss='quantile' or a distribution such as 'student_t'."
            )
    problems.raise_as(ConfigError, "These intervals can't be given:")
    return wanted


def check_levels(level: Any, config: Config, errors: HeldOutErrors | None, quantiles: Any = None) -> Wanted:
    """Return the levels and quantiles that are wanted of a model that was trained so.

    Raises:
        ConfigError: names every one that can't be given.
    """
    wanted = refuse_levels(level, config, quantiles)
    problems = Problems()
    for name, shares in _named(wanted) if conformal(config) else ():
        _check_enough(name, max(abs(100 - 200 * share) for share in shares), errors, problems)
    problems.raise_as(ConfigError, "These intervals can't be given:")
    return wanted


def conformal(config: Config) -> bool:
    """Whether intervals stand on held-out errors, since the network itself tells none."""
    return config.loss not in ("quantile", *DISTRIBUTIONS) and config.network != "deepar"


def _numbers(given: Any, ends: tuple[float, float], name: str, what: str, problems: Problems) -> tuple[float, ...]:
    """Return what is asked for, rising and once each; note what is no number between the ends."""
    if given is None:
        return ()
    if isinstance(given, str) or not np.iterable(given):
        examples = "percentages, such as [80, 95]" if name == "level" else "shares, such as [0.1, 0.9]"
        problems.add(f"{name} is a list of {examples}; got {given!r}.")
        return ()
    right = []
    for one in given:
        number = isinstance(one, int | float | np.integer | np.floating) and not isinstance(one, bool)
        if not number or not ends[0] < one < ends[1]:
            problems.add(f"{what}; got {one!r}.")
        elif name == "level" and one < 1:  # a share by all likelihood; a band of half a per cent is of no use
            problems.add(f"{what}; got {one!r}. A share of {one!r} is level {100 * one:g}.")
        else:
            right.append(one.item() if isinstance(one, np.generic) else one)
    return tuple(sorted(set(right)))


def _named(wanted: Wanted) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield what is asked for by its name, and the shares that it takes."""
    for level in wanted.levels:
        yield f"level {level:g}", tail_quantiles(level)
    for one in wanted.quantiles:
        yield f"quantile {one:g}", (one,)


def _check_learnt(name: str, shares: Sequence[float], config: Config, problems: Problems) -> None:
    if all(find(share, config.quantiles) is not None for share in shares):
        return
    if len(shares) == 1:
        trained = ", ".join(f"{one:g}" for one in config.quantiles)
        problems.add(f"{name} was not trained; there are {trained}. Add it to quantiles= and fit again.")
        return
    low, high = shares
    levels = [
        f"{100 * (1 - 2 * q):g}" for q in config.quantiles if q < 0.5 and find(1 - q, config.quantiles) is not None
    ]
    problems.add(
        f"{name} needs the quantiles {low:g} and {high:g}, which were not trained; there are levels "
        f"{', '.join(levels)}. Add them to quantiles= and fit again."
    )


def _check_enough(name: str, level: float, errors: HeldOutErrors | None, problems: Problems) -> None:
    if errors is None:
        problems.add(
            f"{name} needs errors on held-out points, and no series could spare any. Use longer series, "
            "a smaller input_size or h, or loss='quantile' or a distribution such as 'student_t'."
        )
    elif errors.highest_level() < level:
        problems.add(
            f"{name} needs more held-out errors than there are: they reach to level "
            f"{errors.highest_level():.4g}. Give a larger val_size, or loss='quantile' or a distribution."
        )
