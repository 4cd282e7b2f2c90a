"""What each wrong call says: what was given, what was expected, which mistake it probably is."""

import re

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import unrolled.layers as ours
from unrolled import init
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.layers.arguments import check_layer_arguments

LSTM = ours.LSTM(7, 50, 2, batch_first=True, bidirectional=True)
GRU = ours.GRU(1, 3)


def zeros(*shape):
    return torch.zeros(shape)


CALLS = [
    # time and batch swapped, seen by the lengths or by the states
    (lambda: LSTM(zeros(96, 32, 7), lengths=[5] * 32), ShapeError,
     "LSTM expected input (N=batch, T=time, F=7) because batch_first=True; got (96, 32, 7), while lengths is "
     "for a batch of 32. Is the time axis first? Pass batch_first=False, or x.transpose(0, 1)."),
    (lambda: GRU(zeros(4, 9, 1), zeros(1, 4, 3)), ShapeError,
     "GRU expected input (T=time, N=batch, F=1) because batch_first=False; got (4, 9, 1), while hx is for a "
     "batch of 4. Is the batch axis first? Pass batch_first=True, or x.transpose(0, 1)."),
    # the feature axis
    (lambda: LSTM(zeros(32, 7, 96)), ShapeError, "got (32, 7, 96). Is axis 1 the features? Pass x.movedim(1, -1)."),
    (lambda: LSTM(zeros(32, 96, 5)), ShapeError, "The layer was made with input_size=7; the last axis has 5."),
    (lambda: GRU(zeros(8, 5)), ShapeError,
     "2-D input is taken as one unbatched sequence (T=time, F=1). Is it a batch of series of single values? "
     "Pass x.unsqueeze(-1)."),
    (lambda: LSTM(zeros(7, 96)), ShapeError, "Is the feature axis first? Pass x.T."),
    (lambda: GRU(zeros(8)), ShapeError, "Is it one series of single values? Pass x.unsqueeze(-1)"),
    (lambda: LSTM(zeros(7)), ShapeError, "Is it a single time step? Pass x.unsqueeze(0)"),
    (lambda: LSTM(zeros(1, 2, 3, 7)), ShapeError, "got (1, 2, 3, 7), which has 4 axes."),
    (lambda: LSTM(zeros(3, 0, 7)), ShapeError, "with at least one time step; got (3, 0, 7)."),
    (lambda: LSTM(pack_sequence([zeros(3, 5)])), ShapeError, "a PackedSequence of F=7 features; its data is (3, 5)."),
    (lambda: ours.LSTM(6, 3)(pack_sequence([zeros(3), zeros(3)])), ShapeError,
     "a PackedSequence of F=6 features; its data is (6,). Pack sequences of (T=time, F) each."),
    (lambda: LSTM(pack_sequence([zeros(3, 2, 7)])), ShapeError, "its data is (3, 2, 7). Pack sequences of"),
    # types, dtypes and devices
    (lambda: LSTM([[1.0]]), DtypeError,
     "expected a list of tensors (T=time, F=7), one a sequence; x[0] is a list of 1. Pass torch.as_tensor(x)."),
    (lambda: LSTM(zeros(3, 4, 7).double()), DtypeError,
     "LSTM's parameters are torch.float32; input is torch.float64. Convert it, .to(torch.float32)"),
    (lambda: LSTM(zeros(3, 4, 7).to("meta")), DtypeError, "LSTM's parameters are on cpu; input is on meta."),
    # states
    (lambda: LSTM(zeros(8, 9, 7), (zeros(8, 4, 50), zeros(4, 8, 50))), ShapeError,
     "LSTM expected h_0 (4, 8, 50), that is (L·D=layers·directions: 4, N=batch: 8, width: 50); got (8, 4, 50). "
     "Is it batch-first? States never are, whatever batch_first says. Pass h_0.transpose(0, 1).contiguous()."),
    (lambda: LSTM(zeros(8, 9, 7), (zeros(2, 8, 50), zeros(4, 8, 50))), ShapeError,
     "bidirectional=True wants a state for each direction of each layer."),
    (lambda: GRU(zeros(9, 8, 1), zeros(3, 8, 3)), ShapeError, "The layer has 1 layer(s) and 1 direction(s)."),
    (lambda: GRU(zeros(9, 1), zeros(1, 1, 3)), ShapeError,
     "2-D input is taken as one unbatched sequence, whose states have no batch axis."),
    (lambda: GRU(zeros(9, 1, 1), zeros(1, 3)), ShapeError, "Batched input wants states with a batch axis."),
    (lambda: ours.LSTM(1, 4, proj_size=2)(zeros(5, 3, 1), (zeros(1, 3, 4),) * 2), ShapeError,
     "With proj_size, h_0 has proj_size features and c_0 hidden_size."),
    (lambda: LSTM(zeros(8, 9, 7), zeros(4, 8, 50)), DtypeError,
     "expected hx=(h_0, c_0), a tuple of 2; got one tensor (4, 8, 50)."),
    (lambda: LSTM(zeros(8, 9, 7), (None, zeros(4, 8, 50))), DtypeError, "h_0 must be a tensor; got NoneType."),
    (lambda: GRU(zeros(9, 8, 1), (zeros(1, 8, 3),)), DtypeError, "expected hx=h_0, one tensor; got a tuple of 1."),
    (lambda: GRU(zeros(9, 8, 1), zeros(1, 8, 3).double()), DtypeError, "h_0 is torch.float64."),
    (lambda: ours.GRU(1, [3, 4])(zeros(9, 8, 1), zeros(2, 8, 3)), DtypeError,
     "h_0 must be a tuple of 2 tensors, one a layer; got a Tensor."),
    (lambda: ours.GRU(1, [3, 4])(zeros(9, 8, 1), (zeros(1, 8, 3),) * 2), ShapeError,
     "expected h_0[1] (1, 8, 4), that is (D=directions: 1, N=batch: 8, width: 4); got (1, 8, 3)."),
    # lengths
    (lambda: LSTM(zeros(8, 9, 7), lengths=[9] * 7), ShapeError,
     "expected 8 lengths, one a sequence of the batch; got 7."),
    (lambda: LSTM(zeros(4, 9, 7), lengths=[10, -1, 9, 0]), ShapeError,
     "expected lengths from 0 to T=9, the input's time steps; got lengths[0]=10, lengths[1]=-1."),
    (lambda: LSTM(zeros(8, 9, 7), lengths=[99] * 8), ShapeError, "lengths[2]=99 and 5 more."),
    (lambda: LSTM(zeros(2, 9, 7), lengths=torch.ones(2)), DtypeError,
     "expected lengths as 2 whole numbers, one a sequence; got Tensor (2,) of torch.float32."),
    (lambda: LSTM(zeros(2, 9, 7), lengths=[True, False]), DtypeError, "got [True, False]."),
    (lambda: LSTM(zeros(2, 9, 7), lengths=torch.ones(2, 1).long()), DtypeError, "got Tensor (2, 1) of torch.int64."),
    (lambda: LSTM(zeros(2, 9, 7), lengths=5), ShapeError, "expected 2 lengths, one a sequence of the batch; got 1."),
    (lambda: LSTM(zeros(9, 7), lengths=[9]), ShapeError, "lengths is for a batch"),
    (lambda: LSTM(pack_sequence([zeros(3, 7)]), lengths=[3]), ShapeError,
     "a PackedSequence already has its lengths."),
    # one step
    (lambda: ours.LSTMCell(1, 3)(zeros(8, 2, 1)), ShapeError,
     "Is it a whole sequence? Pass one step of it, or use LSTM."),
    (lambda: ours.GRUCell(1, 3)(zeros(8, 2)), ShapeError, "expected one step (N=batch, F=1) or (F=1); got (8, 2)."),
    (lambda: ours.GRUCell(1, 3)([1.0]), DtypeError, "GRUCell expected a tensor; got a list of 1."),
    (lambda: ours.LSTMCell(1, 3)(zeros(8, 1), zeros(8, 3)), DtypeError,
     "expected hx to be a tuple (h_0, c_0); got Tensor."),
    (lambda: ours.GRUCell(1, 3)(zeros(8, 1), (zeros(8, 3),)), DtypeError, "expected h_0 to be a tensor; got tuple."),
    (lambda: ours.RNNCell(1, 3)(zeros(1), zeros(1, 3)), ShapeError,
     "expected h_0 (3,), that is (H=hidden_size); got (1, 3)."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), CALLS)
def test_a_wrong_call_says_what_to_do(call, error, says):
    with pytest.raises(error, match=re.escape(says)) as caught:
        call()
    assert len(caught.value.problems) == 1


def test_all_problems_of_one_call_at_once():
    with pytest.raises(ShapeError) as caught:
        LSTM(zeros(8, 9, 5).double(), (zeros(8, 4, 50), zeros(2, 8, 50)), [9, 9, 3.5])
    problems = caught.value.problems
    assert len(problems) == 5
    assert str(caught.value).startswith("LSTM cannot run this call: 5 problems\n  - ")
    for text in ("F=7", "torch.float64", "batch-first", "each direction", "whole numbers"):
        assert sum(text in problem for problem in problems) == 1


def test_swapped_axes_do_not_hide_other_problems():
    with pytest.raises(ShapeError) as caught:
        LSTM(zeros(9, 8, 7), (zeros(4, 8, 50), zeros(4, 8, 49)), [10] * 8)
    assert len(caught.value.problems) == 3


def test_a_trace_is_checked_as_a_call():
    with pytest.raises(ShapeError, match="Is the time axis first"):
        LSTM.trace(zeros(96, 32, 7), lengths=[5] * 32)


GOOD = {
    "input_size": 3,
    "hidden_size": 4,
    "num_layers": None,
    "dropout": 0,
    "forget_bias": None,
    "states": 2,
}
CELL = {"bias": True, "proj_size": 0, "peephole": False, "cell_clip": None, "activation": "tanh"}
HEADS = {"num_heads": 1, "forget_gate": "sigmoid"}


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"input_size": 0}, ConfigError, "input_size must be greater than zero; got 0."),
        ({"input_size": 2.5}, DtypeError, "input_size must be an int; got 2.5 (float)."),
        ({"hidden_size": True}, DtypeError, "hidden_size must be an int"),
        ({"hidden_size": []}, ConfigError, "hidden_size is an empty list"),
        ({"hidden_size": [3, -1]}, ConfigError, "hidden_size[1] must be greater than zero; got -1."),
        ({"hidden_size": [3, 4], "num_layers": 3}, ConfigError, "makes 2 layers, but num_layers=3."),
        ({"num_layers": 0}, ConfigError, "num_layers must be greater than zero; got 0."),
        ({"dropout": 1.5}, ConfigError, "dropout must be a number from 0 to 1"),
        ({"dropout": True}, ConfigError, "dropout must be a number from 0 to 1"),
        ({"flags": {"bidirectional": 1}}, DtypeError, "bidirectional must be True or False; got 1 (int)."),
        ({"forget_bias": "1"}, ConfigError, "forget_bias must be a number; got '1'."),
    ],
)
def test_a_wrong_argument(change, error, says):
    arguments = GOOD | {"flags": {"batch_first": True}, "cell_options": CELL, "options": {}} | change
    with pytest.raises(error, match=re.escape(says)):
        check_layer_arguments("LSTM", **arguments)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"proj_size": 4}, ConfigError, "proj_size must be smaller than hidden_size; got 4 and 4."),
        ({"proj_size": -1}, ConfigError, "proj_size must be positive"),
        ({"proj_size": "2"}, DtypeError, "proj_size must be an int"),
        ({"bias": 1}, DtypeError, "bias must be True or False; got 1 (int)."),
        ({"peephole": "yes"}, DtypeError, "peephole must be True or False; got 'yes' (str)."),
        ({"cell_clip": 0}, ConfigError, "cell_clip must be a number greater than zero, or None for no bound; got 0."),
        ({"activation": "tahn"}, ConfigError, "activation='tahn' is no activation. There are relu, tanh"),
        ({"activation": 3}, ConfigError, "activation must be a name or a function of a tensor; got 3."),
        (HEADS | {"num_heads": 3}, ConfigError, "hidden_size=4 can't be split into num_heads=3 heads."),
        (HEADS | {"forget_gate": "tanh"}, ConfigError, "forget_gate must be 'sigmoid' or 'exp'; got 'tanh'."),
    ],
)
def test_a_wrong_option_of_a_cell(change, error, says):
    with pytest.raises(error, match=re.escape(says)):
        check_layer_arguments("LSTM", **GOOD, flags={}, cell_options=CELL | change, options={})


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"kernel": "refrence"}, ConfigError, "Did you mean 'reference'?"),
        ({"precision": "fp8"}, ConfigError, "precision must be 'full' or 'bf16'; got 'fp8'."),
        ({"zonout": 0.1}, DtypeError, "LSTM has no argument 'zonout'. Did you mean 'zoneout'?"),
        ({"peephol": True}, DtypeError, "LSTM has no argument 'peephol'. Did you mean 'peephole'?"),
        ({"reset_after": True}, DtypeError, "LSTM has no argument 'reset_after'. GRU has it."),
        ({"zoneout": 1.0}, ConfigError, "zoneout must be a probability from 0 up to, not including, 1; got 1.0."),
        ({"zoneout": (0.1, 0.2, 0.3)}, ConfigError, "or a pair of them, for h and c; got (0.1, 0.2, 0.3)."),
        ({"recurrent_dropout": -0.1}, ConfigError, "recurrent_dropout must be a probability"),
        ({"weight_drop": True}, ConfigError, "weight_drop must be a probability"),
        ({"residual": 1}, DtypeError, "residual must be True or False"),
        ({"residual": True}, ConfigError, "no layer after the first has such. Leave residual out."),
        (
            {"initial_state": "random"},
            ConfigError,
            "initial_state must be 'zeros', 'learned' or a module; got 'random'.",
        ),
        ({"init": "glorot"}, ConfigError, "init must be 'torch', 'keras', ('chrono', steps) or a mapping"),
        ({"init": "chrono"}, ConfigError, "init='chrono' needs the longest time in mind, as in init=('chrono', 100)"),
    ],
)
def test_a_wrong_option_of_a_layer(options, error, says):
    with pytest.raises(error, match=re.escape(says)):
        check_layer_arguments("LSTM", **GOOD, flags={}, cell_options=CELL, options=options)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ours.GRU(2, 3, zoneout=(0.1, 0.1)), "this cell's only zoned-out state is h"),
        (lambda: ours.SLSTM(2, 3, zoneout=0.1), "zoneout is defined for h and c; this cell has other states too."),
        (lambda: ours.LSTM(2, 3, bias=False, forget_bias=1.0), "forget_bias is a bias, and bias=False leaves none."),
        (
            lambda: ours.LSTM(2, 3, bias=False, init=("chrono", 9)),
            "init='chrono' draws biases, and bias=False leaves none.",
        ),
        (lambda: ours.RNN(2, 3, init=("chrono", 9)), "as derived for LSTM (f) and GRU (z); not for RNN."),
        (lambda: ours.LSTM(2, 3, init={"weigth_hh": init.orthogonal()}), "Did you mean 'weight_hh'?"),
    ],
)
def test_options_that_do_not_go_together(make, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        make()


def test_all_wrong_arguments_at_once():
    with pytest.raises(ConfigError, match="4 problems") as caught:
        ours.LSTM(0, [3, 0], 3, dropout=2.0)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError, match="2 problems"):
        ours.LSTMCell(0, 0)
    with pytest.raises(ConfigError, match="3 problems") as caught:
        ours.RNN(0, -1, nonlinearity="gelu")
    assert "nonlinearity='gelu' is no activation" in caught.value.problems[2]
    with pytest.raises(ConfigError, match="4 problems"):
        ours.RNNCell(0, -1, nonlinearity="gelu", kernel="none")


@pytest.mark.parametrize("make", [lambda: ours.RNN(2, 3, 1, "gelu"), lambda: ours.RNNCell(2, 3, True, "gelu")])
def test_nonlinearity(make):
    with pytest.raises(ConfigError, match=r"nonlinearity='gelu' is no activation\. There are relu, .* pass a function"):
        make()
