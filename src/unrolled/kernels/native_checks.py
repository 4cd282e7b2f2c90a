"""What the native operators refuse: whatever would read or write outside its memory, since anyone can call them.

Shapes: T = time, N = batch, F = input features, H = hidden units, S = width of h, B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from unrolled.errors import Problems, ShapeError
from unrolled.kernels.native_calls import BLOCKS, DIFFERENTIABLE, How, Inputs, Outputs, gates_width

_Expected: TypeAlias = tuple[str, Tensor | None, tuple[int, ...]]

_KEPT: Final = ("nothing", "states", "all")
_PRECISIONS: Final = {"full": (torch.float32, torch.float64), "bf16": (torch.float32,)}


def check_inputs(cell: str, inputs: Inputs, how: How, keep: str = "nothing") -> None:
    """Refuse inputs of a forward or backward pass by their shapes and types alone, as a compiler must."""
    found = _Findings(cell, inputs.x.dtype)
    x, weight_ih, weight_hh = inputs.x, inputs.weight_ih, inputs.weight_hh
    if x.dim() != 3 or weight_ih.dim() != 2 or weight_hh.dim() != 2:
        raise ShapeError(f"unrolled::{cell} expected x (T, N, F), weight_ih (B·H, F) and weight_hh (B·H, S).")
    (steps, batch, features), width, hidden = x.shape, weight_hh.shape[1], weight_hh.shape[0] // BLOCKS[cell]
    rows = BLOCKS[cell] * hidden
    shapes = (
        *((batch, width), (batch, hidden), (rows, features), (rows, width), (rows,), (rows,)),
        *((width, hidden), (3, hidden), (rows,), (rows,), (hidden,), (hidden,)),
    )
    found.compare(zip(Inputs._fields[1:DIFFERENTIABLE], inputs[1:DIFFERENTIABLE], shapes, strict=True))
    found.compare([("h_mask", inputs.h_mask, (batch, width))])
    found.compare([("lengths", inputs.lengths, (batch,))], torch.int64)
    held = [("h_held", inputs.h_held, (steps, batch, width)), ("c_held", inputs.c_held, (steps, batch, hidden))]
    found.compare(held, torch.bool)
    found.check(hidden > 0 and width > 0, "weight_hh must have elements.")
    found.check((inputs.bias_ih is None) == (inputs.bias_hh is None), "bias_ih and bias_hh go together.")
    found.check((inputs.c_0 is not None) == (cell == "lstm"), "An LSTM needs c_0, and no other cell has it.")
    norms = {inputs.norm_ih is None, inputs.norm_hh is None, inputs.norm_c is None}
    found.check(len(norms) == 1, "norm_ih, norm_hh and norm_c go together.")
    found.check(inputs.norm_c_bias is None or inputs.norm_c is not None, "norm_c_bias is nothing without norm_c.")
    for name in ("weight_hr", "weight_peephole", "norm_ih", "c_held"):
        found.check(getattr(inputs, name) is None or cell == "lstm", f"Only an LSTM has {name}.")
    found.check(inputs.weight_hr is not None or width == hidden, f"weight_hh must be ({rows}, {hidden}) here.")
    found.check(keep in _KEPT, f"keep must be one of {', '.join(_KEPT)}; got {keep!r}.")
    good = x.dtype in _PRECISIONS.get(how.precision, ())
    found.check(good, f"precision={how.precision!r} cannot be had in {x.dtype}.")
    for name, rate in (("h_rate", how.h_rate), ("c_rate", how.c_rate)):
        found.check(0 <= rate < 1, f"{name} must be a share from 0 up to, not including, 1; got {rate}.")
    found.finish()


def check_lengths(cell: str, inputs: Inputs) -> None:
    """Refuse lengths by their values."""
    steps = inputs.x.shape[0]
    if inputs.lengths is not None and not all(0 <= length <= steps for length in inputs.lengths.tolist()):
        raise ShapeError(f"unrolled::{cell} expected lengths from 0 to T={steps}; got {inputs.lengths.tolist()}.")


def check_made(
    cell: str, inputs: Inputs, made: Outputs, d_output: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None
) -> None:
    """Refuse what a backward pass was given besides (checked) inputs."""
    found = _Findings(cell, inputs.x.dtype)
    (steps, batch, _), width, hidden = inputs.x.shape, inputs.weight_hh.shape[1], inputs.weight_ih.shape[0]
    hidden //= BLOCKS[cell]
    found.compare(
        [
            ("output", made.output, (steps, batch, width)),
            ("gates", made.gates, (steps, batch, gates_width(inputs, hidden))),
            ("cells", made.cells, (steps, batch, hidden)),
            ("d_output", d_output, (steps, batch, width)),
            ("d_h_n", d_h_n, (batch, width)),
            ("d_c_n", d_c_n, (batch, hidden)),
        ]
    )
    for name, kept in (("gates", made.gates), ("cells", made.cells)):
        found.check(kept is None or kept.is_contiguous(), f"{name} must be contiguous, as the forward pass made it.")
    found.check(
        made.output.shape[-1:] == (1,) or made.output.stride()[-1:] == (1,), "output's units must be neighbours."
    )
    found.check(
        made.cells is not None or cell != "lstm", "cells must be there: run the forward pass with keep='states'."
    )
    found.finish()


class _Findings(Problems):
    """What is wrong with one call of an operator."""

    def __init__(self, cell: str, dtype: torch.dtype) -> None:
        super().__init__()
        self._cell, self._dtype = cell, dtype

    def compare(self, expected: Iterable[_Expected], dtype: torch.dtype | None = None) -> None:
        """Note every tensor that is there and has another shape or type."""
        wanted: Any = dtype or self._dtype
        for name, tensor, shape in expected:
            if tensor is not None:
                self.check(tuple(tensor.shape) == shape, f"{name} must be {shape}; got {tuple(tensor.shape)}.")
                self.check(tensor.dtype == wanted, f"{name} must be {wanted}; got {tensor.dtype}.")

    def finish(self) -> None:
        self.raise_as(ShapeError, f"unrolled::{self._cell} cannot run this call")
