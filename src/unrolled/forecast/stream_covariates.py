"""The covariates of a stream: the last windows of each item, to which every step adds a row.

Shapes: I items, n of them observed, L steps of the longest window, h horizon, P, K and S numbers of past, known and
static covariates, B steps whose calendar is made at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.covariates import Column
from unrolled.data.panel import Panel
from unrolled.data.wording import id_text
from unrolled.errors import DataError, Problems, did_you_mean
from unrolled.forecast.features import numbers_of_times
from unrolled.forecast.fitted import Fitted, gatherer

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]

ROWS_AT_ONCE: Final = 1 << 14
"""So many rows of the calendar are made at a time, over all items; of one item no more than 256."""


class StreamCovariates:
    """What networks read besides the values, item by item, as tables hold it."""

    def __init__(self, fitted: Fitted, panel: Panel) -> None:
        self._features, self._panel, self._h = fitted.features, panel, fitted.config.h
        self._columns = {kind: fitted.features.of_kind(kind) for kind in ("past", "future")}
        longest = max(fitted.members, key=lambda member: member.config.input_size or 0)
        gather = gatherer(panel, longest.config, fitted.features, fitted.transform)
        firsts = np.arange(0, len(panel), panel.n_channels)
        inputs = gather(firsts, panel.offsets[1:][firsts], h=0).inputs
        self._past_ILP, self._known_IWK = (
            part.cpu().numpy().copy() for part in (inputs.covariates_NTP, inputs.known_NWK)
        )
        self._static_IS = inputs.static_NS.cpu()
        self._made = _Made(fitted, panel, self._known_IWK.shape[2] - len(self._columns["future"]))
        self.any = bool(self._past_ILP.shape[2] or self._known_IWK.shape[2] or self._static_IS.shape[1])

    def read(self, items: IntArray, past: Any, known: Any) -> tuple[Floats, Floats]:
        """Return the (n, P) and (n, K) numbers that these items' new rows bring, without those of the calendar.

        Raises:
            DataError: names every covariate that is lacking, unknown or of another type, and the items it is of.
        """
        problems = Problems()
        found = [
            self._rows(self._columns[kind], given, argument, items, problems)
            for kind, given, argument in (("past", past, "past"), ("future", known, "known"))
        ]
        problems.raise_as(DataError)
        return found[0], found[1]

    def push(self, items: IntArray, past_nP: Floats, known_nK: Floats, grown: IntArray) -> None:
        """Add a row to these items' windows, which have grown by so many steps before; NaN repeats the row before."""
        made_nM = self._made.rows(items, grown)
        for window_IBK, new_nK in (
            (self._past_ILP, past_nP),
            (self._known_IWK, np.concatenate([known_nK, made_nM], axis=1)),
        ):
            if window_IBK.shape[2]:
                before_nK = window_IBK[items, -1]
                window_IBK[items, :-1] = window_IBK[items, 1:]
                window_IBK[items, -1] = np.where(np.isnan(new_nK), before_nK, new_nK)

    def windows(self, items: IntArray, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a network with a window of so many steps reads: (n, steps, P), (n, steps + h, K), (n, S)."""
        past, known = self._past_ILP[items, -steps:], self._known_IWK[items, -(steps + self._h) :]
        return torch.from_numpy(past), torch.from_numpy(known), self._static_IS[items]

    def _rows(
        self, columns: Sequence[Column], given: Any, argument: str, items: IntArray, problems: Problems
    ) -> Floats:
        rows_nK = np.full((len(items), len(columns)), np.nan, dtype=np.float32)
        if given is not None and not isinstance(given, Mapping):
            problems.add(f"{argument} is a dict of covariates by name; got {given!r}.")
            return rows_nK
        given, names = given or {}, [column.name for column in columns]
        for name in given.keys() - set(names):
            problems.add(f"{argument}: the model reads no covariate {name!r}.{did_you_mean(str(name), names)}")
        if lacking := [name for name in names if name not in given]:
            when = "of the new observation" if argument == "past" else f"{self._h} steps after the new observation"
            problems.add(f"The model reads {', '.join(map(repr, lacking))} {when}: {argument}={{{lacking[0]!r}: ...}}.")
        for k, column in enumerate(columns):
            if column.name in given:
                rows_nK[:, k] = self._numbers(column, given[column.name], argument, items, problems)
        return rows_nK

    def _numbers(self, column: Column, given: Any, argument: str, items: IntArray, problems: Problems) -> Floats:
        """Return a covariate of each item as a network reads it; NaN where a number is missing."""
        if isinstance(given, Mapping):
            given = [given.get(one) for one in self._panel.item_ids[items].tolist()]
        elif isinstance(given, str) or np.ndim(given) == 0:
            given = [given] * (len(items) if len(items) == 1 else 0)
        if len(given) != len(items):
            problems.add(
                f"{argument}: {column.name!r} is one value for each of the {len(items):,} series observed, or "
                f"{{id: value}}."
            )
            return np.full(len(items), np.nan, dtype=np.float32)
        if column.categories is not None:
            places = {word: place for place, word in enumerate(column.categories, start=1)}
            return np.array([places.get(str(one), 0) for one in given], dtype=np.float32)
        numbers = np.array([_number(one) for one in given])
        for item in items[np.isinf(numbers)]:
            name = id_text(self._panel.item_ids[item])
            problems.add(f"{argument}: {column.name!r} of {name} is a finite number, or NaN where there is none.")
        return self._standardised(column, numbers)

    def _standardised(self, column: Column, numbers: NDArray[np.float64]) -> Floats:
        """Return numbers in the units that were learnt, by the arithmetic in which the table's were brought there."""
        covariates = self._panel.covariates
        assert covariates is not None, "a model that reads covariates was given a panel that has them"
        as_held = numbers.astype(covariates.values[column.name].dtype)
        return np.asarray((as_held - column.location) / column.scale, dtype=np.float32)


def _number(given: Any) -> float:
    """Return a number; infinity for what is none."""
    try:
        return np.nan if given is None else float(given)
    except (TypeError, ValueError):
        return np.inf


class _Made:
    """The numbers of the calendar, made for some steps of each item at a time."""

    def __init__(self, fitted: Fitted, panel: Panel, width: int) -> None:
        self._features, self._panel, self._h = fitted.features, panel, fitted.config.h
        count = len(panel.item_ids)
        self._steps = max(1, min(256, ROWS_AT_ONCE // count)) if width else 0
        self._rows_IBM = np.zeros((count, self._steps, width), dtype=np.float32)
        self._first_I = np.full(count, -self._steps, dtype=np.int64)
        self._ends_I = panel.times[panel.offsets[1:] - 1][:: panel.n_channels]

    def rows(self, items: IntArray, grown: IntArray) -> Floats:
        """Return the (n, M) numbers of the step that is h after each item's next observation."""
        if not self._rows_IBM.shape[2]:
            return np.zeros((len(items), 0), dtype=np.float32)
        spent = grown - self._first_I[items] >= self._steps
        if spent.any():
            self._make(items[spent], grown[spent])
        made: Floats = self._rows_IBM[items, grown - self._first_I[items]]
        return made

    def _make(self, items: IntArray, grown: IntArray) -> None:
        ahead = grown[:, None] + np.arange(1 + self._h, 1 + self._h + self._steps)
        times = self._panel.freq.advance(self._ends_I[items][:, None], ahead)
        made = numbers_of_times(times.ravel(), self._panel, self._features)
        self._rows_IBM[items] = made.reshape(len(items), self._steps, -1)
        self._first_I[items] = grown
