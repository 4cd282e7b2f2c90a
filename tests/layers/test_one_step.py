"""LSTMCell, GRUCell, RNNCell against torch.nn's."""

import pytest
import torch

import unrolled.layers as ours

CELLS = [("LSTMCell", ()), ("GRUCell", ()), ("RNNCell", ()), ("RNNCell", ("relu",))]


@pytest.mark.parametrize("kernel", ["reference", "torch"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("with_hx", [True, False])
@pytest.mark.parametrize(("kind", "extra"), CELLS)
def test_equal_to_torch(pair, assert_same, kind, extra, with_hx, batched, bias, kernel):
    theirs, mine = pair(kind, 4, 17, bias, *extra, kernel=kernel)
    n = (3,) if batched else ()
    x = torch.randn(*n, 4, dtype=torch.float64, requires_grad=True)
    hx = [torch.randn(*n, 17, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    given = (tuple(hx) if kind == "LSTMCell" else hx[0]) if with_hx else None
    assert_same(theirs, theirs(x, given), mine, mine(x, given), (x, given))


def test_steps_one_by_one_are_the_layer():
    layer, cell = ours.LSTM(4, 5), ours.LSTMCell(4, 5)
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x = torch.randn(6, 3, 4)
    output, (h_n, c_n) = layer(x)
    state = None
    for t in range(6):
        state = cell(x[t], state)
        torch.testing.assert_close(state[0], output[t])
    torch.testing.assert_close(state, (h_n[0], c_n[0]))


def test_an_empty_batch():
    assert ours.GRUCell(4, 5)(torch.randn(0, 4)).shape == (0, 5)
