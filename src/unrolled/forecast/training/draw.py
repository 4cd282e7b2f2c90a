"""Which windows a training sees: drawn by chance for its steps, evenly spaced for validation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from unrolled.data.windows import Windows
from unrolled.forecast.batch import Batch, Gatherer
from unrolled.forecast.config import Config

VALIDATION_BATCHES = 2
"""Validation looks at this many batches of windows at most, evenly spaced: a few per cent of the steps' cost."""

WINDOWS_AT_ONCE = 2048
POINTS_AT_ONCE = 1 << 22
"""Windows are gathered for several steps at a time, since one large gather costs little more than a small one: so many
windows, or fewer where they are long or of many targets and would take much memory."""


def batches(windows: Windows, gather: Gatherer, config: Config, first: int = 0) -> Iterator[Batch]:
    """Draw batches of windows for ever, each window equally likely, from the settings' seed.

    Every stretch of batches draws from a generator of its own, so that a training resumed after `first` batches sees
    the windows that it would have seen.
    """
    size = config.batch_size
    points = gather.channels * (gather.input_size + config.h)
    at_once = max(1, min(WINDOWS_AT_ONCE, POINTS_AT_ONCE // points) // size)
    stretch, skipped = divmod(first, at_once)
    while True:
        draw = np.random.default_rng([config.seed, stretch])
        many = gather(*windows.locate(draw.integers(0, len(windows), at_once * size)), config.h)
        yield from itertools.islice(many.split(size), skipped, None)
        stretch, skipped = stretch + 1, 0


def validation_batch(windows: Windows, gather: Gatherer, config: Config) -> Batch | None:
    """Return the windows that validation looks at, or None when no series could spare any with a value to look at."""
    numbers = windows.spread(VALIDATION_BATCHES * config.batch_size)
    if not len(numbers):
        return None
    batch = gather(*windows.locate(numbers), config.h)
    # A loss over nothing is 0, which would make the first weights looked at the best for ever.
    return batch if batch.observed_Rh.any() else None
