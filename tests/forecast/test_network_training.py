"""Every network trained through the Forecaster."""

from __future__ import annotations

from typing import Any

import numpy as np
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
