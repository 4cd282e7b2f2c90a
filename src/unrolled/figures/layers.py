"""Figures of recurrent layers: with their loop, over time, their parameters and where their results sit."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ConfigError, DtypeError, Problems
from unrolled.figures.finding import described, traced
from unrolled.trace import Trace
from unrolled.view.drawing import choices, lanes
from unrolled.view.drawing.canvas import sized
from unrolled.view.drawing.given import check_count, check_width, require_width
from unrolled.view.figures import parameters as parameters_figure
from unrolled.view.figures import states as states_figure
from unrolled.view.figures import unrolled as unrolled_figure
from unrolled.view.figures import unrolled_network as unrolled_network_figure
from unrolled.view.style import Picture


def folded(layer: Any, name: str | None = None, *, width: float | None = None) -> Picture:
    """Draw a recurrent layer as one network with its loop, its weights beside it.

    Args:
        layer: One of unrolled's or torch.nn's recurrent layers, or a model that contains some.
        name: Which of a model's recurrent layers; by default the first.
        width: In inches; default 6.

    Raises:
        DtypeError, ConfigError: There is no such layer, or the width is none.

    Example:
        >>> import unrolled
        >>> picture = unrolled.figures.folded(unrolled.LSTM(3, 5))
    """
    require_width(width)
    about = described("folded", layer, name)
    return unrolled_figure.folded(about, unrolled_figure.columns_without_numbers(about, 1), width)


def unrolled(
    layer: Any,
    x: Any = None,
    lengths: Any = None,
    name: str | None = None,
    *,
    steps: int | None = None,
    sample: int = 0,
    width: float | None = None,
) -> Picture:
    """Draw a recurrent layer over time: its copies, and the one set of weights that all of them use.

    Args:
        layer: One of unrolled's or torch.nn's recurrent layers, or a model that contains some.
        x: What it is called with, to draw its numbers; without, sizes alone are drawn.
        lengths: Valid steps of each sample.
        name: Which of a model's recurrent layers; by default the first that runs.
        steps: How many steps to draw where there is no `x`; default 5.
        sample: Whose numbers are drawn.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The layer can't run on `x`, or a choice does not fit it.

    Example:
        >>> import torch, unrolled
        >>> picture = unrolled.figures.unrolled(unrolled.LSTM(3, 5), torch.randn(7, 4, 3))
    """
    if isinstance(layer, Trace):
        raise ConfigError("unrolled draws the weights too, which a Trace does not have. Give the model and x.")
    count = _checked_steps("unrolled", x, lengths, steps, width)
    about = described("unrolled", layer, name, runs=x is not None)
    if x is None:
        return unrolled_figure.unrolled(about, unrolled_figure.columns_without_numbers(about, count), width)
    trace, its_name = traced("unrolled", layer, x, lengths, name)
    about = described("unrolled", layer, its_name)
    chosen = choices.chosen_sample(trace, sample)
    return unrolled_figure.unrolled(about, unrolled_figure.columns_of(trace, chosen), width)


def unrolled_network(
    layer: Any,
    x: Any = None,
    lengths: Any = None,
    name: str | None = None,
    *,
    steps: int | None = None,
    sample: int = 0,
    width: float | None = None,
) -> Picture:
    """Draw a recurrent layer as a full network at every step: units as circles, `h` and `c` between the steps.

    Args:
        layer: One of unrolled's or torch.nn's recurrent layers, a model that contains some, or a saved `Trace`.
        x: What it is called with, to draw its numbers as colours; without, sizes alone are drawn. Not with a trace.
        lengths: Valid steps of each sample.
        name: Which of a model's recurrent layers; by default the first that runs.
        steps: How many steps to draw where there is no `x`; default 5.
        sample: Whose numbers are drawn.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The layer can't run on `x`, or a choice does not fit it.

    Example:
        >>> import torch, unrolled
        >>> picture = unrolled.figures.unrolled_network(torch.nn.LSTM(3, 5, 2), torch.randn(7, 4, 3))
    """
    count = _checked_steps("unrolled_network", layer if isinstance(layer, Trace) else x, lengths, steps, width)
    if x is None and not isinstance(layer, Trace):
        about = described("unrolled_network", layer, name)
        run = unrolled_network_figure.run_without_numbers(about, count)
        return unrolled_network_figure.unrolled_network(lanes.lanes_of(about), run, width)
    trace, _ = traced("unrolled_network", layer, x, lengths, name)
    run = unrolled_network_figure.run_of(trace, choices.chosen_sample(trace, sample))
    return unrolled_network_figure.unrolled_network(lanes.lanes_of_trace(trace), run, width)


def _checked_steps(verb: str, x: Any, lengths: Any, steps: Any, width: Any) -> int:
    """Return how many steps to draw without x; refuse what does not go together."""
    problems = Problems()
    check_width(width, problems)
    if steps is not None:
        check_count(steps, "steps", problems)
        problems.check(x is None, "`steps` is for a picture without `x`, which has steps of its own. Give one of them.")
    problems.check(x is not None or lengths is None, "`lengths` are those of `x`. Give x too.")
    problems.raise_as(ConfigError, f"{verb}:")
    return 5 if steps is None else int(steps)


def parameters(layer: Any, name: str | None = None, *, width: float | None = None) -> Picture:
    """Draw a layer's weight blocks: what each argument sizes, and how many numbers there are.

    Args:
        layer: One of unrolled's or torch.nn's recurrent layers, or a model that contains some.
        name: Which of a model's recurrent layers; by default the first.
        width: In inches; default 9.

    Raises:
        DtypeError, ConfigError: There is no such layer, or the width is none.

    Example:
        >>> import torch
        >>> from unrolled import figures
        >>> picture = figures.parameters(torch.nn.LSTM(3, 5, num_layers=2, bidirectional=True))
    """
    require_width(width)
    import torch

    from unrolled.analysis import describe
    from unrolled.analysis.layers_inside import required_layers

    if not isinstance(layer, torch.nn.Module):
        raise DtypeError(f"parameters draws a recurrent layer or a model with one; got {type(layer).__name__}.")
    found = required_layers("parameters", layer)
    module, its_name = list(found.items())[choices.chosen_name(list(found.values()), name)]
    total = sum(parameter.numel() for parameter in module.parameters())
    return parameters_figure.draw_parameters(describe(module, its_name), total=total, width=sized(width))


def states(
    layer: Any, x: Any = None, lengths: Any = None, name: str | None = None, *, width: float | None = None
) -> Picture:
    """Draw where `output`, `h_n` and `c_n` sit on the grid of steps and layers, and the code to get each of them.

    Args:
        layer: One of unrolled's or torch.nn's recurrent layers, a model that contains some, or a saved `Trace`.
        x: What it is called with; not with a trace.
        lengths: Valid steps of each sample. Where they differ, the longest and the shortest sample are drawn.
        name: Which of a model's recurrent layers; by default the first that runs.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: The layer can't run on `x`, or a choice does not fit it.

    Example:
        >>> import torch, unrolled
        >>> lstm = unrolled.LSTM(3, 5, bidirectional=True, batch_first=True)
        >>> picture = unrolled.figures.states(lstm, torch.randn(2, 7, 3), lengths=[7, 4])
    """
    trace, its_name = traced("states", layer, x, lengths, name)
    choices.chosen_place(trace, 0, "forward", 0, width)
    return states_figure.draw_states(trace, name=its_name, width=sized(width))
