"""The simple recurrent network.

Elman (1990), "Finding structure in time", with tanh or ReLU.

Shapes: N = batch, F = input features, H = hidden units. Its one block is the state itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells.cell import Cell, Gates, State, stacked_shapes

Nonlinearity: TypeAlias = Literal["tanh", "relu"]


class RNNWeights(NamedTuple):
    """Parameters of one RNN layer and direction."""

    weight_ih: Float[Tensor, "H F"]
    weight_hh: Float[Tensor, "H H"]
    bias_ih: Float[Tensor, "H"] | None = None
    bias_hh: Float[Tensor, "H"] | None = None


@final
@dataclass(frozen=True)
class RNNEquations(Cell[RNNWeights]):
    """The simple network's step."""

    hidden_size: int
    bias: bool = True
    nonlinearity: Nonlinearity = "tanh"

    name: ClassVar[str] = "RNN"
    gates: ClassVar[tuple[str, ...]] = ("h",)
    states: ClassVar[tuple[str, ...]] = ("h",)
    weights_type: ClassVar[type[RNNWeights]] = RNNWeights

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h."""
        return (self.hidden_size,)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights."""
        return stacked_shapes(self.hidden_size, input_size, self.hidden_size, self.bias)

    def step(self, x_NF: Float[Tensor, "N F"], state: State, weights: RNNWeights) -> tuple[State, Gates]:
        """Advance h (N, H) by one step."""
        (h_NH,) = state
        h_pre = linear(x_NF, weights.weight_ih, weights.bias_ih) + linear(h_NH, weights.weight_hh, weights.bias_hh)
        h_NH = torch.tanh(h_pre) if self.nonlinearity == "tanh" else torch.relu(h_pre)
        return (h_NH,), {"h_pre": h_pre, "h": h_NH}
