"""Where a table comes from. Whatever it was, from here on its columns are Arrow's."""

from __future__ import annotations

import os
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from unrolled.data.arrow import plain
from unrolled.data.files import CsvFile, ParquetFiles, file_kind
from unrolled.data.frames import Library
from unrolled.errors import DataError

_HEAD = 1_000


@runtime_checkable
class Source(Protocol):
    """A table that can be looked at before it is read.

    Attributes:
        name: What messages call it.
        library: Whose frames to give back for it.
        head: Its first rows, from which columns are told apart.
    """

    name: str
    library: Library
    head: pa.Table

    def read(self, names: list[str]) -> dict[str, Any]:
        """Return the columns of these names as Arrow chunked arrays, all from one reading; texts may be categories."""
        ...

    def where(self, rows: np.ndarray) -> list[str]:
        """Return how a user finds each of `rows` (counted from 0): "row 3", or "line 5" of a text file."""
        ...

    def dtype(self, name: str) -> str:
        """Return a column's type in the library's own words, or "" where the library may choose."""
        ...


def open_source(source: Any) -> Source:
    """Return the source behind a path or a frame.

    Raises:
        DataError: It is neither, or has no rows.
    """
    opened: Source
    if isinstance(source, str | os.PathLike):
        opened = ParquetFiles(source) if file_kind(source) == "parquet" else CsvFile(source)
    else:
        opened = _Frame(source)
    if opened.head.num_rows == 0:
        names = opened.head.column_names
        rest = f"only the columns {', '.join(names)}" if names else "and no columns"
        raise DataError(f"{first_upper(opened.name)} has no rows, {rest}.")
    return opened


def first_upper(text: str) -> str:
    """Return a frame's name as it starts a sentence; a file's name stays as it is."""
    return text.replace("the ", "The ", 1) if text.startswith("the ") else text


class _Frame:
    """A pandas, polars or pyarrow table, read through narwhals."""

    def __init__(self, native: Any) -> None:
        import narwhals.stable.v1 as nw

        try:
            self._frame = nw.from_native(_pandas_with_plain_columns(native))
            self.library = _library(self._frame)
        except (TypeError, NotImplementedError):
            # The second is what half a dataframe raises, such as pyarrow's RecordBatch.
            raise DataError(_unreadable(native)) from None
        except nw.exceptions.DuplicateError:
            raise DataError(f"The table has two columns of one name among {_column_names(native)}.") from None
        self.name = f"the {self.library} table"
        self.head = pa.Table.from_pydict(_arrow_columns(_collected(self._frame.head(_HEAD))))

    def read(self, names: list[str]) -> dict[str, Any]:
        return _arrow_columns(_collected(self._frame.select(names)))

    def where(self, rows: np.ndarray) -> list[str]:
        return [f"row {row}" for row in rows]

    def dtype(self, name: str) -> str:
        if self.library == "polars":
            kind = type(self._frame.to_native().collect_schema()[name]).__name__
            # The categories of an Enum are not known to a frame made anew.
            return "String" if kind == "Enum" else kind
        native = self._frame.to_native()
        return str(native[name].dtype if self.library == "pandas" else native.schema.field(name).type)


def _pandas_with_plain_columns(native: Any) -> Any:
    """Return a pandas frame with text column names, and an index that says something as columns."""
    import narwhals.stable.v1 as nw

    if not nw.dependencies.is_pandas_dataframe(native):
        return native
    if native.columns.nlevels > 1:
        raise DataError(
            "The pandas table has column names of several levels. "
            "Join them: df.columns = ['_'.join(map(str, name)) for name in df.columns]."
        )
    names = [name for name in native.index.names if name is not None]
    says_something = names or native.index.inferred_type in ("datetime64", "date", "period")
    # An index named like a column is that column, kept in both places.
    if says_something and not set(names) & set(native.columns):
        native = native.reset_index()
    return native if native.columns.inferred_type == "string" else native.rename(columns=str)


def _column_names(native: Any) -> list[Any]:
    # A pyarrow table's `columns` are the columns themselves.
    return list(getattr(native, "column_names", None) or native.columns)


def _library(frame: Any) -> Library:
    for library in ("pandas", "polars", "pyarrow"):
        if frame.implementation.value == library:
            return library
    raise DataError(_unreadable(frame.to_native()))


def _unreadable(native: Any) -> str:
    kind = f"{type(native).__module__.partition('.')[0]}.{type(native).__name__}".removeprefix("builtins.")
    return (
        f"A table is a path to CSV or Parquet files, or a pandas, polars or pyarrow table; got {kind}. "
        "A DataFrame can be made of most things: pandas.DataFrame({'ds': times, 'y': values})."
    )


def _collected(frame: Any) -> Any:
    return frame.collect() if hasattr(frame, "collect") else frame


def _arrow_columns(frame: Any) -> dict[str, Any]:
    return {column.name: _arrow(column) for column in frame.iter_columns()}


def _arrow(column: Any) -> Any:
    """Return a narwhals column as an Arrow chunked array without categories or views."""
    try:
        array = column.to_arrow()
    except (pa.ArrowException, OverflowError):
        # An object column of mixed values; as text each can be judged, and shown, for itself.
        missing = column.is_null().to_list()
        texts = [None if null else str(value) for null, value in zip(missing, column.to_list(), strict=True)]
        array = pa.array(texts, type=pa.large_string())
    return plain(array)
