"""The small model that the explorer's tour runs on: what ships is what its script makes."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unrolled
from page_numbers import numbers
from unrolled.view.page.html import tour_document


@pytest.fixture(scope="module")
def tour() -> dict[str, Any]:
    script = Path(__file__).parents[1] / "docs" / "make_tour.py"
    return runpy.run_path(str(script))


def same(made: Any, shipped: Any, place: str = "") -> None:
    """Alike but for rounding."""
    if isinstance(made, dict) and "data" in made:
        assert {**made, "data": ""} == {**shipped, "data": ""}, place
        np.testing.assert_allclose(numbers(made), numbers(shipped), rtol=1e-4, atol=1e-5, err_msg=place)
    elif isinstance(made, dict):
        assert made.keys() == shipped.keys(), place
        for key in made:
            same(made[key], shipped[key], f"{place}.{key}")
    elif isinstance(made, list):
        assert len(made) == len(shipped), place
        for k, (a, b) in enumerate(zip(made, shipped, strict=True)):
            same(a, b, f"{place}[{k}]")
    else:
        assert made == pytest.approx(shipped, abs=1e-5) if isinstance(made, float) else made == shipped, place


def test_the_shipped_tour_is_what_its_script_makes(tour: dict[str, Any]) -> None:
    document, *_ = tour["make"]()
    shipped = tour_document()
    document["made_with"] = shipped["made_with"]
    same(json.loads(json.dumps(document)), shipped)
    assert (Path(unrolled.__file__).parent / "view" / "tour.json").stat().st_size < 150_000


def test_the_tours_numbers_are_the_layers(tour: dict[str, Any]) -> None:
    _, model, both, x = tour["make"]()
    forecasting, both_ways = tour_document()["networks"]
    with torch.no_grad():
        answer = model(x, tour["LENGTHS"])
        output, (h_n, c_n) = both(x, lengths=tour["LENGTHS"])
    np.testing.assert_allclose(numbers(forecasting["head"]["output"]), answer.numpy(), atol=1e-4)
    np.testing.assert_allclose(numbers(both_ways["trace"]["output"]), output.numpy(), atol=1e-4)
    for name, state in (("h_n", h_n), ("c_n", c_n)):
        np.testing.assert_allclose(numbers(both_ways["trace"]["finals"][name]["arrays"][0]), state.numpy(), atol=1e-4)
    assert forecasting["computes"] is both_ways["computes"] is None


def test_the_tours_model_has_learnt(tour: dict[str, Any]) -> None:
    """It beats saying that tomorrow is as today, on weather that it has not seen."""
    _, model, *_ = tour["make"]()
    days = tour["make_weather"](60, np.random.default_rng(99))
    windows = [(days[:, k : k + 7], days[:, k + 7, 0]) for k in range(50)]
    with torch.no_grad():
        errors = [np.abs(model(torch.from_numpy(w).float(), [7] * 4)[:, 0].numpy() - after) for w, after in windows]
    today = [np.abs(w[:, -1, 0] - after) for w, after in windows]
    assert np.mean(errors) < 0.6 * np.mean(today)
