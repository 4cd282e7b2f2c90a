"""Every argument of torch.nn, crossed, on every kernel: results and every gradient."""

import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import unrolled.layers as ours
from unrolled.kernels.native_library import absence

KERNELS = ["reference", "torch", pytest.param("native", marks=pytest.mark.needs_native)]
KERNELS_HERE = ["reference", "torch"] + ["native"] * (absence() == "")
CELLS = [
    ("LSTM", {}),
    ("LSTM", {"proj_size": 3}),
    ("GRU", {}),
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
]
FLAGS = list(itertools.product([True, False], repeat=3))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize(("kind", "extra"), CELLS)
def test_all_arguments_crossed(pair, states, assert_same, kind, extra, num_layers, kernel):
    for (bias, batch_first, bidirectional), with_hx in itertools.product(FLAGS, [True, False]):
        theirs, mine = pair(
            kind, 4, 5, num_layers, bias=bias, batch_first=batch_first,
            bidirectional=bidirectional, kernel=kernel, **extra,
        )  # fmt: skip
        x = torch.randn(*((3, 6, 4) if batch_first else (6, 3, 4)), dtype=torch.float64, requires_grad=True)
        hx = states(theirs, 3) if with_hx else None
        assert_same(theirs, theirs(x, hx), mine, mine(x, hx), (x, hx))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("kind", "extra"), CELLS)
@pytest.mark.parametrize("with_hx", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sequence_without_batch_axis(pair, states, assert_same, kind, extra, kernel, with_hx, batch_first):
    theirs, mine = pair(kind, 4, 5, 2, bidirectional=True, batch_first=batch_first, kernel=kernel, **extra)
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    hx = states(theirs, None) if with_hx else None
    assert_same(theirs, theirs(x, hx), mine, mine(x, hx), (x, hx))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("kind", "extra"), CELLS)
@pytest.mark.parametrize(("lengths", "enforce_sorted"), [([6, 4, 4, 1], True), ([2, 6, 1, 6], False)])
@pytest.mark.parametrize("with_hx", [True, False])
def test_packed_sequences(pair, states, assert_same, kind, extra, lengths, enforce_sorted, with_hx, kernel):
    theirs, mine = pair(kind, 4, 5, 2, bidirectional=True, kernel=kernel, **extra)
    x = torch.randn(6, 4, 4, dtype=torch.float64, requires_grad=True)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted)
    hx = states(theirs, 4) if with_hx else None
    expected, found = theirs(packed, hx), mine(packed, hx)
    for a, b in zip(expected[0][1:], found[0][1:], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert_same(theirs, expected, mine, found, (x, hx))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize(("kind", "extra"), CELLS)
def test_all_arguments_crossed_in_the_other_forms_of_input(pair, states, assert_same, kind, extra, num_layers, kernel):
    """One sequence without a batch axis, a packed batch, and the same batch padded with its lengths."""
    lengths = [2, 5, 1]
    for (bias, batch_first, bidirectional), with_hx in itertools.product(FLAGS, [True, False]):
        theirs, mine = pair(
            kind, 4, 5, num_layers, bias=bias, batch_first=batch_first,
            bidirectional=bidirectional, kernel=kernel, **extra,
        )  # fmt: skip
        single = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
        hx = states(theirs, None) if with_hx else None
        assert_same(theirs, theirs(single, hx), mine, mine(single, hx), (single, hx))

        x = torch.randn(*((3, 5, 4) if batch_first else (5, 3, 4)), dtype=torch.float64, requires_grad=True)
        packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        hx = states(theirs, 3) if with_hx else None
        expected = theirs(packed, hx)
        assert_same(theirs, expected, mine, mine(packed, hx), (x, hx))
        padded = pad_packed_sequence(expected[0], batch_first)[0], expected[1]
        assert_same(theirs, padded, mine, mine(x, hx, lengths=lengths), (x, hx))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_packed_batch_of_equal_lengths(pair, assert_same, kernel):
    theirs, mine = pair("LSTM", 4, 5, kernel=kernel)
    packed = pack_sequence([torch.randn(6, 4, dtype=torch.float64) for _ in range(3)])
    assert_same(theirs, theirs(packed), mine, mine(packed))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    ("time", "batch", "features", "hidden"),
    [(1, 1, 1, 1), (1, 3, 2, 17), (5, 1, 1, 50), (3, 2, 7, 63), (2, 17, 3, 65), (17, 2, 1, 1)],
)
def test_odd_sizes(pair, states, assert_same, kind, time, batch, features, hidden, kernel):
    theirs, mine = pair(kind, features, hidden, bidirectional=True, kernel=kernel)
    x = torch.randn(time, batch, features, dtype=torch.float64, requires_grad=True)
    hx = states(theirs, batch)
    assert_same(theirs, theirs(x, hx), mine, mine(x, hx), (x, hx))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_an_empty_batch(pair, kind, kernel):
    theirs, mine = pair(kind, 4, 5, 2, bidirectional=True, kernel=kernel)
    x = torch.randn(6, 0, 4, dtype=torch.float64)
    assert mine(x)[0].shape == theirs(x)[0].shape
    assert mine(x, lengths=[])[0].shape == theirs(x)[0].shape


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_float32_is_as_near_to_float64_as_torch(pair, kind, grad, kernel):
    exact, _ = pair(kind, 9, 33, 2, bidirectional=True)
    theirs, mine = pair(kind, 9, 33, 2, bidirectional=True, kernel=kernel, dtype=torch.float32)
    theirs.load_state_dict(exact.state_dict())
    mine.load_state_dict(exact.state_dict())
    exact.load_state_dict(theirs.state_dict())
    x = torch.randn(20, 8, 9)
    with torch.set_grad_enabled(grad):
        truth = exact(x.double())[0]
        error, bound = ((layer(x)[0] - truth).abs().max().item() for layer in (mine, theirs))
    assert error <= 4 * max(bound, 6e-8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_equals_torch_exactly(pair, dtype):
    theirs, mine = pair("LSTM", 4, 5, 2, bidirectional=True, dtype=dtype)
    x = torch.randn(6, 3, 4).to(dtype)
    assert torch.equal(mine(x)[0], theirs(x)[0])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_autocast_equals_torch_on_its_kernel(pair, kind):
    theirs, mine = pair(kind, 4, 5, 2, dtype=torch.float32)
    mine.kernel = "torch"
    x = torch.randn(6, 3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = theirs(x)[0], mine(x)[0]
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["LSTM", "GRU", "RNN"]),
    kernel=st.sampled_from(KERNELS_HERE),
    sizes=st.tuples(*(st.integers(1, 9) for _ in range(4))),
    num_layers=st.integers(1, 3),
    flags=st.tuples(*(st.booleans() for _ in range(4))),
    data=st.data(),
)
def test_random_sizes_and_lengths(pair, states, assert_same, kind, kernel, sizes, num_layers, flags, data):
    time, batch, features, hidden = sizes
    bias, batch_first, bidirectional, ragged = flags
    theirs, mine = pair(
        kind, features, hidden, num_layers, bias=bias, batch_first=batch_first,
        bidirectional=bidirectional, kernel=kernel,
    )  # fmt: skip
    shape = (batch, time, features) if batch_first else (time, batch, features)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    hx = states(theirs, batch)
    if not ragged:
        assert_same(theirs, theirs(x, hx), mine, mine(x, hx), (x, hx), tol=1e-11)
        return
    lengths = data.draw(st.lists(st.integers(1, time), min_size=batch, max_size=batch))
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    output, last = theirs(packed, hx)
    padded = nn.utils.rnn.pad_packed_sequence(output, batch_first, total_length=time)[0]
    assert_same(theirs, (padded, last), mine, mine(x, hx, lengths), (x, hx), tol=1e-11)


def test_rnn_takes_its_nonlinearity_where_torch_does():
    torch.manual_seed(3)
    theirs = nn.RNN(4, 5, 2, "relu", False, True)
    torch.manual_seed(3)
    mine = ours.RNN(4, 5, 2, "relu", False, True, kernel="torch")
    x = torch.randn(2, 6, 4)
    assert torch.equal(mine(x)[0], theirs(x)[0])
    assert mine.mode == theirs.mode


def test_device_follows_dropout_in_gru_and_proj_size_in_lstm():
    assert ours.GRU(3, 4, 1, True, False, 0.0, False, "meta").weight_ih_l0.is_meta
    assert ours.LSTM(3, 4, 1, True, False, 0.0, False, 2, "meta", torch.float64).weight_hr_l0.is_meta
    assert ours.RNN(3, 4, 1, "tanh", True, False, 0.0, False, "meta").weight_ih_l0.is_meta


def test_second_derivatives_equal_those_of_torch(pair):
    theirs, mine = pair("GRU", 3, 4, kernel="reference")
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    second = []
    for layer in (theirs, mine):
        (first,) = torch.autograd.grad(layer(x)[0].pow(2).sum(), x, create_graph=True)
        second.append(torch.autograd.grad(first.pow(2).sum(), [x, *layer.parameters()]))
    for e, f in zip(*second, strict=True):
        torch.testing.assert_close(f, e, rtol=1e-11, atol=1e-11)
