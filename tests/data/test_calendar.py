"""Features of the calendar, held to the standard library's dates; holidays to a set of them."""

import datetime as dt
import sys

import holidays as holidays_package
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.calendar import Holidays, places, suiting, wall_clock
from unrolled.data.frames import TableKind
from unrolled.data.frequency import Frequency
from unrolled.errors import ConfigError

NAMES = ("minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter")
TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 12, 31)).map(lambda time: time.replace(microsecond=0))


def by_hand(time):
    """The share of each cycle that has passed."""
    year_begin, next_year = dt.datetime(time.year, 1, 1), dt.datetime(time.year + 1, 1, 1)
    month_length = ((time.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)).day
    return {
        "minute": (time.minute * 60 + time.second) / 3600,
        "hour": (time.hour * 3600 + time.minute * 60 + time.second) / 86400,
        "dayofweek": time.weekday() / 7,
        "day": (time.day - 1) / month_length,
        "dayofyear": (time.timetuple().tm_yday - 1) / (next_year - year_begin).days,
        "week": (time.isocalendar().week - 1) / 53,
        "month": (time.month - 1) / 12,
        "quarter": (time.month - 1) // 3 / 4,
    }


@settings(deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=20))
def test_each_feature_is_the_sine_and_the_cosine_of_the_place_in_its_cycle(times):
    columns = np.stack(list(places(np.array(times, dtype="M8[us]"), NAMES)), axis=1)
    for row, time in zip(columns, times, strict=True):
        shares = by_hand(time)
        expected = [part(2 * np.pi * shares[name]) for name in NAMES for part in (np.sin, np.cos)]
        np.testing.assert_allclose(row, expected, atol=1e-6)
    assert columns.dtype == np.float32


SUITING = {
    "s": ("minute", "hour"),
    "15min": ("minute", "hour", "dayofweek", "dayofyear"),
    "h": ("hour", "dayofweek", "dayofyear"),
    "D": ("dayofweek", "day", "dayofyear"),
    "B": ("dayofweek", "day", "dayofyear"),
    "W": ("dayofyear",),
    "MS": ("month",),
    "ME": ("month",),
    "QS": ("quarter",),
    "YS": (),
}


@pytest.mark.parametrize("freq", SUITING)
def test_what_suits_a_frequency(freq):
    assert suiting(Frequency.parse(freq), np.timedelta64(1000, "D")) == SUITING[freq]


def test_a_cycle_that_the_data_do_not_hold_is_left_out():
    hourly = Frequency.parse("h")
    assert suiting(hourly, np.timedelta64(30, "D")) == ("hour", "dayofweek")
    assert suiting(hourly, np.timedelta64(23, "h")) == ()


def test_people_live_by_the_clock_on_the_wall():
    utc = np.array(["2024-03-31T00:00", "2024-03-31T01:00"], dtype="M8[us]")
    local = np.array(["2024-03-31T01:00", "2024-03-31T03:00"], dtype="M8[us]")  # clocks go forward
    berlin = TableKind("pandas", zone="Europe/Berlin")
    np.testing.assert_array_equal(wall_clock(utc, berlin), local)
    np.testing.assert_array_equal(wall_clock(local, TableKind("pandas", zone="Europe/Berlin", wall_clock=True)), local)
    np.testing.assert_array_equal(wall_clock(local, TableKind("pandas")), local)


def days(begin, count, step=1):
    return np.datetime64(begin, "us") + np.arange(count) * np.timedelta64(step, "D")


@pytest.mark.parametrize(
    ("code", "country", "part"), [("DE", "DE", None), ("us-ca", "US", "CA"), ("GB-SCT", "GB", "SCT")]
)
def test_holidays_of_days_those_before_and_after(code, country, part):
    times = days("2023-12-20", 400)
    free = holidays_package.country_holidays(country, subdiv=part, years=range(2023, 2026))
    dates = [time.astype(object).date() for time in times]
    expected = [[(date + dt.timedelta(days=shift)) in free for date in dates] for shift in (0, -1, 1)]
    found = list(Holidays(code).columns(times, Frequency.parse("D")))
    np.testing.assert_array_equal(found, expected)
    hours = np.repeat(times, 24) + np.tile(np.arange(24), 400) * np.timedelta64(1, "h")
    np.testing.assert_array_equal(list(Holidays(code).columns(hours, Frequency.parse("h"))), np.repeat(expected, 24, 1))


def test_longer_steps_count_their_holidays():
    free = sorted(holidays_package.country_holidays("DE", years=range(2022, 2026)))

    def between(first, after):
        return sum(first <= date < after for date in free)

    weeks = days("2023-01-01", 60, 7)
    starts = [time.astype(object).date() for time in weeks]
    week = dt.timedelta(days=7)
    expected = [[between(start + k * week, start + (k + 1) * week) for start in starts] for k in (0, -1, 1)]
    np.testing.assert_array_equal(list(Holidays("DE").columns(weeks, Frequency.parse("W"))), expected)
    first, last = ([f"2024-{month:02}-01" for month in range(1, 13)], np.arange("2024-02", "2025-02", dtype="M8[M]"))
    ends = (last.astype("M8[D]") - 1).astype("M8[us]")
    by_month = [between(dt.date(2024, m, 1), dt.date(2024 + m // 12, m % 12 + 1, 1)) for m in range(1, 13)]
    for times, freq in ((np.array(first, dtype="M8[us]"), "MS"), (ends, "ME")):
        same, before, after = Holidays("DE").columns(times, Frequency.parse(freq))
        assert same.tolist() == by_month
        assert before[1:].tolist() == by_month[:-1]
        assert after[:-1].tolist() == by_month[1:]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Germany", r"^holidays='Germany' is no country that is known\. Did you mean 'DE'\?"),
        ("DEU", r"Did you mean 'DE'\?"),
        ("QQ", r"^holidays='QQ' is no country that is known\. .*two letters by ISO 3166, such as 'DE'"),
        ("US-XX", r"^holidays='US-XX' names no part that is known\. The parts of US are AK, AL, "),
        ("JP-1", r"^holidays='JP-1' names no part that is known\. JP has no parts\."),
    ],
)
def test_places_that_are_not_known(code, message):
    with pytest.raises(ConfigError, match=message):
        Holidays(code)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match=r"^holidays='DE' needs the package: pip install 'unrolled\[holidays\]'\.$"):
        Holidays("DE")
