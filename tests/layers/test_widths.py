"""A width per layer, against torch.nn layers stacked by hand."""

import pytest
import torch
from torch import nn

import unrolled.layers as ours


def stacked(mine, x, hx):
    """Run one torch.nn layer per width with our parameters."""
    finals = []
    directions = 2 if mine.bidirectional else 1
    for k, width in enumerate(mine.hidden_size):
        layer = getattr(nn, mine.kind)(x.shape[-1], width, bidirectional=mine.bidirectional, dtype=x.dtype)
        names = dict(layer.named_parameters())
        source = {name: getattr(mine, name.replace("_l0", f"_l{k}")) for name in names}
        own = None if hx is None else tuple(s[k] for s in hx)
        first = own if mine.kind == "LSTM" or own is None else own[0]
        x, last = torch.func.functional_call(layer, source, (x, first))
        assert x.shape[-1] == width * directions
        finals.append(last if isinstance(last, tuple) else (last,))
    return x, tuple(zip(*finals, strict=True))


@pytest.mark.parametrize("kernel", ["reference", "torch"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("with_hx", [True, False])
def test_equal_to_layers_stacked_by_hand(assert_same, kind, bidirectional, with_hx, kernel):
    widths = [4, 7, 2]
    mine = getattr(ours, kind)(3, widths, bidirectional=bidirectional, dtype=torch.float64, kernel=kernel)
    x = torch.randn(6, 5, 3, dtype=torch.float64, requires_grad=True)
    d = 2 if bidirectional else 1
    hx = None
    if with_hx:
        hx = tuple(
            tuple(torch.randn(d, 5, w, dtype=torch.float64, requires_grad=True) for w in widths)
            for _ in range(2 if kind == "LSTM" else 1)
        )
    expected = stacked(mine, x, hx)
    output, last = mine(x, hx if kind == "LSTM" or hx is None else hx[0])
    last = last if kind == "LSTM" else (last,)
    assert [tuple(t.shape) for t in last[0]] == [(d, 5, w) for w in widths]
    assert_same(mine, expected, mine, (output, last), (x, hx))


def test_a_list_of_equal_widths_is_the_plain_layer_in_another_form():
    torch.manual_seed(4)
    plain = ours.LSTM(3, 5, 2)
    torch.manual_seed(4)
    listed = ours.LSTM(3, [5, 5])
    x = torch.randn(6, 2, 3)
    (a, (h, _)), (b, (hs, _)) = plain(x), listed(x)
    assert torch.equal(a, b)
    assert torch.equal(h, torch.cat(hs))
    assert listed.num_layers == 2


def test_draws_are_scaled_by_each_layers_own_width():
    layer = ours.GRU(3, [4, 400])
    assert layer.weight_hh_l0.abs().max() > 1 / 20
    assert layer.weight_hh_l1.abs().max() <= 1 / 20


def test_unbatched_and_projected():
    layer = ours.LSTM(3, (6, 8), proj_size=2)
    output, (h_n, c_n) = layer(torch.randn(7, 3))
    assert output.shape == (7, 2)
    assert [tuple(h.shape) for h in h_n] == [(1, 2), (1, 2)]
    assert [tuple(c.shape) for c in c_n] == [(1, 6), (1, 8)]
    assert torch.equal(layer(torch.randn(7, 3), (h_n, c_n))[0].isfinite().all(), torch.tensor(True))


def test_repr_names_the_widths():
    assert repr(ours.GRU(3, [4, 5])) == "GRU(3, [4, 5])"
