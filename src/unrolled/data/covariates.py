"""Covariates: what is known of the series besides their values, and how a network is to read it.

Shapes: I items (ids), P points of all items end to end, h horizon, K columns.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["past", "future", "static"]


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
    """All that a network reads besides the values: its covariates in order, those of the calendar among them."""

    columns: tuple[Column, ...] = ()
    channels: tuple[str, ...] = ()

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
        return cls(columns, tuple(content["channels"]))


@dataclass(frozen=True, eq=False)
class Covariates:
    """The covariates of a panel, as the table has them; see `Features` for what a network makes of them.

    values: by column name (P,) numbers or texts of past and future covariates, (I,) of static ones.
    ahead: by name of a future covariate its (I, h) values after the end of each item.
    """

    kinds: dict[str, Kind]
    values: dict[str, np.ndarray]
    ahead: dict[str, np.ndarray]
