"""What `Stack` says of wrong cells and wrong calls."""

import re

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from own_cells import D, Leaky
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.layers.stack_checks import check_stack


def checked(cells, **flags):
    """Check what the annotations already exclude."""
    check_stack(cells, {"share": False} | flags, 0.0, {})


CELL = nn.GRUCell(4, 4)
WRONG = [
    (lambda: ours.Stack([CELL, CELL]), ConfigError,
     "cells[0] (GRUCell) and cells[1] (GRUCell) are one and the same object, so they would share their weights. Make a "
     "cell for each, or pass share=True if that is meant."),
    (lambda: ours.Stack([nn.LSTMCell(3, 4), nn.GRUCell(5, 6)]), ConfigError,
     "cells[0] (LSTMCell) puts out 4 but cells[1] (GRUCell) reads 5 features."),
    (lambda: ours.Stack([(nn.LSTMCell(3, 4), nn.GRUCell(3, 2)), nn.GRUCell(4, 6)]), ConfigError,
     "cells[0][0] (LSTMCell) puts out 4 and cells[0][1] (GRUCell) puts out 2, side by side 6, but cells[1] (GRUCell) "
     "reads 4 features."),
    (lambda: ours.Stack([(nn.LSTMCell(3, 4), nn.GRUCell(2, 2))]), ConfigError,
     "cells[0][0] (LSTMCell) reads 3 features and cells[0][1] (GRUCell) 2."),
    (lambda: ours.Stack([c := nn.GRUCell(3, 4), c], share=True), ConfigError,
     "cells[0] (GRUCell) puts out 4 but cells[1] (GRUCell) reads 3 features. A shared cell must read as many features "
     "as it puts out."),
    (lambda: ours.Stack([Leaky(3, 4), Leaky(5, 4)]), ConfigError, "cells[0] (Leaky) puts out 4 but cells[1] (Leaky)"),
    (lambda: ours.Stack([nn.LSTM(3, 4)]), DtypeError,
     "cells[0] (LSTM) is a whole layer, and a Stack is made of cells, which run one step. Pass LSTMCell(...)."),
    (lambda: ours.Stack([ours.SLSTM(3, 4)]), DtypeError, "Pass SLSTMCell(...)."),
    (lambda: ours.Stack([ours.Stack([nn.GRUCell(3, 4)])]), DtypeError, "cells[0] (Stack) is a whole layer"),
    (lambda: checked([nn.LSTMCell]), DtypeError,
     "cells[0] must be a module that runs one step; got the class LSTMCell. Pass LSTMCell(...)."),
    (lambda: checked(nn.LSTMCell(3, 4)), DtypeError, "Stack expected a list of cells, one a layer; got LSTMCell."),
    (lambda: ours.Stack([]), ConfigError, "Stack expected at least one cell; got an empty list."),
    (lambda: checked([(nn.GRUCell(3, 4),)]), ConfigError,
     "cells[0] must be a cell or a pair (forward, backward); got a tuple of 1."),
    (lambda: ours.Stack([nn.GRUCell(3, 4), Leaky(4, 4)], recurrent_dropout=0.1), ConfigError,
     "recurrent_dropout acts where h meets recurrent weights, inside cells[1] (Leaky). Put it there."),
    (lambda: ours.Stack([nn.GRUCell(3, 4), Leaky(4, 4)], zoneout=0.1), ConfigError,
     "zoneout is defined for h and c; what cells[1] (Leaky) carries is its own. Put it there."),
    (lambda: ours.Stack([nn.GRUCell(3, 4), ours.SLSTMCell(4, 4)], zoneout=0.1), ConfigError,
     "zoneout is defined for h and c; cells[1] (SLSTMCell) has other states too."),
    (lambda: ours.Stack([Leaky(3, 4)], kernel="native"), ConfigError,
     "kernel='native' can't run cells[0] (Leaky): it has equations of its own. Leave kernel out."),
    (lambda: ours.Stack([nn.GRUCell(3, 4)], kernel="nativ"), ConfigError, "Did you mean 'native'?"),
    (lambda: ours.Stack([nn.GRUCell(3, 4)], dropout=2), ConfigError, "dropout must be a number from 0 to 1"),
    (lambda: checked([nn.GRUCell(3, 4)], share=1), DtypeError, "share must be True or False; got 1 (int)."),
    (lambda: ours.Stack([nn.GRUCell(3, 4), nn.GRUCell(4, 5)], residual=True), ConfigError,
     "with widths [4, 5] no layer after the first has such. Leave residual out."),
    (lambda: ours.Stack([nn.GRUCell(3, 4), nn.GRUCell(4, 4, dtype=D)]), ConfigError,
     "The cells' parameters must be of one dtype on one device; cells[0] (GRUCell): torch.float32 on cpu; cells[1] "
     "(GRUCell): torch.float64 on cpu."),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "says"), WRONG)
def test_a_wrong_stack_says_what_to_do(make, error, says):
    with pytest.raises(error, match=re.escape(says)) as caught:
        make()
    assert len(caught.value.problems) == 1


def test_all_problems_of_a_stack_at_once():
    with pytest.raises(ConfigError) as caught:
        ours.Stack([nn.LSTMCell(3, 4), nn.GRUCell(5, 5), nn.GRUCell(6, 5)], dropout=-1, kernel="fast")
    assert len(caught.value.problems) == 4
    assert str(caught.value).startswith("Stack(...): 4 problems\n  - ")


def zeros(*shape):
    return torch.zeros(shape)


MIXED = ours.Stack([nn.LSTMCell(3, 4), (nn.GRUCell(4, 2), nn.GRUCell(4, 2))])
X = torch.zeros(6, 5, 3)
CALLS = [
    (lambda: MIXED(zeros(6, 5, 4)), ShapeError,
     "Stack expected input (T=time, N=batch, F=3) because batch_first=False"),
    (lambda: MIXED(zeros(6, 5, 3).double()), DtypeError,
     "Stack's parameters are torch.float32; input is torch.float64"),
    (lambda: MIXED(X, zeros(1, 5, 4)), DtypeError,
     "Stack expected hx to be a list of 2 states, one a layer; got a tensor (1, 5, 4)."),
    (lambda: MIXED(X, [zeros(5, 4), None]), DtypeError,
     "Stack expected hx[0], the state of cells[0] (LSTMCell), to be a tuple (h, c); got a tensor (5, 4)."),
    (lambda: MIXED(X, [(zeros(1, 5, 4), zeros(5, 4)), None]), ShapeError,
     "to be of tensors (5, 4), that is (N=batch, width); h of hx[0] is (1, 5, 4). Is it an h_n? Pass h of hx[0][0]."),
    (lambda: MIXED(X, [None, zeros(5, 2)]), DtypeError, "hx[1] to be a pair of states, one a direction; got Tensor"),
    (lambda: MIXED(X, [None, (zeros(5, 2), zeros(5, 3))]), ShapeError,
     "hx[1][1], the state of cells[1][1] (GRUCell), to be (5, 2), that is (N=batch, width); hx[1][1] is (5, 3)."),
    (lambda: MIXED(zeros(6, 3), [None, (zeros(2), zeros(1, 2))]), ShapeError,
     "(2,), that is (width); hx[1][1] is (1, 2)"),
    (lambda: MIXED(X, lengths=[7] * 5), ShapeError, "Stack expected lengths from 0 to T=6"),
    (lambda: ours.Stack([Leaky(3, 4)])(X.double(), [zeros(4, 4)]), ShapeError,
     "every tensor of hx[0], the state of cells[0] (Leaky), to begin with the batch axis, N=5; got (4, 4)."),
    (lambda: ours.Stack([Leaky(3, 4)])(X.double(), [[1.0]]), DtypeError, "tensors in nested tuples; in it is float."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), CALLS)
def test_a_wrong_call_says_what_to_do(call, error, says):
    with pytest.raises(error, match=re.escape(says)) as caught:
        call()
    assert len(caught.value.problems) == 1


def test_all_problems_of_one_call_at_once():
    with pytest.raises(ShapeError) as caught:
        MIXED(zeros(6, 5, 2), [(zeros(5, 3), zeros(5, 4).double()), None], [9] * 5)
    assert len(caught.value.problems) == 4


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x, state):
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda x: x, DtypeError, "must return (h_t, state); got Tensor (5, 3) of torch.float32."),
        (lambda x: (x[0], x), ShapeError, "must return (h_t, state) with h_t (N=5, width); got (3,)."),
        (
            lambda x: ((x, x), x),
            DtypeError,
            "must return (h_t, state) with h_t one tensor (N=5, width); got a tuple of 2.",
        ),
        (
            lambda x: (x, (x, 3)),
            DtypeError,
            "must return (h_t, state) with state a tensor or nested tuples of tensors; in it is int.",
        ),
    ],
)
def test_what_a_module_of_ones_own_must_return(make, error, says):
    with pytest.raises(error, match=re.escape(f"cells[0] (Returns) {says}")):
        ours.Stack([Returns(make)])(X)


def test_a_width_that_shows_only_when_run():
    stack = ours.Stack([Returns(lambda x: (x, ())), nn.GRUCell(4, 2)])
    says = "cells[1] (GRUCell) reads 4 features; the layer before gave 3."
    with pytest.raises(ShapeError, match=re.escape(says)):
        stack(X)


def test_dropout_with_nothing_between():
    with pytest.warns(UserWarning, match="acts between layers, and there is only one"):
        ours.Stack([nn.GRUCell(3, 4)], dropout=0.5)
