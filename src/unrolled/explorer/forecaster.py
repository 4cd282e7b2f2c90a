"""From a forecaster to what the page tells of it: the last window of each series, and the forecast that comes of it.

Shapes: N = series, T = steps of the window, F = 2 features, H = hidden units, h = horizon, Q = outputs per step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from unrolled import analysis
from unrolled.data.wording import time_text
from unrolled.explorer.attribution import Cost, attribution
from unrolled.explorer.model import of_trace
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import LastWindows
from unrolled.forecast.forecaster import Forecaster
from unrolled.forecast.networks.steps import Recursive
from unrolled.layers.tracing import to_numpy
from unrolled.trace import Array, Head, HeadLayer, NamedArray
from unrolled.view.page.document import Feedback, PageHead, PageNetwork
from unrolled.view.page.sampling import MOST, Samples

FEATURES: Final = ("value", "observed")


@dataclass(frozen=True, eq=False)
class ForecasterPage:
    """A forecaster's network, the names of its axes, and a title."""

    network: PageNetwork
    names: dict[str, tuple[str, ...]]
    title: str
    notes: list[str]


class _FirstAnswer(nn.Module):
    """What the network answers from the window alone: every step of it at once, or the first that is fed back."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoder, self.head = network.encoder, network.head

    def forward(self, past: Tensor) -> Tensor:
        """Return (N, outputs)."""
        output_NTH, _ = self.encoder(past)
        answer: Tensor = self.head(output_NTH[:, -1])
        return answer


def forecaster_page(model: Forecaster, source: Any) -> ForecasterPage:
    """Return what the page shows of the last window of each series, of at most as many series as it can show.

    Raises:
        NotFittedError, DataError: As `Forecaster.predict` does.
    """
    windows = model.last_windows(source, MOST["batch"])
    panel, config = windows.panel, windows.fitted.config
    network, notes = _network(windows)
    times = windows.times()
    names = {
        "batch": tuple(map(str, panel.ids)),
        "time": _texts(times, range(1 - times.shape[1], 1)),
        "feature": FEATURES,
    }
    series = "1 series" if len(panel) == 1 else f"{len(panel):,} series"
    ahead = f"the next {config.h:,} {panel.freq.points}" if config.h > 1 else "the next step"
    return ForecasterPage(network, names, f"{config.name} forecaster: {ahead} of {series}", notes)


def _network(windows: LastWindows) -> tuple[PageNetwork, list[str]]:
    network: Any = windows.fitted.network
    past_NTF = windows.batch.inputs.past_NTF
    answer = _FirstAnswer(network)
    (recorded,) = analysis.record(network.encoder, past_NTF)
    recorded = replace(recorded, layer=replace(recorded.layer, name="encoder"))
    given = attribution(answer, past_NTF, None, Cost.of((recorded,)))
    of = "the first step's answer" if isinstance(network, Recursive) else "the sum of all steps' answers"
    found = (analysis.gradient_flow(answer, past_NTF), given)
    about = tuple(replace(each, facts=dict(each.facts) | {"answer": of}) for each in found)
    notes = [f"Attribution is by {given.facts['method']}: {given.facts['why']}."] if "why" in given.facts else []
    samples = Samples(len(windows.panel), windows.series)
    return PageNetwork(recorded, _head(windows), (*of_trace(recorded.trace), *about), samples), notes


def _head(windows: LastWindows) -> PageHead:
    fitted, batch = windows.fitted, windows.batch
    network: Any = fitted.network
    with torch.inference_mode():
        answer_NhQ = network(batch.inputs)
    feedback = None
    if isinstance(network, Recursive):
        feedback = Feedback(fitted.config.h, _middle(fitted.config), (1.0,))
        output = NamedArray(to_numpy(answer_NhQ), ("batch", "step", "output"))
    else:
        output = NamedArray(to_numpy(answer_NhQ.flatten(1)), ("batch", "output"))
    dense = HeadLayer(
        "Linear",
        NamedArray(to_numpy(network.head.weight), ("output", "hidden")),
        NamedArray(to_numpy(network.head.bias), ("output",)),
    )
    head = Head("output[:, -1]", (dense,), output)
    scales = (NamedArray(to_numpy(values[:, 0]), ("batch",)) for values in (batch.location_R1, batch.scale_R1))
    return PageHead(head, feedback, (next(scales), next(scales)), _labels(windows))


def _middle(config: Config) -> int:
    return config.quantiles.index(0.5) if config.loss == "quantile" else 0


def _labels(windows: LastWindows) -> tuple[str, ...]:
    """The time of each forecast; several outputs a step are its quantiles."""
    config, times = windows.fitted.config, windows.future_times()
    steps = _texts(times, range(1, times.shape[1] + 1))
    if config.loss != "quantile":
        return steps
    return tuple(f"{step}, quantile {quantile:g}" for step in steps for quantile in config.quantiles)


def _texts(times: Array, places: range) -> tuple[str, ...]:
    """Times in words: dates where all series have the same ones, else how far from each series' last."""
    if (times == times[0]).all():
        return tuple(time_text(time) for time in times[0])
    return tuple(f"t{place:+d}" if place else "t" for place in places)
