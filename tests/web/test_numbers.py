"""The page's numbers in a browser: those that Python recorded, those that it computes, and those after a change.

Held to 1e-5 against loops over single numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled
from browser import drive
from makers import QUICK, wave_frame
from recomputed import Changes, Direction, recompute
from unrolled.forecast.losses import loss_of
from unrolled.forecast.said import hear

LENGTHS = [6, 3, 5]
MODELS: dict[str, Callable[[], Any]] = {
    "LSTM, two layers": lambda: unrolled.LSTM(2, 4, 2, batch_first=True),
    "LSTM, both directions": lambda: unrolled.LSTM(2, 3, 2, bidirectional=True, batch_first=True),
    "LSTM with a projection": lambda: unrolled.LSTM(2, 5, proj_size=3, batch_first=True),
    "GRU, both directions": lambda: unrolled.GRU(2, 4, bidirectional=True, batch_first=True),
    "RNN": lambda: unrolled.RNN(2, 4, 2, batch_first=True),
    "widths": lambda: unrolled.LSTM(2, [3, 5], batch_first=True),
}
Place = tuple[int, str, str, int, int]  # layer, direction, gate or state, step, unit


def link(sample: int, layer: int, direction: str, gate: str, step: int, unit: int) -> str:
    return f"level=unit&sample={sample}&layer={layer}&direction={direction}&step={step}&unit={unit}&gate={gate}"


def places(computed: dict[tuple[int, str], Direction]) -> list[Place]:
    return [
        (layer, direction, name, step, unit)
        for (layer, direction), part in computed.items()
        for name, steps in part.numbers.items()
        for step, values in steps.items()
        for unit in range(len(values))
    ]


def expected(computed: dict[tuple[int, str], Direction], wanted: list[Place]) -> list[float]:
    return [computed[layer, direction].numbers[name][step][unit] for layer, direction, name, step, unit in wanted]


@pytest.fixture
def batch() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 6, 2)


@pytest.mark.parametrize("case", MODELS)
def test_recorded_and_computed_numbers_are_pythons(case: str, batch: Tensor, write: Callable[..., Path]) -> None:
    torch.manual_seed(0)
    layer = MODELS[case]()
    page = write(layer, batch, LENGTHS)
    sample = 1
    computed = recompute(layer, batch[sample, : LENGTHS[sample]].tolist())
    wanted = places(computed)
    read = {"read": [link(sample, *place[:3], *place[3:]) for place in wanted]}
    first = float(batch[sample, 0, 0])
    # An input that is set to what it is makes the page compute every number from the weights.
    seen = drive(
        page,
        read,
        {"go": f"level=cube&sample={sample}&step=0"},
        {"cell": {"block": "x", "row": 0, "column": 0}},
        {"set": repr(first)},
        {"click": ".inspector > button"},
        {"count": ".changes li"},
        read,
    )
    assert seen.errors == []
    np.testing.assert_allclose(seen.results[0], expected(computed, wanted), atol=1e-5, rtol=0)
    assert seen.results[5] == 1
    np.testing.assert_allclose(seen.results[6], expected(computed, wanted), atol=1e-5, rtol=0)


def test_a_changed_input_changes_what_follows(batch: Tensor, write: Callable[..., Path]) -> None:
    torch.manual_seed(0)
    layer = unrolled.LSTM(2, 4, 2, batch_first=True)
    page = write(layer, batch, LENGTHS)
    before = recompute(layer, batch[0].tolist())
    batch[0, 2, 1] = 1.75
    after = recompute(layer, batch[0].tolist())
    wanted = places(after)
    seen = drive(
        page,
        {"go": "level=cube&sample=0&step=2"},
        {"cell": {"block": "x", "row": 1, "column": 2}},
        {"set": 1.75},
        {"click": ".inspector > button"},
        {"read": [link(0, *place[:3], *place[3:]) for place in wanted]},
        {"click": ".changes .row button"},
        {"read": [link(0, *place[:3], *place[3:]) for place in wanted]},
    )
    np.testing.assert_allclose(seen.results[4], expected(after, wanted), atol=1e-5, rtol=0)
    np.testing.assert_allclose(seen.results[6], expected(before, wanted), atol=1e-5, rtol=0)
    assert np.abs(np.subtract(expected(after, wanted), expected(before, wanted))).max() > 0.1


@pytest.mark.parametrize(
    ("make", "state", "direction"),
    [
        (lambda: unrolled.LSTM(2, 4, 2, batch_first=True), "c", "forward"),
        (lambda: unrolled.LSTM(2, 4, 2, batch_first=True), "h", "forward"),
        (lambda: unrolled.GRU(2, 4, 2, bidirectional=True, batch_first=True), "h", "reverse"),
        (lambda: unrolled.RNN(2, 4, batch_first=True), "h", "forward"),
    ],
    ids=["LSTM c", "LSTM h", "GRU h, reverse", "RNN h"],
)
def test_a_state_that_is_set_goes_on(
    make: Callable[[], Any], state: str, direction: str, batch: Tensor, write: Callable[..., Path]
) -> None:
    torch.manual_seed(0)
    layer = make()
    page = write(layer, batch, LENGTHS)
    after = recompute(layer, batch[2, :5].tolist(), Changes({(state, 0, direction, 3, 1): 0.6}))
    wanted = places(after)
    seen = drive(
        page,
        {"go": link(2, 0, direction, state, 3, 1)},
        {"set": 0.6},
        {"read": [link(2, *place[:3], *place[3:]) for place in wanted]},
    )
    np.testing.assert_allclose(seen.results[2], expected(after, wanted), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("all_units", "all_steps"), list(product([False, True], repeat=2)))
def test_a_clamped_gate_holds(all_units: bool, all_steps: bool, batch: Tensor, write: Callable[..., Path]) -> None:
    torch.manual_seed(0)
    layer = unrolled.LSTM(2, 4, 2, bidirectional=True, batch_first=True)
    page = write(layer, batch, LENGTHS)
    clamp = ("f", 0, "forward", None if all_steps else 2, None if all_units else 3, 1.0)
    after = recompute(layer, batch[0].tolist(), Changes(clamps=(clamp,)))
    wanted = places(after)
    scope = [{"choose": {"selector": ".inspector .scope select", "nth": k, "value": {"index": int(chosen)}}}
             for k, chosen in enumerate((all_units, all_steps))]  # fmt: skip
    seen = drive(
        page,
        {"go": link(0, 0, "forward", "f", 2, 3)},
        *scope,
        {"set": 1},
        {"read": [link(0, *place[:3], *place[3:]) for place in wanted]},
    )
    np.testing.assert_allclose(seen.results[-1], expected(after, wanted), atol=1e-5, rtol=0)


class Headed(nn.Module):
    """A layer, what is read of it, and a head."""

    def __init__(self, layer: nn.Module, width: int, read: Callable[..., Tensor]) -> None:
        super().__init__()
        self.layer, self.read = layer, read
        self.head = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, 2), nn.Tanh())

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Whatever the head makes of it."""
        output, states = self.layer(x, lengths=lengths)
        answer: Tensor = self.head(self.read(output, states[0] if isinstance(states, tuple) else states, lengths))
        return answer


READINGS: dict[str, tuple[int, Callable[..., Tensor]]] = {
    "output": (3, lambda output, h_n, lengths: output),
    "output[:, -1]": (3, lambda output, h_n, lengths: output[:, -1]),
    "h_n[-1]": (3, lambda output, h_n, lengths: h_n[-1]),
    "output.mean(dim=1)": (3, lambda output, h_n, lengths: output.mean(1)),
    "output.amax(dim=1)": (3, lambda output, h_n, lengths: output.amax(1)),
    "torch.cat([h_n[-2], h_n[-1]], dim=1)": (6, lambda output, h_n, lengths: torch.cat([h_n[-2], h_n[-1]], 1)),
    "h_n[-2] + h_n[-1]": (3, lambda output, h_n, lengths: h_n[-2] + h_n[-1]),
}


@pytest.mark.parametrize("reads", READINGS)
def test_the_answer_follows_a_change(reads: str, batch: Tensor, write: Callable[..., Path]) -> None:
    torch.manual_seed(0)
    width, read = READINGS[reads]
    both = "h_n[-2]" in reads
    model = Headed(unrolled.LSTM(2, 3, batch_first=True, bidirectional=both), width, read)
    page = write(model, batch, LENGTHS)
    with torch.no_grad():
        before = model(batch, LENGTHS)[0].flatten().tolist()
        batch[0, 1, 0] = -2.5
        after = model(batch, LENGTHS)[0].flatten().tolist()
    answers = {"attribute": {"selector": ".answer td[data-value]", "name": "data-value"}}
    seen = drive(
        page,
        {"text": ".answer"},
        answers,
        {"go": "level=cube&sample=0&step=1"},
        {"cell": {"block": "x", "row": 0, "column": 1}},
        {"set": -2.5},
        answers,
    )
    assert reads in seen.results[0]
    np.testing.assert_allclose([float(v) for v in seen.results[1]], before[:12], atol=1e-5, rtol=0)
    np.testing.assert_allclose([float(v) for v in seen.results[5]], after[:12], atol=1e-5, rtol=0)
    assert np.abs(np.subtract(after, before)).max() > 1e-3


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
def test_a_forecast_follows_a_change(decoder: str, tmp_path: Path) -> None:
    frame = wave_frame(2, 60)
    settings = QUICK | {"network": "steps", "decoder": decoder, "input_size": 8, "cell": "GRU"}
    model = unrolled.Forecaster(h=4, **settings).fit(frame)
    path = tmp_path / "page.html"
    unrolled.explore(model, out=path)
    windows = model.last_windows()
    past = windows.batch.inputs.past_NTF.clone()
    past[1, 6, 0] = 1.25
    batch = replace(windows.batch, inputs=windows.batch.inputs._replace(past_NTF=past))
    changed = hear(windows.fitted.network, loss_of(model.config), batch, seed=0).point()[1]
    answers = {"attribute": {"selector": ".answer td[data-value]", "name": "data-value"}}
    seen = drive(
        path,
        {"go": "level=cube&sample=1&step=6"},
        answers,
        {"cell": {"block": "x", "row": 0, "column": 6}},
        {"set": 1.25},
        answers,
    )
    forecast = model.predict().query("unique_id == 's1'").GRU
    np.testing.assert_allclose([float(v) for v in seen.results[1]], forecast, rtol=1e-5)
    np.testing.assert_allclose([float(v) for v in seen.results[4]], changed, rtol=1e-5)


def test_a_picture_is_saved_as_svg_and_png(tour: Path) -> None:
    seen = drive(
        tour,
        *({"go": f"level={level}&sample=1"} for level in ("cube", "stack")),
        {"download": ".stage .tools button.save"},
        {"download": ".stage .tools button.save + button"},
    )
    svg, png = seen.results[2:]
    assert svg["name"].endswith(".svg")
    assert base64.b64decode(svg["content"]).decode().lstrip().startswith("<svg")
    assert png["name"].endswith(".png")
    assert base64.b64decode(png["content"]).startswith(b"\x89PNG")
    assert seen.errors == []
