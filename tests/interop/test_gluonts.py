"""A forecaster in GluonTS: its evaluators run on it, and get the numbers of `predict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from interop.peers import peer
from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ConfigError, DataError, NotFittedError

peer("gluonts")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

SETTINGS: dict[str, Any] = {"h": 4, "input_size": 14, "network": "steps"} | QUICK | {"max_steps": 4, "val_every": 2}
FRAME = wave_frame(3, 60)


def dataset(frame: pd.DataFrame, freq: str = "D") -> Any:
    from gluonts.dataset.common import ListDataset

    entries = [
        {"start": pd.Period(part.ds.iloc[0], freq), "target": part.y.to_numpy(), "item_id": name}
        for name, part in frame.groupby("unique_id", sort=False)
    ]
    return ListDataset(entries, freq=freq)


@pytest.mark.parametrize(
    "settings", [{}, {"loss": "quantile", "quantiles": [0.1, 0.5, 0.9]}, {"loss": "normal"}, {"network": "deepar"}]
)
def test_forecasts_are_those_of_predict(settings: dict[str, Any]) -> None:
    frame = FRAME.copy()
    frame.loc[[3, 55, 119], "y"] = np.nan
    model = Forecaster(**SETTINGS | settings).fit(frame)
    forecasts = list(model.to_gluonts().predict(dataset(frame)))
    expected = model.predict(frame, level=[80])
    assert [one.item_id for one in forecasts] == ["s0", "s1", "s2"]
    for one, (_, rows) in zip(forecasts, expected.groupby("unique_id"), strict=True):
        np.testing.assert_allclose(one.mean, rows.LSTM, rtol=1e-5)  # a ListDataset holds float32
        np.testing.assert_allclose(one.quantile(0.5), rows.LSTM, rtol=1e-5)
        np.testing.assert_allclose(one.quantile("0.1"), rows["LSTM-lo-80"], rtol=1e-5)
        np.testing.assert_allclose(one.quantile(0.9), rows["LSTM-hi-80"], rtol=1e-5)
        assert one.start_date == pd.Period(rows.ds.iloc[0], "D")


def test_of_counts_the_median_is_no_mean() -> None:
    frame = FRAME.assign(y=np.tile([0.0, 0.0, 0.0, 1.0, 9.0], len(FRAME) // 5))
    model = Forecaster(**SETTINGS, loss="negative_binomial").fit(frame)
    forecasts = list(model.to_gluonts().predict(dataset(frame)))
    expected = model.predict(frame, quantiles=[0.5])
    np.testing.assert_allclose(np.concatenate([one.mean for one in forecasts]), expected["LSTM"], rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([one.quantile(0.5) for one in forecasts]), expected["LSTM-ql0.5"])
    assert (expected["LSTM"] != expected["LSTM-ql0.5"]).all()


def test_its_evaluators_run() -> None:
    from gluonts.dataset.split import split
    from gluonts.ev.metrics import MAE, MASE, MeanWeightedSumQuantileLoss
    from gluonts.evaluation import Evaluator, make_evaluation_predictions
    from gluonts.model import evaluate_model

    past = FRAME.groupby("unique_id").head(56)
    model = Forecaster(**SETTINGS).fit(past)
    forecasts, truth = make_evaluation_predictions(dataset(FRAME), model.to_gluonts(), num_samples=50)
    found, each = Evaluator(quantiles=[0.1, 0.5, 0.9])(truth, forecasts, num_series=3)
    actual = FRAME.groupby("unique_id").tail(4).y.to_numpy().reshape(3, 4)
    errors = np.abs(actual - model.predict(past).LSTM.to_numpy().reshape(3, 4))
    assert found["abs_error"] == pytest.approx(errors.sum(), rel=1e-5)
    assert len(each) == 3
    _, template = split(dataset(FRAME), offset=-4)
    table = evaluate_model(
        model.to_gluonts(),
        test_data=template.generate_instances(prediction_length=4),
        metrics=[MAE(), MASE(), MeanWeightedSumQuantileLoss([0.1, 0.5, 0.9])],
        seasonality=7,
    )
    assert table["MAE[0.5]"].iloc[0] == pytest.approx(errors.mean(), rel=1e-5)
    assert np.isfinite(table.to_numpy(float)).all()


def test_features_of_the_calendar_are_made_of_the_entries_times() -> None:
    model = Forecaster(**SETTINGS, calendar=["dayofweek"]).fit(FRAME)
    forecasts = list(model.to_gluonts().predict(dataset(FRAME)))
    np.testing.assert_allclose(np.concatenate([one.mean for one in forecasts]), model.predict(FRAME).LSTM, rtol=1e-5)


@pytest.mark.parametrize(("freq", "alias"), [("MS", "M"), ("W", "W"), ("h", "h"), ("QS", "Q")])
def test_periods_of_any_length(freq: str, alias: str) -> None:
    frame = wave_frame(2, 60, freq)
    model = Forecaster(**SETTINGS).fit(frame)
    forecasts = list(model.to_gluonts().predict(dataset(frame, alias)))
    np.testing.assert_allclose(np.concatenate([one.mean for one in forecasts]), model.predict(frame).LSTM, rtol=1e-5)
    with pytest.raises(DataError, match="Entry 's0' is of frequency 'D'"):
        list(model.to_gluonts().predict(dataset(FRAME)))


def test_what_its_data_sets_do_not_have_is_refused() -> None:
    with pytest.raises(NotFittedError):
        Forecaster(h=4).to_gluonts()
    frame = FRAME.assign(price=np.arange(180.0) % 7)
    model = Forecaster(**SETTINGS, past_covariates=["price"]).fit(frame)
    with pytest.raises(ConfigError, match="the covariates 'price'"):
        model.to_gluonts()
    model = Forecaster(**SETTINGS, target_col=["y", "price"]).fit(frame)
    with pytest.raises(ConfigError, match="the targets y, price"):
        model.to_gluonts()
    model = Forecaster(**SETTINGS).fit(FRAME)
    with pytest.raises(ConfigError, match="quantile"):
        model.to_gluonts(quantiles=[1.5])
