"""New data without refitting, and training that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import DataError, NotFittedError

SETTINGS: dict[str, Any] = {"h": 5, "input_size": 12, "network": "steps", **QUICK}


def _with_covariates(frame: pd.DataFrame) -> pd.DataFrame:
    day = frame.ds.dt.day_of_week
    return frame.assign(price=day * 0.5, rain=np.sin(day), sky=np.where(day % 2, "sun", "rain"), shop=frame.unique_id)


COVARIATES = {"static_covariates": ["shop"], "past_covariates": ["rain", "sky"], "future_covariates": ["price"]}


@pytest.mark.parametrize("covariates", [False, True])
def test_updated_it_forecasts_as_from_the_whole_table(covariates: bool) -> None:
    frame = _with_covariates(wave_frame(3, 100))
    early = frame[frame.ds < "2024-03-20"]
    late = pd.concat([frame[(frame.ds >= "2024-03-16") & (frame.unique_id != "s1")]])
    whole = frame[(frame.ds < "2024-03-20") | (frame.unique_id != "s1")]
    model = Forecaster(**SETTINGS, **(COVARIATES if covariates else {"calendar": "auto"})).fit(early)
    ends = whole.groupby("unique_id").ds.max()
    times = [(name, end + pd.Timedelta(days=step)) for name, end in ends.items() for step in range(1, 6)]
    future = _with_covariates(pd.DataFrame(times, columns=["unique_id", "ds"])) if covariates else None
    expected = model.predict(whole, level=[80], future=future)
    before = {name: tensor.clone() for name, tensor in model._need_fitted().network.state_dict().items()}
    model.update(late)
    assert model.predict(level=[80], future=future).equals(expected)
    assert all(torch.equal(before[name], now) for name, now in model._need_fitted().network.state_dict().items())


def test_one_row_after_another_is_the_whole_table() -> None:
    frame = wave_frame(2, 60)
    model = Forecaster(**SETTINGS).fit(frame[frame.ds < "2024-02-25"])
    for time in sorted(frame.ds[frame.ds >= "2024-02-25"].unique()):
        model.update(frame[frame.ds == time])
    assert model.predict().equals(model.predict(frame))


def test_new_series_are_forecast_too_and_the_picture_shows_them() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 60))
    model.update(wave_frame(1, 30).assign(unique_id="new"))
    assert model.predict().unique_id.unique().tolist() == ["s0", "s1", "new"]
    assert [series.name for series in model.result().series] == ["s0", "s1", "new"]


def test_a_loaded_model_forecasts_what_it_is_given(tmp_path: Path) -> None:
    frame = wave_frame(2, 60)
    Forecaster(**SETTINGS).fit(frame).save(tmp_path / "m")
    model = Forecaster.load(tmp_path / "m")
    assert model.update(frame[frame.ds < "2024-02-20"]).update(frame).predict().equals(model.predict(frame))


def test_what_can_not_be_added_is_said_and_changes_nothing() -> None:
    frame = wave_frame(2, 60)
    model = Forecaster(**SETTINGS).fit(frame)
    before = model.predict()
    noon = frame[-1:].assign(ds=frame.ds.max() + pd.Timedelta(hours=36))
    with pytest.raises(DataError, match=r"between the daily steps of the series: \('s1', 2024-03-01 12:00\)"):
        model.update(noon)
    with pytest.raises(DataError):
        model.update(frame[-3:].assign(y=np.inf))
    assert model.predict().equals(before)
    with pytest.raises(NotFittedError, match=r"call fit\(df\) first"):
        Forecaster(**SETTINGS).update(frame)


@pytest.mark.parametrize("settings", [{}, {"average": 0.9, "ensemble": 2}])
def test_a_warm_start_goes_on_from_the_trained_weights(settings: dict[str, Any]) -> None:
    frame = wave_frame(2, 80)
    cold = Forecaster(**SETTINGS | settings).fit(frame)
    first = cold.log.best_loss
    weights = {name: tensor.clone() for name, tensor in cold._need_fitted().network.state_dict().items()}
    cold.fit(frame, warm_start=True)
    assert cold.log.best_loss <= first  # on the same validation windows, which it looks at before its first step
    before = {name: tensor.clone() for name, tensor in cold._need_fitted().network.state_dict().items()}
    assert any(not torch.equal(before[name], weights[name]) for name in weights) == (cold.log.best_step > 0)


def test_a_warm_start_with_a_rate_that_ruins_everything_keeps_the_weights_it_had() -> None:
    frame = wave_frame(2, 80)
    model = Forecaster(**SETTINGS).fit(frame)
    before, log = model.predict(), model.log
    fitted = model._need_fitted()
    object.__setattr__(fitted.members[0].config, "learning_rate", 1e3)
    model.fit(frame, warm_start=True)
    assert model.log.best_step == 0
    assert model.log.best_loss == pytest.approx(log.best_loss, rel=1e-6)
    assert model.predict().equals(before)


def test_a_warm_start_keeps_what_was_learnt_of_covariates(tmp_path: Path) -> None:
    frame = _with_covariates(wave_frame(2, 80))
    model = Forecaster(**SETTINGS, **COVARIATES).fit(frame)
    features = model._need_fitted().features
    model.save(tmp_path / "m")
    model.fit(frame.assign(sky=frame.sky.replace("sun", "snow"), price=frame.price * 9), warm_start=True)
    assert model._need_fitted().features == features
    loaded = Forecaster.load(tmp_path / "m").fit(frame, warm_start=True)
    assert loaded._need_fitted().features == features


def test_a_warm_start_can_be_resumed_but_not_from_other_weights(tmp_path: Path) -> None:
    frame = wave_frame(2, 80)
    Forecaster(**SETTINGS).fit(frame).save(tmp_path / "m")
    warm = Forecaster.load(tmp_path / "m").fit(frame, warm_start=True, checkpoint=tmp_path / "c", checkpoint_every=0)
    again = Forecaster.load(tmp_path / "m").fit(frame, warm_start=True, checkpoint=tmp_path / "c", resume=True)
    assert again.predict().equals(warm.predict())
    with pytest.raises(ValueError, match="the weights that training starts from are others"):
        warm.fit(frame, warm_start=True, checkpoint=tmp_path / "c", resume=True)


def test_a_warm_start_needs_trained_weights_and_series_like_those() -> None:
    with pytest.raises(NotFittedError, match=r"call fit\(df\) first"):
        Forecaster(**SETTINGS).fit(wave_frame(2, 80), warm_start=True)
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 80))
    with pytest.raises(DataError, match="trained on daily series; these are hourly"):
        model.fit(wave_frame(2, 80, freq="h"), warm_start=True)
