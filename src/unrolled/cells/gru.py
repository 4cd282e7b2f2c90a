"""The gated recurrent unit.

Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder". As in cuDNN and
`torch.nn.GRU`, the reset gate acts after the product with the recurrent weights, so that one matrix
product serves all gates; the paper applies it before, which is `reset_after=False`.

Shapes: N = batch, F = input features, H = hidden units. Gate blocks lie in the order r, z, n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells.activations import Nonlinearity, function_of
from unrolled.cells.cell import Cell, Gates, State, clipped, masked, stacked_shapes


class GRUWeights(NamedTuple):
    """Parameters of one GRU layer and direction."""

    weight_ih: Float[Tensor, "3H F"]
    weight_hh: Float[Tensor, "3H H"]
    bias_ih: Float[Tensor, "3H"] | None = None
    bias_hh: Float[Tensor, "3H"] | None = None


@final
@dataclass(frozen=True)
class GRUEquations(Cell[GRUWeights]):
    """The GRU's step; `preactivation_clip` bounds what every nonlinearity is given."""

    hidden_size: int
    bias: bool = True
    reset_after: bool = True
    preactivation_clip: float | None = None
    activation: Nonlinearity = "tanh"
    recurrent_activation: Nonlinearity = "sigmoid"

    name: ClassVar[str] = "GRU"
    states: ClassVar[tuple[str, ...]] = ("h",)
    weights_type: ClassVar[type[GRUWeights]] = GRUWeights

    @property
    def gates(self) -> tuple[str, ...]:
        """Reset, update, candidate."""
        return ("r", "z", "n")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h."""
        return (self.hidden_size,)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the stacked weights."""
        return stacked_shapes(3 * self.hidden_size, input_size, self.hidden_size, self.bias)

    def step(
        self,
        x_NF: Float[Tensor, "N F"],
        state: State,
        weights: GRUWeights,
        h_mask_NS: Float[Tensor, "N H"] | None = None,
    ) -> tuple[State, Gates]:
        """Advance h (N, H) by one step."""
        (h_NH,) = state
        sigma, phi = function_of(self.recurrent_activation), function_of(self.activation)
        from_x = linear(x_NF, weights.weight_ih, weights.bias_ih).chunk(3, dim=-1)
        recurrent_NH = masked(h_NH, h_mask_NS)
        from_h = self._from_h(recurrent_NH, weights)
        r_pre, z_pre = (clipped(from_x[k] + from_h[k], self.preactivation_clip) for k in (0, 1))
        r, z = sigma(r_pre), sigma(z_pre)
        n_of_h = r * from_h[2] if self.reset_after else self._from_h(r * recurrent_NH, weights)[2]
        n_pre = clipped(from_x[2] + n_of_h, self.preactivation_clip)
        n = phi(n_pre)
        h_NH = (1 - z) * n + z * h_NH
        return (h_NH,), {"r_pre": r_pre, "z_pre": z_pre, "n_pre": n_pre, "r": r, "z": z, "n": n}

    def _from_h(self, h_NH: Tensor, weights: GRUWeights) -> tuple[Tensor, ...]:
        return linear(h_NH, weights.weight_hh, weights.bias_hh).chunk(3, dim=-1)
