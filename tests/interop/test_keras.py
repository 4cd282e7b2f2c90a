"""Keras 3's own layers against ours on their weights.

Keras multiplies float64 in float32 unless its backend is TensorFlow (KERAS_BACKEND): there
alone the comparison is as fine as it can be.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interop.peers import peer
from unrolled import convert, layers
from unrolled.errors import ConfigError
from unrolled.kernels.kernel import Noise
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.reference import ReferenceKernel

keras = peer("keras")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

KINDS = {
    "LSTM": lambda **o: keras.layers.LSTM(5, **o),
    "GRU after": lambda **o: keras.layers.GRU(5, reset_after=True, **o),
    "GRU before": lambda **o: keras.layers.GRU(5, reset_after=False, **o),
    "RNN": lambda **o: keras.layers.SimpleRNN(5, **o),
}
LENGTHS = [4, 1, 7]
DTYPE, TOLERANCE = ("float64", 1e-10) if keras.backend.backend() == "tensorflow" else ("float32", 2e-6)
T, F = 7, 3


def theirs(kind, bidirectional=False, dtype=DTYPE, **options):
    """A built Keras layer whose weights are all drawn, biases too."""
    layer = KINDS[kind](return_sequences=True, return_state=True, dtype=dtype, **options)
    layer = keras.layers.Bidirectional(layer, dtype=dtype) if bidirectional else layer
    layer.build((None, T, F))
    draw = np.random.default_rng(3)
    layer.set_weights([draw.normal(size=w.shape, scale=0.7) for w in layer.get_weights()])
    return layer


def run_theirs(layer, x, lengths):
    mask = None if lengths is None else np.arange(T)[None] < np.array(lengths)[:, None]
    output, *states = layer(keras.ops.convert_to_tensor(x), mask=mask)
    return [keras.ops.convert_to_numpy(v) for v in (output, *states)]


def compare(ours, layer, lengths, tolerance=TOLERANCE):
    x = np.random.default_rng(4).normal(size=(3, T, F)).astype(layer.dtype)
    output, *states = run_theirs(layer, x, lengths)
    with torch.no_grad():
        mine, final = ours(torch.from_numpy(x), lengths=lengths)
    final = torch.stack(final) if isinstance(final, tuple) else final[None]
    for n, steps in enumerate(lengths or [T] * 3):
        np.testing.assert_allclose(mine[n, :steps], output[n, :steps], rtol=tolerance, atol=tolerance)
    directions = 2 if ours.bidirectional else 1
    by_direction = final.transpose(0, 1).flatten(0, 1)  # h, c, and then the reverse direction's
    assert len(states) == directions * (2 if ours.kind == "LSTM" else 1)
    for found, expected in zip(by_direction, states, strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "masked"])
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both ways"])
@pytest.mark.parametrize("kind", KINDS)
def test_from_a_keras_layer(kind, bidirectional, use_bias, lengths):
    layer = theirs(kind, bidirectional, use_bias=use_bias)
    ours = convert.from_keras(layer)
    assert (ours.bias, ours.bidirectional, ours.batch_first) == (use_bias, bidirectional, True)
    assert next(ours.parameters()).dtype == getattr(torch, DTYPE)
    compare(ours, layer, lengths)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both ways"])
@pytest.mark.parametrize("kind", KINDS)
def test_from_their_arrays_alone(kind, bidirectional):
    layer = theirs(kind, bidirectional)
    ours = convert.from_keras(layer.get_weights(), kind=kind.split()[0])
    compare(ours, layer, LENGTHS)


@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both ways"])
@pytest.mark.parametrize("kind", KINDS)
def test_to_keras(kind, bidirectional, use_bias):
    layer = theirs(kind, bidirectional, use_bias=use_bias)
    ours = convert.from_keras(layer)
    torch.manual_seed(0)
    ours.reset_parameters()
    (weights,) = convert.to_keras(ours)
    layer.set_weights(weights)
    compare(ours, layer, LENGTHS)


def test_a_stack():
    first = theirs("LSTM", bidirectional=True)
    second = keras.layers.Bidirectional(KINDS["LSTM"](return_sequences=True, dtype=DTYPE), dtype=DTYPE)
    second.build((None, T, 10))
    ours = convert.from_keras(first, second)
    x = np.random.default_rng(4).normal(size=(2, T, F)).astype(DTYPE)
    expected = keras.ops.convert_to_numpy(second(first(keras.ops.convert_to_tensor(x))[0]))
    with torch.no_grad():
        np.testing.assert_allclose(ours(torch.from_numpy(x))[0], expected, rtol=TOLERANCE, atol=TOLERANCE)
    for weights, layer in zip(convert.to_keras(ours), (first, second), strict=True):
        for found, expected in zip(weights, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


NAMES = ("linear", "hard_sigmoid", "leaky_relu", "relu6", "gelu", "selu", "silu", "mish", "exponential", "sigmoid")


@pytest.mark.parametrize("name", [*NAMES, "relu", "elu", "softsign", "softplus", "tanh"])
@pytest.mark.parametrize("kind", KINDS)
def test_activations(kind, name):
    layer = theirs(kind, activation=name)
    # In a few steps an exponential of an exponential leaves the numbers that a float64 can hold.
    layer.set_weights([0.2 * weight for weight in layer.get_weights()])
    # TensorFlow keeps the constants of these two in float32.
    tolerance = 1e-6 if name in ("leaky_relu", "gelu") else TOLERANCE
    compare(convert.from_keras(layer), layer, LENGTHS, max(tolerance, TOLERANCE))


@pytest.mark.parametrize("name", ["hard_sigmoid", "tanh", "softsign"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU after", "GRU before"])
def test_recurrent_activations(kind, name):
    layer = theirs(kind, recurrent_activation=name)
    compare(convert.from_keras(layer), layer, LENGTHS)


def test_recurrent_dropout_goes_along():
    assert convert.from_keras(theirs("LSTM", recurrent_dropout=0.25)).recurrent_dropout == 0.25


CELLS = {
    "LSTM": lambda **o: keras.layers.LSTMCell(5, **o),
    "GRU after": lambda **o: keras.layers.GRUCell(5, reset_after=True, implementation=1, **o),
    "GRU before": lambda **o: keras.layers.GRUCell(5, reset_after=False, implementation=1, **o),
    "RNN": lambda **o: keras.layers.SimpleRNNCell(5, **o),
}


def run_masked(cell, x_TNF):
    """Keras' cell over time in training: its outputs, and the mask that it drew for all steps.

    Of the GRU's two implementations the first carries h itself on, as Gal & Ghahramani (2016) do, and the second the
    masked h; the first draws a mask for each gate, of which one serves for all here.
    """
    h = keras.ops.zeros((x_TNF.shape[1], 5), dtype=DTYPE)
    drawn = cell.get_recurrent_dropout_mask(h)
    mask = drawn[0] if isinstance(drawn, list) else drawn
    cell._recurrent_dropout_mask = [mask] * len(drawn) if isinstance(drawn, list) else mask
    states, outputs = [h] * (2 if "LSTM" in type(cell).__name__ else 1), []
    for x_NF in x_TNF:
        output, states = cell(keras.ops.convert_to_tensor(x_NF), states, training=True)
        outputs.append(keras.ops.convert_to_numpy(output))
    return np.stack(outputs), keras.ops.convert_to_numpy(mask)


RUNS = [(kind, ReferenceKernel()) for kind in CELLS]
RUNS += [
    pytest.param(kind, NativeKernel(), marks=pytest.mark.needs_native)
    for kind in CELLS
    if kind != "GRU before"  # which has no native code
]


@pytest.mark.parametrize(("kind", "kernel"), RUNS)
def test_recurrent_dropout_masks_what_theirs_does(kind, kernel):
    cell = CELLS[kind](recurrent_dropout=0.5, seed=1, dtype=DTYPE)
    cell.build((None, F))
    draw = np.random.default_rng(3)
    cell.set_weights([draw.normal(size=w.shape, scale=0.7) for w in cell.get_weights()])
    x_TNF = draw.normal(size=(T, 3, F)).astype(DTYPE)
    expected, mask = run_masked(cell, x_TNF)
    assert set(np.unique(mask)) == {0, 2}
    options = {"reset_after": kind == "GRU after"} if "GRU" in kind else {}
    ours = convert.from_keras(cell.get_weights(), kind=kind.split()[0], **options)
    state = tuple(torch.zeros(3, 5, dtype=ours.weight_ih_l0.dtype) for _ in ours.equations.states)
    with torch.no_grad():
        run = kernel.run(
            ours.spec().cells[0],
            torch.from_numpy(x_TNF),
            state,
            ours.weights()[0][0],
            noise=Noise(torch.from_numpy(mask.copy())),
        )
    np.testing.assert_allclose(run.output, expected, rtol=TOLERANCE, atol=TOLERANCE)


def gap(one, other):
    """The largest distance between two samples' distribution functions (Kolmogorov and Smirnov's)."""
    points = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (one, other)]
    return np.abs(shares[0] - shares[1]).max()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_weights_are_drawn_as_theirs_are(kind):
    """At 40,000 draws a side a gap of 0.014 has a chance below 1 in 1,000 where the distributions are one."""
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    name = "SimpleRNN" if kind == "RNN" else kind
    layer = getattr(keras.layers, name)(100)
    layer.build((None, None, 100))
    kernel, recurrent, bias = layer.get_weights()
    ours = getattr(layers, kind)(100, 100, init="keras")
    mine, back = ours.weight_ih_l0.detach().numpy(), ours.weight_hh_l0.detach().numpy()
    some = np.random.default_rng(0)
    sample = [some.choice(weights.ravel(), 40_000) for weights in (kernel, mine)] if kind != "RNN" else [kernel, mine]
    assert gap(*(values.ravel() for values in sample)) < (0.014 if kind != "RNN" else 0.028)
    assert np.abs(mine).max() <= np.abs(kernel).max() * 1.01
    for weights in (recurrent, back.T):  # orthonormal rows, H of them
        np.testing.assert_allclose(weights @ weights.T, np.eye(100), atol=1e-5)
    theirs_bias = bias.sum(axis=0) if bias.ndim == 2 else bias
    our_bias = (ours.bias_ih_l0 + ours.bias_hh_l0).detach().numpy()
    np.testing.assert_array_equal(our_bias, theirs_bias)  # i, f, then two blocks of 0; z, r, h or h: all 0


def test_a_dropout_of_the_input_is_spoken_of():
    layer = theirs("LSTM", dropout=0.25)
    with pytest.warns(UserWarning, match=r"dropout=0\.25"):
        convert.from_keras(layer)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"go_backwards": True}, "flip its input"),
        ({"stateful": True}, "pass hx="),
        ({"activation": lambda x: x}, "activation="),
    ],
)
def test_what_ours_does_not_do_is_refused(change, text):
    layer = keras.layers.LSTM(5, **change)
    layer.build((2, T, F))
    with pytest.raises(ConfigError, match=text):
        convert.from_keras(layer)


def test_directions_that_do_not_go_side_by_side_are_refused():
    layer = keras.layers.Bidirectional(keras.layers.LSTM(5), merge_mode="sum")
    layer.build((2, T, F))
    with pytest.raises(ConfigError, match="merge_mode='concat'"):
        convert.from_keras(layer)
    mixed = keras.layers.Bidirectional(
        keras.layers.GRU(5), backward_layer=keras.layers.GRU(5, go_backwards=True, reset_after=False)
    )
    mixed.build((2, T, F))
    with pytest.raises(ConfigError, match="both ways alike"):
        convert.from_keras(mixed)
