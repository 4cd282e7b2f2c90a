"""From the covariates of a panel to the numbers that a network reads, by what was learnt of them in training.

A number has its mean over training taken out and is divided by its standard deviation there. A missing one is the
last that was known in its series, or the mean. A category is its place among those of training, 0 if it is none of
them or missing. A feature of the calendar is two numbers, sine and cosine of the place in its cycle; holidays are
three, of the step itself, of that before and of that after.

Shapes: I items, P points of all items end to end, h horizon, R = P + I h rows: after the points of each item its
future. K columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.calendar import AT_ONCE, Holidays, places, stands_still, suiting, wall_clock
from unrolled.data.covariates import MISSING, Column, Covariates, Features, Kind, filled_forward
from unrolled.data.panel import Panel
from unrolled.data.wording import first_few
from unrolled.errors import ConfigError, DataError, Problems
from unrolled.forecast.batch import CovariateTable
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Layout

FloatArray = NDArray[np.float32]

_HOLIDAYS = ("holiday", "holiday before", "holiday after")


class InputNames(NamedTuple):
    """What a person calls each column of `Inputs.covariates_NTP`, `known_NWK` and `static_NS`."""

    past: tuple[str, ...]
    known: tuple[str, ...]
    static: tuple[str, ...]


def listed(config: Config) -> dict[str, Kind]:
    """Return the covariates that the settings name."""
    of_kind: dict[Kind, tuple[str, ...]] = {
        "static": config.static_covariates,
        "past": config.past_covariates,
        "future": config.future_covariates,
    }
    return {name: kind for kind, names in of_kind.items() for name in names}


def check_calendar(panel: Panel, config: Config) -> None:
    """Refuse features of the calendar for times that have none, and holidays of nowhere.

    Raises:
        ConfigError: says which settings, and why.
    """
    problems = Problems()
    for name, given in (("calendar", list(config.calendar)), ("holidays", config.holidays)):
        if given and panel.freq.unit == "integer":
            problems.add(
                f"{name}={given!r} makes features of dates, and the times here are whole numbers. Leave it out, or "
                "give dates."
            )
    for name in config.calendar if panel.freq.unit != "integer" else ():
        if name != "auto" and stands_still(name, panel.freq, panel.times):
            problems.add(
                f"calendar names {name!r}, which is the same at every time of {panel.freq.name} series. Leave it out."
            )
    if config.holidays is not None and not problems:
        try:
            Holidays(config.holidays)
        except ConfigError as wrong:
            problems.add(str(wrong))
    problems.raise_as(ConfigError)


def learn_features(panel: Panel, config: Config) -> Features:
    """Return the covariates that the settings name, with the categories and the scales of `panel`.

    Raises:
        ConfigError: calendar or holidays for times that have no dates, or holidays of an unknown country.
        DataError: a panel that was read without the covariates.
    """
    check_calendar(panel, config)
    asked = listed(config)
    found = _covariates_of(panel, asked)
    columns = tuple(_learn_column(found, name, kind) for name, kind in asked.items())
    return Features(columns, panel.channels, _calendar(panel, config), config.holidays)


def _covariates_of(panel: Panel, names: Iterable[str]) -> Covariates:
    covariates = panel.covariates or Covariates({}, {})
    lacking = [name for name in names if name not in covariates.values]
    if lacking:
        raise DataError(
            f"This panel was read without the covariates {', '.join(map(repr, lacking))}. Read it by the same "
            "settings: Forecaster.read(table)."
        )
    return covariates


def _learn_column(covariates: Covariates, name: str, kind: Kind) -> Column:
    values = covariates.values[name]
    if name in covariates.words:
        words = covariates.words[name]
        counts = np.bincount(values[values != MISSING], minlength=len(words))
        return Column(name, kind, tuple(sorted(word for word, count in zip(words, counts, strict=True) if count)))
    known = values[~np.isnan(values)]
    if not len(known):
        return Column(name, kind)
    mean, deviation = float(known.mean(dtype=np.float64)), float(known.std(dtype=np.float64))
    # A constant one says nothing; what float64 leaves of it must not become a signal.
    return Column(name, kind, None, mean, deviation if deviation > 1e-9 * abs(mean) else max(abs(mean), 1.0))


def _calendar(panel: Panel, config: Config) -> tuple[str, ...]:
    if not config.calendar:
        return ()
    by_hand = [name for name in config.calendar if name != "auto"]
    if "auto" not in config.calendar:
        return tuple(dict.fromkeys(by_hand))
    span = panel.times.max() - panel.times.min()
    return tuple(dict.fromkeys((*suiting(panel.freq, span), *by_hand)))


def layout_of(features: Features, config: Config) -> Layout:
    """Return what the columns of a network's inputs are."""
    return Layout(
        channels=max(1, len(features.channels)) if config.channels == "joint" else 1,
        past=_sizes(features, "past"),
        known=(*_sizes(features, "future"), *[0] * made_of_times(features)),
        static=_sizes(features, "static"),
    )


def _sizes(features: Features, kind: Kind) -> tuple[int, ...]:
    return tuple(len(column.categories or ()) for column in features.of_kind(kind))


def input_names(features: Features) -> InputNames:
    """Return what a person calls each column that a network reads besides the values."""
    past, future, static = (
        tuple(column.name for column in features.of_kind(kind)) for kind in ("past", "future", "static")
    )
    circles = [f"{name} {part}" for name in features.calendar for part in ("sine", "cosine")]
    return InputNames(past, (*future, *circles, *(_HOLIDAYS if features.holidays else ())), static)


def covariate_table(panel: Panel, features: Features, config: Config) -> CovariateTable | None:
    """Return the covariates of `panel` as a network reads them; None where there are none.

    Raises:
        DataError: a panel that was read without the covariates.
    """
    layout = layout_of(features, config)
    if not (layout.past or layout.known or layout.static):
        return None
    covariates = _covariates_of(panel, (column.name for column in features.columns))
    offsets, h = panel.item_offsets, config.h
    past = np.empty((int(offsets[-1]), len(layout.past)), dtype=np.float32)
    for k, column in enumerate(features.of_kind("past")):
        past[:, k] = _read(covariates, column, covariates.values[column.name], offsets)
    static = np.empty((len(offsets) - 1, len(layout.static)), dtype=np.float32)
    for k, column in enumerate(features.of_kind("static")):
        static[:, k] = _read(covariates, column, covariates.values[column.name], None)
    known = _known(panel, features, covariates, h, len(layout.known))
    past_PK, known_RK, static_IK = (torch.from_numpy(part).to(config.device) for part in (past, known, static))
    return CovariateTable(past_PK, known_RK, static_IK, panel.n_channels)


def _known(panel: Panel, features: Features, covariates: Covariates, h: int, width: int) -> FloatArray:
    """Return the (R, K) numbers that are known ahead."""
    lengths, items = np.diff(panel.item_offsets), len(panel.item_offsets) - 1
    offsets = panel.item_offsets + h * np.arange(items + 1)
    is_ahead = np.repeat(np.tile([False, True], items), np.stack([lengths, np.full(items, h)], axis=1).ravel())
    known = np.empty((len(is_ahead), width), dtype=np.float32)
    for k, column in enumerate(features.of_kind("future")):
        values = covariates.values[column.name]
        whole = np.full(len(known), MISSING if column.name in covariates.words else np.nan, dtype=values.dtype)
        whole[~is_ahead] = values
        whole[is_ahead] = _ahead(covariates, column.name, items, h).ravel()
        known[:, k] = _read(covariates, column, whole, offsets)
    made = known[:, len(features.of_kind("future")) :]
    if made.shape[1]:
        times = np.empty(len(known), dtype=panel.times.dtype)
        times[~is_ahead] = panel.item_times
        times[is_ahead] = panel.future_times(h)[:: panel.n_channels].ravel()
        _fill_from_times(made, times, panel, features)
    return known


def _ahead(covariates: Covariates, name: str, items: int, h: int) -> NDArray[Any]:
    """Return the (I, h) values of a future covariate after the items' ends, missing where nobody knows them."""
    values = covariates.values[name]
    ahead = np.full((items, h), MISSING if name in covariates.words else np.nan, dtype=values.dtype)
    if name in covariates.ahead:
        told = covariates.ahead[name][:, :h]
        ahead[:, : told.shape[1]] = told
    return ahead


def _read(
    covariates: Covariates, column: Column, values: NDArray[Any], offsets: NDArray[np.int64] | None
) -> FloatArray:
    """Return a column as a network reads it."""
    if (column.categories is None) == (column.name in covariates.words):
        given, learnt = ("numbers", "texts") if column.categories is not None else ("texts", "numbers")
        raise DataError(f"{column.name!r} holds {given}, and the model was trained on {learnt}.")
    if column.categories is not None:
        places_ = {word: number for number, word in enumerate(column.categories, start=1)}
        # The code of what is missing, -1, is the last.
        codes = np.array([*(places_.get(word, 0) for word in covariates.words[column.name]), 0], dtype=np.float32)
        return np.asarray(codes[values])
    filled = values if offsets is None else filled_forward(values, offsets)
    scaled = (filled - column.location) / column.scale
    return np.nan_to_num(scaled.astype(np.float32), copy=False, nan=0.0)


def numbers_of_times(times: NDArray[Any], panel: Panel, features: Features) -> FloatArray:
    """Return for each of these times of `panel` the numbers that are made of it: calendar and holidays."""
    made = np.empty((len(times), made_of_times(features)), dtype=np.float32)
    _fill_from_times(made, times, panel, features)
    return made


def made_of_times(features: Features) -> int:
    """Return how many numbers are made of a time."""
    return 2 * len(features.calendar) + (len(_HOLIDAYS) if features.holidays else 0)


def _fill_from_times(made: FloatArray, times: NDArray[Any], panel: Panel, features: Features) -> None:
    """Write what is made of the times, some of them at a time."""
    holidays = Holidays(features.holidays) if features.holidays else None
    for begin in range(0, len(times), AT_ONCE):
        some = wall_clock(times[begin : begin + AT_ONCE], panel.table)
        columns = [*places(some, features.calendar), *(holidays.columns(some, panel.freq) if holidays else ())]
        for k, column in enumerate(columns):
            made[begin : begin + AT_ONCE, k] = column


def unseen_notes(panel: Panel, features: Features) -> tuple[str, ...]:
    """Return what to say of categories that training has not seen."""
    covariates, notes = panel.covariates, []
    for column in features.columns:
        if covariates is None or column.categories is None or column.name not in covariates.words:
            continue
        words, known = covariates.words[column.name], set(column.categories)
        parts = [covariates.values[column.name], covariates.ahead.get(column.name, np.zeros(0, dtype=np.int32))]
        counts = sum(np.bincount(part[part != MISSING], minlength=len(words)) for part in parts)
        new = [
            repr(word) for word, count in zip(words, np.atleast_1d(counts), strict=True) if count and word not in known
        ]
        if new:
            verb = "did not occur in training and counts as unknown"
            notes.append(f"{column.name}: {first_few(new[:3], len(new))} {verb}")
    return tuple(notes)


def unknown_ahead(panel: Panel, features: Features, h: int) -> tuple[str, ...]:
    """Return the future covariates that `panel` does not know over the horizon."""
    known = panel.covariates or Covariates({}, {})
    return tuple(column.name for column in features.of_kind("future") if known.steps_ahead(column.name) < h)


def check_ahead(panel: Panel, features: Features, h: int) -> None:
    """Refuse to forecast where a future covariate is not known over the horizon.

    Raises:
        DataError: names the covariates.
    """
    if lacking := unknown_ahead(panel, features, h):
        steps = f"the next {h} {panel.freq.points}" if h > 1 else "the next step"
        raise DataError(
            f"The model reads {', '.join(map(repr, lacking))} over {steps}, which the table of the past does not hold. "
            "Give them as future=, on the command line --future: a row for each series and each of these times. Rows "
            "at the end of the past without a value count as missing, not as future."
        )
