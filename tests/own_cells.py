"""Cells of a user's own, for stacks: one with parameters and nested states, one without any."""

from typing import Any, NamedTuple

import torch
from torch import nn

D = torch.float64


class Leaky(nn.Module):
    """A cell of one's own: a leaky average of what it reads, and how long ago it began; it starts by itself."""

    input_size: int
    output_size: int

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.input_size, self.output_size = features, width
        self.linear = nn.Linear(features, width, dtype=D)
        self.first = nn.Parameter(torch.randn(width, dtype=D))

    def forward(self, x: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        if state is None:
            state = (self.first.expand(len(x), -1), (x.new_zeros(len(x)), x.new_zeros(len(x), 2, 3)))
        average, (age, grid) = state
        average = 0.7 * average + 0.3 * torch.tanh(self.linear(x))
        grid = grid + average.sum(-1).view(-1, 1, 1)
        return average * (age + 1).unsqueeze(-1), (average, (age + 1, grid))


class Counted(NamedTuple):
    total: torch.Tensor
    steps: torch.Tensor


class Summing(nn.Module):
    """A cell of one's own with no parameters, whose state is a named tuple that it makes for a batch."""

    def initial_state(self, batch: int) -> Counted:
        return Counted(torch.full((batch, 4), 2.0, dtype=D), torch.zeros(batch, dtype=D))

    def forward(self, x: torch.Tensor, state: Counted) -> tuple[torch.Tensor, Counted]:
        assert isinstance(state, Counted)
        total = state.total + x
        return total.tanh(), Counted(total, state.steps + 1)
