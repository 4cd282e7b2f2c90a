"""Windows over a panel: numbered, and found by arithmetic when a batch is drawn.

A window is `input_size` points of the past and `h` points to forecast. Nothing is materialised: a
million windows are two small arrays per series.

    past (input_size)          future (h)
    o o o o o o o o o o o o o | x x x x
                                ^ the window's position: its first point to forecast
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel

IntArray = NDArray[np.int64]


class Places(NamedTuple):
    """Windows picked out: (N,) the series of each, and its position."""

    series: IntArray
    positions: IntArray


@dataclass(frozen=True)
class Windows:
    """A run of windows, one step apart, in each of S series; numbered 0 ... len - 1 over all of them.

    Attributes:
        first: (S,) position in the flat values of the first point to forecast of each series' first window.
        count: (S,) how many windows each series has; 0 is allowed.
    """

    first: IntArray
    count: IntArray

    def __len__(self) -> int:
        return int(self.count.sum())

    def locate(self, numbers: NDArray[Any]) -> Places:
        """Return the series of each numbered window, and its position."""
        ends = np.cumsum(self.count)
        series = np.searchsorted(ends, numbers, side="right")
        within = numbers - (ends - self.count)[series]
        return Places(series, self.first[series] + within)

    def each(self, number: int) -> Windows:
        """Return the windows of every `number`-th series alone: one of several targets that are read together."""
        return Windows(self.first, np.where(np.arange(len(self.count)) % number == 0, self.count, 0))

    def spread(self, most: int) -> IntArray:
        """Return the numbers of at most `most` windows, evenly spaced over all of them."""
        if len(self) <= most:
            return np.arange(len(self))
        return np.linspace(0, len(self) - 1, most).round().astype(np.int64)


def held_out(lengths: IntArray, input_size: int, h: int, val_size: int | None) -> IntArray:
    """Return how many points at the end of each series are kept for validation.

    By default a tenth of the series, at least one horizon. A series too short to spare that much on
    top of one training window gives what it has left, or nothing when that is less than a horizon.
    """
    asked = np.maximum(lengths // 10, h) if val_size is None else np.full_like(lengths, val_size)
    spare = np.minimum(asked, lengths - (input_size + h))
    return np.where(spare >= h, spare, 0)


def training_windows(panel: Panel, input_size: int, h: int, held: IntArray) -> Windows:
    """Return every window that ends before its series' held-out points."""
    begin, length = panel.offsets[:-1], panel.lengths - held
    return Windows(begin + input_size, np.maximum(length - input_size - h + 1, 0))


def validation_windows(panel: Panel, h: int, held: IntArray) -> Windows:
    """Return every window whose whole future lies in its series' held-out points."""
    return Windows(panel.offsets[1:] - held, np.where(held > 0, held - h + 1, 0))
