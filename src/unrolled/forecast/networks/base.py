"""What all networks share: a forecast from what is known, and one for training that may see the truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.inputs import Inputs

if TYPE_CHECKING:
    from unrolled.forecast.batch import Batch

Forecasts = Float[Tensor, "R h Q"]
"""For each row (a target of a window) and step the numbers that the loss understands, in the window's scale."""


class Network(nn.Module, ABC):
    """A network that forecasts h steps.

    draws_samples: it forecasts by feeding back samples, see `deepar`; then `forward` feeds back means.
    """

    draws_samples: bool = False

    @abstractmethod
    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after each window."""

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast for training; may feed the true values where `forward` feeds its own (teacher forcing)."""
        forecasts: Forecasts = self(batch.inputs)
        return forecasts

    def assess(self, batch: Batch) -> Forecasts:
        """Forecast for validation: as in prediction."""
        forecasts: Forecasts = self(batch.inputs)
        return forecasts
