from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from unrolled.errors import ConfigError
from unrolled.forecast.config import Config


def test_only_the_horizon_must_be_given() -> None:
    required = [f.name for f in dataclasses.fields(Config) if f.default is dataclasses.MISSING]
    assert required == ["h"]
    assert Config(3).h == 3


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config(3).h = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"h": 0}, "h is a whole number of at least 1; got 0."),
        ({"h": 2.5}, "h is a whole number of at least 1; got 2.5."),
        ({"h": True}, "h is a whole number of at least 1; got True."),
        ({"seed": 1 << 63}, "seed is below 2**63; got 9223372036854775808."),
        ({"input_size": 0}, "input_size is a whole number of at least 1; got 0."),
        ({"cell": "lstm"}, "got 'lstm'. Did you mean 'LSTM'?"),
        ({"decoder": ["direct"]}, "decoder is one of 'direct', 'recursive'; got ('direct',)."),
        (
            {"loss": "Quantil"},
            "'tweedie'; got 'Quantil'. Did you mean 'quantile'?",
        ),
        ({"scaling": "minmax"}, "'last_series'; got 'minmax'."),
        ({"hidden_size": 0}, "hidden_size is a whole number of at least 1, or a list; got 0."),
        ({"hidden_size": [20, 0]}, "hidden_size lists one width of at least 1 per layer; got [20, 0]."),
        ({"hidden_size": []}, "hidden_size lists one width of at least 1 per layer; got []."),
        (
            {"hidden_size": [2, 3], "num_layers": 3},
            "hidden_size lists 2 layers but num_layers=3; leave num_layers out.",
        ),
        ({"dropout": 1.0}, "dropout is a share from 0 up to, not including, 1; got 1.0."),
        ({"learning_rate": 0}, "learning_rate is above 0; got 0."),
        ({"learning_rate": float("nan")}, "learning_rate is above 0; got nan."),
        ({"gradient_clip": -1.0}, "gradient_clip is above 0, or None for no limit; got -1.0."),
        ({"h": 5, "val_size": 3}, "val_size holds at least one horizon (h=5) or is 0; got 3."),
        ({"quantiles": [0.1, 0.9]}, "quantiles must hold 0.5, the forecast itself; got [0.1, 0.9]."),
        ({"quantiles": [0.5, 0.1]}, "quantiles rise, none twice; got [0.5, 0.1]."),
        ({"quantiles": [0.5, 90]}, "quantiles lie between 0 and 1, such as [0.1, 0.5, 0.9]; got (0.5, 90)."),
        (
            {"quantiles": [0.1, 0.5, 0.9], "loss": "mae"},
            "quantiles are what loss='quantile' learns; got loss='mae'. Set that loss, or leave them out",
        ),
        ({"segment": 7, "network": "steps"}, "segment=7 is of network='segments'; got network='steps'."),
        ({"segment": 7, "input_size": 6}, "segment=7 is longer than the window that it is a part of, input_size=6."),
        ({"id_col": 3}, "id_col is a column's name; got 3."),
        ({"verbose": "yes"}, "verbose is True, False or None; got 'yes'."),
        ({"device": "gpu"}, "device 'gpu' can't be used here:"),
        ({"hiden_size": 3}, "'hiden_size' is no setting of a Forecaster. Did you mean 'hidden_size'?"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_given(settings: dict, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_settings({"h": 3} | settings)
    assert expected in str(caught.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_settings({"h": -1, "cell": "x", "dropout": 2, "lerning_rate": 1})
    assert len(caught.value.problems) == 4


def test_a_missing_horizon_is_said() -> None:
    with pytest.raises(ConfigError, match=r"h, the number of steps to forecast, is missing"):
        Config.from_settings({})


def test_settings_survive_json() -> None:
    config = Config(5, hidden_size=[20, 30], loss="quantile", quantiles=[0.1, 0.5, 0.9], freq="h")
    assert Config.from_settings(json.loads(json.dumps(config.to_json()))) == config


def test_lists_become_tuples_so_that_settings_can_be_compared_and_hashed() -> None:
    assert hash(Config(5, hidden_size=[20, 30])) == hash(Config(5, hidden_size=(20, 30)))


def test_numbers_of_numpy_are_numbers() -> None:
    config = Config(h=np.int64(4), dropout=np.float32(0.5))
    assert config == Config(h=4, dropout=0.5)
    assert json.dumps(config.to_json())
