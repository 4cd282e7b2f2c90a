"""Stack under torch.compile and torch.export. test_cell_stack.py runs this file where nothing wraps functions."""

import pytest
import torch
from torch import nn

import unrolled.layers as ours

D = torch.float64
T, N = 5, 3


class Leaky(nn.Module):
    """A cell of one's own, which starts by itself."""

    def __init__(self, features, width):
        super().__init__()
        self.linear = nn.Linear(features, width, dtype=D)

    def forward(self, x, state):
        new = torch.tanh(self.linear(x))
        average = new if state is None else 0.7 * state[0] + 0.3 * new
        return 2 * average, (average,)


@pytest.fixture(autouse=True)
def _forgotten():
    """Compiled anew in each test, and nothing of it kept for another."""
    torch.compiler.reset()
    torch.manual_seed(0)
    yield
    torch.compiler.reset()


def stack_of(own):
    cells = [nn.LSTMCell(3, 4, dtype=D), (ours.GRUCell(4, 2, dtype=D), nn.RNNCell(4, 3, dtype=D))]
    return ours.Stack([*cells, Leaky(5, 3) if own else ours.SLSTMCell(5, 3, dtype=D)], kernel="reference")


def flat(tree):
    return [tree] if isinstance(tree, torch.Tensor) else [leaf for part in tree for leaf in flat(part)]


def assert_close(found, expected):
    for f, e in zip(flat(found), flat(expected), strict=True):
        torch.testing.assert_close(f, e, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("lengths", [None, [5, 0, 2]])
def test_compiled_as_one_graph(own, lengths):
    stack = stack_of(own)
    given = (torch.randn(T, N, 3, dtype=D), None, None if lengths is None else torch.tensor(lengths))
    compiled = torch.compile(stack, fullgraph=True, backend="aot_eager")
    expected, found = stack(*given), compiled(*given)
    assert_close(found, expected)
    leaves = list(stack.parameters())
    assert_close(torch.autograd.grad(found[0].sum(), leaves), torch.autograd.grad(expected[0].sum(), leaves))


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("lengths", [None, [5, 0, 2]])
def test_exported(own, lengths):
    stack = stack_of(own)
    given = (torch.randn(T, N, 3, dtype=D), None, None if lengths is None else torch.tensor(lengths))
    assert_close(torch.export.export(stack, given).module()(*given), stack(*given))
