"""The page document: its numbers are the trace's, and of a large model it holds what fits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import unrolled
from page_numbers import bytes_of, numbers
from unrolled import analysis
from unrolled.cells.activations import ACTIVATIONS
from unrolled.trace import Analysis, Head, HeadLayer, NamedArray, PartValues
from unrolled.view.page import computes as page_computes
from unrolled.view.page.document import Feedback, PageFacts, PageHead, PageNetwork, page_document
from unrolled.view.page.sampling import Samples, pick

FACTS = PageFacts("a model", "model", {"unrolled": "1", "torch": "2"}, {"feature": ("sun", "wind", "rain")})


def document_of(model: nn.Module, x: Any, lengths: Any = None, **rest: Any) -> tuple[dict[str, Any], Any]:
    (recorded,) = analysis.record(model, x, lengths)
    document = page_document([PageNetwork(recorded, **rest)], FACTS)
    json.dumps(document, allow_nan=False)
    return document["networks"][0], recorded


CASES: dict[str, tuple[Any, tuple[int, ...], list[int] | None]] = {
    "LSTM, two layers": (lambda: unrolled.LSTM(3, 5, 2), (7, 4, 3), None),
    "batch first, ragged": (lambda: unrolled.LSTM(3, 5, batch_first=True), (4, 7, 3), [7, 5, 3, 6]),
    "both directions": (lambda: unrolled.LSTM(3, 5, 2, bidirectional=True), (7, 4, 3), [7, 5, 3, 6]),
    "unbatched": (lambda: unrolled.LSTM(3, 5), (7, 3), None),
    "widths": (lambda: unrolled.LSTM(3, [5, 4], bidirectional=True), (7, 4, 3), None),
    "projection": (lambda: unrolled.LSTM(3, 5, 2, proj_size=2), (7, 4, 3), None),
    "GRU": (lambda: unrolled.GRU(3, 5, 2, bias=False), (7, 4, 3), None),
    "RNN": (lambda: unrolled.RNN(3, 5, nonlinearity="relu"), (7, 4, 3), None),
    "torch.nn.LSTM": (lambda: nn.LSTM(3, 5, 2, batch_first=True), (4, 7, 3), None),
    "torch.nn.GRU": (lambda: nn.GRU(3, 5, bidirectional=True), (7, 4, 3), None),
    "torch.nn.RNN": (lambda: nn.RNN(3, 5), (7, 4, 3), None),
    "float64": (lambda: unrolled.LSTM(3, 5, dtype=torch.float64), (7, 4, 3), None),
    "SLSTM": (lambda: unrolled.SLSTM(3, 4), (7, 4, 3), None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_small_model_is_in_the_page_whole(case: str) -> None:
    make, shape, lengths = CASES[case]
    model = make()
    dtype = next(model.parameters()).dtype
    network, recorded = document_of(model, torch.randn(shape, dtype=dtype), lengths)
    trace, layer = recorded.trace, recorded.layer
    assert trace.kind == network["trace"]["kind"]
    assert network["source"] == layer.source
    assert [(p["layer"], p["direction"]) for p in network["trace"]["parts"]] == [
        (p.layer, p.direction) for p in trace.parts
    ]
    for written, part in zip(network["trace"]["parts"], trace.parts, strict=True):
        assert list(written["arrays"]) == list(part.arrays)
        for name, array in part.arrays.items():
            np.testing.assert_array_equal(numbers(written["arrays"][name]), array.values)
            assert written["arrays"][name]["axes"] == list(array.axes)
    for written, weights in zip(network["weights"], layer.weights, strict=True):
        for name, array in weights.arrays.items():
            np.testing.assert_array_equal(numbers(written["arrays"][name]), array.values)
    for written, part in zip(network["initial"], trace.parts, strict=True):
        assert set(written["arrays"]) == {f"{state}_0" for state in ("h", "c", "n", "m") if f"{state}_0" in part.arrays}
    np.testing.assert_array_equal(numbers(network["inputs"]), trace.parts[0]["inputs"].values.swapaxes(0, 1))
    np.testing.assert_array_equal(numbers(network["trace"]["output"]), trace.output.values)
    for name, state in trace.finals.items():
        arrays = state if isinstance(state, tuple) else (state,)
        for written, array in zip(network["trace"]["finals"][name]["arrays"], arrays, strict=True):
            np.testing.assert_array_equal(numbers(written), array.values)
    if case != "SLSTM":
        assert network["computes"] is None


def test_its_trace_is_one_that_trace_reads() -> None:
    network, recorded = document_of(unrolled.GRU(3, 5, 2), torch.randn(7, 4, 3), [7, 5, 3, 6])
    again = unrolled.Trace.from_json(json.dumps(network["trace"]))
    assert repr(again) == repr(recorded.trace)
    assert again.to_json() == recorded.trace.to_json()


def test_large_axes_are_sampled_evenly_first_and_last_kept() -> None:
    x = torch.randn(70, 600, 100)
    network, recorded = document_of(unrolled.LSTM(100, [80, 10], batch_first=True, bidirectional=True), x)
    shown, trace = network["shown"], recorded.trace
    assert network["sizes"] == {"batch": 70, "time": 600, "feature": 100}
    for axis, size, most in (("time", 600, 512), ("feature", 100, 64)):
        assert len(shown[axis]) == most
        assert (shown[axis][0], shown[axis][-1]) == (0, size - 1)
        assert set(np.diff(shown[axis])) <= {size // most, size // most + 1}
    assert [len(units) for units in shown["hidden"]] == [64, 10]
    samples, steps = np.ix_(shown["time"], shown["batch"])
    for written, part in zip(network["trace"]["parts"], trace.parts, strict=True):
        units = shown["hidden"][part.layer]
        for name in ("i", "f_pre", "h", "c"):
            np.testing.assert_array_equal(
                numbers(written["arrays"][name]), part[name].values[samples, steps][..., units]
            )
        np.testing.assert_array_equal(numbers(written["arrays"]["c_0"]), part["c_0"].values[shown["batch"]][:, units])
    np.testing.assert_array_equal(
        numbers(network["inputs"]), trace.parts[0]["inputs"].values.swapaxes(0, 1)[shown["batch"]]
    )


def test_what_later_layers_read_and_the_output_hold_the_shown_units_of_both_directions() -> None:
    network, recorded = document_of(unrolled.GRU(2, [80, 90], bidirectional=True), torch.randn(3, 2, 2))
    first, last = network["shown"]["hidden"]
    read = [*first, *(80 + unit for unit in first)]
    inputs = recorded.trace[1, "forward"]["inputs"].values
    np.testing.assert_array_equal(numbers(network["trace"]["parts"][2]["arrays"]["inputs"]), inputs[..., read])
    given = [*last, *(90 + unit for unit in last)]
    np.testing.assert_array_equal(numbers(network["trace"]["output"]), recorded.trace.output.values[..., given])
    assert network["trace"]["output"]["places"] == [
        {"layer": 1, "direction": "forward", "first": 0, "count": 90},
        {"layer": 1, "direction": "reverse", "first": 90, "count": 90},
    ]


def test_final_states_are_restricted_like_everything_else() -> None:
    model = unrolled.LSTM(2, 100, 2, proj_size=70)
    network, recorded = document_of(model, torch.randn(5, 3, 2), [5, 2, 4])
    trace, units, projected = recorded.trace, network["shown"]["hidden"][0], pick(70, 64)
    h_n, c_n = (network["trace"]["finals"][name] for name in ("h_n", "c_n"))
    np.testing.assert_array_equal(numbers(h_n["arrays"][0]), trace.h_n.values[..., projected])
    np.testing.assert_array_equal(numbers(c_n["arrays"][0]), trace.c_n.values[..., units])
    assert h_n["places"][0] == {"layer": 0, "direction": "forward", "steps": [4, 1, 3]}


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.LSTM(7, 512, batch_first=True), (8, 1000, 7)),
        (lambda: nn.LSTM(7, 256, 6, bidirectional=True), (700, 2, 7)),
        (lambda: nn.LSTM(7, 1024, 4, bidirectional=True, proj_size=100), (3, 70, 7)),
        (lambda: nn.GRU(3000, 8), (1500, 3, 3000)),
    ],
    ids=["wide and long", "deep", "many weights", "many inputs"],
)
def test_the_page_stays_under_20_mb(make: Any, shape: tuple[int, ...]) -> None:
    network, _ = document_of(make(), torch.randn(shape))
    assert len(json.dumps(network)) < 19_500_000
    assert bytes_of(network) > 1_000_000  # and what fits is there
    assert len(network["shown"]["batch"]) >= 1


def test_the_large_model_of_the_budget_computes_still() -> None:
    network, _ = document_of(nn.LSTM(7, 512, batch_first=True), torch.randn(4, 1000, 7))
    assert network["computes"] is None
    assert numbers(network["weights"][0]["arrays"]["weight_hh"]).shape == (2048, 512)
    assert network["inputs"]["shape"] == [len(network["shown"]["batch"]), 1000, 7]


def test_weights_or_inputs_that_do_not_fit_are_left_out_and_it_is_said() -> None:
    heavy, _ = document_of(nn.GRU(2, 1200), torch.randn(2, 1, 2))
    assert heavy["weights"] == []
    assert heavy["initial"] == []
    assert "weights would make it too large" in heavy["computes"]
    long, _ = document_of(nn.GRU(1500, 2), torch.randn(1500, 1, 1500))
    assert long["inputs"] is None
    assert "whole input would make it too large" in long["computes"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"zoneout": 0.1}, "zoneout=0.1"),
        ({"zoneout": (0.0, 0.2)}, "zoneout=(0.0, 0.2)"),
        ({"activation": torch.sin}, "activation='sin'"),
        ({"zoneout": (0.0, 0.0)}, None),
        ({"peephole": True, "layer_norm": True, "coupled_gates": True, "cell_clip": 1.0}, None),
        ({"activation": unrolled.Activation("elu", alpha=0.5)}, None),
    ],
)
def test_options_that_the_page_lacks_are_named(options: dict[str, Any], reason: str | None) -> None:
    network, _ = document_of(unrolled.LSTM(2, 3, **options), torch.randn(4, 1, 2))
    assert network["computes"] is None if reason is None else reason in network["computes"]


def test_other_kinds_are_shown_only() -> None:
    network, _ = document_of(unrolled.SLSTM(2, 4), torch.randn(4, 1, 2))
    assert "this is SLSTM" in network["computes"]


def test_the_page_knows_every_named_activation() -> None:
    assert set(page_computes.ACTIVATIONS) == set(ACTIVATIONS)


def test_float64_stays_only_where_it_is_small() -> None:
    small, _ = document_of(unrolled.LSTM(2, 3, dtype=torch.float64), torch.randn(4, 1, 2, dtype=torch.float64))
    large, _ = document_of(unrolled.LSTM(2, 200, dtype=torch.float64), torch.randn(4, 1, 2, dtype=torch.float64))
    assert small["weights"][0]["arrays"]["weight_hh"]["dtype"] == small["inputs"]["dtype"] == "<f8"
    assert large["weights"][0]["arrays"]["weight_hh"]["dtype"] == large["inputs"]["dtype"] == "<f4"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types_are_written_as_float32(dtype: torch.dtype) -> None:
    network, _ = document_of(unrolled.LSTM(2, 3, dtype=dtype), torch.randn(4, 1, 2, dtype=dtype))
    assert network["weights"][0]["arrays"]["weight_ih"]["dtype"] == "<f4"


def _head(answer: np.ndarray, axes: tuple[str, ...]) -> Head:
    weight = NamedArray(np.arange(10.0).reshape(2, 5), ("output", "hidden"))
    return Head("output", (HeadLayer("Linear", weight, None), HeadLayer("ReLU")), NamedArray(answer, axes))


def test_a_head_is_written_with_its_answer_batch_first() -> None:
    answer = np.random.default_rng(0).normal(size=(7, 4, 2))
    scale = NamedArray(np.array([1e6, 1e6 + 1e-3, 3, 4]), ("batch",))
    head = PageHead(_head(answer, ("time", "batch", "output")), Feedback(3, 1, (1.0,)), (scale, scale), ("a", "b"))
    network, _ = document_of(unrolled.LSTM(3, 5), torch.randn(7, 4, 3), head=head)
    written = network["head"]
    assert written["reads"] == "output"
    assert [layer["kind"] for layer in written["layers"]] == ["Linear", "ReLU"]
    assert written["layers"][0]["bias"] is None
    assert written["output"]["axes"] == ["batch", "time", "output"]
    np.testing.assert_allclose(numbers(written["output"]), answer.swapaxes(0, 1), rtol=1e-6)
    assert written["feedback"] == {"steps": 3, "output": 1, "constants": [1.0]}
    np.testing.assert_array_equal(numbers(written["unscale"]["location"]), scale.values)
    assert written["labels"] == ["a", "b"]


def test_a_head_that_does_not_fit_is_left_out() -> None:
    head = PageHead(_head(np.zeros((7, 4, 200_000)), ("time", "batch", "output")))
    network, _ = document_of(unrolled.LSTM(3, 5), torch.randn(7, 4, 3), head=head)
    assert network["head"] is None


def test_analyses_are_restricted_to_what_is_shown_and_to_their_layer() -> None:
    values = np.random.default_rng(0).normal(size=(7, 70, 80))
    mine = PartValues(0, "forward", "h", NamedArray(values, ("time", "batch", "hidden")))
    other = PartValues(0, "forward", "h", NamedArray(values, ("time", "batch", "hidden")), name="decoder")
    found = Analysis("gradient_flow", (mine, other), {"gap": float("nan"), "loss": 2.5})
    network, _ = document_of(unrolled.LSTM(3, 80), torch.randn(7, 70, 3), analyses=(found,))
    (written,) = network["analyses"]
    shown = network["shown"]
    assert (written["name"], written["layer"], written["direction"], written["of"]) == (
        "gradient_flow",
        0,
        "forward",
        "h",
    )
    np.testing.assert_allclose(numbers(written["array"]), values[:, shown["batch"]][..., shown["hidden"][0]], rtol=1e-6)
    assert written["facts"] == {"gap": "nan", "loss": 2.5}


def test_samples_cut_before_the_run_keep_their_numbers() -> None:
    samples = Samples(1000, np.array([0, 333, 999]))
    network, _ = document_of(unrolled.LSTM(3, 5), torch.randn(7, 3, 3), samples=samples)
    assert network["sizes"]["batch"] == 1000
    assert network["shown"]["batch"] == [0, 333, 999]


def test_of_very_many_names_those_that_are_shown_stay() -> None:
    (recorded,) = analysis.record(unrolled.GRU(2, 3), torch.randn(2, 12_000, 2))
    names = {"batch": [f"n{k}" for k in range(12_000)], "feature": ["a", "b"]}
    document = page_document([PageNetwork(recorded)], PageFacts("", "model", {}, names))
    shown = document["networks"][0]["shown"]["batch"]
    assert [k for k, name in enumerate(document["names"]["batch"]) if name] == shown
    assert document["names"]["batch"][shown[5]] == f"n{shown[5]}"
    assert document["names"]["feature"] == ["a", "b"]


@pytest.mark.parametrize(("size", "most"), [(1, 1), (5, 5), (6, 5), (1000, 64), (513, 512), (7, 1)])
def test_picking(size: int, most: int) -> None:
    picked = pick(size, most)
    assert len(picked) == min(size, most)
    assert picked[0] == 0
    assert most == 1 or picked[-1] == size - 1
    assert (np.diff(picked) > 0).all()
    assert len(picked) < 3 or np.ptp(np.diff(picked)) <= 1
