"""`lengths`: equal to packed torch.nn, to each sequence alone, and deaf to what the padding holds."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled.layers as ours

KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {"nonlinearity": "relu"})]
KERNELS = ["reference", "torch", pytest.param("native", marks=pytest.mark.needs_native)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("kind", "extra"), KINDS)
@pytest.mark.parametrize("lengths", [[3, 7, 1, 7, 5], [1, 1, 1, 1, 1], [2, 5, 4, 3, 1]])
def test_lengths_equal_packed_torch(pair, states, assert_same, kind, extra, batch_first, lengths, kernel):
    theirs, mine = pair(kind, 4, 6, 2, bidirectional=True, batch_first=batch_first, kernel=kernel, **extra)
    shape = (5, 7, 4) if batch_first else (7, 5, 4)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    hx = states(theirs, 5)
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    output, last = theirs(packed, hx)
    padded = pad_packed_sequence(output, batch_first, total_length=7)[0]
    assert_same(theirs, (padded, last), mine, mine(x, hx, lengths), (x, hx))


@pytest.mark.parametrize(("kind", "extra"), KINDS)
def test_each_sequence_alone_with_empty_and_full_ones(pair, states, kind, extra):
    _, mine = pair(kind, 4, 6, 2, bidirectional=True, **extra)
    lengths = [0, 7, 3, 0, 1, 7]
    x = torch.randn(7, 6, 4, dtype=torch.float64)
    hx = states(mine, 6)
    hx = hx if isinstance(hx, tuple) else (hx,)
    output, last = mine(x, hx if kind == "LSTM" else hx[0], lengths)
    last = last if isinstance(last, tuple) else (last,)
    for n, length in enumerate(lengths):
        own = tuple(s[:, n : n + 1] for s in hx)
        assert torch.equal(output[length:, n], torch.zeros_like(output[length:, n]))
        if length == 0:
            ends = own
        else:
            alone, ends = mine(x[:length, n : n + 1], own if kind == "LSTM" else own[0])
            ends = ends if isinstance(ends, tuple) else (ends,)
            torch.testing.assert_close(output[:length, n], alone[:, 0], rtol=1e-12, atol=1e-12)
        for a, b in zip(last, ends, strict=True):
            torch.testing.assert_close(a[:, n : n + 1], b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize(("kind", "extra"), KINDS)
def test_padding_reaches_no_result_and_no_gradient(pair, kind, extra, poison, kernel):
    _, mine = pair(kind, 4, 6, 2, bidirectional=True, kernel=kernel, **extra)
    lengths = [3, 7, 1]
    clean = torch.randn(7, 3, 4, dtype=torch.float64)
    results = []
    for fill in (0.0, poison):
        x = clean.clone()
        for n, length in enumerate(lengths):
            x[length:, n] = fill
        x.requires_grad_()
        output, _ = mine(x, lengths=lengths)
        results.append([output, *torch.autograd.grad(output.pow(2).sum(), [x, *mine.parameters()])])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, torch.tensor, lambda n: torch.tensor(n, dtype=torch.int32), lambda n: np.array(n, "u1")],
)  # fmt: skip
def test_lengths_in_any_form(form):
    layer = ours.LSTM(2, 3)
    x = torch.randn(5, 3, 2)
    expected, found = layer(x, lengths=[2, 5, 1])[0], layer(x, lengths=form([2, 5, 1]))[0]
    assert torch.equal(expected, found)


def test_numpy_ints_in_a_list():
    layer = ours.GRU(2, 3)
    x = torch.randn(5, 2, 2)
    assert torch.equal(layer(x, lengths=[np.int64(2), 5])[0], layer(x, lengths=[2, 5])[0])


def test_full_lengths_are_no_lengths():
    layer = ours.LSTM(2, 3, bidirectional=True)
    x = torch.randn(5, 3, 2)
    for a, b in zip(layer(x, lengths=[5, 5, 5]), layer(x), strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


def test_all_rows_empty_give_the_initial_state_and_its_gradient():
    layer = ours.GRU(2, 3)
    h_0 = torch.randn(1, 2, 3, requires_grad=True)
    output, h_n = layer(torch.randn(5, 2, 2), h_0, lengths=[0, 0])
    assert output.abs().sum() == 0
    assert torch.equal(h_n, h_0)
    (grad,) = torch.autograd.grad(h_n.sum(), h_0)
    assert torch.equal(grad, torch.ones_like(h_0))


def test_more_padding_changes_nothing():
    layer = ours.LSTM(2, 3, 2, bidirectional=True, dropout=0.5)
    x = torch.randn(9, 3, 2)
    results = []
    for steps in (5, 9):
        torch.manual_seed(1)
        output, (h_n, c_n) = layer(x[:steps], lengths=[4, 5, 2])
        results.append((output[:5], h_n, c_n))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
