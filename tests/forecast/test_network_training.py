"""Every network trained through the Forecaster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from makers import QUICK, wave_frame
from unrolled import Forecaster

KINDS: dict[str, dict[str, Any]] = {
    "direct": {"network": "steps"},
    "recursive": {"network": "steps", "decoder": "recursive"},
    "attention": {"network": "steps", "pooling": "attention"},
    "seq2seq": {"network": "seq2seq", "pooling": "attention"},
    "revin": {"network": "seq2seq", "scaling": "revin"},
    "stack": {"network": "steps", "cell": ["GRU", {"type": "LSTM", "layer_norm": True}], "hidden_size": [8, 6]},
    "deepar": {"network": "deepar"},
    "counts": {"network": "deepar", "loss": "negative_binomial", "max_steps": 100},
}


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_validation_loss(kind: str) -> None:
    settings = QUICK | {"input_size": 24, "seed": 3} | KINDS[kind]
    table = wave_frame(length=90)
    if kind == "counts":
        table["y"] = table["y"].round()
    first = Forecaster(6, **settings | {"max_steps": 1}).fit(table)
    model = Forecaster(6, **settings).fit(table)
    assert model.log.best_loss < first.log.best_loss
    forecast = model.predict()
    assert np.isfinite(forecast.select_dtypes("number").to_numpy()).all()


@pytest.mark.parametrize("kind", ["seq2seq", "stack", "deepar", "revin"])
def test_a_saved_model_forecasts_the_same(kind: str, tmp_path: Any) -> None:
    table = wave_frame(length=90)
    model = Forecaster(6, **QUICK | {"input_size": 24, "max_steps": 3} | KINDS[kind]).fit(table)
    model.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model")
    assert again.predict(table).equals(model.predict(table))


COVARIATES: dict[str, dict[str, Any]] = {
    "direct": {"network": "steps"},
    "recursive": {"network": "steps", "decoder": "recursive"},
    "seq2seq": {"network": "seq2seq"},
    "deepar": {"network": "deepar", "loss": "normal"},
}


@pytest.mark.parametrize("kind", COVARIATES)
def test_a_covariate_known_ahead_is_made_use_of(kind: str) -> None:
    """The values are noise but for what a number and a category, drawn afresh at each step, say of them."""
    draw, length, h = np.random.default_rng(0), 120, 4
    number, flag = draw.normal(size=length + h), draw.choice(["sale", "none"], size=length + h)
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=length + h), "number": number, "flag": flag})
    table["y"] = 10 + 2 * number + 5 * (flag == "sale") + 0.1 * draw.normal(size=length + h)
    settings = QUICK | {"input_size": 8, "max_steps": 150, "val_every": 50, "target_col": "y"} | COVARIATES[kind]
    model = Forecaster(h, **settings, future_covariates=["number", "flag"]).fit(table[:length])
    forecast = model.predict(future=table[length:].drop(columns="y"))["LSTM"].to_numpy()
    assert np.abs(forecast - table["y"][length:].to_numpy()).mean() < 1.0 < 0.3 * table["y"].std()
