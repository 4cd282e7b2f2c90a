"""From tensors to the native kernels' addresses: allocation, strides, and nothing else.

What is passed in has been checked. Shapes: T = time, N = batch, F = input features, H = hidden units, S = width
of h (H, or the projection's size), B = gate blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from unrolled.kernels.native_library import library

Keep: TypeAlias = str
"""What a forward pass keeps for a backward one: "nothing", "states" (gates are computed again) or "all"."""

CELLS: Final[dict[str, int]] = {"lstm": 0, "gru": 1, "rnn_tanh": 2, "rnn_relu": 3}
"""The cells' numbers in csrc/arguments.h."""

BLOCKS: Final[dict[str, int]] = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
"""Gate blocks of each cell (B)."""

_PRECISIONS: Final = {torch.float32: 0, torch.float64: 1}
_BF16: Final = 2
_LARGE: Final = 1 << 18  # elements
_DENSE: Final = torch.contiguous_format


class Inputs(NamedTuple):
    """One layer in one direction, as both passes read it."""

    x: Float[Tensor, "T N F"]
    h_0: Float[Tensor, "N S"]
    c_0: Float[Tensor, "N H"] | None
    weight_ih: Float[Tensor, "B*H F"]
    weight_hh: Float[Tensor, "B*H S"]
    bias_ih: Float[Tensor, "B*H"] | None
    bias_hh: Float[Tensor, "B*H"] | None
    weight_hr: Float[Tensor, "S H"] | None
    weight_peephole: Float[Tensor, "3 H"] | None
    norm_ih: Float[Tensor, "B*H"] | None
    norm_hh: Float[Tensor, "B*H"] | None
    norm_c: Float[Tensor, "H"] | None
    norm_c_bias: Float[Tensor, "H"] | None
    lengths: Int64[Tensor, "N"] | None
    h_mask: Float[Tensor, "N S"] | None = None
    h_held: Bool[Tensor, "T N S"] | None = None
    c_held: Bool[Tensor, "T N H"] | None = None


class How(NamedTuple):
    """How both passes run: everything about them that is no tensor.

    h_rate, c_rate: Zoneout's share of the old state in the new one, where `h_held` and `c_held` do not say.
    """

    reverse: bool = False
    precision: str = "full"
    h_rate: float = 0.0
    c_rate: float = 0.0


class Outputs(NamedTuple):
    """What a forward pass writes; `c_n`, `gates` and `cells` are None where the cell or `keep` has none.

    gates: An LSTM's i, f, g, o or a GRU's r, z, n and W_hn·h + b_hn, side by side (W = 4H); or what layer
        normalisation keeps, in the kernel's own order (`gates_width`); undefined at padding.
    """

    output: Float[Tensor, "T N S"]
    h_n: Float[Tensor, "N S"]
    c_n: Float[Tensor, "N H"] | None
    gates: Float[Tensor, "T N W"] | None
    cells: Float[Tensor, "T N H"] | None


class Derivatives(NamedTuple):
    """What a backward pass writes: the derivative of each input, None where it is not wanted or not there."""

    x: Float[Tensor, "T N F"] | None
    h_0: Float[Tensor, "N S"] | None
    c_0: Float[Tensor, "N H"] | None
    weight_ih: Float[Tensor, "B*H F"] | None
    weight_hh: Float[Tensor, "B*H S"] | None
    bias_ih: Float[Tensor, "B*H"] | None
    bias_hh: Float[Tensor, "B*H"] | None
    weight_hr: Float[Tensor, "S H"] | None
    weight_peephole: Float[Tensor, "3 H"] | None
    norm_ih: Float[Tensor, "B*H"] | None
    norm_hh: Float[Tensor, "B*H"] | None
    norm_c: Float[Tensor, "H"] | None
    norm_c_bias: Float[Tensor, "H"] | None


class Wanted(NamedTuple):
    """Which derivatives a backward pass computes."""

    x: bool
    state: bool
    weights: bool

    @classmethod
    def of(cls, needs: Sequence[bool]) -> Wanted:
        """Read autograd's word on each field of `Inputs`."""
        return cls(needs[0], any(needs[1:3]), any(needs[3:DIFFERENTIABLE]))


DIFFERENTIABLE: Final = len(Derivatives._fields)
"""How many of the `Inputs` can have derivatives: the first ones."""


def allocate(cell: str, inputs: Inputs, keep: Keep) -> Outputs:
    """Make what a forward pass writes into."""
    x, batch = inputs.x, inputs.x.shape[1]
    width, hidden = inputs.weight_hh.shape[1], inputs.weight_ih.shape[0] // BLOCKS[cell]
    has_gates, has_cells = cell in ("lstm", "gru"), cell == "lstm"
    return Outputs(
        output=like_input(x, width),
        h_n=x.new_empty(batch, width),
        c_n=x.new_empty(batch, hidden) if has_cells else None,
        gates=_kept(inputs, gates_width(inputs, hidden)) if keep == "all" and has_gates else None,
        cells=_kept(inputs, hidden) if keep != "nothing" and has_cells else None,
    )


def gates_width(inputs: Inputs, hidden: int) -> int:
    """The width of `Outputs.gates`, as csrc/arguments.h has it."""
    return 4 * hidden if inputs.norm_ih is None else 8 * hidden + 16


def _kept(inputs: Inputs, width: int) -> Tensor:
    """Make an array of which the forward pass writes valid steps alone, and the backward pass reads no others."""
    steps, batch, _ = inputs.x.shape
    if inputs.lengths is None or steps * batch * width >= _LARGE:
        return empty(inputs.x, steps, batch, width)
    return inputs.x.new_zeros(steps, batch, width)  # so that small ones, those of tests, are reproducible


def like_input(x_TNF: Float[Tensor, "T N F"], width: int) -> Float[Tensor, "T N W"]:
    """Make an array over time and batch that is in memory as the input is: batch-first where that is."""
    steps, batch, _ = x_TNF.shape
    if x_TNF.stride(0) < x_TNF.stride(1):
        return empty(x_TNF, batch, steps, width).transpose(0, 1)
    return empty(x_TNF, steps, batch, width)


def empty(like: Tensor, *shape: int) -> Tensor:
    """Make a tensor; a large one in memory that earlier calls have used.

    Fresh memory comes page by page as it is first written, which takes as long as the kernels' arithmetic.
    """
    if type(like) is not Tensor or math.prod(shape) < _LARGE:
        return like.new_empty(shape)
    module = library()
    lend = module.lend_float32 if like.dtype == torch.float32 else module.lend_float64
    lent: Tensor = lend(math.prod(shape)).view(shape)
    return lent


def forward(cell: str, inputs: Inputs, how: How, keep: Keep) -> Outputs:
    """Run the forward pass."""
    inputs = _readable(inputs)
    made = allocate(cell, inputs, keep)
    library().forward(
        *_layer(cell, inputs, how),
        _extras(inputs, how),
        *_steps(made.output),
        made.h_n.data_ptr(),
        _address(made.c_n),
        _address(made.gates),
        _address(made.cells),
    )
    return made


def backward(
    cell: str,
    inputs: Inputs,
    made: Outputs,
    d_output: Float[Tensor, "T N S"] | None,
    d_h_n: Float[Tensor, "N S"] | None,
    d_c_n: Float[Tensor, "N H"] | None,
    how: How,
    wanted: Wanted,
) -> Derivatives:
    """Run the backward pass on what the forward pass made."""
    inputs = _readable(inputs)
    d_output = d_output if d_output is None or _is_dense(d_output) else d_output.contiguous()
    d_h_n, d_c_n = _contiguous(d_h_n), _contiguous(d_c_n)
    found = allocate_derivatives(inputs, wanted)
    library().backward(
        *_layer(cell, inputs, how),
        _extras(inputs, how, found),
        *_steps(made.output),
        _address(made.gates),
        _address(made.cells),
        *_steps(d_output),
        _address(d_h_n),
        _address(d_c_n),
        *_steps(found.x),
        *map(_address, found[1:8]),
    )
    return found


def allocate_derivatives(inputs: Inputs, wanted: Wanted) -> Derivatives:
    """Make what a backward pass writes into."""

    def like(tensor: Tensor | None, wished: bool) -> Tensor | None:
        return torch.empty_like(tensor, memory_format=_DENSE) if wished and tensor is not None else None

    return Derivatives(
        like_input(inputs.x, inputs.x.shape[2]) if wanted.x else None,
        like(inputs.h_0, wanted.state),
        like(inputs.c_0, wanted.state),
        *(like(weight, wanted.weights) for weight in inputs[3:DIFFERENTIABLE]),
    )


def _layer(cell: str, inputs: Inputs, how: How) -> tuple[int | bool, ...]:
    """The arguments that both passes begin with, in csrc/module.cpp's order."""
    x, h_0, c_0, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = inputs[:8]
    steps, batch, features = x.shape
    rows, width = weight_hh.shape
    return (
        CELLS[cell],
        _BF16 if how.precision == "bf16" else _PRECISIONS[x.dtype],
        steps,
        batch,
        features,
        rows // BLOCKS[cell],
        width,
        how.reverse,
        torch.get_num_threads(),
        _address(inputs.lengths),
        weight_ih.data_ptr(),
        weight_hh.data_ptr(),
        _address(bias_ih),
        _address(bias_hh),
        _address(weight_hr),
        *_steps(x),
        h_0.data_ptr(),
        _address(c_0),
    )


def _extras(inputs: Inputs, how: How, found: Derivatives | None = None) -> Any:
    """What most layers do not have, as csrc/module.cpp's `Extras`."""
    peephole, norm_ih = inputs.weight_peephole, inputs.norm_ih
    h_mask, h_held, c_held = inputs.h_mask, inputs.h_held, inputs.c_held
    disturbed = h_mask is not None or h_held is not None or c_held is not None or how.h_rate or how.c_rate
    if peephole is None and norm_ih is None and not disturbed:
        return _no_extras()
    extras = library().Extras()
    extras.peephole, extras.h_mask = _address(peephole), _address(h_mask)
    if found is not None:
        extras.d_peephole = _address(found.weight_peephole)
    if norm_ih is not None:
        _set_norms(extras, inputs, found)
    extras.h, extras.c = _held(h_held, how.h_rate), _held(c_held, how.c_rate)
    return extras


def _set_norms(extras: Any, inputs: Inputs, found: Derivatives | None) -> None:
    for name in ("norm_ih", "norm_hh", "norm_c", "norm_c_bias"):
        setattr(extras, name, _address(getattr(inputs, name)))
        if found is not None:
            setattr(extras, f"d_{name}", _address(getattr(found, name)))


def _held(held: Tensor | None, rate: float) -> Any:
    state = library().Held()
    state.data, state.time, state.batch = _steps(held)
    state.rate = rate
    return state


@cache
def _no_extras() -> Any:
    return library().Extras()


def _readable(inputs: Inputs) -> Inputs:
    x, *rest = inputs
    if _is_dense(x) and all(tensor is None or tensor.is_contiguous() for tensor in rest):
        return inputs
    return Inputs._make([x if _is_dense(x) else x.contiguous(), *map(_contiguous, rest)])


def _is_dense(array: Tensor) -> bool:
    """Whether the elements of one step are neighbours."""
    return array.stride(2) == 1 or array.shape[2] == 1


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _steps(array: Tensor | None) -> tuple[int, int, int]:
    return (0, 0, 0) if array is None else (array.data_ptr(), array.stride(0), array.stride(1))
