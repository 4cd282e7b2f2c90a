"""The phrases that messages about tables are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def first_few(items: Sequence[str], count: int | None = None, separator: str = ", ") -> str:
    """Return `items` as a list in words, saying how many of `count` there are besides.

    Example:
        >>> first_few(["row 1", "row 5"], 7)
        'row 1, row 5 and 5 more'
    """
    more = (len(items) if count is None else count) - len(items)
    return separator.join(items) + (f" and {more:,} more" if more else "")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    Example:
        >>> counted(1, "row"), counted(2284, "row")
        ('1 row', '2,284 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def time_text(time: Any) -> str:
    """Return a time as a person would write it, without a time of day where it is midnight.

    Example:
        >>> time_text(np.datetime64("2024-01-31T00:00", "us")), time_text(np.int64(7))
        ('2024-01-31', '7')
    """
    if not isinstance(time, np.datetime64):
        return str(int(time))
    text = str(np.datetime_as_string(time, unit="us")).removesuffix(".000000").removesuffix(":00")
    return text.replace("T", " ").removesuffix(" 00:00")


def point_text(series_id: Any, time: Any) -> str:
    """Return one point of a series, as in `('a', 2024-01-31)`."""
    return f"({id_text(series_id)}, {time_text(time)})"


def id_text(series_id: Any) -> str:
    """Return an id as Python would show it."""
    return repr(series_id.item() if isinstance(series_id, np.generic) else series_id)
