"""Covariates: what is known of the series besides their values, and how a network is to read it.

Shapes: I items (ids), P points of all items end to end, h horizon, K columns. An item with several targets is several
series of a panel; its covariates are there once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["past", "future", "static"]
Boundaries = NDArray[np.int64]

MISSING = -1
"""The code of a text that is not there."""


@dataclass(frozen=True)
class Column:
    """A covariate as a model knows it: learnt in `fit`, kept with the model.

    categories: the texts seen in training, in order; None for a column of numbers. location, scale: what is
    subtracted from a number and divided by.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] | None = None
    location: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Features:
    """All that a network reads besides the values.

    columns: the covariates, in the order of the settings. channels: the names of several targets. calendar: which
    features are made of the times. holidays: the country whose holidays are known.
    """

    columns: tuple[Column, ...] = ()
    channels: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    holidays: str | None = None

    def of_kind(self, kind: Kind) -> tuple[Column, ...]:
        """Return the columns of one kind, in order."""
        return tuple(column for column in self.columns if column.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return the features as plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Features:
        """Return the features that `to_json` wrote."""
        columns = tuple(
            Column(**one | {"categories": None if one["categories"] is None else tuple(one["categories"])})
            for one in content["columns"]
        )
        return cls(columns, tuple(content["channels"]), tuple(content["calendar"]), content["holidays"])


@dataclass(frozen=True, eq=False)
class Covariates:
    """The covariates of a panel, as the table has them; see `Features` for what a network makes of them.

    kinds: by column name, what is known when. values: (P,) of past and future covariates, (I,) of static ones:
    numbers, NaN where missing; of texts int32 codes, `MISSING` where missing. ahead: of future covariates the (I, h)
    values after the end of each item, as far as they are known. words: of each column of texts the text of each code.
    """

    kinds: dict[str, Kind]
    values: dict[str, NDArray[Any]]
    ahead: dict[str, NDArray[Any]] = field(default_factory=dict)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def steps_ahead(self, name: str) -> int:
        """Return how many steps after the end of the items a future covariate is known for."""
        return self.ahead[name].shape[1] if name in self.ahead else 0

    def drop_last(self, n: int, keep_P: NDArray[np.bool_]) -> Covariates:
        """Return them without the last `n` points of each item, which `keep_P` marks as False.

        What a future covariate was at these points is known ahead from now on.
        """
        ahead = {}
        for name, kind in self.kinds.items():
            if kind == "future":
                dropped = self.values[name][~keep_P].reshape(-1, n)
                ahead[name] = np.concatenate([dropped, self.ahead[name]], 1) if name in self.ahead else dropped
        return dataclasses.replace(self.of_points(keep_P), ahead=ahead)

    def of_points(self, keep_P: NDArray[np.bool_]) -> Covariates:
        """Return them at some points of every item."""
        values = {name: one if self.kinds[name] == "static" else one[keep_P] for name, one in self.values.items()}
        return dataclasses.replace(self, values=values)

    def of_items(self, items: NDArray[np.bool_], points: NDArray[np.bool_]) -> Covariates:
        """Return those of some items, which `items` and `points` mark."""
        values = {name: one[items if self.kinds[name] == "static" else points] for name, one in self.values.items()}
        return dataclasses.replace(self, values=values, ahead={name: one[items] for name, one in self.ahead.items()})

    def with_ahead(self, ahead: Mapping[str, NDArray[Any]], words: Mapping[str, tuple[str, ...]]) -> Covariates:
        """Return them with other values ahead; `words` may only be longer than they were."""
        return dataclasses.replace(self, ahead=dict(ahead), words=self.words | dict(words))


def compact(numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Return numbers in float32 where that loses nothing beside their spread, else as they are."""
    low, high = np.fmin.reduce(numbers, initial=np.nan), np.fmax.reduce(numbers, initial=np.nan)
    if np.isinf(low) or np.isinf(high):  # refused by whoever read them; there is no spread to compare with
        return numbers
    error = max(abs(low), abs(high)) * np.finfo(np.float32).eps
    return numbers if error > 1e-4 * (high - low) and error > 0 else numbers.astype(np.float32)


def filled_forward(numbers: NDArray[Any], offsets: Boundaries) -> NDArray[Any]:
    """Return numbers with each NaN replaced by the last number before it in its item; those before any stay NaN."""
    missing = np.isnan(numbers)
    if not missing.any():
        return numbers
    places = np.arange(len(numbers), dtype=np.int32 if len(numbers) < 2**31 else np.int64)
    places[missing] = -1
    # The first point of each item stands for itself, so that nothing is carried from one item into the next.
    firsts = offsets[:-1][np.diff(offsets) > 0]
    places[firsts] = firsts
    return np.asarray(numbers[np.maximum.accumulate(places)])
