"""A forecaster as GluonTS knows one, so that its evaluators and benchmarks run on it (Alexandrov et al. 2020).

Shapes: S series, h horizon, L quantiles.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.panel import Panel
from unrolled.errors import ConfigError, DataError, Problems
from unrolled.forecast.fitted import SERIES_AT_ONCE, Fitted
from unrolled.forecast.intervals import check_levels, conformal

DECILES: Final = tuple(k / 10 for k in range(1, 10))


def predictor(fitted: Fitted, quantiles: Sequence[float] | None = None) -> Any:
    """Return a `gluonts.model.predictor.Predictor` of a forecaster; see `Forecaster.to_gluonts`.

    Raises:
        ConfigError: GluonTS is not installed, or names everything of the forecaster that its data sets don't have.
    """
    shares = _check(fitted, quantiles)
    from gluonts.model.forecast import QuantileForecast
    from gluonts.model.predictor import Predictor

    class UnrolledPredictor(Predictor):  # type: ignore[misc]  # GluonTS has no types
        """Forecasts the entries of a data set, some at a time."""

        def predict(self, dataset: Iterable[Mapping[str, Any]], **_: Any) -> Iterator[Any]:
            """Yield a forecast of each entry: the quantiles, and the forecast itself as "mean"."""
            entries = iter(dataset)
            while some := list(itertools.islice(entries, SERIES_AT_ONCE)):
                values_ShL = _forecast(fitted, some, shares)
                for entry, values_hL in zip(some, values_ShL, strict=True):
                    yield QuantileForecast(
                        forecast_arrays=values_hL.T,
                        start_date=entry["start"] + len(entry["target"]),
                        forecast_keys=[*map(str, shares), "mean"],
                        item_id=entry.get("item_id"),
                    )

    return UnrolledPredictor(prediction_length=fitted.config.h)


def _check(fitted: Fitted, quantiles: Sequence[float] | None) -> tuple[float, ...]:
    """Return the quantiles that forecasts hold, the median among them."""
    problems = Problems()
    problems.check(
        find_spec("gluonts") is not None,
        "to_gluonts needs GluonTS, which the extra installs: pip install 'unrolled[gluonts]'.",
    )
    if fitted.features.columns:
        named = ", ".join(repr(column.name) for column in fitted.features.columns)
        problems.add(f"The model reads the covariates {named}, and data sets of GluonTS have no names for theirs.")
    if fitted.features.channels:
        named = ", ".join(fitted.features.channels)
        problems.add(f"The model forecasts the targets {named}, and each entry of such a data set has one series.")
    problems.raise_as(ConfigError, "This forecaster can't be given to GluonTS:")
    asked = _known(fitted) if quantiles is None else tuple(quantiles)
    shares = check_levels(None, fitted.config, fitted.errors, asked).shares
    return tuple(sorted({*shares, 0.5}))


def _known(fitted: Fitted) -> tuple[float, ...]:
    """Return the quantiles that the forecaster can tell: those it learnt, or the deciles that there is enough for."""
    if fitted.config.loss == "quantile":
        return fitted.config.quantiles
    if not conformal(fitted.config):
        return DECILES
    highest = 0.0 if fitted.errors is None else fitted.errors.highest_level()
    return tuple(share for share in DECILES if 100 * abs(1 - 2 * share) <= highest and share != 0.5)


def _forecast(fitted: Fitted, entries: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> np.ndarray:
    """Return (S, h, L + 1): the quantiles, and last the forecast itself."""
    panel = _panel(fitted.freq, entries)
    # The forecast of a count is its mean, of which the median is to be told apart; a conformal one is its own median.
    asked = [share for share in shares if share != 0.5 or not conformal(fitted.config)]
    found = fitted.forecast(panel, None, asked)
    by_share = {0.5: found.values} | found.quantiles
    return np.stack([*(by_share[share] for share in shares), found.values], axis=2)


def _panel(freq: Frequency, entries: Sequence[Mapping[str, Any]]) -> Panel:
    _check_entries(freq, entries)
    targets = [np.asarray(entry["target"], dtype=np.float64) for entry in entries]
    lengths = [len(target) for target in targets]
    return Panel(
        values=np.concatenate(targets),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=np.arange(len(entries)),
        times=np.concatenate([_times(freq, entry["start"], n) for entry, n in zip(entries, lengths, strict=True)]),
        freq=freq,
        table=TableKind("pandas", time="integer" if freq.unit == "integer" else "datetime"),
    )


def _check_entries(freq: Frequency, entries: Sequence[Mapping[str, Any]]) -> None:
    problems = Problems()
    for number, entry in enumerate(entries):
        name = entry.get("item_id", number)
        shape = np.shape(entry["target"])
        if len(shape) != 1 or not shape[0]:
            problems.add(f"Entry {name!r}: its target is one series with at least one value; got shape {shape}.")
        elif not _same_step(freq, entry["start"]):
            problems.add(
                f"Entry {name!r} is of frequency {entry['start'].freqstr!r}; the model was trained on {freq.name} "
                "series."
            )
        if problems:  # the others will be of the same kind
            break
    problems.raise_as(DataError, "This data set can't be forecast:")


def _same_step(freq: Frequency, start: Any) -> bool:
    """Whether a period's next one is a step of the model later; of months whatever their day."""
    if freq.unit == "integer":
        return True
    here, there = (np.datetime64(one.to_timestamp(), "us") for one in (start, start + 1))
    after = freq.advance(here, 1)
    if freq.unit in ("microsecond", "business day"):
        return bool(after == there)
    return bool(after.astype("M8[M]") == there.astype("M8[M]"))


def _times(freq: Frequency, start: Any, length: int) -> np.ndarray:
    if freq.unit == "integer":
        return np.arange(length)
    return freq.advance(np.datetime64(start.to_timestamp(), "us"), np.arange(length))
