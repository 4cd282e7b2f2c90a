"""New data put to a panel: new rows after the old ones, new values in the place of old ones, new series at the end.

Shapes: S series of the old panel, A of the new one, J of both; P points of the old, Q of the new, R of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.covariates import MISSING, Covariates
from unrolled.data.frequency import OFF_GRID
from unrolled.data.grid import too_many_points
from unrolled.data.panel import Panel
from unrolled.data.wording import first_few, point_text
from unrolled.errors import DataError, Problems

IntArray = NDArray[np.int64]


def joined_panel(old: Panel, new: Panel) -> Panel:
    """Return the series of both panels, which have the same frequency and targets.

    Where both have a point the new value counts, unless it is missing. What lies between is missing. What was known
    of the time after the old series' ends is not kept.

    Raises:
        DataError: names what does not go together.
    """
    problems = Problems()
    _check_kinds(old, new, problems)
    problems.raise_as(DataError, "This table can't be put to the series that are known:")
    places = _places(old, new, problems)
    problems.raise_as(DataError, "This table can't be put to the series that are known:")
    fresh = np.repeat(places.fresh, new.n_channels)
    starts = np.concatenate([places.starts, new.times[new.offsets[:-1]][:: new.n_channels][places.fresh]])
    series = places.of_series(old.n_channels)
    since = np.arange(series.offsets[-1]) - np.repeat(series.offsets[:-1], np.diff(series.offsets))
    first = np.repeat(starts, old.n_channels)
    return replace(
        old,
        values=series.placed(old.values, new.values, np.isnan(new.values), np.nan),
        offsets=series.offsets,
        ids=np.concatenate([old.ids, new.ids[fresh]]),
        times=old.freq.advance(np.repeat(first, np.diff(series.offsets)), since),
        notes=new.notes,
        covariates=_joined_covariates(old.covariates, new.covariates, places),
    )


@dataclass(frozen=True)
class _Places:
    """Where the points of both panels come to lie.

    offsets: (J+1,) of what comes of them. old_at, new_at: (P,), (Q,) the place of each point. items: (A,) which item
    each new one is. fresh: (A,) which are of new ids. starts: (S,) the first time of each old one from now on.
    """

    offsets: IntArray
    old_at: IntArray
    new_at: IntArray
    items: IntArray
    fresh: NDArray[np.bool_]
    starts: NDArray[Any]
    old_lengths: IntArray
    new_lengths: IntArray

    def placed(self, old: NDArray[Any], new: NDArray[Any], lacking: NDArray[np.bool_], missing: Any) -> NDArray[Any]:
        """Return (R,) values of both; `missing` where neither has any."""
        found = np.full(int(self.offsets[-1]), missing, dtype=np.result_type(old, new))
        found[self.old_at] = old
        found[self.new_at[~lacking]] = new[~lacking]
        return found

    def of_series(self, channels: int) -> _Places:
        """Return the places of series from those of items, each of which has several beside each other."""
        if channels == 1:
            return self
        lengths = np.repeat(np.diff(self.offsets), channels)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return replace(
            self,
            offsets=offsets,
            old_at=_spread(self.old_at, self.old_lengths, self.offsets, offsets, channels, np.arange(len(self.starts))),
            new_at=_spread(self.new_at, self.new_lengths, self.offsets, offsets, channels, self.items),
        )


def _spread(
    at: IntArray, lengths: IntArray, begins: IntArray, wide: IntArray, channels: int, items: IntArray
) -> IntArray:
    """Return the places of an item's points in each of its series."""
    parts = []
    ends = np.cumsum(lengths)
    for length, end, item in zip(lengths, ends, items, strict=True):
        within = at[end - length : end] - begins[item]
        parts += [wide[item * channels + channel] + within for channel in range(channels)]
    return np.concatenate(parts)


def _places(old: Panel, new: Panel, problems: Problems) -> _Places:
    """Return where everything comes to lie; note the series whose times are between the steps of what is known."""
    old_starts, new_starts = (one.item_times[one.item_offsets[:-1]] for one in (old, new))
    old_lengths, new_lengths = np.diff(old.item_offsets), np.diff(new.item_offsets)
    number_of = {item: number for number, item in enumerate(old.item_ids.tolist())}
    known = np.array([number_of.get(item, -1) for item in new.item_ids.tolist()])
    fresh = known < 0
    after = np.zeros(len(known), dtype=np.int64)
    after[~fresh] = old.freq.position(old_starts[known[~fresh]], new_starts[~fresh])
    _check_grid(new, after, new_starts, problems)
    after[after == OFF_GRID] = 0
    before = np.zeros(len(old_starts), dtype=np.int64)  # points that come before what was known
    before[known[~fresh]] = np.maximum(-after[~fresh], 0)
    lengths = old_lengths + before
    np.maximum.at(lengths, known[~fresh], (before[known] + after + new_lengths)[~fresh])
    lengths = np.concatenate([lengths, new_lengths[fresh]])
    items = np.where(fresh, len(old_starts) + np.cumsum(fresh) - 1, known)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    given = len(old.item_times) + len(new.item_times)
    problems.check(
        not too_many_points(int(offsets[-1]), given),
        f"The series would have {int(offsets[-1]):,} points for {given:,} that are known. Are the times right?",
    )
    into = np.where(fresh, 0, before[known] + after)
    return _Places(
        offsets=offsets,
        old_at=_counted_from(offsets[: len(old_starts)] + before, old_lengths),
        new_at=_counted_from(offsets[items] + into, new_lengths),
        items=items,
        fresh=fresh,
        starts=old.freq.advance(old_starts, -before),
        old_lengths=old_lengths,
        new_lengths=new_lengths,
    )


def _counted_from(begins: IntArray, lengths: IntArray) -> IntArray:
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1]) + np.repeat(begins - (ends - lengths), lengths))


def _check_grid(new: Panel, after: IntArray, starts: NDArray[Any], problems: Problems) -> None:
    off = np.flatnonzero(after == OFF_GRID)
    if len(off):
        shown = first_few([point_text(new.item_ids[s], starts[s]) for s in off[:3]], len(off))
        problems.add(f"Times lie between the {new.freq.name} steps of the series: {shown}. Correct or round them.")


def _check_kinds(old: Panel, new: Panel, problems: Problems) -> None:
    zones = [f"in the zone {one.table.zone}" if one.table.zone else "without a zone" for one in (old, new)]
    same = (old.table.zone, old.table.wall_clock) == (new.table.zone, new.table.wall_clock)
    problems.check(same, f"Its times are {zones[1]}; those of the series are {zones[0]}.")
    kinds = ["whole numbers" if one.ids.dtype.kind in "iu" else "texts" for one in (old, new)]
    problems.check(kinds[0] == kinds[1], f"Its ids are {kinds[1]}; those of the series are {kinds[0]}.")


def _joined_covariates(old: Covariates | None, new: Covariates | None, places: _Places) -> Covariates | None:
    if old is None or new is None:
        return None
    words = {name: _all_words(old, new, name) for name in old.words}
    values = {name: _joined_column(old, new, name, words, places) for name in old.kinds}
    return Covariates(old.kinds, values, {}, words)


def _all_words(old: Covariates, new: Covariates, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old.words[name], *new.words[name])))


def _joined_column(
    old: Covariates, new: Covariates, name: str, words: Mapping[str, tuple[str, ...]], places: _Places
) -> NDArray[Any]:
    before, after = old.values[name], new.values[name]
    if name in words:
        after = _recoded(after, new.words[name], words[name])
    missing: float = MISSING if name in words else np.nan
    lacking = after == MISSING if name in words else np.isnan(after)
    if old.kinds[name] != "static":
        return places.placed(before, after, lacking, missing)
    found = np.full(len(places.offsets) - 1, missing, dtype=np.result_type(before, after))
    found[: len(before)] = before
    found[places.items[~lacking]] = after[~lacking]
    return found


def _recoded(codes: NDArray[Any], words: tuple[str, ...], all_words: tuple[str, ...]) -> NDArray[Any]:
    """Return codes by the place of their texts among others."""
    place = {word: number for number, word in enumerate(all_words)}
    table = np.array([*(place[word] for word in words), MISSING], dtype=codes.dtype)
    return np.asarray(table[codes])  # MISSING, -1, is the last
