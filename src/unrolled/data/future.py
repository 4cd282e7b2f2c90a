"""What is known of the time to come: a table of future covariates, put beside the panel that is to be forecast.

Shapes: I items, h horizon, R rows of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.columns import Columns, Given, find_columns
from unrolled.data.covariate_columns import ColumnRead, learnt_as_texts, read_covariate
from unrolled.data.covariates import MISSING, Features
from unrolled.data.frequency import OFF_GRID
from unrolled.data.panel import Panel
from unrolled.data.sources import Source, first_upper, open_source
from unrolled.data.times import TimeColumn, read_times
from unrolled.data.values import read_ids
from unrolled.data.wording import counted, first_few, id_text, point_text, time_text
from unrolled.errors import DataError, Problems

MOST_SERIES_NAMED = 3


@dataclass(frozen=True)
class _Places:
    """Which rows of the table are of use: their item, and their step ahead counted from 0."""

    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    steps: NDArray[np.int64]
    note: str


def with_future(
    panel: Panel,
    source: Any,
    features: Features,
    h: int,
    *,
    id_col: str | None = None,
    time_col: str | None = None,
) -> Panel:
    """Return a panel that knows its future covariates over the h steps after the end of each item.

    Args:
        panel: The series to forecast.
        source: A table as for `read_panel`, with a row for each series and each of these steps. Columns but those of
            the ids, the times and the future covariates are not looked at, and a target may be there or not. Other
            rows may be there too; a note says so.
        features: What the model reads.
        h: The horizon.
        id_col: The table's column of ids; by default that of the panel's table, or one with a usual name.
        time_col: Its column of times, likewise.

    Raises:
        DataError: Lists everything wrong with the table; rows and values that are missing by id and time.
    """
    problems = Problems()
    opened = open_source(source)
    wanted = [column.name for column in features.of_kind("future")]
    columns = _columns(opened, panel, wanted, id_col, time_col, problems)
    arrays = opened.read(columns.found)
    read = [
        read_covariate(opened, arrays[name], name, learnt_as_texts(features, name), problems)
        for name in columns.covariates
    ]
    places = _places(opened, arrays, columns, panel, h, problems)
    known = {}
    if places is not None:
        _check_all_there(panel, places, h, problems)
        found = [one for one in read if one is not None]
        known = {one.name: _placed(one, places, panel, h, problems) for one in found}
        words = {one.name: one.words for one in found}
    problems.raise_as(DataError, heading=f"{first_upper(opened.name)} of the future cannot be used:")
    assert places is not None
    notes = (*panel.notes, places.note) if places.note else panel.notes
    return replace(panel, covariates=_joined(panel, known, words), notes=notes)


def _columns(
    source: Source, panel: Panel, wanted: list[str], id_col: str | None, time_col: str | None, problems: Problems
) -> Columns:
    """Find the columns: those of the panel's table where they are there."""
    names = source.head.column_names
    given: Given = {
        "id": id_col or (panel.id_col if panel.id_col in names else None),
        "time": time_col or (panel.time_col if panel.time_col in names else None),
    }
    columns = find_columns(source.head, given, problems, dict.fromkeys(wanted, "future"), ("id", "time"))
    if columns.id is None and "id" not in columns.unclear and len(panel.item_ids) > 1:
        near = f" The other table calls it {panel.id_col!r}." if panel.id_col else ""
        problems.add(f"There is no column of ids, and there are {len(panel.item_ids):,} series to forecast.{near}")
    return columns


def _places(
    source: Source, arrays: Mapping[str, Any], columns: Columns, panel: Panel, h: int, problems: Problems
) -> _Places | None:
    times = None
    if columns.time is not None:
        times = read_times(arrays[columns.time], columns.time, source.where, problems)
    items = _items(source, arrays, columns, panel, problems)
    if times is None or items is None or times.unread.any():
        return None
    values = _on_the_panels_clock(times, panel, columns.time or "", problems)
    if values is None:
        return None
    return _useful(values, items if len(items) else np.zeros(len(values), dtype=np.int64), panel, h, problems)


def _items(
    source: Source, arrays: Mapping[str, Any], columns: Columns, panel: Panel, problems: Problems
) -> NDArray[np.int64] | None:
    """Return which item each row is of, -1 for none; nothing where the table has no ids, and one item is meant."""
    if columns.id is None:
        return np.zeros(0, dtype=np.int64) if len(panel.item_ids) == 1 and "id" not in columns.unclear else None
    series = read_ids(arrays[columns.id], columns.id, source.where, problems)
    if series is None:
        return None
    codes, ids = series
    # A file writes every id as text where one of them is none but text.
    numbers = {str(one): number for number, one in enumerate(panel.item_ids.tolist())}
    return np.asarray(np.array([numbers.get(str(one), -1) for one in ids.tolist()], dtype=np.int64)[codes])


def _on_the_panels_clock(times: TimeColumn, panel: Panel, name: str, problems: Problems) -> NDArray[Any] | None:
    """Return times as the panel has them: in UTC, or as the clocks on its wall show them."""
    if (times.kind == "integer") != (panel.freq.unit == "integer"):
        given, other = ("whole numbers", "dates") if times.kind == "integer" else ("dates", "whole numbers")
        problems.add(f"{name!r} holds {given}, and the times of the series are {other}.")
        return None
    zone = panel.table.zone
    if zone is None and times.local is not None:
        return times.local
    if (zone is None) != (times.zone is None):
        given, other = ("a time zone", "none") if zone is None else ("no time zone", zone)
        problems.add(f"{name!r} has {given}, and the times of the series have {other}. Write both alike.")
        return None
    if panel.table.wall_clock:
        return replace(times, zone=zone, local=None).on_wall_clock().values
    return times.values


def _useful(times: NDArray[Any], items: NDArray[np.int64], panel: Panel, h: int, problems: Problems) -> _Places:
    last = panel.item_times[panel.item_offsets[1:] - 1]
    known = np.flatnonzero(items >= 0)
    steps = panel.freq.position(last[items[known]], times[known])
    within = (steps >= 1) & (steps <= h)
    rows = known[within]
    counts = {
        "of the past": (steps != OFF_GRID) & (steps < 1),
        "beyond the horizon": steps > h,
        "between the steps": steps == OFF_GRID,
    }
    unused = [f"{int(where.sum()):,} {what}" for what, where in counts.items() if where.any()]
    if len(known) < len(items):
        unused.append(f"{len(items) - len(known):,} of series that are not forecast")
    places = _Places(rows, items[rows], steps[within] - 1, f"rows of the future not used: {', '.join(unused)}")
    _check_once(places, times, panel, h, problems)
    return places if unused else replace(places, note="")


def _check_once(places: _Places, times: NDArray[Any], panel: Panel, h: int, problems: Problems) -> None:
    counts = np.bincount(places.items * h + places.steps, minlength=len(panel.item_ids) * h)
    again = np.flatnonzero(counts > 1)
    if len(again):
        shown = first_few([_point(panel, int(one) // h, int(one) % h, h) for one in again[:3]], len(again))
        problems.add(f"Times appear more than once: {shown}. A series has one row at a time.")


def _point(panel: Panel, item: int, step: int, h: int) -> str:
    time = panel.future_times(h)[item * panel.n_channels, step]
    return point_text(panel.item_ids[item], time) if len(panel.item_ids) > 1 else time_text(time)


def _check_all_there(panel: Panel, places: _Places, h: int, problems: Problems) -> None:
    """Note the steps ahead of each series that have no row."""
    there = np.zeros((len(panel.item_ids), h), dtype=bool)
    there[places.items, places.steps] = True
    lacking = np.flatnonzero(~there.all(axis=1))
    ahead = f"The next {h} {panel.freq.points}" if h > 1 else "The next step"
    future = panel.future_times(h)[:: panel.n_channels]
    for item in lacking[:MOST_SERIES_NAMED]:
        steps = np.flatnonzero(~there[item])
        shown = first_few([time_text(time) for time in future[item][steps[:3]]], len(steps))
        whose = f" of {id_text(panel.item_ids[item])}" if panel.id_col is not None or len(there) > 1 else ""
        problems.add(f"{ahead}{whose} lack {shown}. Add a row for each.")
    if len(lacking) > MOST_SERIES_NAMED:
        more = len(lacking) - MOST_SERIES_NAMED
        problems.add(f"{more:,} other series lack rows too, {id_text(panel.item_ids[lacking[3]])} first.")


def _placed(column: ColumnRead, places: _Places, panel: Panel, h: int, problems: Problems) -> NDArray[Any]:
    """Return the (I, h) values of a column; rows that are there and have none are noted."""
    ahead = np.full((len(panel.item_ids), h), column.missing, dtype=column.values.dtype)
    ahead[places.items, places.steps] = column.values[places.rows]
    empty = np.flatnonzero(column.is_missing(column.values[places.rows]))
    if len(empty):
        points = [_point(panel, int(places.items[one]), int(places.steps[one]), h) for one in empty[:3]]
        shown = first_few(points, len(empty))
        problems.add(f"{column.name!r} has no value in {counted(len(empty), 'row')} of the future: {shown}. Fill them.")
    return ahead


def _joined(panel: Panel, known: Mapping[str, NDArray[Any]], words: Mapping[str, tuple[str, ...] | None]) -> Any:
    """Return the panel's covariates with these ahead, their texts numbered as those of the past are."""
    assert panel.covariates is not None, "a model's covariates are in the panels read for it"
    ahead, longer = {}, {}
    for name, values in known.items():
        new = words[name]
        if new is not None:
            before = panel.covariates.words[name]
            longer[name] = (*before, *(word for word in new if word not in set(before)))
            numbers = {word: number for number, word in enumerate(longer[name])}
            values = np.array([*(numbers[word] for word in new), MISSING], dtype=np.int32)[values]
        ahead[name] = values
    return panel.covariates.with_ahead(ahead, longer)
