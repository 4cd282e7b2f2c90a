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
    encoded = column.dictionary_encode().unify_dictionaries()
    if encoded.num_chunks == 0:
        return np.zeros(0, dtype=np.int32), column.combine_chunks()
    codes = np.concatenate([np.asarray(chunk.indices.fill_null(-1)) for chunk in encoded.chunks])
    return codes, encoded.chunk(0).dictionary


def rows_where(condition: Any) -> np.ndarray:
    """Return the numbers of the rows for which an Arrow array of booleans is true."""
    return np.asarray(pc.indices_nonzero(condition)).astype(np.int64)
