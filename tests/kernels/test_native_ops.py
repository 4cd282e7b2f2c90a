"""The native kernels as operators of torch.library: what PyTorch checks of them, derivatives, and refusals."""

import pytest
import torch
from torch.library import opcheck

import unrolled.layers as ours
from problems import KINDS, Sizes, assert_close, cells, disturbed, problem, solve
from unrolled.errors import ShapeError
from unrolled.kernels.native_calls import How, Inputs
from unrolled.kernels.native_kernel import NativeKernel, operator_name
from unrolled.kernels.native_ops import recurrence
from unrolled.kernels.reference import ReferenceKernel

pytestmark = pytest.mark.needs_native

SMALL = Sizes(4, 3, 2, 3)
LENGTHS = [None, [4, 0, 2]]


def inputs_of(given):
    h_0, c_0 = (*given.state, None)[:2]
    weights, held = (*given.weights, *(None,) * 6)[:10], (*given.noise.hold, None, None)[:2]
    lengths = None if given.ragged is None else given.ragged.lengths_N
    return Inputs(given.x, h_0, c_0, *weights, lengths, given.noise.h_mask, *held)


def finite(given):
    """The same problem with zeros for NaN in the padding, which finite differences would trip over."""
    return given.mapped(lambda tensor: tensor.detach().where(tensor.isfinite(), 0).requires_grad_(tensor.requires_grad))


def backward_arguments(given, reverse, keep, wanted=(True, True, True)):
    """What the backward operator is called with after a forward pass."""
    inputs = inputs_of(given)
    with torch.no_grad():
        output, _, _, gates, kept_cells = recurrence(operator_name(given.cell))(*inputs, *How(reverse), keep)
    d_output, d_h_n, *d_c_n = given.d_results
    return (*inputs, output, gates, kept_cells, d_output, d_h_n, *(d_c_n or [None]), *How(reverse), *wanted)


def backward_operator(given):
    return getattr(torch.ops.unrolled, operator_name(given.cell) + "_backward")


QUICK = ("test_schema", "test_autograd_registration", "test_faketensor")
ALL = (*QUICK, "test_aot_dispatch_dynamic")  # the last takes seconds, as it differentiates symbolic graphs
CHECKED = [
    (kind, *rest)
    for kind in KINDS
    for rest in [
        (True, None, "all", False),
        (False, [2, 0, 1], "states", True),
        (True, [2, 0, 1], "all", True),
        (True, None, "states", False),
    ]
]
CHECKED_SIZES = Sizes(2, 3, 2, 3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("kind", "bias", "lengths", "keep", "reverse"), CHECKED)
def test_opcheck_of_the_forward_operators(kind, bias, lengths, keep, reverse):
    given = finite(problem(cells(3, bias)[kind], CHECKED_SIZES, lengths))
    operator = recurrence(operator_name(given.cell)).default
    utils = ALL if (bias, keep, reverse) == (True, "all", False) else QUICK
    opcheck(operator, (*inputs_of(given), *How(reverse), keep), test_utils=utils)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("kind", "bias", "lengths", "keep", "reverse"), CHECKED)
def test_opcheck_of_the_backward_operators(kind, bias, lengths, keep, reverse):
    given = finite(problem(cells(3, bias)[kind], CHECKED_SIZES, lengths))
    given = given._replace(d_results=tuple(d.requires_grad_() for d in given.d_results))
    utils = ALL if (kind, keep, reverse) == ("LSTM with projection", "all", True) else QUICK
    opcheck(backward_operator(given).default, backward_arguments(given, reverse, keep), test_utils=utils)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_opcheck_where_only_some_derivatives_are_wanted(wanted):
    given = problem(cells(3)["LSTM"], CHECKED_SIZES)
    arguments = backward_arguments(given, False, "all", wanted)
    opcheck(backward_operator(given).default, arguments, test_utils=QUICK)


@pytest.mark.usefixtures("unchecked")
def test_opcheck_of_a_forward_pass_that_keeps_nothing_and_is_batch_first():
    given = problem(cells(3)["GRU"], SMALL)
    x = given.x.detach().transpose(0, 1).contiguous().transpose(0, 1)
    inputs = inputs_of(given)._replace(x=x)
    with torch.no_grad():
        opcheck(
            torch.ops.unrolled.gru.default,
            (*(t if t is None else t.detach() for t in inputs), *How(), "nothing"),
        )


def layer_and_inputs(kind, **options):
    layer = getattr(ours, kind)(2, 3, 1, kernel="native", bidirectional=True, dtype=torch.float64, **options)
    return layer, torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)


LAYERS = [
    *(("LSTM", options) for options in ({}, {"proj_size": 2}, {"layer_norm": True})),
    *(("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})),
]


@pytest.mark.parametrize(
    ("kind", "options", "lengths"), [(*layer, [4, 2]) for layer in LAYERS] + [("LSTM", {}, None)], ids=str
)
def test_first_and_second_derivatives_of_layers_are_those_of_finite_differences(kind, options, lengths):
    layer, x = layer_and_inputs(kind, **options)
    names, parameters = zip(*layer.named_parameters(), strict=True)

    def run(x, *weights):
        output, last = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, None, lengths))
        return output, *(last if isinstance(last, tuple) else (last,))

    assert torch.autograd.gradcheck(run, (x, *parameters), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (x, *parameters), fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_second_derivatives_equal_those_of_the_reference(kind, lengths, reverse):
    given = problem(cells(3)[kind], SMALL, lengths)
    leaves = given.leaves()

    def second(kernel):
        kept = {name: leaf for name, leaf in leaves.items() if name != "x"}
        run = kernel.run(given.cell, given.x, given.state, given.weights, ragged=given.ragged, reverse=reverse)
        loss = run.output.pow(2).sum() + sum(state.pow(3).sum() for state in run.state)
        first = torch.autograd.grad(loss, list(kept.values()), create_graph=True)
        total = sum(derivative.pow(2).sum() for derivative in first)
        return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))

    assert_close(second(NativeKernel()), second(ReferenceKernel()), 1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, []], ids=str)
def test_an_empty_batch(kind, lengths):
    given = problem(cells(3)[kind], Sizes(4, 0, 2, 3), lengths)
    assert_close(solve(NativeKernel(), given), solve(ReferenceKernel(), given), 1e-10)
    found = backward_operator(given)(*backward_arguments(given, False, "all"))
    assert [tuple(d.shape) for d in found if d.numel()] == [tuple(w.shape) for w in given.weights if w is not None]


WRONG_SHAPES = {
    "x": [(4, 3), (4, 3, 5), (4, 3, 2, 1)],
    "h_0": [(3,), (2, 3), (3, 4), (1, 3, 3)],
    "c_0": [(3,), (2, 3), (3, 4), (1, 3, 3)],
    "weight_ih": [(12,), (12, 3), (13, 2), (8, 2)],
    "weight_hh": [(12,), (12, 2), (13, 3), (8, 2), (0, 3)],
    "bias_ih": [(3,), (12, 1), (13,), ()],
    "bias_hh": [(3,), (12, 1), (13,), ()],
    "weight_hr": [(3, 3, 1), (2, 3), (3, 2)],
    "weight_peephole": [(3,), (2, 3), (3, 4)],
    "norm_ih": [(3,), (12, 1), (13,), ()],
    "norm_hh": [(3,), (12, 1), (13,), ()],
    "norm_c": [(12,), (3, 1), (4,), ()],
    "norm_c_bias": [(12,), (3, 1), (4,), ()],
    "h_mask": [(3,), (4, 3), (3, 2)],
    "h_held": [(4, 3), (3, 4, 3), (4, 3, 2)],
    "c_held": [(4, 3), (3, 4, 3), (4, 3, 2)],
    "lengths": [(2,), (4,), (3, 1), ()],
}


def refuse(given, changed):
    """Check that both operators refuse what the change makes of their inputs."""
    good = backward_arguments(given, False, "all")
    with pytest.raises(ShapeError):
        recurrence(operator_name(given.cell))(*changed, *How(), "all")
    with pytest.raises(ShapeError):
        backward_operator(given)(*changed, *good[len(changed) :])


@pytest.mark.parametrize(("name", "shape"), [(n, shape) for n, shapes in WRONG_SHAPES.items() for shape in shapes])
def test_wrong_shapes_are_refused(name, shape):
    given = problem(cells(3)["LSTM"], SMALL)
    types = {"lengths": torch.int64, "h_held": torch.bool, "c_held": torch.bool}
    refuse(given, inputs_of(given)._replace(**{name: torch.zeros(shape, dtype=types.get(name, torch.float64))}))


@pytest.mark.parametrize("name", Inputs._fields)
def test_wrong_types_are_refused(name):
    given = problem(cells(3)["LSTM with all"], SMALL, LENGTHS[1])
    given = disturbed(given, h_mask=True, held=("drawn", "drawn"))
    inputs = inputs_of(given)
    refuse(given, inputs._replace(**{name: getattr(inputs, name).detach().to(torch.float32)}))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bool, torch.complex64])
def test_types_without_native_code_are_refused(dtype):
    given = problem(cells(3)["GRU"], SMALL)
    refuse(given, Inputs(*(None if t is None else t.detach().to(dtype) for t in inputs_of(given))))


@pytest.mark.parametrize("lengths", [[-1, 2, 3], [5, 1, 1], [1, 1, 2**62], [-(2**63), 0, 0]], ids=str)
def test_lengths_out_of_range_are_refused(lengths):
    given = problem(cells(3)["LSTM"], SMALL)
    refuse(given, inputs_of(given)._replace(lengths=torch.tensor(lengths)))


@pytest.mark.parametrize("kind", ["GRU", "RNN tanh", "RNN relu"])
def test_only_an_lstm_takes_a_projection_and_a_cell_state(kind):
    given = problem(cells(3)[kind], SMALL)
    inputs = inputs_of(given)
    refuse(given, inputs._replace(weight_hr=torch.zeros(3, 3, dtype=torch.float64)))
    refuse(given, inputs._replace(c_0=torch.zeros(3, 3, dtype=torch.float64)))


def test_a_projection_must_be_there_where_h_is_narrower():
    given = problem(cells(3)["LSTM with projection"], SMALL)
    refuse(given, inputs_of(given)._replace(weight_hr=None))


def test_one_bias_alone_is_refused():
    given = problem(cells(3)["GRU"], SMALL)
    for name in ("bias_ih", "bias_hh"):
        refuse(given, inputs_of(given)._replace(**{name: None}))


@pytest.mark.parametrize("name", ["norm_ih", "norm_hh", "norm_c"])
def test_a_part_of_layer_normalisation_alone_is_refused(name):
    given = problem(cells(3)["LSTM with layer norm"], SMALL)
    refuse(given, inputs_of(given)._replace(**{name: None}))


def test_a_shift_of_c_is_refused_where_c_is_not_normalised():
    given = problem(cells(3)["LSTM"], SMALL)
    refuse(given, inputs_of(given)._replace(norm_c_bias=torch.zeros(3, dtype=torch.float64)))


def test_an_lstm_needs_its_cell_state():
    given = problem(cells(3)["LSTM"], SMALL)
    refuse(given, inputs_of(given)._replace(c_0=None))


@pytest.mark.parametrize("position", range(6), ids=["output", "gates", "cells", "d_output", "d_h_n", "d_c_n"])
@pytest.mark.parametrize("wrong", ["shape", "type"])
def test_what_a_forward_pass_gave_must_fit(position, wrong):
    given = problem(cells(3)["LSTM"], SMALL)
    arguments = list(backward_arguments(given, False, "all"))
    tensor = arguments[len(Inputs._fields) + position]
    arguments[len(Inputs._fields) + position] = tensor[:-1] if wrong == "shape" else tensor.float()
    with pytest.raises(ShapeError):
        torch.ops.unrolled.lstm_backward(*arguments)


def test_an_lstm_goes_back_through_its_cells_alone():
    given = problem(cells(3)["LSTM"], SMALL)
    with pytest.raises(ShapeError, match="cells"):
        torch.ops.unrolled.lstm_backward(*backward_arguments(given, False, "nothing"))


@pytest.mark.parametrize(("keep", "precision"), [("everything", "full"), ("all", "half"), ("all", "bf16")])
def test_options_that_there_are_not_are_refused(keep, precision):
    """bf16 is of float32 alone."""
    given = problem(cells(3)["LSTM"], SMALL)
    with pytest.raises(ShapeError):
        torch.ops.unrolled.lstm(*inputs_of(given), *How(False, precision), keep)
