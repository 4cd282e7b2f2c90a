"""The gated recurrent unit.

Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder". As in cuDNN and
`torch.nn.GRU`, the reset gate acts after the product with the recurrent weights, so that one matrix
product serves all gates; the paper applies it before.

Shapes: N = batch, F = input features, H = hidden units. Gate blocks lie in the order r, z, n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells.cell import Cell, Gates, State, stacked_shapes


class GRUWeights(NamedTuple):
    """Parameters of one GRU layer and direction."""

    weight_ih: Float[Tensor, "3H F"]
    weight_hh: Float[Tensor, "3H H"]
    bias_ih: Float[Tensor, "3H"] | None = None
    bias_hh: Float[Tensor, "3H"] | None = None


@final
@dataclass(frozen=True)
class GRUEquations(Cell[GRUWeights]):
    """The GRU's step."""

    hidden_size: int
    bias: bool = True

    name: ClassVar[str] = "GRU"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    states: ClassVar[tuple[str, ...]] = ("h",)
    weights_type: ClassVar[type[GRUWeights]] = GRUWeights

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h."""
        return (self.hidden_size,)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the stacked weights."""
        return stacked_shapes(3 * self.hidden_size, input_size, self.hidden_size, self.bias)

    def step(self, x_NF: Float[Tensor, "N F"], state: State, weights: GRUWeights) -> tuple[State, Gates]:
        """Advance h (N, H) by one step."""
        (h_NH,) = state
        from_x = linear(x_NF, weights.weight_ih, weights.bias_ih).chunk(3, dim=-1)
        from_h = linear(h_NH, weights.weight_hh, weights.bias_hh).chunk(3, dim=-1)
        r_pre, z_pre = from_x[0] + from_h[0], from_x[1] + from_h[1]
        r, z = torch.sigmoid(r_pre), torch.sigmoid(z_pre)
        n_pre = from_x[2] + r * from_h[2]
        n = torch.tanh(n_pre)
        h_NH = (1 - z) * n + z * h_NH
        return (h_NH,), {"r_pre": r_pre, "z_pre": z_pre, "n_pre": n_pre, "r": r, "z": z, "n": n}
