"""The simple recurrent network.

Elman (1990), "Finding structure in time", with tanh or ReLU, or any other nonlinearity.

Shapes: N = batch, F = input features, H = hidden units. Its one block is the state itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells.activations import Nonlinearity, function_of
from unrolled.cells.cell import Cell, Gates, State, clipped, masked, stacked_shapes


class RNNWeights(NamedTuple):
    """Parameters of one RNN layer and direction."""

    weight_ih: Float[Tensor, "H F"]
    weight_hh: Float[Tensor, "H H"]
    bias_ih: Float[Tensor, "H"] | None = None
    bias_hh: Float[Tensor, "H"] | None = None


@final
@dataclass(frozen=True)
class RNNEquations(Cell[RNNWeights]):
    """The simple network's step; `preactivation_clip` bounds what the nonlinearity is given."""

    hidden_size: int
    bias: bool = True
    nonlinearity: Nonlinearity = "tanh"
    preactivation_clip: float | None = None

    name: ClassVar[str] = "RNN"
    states: ClassVar[tuple[str, ...]] = ("h",)
    weights_type: ClassVar[type[RNNWeights]] = RNNWeights

    @property
    def gates(self) -> tuple[str, ...]:
        """The state itself."""
        return ("h",)

    def _beyond_torch(self) -> dict[str, object]:
        """`torch.nn.RNN` has tanh and ReLU."""
        beyond = super()._beyond_torch()
        return {name: value for name, value in beyond.items() if (name, value) != ("nonlinearity", "relu")}

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h."""
        return (self.hidden_size,)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights."""
        return stacked_shapes(self.hidden_size, input_size, self.hidden_size, self.bias)

    def step(
        self,
        x_NF: Float[Tensor, "N F"],
        state: State,
        weights: RNNWeights,
        h_mask_NS: Float[Tensor, "N H"] | None = None,
    ) -> tuple[State, Gates]:
        """Advance h (N, H) by one step."""
        (h_NH,) = state
        from_h = linear(masked(h_NH, h_mask_NS), weights.weight_hh, weights.bias_hh)
        h_pre = clipped(linear(x_NF, weights.weight_ih, weights.bias_ih) + from_h, self.preactivation_clip)
        h_NH = function_of(self.nonlinearity)(h_pre)
        return (h_NH,), {"h_pre": h_pre, "h": h_NH}
