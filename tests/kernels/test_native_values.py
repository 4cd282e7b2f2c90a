"""Extreme numbers in the native kernel: NaN, infinity, saturated gates, subnormals; its functions' accuracy."""

import numpy as np
import pytest
import torch

from problems import KINDS, NAN, NORMALISED, Sizes, cells, problem, results, solve
from unrolled.cells import GRUEquations, LSTMEquations, RNNEquations
from unrolled.cells.rnn import RNNWeights
from unrolled.kernels.kernel import Options
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.reference import ReferenceKernel

pytestmark = [pytest.mark.needs_native, pytest.mark.usefixtures("poisoned")]

NATIVE, REFERENCE = NativeKernel(), ReferenceKernel()
SIZES = Sizes(6, 5, 7, 19)
BAD = 2  # the sequence that holds NaN or infinity
BY_SEQUENCE = {"output": 1, "d_x": 1, "h_n": 0, "c_n": 0, "d_h_0": 0, "d_c_0": 0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("where", ["x", "h_0"])
@pytest.mark.parametrize("lengths", [None, [3, 0, 5, 1, 6]], ids=["dense", "ragged"])
def test_a_bad_sequence_leaves_the_others_alone(kind, value, where, lengths, instruction_sets):
    given = problem(cells(19)[kind], SIZES, lengths)
    bad = given.mapped(lambda tensor: tensor.detach().clone().requires_grad_(tensor.requires_grad))
    with torch.no_grad():
        (bad.x[3, BAD] if where == "x" else bad.state[0][BAD])[1] = value
    others = [n for n in range(5) if n != BAD]
    for isa in instruction_sets:
        clean, found = solve(NATIVE, given), solve(NATIVE, bad)
        for name, dim in BY_SEQUENCE.items():
            if name in found:
                kept = [result[name].index_select(dim, torch.tensor(others)) for result in (clean, found)]
                assert torch.equal(*kept), f"{name} with {isa}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nan_and_infinity_come_out_as_of_the_reference(kind, value, reverse, dtype, instruction_sets):
    given = problem(cells(19)[kind], SIZES, [3, 0, 5, 1, 6], dtype)
    with torch.no_grad():
        given.x[3, BAD, 1] = value
    expected = results(REFERENCE, given, reverse=reverse)
    assert expected["output"].isnan().any() or not np.isnan(value)
    for _ in instruction_sets:
        found = results(NATIVE, given, reverse=reverse)
        for name, wanted in expected.items():
            tolerance = 1e-10 if dtype == torch.float64 else 1e-5
            torch.testing.assert_close(found[name], wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_is_in_the_gradients_where_the_references_has_it(kind, instruction_sets):
    given = problem(cells(19)[kind], SIZES)
    with torch.no_grad():
        given.x[3, BAD, 1] = NAN
    expected = solve(REFERENCE, given)
    weights = [name for name in expected if name.startswith(("d_weight", "d_bias"))]
    for isa in instruction_sets:
        found = solve(NATIVE, given)
        for name in weights:
            assert torch.equal(found[name].isnan(), expected[name].isnan()), f"{name} with {isa}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "size"),
    [(torch.float64, 30.0), (torch.float64, 1e4), (torch.float64, 1e30), (torch.float32, 1e7), (torch.float32, 1e30)],
)
def test_huge_sums_saturate_as_those_of_the_reference(kind, dtype, size, instruction_sets):
    given = problem(cells(19)[kind], Sizes(3, 5, 7, 19), None, dtype)
    with torch.no_grad():
        given.x.mul_(size)
    expected = solve(REFERENCE, given)
    assert all(value.isfinite().all() for value in expected.values())
    # A closed gate may let the smallest normal number through, which a derivative multiplies by x.
    leak = 1000 * torch.finfo(dtype).tiny * size
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    for isa in instruction_sets:
        for recompute in (False, True):
            for name, value in solve(NATIVE, given, recompute=recompute).items():
                error, largest = (value - expected[name]).abs().max(), expected[name].abs().max()
                assert error <= tolerance * largest + leak, f"{name}: {error} beside {largest} with {isa}"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NORMALISED])  # they magnify
@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e-41), (torch.float64, 1e-310)])
def test_subnormal_inputs_are_as_good_as_zero(kind, dtype, size, instruction_sets):
    given = problem(cells(19, bias=False)[kind], SIZES, None, dtype)
    with torch.no_grad():
        given.x.mul_(size)
        for state in given.state:
            state.mul_(size)
    assert (given.x != 0).any()
    expected = solve(REFERENCE, given)
    smallest = torch.finfo(dtype).tiny
    for _ in instruction_sets:
        for name, value in solve(NATIVE, given).items():
            if kind == "RNN relu" and name.startswith("d_"):
                continue  # its derivative jumps at 0
            tolerance = (1e-10 if dtype == torch.float64 else 1e-5) * expected[name].abs().max().item()
            torch.testing.assert_close(value, expected[name], rtol=0, atol=tolerance + 100 * smallest)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_subnormals_live_on_after_a_call(n_threads, threads):
    threads(n_threads)
    solve(NATIVE, problem(cells(19)["LSTM"], Sizes(6, 200, 7, 19)))
    for dtype, size in ((torch.float32, 1e-40), (torch.float64, 1e-310)):
        halves = torch.full((1_000_000,), size, dtype=dtype) * 0.5  # many: for all of PyTorch's threads
        assert (halves != 0).all()
        assert (np.full(1000, size, dtype=str(dtype).removeprefix("torch.")) * 0.5 != 0).all()
    assert 1e-310 * 0.5 != 0


def sweep(dtype):
    """Numbers of all sizes and both signs, and the points where approximations change over."""
    magnitudes = torch.logspace(-30, 3, 6001, dtype=torch.float64)
    linear = torch.linspace(0, 50, 20001, dtype=torch.float64)
    positive = torch.cat([torch.zeros(1, dtype=torch.float64), magnitudes, linear])
    return torch.cat([positive, -positive]).to(dtype)


def ulps(found, exact):
    """Errors in units of the last place, counted where numbers are as good as normal."""
    spacing = torch.finfo(found.dtype).eps * exact.abs().clamp_min(torch.finfo(found.dtype).tiny).double()
    return ((found.double() - exact).abs() / spacing).max().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_accurate_to_a_few_units_of_the_last_place(dtype, instruction_sets):
    x = sweep(dtype)
    one, zero = torch.ones(1, 1, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
    exact = torch.tanh(x.double())
    with torch.no_grad():
        for _ in instruction_sets:
            cell, state = RNNEquations(1, bias=False), (zero.expand(len(x), 1),)
            output = NATIVE.run(cell, x[None, :, None], state, RNNWeights(one, zero)).output
            assert ulps(output[0, :, 0], exact) <= 4
            assert (output.abs() <= 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigmoid_is_accurate_to_a_few_units_of_the_last_place(dtype, instruction_sets):
    x = sweep(dtype)
    x = x[x > -80]
    exact = torch.sigmoid(x.double())
    near = x > -10  # further out, what counts is that it's small
    for cell in (LSTMEquations(1, bias=False), GRUEquations(1, bias=False)):
        weights = cell.weights_type(torch.ones(cell.blocks, 1, dtype=dtype), torch.zeros(cell.blocks, 1, dtype=dtype))
        state = tuple(torch.zeros(len(x), 1, dtype=dtype) for _ in cell.states)
        with torch.no_grad():
            for _ in instruction_sets:
                record = NATIVE.run(cell, x[None, :, None], state, weights, options=Options(record=True)).record
                found = record[cell.gates[0]][0, :, 0]
                assert ulps(found[near], exact[near]) <= 6
                assert ulps(found[~near], exact[~near]) <= 64
