"""From a model and a batch to what the page tells of them.

Shapes: T = time, N = batch, F = features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from unrolled import analysis
from unrolled.analysis.head import find_heads
from unrolled.analysis.layers_inside import is_recurrent
from unrolled.errors import ShapeError, UnrolledError
from unrolled.explorer.attribution import Cost, attribution
from unrolled.layers.lengths import lengths_fit
from unrolled.trace import Analysis, Recorded, Trace
from unrolled.view.page.document import PageHead, PageNetwork
from unrolled.view.page.sampling import MOST, Samples, pick

_OF_A_TRACE: Final[dict[str, tuple[Callable[[Trace], Analysis], tuple[str, ...]]]] = {
    "saturation": (lambda trace: analysis.saturation(trace), ("LSTM", "GRU")),
    "memory": (lambda trace: analysis.memory_length(trace), ("LSTM", "GRU")),
    "contributions": (lambda trace: analysis.contributions(trace), ("LSTM", "GRU")),
}
"""Analyses that need nothing but the trace, and the kinds of layer that they are about."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its batch, cut to what the page can show where that is possible before the run.

    Attributes:
        samples: Which of the user's samples x still has; None for all.
    """

    model: nn.Module
    x: Any
    lengths: Any
    samples: Samples | None = None


def networks_of(subject: Subject) -> tuple[list[PageNetwork], list[str]]:
    """Record, analyse; return each recurrent layer for the page, and notes on what was left out.

    Raises:
        ConfigError, ShapeError, DtypeError: As `analysis.record` does.
        ShapeError: A layer was given no step of any sequence.
    """
    recorded = analysis.record(subject.model, subject.x, subject.lengths)
    _refuse_nothing(recorded)
    heads = find_heads(subject.model, subject.x, recorded, subject.lengths)
    notes: list[str] = []
    flow = _flow(subject, notes)
    inputs = _attribution(subject, recorded, notes)
    networks = [
        PageNetwork(
            recorded=each,
            head=PageHead(head) if head else None,
            analyses=(*of_trace(each.trace), *flow, *(inputs if each is recorded[0] else ())),
            samples=subject.samples,
        )
        for each, head in zip(recorded, heads, strict=True)
    ]
    return networks, notes


def cut(model: nn.Module, x: Any, lengths: Any) -> Subject:
    """Leave out the samples that the page will not show, where it is known which axis they lie along."""
    batch = _batch_axis(model, x)
    if batch is None or x.shape[batch] <= MOST["batch"]:
        return Subject(model, x, lengths)
    if lengths is not None and not lengths_fit(lengths, x.shape[1 - batch], x.shape[batch]):
        return Subject(model, x, lengths)  # for the layer to say what is wrong with them
    chosen = pick(x.shape[batch], MOST["batch"])
    some = torch.from_numpy(chosen)
    if lengths is not None:
        lengths = torch.as_tensor(lengths)[some.to(getattr(lengths, "device", "cpu"))]
    return Subject(model, x.index_select(batch, some.to(x.device)), lengths, Samples(x.shape[batch], chosen))


def of_trace(trace: Trace) -> tuple[Analysis, ...]:
    """The analyses that this trace allows."""
    return tuple(analyse(trace) for analyse, kinds in _OF_A_TRACE.values() if trace.kind in kinds)


def _batch_axis(model: nn.Module, x: Any) -> int | None:
    if not is_recurrent(model) or not isinstance(x, Tensor) or x.is_nested or x.dim() != 3:
        return None
    return 0 if model.batch_first else 1


def _refuse_nothing(recorded: tuple[Recorded, ...]) -> None:
    for each in recorded:
        if not each.trace.valid.values.any():
            steps, batch, _ = each.trace.parts[0]["inputs"].shape
            of = f" of its part {each.layer.name!r}" if each.layer.name else ""
            raise ShapeError(
                f"explore shows what happens step by step, and the input{of} has not one valid step: "
                f"N={batch}, T={steps}{', all lengths 0' if batch else ''}. Pass a batch that has some."
            )


def _flow(subject: Subject, notes: list[str]) -> tuple[Analysis, ...]:
    try:
        return (analysis.gradient_flow(subject.model, subject.x, subject.lengths),)
    except UnrolledError as error:
        notes.append(f"Without gradient flow: {error}")
        return ()


def _attribution(subject: Subject, recorded: tuple[Recorded, ...], notes: list[str]) -> tuple[Analysis, ...]:
    if not _reads(subject.x, recorded[0].trace):
        notes.append("Without attribution: the recurrent layer does not read x itself, as one padded tensor.")
        return ()
    try:
        found = attribution(subject.model, subject.x, subject.lengths, Cost.of(recorded))
    except UnrolledError as error:
        notes.append(f"Without attribution: {error}")
        return ()
    if "why" in found.facts:
        notes.append(f"Attribution is by {found.facts['method']}: {found.facts['why']}.")
    return (found,)


def _reads(x: Any, trace: Trace) -> bool:
    """Whether the first recorded layer reads x as the user gave it."""
    if not isinstance(x, Tensor) or x.is_nested or not x.is_floating_point() or x.dim() not in (2, 3):
        return False
    inputs = trace.parts[0]["inputs"].values
    given = x.detach().cpu().to(torch.float64).numpy()
    given = given[:, None] if x.dim() == 2 else given.swapaxes(0, 1) if trace.settings["batch_first"] else given
    valid = trace.valid.values[..., None]
    if given.shape != inputs.shape:
        return False
    return bool(np.array_equal(np.where(valid, given, 0), np.where(valid, inputs, 0), equal_nan=True))
