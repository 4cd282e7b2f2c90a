from __future__ import annotations

import numpy as np
import pytest
import torch

from unrolled.forecast.scaling import location_and_scale

NAN = float("nan")


def _expected(scaling: str, seen: np.ndarray) -> tuple[float, float]:
    if scaling == "none":
        return 0.0, 1.0
    if scaling == "standard":
        return seen.mean(), seen.std()
    if scaling == "last":
        return seen[-1], seen.std()
    return np.median(seen), (np.quantile(seen, 0.75) - np.quantile(seen, 0.25)) / 1.349


@pytest.mark.parametrize("scaling", ["none", "standard", "robust", "last"])
@pytest.mark.parametrize(
    "window", [[3.0, 5.0, 1.0, 8.0], [NAN, 5.0, 1.0, NAN], [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3], [NAN, NAN, 7.0, 8.0]]
)
def test_each_scaling_takes_out_what_it_says_of_the_observed_values(scaling: str, window: list[float]) -> None:
    past = torch.tensor([window], dtype=torch.float64)
    location, scale = location_and_scale(scaling, past, ~past.isnan())
    seen = np.array([value for value in window if not np.isnan(value)])
    expected = _expected(scaling, seen)
    assert location.item() == pytest.approx(expected[0], rel=1e-12)
    assert scale.item() == pytest.approx(expected[1], rel=1e-9)


@pytest.mark.parametrize("scaling", ["standard", "robust", "last"])
def test_constant_and_empty_windows_can_be_divided_by_their_scale(scaling: str) -> None:
    past = torch.tensor([[5.0, 5.0], [0.0, 0.0], [NAN, NAN], [-4.0, NAN]], dtype=torch.float64)
    location, scale = location_and_scale(scaling, past, ~past.isnan())
    assert location.ravel().tolist() == [5.0, 0.0, 0.0, -4.0]
    assert scale.ravel().tolist() == [5.0, 1.0, 1.0, 4.0]


@pytest.mark.parametrize("scaling", ["standard", "robust", "last"])
def test_a_small_spread_on_a_high_level_is_no_constant(scaling: str) -> None:
    past = 1e10 + torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    _, scale = location_and_scale(scaling, past, ~past.isnan())
    assert 0.05 < scale.item() < 0.2


@pytest.mark.parametrize("scaling", ["standard", "robust", "last"])
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e9 / 7])
def test_a_constant_stays_one_where_its_mean_is_rounded(scaling: str, level: float) -> None:
    past = torch.full((1, 1001), level, dtype=torch.float64)
    _, scale = location_and_scale(scaling, past, ~past.isnan())
    assert scale.item() == pytest.approx(level)
