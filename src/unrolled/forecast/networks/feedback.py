"""Forecasting step by step, each step's forecast being the next one's input.

Shapes: N windows, B steps, F = 2 C features (the values, then whether each was observed), E numbers beside them, C
targets read together, R = N C rows, Q outputs per step, X = C Q.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import by_window
from unrolled.forecast.networks.covariates import join
from unrolled.layers.steps import Steps

Read = Callable[[Tensor], Tensor]


def unroll(
    layers: nn.Module,
    head: Read,
    feed: Read,
    first_N1X: Float[Tensor, "N 1 X"],
    state: Any,
    beside_NBE: Float[Tensor, "N B E"],
) -> Float[Tensor, "N steps X"]:
    """Go on from a first step's forecast, one step for each of what stands beside the values.

    Args:
        layers: The recurrence.
        head: From its (N, 1, H) output to a step's forecast.
        feed: From a step's forecast to the (N, 1, F) values that the next step reads.
        first_N1X: The forecast of the first step.
        state: The recurrence's after it.
        beside_NBE: What is read beside the values at each further step.

    Returns:
        The forecasts of all B + 1 steps.
    """
    steps, read = [first_N1X], Steps(layers, state)
    for beside_N1E in torch.split(beside_NBE, 1, dim=1) if beside_NBE.shape[1] else ():
        steps.append(head(read(join(feed(steps[-1]), beside_N1E))))
    return torch.cat(steps, dim=1)


def as_input(value_R1: Float[Tensor, "R 1"], channels: int) -> Float[Tensor, "N 1 F"]:
    """Return a step's values as they are read, as if observed."""
    value_N1C = by_window(value_R1, channels)
    return torch.cat([value_N1C, torch.ones_like(value_N1C)], dim=2)
