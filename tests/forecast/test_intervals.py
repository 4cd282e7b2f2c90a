from __future__ import annotations

import numpy as np
import pytest

from unrolled.errors import ConfigError
from unrolled.forecast.config import Config
from unrolled.forecast.intervals import (
    HeldOutErrors,
    check_levels,
    conformal_bands,
    quantile_bands,
    refuse_levels,
    tail_quantiles,
)

NAN = float("nan")


def test_the_half_width_is_the_right_order_statistic_of_each_step() -> None:
    errors = HeldOutErrors(np.arange(1.0, 20)[:, None] * np.array([1.0, 10.0]))  # 19 errors a step
    assert errors.half_widths(80).tolist() == [16, 160]  # ceil(20 * 0.8)
    assert errors.half_widths(95).tolist() == [19, 190]  # ceil(20 * 0.95)


def test_steps_with_too_few_errors_share_those_of_all_steps() -> None:
    errors = HeldOutErrors(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert errors.half_widths(50).tolist() == [3, 4]  # ceil(3 * 0.5) = 2nd of each step's two
    assert errors.half_widths(80).tolist() == [4, 4]  # ceil(5 * 0.8) = 4th of all four


def test_missing_errors_do_not_count() -> None:
    errors = HeldOutErrors(np.array([[1.0], [NAN], [2.0], [3.0], [NAN], [4.0]]))
    assert errors.half_widths(80).tolist() == [4]
    assert errors.highest_level() == 80


def test_conformal_bands_cover_fresh_errors_as_promised() -> None:
    draw = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        errors = HeldOutErrors(np.abs(draw.normal(size=(50, 1))))
        low, high = conformal_bands(np.zeros((40, 1)), np.ones((40, 1)), (80,), errors)[80]
        fresh = draw.normal(size=(40, 1))
        covered.append(((low <= fresh) & (fresh <= high)).mean())
    assert 0.79 < np.mean(covered) < 0.83


def test_bands_grow_with_the_windows_scale() -> None:
    errors = HeldOutErrors(np.arange(1.0, 10)[:, None])
    low, high = conformal_bands(np.array([[5.0], [5.0]]), np.array([[1.0], [100.0]]), (50,), errors)[50]
    assert (high - low).ravel().tolist() == [10, 1000]


def test_quantile_bands_are_the_networks_outputs() -> None:
    config = Config(1, loss="quantile", quantiles=(0.1, 0.25, 0.5, 0.75, 0.9))
    outputs = np.arange(5.0).reshape(1, 1, 5)
    bands = quantile_bands(outputs, (50, 80), config)
    assert [(low.item(), high.item()) for low, high in bands.values()] == [(1, 3), (0, 4)]


@pytest.mark.parametrize("level", [80, 90, 95, 99.9, 2.5])
def test_tails_of_a_level_lie_evenly(level: float) -> None:
    low, high = tail_quantiles(level)
    assert low + high == pytest.approx(1)
    assert high - low == pytest.approx(level / 100)


@pytest.mark.parametrize(
    ("level", "config", "errors", "expected"),
    [
        ([0], Config(1), None, "A level is a percentage between 0 and 100, such as 80; got 0."),
        ([100], Config(1), None, "got 100"),
        ([0.8, -3], Config(1), HeldOutErrors(np.ones((9, 1))), "got -3"),
        ([80], Config(1), None, "level 80 needs errors on held-out points, and no series could spare any."),
        ([99], Config(1), HeldOutErrors(np.ones((9, 2))), "they reach to level 94.74"),
        ([70], Config(1, loss="quantile"), None, "level 70 needs the quantiles 0.15 and 0.85"),
        ([70], Config(1, loss="quantile"), None, "there are levels 95, 90, 80, 50."),
    ],
)
def test_levels_that_cannot_be_given_are_refused(level, config, errors, expected) -> None:
    with pytest.raises(ConfigError) as caught:
        check_levels(level, config, errors)
    assert expected in str(caught.value)


def test_levels_come_sorted_and_once() -> None:
    assert check_levels([90, 80, 90], Config(1, loss="quantile"), None) == (80, 90)


@pytest.mark.parametrize("level", [80, "80", ["80"], [np.nan], [100]])
def test_what_is_no_list_of_percentages_is_refused_with_what_is(level) -> None:
    with pytest.raises(ConfigError, match=r"such as \[?80"):
        refuse_levels(level, Config(h=2))


def test_an_array_of_levels_is_as_good_as_a_list() -> None:
    errors = HeldOutErrors(np.arange(100.0)[:, None])
    assert check_levels(np.array([90, 80]), Config(h=1), errors) == (80, 90)


def test_levels_that_no_held_out_points_can_give_are_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="val_size=0 holds none out"):
        refuse_levels([80], Config(h=2, val_size=0))
    refuse_levels([80], Config(h=2, val_size=0, loss="quantile"))
