from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from makers import QUICK, panel_of, wave_frame
from unrolled import Forecaster
from unrolled.errors import DataError
from unrolled.forecast.config import Config
from unrolled.forecast.transforms import LARGEST, Transform, learn_transform, likeliest_exponent

NAN = float("nan")
ALL = [Transform(), Transform("log"), *(Transform("boxcox", exponent) for exponent in (0.0, 0.01, 0.3, 1.0, 2.0))]


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_the_inverse_undoes_the_transform(transform: Transform) -> None:
    values = np.array([NAN, 0.0 if transform.name != "boxcox" else 1e-2, 0.3, 1.0, 17.5, 1e6, 1e12])
    np.testing.assert_allclose(transform.inverse(transform.forward(values)), values, rtol=1e-11)


def test_the_logarithm_takes_zero_and_small_negative_values() -> None:
    values = np.array([0.0, -0.5, -1 + 1e-9])
    np.testing.assert_allclose(Transform("log").inverse(Transform("log").forward(values)), values, atol=1e-15)


@pytest.mark.parametrize("exponent", [0.0, 0.25, 1.7])
def test_box_and_cox_is_scipys(exponent: float) -> None:
    values = np.array([1e-3, 0.5, 1.0, 30.0])
    np.testing.assert_allclose(
        Transform("boxcox", exponent).forward(values), scipy.stats.boxcox(values, exponent), rtol=1e-12
    )


@given(hnp.arrays(np.float64, 20, elements=st.floats(allow_nan=False, allow_infinity=True)))
def test_however_wild_a_forecast_its_inverse_is_a_number_and_rises_with_it(forecasts: np.ndarray) -> None:
    ordered = np.sort(forecasts)
    for transform in ALL[1:]:
        values = transform.inverse(ordered)
        assert np.isfinite(values).all()
        assert (np.abs(values) <= LARGEST * (1 + 1e-9)).all()
        assert (np.diff(values) >= 0).all()


def test_the_exponent_of_one_series_is_the_likeliest_of_scipys_on_a_fine_grid() -> None:
    draw = np.random.default_rng(0)
    for values in (draw.gamma(2.0, 3.0, 400), np.exp(draw.normal(size=300)), 50 + draw.normal(size=200)):
        grid = np.arange(0, 2.001, 0.01)
        likelihood = [scipy.stats.boxcox_llf(one, values) for one in grid]
        assert likeliest_exponent(panel_of([values])) == pytest.approx(grid[np.argmax(likelihood)], abs=0.011)


def test_series_of_any_units_and_gaps_share_the_exponent_that_makes_them_normal() -> None:
    draw = np.random.default_rng(0)
    normals = 20 + 3 * draw.normal(size=(8, 500))
    series = [10.0**k * one**2 for k, one in enumerate(normals)]  # their square roots are normal
    series[3][7:30] = NAN
    assert likeliest_exponent(panel_of(series)) == pytest.approx(0.5, abs=0.08)
    constant = [*series, np.full(50, 7.0), np.full(50, NAN)]
    assert likeliest_exponent(panel_of(constant)) == likeliest_exponent(panel_of(series))


def test_without_anything_that_varies_values_stay_as_they_are() -> None:
    transform = learn_transform(panel_of([np.full(9, 3.0), np.array([5.0])]), Config(1, transform="boxcox"))
    assert transform == Transform("boxcox", 1.0)


def test_the_exponent_of_huge_and_tiny_values_is_found() -> None:
    draw = np.random.default_rng(0)
    for size in (1e-150, 1e150):
        values = size * np.exp(3 * draw.normal(size=200))
        assert likeliest_exponent(panel_of([values])) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("log", [0.0, -1.0, -3.0], "transform='log' is of values above -1; ('s0', 1) is -1 and 1 more is as wrong."),
        ("boxcox", [2.0, NAN, 0.0], "transform='boxcox' is of values above 0; ('s0', 2) is 0. Use transform='log'"),
    ],
)
def test_values_that_a_transform_is_not_made_for_are_named(name: str, values: list[float], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        learn_transform(panel_of([np.array(values)]), Config(1, transform=name))
    assert expected in str(caught.value)


def test_a_transform_goes_through_json() -> None:
    for transform in ALL:
        assert Transform.from_json(transform.to_json()) == transform


@pytest.mark.parametrize("name", ["log", "boxcox"])
def test_a_forecaster_learns_and_forecasts_transformed_values(name: str, tmp_path) -> None:
    table = wave_frame(2, 90)
    table["y"] = np.exp(table["y"] / 10)
    model = Forecaster(h=4, transform=name, input_size=12, **QUICK).fit(table)
    forecast = model.predict(level=[80])
    # The same network on values that were transformed before says the same, transformed back.
    transform = model._fitted.transform
    by_hand = table.assign(y=transform.forward(table["y"].to_numpy()))
    other = Forecaster(h=4, input_size=12, **QUICK).fit(by_hand).predict(level=[80])
    for column in ("LSTM", "LSTM-lo-80", "LSTM-hi-80"):
        np.testing.assert_allclose(forecast[column], transform.inverse(other[column].to_numpy()), rtol=1e-6)
    model.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model").predict(table, level=[80])
    np.testing.assert_array_equal(again["LSTM-hi-80"], forecast["LSTM-hi-80"])


def test_series_to_forecast_and_observations_are_checked_too() -> None:
    table = wave_frame(1, 90)
    model = Forecaster(h=4, transform="log", input_size=12, **QUICK).fit(table)
    with pytest.raises(DataError, match=r"transform='log' is of values above -1; \('s0', 2024-03-30\) is -5"):
        model.predict(table.assign(y=table["y"].where(table.index < 89, -5)))
    stream = model.stream()
    with pytest.raises(DataError, match=r"'s0' is -5.0, and transform='log' is of values above -1"):
        stream(-5.0)
    assert np.isfinite(stream(0.0)).all()
