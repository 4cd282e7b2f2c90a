"""From a forecaster to what the page tells of it: the last window of each series, and the forecast that comes of it.

The page follows one recurrent layer and one dense head. Whatever else a network does on the way to its forecast is said
in the notes, and no number that the page could not compute itself is shown as if it could.

Shapes: N = windows, T = steps of the window, F = features of a step, H = hidden units, h = horizon, C = targets read
together, Q = outputs per step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from unrolled import analysis
from unrolled.data.wording import time_text
from unrolled.errors import UnrolledError
from unrolled.explorer.attribution import Cost, attribution
from unrolled.explorer.model import of_trace
from unrolled.forecast.features import input_names
from unrolled.forecast.fitted import LastWindows
from unrolled.forecast.forecaster import Forecaster
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks.covariates import embedding_width
from unrolled.forecast.networks.deepar import DeepAR
from unrolled.forecast.networks.heads import with_summary
from unrolled.forecast.networks.revin import RevIN
from unrolled.forecast.networks.segments import Segments
from unrolled.forecast.networks.seq2seq import Seq2Seq
from unrolled.forecast.networks.steps import Direct, Recursive
from unrolled.layers.tracing import to_numpy
from unrolled.trace import Analysis, Array, Head, HeadLayer, NamedArray, Recorded
from unrolled.view.page.document import Feedback, PageHead, PageNetwork
from unrolled.view.page.sampling import MOST, Samples

ENCODER: Final = "encoder"


@dataclass(frozen=True, eq=False)
class ForecasterPage:
    """A forecaster's network, the names of its axes, and a title."""

    network: PageNetwork
    names: dict[str, tuple[str, ...]]
    title: str
    notes: list[str]


def forecaster_page(model: Forecaster, source: Any) -> ForecasterPage:
    """Return what the page shows of the last window of each series, of at most as many series as it can show.

    Raises:
        NotFittedError, DataError: As `Forecaster.predict` does.
    """
    windows = model.last_windows(source, MOST["batch"])
    view = _View.of(windows)
    panel, config = windows.panel, windows.fitted.config
    # Its encoder's first call: of the window.
    recorded, *_ = (one for one in analysis.record(_Whole(view), view.inputs.past_NTF) if one.layer.name == ENCODER)
    analyses = (*of_trace(recorded.trace), *_analyses(view, recorded))
    head = _head(view, recorded)
    _note_what_follows(view, head)
    samples = Samples(len(panel) // view.channels, windows.series // view.channels)
    series = "1 series" if samples.size == 1 else f"{samples.size:,} series"
    ahead = f"the next {config.h:,} {panel.freq.points}" if config.h > 1 else "the next step"
    return ForecasterPage(
        PageNetwork(recorded, head, analyses, samples),
        _names(view, recorded),
        f"{config.name} forecaster: {ahead} of {series}",
        view.notes,
    )


@dataclass(frozen=True, eq=False)
class _View:
    """The network that is shown, between what is taken out of its windows and put back.

    core: the network itself, inside of what changes the scale of its values. inputs: what it reads. location_R1,
    scale_R1: what it forecasts · scale + location is in the (transformed) units of the data. notes: in sentences.
    """

    windows: LastWindows
    core: Any
    inputs: Inputs
    location_R1: Tensor
    scale_R1: Tensor
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, windows: LastWindows) -> _View:
        network, batch = windows.fitted.network, windows.batch
        location_R1, scale_R1 = batch.location_R1, batch.scale_R1
        core, inputs, notes = network, batch.inputs, []
        members = len(windows.fitted.members)
        if members > 1:
            notes.append(f"The first of the ensemble's {members} networks is shown; the forecast is the median of all.")
        if isinstance(network, RevIN):
            with torch.no_grad():
                inputs = network.changed(batch.inputs)
                offset_R1, gain_R1 = (one.double() for one in network.inverse(len(scale_R1)))
            core, location_R1, scale_R1 = network.network, location_R1 + scale_R1 * offset_R1, scale_R1 * gain_R1
        return cls(windows, core, inputs, location_R1, scale_R1, notes)

    @property
    def channels(self) -> int:
        """How many targets are read together."""
        return self.windows.batch.channels

    @property
    def one_at_a_time(self) -> bool:
        """Whether each step is forecast from the one before it."""
        return isinstance(self.core, Recursive | DeepAR)

    @property
    def reads_every_step(self) -> bool:
        """Whether the head reads what the encoder gives after the window's last step."""
        return isinstance(self.core, Direct | Recursive | DeepAR)


class _Whole(nn.Module):
    """The network as a function of its past values alone; its encoder keeps its own name."""

    def __init__(self, view: _View) -> None:
        super().__init__()
        self.encoder, self.core, self._inputs = view.core.encoder, view.core, view.inputs

    def forward(self, past: Tensor) -> Tensor:
        """Return (N, outputs): all that is forecast of each window."""
        answer: Tensor = self.core(self._inputs._replace(past_NTF=past))
        return answer.reshape(past.shape[0], -1)


class _Answer(nn.Module):
    """What the head makes of the encoder's output: every step at once, or the first, which is fed back."""

    def __init__(self, core: Any) -> None:
        super().__init__()
        self.encoder, self.head = core.encoder, core.head
        self.pool = getattr(core, "pool", None)

    def forward(self, read: Tensor) -> Tensor:
        """Return (N, outputs)."""
        output_NTH, _ = self.encoder(read)
        summary_NH = None if self.pool is None else self.pool(output_NTH)
        answer: Tensor = self.head(with_summary(output_NTH[:, -1:], summary_NH)[:, 0])
        return answer


def _note_what_follows(view: _View, head: PageHead | None) -> None:
    """Say where the page ends before the network does."""
    if isinstance(view.core, Segments):
        view.notes.append("The window is shown; how the network forecasts piece by piece from there is left out.")
    elif not isinstance(view.core, Direct) and (head is None or head.feedback is None):
        view.notes.append("The window is shown; how the network goes on over the horizon from there is left out.")


def _analyses(view: _View, recorded: Recorded) -> tuple[Analysis, ...]:
    """Where the answer's gradient goes, and which inputs it came from; notes say what can't be told."""
    read = _as_read(view, recorded)
    of = "the first step's answer" if view.one_at_a_time else "the sum of all steps' answers"
    answer: nn.Module
    if view.reads_every_step:
        answer, x = _Answer(view.core), read
        if getattr(view.core, "ahead", None) is not None:
            of += ", without what covariates known ahead add to it"
    else:
        answer, x = _Whole(view), view.inputs.past_NTF
    found: list[Analysis] = []
    try:
        found.append(analysis.gradient_flow(answer, x))
    except UnrolledError as error:
        view.notes.append(f"Without gradient flow: {error}")
    if torch.equal(x, read):
        given = attribution(answer, x, None, Cost.of((recorded,)))
        if "why" in given.facts:
            view.notes.append(f"Attribution is by {given.facts['method']}: {given.facts['why']}.")
        found.append(given)
    else:
        view.notes.append("Without attribution: the recurrent layer reads no single values, but what is made of them.")
    return tuple(replace(each, facts=dict(each.facts) | {"answer": of}) for each in found)


# --- The head --------------------------------------------------------------------------------------------------------


def _head(view: _View, recorded: Recorded) -> PageHead | None:
    """Return the dense head; None, and a note, where it is not all that makes the answer."""
    if why := _without_head(view):
        view.notes.append(f"Without the forecast itself: {why}.")
        return None
    core = view.core
    with torch.no_grad():
        answer_NX = _Answer(core)(_as_read(view, recorded))
        forecast_RhQ = core(view.inputs)
    output, steps, feedback = NamedArray(to_numpy(answer_NX), ("batch", "output")), view.windows.fitted.config.h, None
    if view.one_at_a_time:
        fed = _fed_back(view)
        steps = 1 if fed is None else steps
        if fed is None:
            view.notes.append("Of the forecast the first step is shown: how it is fed back, the page can't compute.")
        else:
            feedback = Feedback(steps, fed, (1.0,))
            output = NamedArray(to_numpy(forecast_RhQ), ("batch", "step", "output"))
    dense = HeadLayer(
        "Linear",
        NamedArray(to_numpy(core.head.weight), ("output", "hidden")),
        NamedArray(to_numpy(core.head.bias), ("output",)),
    )
    return PageHead(Head("output[:, -1]", (dense,), output), feedback, _unscale(view), _labels(view, steps))


def _without_head(view: _View) -> str:
    """Say why the head that the page knows is not all that makes the answer; "" where it is."""
    core = view.core
    if isinstance(core, Segments):
        return "what the recurrence gives corrects a weighted mean of the last value and of the seasons before"
    if isinstance(core, Seq2Seq):
        return "it comes of the decoder, which goes on from the last states"
    if getattr(core, "pool", None) is not None:
        return "the head reads a weighted mean of all outputs beside the last one"
    if getattr(core, "ahead", None) is not None:
        return "covariates known ahead add to what the head gives"
    return ""


def _as_read(view: _View, recorded: Recorded) -> Tensor:
    inputs_TNF = torch.from_numpy(recorded.trace.parts[0]["inputs"].values)
    return inputs_TNF.transpose(0, 1).contiguous().to(view.inputs.past_NTF.device)


def _fed_back(view: _View) -> int | None:
    """Return which output is the next step's input, whatever the outputs are; None where it is none of them alone."""
    core, loss = view.core, loss_of(view.windows.fitted.config)
    if isinstance(core, DeepAR) or view.channels > 1 or core.covariates.width:
        return None
    any_RhQ = torch.randn(8, 2, loss.outputs, generator=torch.Generator().manual_seed(0))
    point_Rh = loss.point(any_RhQ)
    return next((k for k in range(loss.outputs) if torch.equal(any_RhQ[..., k], point_Rh)), None)


def _unscale(view: _View) -> tuple[NamedArray, NamedArray] | None:
    """Return what brings answers into the units of the data; None, and a note, where no such pair does."""
    config, loss = view.windows.fitted.config, loss_of(view.windows.fitted.config)
    why = ""
    if loss.locations != loss.outputs:
        why = f"loss={config.loss!r} makes of them what its distribution needs"
    elif view.channels > 1:
        why = "each target has a scale of its own"
    elif config.transform != "none":
        why = f"transform={config.transform!r} is undone after it"
    if why:
        view.notes.append(f"The head's outputs are shown in the window's scale: {why}.")
        return None
    location, scale = (
        NamedArray(to_numpy(values_R1[:, 0]), ("batch",)) for values_R1 in (view.location_R1, view.scale_R1)
    )
    return location, scale


# --- Names -----------------------------------------------------------------------------------------------------------


def _names(view: _View, recorded: Recorded) -> dict[str, tuple[str, ...]]:
    """Return the names of the axes; of those that have none of their own, nothing."""
    steps, _, features = recorded.trace.parts[0]["inputs"].shape
    panel, times = view.windows.panel, view.windows.times()
    of_items = panel.item_ids if view.channels > 1 else panel.names
    names = {"batch": tuple(map(str, of_items))}
    labels = _texts(times, range(1 - times.shape[1], 1))
    if isinstance(view.core, Segments):
        names["time"] = _pieces(labels, view.core.segment)
        view.notes.append(
            f"A step of the recurrence is a piece of {view.core.segment} steps of the window, of which a dense layer "
            "makes its features."
        )
    else:
        names["time"] = labels
        names["feature"] = _features(view)
    sizes = {"time": steps, "feature": features}
    return {axis: of for axis, of in names.items() if len(of) == sizes.get(axis, len(of))}


def _features(view: _View) -> tuple[str, ...]:
    """Return what each number is that the encoder reads at a step: values and flags, then covariates."""
    channels = view.windows.fitted.features.channels if view.channels > 1 else ()
    values = [*channels, *(f"{name} observed" for name in channels)] if channels else ["value", "observed"]
    named, next_step = input_names(view.windows.fitted.features), view.one_at_a_time
    covariates = view.core.covariates
    known = tuple(f"{name} of the next step" if next_step else name for name in named.known)
    for names, numbers in ((named.past, covariates.past), (known, covariates.known), (named.static, covariates.static)):
        for name, categories in zip(names, numbers.categories, strict=True):
            wide = embedding_width(categories) if categories else 1
            values += [f"{name} [{k}]" for k in range(wide)] if categories else [name]
    return tuple(values)


def _pieces(labels: tuple[str, ...], length: int) -> tuple[str, ...]:
    """Return the first and the last step of each piece; the first piece may be shorter."""
    ends = range(len(labels), 0, -length)
    pieces = [labels[max(0, end - length) : end] for end in reversed(ends)]
    return tuple(one[0] if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in pieces)


def _labels(view: _View, steps: int) -> tuple[str, ...]:
    """The time of each forecast; several numbers a step are of targets, quantiles or what a distribution needs."""
    config, times = view.windows.fitted.config, view.windows.future_times()
    loss = loss_of(config)
    of_targets = [f", {name}" for name in view.windows.fitted.features.channels] if view.channels > 1 else [""]
    if config.loss == "quantile":
        of_outputs = [f", quantile {quantile:g}" for quantile in config.quantiles]
    elif loss.outputs > 1:
        of_outputs = [f", number {k + 1} of the {config.loss}" for k in range(loss.outputs)]
    else:
        of_outputs = [""]
    labels = _texts(times, range(1, times.shape[1] + 1))[:steps]
    return tuple(f"{label}{target}{output}" for label in labels for target in of_targets for output in of_outputs)


def _texts(times: Array, places: range) -> tuple[str, ...]:
    """Times in words: dates where all series have the same ones, else how far from each series' last."""
    if np.all(times == times[0]):
        return tuple(time_text(time) for time in times[0])
    return tuple(f"t{place:+d}" if place else "t" for place in places)
