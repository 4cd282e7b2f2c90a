from __future__ import annotations

import numpy as np
import torch

from unrolled.forecast.batch import Gatherer, fill_forward

NAN = float("nan")


def _gather(values: list[float], positions: list[int], begins: list[int], input_size: int, h: int, scaling="none"):
    gather = Gatherer(torch.tensor(values, dtype=torch.float64), input_size, scaling)
    return gather(np.array(positions), np.array(begins), h)


def test_a_window_is_the_past_before_its_position_and_the_future_from_it() -> None:
    batch = _gather(list(range(10)), [4, 6], [0, 0], input_size=3, h=2)
    assert batch.past_NTF[..., 0].tolist() == [[1, 2, 3], [3, 4, 5]]
    assert batch.targets_Nh.tolist() == [[4, 5], [6, 7]]
    assert batch.observed_Nh.min() == 1


def test_missing_values_carry_the_last_one_and_are_flagged() -> None:
    batch = _gather([1.0, NAN, 3.0, NAN, 5.0, NAN], [3], [0], input_size=3, h=3)
    assert batch.past_NTF.tolist() == [[[1, 1], [1, 0], [3, 1]]]
    assert batch.targets_Nh.tolist() == [[3, 5, 5]]
    assert batch.observed_Nh.tolist() == [[0, 1, 0]]


def test_nothing_is_read_before_the_series_begins() -> None:
    batch = _gather([100.0, 200.0, 1.0, 2.0, 3.0], [4], [2], input_size=4, h=1)
    assert batch.past_NTF.tolist() == [[[0, 0], [0, 0], [1, 1], [2, 1]]]


def test_scaling_looks_at_the_past_alone() -> None:
    batch = _gather([1.0, 3.0, 1e6], [2], [0], input_size=2, h=1, scaling="standard")
    assert batch.location_N1.item() == 2
    assert batch.scale_N1.item() == 1
    assert batch.past_NTF[0, :, 0].tolist() == [-1, 1]


def test_unscaled_undoes_the_scaling_to_the_last_digit_of_a_high_level() -> None:
    values = [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]
    batch = _gather(values, [3], [0], input_size=3, h=1, scaling="standard")
    back = batch.unscaled(batch.targets_Nh[..., None])
    assert abs(back.item() - values[3]) < 1e-6


def test_fill_forward_leaves_nothing_undefined() -> None:
    values = torch.tensor([[NAN, 2.0, NAN, NAN, 5.0]], dtype=torch.float64)
    assert fill_forward(values, ~values.isnan()).tolist() == [[0, 2, 2, 2, 5]]


def test_a_window_with_nothing_in_its_past_teaches_nothing() -> None:
    batch = _gather([NAN, NAN, 1e6, 1e6], [2], [0], input_size=2, h=2, scaling="standard")
    assert batch.observed_Nh.tolist() == [[0, 0]]
    assert batch.targets_Nh.tolist() == [[0, 0]]


def test_a_window_with_nothing_in_its_past_stands_on_the_last_value_before_it() -> None:
    values = [7.0, 8.0, 1e6, NAN, NAN, NAN, NAN]
    batch = _gather(values, [5, 7], [2, 5], input_size=2, h=0, scaling="standard")
    assert batch.past_NTF.abs().max() == 0
    assert batch.location_N1.ravel().tolist() == [1e6, 0]  # the second series has none of its own
    assert batch.scale_N1.ravel().tolist() == [1e6, 1]
