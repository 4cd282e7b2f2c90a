"""A panel: all series of a table, each on the same regular grid of times, in one flat array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64

from unrolled.data.covariates import Covariates
from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.wording import first_few, id_text
from unrolled.errors import DataError


@dataclass(frozen=True, eq=False)
class Panel:
    """Series of any length on one regular grid. P points in all, S series with S+1 boundaries.

    Attributes:
        values: (P,) all series end to end; NaN where the table had no row or no value.
        offsets: (S+1,) series s is `values[offsets[s]:offsets[s + 1]]`. No series is empty.
        ids: (S,) the name of each series, in the order in which the table brings them: text or whole numbers.
        times: (P,) the time of each point, gaps included: datetime64[us] or int64. Times with a zone are in
            UTC, or on the local wall clock where a step takes a day or longer, or is even there alone;
            `table` says which.
        freq: The step from one point to the next, the same for all series.
        table: What it takes to give a table of the input's kind back; see `frames.to_native`.
        notes: What was found in the table, in sentences for the user.
        channels: The names of several targets. Each is a series of its own: those of one id, an item, lie beside
            each other, equally long. Empty for a single target.
        covariates: What else is known of the items, if anything.
        id_col: What the table called its column of ids, None where it had none.
        time_col: What it called its times.
    """

    values: Float64[np.ndarray, " P"]
    offsets: Int64[np.ndarray, " boundaries"]
    ids: np.ndarray
    times: np.ndarray
    freq: Frequency
    table: TableKind
    notes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    covariates: Covariates | None = None
    id_col: str | None = None
    time_col: str | None = None

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> Int64[np.ndarray, " S"]:
        """The number of points of each series, gaps included."""
        return np.diff(self.offsets)

    def future_times(self, h: int) -> np.ndarray:
        """Return the (S, h) times that follow each series' last, in the type of `times`."""
        last = self.times[self.offsets[1:] - 1]
        return self.freq.advance(last[:, None], np.arange(1, h + 1))

    @property
    def n_channels(self) -> int:
        """How many series each item has: one for each target."""
        return max(1, len(self.channels))

    @property
    def names(self) -> np.ndarray:
        """(S,) what a person calls each series: its id, and its target where there are several."""
        if not self.channels:
            return np.asarray(self.ids.astype(str))
        if self.id_col is None and len(self) == self.n_channels:
            return np.array(self.channels)
        targets = np.tile(np.array(self.channels), len(self) // self.n_channels)
        return np.array([f"{one} · {target}" for one, target in zip(self.ids, targets, strict=True)])

    @property
    def item_ids(self) -> np.ndarray:
        """(I,) the name of each item."""
        return self.ids[:: self.n_channels]

    @cached_property
    def item_offsets(self) -> Int64[np.ndarray, " boundaries"]:
        """(I+1,) where each item's points begin among those of all items: a point of all targets counts once."""
        return np.concatenate([[0], np.cumsum(self.lengths[:: self.n_channels])]).astype(np.int64)

    @property
    def item_times(self) -> np.ndarray:
        """The time of each point of the items."""
        if self.n_channels == 1:
            return self.times
        return np.asarray(self.times[np.repeat(np.arange(len(self)) % self.n_channels == 0, self.lengths)])

    def of_items(self, items: np.ndarray) -> Panel:
        """Return the panel of some items alone, given as their numbers, rising."""
        chosen = np.zeros(len(self) // self.n_channels, dtype=bool)
        chosen[items] = True
        series = np.repeat(chosen, self.n_channels)
        points, lengths = np.repeat(series, self.lengths), self.lengths[series]
        item_points = np.repeat(chosen, np.diff(self.item_offsets))
        return replace(
            self,
            values=self.values[points],
            times=self.times[points],
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            ids=self.ids[series],
            covariates=None if self.covariates is None else self.covariates.of_items(chosen, item_points),
        )

    def drop_last(self, n: int) -> Panel:
        """Return the panel without the last `n` points of every series.

        What future covariates were at these points is known ahead from now on. A panel of one series shares its
        arrays with the result; several series are copied, since they lie end to end.

        Raises:
            DataError: That would leave a series empty.
        """
        if n == 0:
            return self
        self._check_longer_than(n)
        offsets = self.offsets - n * np.arange(len(self.offsets))
        covariates = self.covariates
        if covariates is not None:
            covariates = covariates.drop_last(n, ~_last(self.item_offsets, n))
        if len(self) == 1:
            values, times = self.values[:-n], self.times[:-n]
        else:
            keep = ~_last(self.offsets, n)
            values, times = self.values[keep], self.times[keep]
        return replace(self, values=values, times=times, offsets=offsets, covariates=covariates)

    def keep_last(self, n: int) -> Panel:
        """Return the panel with only the last `n` points of every series; one that has fewer stays whole."""
        offsets = np.concatenate([[0], np.cumsum(np.minimum(self.lengths, n))])
        keep, covariates = _last(self.offsets, n), self.covariates
        if covariates is not None:
            covariates = covariates.of_points(_last(self.item_offsets, n))
        return replace(self, values=self.values[keep], times=self.times[keep], offsets=offsets, covariates=covariates)

    def _check_longer_than(self, n: int) -> None:
        short = np.flatnonzero(self.lengths <= n)
        if len(short):
            named = first_few([f"{id_text(self.ids[s])} ({self.lengths[s]})" for s in short[:5]], len(short))
            raise DataError(f"{len(short):,} series have no more than {n} points to leave out: {named}.")


def _last(offsets: Int64[np.ndarray, " boundaries"], n: int) -> Bool[np.ndarray, " P"]:
    """Return which points are among the last `n` of their series."""
    # Steps of a flag: +1 where the kept points of a series begin, -1 where the next series does.
    steps = np.zeros(int(offsets[-1]) + 1, dtype=np.int8)
    steps[np.maximum(offsets[:-1], offsets[1:] - n)] = 1
    steps[offsets[1:]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)
