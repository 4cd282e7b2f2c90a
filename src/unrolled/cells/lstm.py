"""Long short-term memory, and what has been made of it.

Hochreiter & Schmidhuber (1997), "Long short-term memory"; the forget gate is by Gers, Schmidhuber &
Cummins (2000), "Learning to forget"; the projection by Sak, Senior & Beaufays (2014); peepholes by Gers &
Schmidhuber (2000), "Recurrent nets that time and count"; coupled gates as in Greff et al. (2017), "LSTM: a search
space odyssey"; layer normalisation by Ba, Kiros & Hinton (2016), equations 20 to 22.

Shapes: N = batch, F = input features, H = hidden units, S = projection's size, or H without one, B = gate blocks.
Gate blocks lie in the order i, f, g, o, as in `torch.nn.LSTM`; coupled gates have no block i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from unrolled.cells.activations import Nonlinearity, function_of
from unrolled.cells.cell import Cell, Gates, State, clipped, masked, stacked_shapes


class LSTMWeights(NamedTuple):
    """Parameters of one LSTM layer and direction; `weight_peephole` stacks the gates i, f, o (coupled: f, o)."""

    weight_ih: Float[Tensor, "B*H F"]
    weight_hh: Float[Tensor, "B*H S"]
    bias_ih: Float[Tensor, "B*H"] | None = None
    bias_hh: Float[Tensor, "B*H"] | None = None
    weight_hr: Float[Tensor, "S H"] | None = None
    weight_peephole: Float[Tensor, "P H"] | None = None
    norm_ih: Float[Tensor, "B*H"] | None = None
    norm_hh: Float[Tensor, "B*H"] | None = None
    norm_c: Float[Tensor, "H"] | None = None
    norm_c_bias: Float[Tensor, "H"] | None = None


@final
@dataclass(frozen=True)
class LSTMEquations(Cell[LSTMWeights]):
    """The LSTM's step; `proj_size=0` means no projection.

    `cell_clip` bounds c as it is kept; `preactivation_clip` bounds what the gates' nonlinearities are given.
    """

    hidden_size: int
    bias: bool = True
    proj_size: int = 0
    peephole: bool = False
    layer_norm: bool = False
    coupled_gates: bool = False
    cell_clip: float | None = None
    preactivation_clip: float | None = None
    activation: Nonlinearity = "tanh"
    recurrent_activation: Nonlinearity = "sigmoid"

    name: ClassVar[str] = "LSTM"
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    weights_type: ClassVar[type[LSTMWeights]] = LSTMWeights
    torch_fields: ClassVar[frozenset[str]] = frozenset({"hidden_size", "bias", "proj_size"})

    @property
    def gates(self) -> tuple[str, ...]:
        """Coupled gates need no weights for i."""
        return ("f", "g", "o") if self.coupled_gates else ("i", "f", "g", "o")

    @property
    def peephole_gates(self) -> tuple[str, ...]:
        """The gates that look at c, in the order of `weight_peephole`."""
        return tuple(gate for gate in self.gates if gate != "g")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Width of h (S) and of c (H)."""
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the stacked weights, and of what the options add."""
        rows, width = self.blocks * self.hidden_size, (self.hidden_size,)
        shapes = stacked_shapes(rows, input_size, self.output_size, self.bias)
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, *width)
        if self.peephole:
            shapes["weight_peephole"] = (len(self.peephole_gates), *width)
        if self.layer_norm:
            shapes |= {"norm_ih": (rows,), "norm_hh": (rows,), "norm_c": width}
            shapes |= {"norm_c_bias": width} if self.bias else {}
        return shapes

    def step(
        self,
        x_NF: Float[Tensor, "N F"],
        state: State,
        weights: LSTMWeights,
        h_mask_NS: Float[Tensor, "N S"] | None = None,
    ) -> tuple[State, Gates]:
        """Advance h (N, S) and c (N, H) by one step."""
        h_NS, before_NH = state
        sigma, phi = function_of(self.recurrent_activation), function_of(self.activation)
        pre = self._sums(x_NF, masked(h_NS, h_mask_NS), weights)
        pre = {gate: self._look(pre_NH, gate, before_NH, weights) for gate, pre_NH in pre.items()}
        f, g = sigma(pre["f"]), phi(pre["g"])
        i = 1 - f if self.coupled_gates else sigma(pre["i"])
        c_NH = clipped(f * before_NH + i * g, self.cell_clip)
        pre["o"] = self._look(pre["o"], "o", c_NH, weights, late=True)
        o = sigma(pre["o"])
        h_NH = o * phi(self._normalised(c_NH, weights))
        h_NS = h_NH if weights.weight_hr is None else linear(h_NH, weights.weight_hr)
        return (h_NS, c_NH), {f"{gate}_pre": v for gate, v in pre.items()} | {"i": i, "f": f, "g": g, "o": o}

    def _sums(self, x_NF: Tensor, h_NS: Tensor, weights: LSTMWeights) -> Gates:
        """What each gate is told by x and h; under layer normalisation the biases are its shifts."""
        if weights.norm_ih is None or weights.norm_hh is None:
            of_x = linear(x_NF, weights.weight_ih, weights.bias_ih)
            of_h = linear(h_NS, weights.weight_hh, weights.bias_hh)
        else:
            rows = weights.norm_ih.shape
            of_x = layer_norm(linear(x_NF, weights.weight_ih), rows, weights.norm_ih, weights.bias_ih)
            of_h = layer_norm(linear(h_NS, weights.weight_hh), rows, weights.norm_hh, weights.bias_hh)
        return dict(zip(self.gates, (of_x + of_h).chunk(self.blocks, dim=-1), strict=True))

    def _look(self, pre_NH: Tensor, gate: str, c_NH: Tensor, weights: LSTMWeights, late: bool = False) -> Tensor:
        """Let a gate see c, and clip what it is told; only gate o, which is `late`, sees the new c."""
        if (gate == "o") != late:
            return pre_NH
        if weights.weight_peephole is not None and gate in self.peephole_gates:
            pre_NH = pre_NH + weights.weight_peephole[self.peephole_gates.index(gate)] * c_NH
        return clipped(pre_NH, self.preactivation_clip)

    def _normalised(self, c_NH: Tensor, weights: LSTMWeights) -> Tensor:
        if weights.norm_c is None:
            return c_NH
        return layer_norm(c_NH, weights.norm_c.shape, weights.norm_c, weights.norm_c_bias)
