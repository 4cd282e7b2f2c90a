"""What all networks share: a forecast from what is known, and one for training that may see the truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.inputs import Inputs

if TYPE_CHECKING:
    from unrolled.forecast.batch import Batch

Forecasts = Float[Tensor, "R h Q"]
"""For each row (a target of a window) and step the numbers that the loss understands, in the window's scale."""


class Network(nn.Module, ABC):
    """A network that forecasts h steps.

    draws_samples: it has `sample_paths`, each sample being the next step's input, and its forecast is read off those;
    `forward` feeds back points.
    """

    draws_samples: bool = False

    @abstractmethod
    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after each window."""

    def sample_paths(
        self, inputs: Inputs, scale_R1: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw `count` paths of the h steps after each window, in the window's scale.

        Args:
            inputs: The windows.
            scale_R1: What was divided by in each row.
            count: How many paths to draw (M).
            generator: What they are drawn with; on the network's device.
        """
        raise NotImplementedError(f"{type(self).__name__} draws no samples")

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast for training; may feed the true values where `forward` feeds its own (teacher forcing).

        There may be more steps than the horizon's, the last of the window before them: losses weigh those too.
        """
        forecasts: Forecasts = self(batch.inputs)
        return forecasts

    def assess(self, batch: Batch) -> Forecasts:
        """Forecast for validation: as in prediction."""
        forecasts: Forecasts = self(batch.inputs)
        return forecasts
