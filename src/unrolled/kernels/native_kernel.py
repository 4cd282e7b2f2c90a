"""The native CPU kernels (csrc/) behind the kernels' common signature.

Shapes: T = time, N = batch, F = input features, S = width of the output, H = hidden units.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells import Cell, GRUEquations, LSTMEquations, RNNEquations, State
from unrolled.kernels import native_calls
from unrolled.kernels.kernel import DEFAULTS, QUIET, Call, Kernel, Noise, Options, Run, foreign_problem
from unrolled.kernels.native_autograd import Recurrence
from unrolled.kernels.native_calls import How, Inputs, Keep, Outputs
from unrolled.kernels.native_library import absence
from unrolled.kernels.native_ops import or_none, recurrence
from unrolled.kernels.plain import is_plain
from unrolled.kernels.ragged import Ragged

_DTYPES: Final = (torch.float32, torch.float64)
_OPTIONS: Final = ("peephole", "layer_norm", "recurrent_dropout", "zoneout")


@final
class NativeKernel(Kernel):
    """Fused loops over time in C++, for LSTM, GRU and RNN on a CPU."""

    name: ClassVar[str] = "native"

    def verdict(self, call: Call) -> str:
        """Refuse other cells, devices and types, and transformations that can't see into native code."""
        if reason := absence():
            return reason
        if operator_name(call.cell) is None:
            return f"there is no native code for {call.cell.name}"
        if foreign := foreign_problem(call, () if call.wants_gates else _OPTIONS):
            return f"there is no native code for {foreign}" + (" that gives its gates" if call.wants_gates else "")
        if call.device != "cpu":
            return f"it runs on the CPU; the input is on {call.device}"
        if call.dtype not in _DTYPES:
            return f"it computes in float32 and float64; the input is {call.dtype}"
        if call.precision == "f16" or (call.precision == "bf16" and call.dtype != torch.float32):
            return f"it rounds float32 to bfloat16 alone; asked for is {call.dtype} to {call.precision}"
        if _is_exporting_to_onnx():
            return "an ONNX export needs PyTorch's own operators"
        return "yes"

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
        """Run all steps at once; the reverse direction reads the same input from its end."""
        inputs = _inputs(x_TNF, state, weights, ragged, noise)
        differentiable = _needs_grad(inputs)
        keep: Keep = "all"
        if not options.record:
            keep = "nothing" if not differentiable else "states" if options.recompute else "all"
        made = _forward(cell, inputs, _how(reverse, options.precision, noise), keep, differentiable)
        final = (made.h_n,) if made.c_n is None else (made.h_n, made.c_n)
        return Run(made.output, final, _record(cell, inputs, made, ragged, reverse) if options.record else None)

    def step(self, cell: Cell[Any], x_NF: Float[Tensor, "N F"], state: State, weights: Any) -> State:
        """Run a sequence of one step."""
        return self.run(cell, x_NF.unsqueeze(0), state, weights).state


def _is_exporting_to_onnx() -> bool:
    # PyTorch's own question takes a microsecond; it is only worth asking while something is traced.
    traced = torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()
    return traced and torch.onnx.is_in_onnx_export()


def operator_name(cell: Cell[Any]) -> str | None:
    """The operator that runs a cell; None where there is none."""
    match cell:
        case LSTMEquations():
            return "lstm"
        case GRUEquations():
            return "gru"
        case RNNEquations():
            return f"rnn_{cell.nonlinearity}"
    return None


def _inputs(x_TNF: Tensor, state: State, weights: Any, ragged: Ragged | None, noise: Noise) -> Inputs:
    dtype = weights[0].dtype
    h_mask = noise.h_mask
    # Under autocast alone; the layer refuses it otherwise.
    if x_TNF.dtype != dtype or any(s.dtype != dtype for s in state):
        x_TNF, state = x_TNF.to(dtype), tuple(s.to(dtype) for s in state)
    if h_mask is not None and h_mask.dtype != dtype:
        h_mask = h_mask.to(dtype)
    h_0, c_0 = state if len(state) == 2 else (state[0], None)
    more = (*weights[4:], *(None,) * 6)[:6]
    lengths_N = None if ragged is None else ragged.lengths_N
    held = [hold if isinstance(hold, Tensor) else None for hold in (*noise.hold, None, None)[:2]]
    return Inputs._make((x_TNF, h_0, c_0, *weights[:4], *more, lengths_N, h_mask, *held))


def _how(reverse: bool, precision: str, noise: Noise) -> How:
    if not noise.hold:
        return How(reverse, precision)
    rates = [0.0 if hold is None or isinstance(hold, Tensor) else hold for hold in (*noise.hold, None)[:2]]
    return How(reverse, precision, *rates)


def _needs_grad(inputs: Inputs) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs)


def _forward(cell: Cell[Any], inputs: Inputs, how: How, keep: Keep, differentiable: bool) -> Outputs:
    """Call the kernel itself, with autograd or without; its operator only where something else looks on."""
    name = operator_name(cell)
    assert name is not None, "the registry chooses this kernel for its own cells alone"
    if is_plain(inputs.x):
        if not differentiable:
            return native_calls.forward(name, inputs, how, keep)
        return Outputs._make(Recurrence.apply(name, how, keep, *inputs))  # type: ignore[no-untyped-call]
    output, h_n, *rest = recurrence(name)(*inputs, *how, keep)
    return Outputs(output, h_n, *map(or_none, rest))


def _record(cell: Cell[Any], inputs: Inputs, made: Outputs, ragged: Ragged | None, reverse: bool) -> dict[str, Tensor]:
    """Name what the forward pass kept, 0 at padded steps; the sums before the gates in one product for all steps."""
    h_before = _before(made.output, inputs.h_0, ragged, reverse)
    from_x = linear(inputs.x, inputs.weight_ih, inputs.bias_ih).chunk(cell.blocks, dim=-1)
    from_h = linear(h_before, inputs.weight_hh, inputs.bias_hh).chunk(cell.blocks, dim=-1)
    if made.gates is None:
        gates = made.output.unsqueeze(2)
    else:
        steps, batch, rows = made.gates.shape
        gates = made.gates.view(steps, batch, 4, rows // 4)  # not -1, which an empty batch leaves open
    record: dict[str, Tensor] = {}
    for k, name in enumerate(cell.gates):
        reset = gates[:, :, 0] if (cell.name, name) == ("GRU", "n") else 1
        record[f"{name}_pre"] = from_x[k] + reset * from_h[k]
        record[name] = gates[:, :, k]
    states = (made.output,) if made.cells is None else (made.output, made.cells)
    record |= dict(zip(cell.states, states, strict=True))
    return record if ragged is None else {n: v.where(ragged.valid_TN1, 0) for n, v in record.items()}


def _before(output_TNS: Tensor, h_0: Tensor, ragged: Ragged | None, reverse: bool) -> Tensor:
    """The h that each step started from."""
    if not reverse:
        return torch.cat([h_0.unsqueeze(0), output_TNS[:-1]])
    shifted = torch.cat([output_TNS[1:], h_0.unsqueeze(0)])
    if ragged is None:
        return shifted
    times = torch.arange(ragged.steps, device=output_TNS.device)[:, None]
    return torch.where((times == ragged.lengths_N - 1).unsqueeze(-1), h_0, shifted)
