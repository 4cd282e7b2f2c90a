"""From rows in any order to series on one regular grid: sorting, repeated times, the frequency, the gaps.

R is the number of rows, S the number of series, P the number of points on the grid (R and the absent ones).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unrolled.data.frequency import OFF_GRID, Frequency, commonest, infer_frequency, starts_series
from unrolled.data.times import TimeColumn, looks_like_days
from unrolled.data.wording import counted, first_few, id_text, point_text, time_text
from unrolled.errors import Problems

_MOST_POINTS = 10_000_000
_MOST_POINTS_A_ROW = 50
# Longest step that still follows UTC: a local day is 23 hours long when clocks go forward.
_LONGEST_HOURS = np.timedelta64(22, "h")


@dataclass(frozen=True)
class Rows:
    """The rows of a table, series by series and rising in time, no time twice.

    Attributes:
        offsets: (S+1,) rows `offsets[s]:offsets[s + 1]` are series s.
        ids: (S,) the name of each series.
        times: Those of the R rows.
        order: (R,) where each row was in the table, or None if they are the table's rows as they stand.
    """

    offsets: np.ndarray
    ids: np.ndarray
    times: TimeColumn
    order: np.ndarray | None

    @property
    def counts(self) -> np.ndarray:
        """(S,) how many rows each series has."""
        return np.diff(self.offsets)

    @property
    def series(self) -> np.ndarray:
        """(R,) which series each row belongs to."""
        return np.repeat(np.arange(len(self.ids)), self.counts)

    @property
    def starts(self) -> np.ndarray:
        """(R,) the first time of each row's series."""
        return np.repeat(self.times.values[self.offsets[:-1]], self.counts)

    @property
    def steps(self) -> np.ndarray:
        """Every step from one row to the next of the same series."""
        return np.asarray(np.diff(self.times.values)[~starts_series(self.offsets)[1:]])

    def point(self, row: Any) -> str:
        """Return a row's id and time in words."""
        series = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return _point(self.ids, series, self.times.values[row])


@dataclass(frozen=True)
class Grid:
    """Where the rows of a table are on the complete grid.

    Attributes:
        freq: The step of the grid.
        offsets: (S+1,) points `offsets[s]:offsets[s + 1]` are series s.
        times: (P,) the time of each point.
        at: (R,) the point of each row, or None if no row is absent.
        rows: The rows themselves.
    """

    freq: Frequency
    offsets: np.ndarray
    times: np.ndarray
    at: np.ndarray | None
    rows: Rows

    def place(self, numbers: np.ndarray, missing: float = np.nan) -> np.ndarray:
        """Return (P,) the table's numbers on the grid, `missing` at the points that no row has."""
        if self.rows.order is not None:
            numbers = numbers[self.rows.order]
        if self.at is None:
            return numbers
        values = np.full(len(self.times), missing, dtype=numbers.dtype)
        values[self.at] = numbers
        return values


def sort_rows(codes: np.ndarray, ids: np.ndarray, times: TimeColumn, problems: Problems, hint: str = "") -> Rows:
    """Return the rows in order, without those that repeat a time.

    Args:
        codes: (R,) the series of each row, in the table's order.
        ids: (S,) the name of each series.
        times: Those of the R rows, in the table's order.
        problems: Where repeated times are noted.
        hint: What to add to that.
    """
    order = None if _in_order(codes, times.values) else np.lexsort((times.values, codes))
    if order is not None:
        codes, times = codes[order], times.taken(order)
    again = np.zeros(len(codes), dtype=bool)
    again[1:] = (codes[1:] == codes[:-1]) & (times.values[1:] == times.values[:-1])
    if not again.any():
        return Rows(_offsets(codes, len(ids)), ids, times, order)
    first = [_point(ids, codes[row], times.values[row]) for row in np.flatnonzero(again)[:3]]
    count = int(again.sum())
    problems.add(
        f"Times appear more than once, in {counted(count, 'row')}: {first_few(first, count)}. "
        f"A series has one row at a time.{hint}"
    )
    kept = np.flatnonzero(~again)
    order = kept if order is None else order[kept]
    return Rows(_offsets(codes[kept], len(ids)), ids, times.taken(kept), order)


def _point(ids: np.ndarray, series: Any, time: Any) -> str:
    """Return a point in words: the time alone where there is one series."""
    return time_text(time) if len(ids) == 1 else point_text(ids[series], time)


def _in_order(codes: np.ndarray, times: np.ndarray) -> bool:
    rising = (codes[1:] == codes[:-1]) & (times[1:] >= times[:-1])
    return bool((rising | (codes[1:] > codes[:-1])).all())


def _offsets(codes: np.ndarray, series: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=series))])


def make_grid(rows: Rows, freq: Frequency | None, name: str, problems: Problems) -> Grid | None:
    """Return the grid that the rows are on; None if they are not on one.

    Args:
        rows: All rows in order.
        freq: As the user gave it, or None to infer it.
        name: The time column's, for messages.
        problems: Where it is noted why there is no grid.
    """
    rows = _with_fitting_clock(rows, freq)
    inferred = freq or infer_frequency(rows.times.values, rows.offsets)
    if inferred is None:
        problems.add(_no_steps(rows, name))
        return None
    if (inferred.unit == "integer") != (rows.times.kind == "integer"):
        problems.add(_wrong_unit(rows, inferred, name))
        return None
    positions = inferred.position(rows.starts, rows.times.values)
    if not _fits(rows, positions, inferred, freq is None, name, problems):
        return None
    return _completed(rows, positions, inferred, problems)


def _with_fitting_clock(rows: Rows, freq: Frequency | None) -> Rows:
    """Return the rows on local time if their step is a day or longer, or is even there alone; else in UTC."""
    if rows.times.zone is None:
        return rows
    steps = rows.steps
    if freq is None:
        by_calendar = len(steps) > 0 and np.sort(steps)[len(steps) // 2] > _LONGEST_HOURS
    else:
        by_calendar = freq.is_daily_or_longer
    if not by_calendar and not _uneven(steps):
        return rows
    local = replace(rows, times=rows.times.on_wall_clock())
    return local if by_calendar or _uneven(local.steps) < _uneven(steps) else rows


def _uneven(steps: np.ndarray) -> int:
    """Return how many steps are no multiple of the commonest, as local noons are not in UTC when clocks change."""
    lengths = steps.astype(np.int64)
    # A step of no length is an hour that local clocks show twice.
    return int(np.count_nonzero((lengths % commonest(lengths) != 0) | (lengths <= 0))) if len(lengths) else 0


def _no_steps(rows: Rows, name: str) -> str:
    if len(rows.ids) > 1:
        return (
            "Every series has one row alone, so that no frequency can be inferred. Does the id column number "
            "the rows? Leave it out, or say which column is the id: id_col=... (on the command line --id-col)."
        )
    return f"{name!r} has one time alone, so that no frequency can be inferred. {_give_freq(rows)}"


def _give_freq(rows: Rows) -> str:
    if rows.times.kind != "integer":
        return "Give the frequency: freq='h' (on the command line --freq h)."
    if looks_like_days(rows.times.values):
        return "If they are dates, write them like 2024-01-31."
    return "Give the step: freq=1 (on the command line --freq 1)."


def _wrong_unit(rows: Rows, freq: Frequency, name: str) -> str:
    if freq.unit == "integer":
        return f"freq={freq.step} counts whole numbers, but {name!r} holds dates. Give a code such as 'h' or 'D'."
    return f"freq is {freq.name}, but {name!r} holds whole numbers. Give a number such as freq=1, or make dates."


def _fits(rows: Rows, positions: np.ndarray, freq: Frequency, inferred: bool, name: str, problems: Problems) -> bool:
    """Note series with a frequency of their own and times off the grid; return whether there are none."""
    off = positions == OFF_GRID
    others = _other_frequencies(rows, positions, off, freq) if inferred else {}
    if others:
        problems.add(_mixed(rows, freq, others))
        off &= ~np.isin(rows.series, np.concatenate(list(others.values())))
    wrong = np.flatnonzero(off)
    if not len(wrong):
        return not others
    shown = first_few([rows.point(row) for row in wrong[:3]], len(wrong))
    advice = f"Correct or round these times. {_give_freq(rows)}" if inferred else "Correct them, or give another freq."
    fit = "1 time does not fit" if len(wrong) == 1 else f"{len(wrong):,} times do not fit"
    what = f"{name!r} is mostly {freq.name}" if inferred else f"{name!r}: freq is {freq.name}"
    problems.add(f"{what}, but {fit}: {shown}. {advice}")
    return False


def _other_frequencies(rows: Rows, positions: np.ndarray, off: np.ndarray, freq: Frequency) -> dict[str, list[int]]:
    """Return the series that keep to a frequency of their own, by its name."""
    others: dict[str, list[int]] = {}
    for series in np.flatnonzero(_suspects(rows, positions, off)):
        times = rows.times.values[rows.offsets[series] : rows.offsets[series + 1]]
        own = infer_frequency(times, np.array([0, len(times)]))
        if own is not None and own != freq and _keeps_to(own, times):
            others.setdefault(own.name, []).append(int(series))
    return others


def _keeps_to(freq: Frequency, times: np.ndarray) -> bool:
    """Return whether all times are on this grid, and most of them next to each other."""
    positions = freq.position(times[0], times)
    return bool((positions != OFF_GRID).all() and (np.diff(positions) == 1).mean() >= 0.5)


def _suspects(rows: Rows, positions: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Return (S,) which series have times off the grid, or at least three steps, none of them a single one."""
    steps = np.diff(positions, prepend=0)
    first = rows.offsets[:-1]
    steps[first] = 0
    single = np.logical_or.reduceat(steps == 1, first)
    return np.logical_or.reduceat(off, first) | (~single & (rows.counts > 3))


def _mixed(rows: Rows, freq: Frequency, others: dict[str, list[int]]) -> str:
    other = {series for group in others.values() for series in group}
    same = [series for series in range(len(rows.ids)) if series not in other]
    groups = {freq.name: same, **others} if same else others
    named = [f"{name} ({counted_series(len(group))}: {_some_ids(rows, group)})" for name, group in groups.items()]
    return f"The series mix frequencies: {'; '.join(named)}. Use one frequency at a time, or resample them to one."


def counted_series(count: int) -> str:
    """Return "1 series" or "2,000 series"."""
    return f"{count:,} series"


def _some_ids(rows: Rows, series: list[int]) -> str:
    return first_few([id_text(rows.ids[s]) for s in series[:3]], len(series))


def _completed(rows: Rows, positions: np.ndarray, freq: Frequency, problems: Problems) -> Grid | None:
    lengths = positions[rows.offsets[1:] - 1] + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    points, given = int(offsets[-1]), len(positions)
    if points == given:
        return Grid(freq, offsets, rows.times.values, None, rows)
    if too_many_points(points, given):
        problems.add(
            f"The whole grid ({freq.name}) would have {points:,} points for {given:,} rows, nearly all missing. "
            "Is the frequency right, and are the first and last times? Give a longer one as freq=..."
        )
        return None
    firsts = offsets[:-1]
    since = np.arange(points) - np.repeat(firsts, lengths)
    times = freq.advance(np.repeat(rows.times.values[rows.offsets[:-1]], lengths), since)
    return Grid(freq, offsets, times, positions + np.repeat(firsts, rows.counts), rows)


def too_many_points(points: int, given: int) -> bool:
    """Return whether a grid would hold so many points for those given that something is wrong with the times."""
    return points > max(_MOST_POINTS, _MOST_POINTS_A_ROW * given)
