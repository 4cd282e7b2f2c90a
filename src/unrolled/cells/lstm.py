"""Long short-term memory.

Hochreiter & Schmidhuber (1997), "Long short-term memory"; the forget gate is by Gers, Schmidhuber &
Cummins (2000), "Learning to forget"; the projection by Sak, Senior & Beaufays (2014).

Shapes: N = batch, F = input features, H = hidden units, S = projection's size, or H without one.
Gate blocks lie in the order i, f, g, o, as in `torch.nn.LSTM`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells.cell import Cell, Gates, State, stacked_shapes


class LSTMWeights(NamedTuple):
    """Parameters of one LSTM layer and direction."""

    weight_ih: Float[Tensor, "4H F"]
    weight_hh: Float[Tensor, "4H S"]
    bias_ih: Float[Tensor, "4H"] | None = None
    bias_hh: Float[Tensor, "4H"] | None = None
    weight_hr: Float[Tensor, "S H"] | None = None


@final
@dataclass(frozen=True)
class LSTMEquations(Cell[LSTMWeights]):
    """The LSTM's step; `proj_size=0` means no projection."""

    hidden_size: int
    bias: bool = True
    proj_size: int = 0

    name: ClassVar[str] = "LSTM"
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    weights_type: ClassVar[type[LSTMWeights]] = LSTMWeights

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h (S) and of c (H)."""
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the stacked weights, and of the projection where there is one."""
        shapes = stacked_shapes(4 * self.hidden_size, input_size, self.output_size, self.bias)
        return shapes | ({"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {})

    def step(self, x_NF: Float[Tensor, "N F"], state: State, weights: LSTMWeights) -> tuple[State, Gates]:
        """Advance h (N, S) and c (N, H) by one step."""
        h_NS, c_NH = state
        pre_N4H = linear(x_NF, weights.weight_ih, weights.bias_ih) + linear(h_NS, weights.weight_hh, weights.bias_hh)
        i_pre, f_pre, g_pre, o_pre = pre_N4H.chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i_pre), torch.sigmoid(f_pre), torch.tanh(g_pre), torch.sigmoid(o_pre)
        c_NH = f * c_NH + i * g
        h_NH = o * torch.tanh(c_NH)
        h_NS = h_NH if weights.weight_hr is None else linear(h_NH, weights.weight_hr)
        gates = {
            "i_pre": i_pre,
            "f_pre": f_pre,
            "g_pre": g_pre,
            "o_pre": o_pre,
            "i": i,
            "f": f,
            "g": g,
            "o": o,
        }
        return (h_NS, c_NH), gates
