"""Recurrent dropout and zoneout in the native kernels: equal to the reference, results and every derivative."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from problems import KINDS, Sizes, assert_close, cells, disturbed, problem, run, solve
from unrolled.errors import ShapeError
from unrolled.kernels.native_calls import How, Inputs
from unrolled.kernels.native_kernel import NativeKernel, operator_name
from unrolled.kernels.native_ops import recurrence
from unrolled.kernels.reference import ReferenceKernel

pytestmark = pytest.mark.needs_native

NATIVE, REFERENCE = NativeKernel(), ReferenceKernel()
HELD = ["", "drawn", "rate"]
NOISES = [(mask, h, c) for mask in (False, True) for h in HELD for c in HELD if mask or h or c]
SIZES = [Sizes(6, 5, 7, 19), Sizes(5, 1, 3, 50), Sizes(1, 3, 1, 1)]


def disturb(problem, mask, h, c):
    held = (h, c)[: len(problem.state)]
    return disturbed(problem, mask, held if any(held) else ())


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_every_noise_is_the_references(kind, sizes, reverse, instruction_sets):
    lengths = [(3 * n + 1) % (sizes.steps + 1) for n in range(sizes.batch)] if reverse else None
    for noise in NOISES:
        given = disturb(problem(cells(sizes.hidden)[kind], sizes, lengths), *noise)
        expected = solve(REFERENCE, given, reverse=reverse)
        for isa in instruction_sets:
            for recompute in (False, True):
                found = solve(NATIVE, given, reverse=reverse, recompute=recompute)
                assert_close(found, expected, 1e-10, f"with {isa}, {noise}, recompute={recompute}")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.builds(Sizes, *(st.integers(1, most) for most in (7, 9, 5, 70))),
    noise=st.sampled_from(NOISES),
    bias=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_size(kind, sizes, noise, bias, seed):
    torch.manual_seed(seed)
    given = disturb(problem(cells(sizes.hidden, bias)[kind], sizes), *noise)
    assert_close(solve(NATIVE, given), solve(REFERENCE, given), 1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_goes_with_noise(kind):
    given = disturb(problem(cells(19)[kind], SIZES[0], dtype=torch.float32), True, "drawn", "rate")
    found, full = run(NATIVE, given, precision="bf16"), run(NATIVE, given)
    torch.testing.assert_close(found.output, full.output, rtol=0.05, atol=0.02)
    assert not torch.equal(found.output, full.output)


def arguments_of(given):
    h_0, c_0 = (*given.state, None)[:2]
    weights, held = (*given.weights, *(None,) * 6)[:10], (*given.noise.hold, None, None)[:2]
    tensors = [h if isinstance(h, torch.Tensor) else None for h in held]
    rates = [h if isinstance(h, float) else 0.0 for h in held]
    return (
        *Inputs(given.x, h_0, c_0, *weights, None, given.noise.h_mask, *tensors),
        *How(False, "full", *rates),
        "all",
    )


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", [(True, "drawn", "rate"), (False, "rate", "drawn")])
def test_opcheck(kind, noise):
    given = disturb(problem(cells(3)[kind], Sizes(2, 3, 2, 3)), *noise)
    operator = recurrence(operator_name(given.cell)).default
    opcheck(operator, arguments_of(given), test_utils=("test_schema", "test_autograd_registration", "test_faketensor"))


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_are_the_references(kind):
    given = disturb(problem(cells(3)[kind], Sizes(4, 3, 2, 3), [4, 0, 2]), True, "drawn", "rate")
    leaves = given.leaves()

    def second(kernel):
        made = run(kernel, given)
        loss = made.output.pow(2).sum() + sum(state.pow(3).sum() for state in made.state)
        first = torch.autograd.grad(loss, list(leaves.values())[1:], create_graph=True)
        total = sum(derivative.pow(2).sum() for derivative in first)
        return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))

    assert_close(second(NATIVE), second(REFERENCE), 1e-10)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rates_that_are_no_shares_are_refused(rate):
    *tensors, reverse, precision, _, c_rate, keep = arguments_of(problem(cells(3)["LSTM"], Sizes(4, 3, 2, 3)))
    with pytest.raises(ShapeError, match="h_rate must be a share"):
        recurrence("lstm")(*tensors, reverse, precision, rate, c_rate, keep)
