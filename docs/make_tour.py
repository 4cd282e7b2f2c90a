"""Makes src/unrolled/view/tour.json: the small model on which the explorer's guided tour runs.

An LSTM of two layers reads up to seven days of weather of four cities and forecasts tomorrow's temperature; beside it a
small bidirectional one reads the same days. The weather is made up. Run it again when the page document changes:

    python docs/make_tour.py

Shapes: T = time, N = batch, F = features, W = windows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import unrolled
from unrolled import analysis
from unrolled.explorer.model import of_trace
from unrolled.trace import Analysis, Array, NamedArray
from unrolled.view.page.document import PageFacts, PageHead, PageNetwork, page_document

TARGET = Path(__file__).parents[1] / "src" / "unrolled" / "view" / "tour.json"

CITIES = ("Lisbon", "Oslo", "Quito", "Cairo")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEATHER = ("temperature", "wind", "cloud")
LENGTHS = [7, 5, 3, 6]

MEAN, SPREAD = 14.0, 6.0
"""Of the temperatures, in °C: the model reads and forecasts them without."""

WARMTH = np.array([3.0, -8.0, 0.0, 9.0])
"""How much warmer than the mean each city is."""


class Weather(nn.Module):
    """Tomorrow's temperature, from the last layer's state after each city's last day."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = unrolled.LSTM(len(WEATHER), 5, num_layers=2, batch_first=True)
        self.head = nn.Linear(5, 1)

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        """Return (N, 1) from (N, T, F)."""
        _, (h_n, _) = self.lstm(x, lengths=lengths)
        answer: Tensor = self.head(h_n[-1])
        return answer


def make_weather(days: int, draw: np.random.Generator) -> Array:
    """Return (N, days, F): warm air lasts, clouds cool the next day, wind drives the clouds away."""
    days_NTF = np.zeros((len(CITIES), days, len(WEATHER)))
    warmth, wind, cloud = WARMTH / SPREAD, np.zeros(len(CITIES)), np.zeros(len(CITIES))
    for day in range(days):
        warmth = 0.8 * warmth + 0.2 * WARMTH / SPREAD - 0.25 * cloud + 0.08 * draw.normal(size=len(CITIES))
        cloud = 0.6 * cloud - 0.4 * wind + 0.5 * draw.normal(size=len(CITIES))
        wind = 0.5 * wind + 0.6 * draw.normal(size=len(CITIES))
        days_NTF[:, day] = np.stack([warmth, wind, cloud], axis=1)
    return days_NTF


def train(model: Weather, days_NTF: Array, steps: int = 300) -> float:
    """Train on every window of seven days, of any length from one on; return the last loss."""
    windows_WTF = np.lib.stride_tricks.sliding_window_view(days_NTF[:, :-1], len(DAYS), axis=1).transpose(0, 1, 3, 2)
    x_WTF = torch.from_numpy(windows_WTF.reshape(-1, len(DAYS), len(WEATHER)).copy())
    after_WT = torch.from_numpy(
        np.lib.stride_tricks.sliding_window_view(days_NTF[:, 1:, 0], len(DAYS), axis=1).reshape(-1, len(DAYS)).copy()
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        chosen = torch.randint(len(x_WTF), (64,))
        lengths = torch.randint(1, len(DAYS) + 1, (64,))
        loss = nn.functional.mse_loss(model(x_WTF[chosen], lengths)[:, 0], after_WT[chosen, lengths - 1])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(loss.detach())


def make() -> tuple[dict[str, Any], Weather, nn.Module, Tensor]:
    """Return the page document, both models and the batch."""
    draw = np.random.default_rng(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = Weather().double()  # so that machines differ by little in what they learn
        train(model, make_weather(400, draw))
        both = unrolled.LSTM(len(WEATHER), 4, batch_first=True, bidirectional=True)
    x_NTF = make_weather(30, draw)[:, -len(DAYS) :]
    valid_NT1 = np.arange(len(DAYS))[:, None] < np.array(LENGTHS)[:, None, None]
    x = torch.from_numpy(np.where(valid_NT1, x_NTF, 0)).float()
    model.float()
    facts = PageFacts(
        title="Tomorrow's temperature in four cities",
        purpose="tour",
        made_with={"unrolled": version("unrolled"), "torch": version("torch").partition("+")[0]},
        names={"batch": CITIES, "time": DAYS, "feature": WEATHER},
    )
    document = page_document([_forecasting(model, x), _reading_both_ways(both, x)], facts)
    return document, model, both, x


def _forecasting(model: Weather, x: Tensor) -> PageNetwork:
    (recorded,) = analysis.record(model, x, LENGTHS)
    head = analysis.find_head(model, x, recorded, LENGTHS)
    assert head is not None, "the head is a Linear on h_n[-1]"
    scales = [np.full(len(CITIES), value) for value in (MEAN, SPREAD)]
    unscale = NamedArray(scales[0], ("batch",)), NamedArray(scales[1], ("batch",))
    found = (
        *of_trace(recorded.trace),
        analysis.gradient_flow(model, x, LENGTHS),
        _named_attribution(analysis.occlusion(model, x, LENGTHS)),
    )
    return PageNetwork(recorded, PageHead(head, None, unscale, ("temperature tomorrow, °C",)), found)


def _named_attribution(found: Analysis) -> Analysis:
    return replace(found, name="attribution", facts=dict(found.facts) | {"method": "occlusion"})


def _reading_both_ways(layer: nn.Module, x: Tensor) -> PageNetwork:
    (recorded,) = analysis.record(layer, x, LENGTHS)
    named = replace(recorded, layer=replace(recorded.layer, name="both_ways"))
    return PageNetwork(named, None, of_trace(recorded.trace))


if __name__ == "__main__":
    document, *_ = make()
    TARGET.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
