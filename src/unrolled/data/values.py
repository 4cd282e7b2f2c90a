"""Columns of ids and of numbers, from Arrow to numpy, with everything wrong in them said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unrolled.data.arrow import encode, is_number, is_text, plain, rows_where, value_type
from unrolled.data.wording import counted, first_few
from unrolled.errors import Problems

Where = Callable[[np.ndarray], list[str]]
"""How a user finds rows, counted from 0: see `sources.Source.where`."""

_MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity|nan)$"


def read_ids(column: Any, name: str, where: Where, problems: Problems) -> tuple[np.ndarray, np.ndarray] | None:
    """Return which series each row belongs to, int32 in order of first appearance, and the S ids.

    None where the column cannot tell series apart, which is then noted in `problems`.
    """
    # Empty ones first: they are why pandas makes numbers with fractions of whole ones.
    if not check_no_nulls(column, name, "an id", where, problems):
        return None
    if not (is_text(value_type(column.type)) or pa.types.is_integer(column.type)):
        problems.add(f"{name!r} holds {column.type}; ids are text or whole numbers.")
        return None
    codes, ids = encode(column)
    return codes, np.array(ids.to_pylist()) if is_text(ids.type) else np.asarray(ids)


def check_no_nulls(column: Any, name: str, what: str, where: Where, problems: Problems) -> bool:
    """Note the rows of a column that are empty, and return whether there are none."""
    if not column.null_count:
        return True
    rows = rows_where(column.is_null())
    shown = first_few(where(rows[:3]), len(rows))
    problems.add(f"{name!r}: {counted(len(rows), 'row')} without {what}: {shown}.")
    return False


def read_numbers(column: Any, name: str, where: Where, problems: Problems) -> np.ndarray | None:
    """Return a column as float64, NaN where it is empty; or None if it holds no numbers at all.

    What is wrong is noted in `problems`; rows that cannot be read are 0, so that the rest can be checked too.
    """
    column = plain(column)
    if is_text(column.type):
        column = _numbers_from_text(column, name, where, problems)
    elif pa.types.is_boolean(column.type):
        problems.add(f"{name!r} holds true and false where numbers belong. Write 1 and 0.")
        return None
    elif not (is_number(column.type) or pa.types.is_null(column.type)):
        problems.add(f"{name!r} holds {column.type} where numbers belong.")
        return None
    numbers = np.array(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    _check_finite(numbers, name, where, problems)
    return numbers


def _numbers_from_text(column: Any, name: str, where: Where, problems: Problems) -> Any:
    """Return text as numbers, with 0 for what is none: a value was there, though none that can be read."""
    texts = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(_MISSING, type=texts.type))
    texts = pc.if_else(missing, pa.scalar(None, type=texts.type), texts)
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        right = pc.match_substring_regex(texts, _NUMBER)
    problems.add(_not_numbers(texts, name, rows_where(pc.invert(right)), where))
    return pc.if_else(right, texts, pa.scalar("0", type=texts.type)).cast(pa.float64())


def _not_numbers(texts: Any, name: str, wrong: np.ndarray, where: Where) -> str:
    words = [texts[int(row)].as_py() for row in wrong[:3]]
    shown = [f"{word!r} in {place}" for word, place in zip(words, where(wrong[:3]), strict=True)]
    commas = any("," in word and word.replace(",", "").replace("-", "").isdigit() for word in words)
    hint = " Write numbers with a decimal point and without thousands separators." if commas else ""
    rows = counted(len(wrong), "row")
    return f"{name!r} has text where numbers belong, in {rows}: {first_few(shown, len(wrong))}.{hint}"


def _check_finite(numbers: np.ndarray, name: str, where: Where, problems: Problems) -> None:
    rows = np.flatnonzero(np.isinf(numbers))
    if len(rows):
        shown = first_few(where(rows[:3]), len(rows))
        advice = "Leave unknown values empty."
        problems.add(f"{name!r} is infinite in {counted(len(rows), 'row')}: {shown}. {advice}")
