"""PyTorch's own routines (`torch._VF`), where they compute the same thing.

Shapes: T = time, N = batch, F = input features, S = width of the output, P = valid steps of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import _VF, Tensor

from unrolled.cells import Cell, GRUEquations, LSTMEquations, RNNEquations, State
from unrolled.kernels.kernel import (
    DEFAULTS,
    QUIET,
    Call,
    Kernel,
    Noise,
    Options,
    Run,
    foreign_problem,
    rounding_problem,
)
from unrolled.kernels.ragged import Ragged, pack, pad


@final
class TorchKernel(Kernel):
    """One call of an `aten` operator for a whole layer; ragged batches go through it packed."""

    name: ClassVar[str] = "torch"

    def verdict(self, call: Call) -> str:
        """Refuse what `aten` does not offer: other cells, gates, sequences without any step."""
        if _routine_name(call.cell) is None:
            return f"PyTorch has no routine for {call.cell.name}"
        if foreign := foreign_problem(call):
            return f"PyTorch's routine does not have {foreign}"
        if call.wants_gates:
            return "PyTorch's routine does not give out its gates"
        if call.ragged and (call.empty_rows or call.batch == 0):
            return "PyTorch cannot pack sequences of length 0"
        return rounding_problem(call) or "yes"

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
        """Run the layer; the reverse direction reads a mirrored copy of the input."""
        assert not options.record, "the registry does not choose this kernel when gates are wanted"
        if ragged is not None:
            return _run_packed(cell, x_TNF, state, weights, ragged, reverse)
        output, *last = _call(cell, (x_TNF.flip(0) if reverse else x_TNF,), state, weights, (False,))
        return Run(output.flip(0) if reverse else output, _without_layer_axis(last))

    def step(self, cell: Cell[Any], x_NF: Float[Tensor, "N F"], state: State, weights: Any) -> State:
        """Run PyTorch's routine for one step."""
        routine = getattr(_VF, f"{_routine_name(cell)}_cell")
        new = routine(x_NF, _as_hx(state), *weights[:4])
        return new if isinstance(new, tuple) else (new,)


def _routine_name(cell: Cell[Any]) -> str | None:
    match cell:
        case LSTMEquations():
            return "lstm"
        case GRUEquations():
            return "gru"
        case RNNEquations():
            return f"rnn_{cell.nonlinearity}"
    return None


def _as_hx(state: State) -> State | Tensor:
    return state if len(state) > 1 else state[0]


def _call(
    cell: Cell[Any], data: tuple[Tensor, ...], state: State, weights: Any, last: tuple[bool, ...]
) -> tuple[Tensor, ...]:
    """Call the routine for one layer, one direction; `data` is (x,) or (packed, batch sizes)."""
    routine: Callable[..., tuple[Tensor, ...]] = getattr(_VF, f"{_routine_name(cell)}")
    hx = _as_hx(tuple(s.unsqueeze(0) for s in state))
    parameters = [w for w in weights if w is not None]
    has_biases = weights.bias_ih is not None
    # cuDNN keeps what its backward needs only when told that this is training.
    train = torch.is_grad_enabled()
    return routine(*data, hx, parameters, has_biases, 1, 0.0, train, False, *last)


def _without_layer_axis(states: list[Tensor]) -> State:
    return tuple(s.squeeze(0) for s in states)


def _run_packed(cell: Cell[Any], x_TNF: Tensor, state: State, weights: Any, ragged: Ragged, reverse: bool) -> Run:
    index_P = ragged.packed_reverse_P if reverse else ragged.packed_P
    data = (pack(x_TNF, index_P), ragged.batch_sizes)
    first = tuple(s.index_select(0, ragged.order_N) for s in state)
    output_PS, *last = _call(cell, data, first, weights, ())
    steps, batch = x_TNF.shape[:2]
    ends = tuple(s.index_select(0, ragged.rank_N) for s in _without_layer_axis(last))
    return Run(pad(output_PS, index_P, steps, batch), ends)
