"""What a cell is: its equations, and the parameters that they need.

A cell knows nothing of time, layers, directions or padding; those are written once, around all cells.

Shapes: N = batch, F = input features, H = hidden units, S = size of the first state, which is the
output (H, or the projection's size), B = gate blocks stacked in one weight matrix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from torch import Tensor

State: TypeAlias = tuple[Tensor, ...]
"""What a cell carries from step to step, in the order of `Cell.states`; the first is its output."""

Gates: TypeAlias = dict[str, Tensor]
"""The values inside one step: "i_pre" before the nonlinearity of gate i, "i" after it."""

WeightsT = TypeVar("WeightsT", bound=tuple[Tensor | None, ...])


class Cell(ABC, Generic[WeightsT]):
    """One step of a recurrence; a subclass is final, frozen and holds its sizes and options.

    `name` is what users call it; `gates` names the blocks of its stacked weights in their order;
    `states` names what it carries; `weights_type` is the named tuple that `step` reads.
    """

    name: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]]
    weights_type: ClassVar[type[Any]]
    hidden_size: int

    @property
    def blocks(self) -> int:
        """Number of gate blocks stacked in each weight matrix (B)."""
        return len(self.gates)

    @property
    @abstractmethod
    def state_sizes(self) -> tuple[int, ...]:
        """Width of each state, in the order of `states`."""

    @property
    def output_size(self) -> int:
        """Width of what the cell puts out at each step (S)."""
        return self.state_sizes[0]

    @abstractmethod
    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter by its `torch.nn` name, in the order in which they are drawn."""

    @abstractmethod
    def step(self, x_NF: Tensor, state: State, weights: WeightsT) -> tuple[State, Gates]:
        """Advance one time step; return the new state and the gates before and after."""


def stacked_shapes(rows: int, input_size: int, recurrent_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
    """Shapes of the stacked parameters that LSTM, GRU and RNN have in common (`rows` = B·H)."""
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (rows, input_size),
        "weight_hh": (rows, recurrent_size),
    }
    return shapes | ({"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {})
