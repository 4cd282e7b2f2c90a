"""What networks read their forecasts off: outputs of a recurrence, with or without a mean of all of the window's.

Shapes: N windows, T past steps, B steps, h horizon, H numbers that the recurrence puts out, K known covariates, C
targets read together, R = N C rows, Q outputs per step, X = C Q.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.config import Config
from unrolled.forecast.networks.base import Forecasts
from unrolled.forecast.networks.encoder import width
from unrolled.layers import Pool


def attention(config: Config) -> Pool | None:
    """Return the weighted mean of the encoder's outputs that the settings ask for; None where they ask for none."""
    return Pool("attention", width(config), batch_first=True) if config.pooling == "attention" else None


def width_read(config: Config) -> int:
    """Return how many numbers a head reads."""
    return width(config) * (2 if config.pooling == "attention" else 1)


def with_summary(output_NBH: Float[Tensor, "N B H"], summary_NH: Float[Tensor, "N H"] | None) -> Tensor:
    """Return each output, and beside it the mean of the window's where there is one."""
    if summary_NH is None:
        return output_NBH
    return torch.cat([output_NBH, summary_NH[:, None].expand(-1, output_NBH.shape[1], -1)], dim=2)


def rows(numbers_NBX: Float[Tensor, "N B X"], channels: int) -> Forecasts:
    """Return a row for each target of each window, as losses read them."""
    return torch.unflatten(numbers_NBX, 2, (channels, -1)).transpose(1, 2).flatten(0, 1)


class Ahead(nn.Module):
    """What the known covariates of each step of the horizon change of its forecast.

    One small network for all steps: the local one of MQ-RNN (Wen et al. 2017), which reads the encoder's state and the
    covariates of its step.

    Args:
        reads: Numbers of the state.
        known: Numbers of the covariates of a step.
        units: Hidden units.
        gives: Numbers of a forecast step (X).
    """

    def __init__(self, reads: int, known: int, units: int, gives: int) -> None:
        super().__init__()
        self.state = nn.Linear(reads, units)
        self.known = nn.Linear(known, units, bias=False)
        self.head = nn.Linear(units, gives, bias=False)  # what is the same at every step is the main head's

    def forward(self, state_NH: Float[Tensor, "N H"], known_NhK: Float[Tensor, "N h K"]) -> Float[Tensor, "N h X"]:
        """Return what is added to each step."""
        hidden_NhU = torch.relu(self.state(state_NH)[:, None] + self.known(known_NhK))
        added_NhX: Tensor = self.head(hidden_NhU)
        return added_NhX
