"""Features made of the times themselves, which are known as far ahead as one likes: places in cycles, and holidays.

Shapes: P times, K columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.errors import ConfigError, did_you_mean

Times = np.ndarray
Share = NDArray[np.float64]

AT_ONCE = 1 << 20
"""So many times are looked at together, so that what is made on the way stays small beside the columns."""

_STEPS = 500
"""In so many steps a feature that changes from step to step has changed."""

_HOUR, _DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")


def _within(times: Times, whole: str, unit: str) -> Share:
    """Return how much of its hour, month, … has passed at each time, as a share of it, in units that are whole."""
    began = times.astype(f"M8[{whole}]")
    length = (began + np.timedelta64(1, whole)).astype(f"M8[{unit}]") - began.astype(f"M8[{unit}]")  # type: ignore[call-overload]
    return np.asarray((times.astype(f"M8[{unit}]") - began.astype(f"M8[{unit}]")) / length)


def _weekday(times: Times) -> Share:
    return ((times.astype("M8[D]").astype(np.int64) + 3) % 7) / 7  # 1970 began on a Thursday


def _week(times: Times) -> Share:
    """Return the place of each time's week in its year, by the week's Thursday as ISO 8601 counts."""
    days = times.astype("M8[D]").astype(np.int64)
    thursday = (days - (days + 3) % 7 + 3).astype("M8[D]")
    since = (thursday - thursday.astype("M8[Y]").astype("M8[D]")).astype(np.int64)
    return np.asarray(since // 7 / 53)


def _month(times: Times) -> Share:
    return np.asarray(times.astype("M8[M]").astype(np.int64) % 12 / 12)


_CYCLES: dict[str, tuple[np.timedelta64, Callable[[Times], Share]]] = {
    "minute": (_HOUR, lambda times: _within(times, "h", "us")),
    "hour": (_DAY, lambda times: _within(times, "D", "us")),
    "dayofweek": (7 * _DAY, _weekday),
    "day": (31 * _DAY, lambda times: _within(times, "M", "D")),
    "dayofyear": (366 * _DAY, lambda times: _within(times, "Y", "D")),
    "week": (366 * _DAY, _week),
    "month": (366 * _DAY, _month),
    "quarter": (366 * _DAY, lambda times: np.floor(_month(times) * 4) / 4),
}
"""How long each cycle is, and the place of a time in it, from 0 up to 1."""

_SUITING: tuple[tuple[np.timedelta64, tuple[str, ...]], ...] = (
    (np.timedelta64(1, "m"), ("minute", "hour")),
    (_HOUR, ("minute", "hour", "dayofweek", "dayofyear")),
    (_DAY, ("hour", "dayofweek", "dayofyear")),
    (2 * _DAY, ("dayofweek", "day", "dayofyear")),
    (28 * _DAY, ("dayofyear",)),
)
"""What suits steps shorter than each span."""


def suiting(freq: Frequency, span: np.timedelta64) -> tuple[str, ...]:
    """Return the features that suit a frequency: those that change from step to step, in cycles that the data show.

    Args:
        freq: The frequency.
        span: From the first time to the last. A cycle of which it holds no whole one can't be learnt from it.
    """
    if freq.unit == "month":
        names: tuple[str, ...] = ("month",) if freq.step in (1, 2) else ("quarter",) if freq.step < 12 else ()
    else:
        step = _DAY if freq.unit == "business day" else np.timedelta64(freq.step, "us")
        names = next((some for shorter, some in _SUITING if step < shorter), ())
    return tuple(name for name in names if _CYCLES[name][0] <= span)


def stands_still(name: str, freq: Frequency, times: Times) -> bool:
    """Whether a feature of the hour, day or week is the same at every step, as the hour of daily series is."""
    if _CYCLES[name][0] > 7 * _DAY:
        return False
    places = _CYCLES[name][1](freq.advance(times[:1], np.arange(_STEPS)).astype("M8[us]"))
    return bool((places == places.flat[0]).all())


def wall_clock(times: Times, table: TableKind) -> Times:
    """Return a panel's times as clocks on the wall show them: people live by those."""
    if table.zone is None or table.wall_clock:
        return times
    import pyarrow as pa
    import pyarrow.compute as pc

    utc = pa.array(times.astype(np.int64)).cast(pa.timestamp("us", tz=table.zone))
    return np.asarray(pc.local_timestamp(utc).cast(pa.int64())).astype("M8[us]")


def places(times: Times, names: tuple[str, ...]) -> Iterator[NDArray[np.float32]]:
    """Yield two columns for each feature: sine and cosine of a time's place in its cycle.

    On the circle that they make 23:00 lies beside 0:00, and December beside January.
    """
    for name in names:
        angle = 2 * np.pi * _CYCLES[name][1](times)
        yield np.sin(angle).astype(np.float32)
        yield np.cos(angle).astype(np.float32)


class Holidays:
    """The public holidays of a country, or of one of its parts.

    Args:
        code: Such as "DE" or "US-CA".

    Raises:
        ConfigError: There is no such country or part, or the package `holidays` is not installed.
    """

    def __init__(self, code: str) -> None:
        try:
            import holidays
        except ImportError:
            raise ConfigError(f"holidays={code!r} needs the package: pip install 'unrolled[holidays]'.") from None
        self._country, self._part = _place(code, holidays.list_supported_countries(include_aliases=False))
        self._of = holidays.country_holidays

    def columns(self, times: Times, freq: Frequency) -> Iterator[NDArray[np.float32]]:
        """Yield three columns: how many holidays the day of a time has, the day before, and the day after.

        Of steps of several days it is those of the step, which begins with its time; a month called by its last day
        ends with it.
        """
        spans = [_days(times, shift, freq) for shift in (0, -1, 1)]
        dates = self._dates(int(min(first.min() for first, _ in spans)), int(max(end.max() for _, end in spans)))
        for first, end in spans:
            yield (np.searchsorted(dates, end) - np.searchsorted(dates, first)).astype(np.float32)

    def _dates(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the holidays from one day to another, as rising days since 1970, and more around them."""
        begin, end = (np.datetime64(day, "D").astype("M8[Y]").astype(int) + 1970 for day in (first, last))
        # One of the next year may be observed in the last days of this one.
        found = self._of(self._country, subdiv=self._part, years=range(int(begin) - 1, int(end) + 2))
        return np.array(sorted(found), dtype="M8[D]").astype(np.int64)


def _days(times: Times, shift: int, freq: Frequency) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first day of the step that is `shift` from each time's, and the one after its last."""
    if freq.unit == "business day" or (freq.unit == "microsecond" and freq.step < 2 * 86_400_000_000):
        day = times.astype("M8[D]").astype(np.int64) + shift
        return day, day + 1
    begin, end = (freq.advance(times, shift + k).astype("M8[D]").astype(np.int64) for k in (0, 1))
    if freq.unit == "month" and freq.day == 31:
        before = freq.advance(times, shift - 1).astype("M8[D]").astype(np.int64)
        return before + 1, begin + 1
    return begin, end


def _place(code: str, known: dict[str, list[str]]) -> tuple[str, str | None]:
    """Return the country and its part, None for the whole, in the letters of those known."""
    country, _, part = code.partition("-")
    country = country.upper()
    if country not in known:
        raise ConfigError(
            f"holidays={code!r} is no country that is known.{_nearest_country(code, known)} It is two letters by "
            "ISO 3166, such as 'DE', and may name a part, as 'US-CA'."
        )
    parts = {one.lower(): one for one in known[country]}
    if part and part.lower() not in parts:
        there = f"The parts of {country} are {', '.join(parts.values())}." if parts else f"{country} has no parts."
        raise ConfigError(f"holidays={code!r} names no part that is known. {there}")
    return country, parts[part.lower()] if part else None


def _nearest_country(code: str, known: dict[str, list[str]]) -> str:
    """Return " Did you mean 'DE'?" for a country's name, or its three letters."""
    from holidays.registry import COUNTRIES

    two_letters = {name: names[1] for names in COUNTRIES.values() for name in names} | {one: one for one in known}
    meant = did_you_mean(code, two_letters)
    name = meant.partition("'")[2].partition("'")[0]
    return meant.replace(f"'{name}'", f"'{two_letters[name]}'") if meant else ""
