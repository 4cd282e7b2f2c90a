"""The scalar LSTM of xLSTM: exponential gates with a normaliser and a stabiliser.

Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter & Hochreiter (2024), "xLSTM: Extended long
short-term memory", equations 8 to 17. Gate g is the paper's z. The output does not depend on the stabiliser m, which
keeps the exponentials from overflowing.

Shapes: N = batch, F = input features, H = hidden units, D = heads. Gate blocks lie in the order i, f, g, o.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear, logsigmoid

from unrolled.cells.cell import Cell, Gates, State, masked, stacked_shapes


class SLSTMWeights(NamedTuple):
    """Parameters of one sLSTM layer and direction; a unit's recurrent weights come from its own head alone."""

    weight_ih: Float[Tensor, "4H F"]
    weight_hh: Float[Tensor, "4H H/D"]
    bias_ih: Float[Tensor, "4H"] | None = None
    bias_hh: Float[Tensor, "4H"] | None = None


@final
@dataclass(frozen=True)
class SLSTMEquations(Cell[SLSTMWeights]):
    """The sLSTM's step."""

    hidden_size: int
    bias: bool = True
    num_heads: int = 1
    forget_gate: Literal["sigmoid", "exp"] = "sigmoid"

    name: ClassVar[str] = "SLSTM"
    states: ClassVar[tuple[str, ...]] = ("h", "c", "n", "m")
    weights_type: ClassVar[type[SLSTMWeights]] = SLSTMWeights

    @property
    def gates(self) -> tuple[str, ...]:
        """As in an LSTM."""
        return ("i", "f", "g", "o")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h, c, the normaliser n and the stabiliser m."""
        return (self.hidden_size,) * 4

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the stacked weights."""
        return stacked_shapes(4 * self.hidden_size, input_size, self.hidden_size // self.num_heads, self.bias)

    def step(
        self,
        x_NF: Float[Tensor, "N F"],
        state: State,
        weights: SLSTMWeights,
        h_mask_NS: Float[Tensor, "N H"] | None = None,
    ) -> tuple[State, Gates]:
        """Advance h, c, n and m, each (N, H), by one step; the gates are the stabilised ones."""
        h, c, n, m = state
        sums = linear(x_NF, weights.weight_ih, weights.bias_ih) + self._from_h(masked(h, h_mask_NS), weights)
        i_pre, f_pre, g_pre, o_pre = sums.chunk(4, dim=-1)
        log_f = f_pre if self.forget_gate == "exp" else logsigmoid(f_pre)
        # Before anything is written there is nothing to hold up against i.
        m_new = torch.where(n == 0, i_pre, torch.maximum(log_f + m, i_pre))
        # Above 0 only where n is 0: there f may be of any size, and is kept from overflowing.
        i, f = torch.exp(i_pre - m_new), torch.exp(torch.clamp(log_f + m - m_new, max=_largest_exponent(x_NF.dtype)))
        g, o = torch.tanh(g_pre), torch.sigmoid(o_pre)
        c, n = f * c + i * g, f * n + i
        gates = {"i_pre": i_pre, "f_pre": f_pre, "g_pre": g_pre, "o_pre": o_pre, "i": i, "f": f, "g": g, "o": o}
        return (o * c / n, c, n, m_new), gates

    def _from_h(self, h_NH: Tensor, weights: SLSTMWeights) -> Tensor:
        """Each head's products: units of a head see h of the same head."""
        heads, size = self.num_heads, self.hidden_size // self.num_heads
        weight = weights.weight_hh.view(4, heads, size, size)
        sums = torch.einsum("gdok,ndk->ngdo", weight, h_NH.view(-1, heads, size)).flatten(1)
        return sums if weights.bias_hh is None else sums + weights.bias_hh


def _largest_exponent(dtype: torch.dtype) -> float:
    """Half of what would overflow, so that there is room to multiply; the derivative is right up to there."""
    return math.log(torch.finfo(dtype).max) / 2
