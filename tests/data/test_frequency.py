"""Regular grids: their names, their arithmetic over leap years and month ends, and finding them."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.frequency import OFF_GRID, Frequency, infer_frequency
from unrolled.errors import DataError


def infer(times):
    times = np.asarray(times)
    times = times.astype("M8[us]") if times.dtype.kind == "M" else times
    return infer_frequency(times, np.array([0, len(times)]))


CODES = [
    ("s", "every second", 3600),
    ("30s", "every 30 seconds", 120),
    ("min", "every minute", 1440),
    ("15min", "every 15 minutes", 96),
    ("h", "hourly", 24),
    ("6h", "every 6 hours", 4),
    ("24h", "daily", 7),
    ("D", "daily", 7),
    ("2D", "every 2 days", 7),
    ("B", "business days", 5),
    ("W", "weekly", 52),
    ("2W", "every 2 weeks", 26),
    ("MS", "monthly (month start)", 12),
    ("ME", "monthly (month end)", 12),
    ("M", "monthly (month end)", 12),
    ("QS", "quarterly", 4),
    ("QE", "quarterly (month end)", 4),
    ("2QS", "half-yearly", 2),
    ("YS", "yearly", 1),
    (1, "steps of 1", 1),
    (10, "steps of 10", 1),
]


@pytest.mark.parametrize(("code", "name", "season"), CODES)
def test_parse_names_and_seasons(code, name, season):
    freq = Frequency.parse(code)
    assert (freq.name, freq.season) == (name, season)
    assert Frequency.from_json(json.loads(json.dumps(freq.to_json()))) == freq


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("W-SUN", "'W'"),
        ("QS-OCT", "'QS'"),
        ("hourly", "'h'"),
        ("month", "'MS'"),
        ("15m", "'min'"),
        ("weekli", "'W'"),
        ("Min", "'min'"),
    ],
)
def test_parse_suggests_the_code_meant(wrong, hint):
    with pytest.raises(DataError, match=f"Did you mean {hint}") as error:
        Frequency.parse(wrong)
    assert "s, min, h, D, B, W, MS, ME, QS, QE, YS, YE" in str(error.value)


@pytest.mark.parametrize("wrong", [0, -1, "0h", "2B", "", "h2", 1.5, True, None])
def test_parse_refuses(wrong):
    with pytest.raises(DataError, match=f"freq={wrong!r}"):
        Frequency.parse(wrong)


def test_whole_numbers_of_numpy_and_offsets_of_pandas():
    assert Frequency.parse(np.int64(2)) == Frequency.parse(2)
    with pytest.raises(DataError, match="freq=<Hour> is not a frequency"):
        Frequency.parse(pd.offsets.Hour())


# pandas makes the same grids; it is the judge of each.
RANGES = ["s", "15min", "h", "6h", "D", "2D", "B", "W", "2W", "MS", "ME", "QS", "QE", "2QS", "YS", "YE"]


@pytest.mark.parametrize("code", RANGES)
@pytest.mark.parametrize("start", ["1895-12-30", "1999-11-01", "2023-12-31 06:30"])
def test_grids_agree_with_pandas(code, start):
    times = pd.date_range(start, periods=120, freq=code).to_numpy().astype("M8[us]")
    freq = infer(times)
    assert freq == Frequency.parse(code)
    steps = np.arange(120)
    np.testing.assert_array_equal(freq.advance(times[0], steps), times)
    np.testing.assert_array_equal(freq.position(times[0], times), steps)
    np.testing.assert_array_equal(freq.advance(times[-1], -steps), times[::-1])


@pytest.mark.parametrize("day", [2, 15, 28, 29, 30])
def test_any_day_of_the_month(day):
    months = np.arange("2023-01", "2026-01", dtype="M8[M]")
    following = (months + np.timedelta64(1, "M")).astype("M8[D]")
    lengths = (following - months.astype("M8[D]")).astype(int)
    times = months.astype("M8[D]") + (np.minimum(day, lengths) - 1).astype("m8[D]")
    freq = infer(times)
    assert freq.name == f"monthly (day {day})"
    np.testing.assert_array_equal(freq.advance(times[0].astype("M8[us]"), np.arange(36)), times)


def test_leap_years():
    ends = np.array(["2023-02-28", "2024-02-29", "2025-02-28"], dtype="M8[us]")
    freq = infer(ends)
    assert freq.name == "yearly (month end)"
    assert freq.advance(ends[-1], 3) == np.datetime64("2028-02-29")


@pytest.mark.parametrize(
    ("times", "name"),
    [
        (["2024-04-30", "2024-05-30", "2024-06-30"], "monthly (day 30)"),
        (["2024-06-30", "2024-09-30", "2024-12-30"], "quarterly (day 30)"),
        (["2022-02-28", "2023-02-28", "2024-02-28", "2025-02-28"], "yearly (day 28)"),
        (["2024-04-30", "2024-06-30", "2024-09-30"], "every 2 months (month end)"),
    ],
)
def test_the_last_of_short_months_may_be_any_day(times, name):
    freq = infer(np.array(times, dtype="M8[D]"))
    assert freq.name == name
    start = np.datetime64(times[0], "us")
    kept = freq.position(start, np.array(times[:2], dtype="M8[us]"))
    assert kept.tolist() == [0, 1]


def test_gaps_do_not_hide_the_frequency():
    months = pd.date_range("2020-01-31", periods=48, freq="ME").to_numpy().astype("M8[us]")
    kept = np.delete(months, [3, 4, 17, 30])
    freq = infer(kept)
    assert freq == Frequency.parse("ME")
    np.testing.assert_array_equal(freq.position(kept[0], kept), np.delete(np.arange(48), [3, 4, 17, 30]))


def test_five_days_alone_are_daily_but_two_weeks_without_weekends_are_business_days():
    assert infer(np.arange("2024-01-01", "2024-01-06", dtype="M8[D]")).name == "daily"
    assert infer(pd.bdate_range("2024-01-01", periods=10).to_numpy()).name == "business days"


def test_four_weeks_are_not_a_month():
    assert infer(np.arange("2024-01-01", "2025-01-01", 28, dtype="M8[D]")).name == "every 4 weeks"
    assert infer(np.arange("2020-01-01", "2025-01-01", 365, dtype="M8[D]")).name == "every 365 days"


@pytest.mark.parametrize(
    ("code", "start", "off"),
    [
        ("h", "2024-01-01", "2024-01-01 00:30"),
        ("B", "2024-01-01", "2024-01-06"),
        ("B", "2024-01-01", "2024-01-02 01:00"),
        ("MS", "2024-01-01", "2024-02-02"),
        ("MS", "2024-01-15", "2024-01-15"),  # a start that is itself off the grid
        ("QS", "2024-01-01", "2024-02-01"),
        ("ME", "2024-01-31", "2024-02-28"),
    ],
)
def test_times_off_the_grid(code, start, off):
    start, off = np.datetime64(start, "us"), np.datetime64(off, "us")
    assert Frequency.parse(code).position(start, off) == OFF_GRID


def test_nothing_to_infer_from_single_points():
    assert infer_frequency(np.array([3, 7]), np.array([0, 1, 2])) is None


@given(
    code=st.sampled_from(["s", "7h", "D", "3D", "W", "MS", "ME", "5MS", "QE", "YE", "B"]),
    start=st.datetimes(),
    steps=st.lists(st.integers(0, 300), min_size=1),
)
def test_position_undoes_advance(code, start, steps):
    freq = Frequency.parse(code)
    on_grid = freq.advance(np.datetime64(start, "us"), 0)
    np.testing.assert_array_equal(freq.position(on_grid, freq.advance(on_grid, steps)), steps)
