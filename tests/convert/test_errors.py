"""What does not fit is refused, with both shapes and what to do, all problems at once."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

import unrolled
from unrolled import convert
from unrolled.convert.arrays import check_arrays
from unrolled.convert.onnx_attributes import read_attributes, write_attributes
from unrolled.convert.onnx_read import read_node
from unrolled.convert.portable import load, take
from unrolled.errors import ConfigError, DtypeError, ShapeError

F, H = 3, 5


def z(*shape):
    return np.zeros(shape)


def keras_lstm():
    return [z(F, 4 * H), z(H, 4 * H), z(4 * H)]


def test_shapes_are_named_with_their_axes():
    with pytest.raises(ShapeError) as caught:
        convert.from_keras([z(4 * H, F), z(H, 4 * H), z(3 * H)], kind="LSTM")
    first, second = caught.value.problems
    assert (
        first == "Keras layer 0, an LSTM: kernel must be (F, 4H) = (3, 20); got (20, 3). Is it transposed? Pass its .T."
    )
    assert second == "Keras layer 0, an LSTM: bias must be (4H) = (20,); got (15,)."


def test_a_transposed_kernel_is_suspected():
    arrays = {"kernel": z(20, F), "recurrent_kernel": z(H, 20)}
    with pytest.raises(ShapeError, match=r"kernel must be \(F, 4H\) = \(3, 20\); got \(20, 3\)\. Is it transposed"):
        check_arrays("here", arrays, {"recurrent_kernel": ("H", "4H"), "kernel": ("F", "4H"), "x": ("F",)}, ["x"])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: convert.from_keras(keras_lstm()), ConfigError, "Pass kind='LSTM', 'GRU' or 'RNN'"),
        (lambda: convert.from_keras(keras_lstm(), kind="LSMT"), ConfigError, "Did you mean 'LSTM'"),
        (lambda: convert.from_keras(), ConfigError, "got nothing"),
        (lambda: convert.from_keras([z(2, 2)], kind="RNN"), ShapeError, "Got a list of 1"),
        (lambda: convert.from_keras(7, kind="RNN"), ShapeError, "Got a int"),
        (
            lambda: convert.from_keras([z(F, 15), z(H, 15), z(15)], kind="GRU", reset_after=True),
            ShapeError,
            r"bias is \(2, 3H\); got \(15,\)",
        ),
        (
            lambda: convert.from_keras([z(F, 20).astype(int), z(H, 20), z(20)], kind="LSTM"),
            DtypeError,
            "kernel must hold floats .* got int64",
        ),
        (
            lambda: convert.from_keras([torch.zeros(F, 20, dtype=torch.bfloat16), z(H, 20), z(20)], kind="LSTM"),
            DtypeError,
            r"is bfloat16, .* Pass .*\.float\(\)",
        ),
        (
            lambda: convert.from_keras(keras_lstm(), [z(F, 20), z(H, 20), z(20)], kind="LSTM"),
            ShapeError,
            "layer 1 reads F=3 features, but layer 0 puts out 5",
        ),
        (
            lambda: convert.from_keras(keras_lstm(), [z(5, 20), z(H, 20)], kind="LSTM"),
            ShapeError,
            "layer 1, direction 0 has weight_ih, weight_hh; layer 0 has",
        ),
        (
            lambda: convert.from_keras([*keras_lstm(), z(F, 24), z(6, 24), z(24)], kind="LSTM"),
            ShapeError,
            "two directions differ in their shapes",
        ),
        (
            lambda: convert.from_keras([z(F, 15), z(H, 15), z(15)], [z(H, 15), z(H, 15), z(2, 15)], kind="GRU"),
            ConfigError,
            "layers 0 and 1 are not alike",
        ),
        (lambda: convert.from_tf1(kind="LSTM"), ConfigError, "got nothing"),
        (
            lambda: convert.from_tf1({"kernel": z(8, 20), "bias": z(20)}, kind="LSTM", proj_clip=1.0, num_proj=3),
            ConfigError,
            "(?s)proj_clip has no counterpart.*Leave num_proj out",
        ),
        (
            lambda: convert.from_tf1({"kernel": z(8, 5), "bias": z(5)}, kind="RNN", forget_bias=0.5),
            ConfigError,
            "an RNN has no forget gate",
        ),
        (
            lambda: convert.from_tf1({"kernel": z(4, 20), "bias": z(20)}, kind="LSTM"),
            ShapeError,
            r"kernel must have F \+ 5 rows.*got 4",
        ),
        (
            lambda: convert.from_tf1({"a/kernel": z(8, 20), "a/w_i_diagonal": z(5)}, kind="LSTM"),
            ShapeError,
            "(?s)needs bias.*named 'a/w_i_diagonal', which does not belong to it",
        ),
        (
            lambda: convert.from_tf1({"kernel": z(8, 20), "bias": z(20), "w_i_diag": z(5)}, kind="LSTM"),
            ShapeError,
            "has w_i_diag, but not w_f_diag, w_o_diag",
        ),
        (lambda: convert.from_flax(kind="LSTM"), ConfigError, "got nothing"),
        (
            lambda: convert.from_flax({"dense_i": {"kernel": z(F, 15)}, "dense_h": {"kernel": z(H, 20)}}, kind="GRU"),
            ShapeError,
            r"dense_h/kernel must be \(H, 3H\)",
        ),
        (lambda: inspect.unwrap(convert.to_flax)(unrolled.GRU(F, H), form="lines"), ConfigError, "form must be"),
        (lambda: convert.from_haste(), ConfigError, "got none"),
        (
            lambda: convert.from_haste({"kernel": z(F, 20), "recurrent_kernel": z(H, 20)}),
            ShapeError,
            r"needs bias \(4H\); it got kernel, recurrent_kernel",
        ),
        (
            lambda: convert.to_haste(unrolled.RNN(F, H, bidirectional=True, bias=False)),
            ConfigError,
            "(?s)no RNN.*forward alone.*has none",
        ),
        (lambda: inspect.unwrap(convert.to_keras)(torch.nn.LSTM(F, H)), DtypeError, r"unrolled\.replace\(layer\)"),
        (lambda: inspect.unwrap(convert.to_keras)("LSTM"), DtypeError, "got str"),
        (
            lambda: convert.to_keras(unrolled.LSTM(F, H, peephole=True, proj_size=2, zoneout=0.1)),
            ConfigError,
            "(?s)peephole=True.*zoneout=0.1.*proj_size",
        ),
        (lambda: convert.to_tf1(unrolled.GRU(F, H)), ConfigError, "reset_after=False has a counterpart"),
        (lambda: convert.to_tf1(unrolled.LSTM(F, H, layer_norm=True)), ConfigError, "layer_norm=True"),
        (
            lambda: convert.from_onnx(3),
            DtypeError,
            "a path or an onnx.ModelProto; got int",
        ),
    ],
)
def test_refusals(call, error, text):
    # Where a call is unwrapped, it goes past the checks of types under pytest, which users do not have.
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("kind", "attributes", "text"),
    [
        ("LSTM", {"linear_before_reset": 1}, "attribute 'linear_before_reset' that ONNX's LSTM does not"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "one activation for g and h"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh"]}, "activations must be 3 names"),
        ("GRU", {"activations": ["Sigmoid", "Tahn"]}, "Did you mean 'tanh'"),
        ("GRU", {"direction": "backward"}, "direction must be one of forward, reverse, bidirectional"),
        ("LSTM", {"input_forget": 1, "activations": ["Softsign", "Tanh", "Tanh"]}, "as for Sigmoid"),
    ],
)
def test_attributes_without_a_counterpart(kind, attributes, text):
    with pytest.raises(ConfigError, match=text):
        read_attributes("The node 'n'", kind, attributes)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (unrolled.LSTM(F, H, activation=torch.sin), "is a function. Use a name or unrolled.Activation"),
        (unrolled.LSTM(F, H, coupled_gates=True, recurrent_activation="softsign"), "input_forget can be written where"),
    ],
)
def test_options_that_onnx_cannot_say(layer, text):
    with pytest.raises(ConfigError, match=text):
        write_attributes(take(layer))


def test_a_nodes_own_sizes_must_agree():
    weights = {"W": z(1, 15, F), "R": z(1, 15, H)}
    with pytest.raises(ShapeError, match="hidden_size=6"):
        read_node("node", "GRU", {"hidden_size": 6}, weights)
    with pytest.raises(ShapeError, match="is bidirectional, and R is for 1"):
        read_node("node", "GRU", {"direction": "bidirectional"}, weights)
    with pytest.raises(ShapeError, match="one direction or two"):
        read_node("node", "GRU", {}, {"W": z(3, 15, F), "R": z(3, 15, H)})


def test_loading_lists_everything():
    weights = take(unrolled.GRU(F, H)).weights
    weights[0][0]["weight_hr"] = weights[0][0].pop("bias_hh")
    weights[0][0]["weight_ih"] = z(15, 4)
    with pytest.raises(ShapeError) as caught:
        load(unrolled.GRU(F, H), weights)
    assert len(caught.value.problems) == 3
    assert "weight_ih_l0 must be (15, 3), as the layer has it; got (15, 4)." in caught.value.problems
