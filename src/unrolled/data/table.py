"""From a table to a panel: reading, finding the columns, checking, and putting all series on one grid."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from unrolled.data.columns import Columns, find_columns, likely_id
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
    target_col: str | None = None,
    freq: str | int | None = None,
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
        target_col: The column to forecast. By default the one with a usual name (`y`, `target`, …), else the
            only one that holds numbers.
        freq: The step from one time to the next, as `Frequency.parse` reads it; inferred by default.
        min_length: How many points, gaps included, every series must have; or a function that says so when it
            is given the frequency and the (S,) lengths.
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
    columns = find_columns(opened.head, {"id": id_col, "time": time_col, "target": target_col}, problems)
    parsed = _parse_freq(freq, problems)
    rows, numbers = _read_columns(opened, columns, problems)
    grid = None
    if rows is not None and columns.time is not None and (freq is None or parsed is not None):
        grid = make_grid(rows, parsed, columns.time, problems)
    if grid is not None:
        lengths = np.diff(grid.offsets)
        points = min_length if isinstance(min_length, int) else min_length(grid.freq, lengths)
        if short := short_series(grid.rows.ids, lengths, points, min_length_for):
            problems.add(short)
    values = None if grid is None or numbers is None else grid.place(numbers)
    if grid is not None and values is not None:
        _check_observed(grid, values, problems)
    problems.raise_as(DataError, heading=f"{first_upper(opened.name)} cannot be used:")
    assert grid is not None
    assert values is not None
    kind = _table_kind(opened, columns, grid)
    notes = (_columns_note(columns, grid), *_unused_note(columns), _gaps_note(columns, grid, values))
    return Panel(values, grid.offsets, grid.rows.ids, grid.times, grid.freq, kind, notes)


def _parse_freq(freq: str | int | None, problems: Problems) -> Frequency | None:
    try:
        return None if freq is None else Frequency.parse(freq)
    except DataError as error:
        problems.add(str(error))
        return None


def _read_columns(source: Source, columns: Columns, problems: Problems) -> tuple[Rows | None, np.ndarray | None]:
    """Return the rows in order, and the numbers in the table's own; None for what could not be read."""
    arrays = source.read(columns.found)
    numbers = times = series = None
    if columns.target is not None:
        numbers = read_numbers(arrays[columns.target], columns.target, source.where, problems)
    if columns.time is not None:
        times = read_times(arrays[columns.time], columns.time, source.where, problems)
    if columns.id is not None:
        series = read_ids(arrays[columns.id], columns.id, source.where, problems)
    elif "id" not in columns.unclear and times is not None:
        series = np.zeros(len(times.values), dtype=np.int32), np.array([columns.target])
    if times is None or series is None:
        return None, numbers
    hint = _id_hint(source, columns)
    if not times.unread.any():
        return sort_rows(*series, times, problems, hint), numbers
    # What could not be read is noted; the other rows are checked, but no longer stand beside their numbers.
    codes, ids = series
    present, codes = np.unique(codes[~times.unread], return_inverse=True)
    return sort_rows(codes, ids[present], times.taken(~times.unread), problems, hint), None


def _id_hint(source: Source, columns: Columns) -> str:
    likely = likely_id(source.head, columns.unused) if columns.id is None else None
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
        f"{counted_series(len(short))} shorter than {needed_for} of {counted(points, 'point')}: "
        f"{first_few(shown, len(short))}. Leave them out, or choose a smaller input_size or h."
    )


def _check_observed(grid: Grid, values: np.ndarray, problems: Problems) -> None:
    observed = np.logical_or.reduceat(~np.isnan(values), grid.offsets[:-1])
    empty = np.flatnonzero(~observed)
    if len(empty):
        shown = [id_text(grid.rows.ids[s]) for s in empty[:5]]
        problems.add(f"{counted_series(len(empty))} without any value: {first_few(shown, len(empty))}. Leave them out.")


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
    return f"columns: {columns.time} is the time, {columns.target} the target; {series}"


def _unused_note(columns: Columns) -> tuple[str, ...]:
    return (f"columns not used: {', '.join(columns.unused)}",) if columns.unused else ()


def _gaps_note(columns: Columns, grid: Grid, values: np.ndarray) -> str:
    missing = np.flatnonzero(np.isnan(values))
    if not len(missing):
        return f"{columns.time}: {grid.freq.name}; no gaps"
    absent = len(values) - int(grid.rows.offsets[-1])
    series = int(np.searchsorted(grid.offsets, missing[0], side="right")) - 1
    time = grid.times[missing[0]]
    first = time_text(time) if len(grid.rows.ids) == 1 else point_text(grid.rows.ids[series], time)
    how = ((absent, "no row"), (len(missing) - absent, "no value"))
    parts = " and ".join(f"{count:,} with {what}" for count, what in how if count)
    return (
        f"{columns.time}: {grid.freq.name}; {len(missing):,} of {len(values):,} {grid.freq.points} are missing, "
        f"{parts} (first {first}), and are masked"
    )
