"""Windows by number: every one there is, none that reads what it must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makers import panel_of
from unrolled.data.windows import Windows, held_out, training_windows, validation_windows

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=6)


def _by_hand(lengths: list[int], first: list[int], last: list[int]) -> list[tuple[int, int]]:
    """List (series, position) of every window, one loop inside the other."""
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    rows = enumerate(zip(begins, first, last, strict=True))
    return [(s, b + p) for s, (b, low, high) in rows for p in range(low, high + 1)]


def _located(windows: Windows) -> list[tuple[int, int]]:
    series, positions = windows.locate(np.arange(len(windows)))
    return list(zip(series.tolist(), positions.tolist(), strict=True))


@given(LENGTHS, st.integers(1, 6), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 8)))
def test_training_windows_are_all_that_end_before_the_held_out_points(lengths, input_size, h, val_size) -> None:
    panel = panel_of([np.zeros(n) for n in lengths])
    held = held_out(panel.lengths, input_size, h, val_size)
    windows = training_windows(panel, input_size, h, held)
    last = [n - k - h for n, k in zip(lengths, held, strict=True)]
    assert _located(windows) == _by_hand(lengths, [input_size] * len(lengths), last)


@given(LENGTHS, st.integers(1, 6), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 8)))
def test_validation_windows_lie_wholly_in_the_held_out_points(lengths, input_size, h, val_size) -> None:
    panel = panel_of([np.zeros(n) for n in lengths])
    held = held_out(panel.lengths, input_size, h, val_size)
    expected = _by_hand(
        lengths,
        [n - k for n, k in zip(lengths, held, strict=True)],
        [n - h if k else -1 for n, k in zip(lengths, held, strict=True)],
    )
    assert _located(validation_windows(panel, h, held)) == expected


def test_validation_takes_a_tenth_but_at_least_a_horizon_and_leaves_a_training_window() -> None:
    lengths = np.array([1000, 100, 40, 35, 30])
    assert held_out(lengths, 20, 10, None).tolist() == [100, 10, 10, 0, 0]


def test_a_given_val_size_is_taken_as_far_as_there_is_room() -> None:
    assert held_out(np.array([1000, 70, 45, 39]), 20, 10, 30).tolist() == [30, 30, 15, 0]


def test_without_validation_nothing_is_held_out() -> None:
    assert held_out(np.array([1000, 70]), 20, 10, 0).tolist() == [0, 0]


@pytest.mark.parametrize(("most", "expected"), [(100, list(range(10))), (10, list(range(10))), (4, [0, 3, 6, 9])])
def test_spread_takes_evenly(most: int, expected: list[int]) -> None:
    windows = Windows(np.array([0]), np.array([10]))
    assert windows.spread(most).tolist() == expected


def test_series_without_windows_are_passed_over() -> None:
    windows = Windows(np.array([5, 20, 30]), np.array([2, 0, 1]))
    assert _located(windows) == [(0, 5), (0, 6), (2, 30)]


def test_of_several_targets_the_first_stands_for_all() -> None:
    windows = Windows(np.array([5, 20, 30, 40]), np.array([2, 2, 1, 1])).each(2)
    assert _located(windows) == [(0, 5), (0, 6), (2, 30)]
