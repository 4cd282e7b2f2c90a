"""The native kernels as an autograd function: what runs when nothing but PyTorch's own autograd looks on.

It does what the operators of `native_ops` do, without their bookkeeping, which takes as long as a small layer. The
operators stay what compilers and exports see, and what is differentiated twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import native_calls
from unrolled.kernels.native_calls import How, Inputs, Keep, Outputs, Wanted
from unrolled.kernels.native_ops import backward_operator

_INPUTS = len(Inputs._fields)
_BEFORE = 3  # arguments before them


class Recurrence(torch.autograd.Function):
    """One layer in one direction; called as `Recurrence.apply(cell, how, keep, *inputs)`."""

    @staticmethod
    def forward(ctx: Any, cell: str, how: How, keep: Keep, *tensors: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run the kernel and note what a backward pass needs; return the fields of `Outputs`."""
        made = native_calls.forward(cell, Inputs._make(tensors), how, keep)
        ctx.cell, ctx.how = cell, how
        ctx.save_for_backward(*tensors, made.output, made.gates, made.cells)
        ctx.mark_non_differentiable(*(tensor for tensor in (made.gates, made.cells) if tensor is not None))
        ctx.set_materialize_grads(False)
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *d_made: Any) -> tuple[Tensor | None, ...]:
        """Return the derivatives of the tensors; by the operator where they are to be differentiated again."""
        cell, how = ctx.cell, ctx.how
        tensors, (output, gates, cells) = ctx.saved_tensors[:_INPUTS], ctx.saved_tensors[_INPUTS:]
        (d_output, d_h_n, d_c_n), needs = d_made[:3], ctx.needs_input_grad[_BEFORE:]
        if d_output is None and d_h_n is None and d_c_n is None:
            return (None,) * len(ctx.needs_input_grad)
        wanted = Wanted.of(needs)
        found: Sequence[Tensor | None]
        if torch.is_grad_enabled():
            kept = tuple(output.new_empty(0) if tensor is None else tensor for tensor in (gates, cells))
            found = backward_operator(cell)(*tensors, output, *kept, d_output, d_h_n, d_c_n, *how, *wanted)
        else:
            made, inputs = Outputs(output, output, None, gates, cells), Inputs._make(tensors)
            found = native_calls.backward(cell, inputs, made, d_output, d_h_n, d_c_n, how, wanted)
        derivatives = [d if need else None for d, need in zip(found, needs, strict=False)]
        return (*(None,) * _BEFORE, *derivatives, *(None,) * (_INPUTS - len(derivatives)))
