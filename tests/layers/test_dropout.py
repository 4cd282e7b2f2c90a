"""Dropout between layers: torch.nn's very numbers for the same seed."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


@pytest.mark.parametrize("kernel", ["reference", "torch"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_same_seed_same_numbers(pair, assert_same, kind, bidirectional, batch_first, p, kernel):
    theirs, mine = pair(kind, 4, 5, 3, dropout=p, bidirectional=bidirectional, batch_first=batch_first, kernel=kernel)
    x = torch.randn(6, 6, 4, dtype=torch.float64, requires_grad=True)
    results = []
    for layer in (theirs, mine):
        torch.manual_seed(7)
        results.append(layer(x))
    assert_same(theirs, results[0], mine, results[1], x)


@pytest.mark.parametrize("kernel", ["reference", "torch"])
@pytest.mark.parametrize("as_lengths", [True, False])
def test_same_seed_same_numbers_when_ragged(pair, assert_same, as_lengths, kernel):
    theirs, mine = pair("LSTM", 4, 5, 2, dropout=0.4, bidirectional=True, kernel=kernel)
    x = torch.randn(6, 4, 4, dtype=torch.float64, requires_grad=True)
    lengths = [2, 6, 3, 3]
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    torch.manual_seed(7)
    output, last = theirs(packed)
    torch.manual_seed(7)
    if as_lengths:
        expected = (pad_packed_sequence(output)[0], last)
        assert_same(theirs, expected, mine, mine(x, lengths=lengths), x)
    else:
        assert_same(theirs, (output, last), mine, mine(packed), x)


def test_eval_has_none(pair):
    theirs, mine = pair("GRU", 4, 5, 2, dropout=0.9)
    theirs.eval(), mine.eval()
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(mine(x)[0], theirs(x)[0], rtol=1e-12, atol=1e-12)


def test_changed_after_construction_it_counts(pair):
    theirs, mine = pair("GRU", 4, 5, 2)
    theirs.dropout = mine.dropout = 0.5
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    results = []
    for layer in (theirs, mine):
        torch.manual_seed(7)
        results.append(layer(x)[0])
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)
