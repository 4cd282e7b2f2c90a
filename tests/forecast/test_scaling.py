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
PER_WINDOW = ("none", "standard", "robust", "last", "seasonal", "mean", "revin")
CENTRED = ("standard", "robust", "last", "seasonal", "revin")


def by_hand(scaling: str, window: list[float], season: int) -> tuple[float, float]:
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
    if scaling == "none":
        return 0.0, 1.0
    changes = [abs(late - early) for early, late in zip(window, window[season:], strict=False)]
    known = [change for change in changes if not math.isnan(change)]
    return seen[-1], math.fsum(known) / len(known) if known and math.fsum(known) > 0 else spread


def scaled_by(scaling: str, windows: list[list[float]], season: int = 1) -> list[tuple[float, float]]:
    past = torch.tensor(windows, dtype=torch.float64)
    location, scale = location_and_scale(scaling, past, ~past.isnan(), season)
    return list(zip(location.ravel().tolist(), scale.ravel().tolist(), strict=True))


@pytest.mark.parametrize("level", [0.0, -3.0, 1e9])
@pytest.mark.parametrize("season", [1, 3, 7, 40])
@pytest.mark.parametrize("scaling", PER_WINDOW)
def test_each_scaling_takes_out_what_loops_over_the_observed_values_find(scaling, season, level) -> None:
    draw = np.random.default_rng(0)
    windows = level + draw.normal(size=(30, 20)) * 10.0 ** draw.integers(-2, 3, size=(30, 1))
    windows[draw.random(windows.shape) < 0.3] = NAN
    found = scaled_by(scaling, windows.tolist(), season)
    for pair, window in zip(found, windows.tolist(), strict=True):
        assert pair == pytest.approx(by_hand(scaling, window, season), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("scaling", CENTRED)
def test_constant_and_empty_windows_can_be_divided_by_their_scale(scaling: str) -> None:
    found = scaled_by(scaling, [[5.0, 5.0, 5.0], [0.0, 0.0, 0.0], [NAN, NAN, NAN], [-4.0, NAN, NAN]])
    assert found == [(5.0, 5.0), (0.0, 1.0), (0.0, 1.0), (-4.0, 4.0)]


def test_windows_of_zeros_and_of_nothing_can_be_divided_by_their_mean_size() -> None:
    found = scaled_by("mean", [[0.0, 0.0], [NAN, NAN], [0.0, 3.0], [-2.0, NAN]])
    assert found == [(0.0, 1.0), (0.0, 1.0), (0.0, 1.5), (0.0, 2.0)]


def test_a_window_that_repeats_itself_is_measured_by_its_spread() -> None:
    window = [1.0, 4.0, 1.0, 4.0, 1.0, 4.0]
    assert scaled_by("seasonal", [window], season=2) == [(4.0, pytest.approx(1.5))]


@pytest.mark.parametrize("scaling", CENTRED)
def test_a_small_spread_on_a_high_level_is_no_constant(scaling: str) -> None:
    ((_, scale),) = scaled_by(scaling, [[1e10 + step for step in (0.1, 0.2, 0.3, 0.4)]])
    assert 0.05 < scale < 0.2


@pytest.mark.parametrize("scaling", CENTRED)
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e9 / 7])
def test_a_constant_stays_one_where_its_mean_is_rounded(scaling: str, level: float) -> None:
    ((_, scale),) = scaled_by(scaling, [[level] * 1001], season=7)
    assert scale == pytest.approx(level)


def test_scaling_by_series_takes_out_the_mean_and_spread_of_the_whole_series() -> None:
    draw = np.random.default_rng(0)
    series = [1e9 + draw.normal(size=40), 5 * draw.normal(size=25), np.full(30, 7.0), np.full(20, NAN)]
    series[0][[3, 17, 39]] = NAN
    panel = panel_of(series)
    gather = gatherer(panel, Config(2, input_size=5, scaling="series", season=1), Features(), Transform())
    batch = gather(np.array([1, 0, 2, 3, 0]), panel.offsets[:-1][[1, 0, 2, 3, 0]] + [5, 20, 9, 8, 30], 2)
    pairs = np.concatenate([batch.location_R1.numpy(), batch.scale_R1.numpy()], axis=1)
    for (location, scale), number in zip(pairs[[0, 1, 4]], (1, 0, 0), strict=True):
        seen = [value for value in series[number].tolist() if not math.isnan(value)]
        mean = math.fsum(seen) / len(seen)
        assert location == pytest.approx(mean, rel=1e-12)
        assert scale == pytest.approx(math.sqrt(math.fsum((v - mean) ** 2 for v in seen) / len(seen)), rel=1e-7)
    assert pairs[2].tolist() == [7, 7]
    assert pairs[3].tolist() == [0, 1]
