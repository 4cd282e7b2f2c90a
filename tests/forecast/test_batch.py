from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.forecast import batch as batch_module
from unrolled.forecast.batch import CovariateTable, Gatherer, fill_forward
from unrolled.forecast.losses.points import PointLoss, mae
from unrolled.forecast.said import Numbers

NAN = float("nan")


def _gatherer(series: list[list[float]], input_size: int, h: int, scaling: str = "none", **options) -> Gatherer:
    values = torch.tensor([value for one in series for value in one], dtype=torch.float64)
    offsets = torch.tensor(np.cumsum([0, *map(len, series)]))
    return Gatherer(values, offsets, input_size, h, scaling, **options)


def _gather(series: list[list[float]], at: list[tuple[int, int]], input_size: int, h: int, scaling: str = "none"):
    """Gather windows whose first point to forecast is at these (series, position in it)."""
    gather = _gatherer(series, input_size, h, scaling)
    numbers, since = np.array(at).T
    return gather(numbers, gather.offsets.numpy()[numbers] + since, h)


def test_a_window_is_the_past_before_its_position_and_the_future_from_it() -> None:
    batch = _gather([list(range(10))], [(0, 4), (0, 6)], input_size=3, h=2)
    assert batch.inputs.past_NTF[..., 0].tolist() == [[1, 2, 3], [3, 4, 5]]
    assert batch.targets_Rh.tolist() == [[4, 5], [6, 7]]
    assert batch.observed_Rh.min() == 1


def test_missing_values_carry_the_last_one_and_are_flagged() -> None:
    batch = _gather([[1.0, NAN, 3.0, NAN, 5.0, NAN]], [(0, 3)], input_size=3, h=3)
    assert batch.inputs.past_NTF.tolist() == [[[1, 1], [1, 0], [3, 1]]]
    assert batch.targets_Rh.tolist() == [[3, 5, 5]]
    assert batch.observed_Rh.tolist() == [[0, 1, 0]]


def test_nothing_is_read_before_the_series_begins_or_after_its_end() -> None:
    batch = _gather([[100.0, 200.0], [1.0, 2.0, 3.0], [7.0]], [(1, 2)], input_size=4, h=2)
    assert batch.inputs.past_NTF.tolist() == [[[0, 0], [0, 0], [1, 1], [2, 1]]]
    assert batch.targets_Rh.tolist() == [[3, 3]]
    assert batch.observed_Rh.tolist() == [[1, 0]]


def test_scaling_looks_at_the_past_alone() -> None:
    batch = _gather([[1.0, 3.0, 1e6]], [(0, 2)], input_size=2, h=1, scaling="standard")
    assert batch.location_R1.item() == 2
    assert batch.scale_R1.item() == 1
    assert batch.inputs.past_NTF[0, :, 0].tolist() == [-1, 1]


def test_put_back_undoes_the_scaling_to_the_last_digit_of_a_high_level() -> None:
    values = [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]
    batch = _gather([values], [(0, 3)], input_size=3, h=1, scaling="standard")
    said = Numbers(batch.location_R1, batch.scale_R1, PointLoss(mae), batch.targets_Rh[..., None])
    back = said.point()
    assert abs(back.item() - values[3]) < 1e-6


def test_fill_forward_leaves_nothing_undefined() -> None:
    values = torch.tensor([[NAN, 2.0, NAN, NAN, 5.0]], dtype=torch.float64)
    assert fill_forward(values, ~values.isnan()).tolist() == [[0, 2, 2, 2, 5]]


def test_a_window_with_nothing_in_its_past_teaches_nothing() -> None:
    batch = _gather([[NAN, NAN, 1e6, 1e6]], [(0, 2)], input_size=2, h=2, scaling="standard")
    assert batch.observed_Rh.tolist() == [[0, 0]]
    assert batch.targets_Rh.tolist() == [[0, 0]]


def test_a_window_with_nothing_in_its_past_stands_on_the_last_value_before_it() -> None:
    series = [[7.0, 8.0], [1e6, NAN, NAN], [NAN, NAN]]
    batch = _gather(series, [(1, 3), (2, 2)], input_size=2, h=0, scaling="standard")
    assert batch.inputs.past_NTF.abs().max() == 0
    assert batch.location_R1.ravel().tolist() == [1e6, 0]  # the last series has none of its own
    assert batch.scale_R1.ravel().tolist() == [1e6, 1]


def test_several_targets_are_read_beside_each_other() -> None:
    item, other = [[1.0, 2.0, 3.0, 4.0], [10.0, NAN, 30.0, 40.0]], [[5.0, 6.0, 7.0], [50.0, 60.0, 70.0]]
    gather = _gatherer([*item, *other], 2, 1, channels=2)
    batch = gather(np.array([0, 2]), np.array([3, 10]), 1)  # after three points of the first, two of the other
    assert batch.inputs.past_NTF.tolist() == [[[2, 0, 1, 0], [3, 30, 1, 1]], [[5, 50, 1, 1], [6, 60, 1, 1]]]
    assert batch.targets_Rh.tolist() == [[4], [40], [7], [70]]
    assert [len(part.location_R1) for part in batch.split(1)] == [2, 2]


SERIES = st.lists(
    st.lists(st.one_of(st.just(NAN), st.floats(-1e6, 1e6)), min_size=1, max_size=9), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=60)
@given(SERIES, st.integers(1, 4), st.integers(1, 7))
def test_units_and_scales_of_series_are_their_means_however_many_points_are_taken_together(series, season, at_once):
    before, batch_module.POINTS_AT_ONCE = batch_module.POINTS_AT_ONCE, at_once
    try:
        gather = _gatherer(series, 1, 1, "series", season=season)
        units, (locations, scales) = gather.units_S, gather._series_scales
    finally:
        batch_module.POINTS_AT_ONCE = before
    for number, values in enumerate(series):
        changes = [abs(b - a) for a, b in zip(values, values[season:], strict=False) if not math.isnan(b - a)]
        unit = sum(changes) / len(changes) if changes else 0
        assert units[number].item() == pytest.approx(unit or 1, rel=1e-12)
        known = [value for value in values if not math.isnan(value)]
        assert locations[number].item() == pytest.approx(np.mean(known) if known else 0, rel=1e-9, abs=1e-9)
        spread = np.std(known) if known else 0
        if spread > 1e-6 * max(map(abs, known), default=0):  # else nearly constant
            assert scales[number].item() == pytest.approx(spread, rel=1e-6)


def test_a_constant_series_is_scaled_by_its_size() -> None:
    location, scale = _gatherer([[5.0] * 4, [0.0] * 3], 1, 1, "series")._series_scales
    assert (location.tolist(), scale.tolist()) == ([5, 0], [5, 1])


def _table(lengths: list[int], targets: int, h: int) -> tuple[CovariateTable, list, list]:
    """Return covariates that say where they stand: (item, step), with steps going on after the item's end."""
    past = [[(item, step) for step in range(length)] for item, length in enumerate(lengths)]
    known = [[(item, step) for step in range(length + h)] for item, length in enumerate(lengths)]
    flat = [torch.tensor([one for item in part for one in item], dtype=torch.float32) for part in (past, known)]
    static = torch.arange(len(lengths), dtype=torch.float32)[:, None] * 100
    return CovariateTable(*flat, static, targets), past, known


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("targets", [1, 3])
def test_covariates_stand_beside_their_steps(targets: int, channels: int) -> None:
    """Every window of every item, also those that begin before it, held to a loop over items and steps."""
    lengths, T, h = [4, 1, 7], 3, 2
    if channels > targets:
        pytest.skip("targets are read together, or each by itself")
    table, _, known = _table(lengths, targets, h)
    each = [length for length in lengths for _ in range(targets)]
    gather = _gatherer([[1.0] * length for length in each], T, h, channels=channels, covariates=table)
    firsts = [series for series in range(len(each)) if series % channels == 0]
    places = [(series, since) for series in firsts for since in range(each[series] + 1)]
    numbers, since = np.array(places).T
    inputs = gather(numbers, gather.offsets.numpy()[numbers] + since, h).inputs
    for row, (series, at) in enumerate(places):
        item = series // targets
        steps = [max(0, at + step) for step in range(-T, h)]
        assert inputs.covariates_NTP[row].tolist() == [[item, step] for step in steps[:T]]
        assert inputs.known_NWK[row].tolist() == [list(known[item][step]) for step in steps]
        assert inputs.static_NS[row].tolist() == [100 * item]


def test_without_covariates_there_are_columns_of_none() -> None:
    inputs = _gather([[1.0] * 8], [(0, 4), (0, 5)], input_size=3, h=2).inputs
    shapes = [tuple(part.shape) for part in (inputs.covariates_NTP, inputs.known_NWK, inputs.static_NS)]
    assert shapes == [(2, 3, 0), (2, 5, 0), (2, 0)]


def test_nothing_as_large_as_the_values_is_made_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: the largest tensor that any operation makes on the way to a batch and its scales."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            for one in made if isinstance(made, tuple | list) else (made,):
                if isinstance(one, torch.Tensor) and one.untyped_storage().data_ptr() != values:
                    self.elements = max(self.elements, one.numel())
            return made

    monkeypatch.setattr(batch_module, "POINTS_AT_ONCE", 1000)
    series, length = 400, 250
    gather = _gatherer([[float(k), k + 1.0] * (length // 2) for k in range(series)], 20, 5, "series", season=7)
    values = gather.values.untyped_storage().data_ptr()
    with Largest() as largest:
        gather(np.arange(32), gather.offsets.numpy()[np.arange(32)] + 100, 5)
    assert largest.elements <= 2000  # of 100,000 points


def test_no_python_object_is_made_for_each_series() -> None:
    gather = _gatherer([[1.0, 2.0, 4.0]] * 20_000, 2, 1, "series")
    tracemalloc.start()
    assert gather.units_S.shape == (20_000,)
    assert gather._series_scales[0].shape == (20_000,)
    peak = tracemalloc.get_traced_memory()[1]  # Python's objects and numpy's arrays; tensors are not among them
    tracemalloc.stop()
    assert peak < 200_000  # ten bytes a series
