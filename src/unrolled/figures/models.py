"""Figures of whole models: all of their parts, and the head behind a recurrent layer."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ConfigError
from unrolled.trace import Trace
from unrolled.view.drawing import choices
from unrolled.view.drawing.given import require_width
from unrolled.view.figures import head as head_figure
from unrolled.view.figures import network as network_figure
from unrolled.view.style import Picture


def network(model: Any, x: Any, lengths: Any = None, width: float | None = None) -> Picture:
    """Draw a whole model: its parts in the order they run, with the shape of what each gives.

    Args:
        model: Any module: dense, convolutional, recurrent, …
        x: What the model is called with.
        lengths: Valid steps of each sequence, for a model that takes them.
        width: In inches; default 9.

    Raises:
        DtypeError, ShapeError, ConfigError: It is no module, or can't run on `x`.

    Example:
        >>> import torch, unrolled
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
        >>> picture = unrolled.figures.network(model, torch.randn(32, 3))
    """
    require_width(width)
    from unrolled.analysis import blocks

    return network_figure.network(blocks(model, x, lengths), width)


def head(
    model: Any, x: Any, lengths: Any = None, name: str | None = None, *, sample: int = 0, width: float | None = None
) -> Picture:
    """Draw what a model's head reads of its recurrent layer, and how it makes the answer of that.

    Args:
        model: A module with a recurrent layer in it, and behind that dense layers.
        x: What the model is called with.
        lengths: Valid steps of each sample, for a model that takes them.
        name: Which of the model's recurrent layers; by default the last that has such a head.
        sample: Whose numbers are drawn.
        width: In inches; default 7.

    Raises:
        DtypeError, ShapeError, ConfigError: The model can't run on `x`, or has no head that can be drawn.

    Example:
        >>> import torch, unrolled
        >>> class Model(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.lstm = torch.nn.LSTM(3, 5, batch_first=True)
        ...         self.dense = torch.nn.Linear(5, 1)
        ...     def forward(self, x):
        ...         return self.dense(self.lstm(x)[0][:, -1])
        >>> picture = unrolled.figures.head(Model(), torch.randn(4, 7, 3))
    """
    require_width(width)
    if isinstance(model, Trace):
        raise ConfigError("head draws the layers after the recurrent one, which a Trace does not have. Give the model.")
    from unrolled.analysis import record
    from unrolled.analysis.head import find_heads

    recorded = record(model, x, lengths)
    if name is not None:
        recorded = (recorded[choices.chosen_name([one.layer.name for one in recorded], name)],)
    heads = find_heads(model, x, recorded, lengths)
    for one, found in reversed(list(zip(recorded, heads, strict=True))):
        if found is not None:
            return head_figure.head(one, found, choices.chosen_sample(one.trace, sample), width)
    raise ConfigError(head_figure.not_found(type(model).__name__, [one.layer.name for one in recorded]))
