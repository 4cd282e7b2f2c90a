"""Zoneout's masks: fair, reproducible, and the same on every instruction set and number of threads."""

import pytest
import torch

from unrolled.kernels import draw_held

CPU = torch.device("cpu")
SHAPE = (50, 41, 63)  # 129,150 draws, no multiple of anything


def draw(seed, probability=0.3, shape=SHAPE):
    torch.manual_seed(seed)
    return draw_held(probability, shape, CPU)


@pytest.mark.parametrize("probability", [0.0, 1e-4, 0.1, 0.5, 0.9999])
def test_as_many_are_held_as_the_probability_says(probability):
    held = draw(0, probability)
    assert held.dtype == torch.bool
    deviation = (held.numel() * probability * (1 - probability)) ** 0.5
    assert abs(held.sum().item() - held.numel() * probability) <= 4 * deviation


def test_no_axis_and_no_lag_is_special():
    held = draw(1).double()
    for axis in range(3):
        rest = [other for other in range(3) if other != axis]
        means = held.mean(dim=rest)
        assert (means - 0.3).abs().max() <= 5 * (0.3 * 0.7 / (held.numel() / held.shape[axis])) ** 0.5
    flat = held.flatten() - 0.3
    for lag in (1, 2, 15, 16, 63, 64, 63 * 41, 4096):
        correlation = (flat[:-lag] * flat[lag:]).mean() / (0.3 * 0.7)
        assert correlation.abs() <= 5 / len(flat) ** 0.5, lag


def test_draws_of_one_seed_after_another_are_unrelated():
    torch.manual_seed(2)
    one, other = (draw_held(0.5, SHAPE, CPU).double() for _ in range(2))
    assert ((one - 0.5) * (other - 0.5)).mean().abs() * 4 <= 5 / one.numel() ** 0.5


def test_a_seed_makes_it_reproducible():
    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


@pytest.mark.needs_native
def test_threads_and_instruction_sets_change_nothing(instruction_sets):
    expected = draw(5)
    for isa in instruction_sets:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            assert torch.equal(draw(5), expected), (isa, threads)
    torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(0, 3, 4), (1, 1, 1), (2, 1, 3)])
def test_small_and_empty(shape):
    assert draw(6, shape=shape).shape == shape
