"""Regular grids of times: what "hourly" or "monthly (month end)" mean, and which one a table is on.

P is the number of points of all series, S the number of series; their boundaries are S+1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int64

from unrolled.errors import DataError, did_you_mean

Unit = Literal["microsecond", "business day", "month", "integer"]

OFF_GRID = int(np.iinfo(np.int64).min)
"""What `Frequency.position` returns for a time that is not on the grid."""

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3_600 * _SECOND, 86_400 * _SECOND
_WEEK = 7 * _DAY

# Length in microseconds, the noun, and the name of one such step.
_SPANS = (
    (_WEEK, "week", "weekly"),
    (_DAY, "day", "daily"),
    (_HOUR, "hour", "hourly"),
    (_MINUTE, "minute", "every minute"),
    (_SECOND, "second", "every second"),
    (1_000, "millisecond", "every millisecond"),
    (1, "microsecond", "every microsecond"),
)
_MONTHS = {1: "monthly", 3: "quarterly", 6: "half-yearly", 12: "yearly"}
_MONTH_NOUNS = {1: "months", 3: "quarters", 6: "half-years", 12: "years"}


@dataclass(frozen=True)
class Frequency:
    """A regular grid of times: every `step` units from wherever a series starts.

    Attributes:
        unit: What a step is counted in. Weeks, days and all below are multiples of a microsecond.
        step: How many units from one point to the next; at least 1.
        day: For months alone, the day of the month: 1 is the month's start; 31 is its end, since a day that a
            month does not have means its last.

    Example:
        >>> import numpy as np
        >>> from unrolled.data.frequency import Frequency
        >>> Frequency.parse("15min").name
        'every 15 minutes'
        >>> Frequency.parse("ME").advance(np.datetime64("2024-01-31", "us"), [1, 2]).astype("M8[D]")
        array(['2024-02-29', '2024-03-31'], dtype='datetime64[D]')
    """

    unit: Unit
    step: int = 1
    day: int = 1

    @staticmethod
    def parse(freq: object) -> Frequency:
        """Return the frequency that a user names.

        Args:
            freq: A code with an optional count before it ("h", "15min", "2W", "MS", "ME"), or a whole number
                for integer times. Codes: s, min, h, D, B (business days), W, MS and ME (the start and end of
                months), QS and QE (of quarters), YS and YE (of years).

        Raises:
            DataError: Anything else, or a count below 1.
        """
        if not isinstance(freq, bool) and isinstance(freq, Integral):
            return _checked(Frequency("integer", int(freq)), freq)
        if not isinstance(freq, str):
            raise DataError(_unknown_code(freq))
        found = re.fullmatch(r"(\d*)\s*([A-Za-z]+)", freq.strip())
        base = _CODES.get(_ALIASES.get(found[2], found[2])) if found else None
        if found is None or base is None:
            raise DataError(_unknown_code(freq))
        count = int(found[1] or 1)
        if base.unit == "business day" and count != 1:
            raise DataError(f"freq={freq!r}: business days have no multiples; give 'B' or '{count}D'.")
        return _checked(Frequency(base.unit, base.step * count, base.day), freq)

    @staticmethod
    def from_json(fields: dict[str, Any]) -> Frequency:
        """Return the frequency that `to_json` described."""
        return Frequency(fields["unit"], fields["step"], fields["day"])

    def to_json(self) -> dict[str, Any]:
        """Return the frequency as plain JSON types."""
        return {"unit": self.unit, "step": self.step, "day": self.day}

    @property
    def name(self) -> str:
        """The frequency in plain words, such as "hourly", "every 15 minutes" or "monthly (month end)"."""
        match self.unit:
            case "integer":
                return f"steps of {self.step}"
            case "business day":
                return "business days"
            case "month":
                return _MONTHS.get(self.step, f"every {self.step} months") + self._day_of_month()
            case "microsecond":
                count, noun, single = self._span()
                return single if count == 1 else f"every {count:,} {noun}s"

    @property
    def points(self) -> str:
        """What the points of the grid are called: "hours", "weeks", or simply "points"."""
        if self.unit == "month":
            return _MONTH_NOUNS.get(self.step, "points")
        if self.unit == "microsecond" and self._span()[0] == 1:
            return f"{self._span()[1]}s"
        return "business days" if self.unit == "business day" else "points"

    @property
    def season(self) -> int:
        """Steps in the natural season, 1 where there is none.

        The season of steps below a second is a second, then in turn: of seconds an hour, of minutes and hours
        a day, of days a week, of weeks and months a year. Steps that do not divide their season get the
        number after which the two meet again: every 2 days gives 7, a fortnight.
        """
        match self.unit:
            case "integer":
                return 1
            case "business day":
                return 5
            case "month":
                return 12 // math.gcd(12, self.step)
            case "microsecond":
                return self._cycle() // math.gcd(self._cycle(), self.step)

    @property
    def is_daily_or_longer(self) -> bool:
        """Whether a step takes a day or more, so that the local calendar counts and not the clock."""
        return self.unit in ("business day", "month") or (self.unit == "microsecond" and self.step >= _DAY)

    def advance(self, start: Any, n: Any) -> np.ndarray:
        """Return the times `n` steps after `start`; the two broadcast.

        Args:
            start: datetime64, or int64 for integer times.
            n: Whole numbers; negative ones go back.

        Returns:
            datetime64[us] or int64.
        """
        steps = np.asarray(n, dtype=np.int64) * self.step
        if self.unit == "integer":
            return np.asarray(np.asarray(start, dtype=np.int64) + steps)
        times = np.asarray(start, dtype="M8[us]")
        if self.unit == "microsecond":
            return np.asarray(times + steps.astype("m8[us]"))
        dates = times.astype("M8[D]")
        clock = times - dates
        if self.unit == "business day":
            return np.asarray(np.busday_offset(dates, steps, roll="forward") + clock)
        return np.asarray(self._date_in(times.astype("M8[M]") + steps.astype("m8[M]")) + clock)

    def position(self, start: Any, times: Any) -> Int64[np.ndarray, "..."]:
        """Return how many steps after `start` each of `times` is, the inverse of `advance`.

        Args:
            start: datetime64, or int64 for integer times.
            times: Of the same type; the two broadcast.

        Returns:
            Whole numbers; `OFF_GRID` for a time that is not on the grid, and where the start is not on it.
        """
        if self.unit == "integer":
            start, times = np.asarray(start, dtype=np.int64), np.asarray(times, dtype=np.int64)
        else:
            start, times = np.asarray(start, dtype="M8[us]"), np.asarray(times, dtype="M8[us]")
        steps = self._units_between(start, times) // self.step
        # A time is on the grid if going there from the start arrives at it.
        return np.where(self.advance(start, steps) == times, steps, OFF_GRID)

    def _units_between(self, start: np.ndarray, times: np.ndarray) -> np.ndarray:
        if self.unit == "business day":
            return np.asarray(np.busday_count(start.astype("M8[D]"), times.astype("M8[D]")))
        if self.unit == "month":
            return np.asarray(times.astype("M8[M]") - start.astype("M8[M]")).astype(np.int64)
        return np.asarray(times - start).astype(np.int64)

    def _date_in(self, months: Any) -> np.ndarray:
        """Return this frequency's day in each of `months`."""
        day = np.minimum(self.day, _month_lengths(months))
        return np.asarray(months.astype("M8[D]") + (day - 1).astype("m8[D]"))

    def _span(self) -> tuple[int, str, str]:
        """Return the count, noun and single name of the longest span that divides the step."""
        return next((self.step // us, noun, one) for us, noun, one in _SPANS if self.step % us == 0)

    def _cycle(self) -> int:
        if self.step % _WEEK == 0:
            return 52 * _WEEK
        cycles = ((_DAY, _WEEK), (_MINUTE, _DAY), (_SECOND, _HOUR), (0, _SECOND))
        return next(cycle for shortest, cycle in cycles if self.step >= shortest)

    def _day_of_month(self) -> str:
        if self.day == 1:
            return " (month start)" if self.step == 1 else ""
        return " (month end)" if self.day == 31 else f" (day {self.day})"


_CODES = {
    "s": Frequency("microsecond", _SECOND),
    "min": Frequency("microsecond", _MINUTE),
    "h": Frequency("microsecond", _HOUR),
    "D": Frequency("microsecond", _DAY),
    "B": Frequency("business day"),
    "W": Frequency("microsecond", _WEEK),
    "MS": Frequency("month", 1, 1),
    "ME": Frequency("month", 1, 31),
    "QS": Frequency("month", 3, 1),
    "QE": Frequency("month", 3, 31),
    "YS": Frequency("month", 12, 1),
    "YE": Frequency("month", 12, 31),
}
# Names that pandas used before, or uses for periods.
_ALIASES = {"S": "s", "T": "min", "H": "h", "M": "ME", "Q": "QE", "Y": "YE", "A": "YE"}
# Words that people write instead of a code, for the hint alone.
_WORDS = {
    "second": "s",
    "m": "min",
    "minute": "min",
    "hour": "h",
    "hourly": "h",
    "day": "D",
    "daily": "D",
    "business": "B",
    "week": "W",
    "weekly": "W",
    "month": "MS",
    "monthly": "MS",
    "quarter": "QS",
    "quarterly": "QS",
    "year": "YS",
    "yearly": "YS",
    "annual": "YS",
}


def _unknown_code(freq: object) -> str:
    # pandas names an anchor, as in "W-SUN"; here it is wherever a series starts.
    word = freq.lstrip("0123456789 ").partition("-")[0] if isinstance(freq, str) else ""
    near = did_you_mean(word, [*_CODES, *_WORDS])
    for word, code in _WORDS.items():
        near = near.replace(f"'{word}'", f"'{code}'")
    codes = ", ".join(_CODES)
    return (
        f"freq={freq!r} is not a frequency.{near} "
        f"The codes are {codes}, with a count before them if need be ('15min'); integer times take a number."
    )


def _checked(frequency: Frequency, freq: object) -> Frequency:
    if frequency.step < 1:
        raise DataError(f"freq={freq!r} does not go forward; a frequency is at least one step.")
    return frequency


def infer_frequency(times: Any, offsets: Int64[np.ndarray, " boundaries"]) -> Frequency | None:
    """Return the frequency that most steps of the series follow.

    The commonest step decides; among equally common ones, the shortest. Whether each time is on the grid is
    for `Frequency.position` to say.

    Args:
        times: (P,) datetime64[us] or int64, all series end to end, rising within each.
        offsets: (S+1,) series s is `times[offsets[s]:offsets[s + 1]]`.

    Returns:
        The frequency, or None where there is no step at all.

    Example:
        >>> import numpy as np
        >>> from unrolled.data.frequency import infer_frequency
        >>> days = np.array(["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], dtype="M8[us]")
        >>> infer_frequency(days, np.array([0, 4])).name
        'monthly (month end)'
    """
    within = ~starts_series(offsets)[1:]
    if not within.any():
        return None
    if times.dtype.kind != "M":
        return Frequency("integer", commonest(np.diff(times)[within]))
    step = commonest(np.diff(times)[within].astype(np.int64))
    if step >= 28 * _DAY:
        return _calendar(times, within, step) or Frequency("microsecond", step)
    if step == _DAY and _rests_at_weekends(times, within):
        return Frequency("business day")
    return Frequency("microsecond", step)


def starts_series(offsets: Int64[np.ndarray, " boundaries"]) -> Bool[np.ndarray, " P"]:
    """Return which points are the first of their series; no series may be empty."""
    first = np.zeros(int(offsets[-1]), dtype=bool)
    first[offsets[:-1]] = True
    return first


def commonest(numbers: np.ndarray) -> int:
    """Return the number that occurs most often; among equally frequent ones, the smallest."""
    # Most tables have one step throughout, and finding that out is far cheaper than counting.
    if numbers.min() == numbers.max():
        return int(numbers[0])
    values, counts = np.unique(numbers, return_counts=True)
    return int(values[counts.argmax()])


def _calendar(times: np.ndarray, within: np.ndarray, step: int) -> Frequency | None:
    """Return the frequency in months; None unless most times keep to one day of the month.

    Neither do they where a step of so many microseconds explains more of them, such as 365 days.
    """
    months = times.astype("M8[M]")
    lengths = _month_lengths(months)
    days = (times.astype("M8[D]") - months.astype("M8[D]")).astype(np.int64) + 1
    # Three ends of short months may as well be on the 30th: the later day that explains most of them.
    by_month, day = max(((days == np.minimum(day, lengths)).mean(), day) for day in (31, commonest(days)))
    by_step = (np.diff(times)[within].astype(np.int64) % step == 0).mean()
    if by_month <= 0.5 or by_month < by_step:
        return None
    return Frequency("month", commonest(np.diff(months)[within].astype(np.int64)), day)


def _rests_at_weekends(times: np.ndarray, within: np.ndarray) -> bool:
    dates = times.astype("M8[D]")
    over_weekend = (np.diff(dates) == np.timedelta64(3, "D")) & within
    return bool(np.is_busday(dates).all() and over_weekend.any())


def _month_lengths(months: Any) -> np.ndarray:
    following = (months + np.timedelta64(1, "M")).astype("M8[D]")
    return np.asarray(following - months.astype("M8[D]")).astype(np.int64)
