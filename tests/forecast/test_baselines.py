from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from makers import panel_of
from unrolled.forecast.baselines import drift, naive, seasonal_naive

NAN = float("nan")


def test_baselines_of_plain_series() -> None:
    panel = panel_of([np.array([1.0, 2, 3, 4]), np.array([10.0, 8, 6, 4])])
    assert naive(panel, 2).tolist() == [[4, 4], [4, 4]]
    assert seasonal_naive(panel, 3, season=2).tolist() == [[3, 4, 3], [6, 4, 6]]
    assert drift(panel, 2).tolist() == [[5, 6], [2, 0]]


def test_missing_values_are_looked_through() -> None:
    panel = panel_of([np.array([1.0, 2, 3, NAN, 5, NAN])])
    assert naive(panel, 2).tolist() == [[5, 5]]
    assert seasonal_naive(panel, 2, season=2).tolist() == [[5, 2]]
    assert drift(panel, 2).tolist() == [[7, 8]]


def test_series_shorter_than_a_season_take_the_last_value() -> None:
    assert seasonal_naive(panel_of([np.array([1.0, 2])]), 3, season=5).tolist() == [[2, 2, 2]]


def _seasonal_by_hand(values: list[float], h: int, season: int) -> list[float]:
    last = next(v for v in reversed(values) if not np.isnan(v))
    found = []
    for step in range(h):
        at = len(values) - season + step % season
        while at >= 0 and np.isnan(values[at]):
            at -= season
        found.append(values[at] if at >= 0 else last)
    return found


VALUES = st.lists(st.one_of(st.just(NAN), st.integers(0, 9).map(float)), min_size=1, max_size=12).filter(
    lambda values: not all(np.isnan(values))
)


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 7), st.integers(1, 5))
def test_seasonal_naive_agrees_with_a_search_by_hand(series, h, season) -> None:
    found = seasonal_naive(panel_of([np.array(values) for values in series]), h, season)
    assert found.tolist() == [_seasonal_by_hand(values, h, season) for values in series]
