"""A panel: all series of a table, each on the same regular grid of times, in one flat array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from unrolled.data.covariates import Covariates
from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.data.wording import id_text
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
        channels: The names of several targets. Each is a series of its own: those of one id lie beside each other,
            equally long. Empty for a single target.
        covariates: What else is known of the series, if anything.
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

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @property
    def lengths(self) -> Int64[np.ndarray, " S"]:
        """The number of points of each series, gaps included."""
        return np.diff(self.offsets)

    @cached_property
    def has_missing(self) -> bool:
        """Whether any point has no value."""
        return bool(np.isnan(self.values).any())

    def future_times(self, h: int) -> np.ndarray:
        """Return the (S, h) times that follow each series' last, in the type of `times`."""
        last = self.times[self.offsets[1:] - 1]
        return self.freq.advance(last[:, None], np.arange(1, h + 1))

    def drop_last(self, n: int) -> Panel:
        """Return the panel without the last `n` points of every series.

        A panel of one series shares its arrays with the result; several series are copied, since they lie
        end to end.

        Raises:
            DataError: That would leave a series empty.
        """
        if n == 0:
            return self
        self._check_longer_than(n)
        offsets = self.offsets - n * np.arange(len(self.offsets))
        if len(self) == 1:
            return replace(self, values=self.values[:-n], times=self.times[:-n], offsets=offsets)
        # Steps of a flag: +1 where a series starts, -1 where its dropped points do.
        kept = np.zeros(len(self.values), dtype=np.int8)
        kept[self.offsets[:-1]] = 1
        kept[self.offsets[1:] - n] -= 1
        keep = np.cumsum(kept, dtype=np.int8).astype(bool)
        return replace(self, values=self.values[keep], times=self.times[keep], offsets=offsets)

    def keep_last(self, n: int) -> Panel:
        """Return the panel with only the last `n` points of every series; one that has fewer stays whole."""
        kept = np.minimum(self.lengths, n)
        offsets = np.concatenate([[0], np.cumsum(kept)])
        since = np.arange(offsets[-1]) - np.repeat(offsets[:-1], kept)
        at = np.repeat(self.offsets[1:] - kept, kept) + since
        return replace(self, values=self.values[at], times=self.times[at], offsets=offsets)

    def _check_longer_than(self, n: int) -> None:
        short = np.flatnonzero(self.lengths <= n)
        if len(short):
            named = ", ".join(f"{id_text(self.ids[s])} ({self.lengths[s]})" for s in short[:5])
            raise DataError(f"{len(short):,} series have no more than {n} points to leave out: {named}.")
