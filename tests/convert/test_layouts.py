"""From a layer of ours to each layout and back; haste's equations in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

import unrolled
from unrolled import convert
from unrolled.convert.onnx_attributes import read_attributes, write_attributes
from unrolled.convert.onnx_tensors import read_tensors, write_tensors
from unrolled.convert.portable import load, take

F, H = 3, 5
LAYERS = {"LSTM": unrolled.LSTM, "GRU": unrolled.GRU, "RNN": unrolled.RNN}


def layer_of(kind, **options):
    torch.manual_seed(0)
    return LAYERS[kind](F, **{"hidden_size": H, "dtype": torch.float64} | options)


def sums(layer):
    """The parameters, with the two biases added where a layout has but one."""
    found = {}
    for name, value in layer.state_dict().items():
        key = name.replace("bias_ih", "bias").replace("bias_hh", "bias")
        found[key] = found[key] + value if key in found else value
    return found


def assert_same(back, layer, exactly=True):
    found, expected = (dict(one.state_dict()) if exactly else sums(one) for one in (back, layer))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0 if exactly else 1e-15)


SHAPES = [
    {},
    {"bias": False},
    {"bidirectional": True},
    {"num_layers": 3},
    {"hidden_size": [4, 6], "bidirectional": True},
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("kind", "own", "exactly"),
    [("LSTM", {}, False), ("GRU", {}, True), ("GRU", {"reset_after": False}, False), ("RNN", {}, False)],
)
def test_keras(kind, own, exactly, shape):
    layer = layer_of(kind, **own, **shape)
    back = convert.from_keras(*convert.to_keras(layer), kind=kind, **own, batch_first=False)
    assert repr(back) == repr(layer)
    assert_same(back, layer, exactly)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "bias" not in shape], ids=str)
@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("LSTM", {}),
        ("LSTM", {"peephole": True, "proj_size": 2}),
        ("GRU", {"reset_after": False}),
        ("RNN", {}),
    ],
)
def test_tf1(kind, own, shape):
    layer = layer_of(kind, **own, **shape)
    back = convert.from_tf1(*convert.to_tf1(layer), kind=kind, batch_first=False)
    assert repr(back) == repr(layer)
    assert_same(back, layer, exactly=False)


@pytest.mark.parametrize("form", ["fused", "gates", "linen"])
@pytest.mark.parametrize("kind", LAYERS)
def test_flax(kind, form):
    if form == "gates" and kind != "LSTM":
        with pytest.raises(unrolled.UnrolledError, match="form='gates' is of nnx' LSTMCell"):
            convert.to_flax(layer_of(kind), form=form)
        return
    layer = layer_of(kind, bidirectional=True, num_layers=2)
    if kind == "GRU" and form == "fused":
        with torch.no_grad():
            for name in ("bias_hh_l0", "bias_hh_l0_reverse", "bias_hh_l1", "bias_hh_l1_reverse"):
                getattr(layer, name)[2 * H :] = 0
    trees = [
        dict(zip(("forward_rnn", "backward_rnn"), pair, strict=True)) for pair in convert.to_flax(layer, form=form)
    ]
    assert_same(convert.from_flax(*trees, kind=kind, batch_first=False), layer, exactly=False)


@pytest.mark.parametrize(("kind", "exactly"), [("LSTM", False), ("GRU", True)])
def test_haste(kind, exactly):
    layer = layer_of(kind, num_layers=2)
    assert_same(convert.from_haste(*convert.to_haste(layer)), layer, exactly)


OPTIONS = [
    ("LSTM", {}),
    ("LSTM", {"bias": False}),
    ("LSTM", {"peephole": True}),
    ("LSTM", {"coupled_gates": True, "peephole": True}),
    ("LSTM", {"preactivation_clip": 0.4, "recurrent_activation": "hard_sigmoid", "activation": "softsign"}),
    ("GRU", {}),
    ("GRU", {"reset_after": False, "preactivation_clip": 0.4}),
    ("GRU", {"activation": unrolled.Activation("scaled_tanh", 0.5, 2.0)}),
    ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"nonlinearity": unrolled.Activation("elu", 0.3)}),
]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=str)
def test_onnx(kind, options, bidirectional):
    portable = take(layer_of(kind, bidirectional=bidirectional, **options))
    attributes, coupled = write_attributes(portable), options.get("coupled_gates", False)
    tensors = write_tensors(kind, portable.weights[0], coupled)
    read = read_attributes("here", kind, attributes)
    assert {**read, **({"peephole": True} if "P" in tensors else {})} == portable.options
    for found, expected in zip(read_tensors("here", kind, tensors, coupled), portable.weights[0], strict=True):
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def haste_lstm(x, p):
    h, c, out = np.zeros((x.shape[1], H)), np.zeros((x.shape[1], H)), []
    for x_t in x:
        i, g, f, o = np.split(h @ p["recurrent_kernel"] + x_t @ p["kernel"] + p["bias"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.stack(out)


def haste_gru(x, p):
    h, out = np.zeros((x.shape[1], H)), []
    for x_t in x:
        of_x = np.split(x_t @ p["kernel"] + p["bias"], 3, axis=1)
        of_h = np.split(h @ p["recurrent_kernel"] + p["recurrent_bias"], 3, axis=1)
        z, r = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
        h = z * h + (1 - z) * np.tanh(of_x[2] + r * of_h[2])
        out.append(h)
    return np.stack(out)


@pytest.mark.parametrize(("blocks", "equations"), [(4, haste_lstm), (3, haste_gru)])
def test_haste_by_its_equations(blocks, equations):
    draw = np.random.default_rng(0)
    shapes = {"kernel": (F, blocks * H), "recurrent_kernel": (H, blocks * H), "bias": (blocks * H,)}
    shapes |= {"recurrent_bias": (blocks * H,)} if blocks == 3 else {}
    p = {name: draw.normal(size=shape) for name, shape in shapes.items()}
    x = draw.normal(size=(7, 2, F))
    with torch.no_grad():
        output, _ = convert.from_haste(p)(torch.from_numpy(x))
    np.testing.assert_allclose(output, equations(x, p), rtol=1e-12, atol=1e-12)


def test_tensors_of_torch_are_read_too():
    (state,) = convert.to_haste(layer_of("GRU"))
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in state.items()}
    assert_same(convert.from_haste(tensors), layer_of("GRU"))


def test_parametrised_weights_are_read_as_they_act():
    class Twice(torch.nn.Module):
        def forward(self, weight):
            return 2 * weight

    layer, plain = layer_of("GRU"), layer_of("GRU")
    parametrize.register_parametrization(layer, "weight_hh_l0", Twice())
    found, expected = convert.to_haste(layer)[0], convert.to_haste(plain)[0]
    np.testing.assert_array_equal(found["recurrent_kernel"], 2 * expected["recurrent_kernel"])


def test_making_a_layer_draws_nothing():
    torch.manual_seed(1)
    expected = torch.rand(1)
    arrays = convert.to_keras(layer_of("LSTM"))
    torch.manual_seed(1)
    convert.from_keras(*arrays, kind="LSTM")
    assert torch.rand(1) == expected


def test_options_reach_the_layer():
    arrays = convert.to_keras(layer_of("LSTM"))
    layer = convert.from_keras(*arrays, kind="LSTM", zoneout=0.1, dtype=torch.float32, device="cpu")
    assert (layer.zoneout, layer.weight_ih_l0.dtype) == (0.1, torch.float32)
    learned = convert.from_keras(*arrays, kind="LSTM", initial_state="learned")
    torch.testing.assert_close(learned.weight_ih_l0, layer_of("LSTM").weight_ih_l0, rtol=0, atol=0)


def test_what_is_loaded_is_copied():
    layer = layer_of("GRU")
    other = layer_of("GRU")
    load(layer, take(other).weights)
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
    assert other.weight_ih_l0.abs().sum() > 0
