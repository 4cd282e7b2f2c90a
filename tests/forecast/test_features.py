"""What networks read of covariates: learnt in training, held to loops over items and columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from makers import panel_of
from unrolled.data.covariates import Column, Features
from unrolled.data.table import read_panel
from unrolled.errors import ConfigError, DataError
from unrolled.forecast.config import Config
from unrolled.forecast.features import (
    check_ahead,
    covariate_table,
    input_names,
    layout_of,
    learn_features,
    unseen_notes,
)

H = 2
SETTINGS = {
    "static_covariates": ["region", "size"],
    "past_covariates": ["temp", "sky"],
    "future_covariates": ["promo", "kind"],
}
CONFIG = Config(h=H, **SETTINGS)
NAN = float("nan")


def _frame(lengths=(5, 3), seed=0, freq="D"):
    draw = np.random.default_rng(seed)
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{k}",
                "ds": pd.date_range("2024-01-01", periods=n, freq=freq),
                "region": ["north", "south", "west"][k % 3],
                "size": 10.0 + k,
            }
        )
        for k, n in enumerate(lengths)
    ]
    frame = pd.concat(parts, ignore_index=True)
    for name in ("y", "v", "temp", "promo"):
        frame[name] = draw.normal(5, 2, size=len(frame))
        if name in ("temp", "promo"):
            frame.loc[draw.random(len(frame)) < 0.3, name] = np.nan
    for name, words in (("sky", ["clear", "rain"]), ("kind", ["x", "z", None])):
        frame[name] = draw.choice(np.array(words, dtype=object), size=len(frame))
    return frame


def _panel(frame, targets="y"):
    kinds = {kind: SETTINGS[f"{kind}_covariates"] for kind in ("static", "past", "future")}
    return read_panel(frame, target_col=targets, **kinds)


def _number(values, mean, spread):
    """One item's numbers as a network reads them, by a loop."""
    read, last = [], None
    for value in values:
        last = value if not np.isnan(value) else last
        read.append(0.0 if last is None else (last - mean) / spread)
    return read


def _category(values, known):
    return [known.index(value) + 1 if value in known else 0 for value in values]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("targets", ["y", ["y", "v"]])
def test_every_column_of_every_item(seed: int, targets) -> None:
    whole = _frame((9, 6, 7), seed)
    panel = _panel(whole, targets)
    train = panel.drop_last(H + 1)  # what training knows; one step more than the horizon is known ahead
    features = learn_features(train, CONFIG)
    table = covariate_table(train, features, CONFIG)
    assert table is not None
    assert table.targets == (1 if targets == "y" else 2)

    trained = whole[whole.groupby("unique_id").cumcount(ascending=False) > H]
    stats = {name: (trained[name].mean(), trained[name].std(ddof=0)) for name in ("temp", "promo")}
    words = {name: sorted(trained[name].dropna().unique()) for name in ("sky", "kind", "region")}
    past, known, static = [], [], []
    for _, item in whole.groupby("unique_id"):
        ends = len(item) - H - 1
        temp = _number(item.temp[:ends], *stats["temp"])
        past += list(zip(temp, _category(item.sky[:ends], words["sky"]), strict=True))
        promo = _number(item.promo[: ends + H], *stats["promo"])
        known += list(zip(promo, _category(item.kind[: ends + H], words["kind"]), strict=True))
        size = (item["size"].iloc[0] - 11) / np.std([10, 11, 12])
        static.append([words["region"].index(item.region.iloc[0]) + 1, size])
    np.testing.assert_allclose(table.past_PK.numpy(), past, atol=1e-6)
    np.testing.assert_allclose(table.known_RK.numpy(), known, atol=1e-6)
    np.testing.assert_allclose(table.static_IK.numpy(), static, atol=1e-6)


def test_the_layout_says_how_many_categories_there_are_and_names_say_what_each_is() -> None:
    config = Config(h=H, calendar=["day", "month"], holidays="DE", **SETTINGS)
    features = learn_features(_panel(_frame((40, 40))), config)
    layout = layout_of(features, config)
    assert (layout.past, layout.static, layout.channels) == ((0, 2), (2, 0), 1)
    assert layout.known == (0, 2, *[0] * 7)
    names = input_names(features)
    assert (names.past, names.static) == (("temp", "sky"), ("region", "size"))
    assert names.known[2:] == (
        "day sine", "day cosine", "month sine", "month cosine", "holiday", "holiday before", "holiday after",
    )  # fmt: skip
    assert covariate_table(_panel(_frame((4,))), features, config).known_RK.shape == (4 + H, 9)


def test_features_survive_being_written() -> None:
    config = Config(h=H, calendar="auto", holidays="US-CA", **SETTINGS)
    features = learn_features(_panel(_frame((400,)), ["y", "v"]), config)
    assert features.calendar == ("dayofweek", "day", "dayofyear")
    assert Features.from_json(json.loads(json.dumps(features.to_json()))) == features


def test_without_covariates_there_is_no_table() -> None:
    panel = panel_of([np.ones(5)])
    assert covariate_table(panel, learn_features(panel, Config(h=H)), Config(h=H)) is None


def test_features_of_the_calendar_go_on_over_the_horizon() -> None:
    config = Config(h=3, calendar=["dayofweek"], holidays="DE")
    panel = read_panel(_frame((5, 9))[["unique_id", "ds", "y"]])
    table = covariate_table(panel, learn_features(panel, config), config)
    assert table.past_PK.shape == (14, 0)
    expected = []
    for length in (5, 9):
        for day in pd.date_range("2024-01-01", periods=length + 3):
            angle = 2 * np.pi * day.weekday() / 7
            holiday = [day + shift * pd.Timedelta("1D") == pd.Timestamp("2024-01-01") for shift in (0, -1, 1)]
            expected.append([np.sin(angle), np.cos(angle), *map(float, holiday)])
    np.testing.assert_allclose(table.known_RK.numpy(), expected, atol=1e-6)


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    times = pd.date_range(
        "2024-03-30", periods=48, freq="h", tz="Europe/Berlin"
    )  # clocks go forward in the second night
    panel = read_panel(pd.DataFrame({"ds": times, "y": 1.0}))
    config = Config(h=2, calendar=["hour"])
    known = covariate_table(panel, learn_features(panel, config), config).known_RK.numpy()
    hours = [time.hour for time in pd.date_range(times[0], periods=50, freq="h")]
    np.testing.assert_allclose(known[:, 0], np.sin(2 * np.pi * np.array(hours) / 24), atol=1e-6)


def test_a_constant_number_says_nothing_and_one_never_seen_neither() -> None:
    frame = _frame((5, 5)).assign(temp=3.0, promo=NAN)
    panel = _panel(frame)
    features = learn_features(panel, CONFIG)
    table = covariate_table(panel, features, CONFIG)
    assert table.past_PK[:, 0].abs().max() == 0
    assert table.known_RK[:, 0].abs().max() == 0


def test_a_level_of_a_billion_keeps_its_digits() -> None:
    frame = _frame((5, 5))
    frame["temp"] = 1e9 + np.arange(10.0)
    panel = _panel(frame)
    table = covariate_table(panel, learn_features(panel, CONFIG), CONFIG)
    expected = (np.arange(10) - 4.5) / np.arange(10).std()
    np.testing.assert_allclose(table.past_PK[:, 0].numpy(), expected, atol=1e-5)


def test_categories_that_training_has_not_seen_are_one_and_said() -> None:
    features = learn_features(_panel(_frame((9, 9))), CONFIG)
    new = _panel(_frame((4,)).assign(region="east", kind=["x", "q", "z", "r"], unique_id="new"))
    table = covariate_table(new, features, CONFIG)
    assert table.static_IK[0, 0] == 0
    assert table.known_RK[:4, 1].tolist() == [1, 0, 2, 0]
    assert unseen_notes(new, features) == (
        "region: 'east' did not occur in training and counts as unknown",
        "kind: 'q', 'r' did not occur in training and counts as unknown",
    )
    assert unseen_notes(_panel(_frame((4,))), features) == ()


def test_what_is_known_ahead_is_asked_for() -> None:
    panel = _panel(_frame((9, 9)))
    features = learn_features(panel, CONFIG)
    check_ahead(panel.drop_last(H), features, H)
    for known in (panel, panel.drop_last(H - 1)):
        with pytest.raises(DataError, match=r"^The model reads 'promo', 'kind' over the next 2 days, which .*future="):
            check_ahead(known, features, H)


def test_times_without_dates_have_no_calendar() -> None:
    with pytest.raises(ConfigError) as wrong:
        learn_features(panel_of([np.ones(9)]), Config(h=2, calendar="auto", holidays="DE"))
    assert wrong.value.problems == (
        "calendar=['auto'] makes features of dates, and the times here are whole numbers. Leave it out, or give dates.",
        "holidays='DE' makes features of dates, and the times here are whole numbers. Leave it out, or give dates.",
    )


@pytest.mark.parametrize(
    ("freq", "still"), [("D", ["minute", "hour"]), ("W", ["hour", "dayofweek"]), ("h", ["minute"])]
)
def test_features_that_never_change_are_refused(freq: str, still: list[str]) -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=30, freq=freq), "y": 1.0})
    panel = read_panel(frame)
    learn_features(panel, Config(h=2, calendar=["dayofyear"]))
    with pytest.raises(ConfigError) as wrong:
        learn_features(panel, Config(h=2, calendar=[*still, "month"]))
    assert wrong.value.problems == tuple(
        f"calendar names {name!r}, which is the same at every time of {panel.freq.name} series. Leave it out."
        for name in still
    )


def test_panels_read_without_their_covariates_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"read without the covariates 'region', 'size', 'temp', 'sky', 'promo', 'kind'\."
    ):
        learn_features(panel_of([np.ones(9)]), CONFIG)
    features = Features((Column("temp", "past", ("warm",)),))
    with pytest.raises(DataError, match=r"^'temp' holds numbers, and the model was trained on texts\.$"):
        covariate_table(_panel(_frame()), features, CONFIG)
