"""What `torch.onnx.export` is shown in the place of a layer, with time and batch free: a node of ONNX, or a Scan.

Where ONNX's LSTM, GRU or RNN computes the cell, that node is put into the graph; any other cell becomes a Scan of its
own equations. PyTorch would trace its routines into a loop of as many steps as the example had.

Shapes: T = time, N = batch, F = input features, H = hidden units, S = width of a state.
Gate blocks of ONNX lie in the order i, o, f, c (peepholes: i, o, f), and z, r, h.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch._higher_order_ops.scan import scan

from unrolled.cells import Activation, Cell, GRUEquations, LSTMEquations, RNNEquations, State
from unrolled.errors import KernelError
from unrolled.kernels.kernel import DEFAULTS, QUIET, Call, Kernel, Noise, Options, Run
from unrolled.kernels.ragged import Ragged

_ORDER: Final = {"LSTM": ("i", "o", "f", "g"), "GRU": ("z", "r", "n"), "RNN": ("h",)}
_LOOKING: Final = ("i", "o", "f")
_OPTIONS: Final = (
    "peephole",
    "coupled_gates",
    "preactivation_clip",
    "activation",
    "recurrent_activation",
    "nonlinearity",
    "reset_after",
)
_OPSET: Final = 18
_DEFAULT: Final = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}


@final
class OnnxKernel(Kernel):
    """A node or a Scan of ONNX, in an export by `torch.onnx.export(dynamo=True)` alone."""

    name: ClassVar[str] = "onnx"

    def verdict(self, call: Call) -> str:
        """Refuse everything but an export, and what an exported model has no randomness for."""
        if not is_exporting():
            return "no export to ONNX is under way"
        if call.wants_gates:
            return "an exported layer does not give out its gates"
        if call.cell.name == "SLSTM":
            return "PyTorch's exporter fails on the sLSTM's equations within a loop"
        if "recurrent_dropout" in call.noise:
            return "an export draws no masks; call eval() before it"
        return "yes" if call.precision == "full" else f"ONNX has no rounding to {call.precision}"

    def run(
        self,
        cell: Cell[Any],
        x_TNF: Float[Tensor, "T N F"],
        state: State,
        weights: Any,
        *,
        ragged: Ragged | None = None,
        reverse: bool = False,
        noise: Noise = QUIET,
        options: Options = DEFAULTS,
    ) -> Run:
        """Put one layer and direction into the graph."""
        if any(isinstance(held, Tensor) for held in noise.hold):
            raise KernelError("An export draws no masks for zoneout. Call eval() on the model before it.")
        if _has_node(cell) and not noise.hold:
            return _node(cell, x_TNF, state, weights, ragged, reverse)
        return _scan(cell, x_TNF, state, weights, ragged, reverse, noise)

    def step(self, cell: Cell[Any], x_NF: Float[Tensor, "N F"], state: State, weights: Any) -> State:
        """Run a sequence of one step."""
        return self.run(cell, x_NF.unsqueeze(0), state, weights).state


def is_exporting() -> bool:
    """Whether a layer is being traced by `torch.onnx.export(dynamo=True)`."""
    return torch.compiler.is_compiling() and torch.onnx.is_in_onnx_export()


def _has_node(cell: Cell[Any]) -> bool:
    """Whether ONNX has a node that computes the cell."""
    if not isinstance(cell, LSTMEquations | GRUEquations | RNNEquations):
        return False
    functions = _functions(cell)
    if isinstance(cell, LSTMEquations) and (
        cell.proj_size or (cell.coupled_gates and functions[0] != Activation("sigmoid"))
    ):
        return False  # 1 − f(a) = f(−a), by which coupled gates are written, is the sigmoid's
    return None not in functions and all(name in _OPTIONS for name in cell.options)


def _node(cell: Cell[Any], x_TNF: Tensor, state: State, weights: Any, ragged: Ragged | None, reverse: bool) -> Run:
    (time, batch, _), hidden = x_TNF.shape, cell.hidden_size
    lengths_N = None if ragged is None else ragged.lengths_N.to(torch.int32)
    W, R, B, *P = _tensors(cell, weights)
    shapes = [(time, 1, batch, hidden), *[(1, batch, hidden)] * len(state)]
    Y, *final = torch.onnx.ops.symbolic_multi_out(
        cell.name,
        [x_TNF, W, R, B, lengths_N, *(s.unsqueeze(0) for s in state), *P],
        _attributes(cell, reverse),
        dtypes=[x_TNF.dtype] * len(shapes),
        shapes=shapes,
        version=_OPSET,
    )
    return Run(Y.squeeze(1), tuple(s.squeeze(0) for s in final))


def _scan(
    cell: Cell[Any],
    x_TNF: Tensor,
    state: State,
    weights: Any,
    ragged: Ragged | None,
    reverse: bool,
    noise: Noise,
) -> Run:
    """The equations in a loop that the graph itself has; a sequence's state stands still at its padded steps."""
    valid_TN1 = x_TNF.new_ones(*x_TNF.shape[:2], 1, dtype=torch.bool) if ragged is None else ragged.valid_TN1
    given = (x_TNF.where(valid_TN1, 0), valid_TN1)

    def step(old: list[Tensor], given: tuple[Tensor, Tensor]) -> tuple[list[Tensor], Tensor]:
        x_NF, valid_N1 = given
        new, _ = cell.step(x_NF, tuple(old), weights)
        kept = [
            n if rate is None else rate * o + (1 - rate) * n
            for n, o, rate in zip(new, old, noise.hold or (None,) * len(new), strict=True)
        ]
        held = [torch.where(valid_N1, n, o) for n, o in zip(kept, old, strict=True)]
        return held, torch.where(valid_N1, held[0], 0)

    # A loop refuses two states that are one tensor, as zeros may be.
    first = [s.clone() for s in state]
    final, output_TNS = scan(step, first, tuple(g.flip(0) for g in given) if reverse else given)
    return Run(output_TNS.flip(0) if reverse else output_TNS, tuple(final))


def _tensors(cell: Cell[Any], weights: Any) -> list[Tensor | None]:
    """W, R, B and, of an LSTM, P; each with ONNX's axis of directions."""
    order = _ORDER[cell.name]
    B = None
    if weights.bias_ih is not None:
        B = torch.cat([_stack(cell, weights.bias_ih, order), _stack(cell, weights.bias_hh, order)]).unsqueeze(0)
    tensors = [_stack(cell, w, order).unsqueeze(0) for w in (weights.weight_ih, weights.weight_hh)]
    if getattr(weights, "weight_peephole", None) is None:
        return [*tensors, B]
    blocks = {gate: weights.weight_peephole[k] for k, gate in enumerate(cell.peephole_gates)}  # type: ignore[attr-defined]
    return [*tensors, B, torch.cat(_chosen(blocks, _LOOKING)).unsqueeze(0)]


def _stack(cell: Cell[Any], stacked: Tensor, order: tuple[str, ...]) -> Tensor:
    rows = cell.hidden_size  # cut row by row: an exporter works out slices of constants beforehand, but no splits
    blocks = {gate: stacked[k * rows : (k + 1) * rows] for k, gate in enumerate(cell.gates)}
    return torch.cat(_chosen(blocks, order))


def _chosen(blocks: dict[str, Tensor], order: tuple[str, ...]) -> list[Tensor]:
    """The blocks in ONNX's order; i = 1 − f where there is none, as 1 − σ(a) = σ(−a)."""
    return [blocks[gate] if gate in blocks else -blocks["f"] for gate in order]


def _attributes(cell: Cell[Any], reverse: bool) -> dict[str, Any]:
    attributes: dict[str, Any] = {"hidden_size": cell.hidden_size}
    if reverse:
        attributes["direction"] = "reverse"
    functions = [function for function in _functions(cell) if function is not None]
    if tuple(function.name for function in functions) != _DEFAULT[cell.name]:
        attributes["activations"] = ["".join(p.capitalize() for p in f.name.split("_")) for f in functions]
        for constant in ("alpha", "beta"):
            values = [getattr(function, constant) for function in functions]
            if given := [value for value in values if value is not None]:
                attributes[f"activation_{constant}"] = given
    if clip := getattr(cell, "preactivation_clip", None):
        attributes["clip"] = float(clip)
    if isinstance(cell, GRUEquations):
        attributes["linear_before_reset"] = int(cell.reset_after)
    return attributes


def _functions(cell: Cell[Any]) -> list[Activation | None]:
    """The activations in the order in which ONNX lists them; None for what is a function."""
    if isinstance(cell, RNNEquations):
        named: list[Any] = [cell.nonlinearity]
    else:
        named = [cell.recurrent_activation, *[cell.activation] * (len(_DEFAULT[cell.name]) - 1)]  # type: ignore[attr-defined]
    return [
        Activation(value) if isinstance(value, str) else value if isinstance(value, Activation) else None
        for value in named
    ]
