"""From tables to panels: by the settings to train on, and by what a model learnt to forecast from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from unrolled.data.covariates import Features
from unrolled.data.frequency import Frequency
from unrolled.data.future import with_future
from unrolled.data.panel import Panel
from unrolled.data.table import MinLength, read_panel, short_series
from unrolled.data.wording import id_text
from unrolled.errors import ConfigError, DataError
from unrolled.forecast.config import Config
from unrolled.forecast.features import check_calendar, unseen_notes
from unrolled.forecast.fitted import Fitted, PointsNeeded


def panel_to_train(source: Any, config: Config, needed: PointsNeeded) -> Panel:
    """Return a table as a panel; what has been read before stays as it is.

    Args:
        source: as for `Forecaster.fit`.
        config: the settings.
        needed: how long the longest series must be; the shorter ones are noted.

    Raises:
        DataError: lists everything wrong with the table.
        ConfigError: features of the calendar for times that have none, or holidays of nowhere.
    """
    if isinstance(source, Panel):
        return source
    panel = _read(source, config, None, needed, needed.needed_for)
    check_calendar(panel, config)
    return _noted(panel, needed.notes(panel))


def panel_to_forecast(source: Any, config: Config, fitted: Fitted, future: Any = None) -> Panel:
    """Return series to forecast with a model that was trained on these or on others.

    Args:
        source: as for `Forecaster.predict`; or a panel read before.
        config: the settings as they were given.
        fitted: the model.
        future: a table of what is known of the horizon.

    Raises:
        DataError: lists everything wrong with the tables, or says that the model can't forecast such series.
        ConfigError: a table of the future for a model that reads nothing of it.
    """
    panel = source if isinstance(source, Panel) else _read(source, config, fitted.features)
    refuse_other_series(panel, fitted)
    if future is not None:
        if not fitted.features.of_kind("future"):
            raise ConfigError(
                "future= is what a model with future_covariates reads, and this one has none. Leave it out; "
                "features of the calendar need no table."
            )
        columns = {"id_col": config.id_col, "time_col": config.time_col}
        panel = with_future(panel, future, fitted.features, fitted.config.h, **columns)
    short = short_series(panel.names, panel.lengths, fitted.longest_window) if panel is not source else None
    notes = (f"{short} What is missing counts as not observed.",) if short else ()
    return _noted(panel, (*notes, *unseen_notes(panel, fitted.features)))


def panel_to_add(source: Any, config: Config, fitted: Fitted) -> Panel:
    """Return new data of a model's series, which may be a single row: its frequency is the model's.

    Args:
        source: as for `Forecaster.update`; or a panel read before.
        config: the settings as they were given.
        fitted: the model.

    Raises:
        DataError: lists everything wrong with the table, or says that the model can't forecast such series.
    """
    panel = source if isinstance(source, Panel) else _read(source, config, fitted.features, freq=fitted.freq)
    refuse_other_series(panel, fitted)
    return _noted(panel, unseen_notes(panel, fitted.features))


def refuse_other_series(panel: Panel, fitted: Fitted) -> None:
    """Refuse series that a model can't go on with or forecast.

    Raises:
        DataError: another frequency or other targets than those that it was trained on.
    """
    if panel.freq != fitted.freq:
        raise DataError(
            f"The model was trained on {fitted.freq.name} series; these are {panel.freq.name}. "
            "Give series at the model's frequency, or fit a model on these."
        )
    trained = fitted.features.channels
    if panel.channels != trained:
        ours, theirs = (", ".join(names) if names else "a single one" for names in (trained, panel.channels))
        raise DataError(f"The model was trained on the targets {ours}; these series have {theirs}.")


def with_a_past(panel: Panel, known: list[tuple[np.ndarray, np.ndarray]]) -> Panel:
    """Return the panel without the items of which nothing is known at some cutoff, and with a note on them.

    Args:
        panel: the series.
        known: for each cutoff the (S,) first position that is known of each series, and the one after the last.
    """
    seen = np.concatenate([[0], np.cumsum(~np.isnan(panel.values))])
    there = np.stack([seen[np.maximum(begin, end)] > seen[begin] for begin, end in known]).all(axis=0)
    items = np.asarray(np.all(there.reshape(-1, panel.n_channels), axis=1))
    if items.all() or not items.any():
        return panel
    left_out = len(items) - int(items.sum())
    first = id_text(panel.item_ids[~items][0])
    note = f"{left_out:,} series are left out of the backtest, without a value before its first cutoff: {first} first."
    return _noted(panel.of_items(np.flatnonzero(items)), (note,))


def _read(
    source: Any,
    config: Config,
    learnt: Features | None,
    min_length: int | MinLength = 1,
    needed_for: str = "one window",
    freq: Frequency | None = None,
) -> Panel:
    columns = {name: getattr(config, name) for name in ("id_col", "time_col", "target_col")}
    return read_panel(
        source,
        **columns,
        freq=config.freq if freq is None else freq,
        static=config.static_covariates,
        past=config.past_covariates,
        future=config.future_covariates,
        learnt=learnt,
        min_length=min_length,
        min_length_for=needed_for,
    )


def _noted(panel: Panel, notes: tuple[str, ...]) -> Panel:
    return replace(panel, notes=(*panel.notes, *notes)) if notes else panel
