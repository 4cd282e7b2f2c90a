"""What the native kernel keeps of a forward pass: equal to the reference's record of gates and states."""

import pytest
import torch

from problems import RECORDED, Sizes, assert_close, cells, problem, run
from unrolled.kernels import native_calls
from unrolled.kernels.native_calls import How, Inputs
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.reference import ReferenceKernel

pytestmark = pytest.mark.needs_native

SIZES = Sizes(6, 5, 7, 19)
LENGTHS = [None, [3, 0, 6, 1, 5]]


def record_of(kernel, given, reverse):
    return run(kernel, given, reverse=reverse, record=True).record


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("kind", RECORDED)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS, ids=["dense", "ragged"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("grad", [True, False])
def test_a_record_equals_the_references(kind, bias, lengths, reverse, grad, instruction_sets):
    given = problem(cells(19, bias)[kind], SIZES, lengths)
    with torch.set_grad_enabled(grad):
        expected = record_of(ReferenceKernel(), given, reverse)
        for isa in instruction_sets:
            found = record_of(NativeKernel(), given, reverse)
            assert set(found) == set(expected)
            assert_close({name: found[name] for name in expected}, expected, 1e-10, f"with {isa}")


def kept(operator, given, keep, reverse=False):
    h_0, c_0 = (*given.state, None)[:2]
    weights = (*given.weights, *(None,) * 6)[:10]
    lengths = None if given.ragged is None else given.ragged.lengths_N
    inputs = Inputs(given.x, h_0, c_0, *weights, lengths)
    with torch.no_grad():
        return native_calls.forward(operator, inputs, How(reverse), keep)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "LSTM with projection"])
@pytest.mark.parametrize("lengths", LENGTHS, ids=["dense", "ragged"])
def test_an_lstm_keeps_its_gates_side_by_side_and_its_cells(kind, lengths, reverse):
    given = problem(cells(19)[kind], SIZES, lengths)
    record = record_of(ReferenceKernel(), given, reverse)
    made = kept("lstm", given, "all", reverse)
    expected = {"gates": torch.cat([record[name] for name in "ifgo"], dim=-1), "cells": record["c"]}
    assert_close({"gates": made.gates, "cells": made.cells}, expected, 1e-10)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=["dense", "ragged"])
def test_a_gru_keeps_its_gates_and_the_sum_that_it_resets(lengths, reverse):
    given = problem(cells(19)["GRU"], SIZES, lengths)
    record = record_of(ReferenceKernel(), given, reverse)
    gates = kept("gru", given, "all", reverse).gates
    assert_close({"gates": gates[..., :57]}, {"gates": torch.cat([record[n] for n in "rzn"], dim=-1)}, 1e-10)
    x = given.x.where(given.x.isfinite(), 0)
    from_x = torch.nn.functional.linear(x, given.weights.weight_ih, given.weights.bias_ih)[..., 38:]
    reset = record["r"] * gates[..., 57:]
    if given.ragged is not None:
        from_x = from_x.where(given.ragged.valid_TN1, 0)
    torch.testing.assert_close(from_x + reset, record["n_pre"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("kind", "operator", "keep", "gates", "cells_too"),
    [
        ("LSTM", "lstm", "nothing", False, False),
        ("LSTM", "lstm", "states", False, True),
        ("LSTM", "lstm", "all", True, True),
        ("GRU", "gru", "nothing", False, False),
        ("GRU", "gru", "states", False, False),
        ("GRU", "gru", "all", True, False),
        ("RNN tanh", "rnn_tanh", "all", False, False),
        ("RNN relu", "rnn_relu", "all", False, False),
    ],
)
def test_nothing_is_kept_that_was_not_asked_for(kind, operator, keep, gates, cells_too):
    made = kept(operator, problem(cells(19)[kind], SIZES), keep)
    assert (made.gates is not None, made.cells is not None) == (gates, cells_too)


@pytest.mark.parametrize("kind", RECORDED)
def test_recomputing_keeps_less_for_the_backward_pass(kind):
    given = problem(cells(19)[kind], SIZES)

    def bytes_kept(recompute):
        sizes = []

        def pack(tensor):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            run(NativeKernel(), given, recompute=recompute)
        return sum(sizes)

    gates = 0 if kind.startswith("RNN") else 6 * 5 * 4 * 19
    assert bytes_kept(False) - bytes_kept(True) == gates
