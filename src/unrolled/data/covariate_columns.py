"""Columns of covariates, from Arrow to numpy, with everything wrong in them said.

R rows, S series (here: items, each once), P points on the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unrolled.data.arrow import encode, is_number, is_text, plain, value_type
from unrolled.data.covariates import MISSING, Covariates, Features, Kind, compact
from unrolled.data.files import CsvFile
from unrolled.data.grid import Grid, Rows, counted_series
from unrolled.data.sources import Source
from unrolled.data.times import looks_like_times
from unrolled.data.values import Where, read_numbers
from unrolled.data.wording import first_few, id_text
from unrolled.errors import Problems

_NUMBER_NOT_CODE = r"^[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?$"
"""Numbers as a file writes them. 007 is none: it is the name of something."""


@dataclass(frozen=True)
class ColumnRead:
    """A column: numbers with NaN, or the codes of its `words`, each for a row."""

    name: str
    values: NDArray[Any]
    words: tuple[str, ...] | None

    @property
    def missing(self) -> Any:
        """What stands where there is no value."""
        return np.nan if self.words is None else MISSING

    def is_missing(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where there is none."""
        return np.asarray(np.isnan(values) if self.words is None else values == MISSING)

    def text(self, value: Any) -> str:
        """Return a value as a person would write it."""
        return f"{float(value):g}" if self.words is None else repr(self.words[int(value)])


def learnt_as_texts(learnt: Features | None, name: str) -> bool | None:
    """Return whether a model reads a column as texts; None where no model has learnt it."""
    found = [column for column in (learnt.columns if learnt else ()) if column.name == name]
    return found[0].categories is not None if found else None


def read_covariate(
    source: Source, column: Any, name: str, as_texts: bool | None, problems: Problems
) -> ColumnRead | None:
    """Return a column as numbers or texts; None, with the reason in `problems`, if it is neither.

    Text is a category, and true and false are 1 and 0. In a text file, where everything is text, a column in which
    every value is a number is one of numbers.

    Args:
        source: Where it comes from.
        column: An Arrow chunked array.
        name: Its name.
        as_texts: Whether it must be texts; None for what it looks like.
        problems: Where those of the column are noted.
    """
    kind = value_type(column.type)
    if not (is_text(kind) or is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        problems.add(f"{name!r} holds {kind}; covariates are numbers, texts, or true and false.{_instead(kind)}")
        return None
    if not is_text(kind):
        if as_texts and not (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            return _texts(column.cast(pa.large_string()), name)
        if as_texts:
            problems.add(f"{name!r} holds numbers with fractions where the model was trained on texts.")
        return None if as_texts else _numbers(column, name, source.where, problems)
    # Many rows share their texts, so that it is quicker to look at the distinct ones.
    read = _texts(column, name)
    distinct = pa.array(read.words, type=pa.string())
    if len(distinct) and looks_like_times(distinct):
        problems.add(f"{name!r} holds dates; covariates are numbers, texts, or true and false.{_CALENDAR}")
        return None
    if as_texts is None:
        as_texts = not (isinstance(source, CsvFile) and _all_numbers(distinct))
    return read if as_texts else _numbers(column, name, source.where, problems)


_CALENDAR = " calendar='auto' makes features of the time column; of another one make numbers, such as days since then."


def _instead(kind: Any) -> str:
    return _CALENDAR if pa.types.is_temporal(kind) else ""


def _all_numbers(column: Any) -> bool:
    texts = _as_digits(column)
    right = pc.and_(pc.match_substring_regex(texts, _NUMBER_NOT_CODE), pc.match_substring_regex(texts, r"\d"))
    return pc.all(right, min_count=0).as_py() is True


def _as_digits(column: Any) -> Any:
    """Return texts with 1 and 0 for true and false, as files and columns of several types have them."""
    texts = pc.utf8_trim_whitespace(column)
    lower, one, zero = pc.utf8_lower(texts), *(pa.scalar(digit, type=texts.type) for digit in "10")
    return pc.if_else(pc.equal(lower, "true"), one, pc.if_else(pc.equal(lower, "false"), zero, texts))


def _numbers(column: Any, name: str, where: Where, problems: Problems) -> ColumnRead | None:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif is_text(value_type(column.type)):
        column = _as_digits(plain(column))
    numbers = read_numbers(column, name, where, problems)
    return None if numbers is None else ColumnRead(name, compact(numbers), None)


def _texts(column: Any, name: str) -> ColumnRead:
    codes, words = encode(column)
    return ColumnRead(name, codes, tuple(words.to_pylist()))


def place_covariates(
    columns: list[ColumnRead], kinds: dict[str, Kind], grid: Grid, problems: Problems
) -> tuple[Covariates, tuple[str, ...]]:
    """Return the covariates on the grid, and what to tell the user of values that are not there."""
    values: dict[str, NDArray[Any]] = {}
    notes = []
    for column in columns:
        static = kinds[column.name] == "static"
        placed = _static(column, grid.rows, problems) if static else grid.place(column.values, column.missing)
        values[column.name] = placed
        if lacking := int(column.is_missing(placed).sum()):
            notes.append(_missing_note(column, lacking, "series" if static else grid.freq.points, len(placed)))
    words = {column.name: column.words for column in columns if column.words is not None}
    return Covariates({column.name: kinds[column.name] for column in columns}, values, words=words), tuple(notes)


def _missing_note(column: ColumnRead, lacking: int, points: str, of: int) -> str:
    filled = "the last one known stands for it, else the mean" if column.words is None else "it counts as unknown"
    if points == "series" and column.words is None:
        filled = "the mean stands for it"
    return f"{column.name}: no value for {lacking:,} of {of:,} {points}; {filled}"


def _static(column: ColumnRead, rows: Rows, problems: Problems) -> NDArray[Any]:
    """Return (S,) the one value of each series; those that have several are noted."""
    ordered = column.values if rows.order is None else column.values[rows.order]
    numbers = ordered if column.words is None else np.where(ordered == MISSING, np.nan, ordered)
    firsts = rows.offsets[:-1]
    low, high = np.fmin.reduceat(numbers, firsts), np.fmax.reduceat(numbers, firsts)
    changed = np.flatnonzero(high > low)
    if len(changed):
        shown = [
            f"series {id_text(rows.ids[s])} has {column.text(low[s])} and {column.text(high[s])}" for s in changed[:3]
        ]
        problems.add(
            f"{column.name!r} is given as a static covariate, and changes within {counted_series(len(changed))}: "
            f"{first_few(shown, len(changed), '; ')}. Make it a past or future covariate, or correct it."
        )
    return low if column.words is None else np.where(np.isnan(low), MISSING, low).astype(np.int32)
