"""`describe`: every parameter under its own name, with axes that say what it is."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from torch import nn

import unrolled.layers as ours
from analysis.models import KINDS, OPTIONS, Running, make, names_of
from unrolled.analysis import describe
from unrolled.errors import DtypeError

AXES = {
    "weight_ih": ("gate_hidden", "feature"),
    "weight_hr": ("projection", "hidden"),
    "weight_peephole": ("gate", "hidden"),
}


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
@pytest.mark.parametrize("case", KINDS, ids=names_of)
def test_all_weights_in_the_order_of_a_trace(case: Any, source: Any) -> None:
    layer = make(case, 3, 4, 2, source=source, bidirectional=True)
    about = describe(layer, "encoder")
    places = [(part.layer, part.direction) for part in about.weights]
    assert places == [(k, d) for k in range(2) for d in ("forward", "reverse")]
    state = layer.state_dict()
    for part in about.weights:
        suffix = f"_l{part.layer}" + ("_reverse" if part.direction == "reverse" else "")
        assert set(part.arrays) == {n.removesuffix(suffix) for n in state if n.endswith(suffix)}
        for name, array in part.arrays.items():
            np.testing.assert_array_equal(array.values, state[name + suffix])
            assert array.axes == AXES.get(name, array.axes)
    width = "projection" if "proj_size" in case[1] else "hidden"
    assert about.weights[0]["weight_hh"].axes == ("gate_hidden", width)
    assert (about.name, about.kind) == ("encoder", case[0])


@pytest.mark.parametrize("case", OPTIONS, ids=names_of)
def test_options_have_their_parameters_and_settings(case: Any) -> None:
    layer = make(case, 3, 4)
    about = describe(layer)
    assert sum(a.values.size for a in about.weights[0].arrays.values()) == sum(p.numel() for p in layer.parameters())
    assert {name: about.settings[name] for name in case[1]} == case[1]
    if case[1].get("num_heads") == 2:
        assert about.weights[0]["weight_hh"].axes == ("gate_hidden", "hidden_of_head")


def test_widths_per_layer_no_biases_and_stacks() -> None:
    widths = describe(ours.GRU(3, [4, 5], bias=False))
    assert [part["weight_hh"].shape for part in widths.weights] == [(12, 4), (15, 5)]
    assert set(widths.weights[0].arrays) == {"weight_ih", "weight_hh"}
    stack = describe(ours.Stack([(ours.LSTMCell(3, 4), nn.LSTMCell(3, 4)), Running(), nn.GRUCell(8, 2)]))
    assert [(part.layer, part.direction) for part in stack.weights] == [
        (0, "forward"),
        (0, "reverse"),
        (1, "forward"),
        (2, "forward"),
    ]
    assert [len(part.arrays) for part in stack.weights] == [4, 4, 0, 4]


def test_weights_are_copies_and_the_layer_is_left_alone() -> None:
    layer = nn.LSTM(3, 4, dropout=0.0)
    about = describe(layer)
    before = about.weights[0]["weight_ih"].values.copy()
    nn.init.zeros_(layer.weight_ih_l0)
    np.testing.assert_array_equal(about.weights[0]["weight_ih"].values, before)
    assert list(vars(layer)) == list(vars(nn.LSTM(3, 4)))


def test_what_is_no_recurrent_layer_is_refused() -> None:
    with pytest.raises(DtypeError, match=r"or torch\.nn's LSTM, GRU or RNN; got Linear"):
        describe(nn.Linear(3, 4))
    with pytest.raises(DtypeError, match="got str"):
        inspect.unwrap(describe)("LSTM")
