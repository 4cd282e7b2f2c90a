"""Columns of times, from Arrow to numpy: dates, datetimes with and without a zone, text, whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unrolled.data.arrow import encode, is_period, is_text, value_type
from unrolled.data.frames import TimeType, from_wall_clock
from unrolled.data.values import Where, check_no_nulls
from unrolled.data.wording import counted, first_few
from unrolled.errors import Problems

_CLOCK = (
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,6})0*)?)?"
    r" ?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_ISO = r"^(?P<year>\d{4})(?:[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2}))?)?" + _CLOCK
_WHOLE = r"^-?\d{1,18}$"
_YEAR_LAST = r"^(?P<first>\d{1,2})[-/.](?P<second_part>\d{1,2})[-/.](?P<year>\d{4})" + _CLOCK


@dataclass(frozen=True)
class TimeColumn:
    """The times of all rows.

    Attributes:
        values: int64, or datetime64[us], in UTC where there is a zone.
        kind: Whole numbers, dates or datetimes: what to give back.
        unit: The resolution of datetimes to give back.
        zone: Their time zone, or None.
        local: The local times as they were written, where their distances from UTC differ.
        wall_clock: Whether `values` show the clock on the wall in `zone` instead of UTC.
    """

    values: np.ndarray
    kind: TimeType = "datetime"
    unit: str = "us"
    zone: str | None = None
    local: np.ndarray | None = None
    wall_clock: bool = False

    @property
    def unread(self) -> np.ndarray:
        """(R,) the rows whose time could not be read."""
        return np.isnat(self.values) if self.kind != "integer" else np.zeros(len(self.values), dtype=bool)

    def taken(self, rows: np.ndarray) -> TimeColumn:
        """Return the times of some rows, given as their numbers or as a mask."""
        local = None if self.local is None else self.local[rows]
        return replace(self, values=self.values[rows], local=local)

    def on_wall_clock(self) -> TimeColumn:
        """Return the times as local clocks show them, so that a day is a day when clocks change."""
        if self.local is not None:
            return replace(self, values=self.local, zone=None, local=None)
        if self.zone is None:
            return self
        utc = pa.array(self.values.astype(np.int64)).cast(pa.timestamp("us", tz=self.zone))
        local = np.array(pc.local_timestamp(utc).cast(pa.int64())).astype("M8[us]")
        return replace(self, values=_with_midnights(local, self.values, self.zone), wall_clock=True)


def _with_midnights(local: np.ndarray, utc: np.ndarray, zone: str) -> np.ndarray:
    """Return local times with 1:00 as 0:00 on days whose first hour the clocks skipped.

    In Cairo or Santiago such a day starts at 1:00, and a daily series has its row there.
    """
    hour = np.timedelta64(1, "h")
    at_one = np.flatnonzero(local - local.astype("M8[D]") == hour)
    starts_day = from_wall_clock(local[at_one] - hour, zone) == utc[at_one]
    local[at_one[starts_day]] -= hour
    return local


def looks_like_times(column: Any) -> bool:
    """Return whether a column holds dates, datetimes, or text that reads as such; numbers do not count."""
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type) or is_period(column.type):
        return True
    if not is_text(column.type) or column.null_count == len(column):
        return False
    texts = pc.utf8_trim_whitespace(column.drop_null())
    return pc.all(pc.or_(_matches(texts, _ISO), _matches(texts, _YEAR_LAST))).as_py() is True


def looks_like_days(numbers: np.ndarray) -> bool:
    """Return whether whole numbers look like days written together: 20240131."""
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    days = (year > 1600) & (year < 2400) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(days.all())


def _matches(texts: Any, pattern: str) -> Any:
    return pc.match_substring_regex(texts, pattern)


def read_times(column: Any, name: str, where: Where, problems: Problems) -> TimeColumn | None:
    """Return a column as times; or None if it holds none at all.

    What is wrong is noted in `problems`; single texts that cannot be read are NaT, so that the rest can be
    checked too.
    """
    if not check_no_nulls(column, name, "a time", where, problems):
        return None
    if is_text(value_type(column.type)):
        return _times_from_text(column, name, where, problems)
    try:
        return _typed_times(column, name, problems)
    except pa.ArrowInvalid:
        finer = pa.types.is_timestamp(column.type)
        what = "times finer than a microsecond" if finer else "fractions, or numbers of more than 64 bits"
        problems.add(f"{name!r} holds {what}; times are dates, datetimes or whole numbers.")
        return None


def _typed_times(column: Any, name: str, problems: Problems) -> TimeColumn | None:
    kind = column.type
    if pa.types.is_timestamp(kind):
        values = _microseconds(column.cast(pa.timestamp("us", tz=kind.tz)))
        return TimeColumn(values, unit=kind.unit, zone=kind.tz)
    if pa.types.is_date(kind):
        return TimeColumn(_microseconds(column.cast(pa.timestamp("us"))), "date")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return TimeColumn(np.array(column.cast(pa.int64()).to_numpy()), "integer")
    if is_period(kind):
        problems.add(f"{name!r} holds periods of pandas. Make them datetimes: .dt.to_timestamp().")
    else:
        problems.add(f"{name!r} holds {kind}; times are dates, datetimes or whole numbers.")
    return None


def _microseconds(column: Any) -> np.ndarray:
    return np.array(column.cast(pa.int64()).to_numpy()).astype("M8[us]", copy=False)


@dataclass(frozen=True)
class _Parsed:
    """Distinct texts as local times; which could be read; which have a zone, and how far it is from UTC."""

    local: np.ndarray
    valid: np.ndarray
    zoned: np.ndarray
    offset: np.ndarray


def _times_from_text(column: Any, name: str, where: Where, problems: Problems) -> TimeColumn | None:
    # Many series share their times, so that distinct texts are few.
    codes, texts = encode(column)
    texts = pc.utf8_trim_whitespace(texts)
    whole = np.asarray(_matches(texts, _WHOLE))
    if whole.sum() > np.asarray(pc.or_(_matches(texts, _ISO), _matches(texts, _YEAR_LAST))).sum():
        valid = _all_valid(whole, codes, texts, name, where, problems)
        return TimeColumn(np.asarray(texts.cast(pa.int64()))[codes], "integer") if valid else None
    parsed = _parse(texts, name, problems)
    if parsed is None:
        return None
    if not _all_valid(parsed.valid, codes, texts, name, where, problems):
        parsed.local[~parsed.valid] = np.datetime64("NaT", "us")
    return _with_zone(parsed, codes, name, problems)


def _all_valid(valid: np.ndarray, codes: np.ndarray, texts: Any, name: str, where: Where, problems: Problems) -> bool:
    """Note the rows whose text is not valid, and return whether there are none."""
    wrong = np.flatnonzero(~valid[codes])
    if not len(wrong):
        return True
    words = [repr(texts[int(codes[row])].as_py()) for row in wrong[:3]]
    shown = [f"{word} in {place}" for word, place in zip(words, where(wrong[:3]), strict=True)]
    problems.add(
        f"{name!r}: {counted(len(wrong), 'row')} cannot be read as times: {first_few(shown, len(wrong))}. "
        "Write dates like 2024-01-31 or 2024-01-31 13:00."
    )
    return False


def _with_zone(parsed: _Parsed, codes: np.ndarray, name: str, problems: Problems) -> TimeColumn | None:
    if not parsed.zoned.any():
        return TimeColumn(parsed.local[codes])
    if not parsed.zoned.all():
        problems.add(f"{name!r}: some times have a zone and others have none. Write all of them alike.")
        return None
    utc = (parsed.local - parsed.offset)[codes]
    if (parsed.offset == parsed.offset[0]).all():
        return TimeColumn(utc, zone=_zone_name(parsed.offset[0]))
    return TimeColumn(utc, zone="UTC", local=parsed.local[codes])


def _zone_name(offset: Any) -> str:
    minutes = int(offset / np.timedelta64(1, "m"))
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" if minutes else "UTC"


def _parse(texts: Any, name: str, problems: Problems) -> _Parsed | None:
    """Read distinct texts in whichever form more of them have; None if days and months can't be told."""
    year_last = pc.extract_regex(texts, pattern=_YEAR_LAST)
    iso = pc.extract_regex(texts, pattern=_ISO)
    if year_last.null_count >= iso.null_count:
        return _assemble(iso, _field(iso, "month", 1), _field(iso, "day", 1))
    first, second = _field(year_last, "first", 0), _field(year_last, "second_part", 0)
    day_first, month_first = bool((first > 12).any()), bool((second > 12).any())
    if not (day_first or month_first):
        problems.add(
            f"{name!r}: {texts[0].as_py()!r} may be day/month or month/day, and no row tells which. "
            "Write dates like 2024-01-31."
        )
        return None
    return _assemble(year_last, second, first) if day_first else _assemble(year_last, first, second)


def _assemble(fields: Any, month: np.ndarray, day: np.ndarray) -> _Parsed:
    months = (_field(fields, "year", 1970) - 1970).astype("M8[Y]").astype("M8[M]")
    months = months + (month - 1).astype("m8[M]")
    dates = months.astype("M8[D]") + (day - 1).astype("m8[D]")
    hour, minute, second = (_field(fields, part, 0) for part in ("hour", "minute", "second"))
    clock = ((hour * 60 + minute) * 60 + second) * 1_000_000 + _fraction(fields)
    valid = (month >= 1) & (month <= 12) & (dates.astype("M8[M]") == months)
    valid &= (hour < 24) & (minute < 60) & (second < 60) & np.asarray(fields.is_valid())
    zone = pc.struct_field(fields, "zone")
    zoned = np.asarray(pc.fill_null(pc.not_equal(zone, ""), False))
    return _Parsed(dates.astype("M8[us]") + clock.astype("m8[us]"), valid, zoned, _offset(zone))


def _field(fields: Any, part: str, default: int) -> np.ndarray:
    """Return one part of the matches as int64, `default` where it is not there."""
    texts = pc.struct_field(fields, part)
    return _integers(pc.if_else(pc.equal(texts, ""), str(default), texts), default)


def _fraction(fields: Any) -> np.ndarray:
    """Return the part after the second in microseconds."""
    return _integers(pc.utf8_rpad(pc.struct_field(fields, "fraction"), 6, "0"), 0)


def _offset(zone: Any) -> np.ndarray:
    """Return the distance from UTC of zones like "Z", "+02:00" or "-0530", as timedelta64[m]."""
    digits = pc.replace_substring_regex(zone, r"[Z:+-]", "")
    number = _integers(pc.utf8_rpad(digits, 4, "0"), 0)
    minutes = number // 100 * 60 + number % 100
    backward = np.asarray(pc.fill_null(pc.starts_with(zone, "-"), False))
    return np.asarray(np.where(backward, -minutes, minutes), dtype="m8[m]")


def _integers(texts: Any, default: int) -> np.ndarray:
    return np.asarray(pc.fill_null(texts.cast(pa.int64()), default))
