"""Figures of what happens inside a recurrent layer: a step of its cell, gates, memory, contributions, gradients."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ConfigError
from unrolled.figures.finding import traced
from unrolled.trace import Trace
from unrolled.view.drawing import choices
from unrolled.view.drawing.canvas import sized
from unrolled.view.figures import cell as cell_figure
from unrolled.view.figures import contributions as contributions_figure
from unrolled.view.figures import gates as gates_figure
from unrolled.view.figures import gradient as gradient_figure
from unrolled.view.figures import memory as memory_figure
from unrolled.view.style import Picture


def cell(
    layer: Any,
    x: Any = None,
    lengths: Any = None,
    name: str | None = None,
    *,
    sample: int = 0,
    step: int = -1,
    layer_index: int = -1,
    direction: str = "forward",
    unit: int | None = None,
    width: float | None = None,
) -> Picture:
    """Draw one step of a cell with its gates' values, and the equations with one unit's numbers.

    Args:
        layer: One of unrolled's or torch.nn's recurrent layers, a model that contains some, or a saved `Trace`.
        x: What it is called with; not with a trace.
        lengths: Valid steps of each sample.
        name: Which of a model's recurrent layers; by default the first that runs.
        sample: Which sample.
        step: Which step; −1, the default, is the sample's last valid one.
        layer_index: Which of the stacked layers; by default the last.
        direction: "forward" or "reverse".
        unit: Whose numbers are written out; by default the unit whose state changes most.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The layer can't run on `x`, or a choice does not fit it.

    Example:
        >>> import torch, unrolled
        >>> picture = unrolled.figures.cell(unrolled.LSTM(3, 5), torch.randn(7, 4, 3), step=2)
    """
    trace, its_name = traced("cell", layer, x, lengths, name)
    place = choices.chosen_place(trace, layer_index, direction, sample, width)
    choices.check_gates("cell", trace, place)
    at, which = choices.chosen_step(trace, place, step, unit)
    chosen: dict[str, Any] = place._asdict() | {"step": at, "unit": which, "name": its_name}
    return cell_figure.draw_cell(trace, **chosen, width=sized(width))


def gates(
    model: Any,
    x: Any = None,
    lengths: Any = None,
    name: str | None = None,
    *,
    sample: int = 0,
    layer_index: int = 0,
    direction: str = "forward",
    width: float | None = None,
) -> Picture:
    """Draw every gate and state of one sample over time, unit by unit.

    Args:
        model: One of unrolled's or torch.nn's recurrent layers, a model that contains some, or a saved `Trace`.
        x: What it is called with; not with a trace.
        lengths: Valid steps of each sample.
        name: Which of a model's recurrent layers; by default the first that runs.
        sample: Which sample.
        layer_index: Which of the stacked layers; by default the first.
        direction: "forward" or "reverse".
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The model can't run on `x`, or a choice does not fit it.

    Example:
        >>> import torch, unrolled
        >>> trace = unrolled.LSTM(3, 5).trace(torch.randn(24, 4, 3))
        >>> picture = unrolled.figures.gates(trace, sample=2)
    """
    trace, its_name = traced("gates", model, x, lengths, name)
    place = choices.chosen_place(trace, layer_index, direction, sample, width)
    choices.check_gates("gates", trace, place)
    return gates_figure.draw_gates(trace, **place._asdict(), name=its_name, width=sized(width))


def memory(
    model: Any, x: Any = None, lengths: Any = None, name: str | None = None, *, width: float | None = None
) -> Picture:
    """Draw over how many steps each unit forgets, the longest memory first: `unrolled.analysis.memory_length`.

    Args:
        model: As for `gates`; a layer with a gate that keeps: LSTM, GRU or SLSTM.
        x: What it is called with; not with a trace.
        lengths: Valid steps of each sample.
        name: Which of a model's recurrent layers; by default the first that runs.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The model can't run on `x`, or has no gate that keeps.

    Example:
        >>> import torch, unrolled
        >>> picture = unrolled.figures.memory(torch.nn.GRU(3, 5), torch.randn(24, 4, 3))
    """
    trace, its_name = traced("memory", model, x, lengths, name)
    choices.chosen_place(trace, 0, "forward", 0, width)
    from unrolled.analysis import memory_length

    steps = int(trace.lengths.values.max())
    found = memory_length(trace)
    return memory_figure.draw_memory(found, kind=trace.kind, steps=steps, name=its_name, width=sized(width))


def contributions(
    model: Any,
    x: Any = None,
    lengths: Any = None,
    name: str | None = None,
    *,
    sample: int = 0,
    layer_index: int = 0,
    direction: str = "forward",
    width: float | None = None,
) -> Picture:
    """Draw what is left at the end of what each step wrote: `unrolled.analysis.contributions`.

    Args:
        model: As for `gates`; a layer whose state is kept by a gate and added to: LSTM, GRU or SLSTM.
        x: What it is called with; not with a trace.
        lengths: Valid steps of each sample.
        name: Which of a model's recurrent layers; by default the first that runs.
        sample: Which sample.
        layer_index: Which of the stacked layers; by default the first.
        direction: "forward" or "reverse".
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The model can't run on `x`, a choice does not fit it, or it has no such
            state.

    Example:
        >>> import torch, unrolled
        >>> picture = unrolled.figures.contributions(unrolled.LSTM(3, 5), torch.randn(24, 4, 3), sample=1)
    """
    trace, its_name = traced("contributions", model, x, lengths, name)
    place = choices.chosen_place(trace, layer_index, direction, sample, width)
    choices.check_gates("contributions", trace, place)
    from unrolled.analysis import contributions as decompose

    chosen: dict[str, Any] = place._asdict() | {"length": int(trace.lengths.values[place.sample]), "name": its_name}
    return contributions_figure.draw_contributions(decompose(trace), kind=trace.kind, **chosen, width=sized(width))


def gradient_flow(
    model: Any,
    x: Any,
    lengths: Any = None,
    loss: Any = None,
    name: str | None = None,
    *,
    sample: int | None = None,
    width: float | None = None,
) -> Picture:
    """Draw how strongly the loss reacts to each step's states: `unrolled.analysis.gradient_flow`.

    Args:
        model: One of unrolled's or torch.nn's recurrent layers, or a model that contains some; no trace, which has no
            gradients.
        x: What it is called with.
        lengths: Valid steps of each sample.
        loss: Makes one number of what the model returns; by default the sum of its answer.
        name: Which of the model's recurrent layers; by default the first that runs.
        sample: Which sample; by default the mean over all of them.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The model can't run on `x`, or the loss is none.

    Example:
        >>> import torch, unrolled
        >>> last = lambda result: result[0][-1].sum()
        >>> picture = unrolled.figures.gradient_flow(unrolled.LSTM(3, 5), torch.randn(24, 4, 3), loss=last)
    """
    if isinstance(model, Trace):
        raise ConfigError("gradient_flow needs the live model and x: a trace has the numbers, but no gradients.")
    trace, its_name = traced("gradient_flow", model, x, lengths, name)
    place = choices.chosen_place(trace, 0, "forward", 0 if sample is None else sample, width)
    from unrolled.analysis import gradient_flow as flow

    found = choices.of_layer(flow(model, x, lengths, loss), its_name)
    chosen = None if sample is None else place.sample
    return gradient_figure.draw_gradient_flow(
        found, lengths=trace.lengths.values, kind=trace.kind, sample=chosen, name=its_name, width=sized(width)
    )
