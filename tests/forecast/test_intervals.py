from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.optimize

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ConfigError
from unrolled.forecast.config import Config
from unrolled.forecast.intervals import HeldOutErrors, Wanted, check_levels, refuse_levels, rising, tail_quantiles
from unrolled.forecast.losses import DISTRIBUTIONS

NAN = float("nan")


def _point_in_range(errors: HeldOutErrors, level: float, fresh: np.ndarray) -> np.ndarray:
    low, high = (errors.shift(share) for share in tail_quantiles(level))
    return (low <= fresh) & (fresh <= high)


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


def test_widths_do_not_shrink_with_the_horizon() -> None:
    errors = HeldOutErrors(np.arange(1.0, 10)[:, None] * np.array([2.0, 4.0, 1.0, 6.0]))
    assert errors.half_widths(50).tolist() == [10, 12.5, 12.5, 30]


def test_rising_widths_are_the_nearest_that_rise() -> None:
    draw = np.random.default_rng(0)
    for widths in draw.gamma(2, 1, (5, 7)):
        steps = scipy.optimize.LinearConstraint(np.diff(np.eye(7), axis=0), lb=0)
        nearest = scipy.optimize.minimize(lambda w, to=widths: ((w - to) ** 2).sum(), widths, constraints=steps).x
        np.testing.assert_allclose(rising(widths), nearest, atol=1e-4)


@pytest.mark.parametrize("level", [50, 80, 95])
def test_conformal_bands_cover_fresh_errors_as_promised(level: float) -> None:
    draw = np.random.default_rng(0)
    covered = [
        _point_in_range(HeldOutErrors(np.abs(draw.normal(size=(50, 1)))), level, draw.normal(size=(40, 1))).mean()
        for _ in range(400)
    ]
    assert level / 100 - 0.01 < np.mean(covered) < level / 100 + 0.03


def test_the_quantiles_of_a_level_are_its_ends() -> None:
    errors = HeldOutErrors(np.abs(np.random.default_rng(0).normal(size=(200, 3))))
    for level in (2.5, 80, 95):
        low, high = tail_quantiles(level)
        assert np.array_equal(errors.shift(low), -errors.half_widths(level))
        assert np.array_equal(errors.shift(high), errors.half_widths(level))
    assert not errors.shift(0.5).any()
    ordered = np.stack([errors.shift(share) for share in (0.05, 0.1, 0.3, 0.5, 0.6, 0.9)])
    assert (np.diff(ordered, axis=0) >= 0).all()


@pytest.mark.parametrize("level", [80, 90, 95, 99.9, 2.5])
def test_tails_of_a_level_lie_evenly(level: float) -> None:
    low, high = tail_quantiles(level)
    assert low + high == pytest.approx(1)
    assert high - low == pytest.approx(level / 100)


def test_levels_ask_for_the_quantiles_that_a_user_writes() -> None:
    assert Wanted((80, 90), (0.1, 0.5)).shares == (0.05, 0.1, 0.5, 0.9, 0.95)


@pytest.mark.parametrize(
    ("asked", "config", "errors", "expected"),
    [
        ({"level": [0]}, {}, None, "A level is a percentage between 0 and 100, such as 80; got 0."),
        ({"level": [100]}, {}, None, "got 100"),
        ({"level": [0.8, -3]}, {}, HeldOutErrors(np.ones((9, 1))), "got -3"),
        ({"level": [0.8]}, {}, None, "such as 80; got 0.8. A share of 0.8 is level 80."),
        ({"level": [True]}, {}, None, "such as 80; got True."),
        ({"level": [80]}, {}, None, "level 80 needs errors on held-out points, and no series could spare any."),
        ({"level": [99]}, {}, HeldOutErrors(np.ones((9, 2))), "they reach to level 94.74"),
        ({"level": [70]}, {"loss": "quantile"}, None, "level 70 needs the quantiles 0.15 and 0.85"),
        ({"level": [70]}, {"loss": "quantile"}, None, "there are levels 95, 90, 80, 50."),
        ({"quantiles": [0.3]}, {"loss": "quantile"}, None, "quantile 0.3 was not trained; there are 0.025, 0.05, 0.1"),
        ({"quantiles": [80]}, {}, None, "A quantile lies between 0 and 1, such as 0.9; got 80."),
        ({"quantiles": 0.1}, {}, None, "quantiles is a list of shares, such as [0.1, 0.9]; got 0.1."),
        ({"quantiles": [0.999]}, {}, HeldOutErrors(np.ones((9, 2))), "quantile 0.999 needs more held-out errors"),
    ],
)
def test_what_cannot_be_given_is_refused(asked, config, errors, expected) -> None:
    with pytest.raises(ConfigError) as caught:
        check_levels(asked.get("level"), Config(1, **config), errors, asked.get("quantiles"))
    assert expected in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_levels([70, 0], Config(1, loss="quantile"), [0.3, 2])
    assert len(caught.value.problems) == 4


def test_levels_come_sorted_and_once() -> None:
    assert check_levels([90, 80, 90], Config(1, loss="quantile"), None).levels == (80, 90)


@pytest.mark.parametrize("level", [80, "80", ["80"], [np.nan], [100]])
def test_what_is_no_list_of_percentages_is_refused_with_what_is(level) -> None:
    with pytest.raises(ConfigError, match=r"such as \[?80"):
        refuse_levels(level, Config(h=2))


def test_an_array_of_levels_is_as_good_as_a_list() -> None:
    errors = HeldOutErrors(np.arange(100.0)[:, None])
    assert check_levels(np.array([90, 80]), Config(h=1), errors).levels == (80, 90)


def test_levels_that_no_held_out_points_can_give_are_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="val_size=0 holds none out"):
        refuse_levels([80], Config(h=2, val_size=0))
    for loss in ("quantile", *DISTRIBUTIONS):
        refuse_levels([80], Config(h=2, val_size=0, loss=loss))


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "mae"},
        {"loss": "quantile"},
        {"loss": "student_t", "val_size": 0},
        {"loss": "negative_binomial"},
        {"loss": "tweedie"},
        {"loss": "student_t", "network": "deepar"},
        {"loss": "normal", "ensemble": 3},
        {"loss": "mae", "transform": "log"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_level_80_and_the_quantiles_at_its_ends_are_the_same_numbers(settings) -> None:
    table = wave_frame(2, 70)
    table["y"] = table["y"].round()
    quick = QUICK | {"network": "steps", "input_size": 12, "max_steps": 10} | settings
    forecast = Forecaster(h=4, **quick).fit(table).predict(level=[80], quantiles=[0.9, 0.1, 0.5])
    assert forecast.columns.tolist()[3:] == ["LSTM-lo-80", "LSTM-hi-80", "LSTM-ql0.1", "LSTM-ql0.5", "LSTM-ql0.9"]
    np.testing.assert_array_equal(forecast["LSTM-lo-80"], forecast["LSTM-ql0.1"])
    np.testing.assert_array_equal(forecast["LSTM-hi-80"], forecast["LSTM-ql0.9"])
    columns = ["LSTM-ql0.1", "LSTM-ql0.5", "LSTM-ql0.9"]
    for low, high in itertools.pairwise(columns):
        assert (forecast[low] <= forecast[high]).all()
    if settings["loss"] not in ("negative_binomial", "tweedie"):  # whose forecast is the mean
        np.testing.assert_allclose(forecast["LSTM"], forecast["LSTM-ql0.5"])


def test_quantiles_of_a_backtest_are_columns_and_scored() -> None:
    model = Forecaster(h=4, network="steps", input_size=12, **QUICK)
    table = model.cross_validation(wave_frame(2, 90), n_windows=2, level=[80], quantiles=[0.1, 0.25])
    np.testing.assert_array_equal(table["LSTM-lo-80"], table["LSTM-ql0.1"])
    losses = []
    for _, rows in table.groupby("cutoff"):
        shares = ((0.1, "LSTM-ql0.1"), (0.25, "LSTM-ql0.25"), (0.9, "LSTM-hi-80"))
        cost = [
            sum(max(share * (y - f), (share - 1) * (y - f)) for y, f in zip(rows["y"], rows[name], strict=True))
            for share, name in shares
        ]
        losses.append(2 * np.mean(cost) / rows["y"].abs().sum())
    assert model.scores.quantile_loss == pytest.approx(np.mean(losses))
    assert model.scores.to_json()["quantile_loss"] == pytest.approx(np.mean(losses))
