"""Giving tables back in the kind that came in: pandas, polars or pyarrow, with the same types."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Library = Literal["pandas", "polars", "pyarrow"]
TimeType = Literal["integer", "date", "datetime"]


@dataclass(frozen=True)
class TableKind:
    """What it takes to give back a table like the one that came in.

    Attributes:
        library: Whose table it was; files come back as pandas.
        id_dtype: The type of the ids in the library's own words; empty for what the library makes of them.
        time: Whole numbers, dates without a time of day, or datetimes.
        time_unit: The resolution of datetimes: "s", "ms", "us" or "ns".
        zone: The time zone of datetimes, or None.
        wall_clock: Whether a panel's times show the clock on the wall in `zone` rather than UTC.

    Example:
        >>> from unrolled.data.frames import TableKind
        >>> TableKind.from_json(TableKind("polars").to_json()) == TableKind("polars")
        True
    """

    library: Library
    id_dtype: str = ""
    time: TimeType = "datetime"
    time_unit: str = "us"
    zone: str | None = None
    wall_clock: bool = False

    @staticmethod
    def from_json(fields: dict[str, Any]) -> TableKind:
        """Return the kind that `to_json` described."""
        return TableKind(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return the kind as plain JSON types."""
        return asdict(self)


def to_native(table: TableKind, columns: dict[str, np.ndarray]) -> Any:
    """Return a frame of the input's kind with `columns`, in their order.

    Args:
        table: The kind to return; a panel has it as `panel.table`.
        columns: Arrays of equal length by name. "unique_id" is given the ids' type; "ds" and "cutoff", times as
            a panel has them, get the type and zone that the input's times had. All others stay as they are.

    Returns:
        A pandas or polars DataFrame, or a pyarrow Table.

    Example:
        >>> import numpy as np
        >>> from unrolled.data.frames import TableKind, to_native
        >>> ids, times = np.array(["a"]), np.array(["2024-01-01"], dtype="M8[us]")
        >>> frame = to_native(TableKind("pandas", time="date"), {"unique_id": ids, "ds": times})
        >>> frame["ds"][0]
        datetime.date(2024, 1, 1)
    """
    instants = {name: _instants(table, values) for name, values in columns.items() if name in _TIME_COLUMNS}
    build = {"pandas": _pandas, "polars": _polars, "pyarrow": _pyarrow}[table.library]
    return build(table, columns | instants)


_TIME_COLUMNS = ("ds", "cutoff")


def _instants(table: TableKind, times: np.ndarray) -> np.ndarray:
    """Return times in the resolution wanted, in UTC where there is a zone."""
    if table.time == "integer":
        return times
    if table.zone is not None and table.wall_clock:
        times = from_wall_clock(times, table.zone)
    return times.astype("M8[D]" if table.time == "date" else f"M8[{table.time_unit}]")


def from_wall_clock(times: np.ndarray, zone: str) -> np.ndarray:
    """Return the UTC times at which the clocks of `zone` show `times`.

    A time that clocks show twice is the earlier; one that they skip is the moment after the gap.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pa.array(times.astype("M8[us]").reshape(-1))
    known = pc.assume_timezone(local, timezone=zone, ambiguous="earliest", nonexistent="latest")
    return np.asarray(known.cast(pa.int64())).astype("M8[us]").reshape(times.shape)


def _pandas(table: TableKind, columns: dict[str, np.ndarray]) -> Any:
    import pandas as pd

    # Numpy's own text type would be kept as objects by pandas 2 and 3 alike; lists let each use its own.
    plain = {name: values.tolist() if values.dtype.kind == "U" else values for name, values in columns.items()}
    frame = pd.DataFrame(plain)
    if table.id_dtype and "unique_id" in frame:
        dtype: Any = table.id_dtype
        frame["unique_id"] = frame["unique_id"].astype(dtype)
    for name in columns.keys() & set(_TIME_COLUMNS):
        if table.time == "date":
            frame[name] = pd.Series(columns[name].astype(object), index=frame.index, dtype=object)
        elif table.zone is not None:
            frame[name] = frame[name].dt.tz_localize("UTC").dt.tz_convert(table.zone)
    return frame


def _polars(table: TableKind, columns: dict[str, np.ndarray]) -> Any:
    import polars as pl

    frame = pl.DataFrame(columns)
    if table.id_dtype and "unique_id" in columns:
        frame = frame.with_columns(pl.col("unique_id").cast(getattr(pl, table.id_dtype)))
    if table.zone is not None:
        times = [name for name in _TIME_COLUMNS if name in columns]
        zoned = pl.col(times).dt.replace_time_zone("UTC").dt.convert_time_zone(table.zone)
        frame = frame.with_columns(zoned)
    return frame


def _pyarrow(table: TableKind, columns: dict[str, np.ndarray]) -> Any:
    import pyarrow as pa

    arrays = {name: pa.array(values) for name, values in columns.items()}
    if "unique_id" in arrays:
        arrays["unique_id"] = _arrow_ids(arrays["unique_id"], table.id_dtype)
    for name in arrays.keys() & set(_TIME_COLUMNS):
        if table.zone is not None:
            utc = arrays[name].cast(pa.int64())
            arrays[name] = utc.cast(pa.timestamp(table.time_unit, tz=table.zone))
    return pa.table(arrays)


def _arrow_ids(ids: Any, dtype: str) -> Any:
    import pyarrow as pa

    if dtype.startswith("dictionary"):
        return ids.dictionary_encode()
    return ids.cast(pa.type_for_alias(dtype)) if dtype else ids
