"""From a table to a panel: reading, finding the columns, checking, and putting all series on one grid."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.data.columns import Columns, Given, find_columns, likely_id
from unrolled.data.covariate_columns import ColumnRead, learnt_as_texts, place_covariates, read_covariate
from unrolled.data.covariates import Features, Kind
from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.grid import Grid, Rows, counted_series, make_grid, sort_rows
from unrolled.data.panel import Panel
from unrolled.data.sources import Source, first_upper, open_source
from unrolled.data.times import read_times
from unrolled.data.values import read_ids, read_numbers
from unrolled.data.wording import counted, first_few, id_text, point_text, time_text
from unrolled.errors import DataError, Problems

MinLength = Callable[[Frequency, np.ndarray], int]


def read_panel(
    source: str | os.PathLike[str] | Any,
    *,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | Sequence[str] | None = None,
    freq: str | int | Frequency | None = None,
    static: str | Sequence[str] = (),
    past: str | Sequence[str] = (),
    future: str | Sequence[str] = (),
    learnt: Features | None = None,
    min_length: int | MinLength = 1,
    min_length_for: str = "one window",
) -> Panel:
    """Return the series of a table, each on the same regular grid of times.

    Args:
        source: A path to a CSV file (comma, semicolon or tab; .gz too), a Parquet file or a folder of them; or a
            pandas, polars (eager or lazy) or pyarrow table. Rows may come in any order.
        id_col: The column that names the series. By default the one with a usual name (`unique_id`, `item_id`,
            …); a table without one is one series, named after its target.
        time_col: The column of times. By default the one with a usual name (`ds`, `timestamp`, …), else the
            only one that holds dates.
        target_col: The column to forecast, or several. By default the one with a usual name (`y`, `target`, …),
            else the only one that holds numbers.
        freq: The step from one time to the next, as `Frequency.parse` reads it; inferred by default.
        static: Covariates with one value for the whole series; what names the series may be one of them.
        past: Covariates known up to the end of the series.
        future: Covariates known beyond it.
        learnt: What a model makes of the covariates, so that they are read as the same kinds again.
        min_length: How many points, gaps included, the longest series must have; or a function that says so when
            it is given the frequency and the (S,) lengths.
        min_length_for: What needs them, for the message.

    Returns:
        A panel. Rows that are absent and values that are NaN or null are NaN in it; its notes say how many.

    Raises:
        DataError: The table cannot be used; the message lists everything that is wrong with it.

    Example:
        >>> import pandas as pd
        >>> from unrolled.data.table import read_panel
        >>> days = pd.date_range("2024-01-01", periods=3)
        >>> panel = read_panel(pd.DataFrame({"day": days, "sales": [3, 4, 5]}))
        >>> panel.freq.name, panel.values
        ('daily', array([3., 4., 5.]))
    """
    problems = Problems()
    opened = open_source(source)
    of_kind: dict[Kind, str | Sequence[str]] = {"static": static, "past": past, "future": future}
    given = {name: kind for kind, names in of_kind.items() for name in ((names,) if isinstance(names, str) else names)}
    roles: Given = {"id": id_col, "time": time_col, "target": target_col}
    columns = find_columns(opened.head, roles, problems, given)
    parsed = _parse_freq(freq, problems)
    read = _read_columns(opened, columns, learnt, problems)
    grid = None
    if read.rows is not None and columns.time is not None and (freq is None or parsed is not None):
        grid = make_grid(read.rows, parsed, columns.time, problems)
    if grid is not None:
        lengths = np.diff(grid.offsets)
        points = min_length if isinstance(min_length, int) else min_length(grid.freq, lengths)
        if lengths.max() < points:
            problems.add(f"{short_series(grid.rows.ids, lengths, points, min_length_for)} {LONGER}")
    series = None if grid is None or read.targets is None else _placed(grid, read.targets, columns.targets, problems)
    covariates, lacking = None, tuple[str, ...]()
    if grid is not None and read.covariates is not None and given:
        covariates, lacking = place_covariates(read.covariates, given, grid, problems)
    problems.raise_as(DataError, heading=f"{first_upper(opened.name)} cannot be used:")
    assert grid is not None
    assert series is not None
    notes = (
        _columns_note(columns, grid),
        *_unused_note(columns),
        *(_gaps_note(columns, grid, *one) for one in _by_target(grid, columns, series)),
        *lacking,
    )
    channels = columns.targets if len(columns.targets) > 1 else ()
    each = max(1, len(channels))
    return Panel(
        values=series,
        offsets=_offsets(grid, each),
        ids=np.repeat(grid.rows.ids, each),
        times=_interleaved([grid.times] * each, grid.offsets),
        freq=grid.freq,
        table=_table_kind(opened, columns, grid),
        notes=notes,
        channels=channels,
        covariates=covariates,
        id_col=columns.id,
        time_col=columns.time,
    )


def _parse_freq(freq: str | int | Frequency | None, problems: Problems) -> Frequency | None:
    try:
        return freq if freq is None or isinstance(freq, Frequency) else Frequency.parse(freq)
    except DataError as error:
        problems.add(str(error))
        return None


@dataclass(frozen=True)
class _Read:
    """What was read: the rows in order; numbers and covariates in the table's own. None for what could not be."""

    rows: Rows | None
    targets: list[np.ndarray] | None
    covariates: list[ColumnRead] | None


def _read_columns(source: Source, columns: Columns, learnt: Features | None, problems: Problems) -> _Read:
    # Each column is let go of once it is read, so that a table of ten million rows is not there twice.
    arrays = source.read(columns.found)
    covariates = _read_covariates(source, columns, arrays, learnt, problems)
    read = [read_numbers(arrays.pop(name), name, source.where, problems) for name in columns.targets]
    numbers = [one for one in read if one is not None]
    targets = numbers if numbers and len(numbers) == len(read) and "target" not in columns.unclear else None
    times = series = None
    if columns.time is not None:
        times = read_times(arrays.pop(columns.time), columns.time, source.where, problems)
    if columns.id is not None:
        series = read_ids(arrays.pop(columns.id), columns.id, source.where, problems)
    elif "id" not in columns.unclear and times is not None:
        series = np.zeros(len(times.values), dtype=np.int32), np.array([_only_name(columns)])
    if times is None or series is None:
        return _Read(None, targets, covariates)
    hint = _id_hint(source, columns)
    if not times.unread.any():
        return _Read(sort_rows(*series, times, problems, hint), targets, covariates)
    # What could not be read is noted; the other rows are checked, but no longer stand beside their numbers.
    codes, ids = series
    present, codes = np.unique(codes[~times.unread], return_inverse=True)
    return _Read(sort_rows(codes, ids[present], times.taken(~times.unread), problems, hint), None, None)


def _read_covariates(
    source: Source, columns: Columns, arrays: dict[str, Any], learnt: Features | None, problems: Problems
) -> list[ColumnRead]:
    found = []
    for name in columns.covariates:
        # Ids are names, even those that are written as numbers.
        is_id = name == columns.id
        as_texts = True if is_id else learnt_as_texts(learnt, name)
        array = arrays[name] if is_id else arrays.pop(name)
        found.append(read_covariate(source, array, name, as_texts, problems))
    return [one for one in found if one is not None]


def _only_name(columns: Columns) -> str | None:
    """Return the id of the one series of a table without ids."""
    return "series" if len(columns.targets) > 1 else next(iter(columns.targets), None)


def _id_hint(source: Source, columns: Columns) -> str:
    likely = likely_id(source.head, (*columns.unused, *columns.covariates)) if columns.id is None else None
    if likely is None:
        return ""
    return f" Is {likely!r} the id column? Give id_col={likely!r} (on the command line --id-col {likely})."


def short_series(ids: np.ndarray, lengths: np.ndarray, points: int, needed_for: str = "one window") -> str | None:
    """Return what to say of the series with fewer than `points` points, or None when there are none."""
    short = np.flatnonzero(lengths < points)
    if not len(short):
        return None
    shown = [f"{id_text(ids[s])} ({lengths[s]})" for s in short[:5]]
    return (
        f"{counted_series(len(short))} shorter than {needed_for} of {counted(points, 'point')}: {_some(shown, short)}."
    )


LONGER = "Give longer ones, or choose a smaller input_size or h."


def _some(shown: list[str], of: Any) -> str:
    return first_few(shown, len(of))


def _offsets(grid: Grid, each: int) -> np.ndarray:
    lengths = np.repeat(np.diff(grid.offsets), each)
    return np.concatenate([[0], np.cumsum(lengths)])


def _placed(grid: Grid, targets: list[np.ndarray], names: tuple[str, ...], problems: Problems) -> np.ndarray:
    """Return the values of all series on the grid, the targets of each id after each other."""
    placed = [grid.place(numbers) for numbers in targets]
    for name, values in zip(names, placed, strict=True):
        _check_observed(grid, values, f" of {name!r}" if len(names) > 1 else "", problems)
    return _interleaved(placed, grid.offsets)


def _interleaved(parts: list[np.ndarray], offsets: np.ndarray) -> np.ndarray:
    """Return arrays of all items' points as one, the parts of each item after each other."""
    each = len(parts)
    if each == 1:
        return parts[0]
    whole = np.empty(each * len(parts[0]), dtype=parts[0].dtype)
    lengths = np.diff(offsets)
    # Each item's first part begins where the items before it, all parts of them, end.
    at = np.arange(len(parts[0])) + np.repeat((each - 1) * offsets[:-1], lengths)
    for part in parts:
        whole[at] = part
        at += np.repeat(lengths, lengths)
    return whole


def _by_target(grid: Grid, columns: Columns, series: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the name and the values of each target; of a single one the name is that of the times."""
    each = len(columns.targets)
    if each == 1:
        return [("", series)]
    numbers = np.repeat(np.arange(each * len(grid.rows.ids)) % each, np.repeat(np.diff(grid.offsets), each))
    return [(f", {name}", series[numbers == k]) for k, name in enumerate(columns.targets)]


def _check_observed(grid: Grid, values: np.ndarray, of: str, problems: Problems) -> None:
    observed = np.logical_or.reduceat(~np.isnan(values), grid.offsets[:-1])
    empty = np.flatnonzero(~observed)
    if len(empty):
        shown = [id_text(grid.rows.ids[s]) for s in empty[:5]]
        problems.add(f"{counted_series(len(empty))} without any value{of}: {_some(shown, empty)}. Leave them out.")


def _table_kind(source: Source, columns: Columns, grid: Grid) -> TableKind:
    times = grid.rows.times
    # Dates alone could not hold the hours that a user asks for with freq="h".
    dates_suffice = times.kind != "date" or grid.freq.is_daily_or_longer
    return TableKind(
        library=source.library,
        id_dtype=source.dtype(columns.id) if columns.id is not None else "",
        time=times.kind if dates_suffice else "datetime",
        time_unit=times.unit,
        zone=times.zone,
        wall_clock=times.wall_clock,
    )


def _columns_note(columns: Columns, grid: Grid) -> str:
    series = f"{columns.id} names the {len(grid.rows.ids):,} series" if columns.id is not None else "one series"
    *others, last = columns.targets
    targets = f"{', '.join(others)} and {last} the targets" if others else f"{last} the target"
    known = "".join(f"; {name} is a {kind} covariate" for name, kind in columns.covariates.items())
    return f"columns: {columns.time} is the time, {targets}; {series}{known}"


def _unused_note(columns: Columns) -> tuple[str, ...]:
    return (f"columns not used: {', '.join(columns.unused)}",) if columns.unused else ()


def _gaps_note(columns: Columns, grid: Grid, target: str, values: np.ndarray) -> str:
    what = f"{columns.time}{target}: {grid.freq.name}"
    missing = np.flatnonzero(np.isnan(values))
    if not len(missing):
        return f"{what}; no gaps"
    absent = len(values) - int(grid.rows.offsets[-1])
    series = int(np.searchsorted(grid.offsets, missing[0], side="right")) - 1
    time = grid.times[missing[0]]
    first = time_text(time) if len(grid.rows.ids) == 1 else point_text(grid.rows.ids[series], time)
    how = ((absent, "no row"), (len(missing) - absent, "no value"))
    parts = " and ".join(f"{count:,} with {lack}" for count, lack in how if count)
    return (
        f"{what}; {len(missing):,} of {len(values):,} {grid.freq.points} are missing, "
        f"{parts} (first {first}), and are masked"
    )
