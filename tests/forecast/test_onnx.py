"""The exported forecaster in ONNX Runtime against `predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ConfigError, NotFittedError

SETTINGS: dict[str, Any] = {"h": 4, "input_size": 14, "season": 7} | QUICK | {"max_steps": 4, "val_every": 2}
NAN = float("nan")


@pytest.fixture(autouse=True)
def _unchecked():
    """An export traces sizes that are no ints, which the checks of types under pytest do not take for such."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def _frame(count: int = 3, length: int = 40) -> pd.DataFrame:
    """Waves of unlike levels, one of a million with a spread of one, with gaps."""
    frame = wave_frame(count, length)
    frame.loc[frame.unique_id == "s1", "y"] += 1e6
    frame.loc[frame.index % length % 11 == 5, "y"] = NAN
    return frame


def _values(frame: pd.DataFrame, column: str = "y") -> np.ndarray:
    return np.stack([part[column].to_numpy(float) for _, part in frame.groupby("unique_id", sort=False)])


def _run(path: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def _agree(found: np.ndarray, expected: np.ndarray, spread: float = 1.0) -> None:
    """To 1e-5 of the forecast's size, and of its spread: a level of a million tells nothing of the digits after it."""
    expected = np.asarray(expected).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-5 * spread)


KINDS: list[dict[str, Any]] = [
    {"network": "steps", "scaling": "robust", "cell": "GRU"},
    {"network": "steps", "scaling": "last_series", "decoder": "recursive"},
    {"network": "steps", "scaling": "series", "cell": {"type": "LSTM", "peephole": True}},
    {"network": "steps", "scaling": "mean", "pooling": "attention", "cell": ["GRU", "LSTM"]},
    {"network": "steps", "scaling": "none", "cell": {"type": "LSTM", "layer_norm": True}, "loss": "normal"},
    {"network": "segments", "scaling": "last", "cell": "GRU", "transform": "boxcox"},
    {"network": "segments", "scaling": "revin", "cell": "RNN"},
    {"network": "seq2seq", "scaling": "standard", "transform": "log"},
]


@pytest.mark.parametrize("settings", KINDS, ids=lambda one: "-".join(map(str, one.values())))
def test_every_kind_of_forecaster_gives_the_numbers_of_predict(settings: dict[str, Any], tmp_path: Path) -> None:
    frame = _frame()
    model = Forecaster(**SETTINGS | settings).fit(frame)
    model.to_onnx(tmp_path / "model.onnx", level=[80])
    for table in (frame, _frame(1, 30), wave_frame(2, 20)):
        forecast = model.predict(table, level=[80])
        found = _run(tmp_path / "model.onnx", past=_values(table))
        ends = [f"{model.config.name}-{end}-80" for end in ("lo", "hi")]
        for values, column in zip(
            (found["forecast"], found["quantiles"][..., 0], found["quantiles"][..., 1]),
            (model.config.name, *ends),
            strict=True,
        ):
            expected = forecast[column].to_numpy().reshape(len(values), -1)
            spread = np.nanstd(_values(table)[:, -14:], axis=1, keepdims=True)
            if settings["scaling"] in ("none", "mean"):
                spread = np.nanmax(np.abs(_values(table)), axis=1, keepdims=True)
            np.testing.assert_array_less(np.abs(values - expected) / spread, 1e-5)


def test_an_ensemble_gives_its_median(tmp_path: Path) -> None:
    frame = _frame()
    model = Forecaster(**SETTINGS | {"input_size": None}, network="steps", ensemble=2, loss="quantile").fit(frame)
    model.to_onnx(tmp_path / "model.onnx")
    found = _run(tmp_path / "model.onnx", past=_values(frame))
    forecast = model.predict(level=[50, 95])
    _agree(found["forecast"], forecast.LSTM)
    quantiles = json.loads(_facts(tmp_path / "model.onnx")["quantiles"])
    assert quantiles == list(model.config.quantiles)
    for name, quantile in (("lo-50", 0.25), ("hi-50", 0.75), ("lo-95", 0.025), ("hi-95", 0.975)):
        _agree(found["quantiles"][..., quantiles.index(quantile)], forecast[f"LSTM-{name}"])


def _facts(path: Path) -> dict[str, str]:
    return {one.key: one.value for one in onnx.load(path).metadata_props}


def test_a_past_without_a_value_and_one_with_no_more_than_a_window(tmp_path: Path) -> None:
    frame = wave_frame(2, 40)
    model = Forecaster(**SETTINGS, network="steps").fit(frame)
    model.to_onnx(tmp_path / "model.onnx")
    blank = frame.copy()
    blank.loc[(blank.unique_id == "s0") & (blank.index < 40) & (blank.index >= 26), "y"] = NAN
    _agree(_run(tmp_path / "model.onnx", past=_values(blank))["forecast"], model.predict(blank).LSTM)
    short = frame.groupby("unique_id").tail(14)
    _agree(_run(tmp_path / "model.onnx", past=_values(short))["forecast"], model.predict(short).LSTM)
    shorter = frame.groupby("unique_id").tail(5)
    padded = np.pad(_values(shorter), ((0, 0), (9, 0)), constant_values=NAN)
    _agree(_run(tmp_path / "model.onnx", past=padded)["forecast"], model.predict(shorter).LSTM)


def _with_covariates() -> pd.DataFrame:
    frame = wave_frame(2, 40)
    draw = np.random.default_rng(0)
    frame["rain"] = draw.normal(100, 3, len(frame))
    frame["price"] = draw.normal(5, 1, len(frame))
    frame["promotion"] = draw.choice(["none", "flyer", "radio"], len(frame))
    frame["size"] = frame.unique_id.map({"s0": 3.0, "s1": 11.0})
    frame["town"] = frame.unique_id.map({"s0": "York", "s1": "Bath"})
    frame.loc[3::7, "rain"] = NAN
    frame.loc[[39, 79], "rain"] = NAN
    frame.loc[5::9, "price"] = NAN
    return frame


@pytest.mark.parametrize("network", ["steps", "segments"])
def test_covariates_go_in_as_they_are(network: str, tmp_path: Path) -> None:
    frame = _with_covariates()
    past = frame.groupby("unique_id").head(36)
    future = frame.groupby("unique_id").tail(4).drop(columns="y").fillna({"price": 4.0})
    model = Forecaster(
        **SETTINGS,
        network=network,
        past_covariates=["rain"],
        future_covariates=["price", "promotion"],
        static_covariates=["size", "town"],
        calendar=["dayofweek"],
    ).fit(past)
    model.to_onnx(tmp_path / "model.onnx")
    facts = _facts(tmp_path / "model.onnx")
    known = ["price", "promotion", "dayofweek sine", "dayofweek cosine"]
    assert json.loads(facts["covariates"]) == {"past": ["rain"], "known": known, "static": ["size", "town"]}
    categories = json.loads(facts["categories"])
    assert categories == {"promotion": ["flyer", "none", "radio"], "town": ["Bath", "York"]}
    whole = pd.concat([past, future]).sort_values(["unique_id", "ds"])
    angle = 2 * np.pi * whole.ds.dt.day_of_week / 7
    whole = whole.assign(sine=np.sin(angle), cosine=np.cos(angle))
    for name in categories:
        whole[name] = whole[name].map({word: place for place, word in enumerate(categories[name], start=1)})
    columns = [_values(whole, name) for name in ("price", "promotion", "sine", "cosine")]
    static = np.array([[3.0, 2.0], [11.0, 1.0]])
    found = _run(
        tmp_path / "model.onnx",
        past=_values(past),
        past_covariates=_values(past, "rain")[..., None],
        known_covariates=np.stack(columns, axis=2),
        static_covariates=static,
    )
    _agree(found["forecast"], model.predict(past, future=future).LSTM, spread=10)


def test_targets_that_are_read_together_come_out_together(tmp_path: Path) -> None:
    frame = wave_frame(2, 40)
    frame["other"] = np.sqrt(frame.y.abs()) + 50
    model = Forecaster(**SETTINGS, network="steps", channels="joint", target_col=["y", "other"]).fit(frame)
    model.to_onnx(tmp_path / "model.onnx", level=[50])
    given = np.stack([_values(frame), _values(frame, "other")], axis=2)
    found = _run(tmp_path / "model.onnx", past=given)
    forecast = model.predict(level=[50]).sort_values(["unique_id", "ds", "target"], ascending=[True, True, False])
    assert found["forecast"].shape == (2, 4, 2)
    assert found["quantiles"].shape == (2, 4, 2, 2)
    _agree(found["forecast"], forecast.LSTM, spread=10)
    _agree(found["quantiles"][..., 0], forecast["LSTM-lo-50"], spread=10)
    assert json.loads(_facts(tmp_path / "model.onnx")["targets"]) == ["y", "other"]


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    model = Forecaster(**SETTINGS, network="steps").fit(wave_frame(1, 40))
    model.to_onnx(tmp_path / "new" / "model.onnx")
    graph = onnx.load(tmp_path / "new" / "model.onnx").graph
    sizes = {
        one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in (*graph.input, *graph.output)
    }
    assert sizes == {"past": ["N", "T"], "forecast": ["N", 4]}
    facts = _facts(tmp_path / "new" / "model.onnx")
    assert facts["schema"] == "unrolled-forecaster-onnx/1"
    assert json.loads(facts["settings"]) == model.config.to_json()
    assert json.loads(facts["input_size"]) == 14
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.onnx"]


def test_what_cannot_be_exported_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        Forecaster(h=4).to_onnx(tmp_path / "m.onnx")
    model = Forecaster(**SETTINGS, network="deepar").fit(wave_frame(1, 40))
    with pytest.raises(ConfigError, match="network='deepar' forecasts by drawing samples"):
        model.to_onnx(tmp_path / "m.onnx")
    model = Forecaster(**SETTINGS, network="steps", loss="poisson").fit(wave_frame(1, 40).assign(y=3.0))
    with pytest.raises(ConfigError, match="quantiles of loss='poisson' are searched for step by step"):
        model.to_onnx(tmp_path / "m.onnx", level=[80])
    model = Forecaster(**SETTINGS, network="steps").fit(wave_frame(1, 40))
    with pytest.raises(ConfigError, match="percentage between 0 and 100"):
        model.to_onnx(tmp_path / "m.onnx", level=[800])
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        model.to_onnx(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
