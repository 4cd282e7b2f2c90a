from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from makers import panel_of
from unrolled.data.covariates import Features
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import gatherer
from unrolled.forecast.scaling import location_and_scale
from unrolled.forecast.transforms import Transform

NAN = float("nan")
PER_WINDOW = ("none", "standard", "robust", "last", "mean", "revin")
CENTRED = ("standard", "robust", "last", "revin")


def by_hand(scaling: str, window: list[float]) -> tuple[float, float]:
    """Return location and scale by plain loops, of windows that vary."""
    seen = [value for value in window if not math.isnan(value)]
    mean = math.fsum(seen) / len(seen)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in seen) / len(seen))
    if scaling in ("standard", "revin"):
        return mean, spread
    if scaling == "robust":
        low, middle, high = np.quantile(seen, [0.25, 0.5, 0.75])
        return middle, (high - low) / 1.349
    if scaling == "last":
        return seen[-1], spread
    if scaling == "mean":
        return 0.0, math.fsum(map(abs, seen)) / len(seen)
    return 0.0, 1.0


def scaled_by(scaling: str, windows: list[list[float]]) -> list[tuple[float, float]]:
    past = torch.tensor(windows, dtype=torch.float64)
    location, scale = location_and_scale(scaling, past, ~past.isnan())
    return list(zip(location.ravel().tolist(), scale.ravel().tolist(), strict=True))


@pytest.mark.parametrize("level", [0.0, -3.0, 1e9])
@pytest.mark.parametrize("scaling", PER_WINDOW)
def test_each_scaling_takes_out_what_loops_over_the_observed_values_find(scaling, level) -> None:
    draw = np.random.default_rng(0)
    windows = level + draw.normal(size=(30, 20)) * 10.0 ** draw.integers(-2, 3, size=(30, 1))
    windows[draw.random(windows.shape) < 0.3] = NAN
    found = scaled_by(scaling, windows.tolist())
    for pair, window in zip(found, windows.tolist(), strict=True):
        assert pair == pytest.approx(by_hand(scaling, window), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("scaling", CENTRED)
def test_constant_and_empty_windows_can_be_divided_by_their_scale(scaling: str) -> None:
    found = scaled_by(scaling, [[5.0, 5.0, 5.0], [0.0, 0.0, 0.0], [NAN, NAN, NAN], [-4.0, NAN, NAN]])
    assert found == [(5.0, 5.0), (0.0, 1.0), (0.0, 1.0), (-4.0, 4.0)]


def test_windows_of_zeros_and_of_nothing_can_be_divided_by_their_mean_size() -> None:
    found = scaled_by("mean", [[0.0, 0.0], [NAN, NAN], [0.0, 3.0], [-2.0, NAN]])
    assert found == [(0.0, 1.0), (0.0, 1.0), (0.0, 1.5), (0.0, 2.0)]


@pytest.mark.parametrize("scaling", CENTRED)
def test_a_small_spread_on_a_high_level_is_no_constant(scaling: str) -> None:
    ((_, scale),) = scaled_by(scaling, [[1e10 + step for step in (0.1, 0.2, 0.3, 0.4)]])
    assert 0.05 < scale < 0.2


@pytest.mark.parametrize("scaling", CENTRED)
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e9 / 7])
def test_a_constant_stays_one_where_its_mean_is_rounded(scaling: str, level: float) -> None:
    ((_, scale),) = scaled_by(scaling, [[level] * 1001])
    assert scale == pytest.approx(level)


@pytest.mark.parametrize("scaling", ["series", "last_series"])
def test_scaling_by_series_takes_out_the_mean_or_last_value_and_the_spread_of_the_whole_series(scaling: str) -> None:
    draw = np.random.default_rng(0)
    series = [1e9 + draw.normal(size=40), 5 * draw.normal(size=25), np.full(30, 7.0), np.full(20, NAN)]
    series[0][[3, 17, 39]] = NAN
    panel = panel_of(series)
    gather = gatherer(panel, Config(2, input_size=5, scaling=scaling, season=1), Features(), Transform())
    numbers, at = [1, 0, 2, 3, 0], [5, 20, 9, 8, 30]
    batch = gather(np.array(numbers), panel.offsets[:-1][numbers] + at, 2)
    pairs = np.concatenate([batch.location_R1.numpy(), batch.scale_R1.numpy()], axis=1)
    for which in (0, 1, 4):
        (location, scale), number = pairs[which], numbers[which]
        seen = [value for value in series[number].tolist() if not math.isnan(value)]
        mean = math.fsum(seen) / len(seen)
        last = [value for value in series[number][: at[which]].tolist() if not math.isnan(value)][-1]
        assert location == pytest.approx(mean if scaling == "series" else last, rel=1e-12)
        assert scale == pytest.approx(math.sqrt(math.fsum((v - mean) ** 2 for v in seen) / len(seen)), rel=1e-7)
    assert pairs[2].tolist() == [7, 7]
    assert pairs[3].tolist() == [0, 1]
