"""A stream of observations against `predict` on the whole table with them appended."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ConfigError, DataError, NotFittedError
from unrolled.forecast.scaling import OF_SERIES

# Not scaled by whole series: the scale of those is brought up to date, and equal but for rounding.
SETTINGS: dict[str, Any] = {"h": 4, "input_size": 12, "scaling": "last", **QUICK, "max_steps": 4, "val_every": 2}
NAN = float("nan")


def _grown(frame: pd.DataFrame, new: dict[str, list[float]]) -> pd.DataFrame:
    """Return the table with these values after the end of each series."""
    parts = [frame]
    for name, values in new.items():
        last = frame.ds[frame.unique_id == name].max()
        times = pd.date_range(last, periods=len(values) + 1, freq="D")[1:]
        parts.append(pd.DataFrame({"unique_id": name, "ds": times, "y": values}))
    return pd.concat(parts, ignore_index=True)


def _predicted(model: Forecaster, frame: pd.DataFrame, column: str = "LSTM", **options: Any) -> np.ndarray:
    values: np.ndarray = model.predict(frame, **options)[column].to_numpy().reshape(-1, model.config.h)
    return values


NEW = {"s0": [3.1, NAN, 2.4, 2.5, 8.0], "s1": [28.0, 31.0, NAN, NAN, 33.0], "s2": [310.0, 290.0, 1e6, 300.0, NAN]}


@pytest.mark.parametrize("scaling", ["none", "standard", "robust", "last", "mean", "revin", "series", "last_series"])
def test_each_step_is_what_predict_gives_on_the_grown_table(scaling: str) -> None:
    frame = wave_frame(3, 50)
    model = Forecaster(**SETTINGS | {"scaling": scaling}, season=7).fit(frame)
    stream = model.stream()
    for count in range(1, 6):
        found = stream.step(np.array([values[count - 1] for values in NEW.values()]), level=[80])
        table = _grown(frame, {name: values[:count] for name, values in NEW.items()})
        # The scale of a whole series is brought up to date; that of a window is computed as `predict` does.
        rtol = 1e-6 if scaling in OF_SERIES else 0
        for values, column in (
            (found.values, "LSTM"),
            *zip(found.bands[80], ("LSTM-lo-80", "LSTM-hi-80"), strict=True),
        ):
            np.testing.assert_allclose(values, _predicted(model, table, column, level=[80]), rtol=rtol, atol=0)


NETWORKS: list[dict[str, Any]] = [
    {"network": "steps", "cell": "GRU", "decoder": "recursive"},
    {"network": "steps", "hidden_size": [8, 4], "loss": "quantile"},
    {"network": "steps", "ensemble": 3},
]


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
def test_every_network_streams(settings: dict[str, Any]) -> None:
    frame = wave_frame(1, 60)
    model = Forecaster(**SETTINGS | settings).fit(frame)
    stream, new = model.stream(), [3.5, NAN, 2.0]
    for count in range(1, 4):
        expected = _predicted(model, _grown(frame, {"s0": new[:count]}), model.config.name)
        np.testing.assert_array_equal(stream(new[count - 1]), expected[0])


def test_only_the_series_that_were_observed_move_on() -> None:
    frame = wave_frame(3, 50)
    model = Forecaster(**SETTINGS).fit(frame)
    stream = model.stream()
    before = stream.forecast().values
    stream({"s2": 310.0})
    found = stream({"s2": 320.0, "s0": 2.0})
    table = _grown(frame, {"s0": [2.0], "s2": [310.0, 320.0]})
    expected = _predicted(model, table)
    # Fewer series at once may be rounded differently in the network's float32.
    np.testing.assert_allclose([found["s0"], found["s2"]], expected[[0, 2]], rtol=1e-6)
    np.testing.assert_array_equal(stream.forecast().values, expected)
    np.testing.assert_array_equal(expected[1], before[1])
    ends = pd.to_datetime(stream.times)
    assert [str(end.date()) for end in ends] == ["2024-02-20", "2024-02-19", "2024-02-21"]
    assert str(stream.future_times()[2, 3])[:10] == "2024-02-25"


def test_a_window_that_has_run_empty_stands_on_the_last_value_known() -> None:
    frame = wave_frame(1, 50)
    model = Forecaster(**SETTINGS).fit(frame)
    stream = model.stream()
    for _ in range(13):
        stream(NAN)
    found = stream(NAN)
    # A table may not end in gaps alone, so the last of them is an observation that comes after what is compared.
    table = _grown(frame, {"s0": [NAN] * 14})
    np.testing.assert_array_equal(found, _predicted(model, table)[0])
    assert np.isfinite(found).all()


def test_streams_of_one_model_know_nothing_of_each_other() -> None:
    frame = wave_frame(1, 60)
    model = Forecaster(**SETTINGS).fit(frame)
    draw = np.random.default_rng(0)
    given = draw.normal(3, 1, (4, 20))
    alone = []
    for values in given:
        stream = model.stream()
        alone.append([stream(value) for value in values])
    together: list[list[np.ndarray]] = [[] for _ in given]

    def feed(number: int) -> None:
        stream = model.stream()
        together[number] += [stream(value) for value in given[number]]

    threads = [threading.Thread(target=feed, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(alone, together)


def test_threads_may_share_a_stream() -> None:
    """Each series is fed by a thread of its own: what the others do changes nothing of it."""
    frame = wave_frame(3, 50)
    model = Forecaster(**SETTINGS).fit(frame)
    stream, draw = model.stream(), np.random.default_rng(1)
    given = {name: draw.normal(3, 1, 25).tolist() for name in ("s0", "s1", "s2")}

    def feed(name: str) -> None:
        for value in given[name]:
            stream({name: value})

    threads = [threading.Thread(target=feed, args=(name,)) for name in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(stream.forecast().values, _predicted(model, _grown(frame, given)))


def test_a_stream_leaves_the_model_and_its_table_alone() -> None:
    frame = wave_frame(2, 50)
    model = Forecaster(**SETTINGS).fit(frame)
    before = _predicted(model, frame)
    stream = model.stream()
    stream([1.0, 2.0])
    np.testing.assert_array_equal(before, _predicted(model, frame))
    np.testing.assert_array_equal(before, model.stream().forecast().values)


def test_a_stream_of_other_series_than_those_of_fit() -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 50))
    other = wave_frame(1, 30).assign(unique_id="new")
    found = model.stream(other)({"new": 3.0})
    np.testing.assert_array_equal(found["new"], _predicted(model, _grown(other, {"new": [3.0]}))[0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (1.0, "2 series and was given 1 number"),
        ([1.0, 2.0, 3.0], "2 series and was given 3 numbers"),
        ([[1.0, 2.0]], r"array of shape \(1, 2\)"),
        ({"S1": 1.0, "s0": 2.0}, "no series 'S1'. Did you mean 's1'"),
        ({"s0": "high"}, "The observation of 's0' is a number, .* got 'high'"),
        ({"s0": float("inf"), "s1": -float("inf")}, "'s0' is inf.*\n.*'s1' is -inf"),
        ([float("inf"), 1.0], "'s0' is inf"),
        ("much", "got 'much'"),
        ({}, "no observation"),
    ],
)
def test_wrong_observations_are_told(values: Any, words: str) -> None:
    model = Forecaster(**SETTINGS).fit(wave_frame(2, 50))
    stream = model.stream()
    before = stream.forecast().values
    with pytest.raises(DataError, match=words):
        stream(values)
    np.testing.assert_array_equal(before, stream.forecast().values)


def test_wrong_calls_are_told() -> None:
    with pytest.raises(NotFittedError, match=r"call fit\(df\) first"):
        Forecaster(h=4).stream()
    stream = Forecaster(**SETTINGS).fit(wave_frame(1, 50)).stream()
    with pytest.raises(ConfigError, match="between 0 and 100"):
        stream.step(1.0, level=[120])
    assert str(stream.times[0])[:10] == "2024-02-19"


def test_a_loaded_model_streams_from_a_table(tmp_path: Any) -> None:
    frame = wave_frame(1, 50)
    model = Forecaster(**SETTINGS).fit(frame)
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.stream(frame)(3.0), model.stream()(3.0))
    with pytest.raises(NotFittedError, match="table"):
        loaded.stream()


def _with_covariates(length: int = 60) -> pd.DataFrame:
    frame, draw = wave_frame(2, length), np.random.default_rng(0)
    frame["rain"] = draw.normal(100, 3, len(frame))
    frame["price"] = draw.normal(5, 1, len(frame))
    frame["promotion"] = draw.choice(["none", "flyer", "radio"], len(frame))
    frame["town"] = frame.unique_id.map({"s0": "York", "s1": "Bath"})
    frame.loc[frame.index % 7 == 3, "rain"] = NAN
    return frame


COVARIATES: dict[str, Any] = {
    "past_covariates": ["rain"],
    "future_covariates": ["price", "promotion"],
    "static_covariates": ["town"],
    "calendar": ["dayofweek", "month"],
}


@pytest.mark.parametrize("settings", [{"network": "steps", "ensemble": 2}, {"network": "segments"}], ids=str)
def test_covariates_go_along(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.forecast.stream_covariates.ROWS_AT_ONCE", 6)  # the calendar is made anew every third
    frame = _with_covariates()
    each = frame.groupby("unique_id")
    model = Forecaster(**SETTINGS | {"input_size": None}, **COVARIATES, **settings).fit(each.head(50))
    stream = model.stream(each.head(50), future=each.head(54).groupby("unique_id").tail(4))
    for count in range(51, 57):
        new, ahead = (each.nth(step).set_index("unique_id") for step in (count - 1, count + 3))
        known = {name: ahead[name].to_dict() for name in ("price", "promotion")}
        found = stream(new.y.to_dict(), past={"rain": new.rain.to_list()}, known=known)
        future = each.head(count + 4).groupby("unique_id").tail(4).drop(columns="y")
        expected = model.predict(each.head(count), future=future).LSTM.to_numpy().reshape(2, 4)
        np.testing.assert_allclose([found["s0"], found["s1"]], expected, rtol=1e-6)


def test_one_item_with_covariates_moves_on_alone() -> None:
    frame = _with_covariates()
    each = frame.groupby("unique_id")
    model = Forecaster(**SETTINGS, **COVARIATES, network="steps").fit(each.head(50))
    stream = model.stream(each.head(50), future=each.head(54).groupby("unique_id").tail(4))
    before = stream.forecast().values
    new, ahead = frame.iloc[50], frame.iloc[54]
    known = {"price": ahead.price, "promotion": ahead.promotion}
    found = stream({"s0": new.y}, past={"rain": new.rain}, known=known)["s0"]
    alone = frame[frame.unique_id == "s0"]
    np.testing.assert_allclose(found, model.predict(alone.head(51), future=alone.iloc[51:55]).LSTM, rtol=1e-6)
    np.testing.assert_array_equal(stream.forecast().values[1], before[1])


@pytest.mark.parametrize(
    ("past", "known", "words"),
    [
        (None, None, ["reads 'rain' of the new observation", "reads 'price', 'promotion' 4 steps after"]),
        ({"rain": "wet"}, {"price": 1, "promotion": "none"}, ["'rain' of 's0' is a finite number"]),
        ({"rain": 1, "rian": 2}, {"price": 1, "promotion": "none"}, ["no covariate 'rian'. Did you mean 'rain'?"]),
        ({"rain": [1, 2]}, {"price": 1, "promotion": "none"}, ["one value for each of the 1 series observed"]),
        (3.0, {"price": 1, "promotion": "none"}, ["past is a dict of covariates by name; got 3.0"]),
    ],
)
def test_wrong_covariates_are_told(past: Any, known: Any, words: list[str]) -> None:
    each = _with_covariates().groupby("unique_id")
    model = Forecaster(**SETTINGS, **COVARIATES, network="steps").fit(each.head(50))
    stream = model.stream(future=each.head(54).groupby("unique_id").tail(4))
    with pytest.raises(DataError) as caught:
        stream({"s0": 3.0}, past=past, known=known)
    for word in words:
        assert word in str(caught.value)
    assert len(set(stream.times.tolist())) == 1
    with pytest.raises(DataError, match="future"):
        model.stream()


@pytest.mark.parametrize("channels", ["independent", "joint"])
def test_several_targets_are_observed_together(channels: str) -> None:
    frame = wave_frame(2, 56).assign(other=lambda table: table.y**2)
    each = frame.groupby("unique_id")
    settings = SETTINGS | {"network": "steps", "target_col": ["y", "other"], "channels": channels}
    model = Forecaster(**settings).fit(each.head(50))
    stream = model.stream()
    for count in range(51, 54):
        new = each.nth(count - 1).set_index("unique_id")
        found = stream(new[["y", "other"]].to_numpy())
        expected = model.predict(each.head(count)).LSTM.to_numpy().reshape(2, 2, 4)
        np.testing.assert_array_equal(found, expected)
    found = stream({"s1": [30.0, 900.0]})
    assert found["s1"].shape == (2, 4)
    with pytest.raises(DataError, match="is a list, one for each of y, other; got"):
        stream({"s1": 3.0})


def test_quantiles_are_those_of_predict() -> None:
    frame = wave_frame(1, 60)
    model = Forecaster(**SETTINGS, network="deepar").fit(frame)
    found = model.stream().step(3.2, quantiles=[0.2, 0.9])
    forecast = model.predict(_grown(frame, {"s0": [3.2]}), quantiles=[0.2, 0.9])
    np.testing.assert_array_equal(found.values[0], forecast.LSTM)
    for share in (0.2, 0.9):
        (column,) = [name for name in forecast if name.endswith(f"{share:g}")]
        np.testing.assert_array_equal(found.quantiles[share][0], forecast[column])
