"""The few shapes of Arrow columns that the rest of the package has to know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def plain(array: Any) -> Any:
    """Return an Arrow array as a chunked one, without categories or views."""
    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    if pa.types.is_dictionary(chunked.type):
        chunked = chunked.cast(chunked.type.value_type)
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return chunked.cast(pa.large_string()) if is_view(chunked.type) else chunked


def coded(array: Any) -> Any:
    """Return an Arrow array as a chunked one without views; categories of texts stay what they are."""
    return array if is_text(value_type(array.type)) and pa.types.is_dictionary(array.type) else plain(array)


def value_type(kind: Any) -> Any:
    """Return the Arrow type of a column's values: of categories that of what they stand for."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: Any) -> bool:
    """Return whether an Arrow type is a number; true and false are none."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_period(kind: Any) -> bool:
    """Return whether an Arrow type stands for pandas' periods, which are spans and not times."""
    return str(kind).startswith("extension<pandas.period")


def encode(column: Any) -> tuple[np.ndarray, Any]:
    """Return which distinct value each row of a chunked array has, and these values.

    The codes are int32, -1 for null; the values an Arrow array, in the order in which they first appear.
    """
    if pa.types.is_dictionary(column.type):
        return _by_appearance(*_codes(column.unify_dictionaries()))
    return _codes(column.dictionary_encode().unify_dictionaries())


def _codes(encoded: Any) -> tuple[np.ndarray, Any]:
    if encoded.num_chunks == 0:
        return np.zeros(0, dtype=np.int32), pa.array([], type=encoded.type.value_type)
    chunks = [np.asarray(chunk.indices.fill_null(-1)).astype(np.int32, copy=False) for chunk in encoded.chunks]
    return np.concatenate(chunks), encoded.chunk(0).dictionary


def _by_appearance(codes: np.ndarray, values: Any) -> tuple[np.ndarray, Any]:
    """Return codes in the order in which they first appear, without those that no row has."""
    first = np.full(len(values) + 1, len(codes), dtype=np.int64)  # the last one is that of null, -1
    # Of the rows of one code the last that is written is the first of the table.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    used = np.argsort(first[:-1], kind="stable")[: int((first[:-1] < len(codes)).sum())]
    if np.array_equal(used, np.arange(len(values))):
        return codes, values
    anew = np.full(len(values) + 1, -1, dtype=np.int32)
    anew[used] = np.arange(len(used))
    return anew[codes], values.take(pa.array(used))


def rows_where(condition: Any) -> np.ndarray:
    """Return the numbers of the rows for which an Arrow array of booleans is true."""
    return np.asarray(pc.indices_nonzero(condition)).astype(np.int64)
