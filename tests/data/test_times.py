"""Times as text, with zones, across clock changes; ids and rows in any order; gaps."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.frames import to_native
from unrolled.data.table import read_panel


def times_of(texts, **columns):
    frame = pd.DataFrame({"ds": texts, "y": np.arange(float(len(texts)))} | columns)
    return read_panel(frame)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2024-01-31", "2024-02-29"], ["2024-01-31", "2024-02-29"]),
        (["2024-01", "2024-02"], ["2024-01-01", "2024-02-01"]),
        (["2023", "2024"], ["2023-01-01", "2024-01-01"]),
        (["2024/1/31", "2024/2/1"], ["2024-01-31", "2024-02-01"]),
        (["2024-01-31 13:00", "2024-01-31 14:00"], ["2024-01-31T13", "2024-01-31T14"]),
        (["2024-01-31T13:00:01", "2024-01-31T13:00:02"], ["2024-01-31T13:00:01", "2024-01-31T13:00:02"]),
        (["2024-01-31 13:00:00.125", "2024-01-31 13:00:00.25"], ["2024-01-31T13:00:00.125", "2024-01-31T13:00:00.25"]),
        (["2024-01-31T13:00Z", "2024-01-31T14:00Z"], ["2024-01-31T13", "2024-01-31T14"]),
        (["2024-01-31T13:00+02:00", "2024-01-31T14:00+0200"], ["2024-01-31T11", "2024-01-31T12"]),
        (["31/01/2024", "01/02/2024"], ["2024-01-31", "2024-02-01"]),
        (["01/31/2024", "02/01/2024"], ["2024-01-31", "2024-02-01"]),
        (["31.1.2024 13:00", "1.2.2024 13:00"], ["2024-01-31T13", "2024-02-01T13"]),
    ],
)
def test_text(texts, expected):
    np.testing.assert_array_equal(times_of(texts).times, np.array(expected, dtype="M8[us]"))


def test_text_with_a_zone_comes_back_in_it():
    panel = times_of(["2024-01-31T13:00+02:00", "2024-01-31T14:00+02:00"])
    back = to_native(panel.table, {"ds": panel.times})["ds"]
    assert [time.isoformat() for time in back] == ["2024-01-31T13:00:00+02:00", "2024-01-31T14:00:00+02:00"]


@pytest.mark.parametrize("change", ["2024-03-31", "2024-10-27"])
@pytest.mark.parametrize(
    ("freq", "name"), [("D", "daily"), ("h", "hourly"), ("W", "weekly"), ("MS", "monthly (month start)")]
)
def test_clock_changes_are_no_gaps(change, freq, name):
    start = pd.Timestamp(change) - pd.Timedelta("2D")
    times = pd.Series(pd.date_range(start, periods=80, freq=freq, tz="Europe/Berlin"))
    frame = pd.DataFrame({"ds": times, "y": 1.0})
    for panel in (read_panel(frame), read_panel(frame, freq=freq), read_panel(pl.from_pandas(frame))):
        assert panel.freq.name == name
        assert not np.isnan(panel.values).any()
        assert panel.table.wall_clock == (name != "hourly")
    following = to_native(read_panel(frame).table, {"ds": read_panel(frame).future_times(3)[0]})["ds"]
    expected = pd.date_range(times.iloc[-1], periods=4, freq=freq)[1:]
    assert list(following) == list(expected)


@pytest.mark.parametrize("change", ["2024-03-31", "2024-10-27"])
@pytest.mark.parametrize("hours", [[0, 12], [6, 14, 22], [9, 13]])
def test_hours_of_the_local_clock_are_even_across_its_changes(change, hours):
    days = pd.date_range(pd.Timestamp(change) - pd.Timedelta("4D"), periods=12)
    local = pd.Series([day + pd.Timedelta(hours=hour) for day in days for hour in hours])
    frame = pd.DataFrame({"ds": local.dt.tz_localize("Europe/Berlin"), "y": np.arange(float(len(local)))})
    panel = read_panel(frame)
    assert panel.table.wall_clock
    observed = ~np.isnan(panel.values)
    assert list(to_native(panel.table, {"ds": panel.times[observed]})["ds"]) == list(frame["ds"])
    assert list(panel.values[observed]) == list(frame["y"])
    following = to_native(panel.table, {"ds": panel.future_times(1)[0]})["ds"].dt.tz_localize(None)
    assert following[0] == local.iloc[-1] + np.timedelta64(panel.freq.step, "us")


def test_text_whose_offset_changes_with_the_clocks():
    texts = ["2024-03-30T00:00+01:00", "2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"]
    panel = times_of(texts)
    assert panel.freq.name == "daily"
    np.testing.assert_array_equal(panel.times, np.arange("2024-03-30", "2024-04-02", dtype="M8[D]"))


@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/Santiago"])
def test_days_whose_midnight_the_clocks_skip(zone):
    days = pd.Series(pd.date_range("2024-01-01", "2024-12-31")).dt.tz_localize(
        zone, nonexistent="shift_forward", ambiguous=True
    )
    assert (days.dt.hour == 1).sum() == 1
    panel = read_panel(pd.DataFrame({"ds": days, "y": 1.0}))
    assert (panel.freq.name, len(panel.values)) == ("daily", 366)
    assert list(to_native(panel.table, {"ds": panel.times})["ds"]) == list(days)


def test_rows_in_any_order():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"unique_id": np.repeat(["b", "a", "c"], 50), "ds": np.tile(np.arange(50), 3)})
    frame["y"] = np.arange(150.0)
    panel = read_panel(frame.iloc[rng.permutation(150)])
    for series, name in enumerate(panel.ids):
        values = panel.values[panel.offsets[series] : panel.offsets[series + 1]]
        np.testing.assert_array_equal(values, frame["y"][frame["unique_id"] == name])


def test_gaps_are_masked_and_said():
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=100, freq="h"), "y": np.arange(100.0)})
    frame.loc[[20, 21, 50], "y"] = np.nan
    panel = read_panel(frame.drop(index=[7, 8, 99]))
    expected = frame["y"].to_numpy()[:99].copy()
    expected[[7, 8]] = np.nan
    np.testing.assert_array_equal(panel.values, expected)
    np.testing.assert_array_equal(panel.times, frame["ds"][:99].to_numpy())
    assert panel.notes[-1] == (
        "ds: hourly; 5 of 99 hours are missing, 2 with no row and 3 with no value "
        "(first 2024-01-01 07:00), and are masked"
    )


def test_a_series_of_one_point_takes_the_others_frequency():
    frame = pd.DataFrame({"id": ["a", "a", "b"], "t": [0, 5, 3], "y": [1.0, 2.0, 3.0]})
    panel = read_panel(frame)
    assert panel.freq.name == "steps of 5"
    np.testing.assert_array_equal(panel.lengths, [2, 1])
    np.testing.assert_array_equal(panel.future_times(2), [[10, 15], [8, 13]])


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_panel_written_and_read_again_is_the_same(data):
    code = data.draw(st.sampled_from(["h", "D", "W", "MS", "ME", "B", 3]))
    library = data.draw(st.sampled_from(["pandas", "polars", "pyarrow"]))
    series = data.draw(st.lists(st.integers(2, 9), min_size=1, max_size=4))
    frames = []
    for number, length in enumerate(series):
        start = data.draw(st.integers(0, 50))
        times = (
            np.arange(length) * 3
            if code == 3
            else pd.date_range("2023-05-31", periods=length + start, freq=code)[start:]
        )
        values = np.array(data.draw(st.lists(st.floats(-1e300, 1e300), min_size=length, max_size=length)))
        missing = np.array(data.draw(st.lists(st.booleans(), min_size=length, max_size=length)))
        missing[[0, -1]] = False
        frames.append(pd.DataFrame({"unique_id": f"s{number}", "ds": times, "y": np.where(missing, np.nan, values)}))
    frame = pd.concat(frames, ignore_index=True)
    if library != "pandas":
        frame = pl.from_pandas(frame) if library == "polars" else pl.from_pandas(frame).to_arrow()
    first = read_panel(frame, freq=code)
    ids = np.repeat(first.ids, first.lengths)
    again = read_panel(to_native(first.table, {"unique_id": ids, "ds": first.times, "y": first.values}), freq=code)
    for name in ("values", "offsets", "ids", "times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    assert (again.freq, again.table, again.notes[:1]) == (first.freq, first.table, first.notes[:1])
