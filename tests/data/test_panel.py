"""What can be asked of a panel."""

import numpy as np
import pandas as pd
import pytest

from unrolled.data.table import read_panel
from unrolled.errors import DataError


def panel(lengths, freq="D"):
    series = [
        pd.DataFrame({"unique_id": f"s{k}", "ds": pd.date_range("2024-01-31", periods=n, freq=freq), "y": 1.0 + k})
        for k, n in enumerate(lengths)
    ]
    return read_panel(pd.concat(series), freq=freq)


def test_future_times_follow_each_series():
    future = panel([2, 3], "ME").future_times(2)
    expected = [["2024-03-31", "2024-04-30"], ["2024-04-30", "2024-05-31"]]
    np.testing.assert_array_equal(future, np.array(expected, dtype="M8[us]"))


@pytest.mark.parametrize("lengths", [[5], [3, 7, 4]])
def test_drop_last(lengths):
    whole = panel(lengths)
    rest = whole.drop_last(2)
    np.testing.assert_array_equal(rest.lengths, np.array(lengths) - 2)
    for s in range(len(whole)):
        first, last = whole.offsets[s], whole.offsets[s + 1]
        kept = slice(rest.offsets[s], rest.offsets[s + 1])
        np.testing.assert_array_equal(rest.values[kept], whole.values[first : last - 2])
        np.testing.assert_array_equal(rest.times[kept], whole.times[first : last - 2])
    assert (rest.freq, rest.table, rest.notes) == (whole.freq, whole.table, whole.notes)
    assert len(whole.drop_last(0).values) == sum(lengths)


def test_dropping_all_of_a_series_is_refused():
    with pytest.raises(
        DataError, match=r"^2 series have no more than 4 points to leave out: 's0' \(3\), 's2' \(4\)\.$"
    ):
        panel([3, 7, 4]).drop_last(4)


@pytest.mark.parametrize("lengths", [[5], [3, 7, 4]])
def test_keep_last(lengths):
    whole = panel(lengths)
    rest = whole.keep_last(4)
    np.testing.assert_array_equal(rest.lengths, np.minimum(lengths, 4))
    for s in range(len(whole)):
        first, last = whole.offsets[s], whole.offsets[s + 1]
        kept = slice(rest.offsets[s], rest.offsets[s + 1])
        np.testing.assert_array_equal(rest.values[kept], whole.values[max(first, last - 4) : last])
        np.testing.assert_array_equal(rest.times[kept], whole.times[max(first, last - 4) : last])
    np.testing.assert_array_equal(rest.future_times(2), whole.future_times(2))
