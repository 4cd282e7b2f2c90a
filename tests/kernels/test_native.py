"""The native kernel against the reference: every result and every derivative, in all sizes and options."""

import itertools

import pytest
import torch

from problems import KINDS, Sizes, assert_close, cells, lengths_of, problem, results, solve
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.reference import ReferenceKernel

pytestmark = [pytest.mark.needs_native, pytest.mark.usefixtures("poisoned")]

NATIVE, REFERENCE = NativeKernel(), ReferenceKernel()
SIZES = [
    Sizes(1, 1, 1, 1),
    Sizes(4, 3, 2, 3),
    Sizes(17, 1, 3, 50),
    Sizes(5, 17, 1, 63),
    Sizes(2, 50, 63, 17),
    Sizes(3, 65, 50, 1),
    Sizes(50, 2, 1, 8),
    Sizes(65, 5, 17, 16),
    Sizes(2, 63, 65, 65),
    Sizes(3, 98, 3, 130),
    Sizes(7, 200, 1, 33),
]
assert len(SIZES) % 2 == 1, "so that what alternates below takes both values for each size"
CASES = [
    (kind, sizes, count % 2 == 0, reverse, ragged, 1 + count % 3)
    for count, (kind, reverse, ragged, sizes) in enumerate(
        itertools.product(KINDS, [False, True], [False, True], SIZES),
    )
]


def case_name(value):
    return "x".join(map(str, value)) if isinstance(value, tuple) else None


@pytest.mark.parametrize(("kind", "sizes", "bias", "reverse", "ragged", "n_threads"), CASES, ids=case_name)
def test_it_equals_the_reference(kind, sizes, bias, reverse, ragged, n_threads, instruction_sets, threads):
    lengths = lengths_of(sizes.steps, sizes.batch) if ragged else None
    given = problem(cells(sizes.hidden, bias)[kind], sizes, lengths)
    expected = solve(REFERENCE, given, reverse=reverse)
    threads(n_threads)
    for isa in instruction_sets:
        for recompute in (False, True):
            found = solve(NATIVE, given, reverse=reverse, recompute=recompute)
            assert_close(found, expected, 1e-10, f"with {isa}, {recompute=}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, [3, 0, 6, 1, 5]], ids=["dense", "ragged"])
def test_without_gradients_it_gives_the_same_numbers(kind, lengths, instruction_sets):
    given = problem(cells(19)[kind], Sizes(6, 5, 7, 19), lengths)
    for _ in instruction_sets:
        with_gradients = results(NATIVE, given)
        with torch.no_grad():
            without = results(NATIVE, given)
        for name, value in with_gradients.items():
            assert torch.equal(without[name], value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_step_is_a_sequence_of_one(kind):
    given = problem(cells(21)[kind], Sizes(1, 5, 4, 21))
    expected = REFERENCE.step(given.cell, given.x[0], given.state, given.weights)
    found = NATIVE.step(given.cell, given.x[0], given.state, given.weights)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [[0], [0, 0, 0], [1, 0], [5, 5]], ids=str)
def test_sequences_without_steps_keep_their_state(kind, reverse, lengths):
    given = problem(cells(9)[kind], Sizes(5, len(lengths), 4, 9), lengths)
    expected, found = (solve(kernel, given, reverse=reverse) for kernel in (REFERENCE, NATIVE))
    assert_close(found, expected, 1e-10)
    for name, state in zip(given.cell.states, given.state, strict=True):
        for n, length in enumerate(lengths):
            assert torch.equal(found[f"{name}_n"][n], state[n]) == (length == 0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_gives_empty_results_and_zero_gradients(kind):
    given = problem(cells(9)[kind], Sizes(5, 0, 4, 9))
    assert_close(solve(NATIVE, given), solve(REFERENCE, given), 1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, [7, 2, 0, 4]], ids=["dense", "ragged"])
def test_a_call_gives_the_same_bits_each_time(kind, lengths):
    given = problem(cells(33)[kind], Sizes(7, 4, 5, 33), lengths)
    first, second = solve(NATIVE, given), solve(NATIVE, given)
    for name, value in first.items():
        assert torch.equal(second[name], value), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_batch_is_its_sequences_one_by_one(kind, reverse):
    """As far as rounding goes: a block's size decides in which order numbers are added."""
    lengths = [4, 0, 6, 1, 3]
    given = problem(cells(20)[kind], Sizes(6, 5, 3, 20), lengths)
    together = solve(NATIVE, given, reverse=reverse)
    for n, length in enumerate(lengths):
        if length == 0:
            continue
        alone = given._replace(
            x=given.x[:length, n : n + 1],
            state=tuple(state[n : n + 1] for state in given.state),
            ragged=None,
        )
        for name, value in results(NATIVE, alone, reverse=reverse).items():
            own = together[name][:length, n : n + 1] if name == "output" else together[name][n : n + 1]
            torch.testing.assert_close(own, value.detach(), rtol=1e-12, atol=1e-12)
