"""The setting `cell`: any option of the layers, checked by them, kept with a model."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import torch

from unrolled import GRU, LSTM, RNN, Activation, Stack, analysis
from unrolled.errors import ConfigError
from unrolled.forecast.config import Config
from unrolled.forecast.networks.encoder import recurrent, started, width
from unrolled.layers.options import OPTION_NAMES

OPTIONS: dict[str, Any] = {
    "peephole": True,
    "layer_norm": True,
    "coupled_gates": True,
    "reset_after": False,
    "nonlinearity": "relu",
    "cell_clip": 3.0,
    "preactivation_clip": 2.5,
    "activation": "softsign",
    "recurrent_activation": Activation("hard_sigmoid", alpha=0.25),
    "forget_bias": 1.5,
    "bias": False,
    "proj_size": 2,
    "initial_state": "learned",
    "residual": True,
    "recurrent_dropout": 0.1,
    "zoneout": 0.2,
    "weight_drop": 0.3,
    "init": "keras",
    "kernel": "reference",
    "precision": "bf16",
    "recompute": True,
}
SET_ELSEWHERE = {"input_size", "hidden_size", "num_layers", "dropout", "device"}
NEVER = {"batch_first", "bidirectional", "dtype"}


def _settings(**settings: Any) -> Config:
    return Config(3, **{"hidden_size": 4, "num_layers": 2} | settings)


def _options_of(layer: type) -> list[str]:
    own = set(inspect.signature(layer).parameters) - {"options"}
    return sorted((own | set(OPTION_NAMES)) - SET_ELSEWHERE - NEVER)


@pytest.mark.parametrize(
    ("layer", "name"), [(layer, name) for layer in (LSTM, GRU, RNN) for name in _options_of(layer)]
)
def test_every_option_of_a_layer_reaches_it_and_is_kept(layer: type, name: str) -> None:
    config = _settings(cell={"type": layer.__name__, name: OPTIONS[name]})
    made = recurrent(config, 2)
    assert type(made) is layer
    wanted = layer(2, 4, 2, batch_first=True, **{name: OPTIONS[name]})
    assert made.extra_repr() == wanted.extra_repr()  # type: ignore[operator]
    assert [tuple(one.shape) for one in made.parameters()] == [tuple(one.shape) for one in wanted.parameters()]
    assert Config.from_settings(json.loads(json.dumps(config.to_json()))) == config
    assert made(torch.zeros(1, 3, 2))[0].shape[-1] == width(config)


def test_a_list_of_cells_is_a_stack_of_mixed_widths() -> None:
    cells = ["LSTM", {"type": "GRU", "reset_after": False, "activation": ["leaky_relu", 0.2]}, {"type": "RNN"}]
    config = Config(3, cell=cells, hidden_size=[6, 5, 4], dropout=0.1)
    made = recurrent(config, 2)
    assert isinstance(made, Stack)
    assert [type(cell).__name__ for cell in made.cells] == ["LSTMCell", "GRUCell", "RNNCell"]
    assert [(cell.input_size, cell.hidden_size) for cell in made.cells] == [(2, 6), (6, 5), (5, 4)]
    assert (made.dropout, made.batch_first, made.cells[1].reset_after) == (0.1, True, False)
    assert made.cells[1].activation == Activation("leaky_relu", 0.2)
    assert width(config) == 4
    assert config.name == "LSTM"
    assert Config.from_settings(json.loads(json.dumps(config.to_json()))) == config


def test_one_width_is_that_of_every_cell_of_a_list() -> None:
    made = recurrent(Config(3, cell=["GRU", "GRU"], hidden_size=5), 2)
    assert [cell.hidden_size for cell in made.cells] == [5, 5]  # type: ignore[union-attr]


def test_options_of_a_whole_stack_stand_beside_its_cells() -> None:
    whole = {"residual": True, "zoneout": [0.1, 0.2], "recurrent_dropout": 0.3, "initial_state": "learned"}
    config = Config(3, cell={"type": "Stack", "cells": ["LSTM", "GRU"], **whole}, hidden_size=5)
    made: Any = recurrent(config, 2)
    assert (made.residual, made.zoneout, made.recurrent_dropout) == (True, (0.1, 0.2), 0.3)
    assert len(list(made.initial_state.parameters())) == 3  # h and c of the LSTM, h of the GRU
    assert Config.from_settings(json.loads(json.dumps(config.to_json()))) == config
    assert hash(config) == hash(Config.from_settings(config.to_json()))


@pytest.mark.parametrize(
    "cell",
    [{"type": "GRU", "initial_state": "learned"}, {"type": "Stack", "cells": ["GRU"], "initial_state": "learned"}],
)
def test_a_decoder_that_is_given_its_states_has_none_to_learn(cell: Any) -> None:
    config = Config(3, cell=cell, hidden_size=4)
    extra = len(list(recurrent(config, 2).parameters())) - len(list(recurrent(started(config), 2).parameters()))
    assert extra == 1


@pytest.mark.parametrize(
    "cell", ["LSTM", {"type": "GRU", "zoneout": 0.1}, ["LSTM", {"type": "RNN", "nonlinearity": "relu"}]]
)
def test_the_layers_are_found_traced_and_streamed(cell: Any) -> None:
    made: Any = recurrent(Config(3, cell=cell, hidden_size=4), 2).eval()
    x = torch.randn(2, 5, 2)
    with torch.no_grad():
        output = made(x)[0]
        (recorded,) = analysis.record(made, x)
        stream = made.stream()
        streamed = torch.cat([stream(x[:, t : t + 1]) for t in range(5)], dim=1)
    torch.testing.assert_close(torch.from_numpy(recorded.trace.output.values), output)
    torch.testing.assert_close(streamed, output)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"cell": {"type": "LSTM", "peephol": True}},
            ["cell: LSTM has no argument 'peephol'. Did you mean 'peephole'?"],
        ),
        (
            {"cell": {"type": "GRU", "peephole": True, "zoneout": 2}},
            [
                "cell: GRU has no argument 'peephole'. LSTM has it.",
                "cell: zoneout must be a probability from 0 up to, not including, 1; got 2.",
            ],
        ),
        (
            {"cell": {"type": "LSTM", "init": "chrono", "activation": "tanhh"}},
            [
                "cell: activation='tanhh' is no activation.",
                "cell: init='chrono' needs the longest time in mind, as in init=('chrono', 100); got 'chrono'.",
            ],
        ),
        (
            {"cell": {"type": "LSTM", "proj_size": 9}, "hidden_size": 9},
            ["cell: proj_size must be smaller than hidden_size"],
        ),
        (
            {"cell": {"type": "LSTM", "residual": True}, "hidden_size": [3, 4]},
            ["cell: residual=True adds a layer's input"],
        ),
        (
            {"cell": {"type": "LSTM", "hidden_size": 3, "bidirectional": True}},
            [
                "cell holds 'hidden_size', which is a setting of its own: Forecaster(..., hidden_size=3).",
                "cell holds 'bidirectional', but a forecast goes forwards in time. Leave it out.",
            ],
        ),
        (
            {"cell": {"type": "LSTM", "init": {"weight_hh": len}}},
            ["cell's init is a name, a number or a list of those"],
        ),
        ({"cell": {"type": "LSTM", "activation": torch.tanh}}, ["cell's activation is a name, a number or a list"]),
        ({"cell": {"type": "LSTM", "activation": ["relu", 1, 2, 3]}}, ["cell's activation is a name, or a list of it"]),
        ({"cell": {"type": "LSTM", "activation": ["relu", 1]}}, ["cell: The activation 'relu' has no alpha"]),
        ({"cell": {"peephole": True}}, ["cell is one of 'LSTM', 'GRU', 'RNN', 'SLSTM', or a dict such as"]),
        ({"cell": {"type": ["LSTM"]}}, ["cell is one of 'LSTM', 'GRU', 'RNN', 'SLSTM', or a dict such as"]),
        ({"cell": ["LSTM", "LTSM"]}, ["got 'LTSM'. Did you mean 'LSTM'?"]),
        ({"cell": []}, ["cell lists one cell per layer; got an empty list."]),
        ({"cell": {"type": "Stack"}}, ["cell lists one cell per layer; got an empty list."]),
        (
            {"cell": ["LSTM", {"type": "GRU", "zoneout": 0.1, "weight_drop": 0.1, "reset_afte": 1}]},
            [
                "cell: 'weight_drop' is not for a list of cells. Leave it out.",
                "cell: in a list of cells 'zoneout' is of the whole list: "
                "cell={'type': 'Stack', 'cells': [...], 'zoneout': 0.1}.",
                "cell: GRU has no argument 'reset_afte'. Did you mean 'reset_after'?",
            ],
        ),
        (
            {"cell": {"type": "Stack", "cells": ["LSTM", "GRU"], "zoneut": 0.1}},
            ["cell: Stack has no argument 'zoneut'. Did you mean 'zoneout'?"],
        ),
        (
            {
                "cell": {"type": "Stack", "cells": ["LSTM", "GRU"], "zoneout": 3, "residual": True},
                "hidden_size": [3, 4],
            },
            ["cell: zoneout must be a probability", "cell: residual=True"],
        ),
        ({"cell": ["LSTM", "GRU"], "hidden_size": [3, 4, 5]}, ["cell lists 2 layers but hidden_size=[3, 4, 5]."]),
        ({"cell": ["LSTM", "GRU"], "num_layers": 3}, ["cell lists 2 layers but num_layers=3; leave num_layers out."]),
    ],
)
def test_what_is_wrong_with_a_cell_is_said_before_anything_is_trained(
    settings: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(3, **settings)
    assert len(caught.value.problems) == len(expected)
    for said, wanted in zip(caught.value.problems, expected, strict=True):
        assert wanted in said


def test_a_wrong_cell_and_other_wrong_settings_are_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Config(0, cell={"type": "LSTM", "zoneout": 2}, hidden_size=0, num_layers=-1)
    assert len(caught.value.problems) == 4


def test_settings_are_not_changed_with_the_dict_that_they_came_from() -> None:
    cell = {"type": "LSTM", "peephole": True}
    config = Config(3, cell=cell)
    cell["peephole"] = False
    assert config.cell["peephole"] is True
