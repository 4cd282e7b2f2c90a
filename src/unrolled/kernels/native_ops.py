"""The native kernels as `torch.library` operators, so that `torch.compile` and `torch.export` see one node a layer.

`unrolled::lstm`, `unrolled::gru`, `unrolled::rnn_tanh` and `unrolled::rnn_relu` share one signature; each has a
`…_backward`, an operator too, whose own derivative goes by way of the reference equations. An operator can't return
None: what is not there is a tensor without elements.

Shapes: T = time, N = batch, F = input features, H = hidden units, S = width of h (H, or the projection's size).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from unrolled.cells import Cell, GRUEquations, LSTMEquations, RNNEquations
from unrolled.kernels import native_calls
from unrolled.kernels.kernel import Noise
from unrolled.kernels.native_calls import BLOCKS, DIFFERENTIABLE, How, Inputs, Outputs, Wanted
from unrolled.kernels.native_checks import check_inputs, check_lengths, check_made
from unrolled.kernels.ragged import Ragged
from unrolled.kernels.reference import ReferenceKernel

_INPUTS: Final = (
    "Tensor x, Tensor h_0, Tensor? c_0, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh, "
    "Tensor? weight_hr, Tensor? weight_peephole, Tensor? norm_ih, Tensor? norm_hh, Tensor? norm_c, "
    "Tensor? norm_c_bias, Tensor? lengths, Tensor? h_mask, Tensor? h_held, Tensor? c_held"
)
_HOW: Final = "bool reverse, str precision, float h_rate, float c_rate"
_FORWARD: Final = (
    f"({_INPUTS}, {_HOW}, str keep) -> (Tensor output, Tensor h_n, Tensor c_n, Tensor gates, Tensor cells)"
)
_BACKWARD: Final = (
    f"({_INPUTS}, Tensor output, Tensor gates, Tensor cells, Tensor? d_output, Tensor? d_h_n, Tensor? d_c_n, "
    f"{_HOW}, bool x_wanted, bool state_wanted, bool weights_wanted) "
    "-> (Tensor d_x, Tensor d_h_0, Tensor d_c_0, Tensor d_weight_ih, Tensor d_weight_hh, Tensor d_bias_ih, "
    "Tensor d_bias_hh, Tensor d_weight_hr, Tensor d_weight_peephole, Tensor d_norm_ih, Tensor d_norm_hh, "
    "Tensor d_norm_c, Tensor d_norm_c_bias)"
)
_TENSORS: Final = len(Inputs._fields)
_SETTINGS: Final = len(How._fields)
_REST: Final = _TENSORS - DIFFERENTIABLE

_library: Any = torch.library.Library("unrolled", "DEF")  # type: ignore[no-untyped-call]


def recurrence(cell: str) -> Callable[..., tuple[Tensor, ...]]:
    """The operator that runs a cell ("lstm", "gru", "rnn_tanh", "rnn_relu") over a whole sequence."""
    operator: Callable[..., tuple[Tensor, ...]] = getattr(torch.ops.unrolled, cell)
    return operator


def _define(cell: str) -> None:
    _library.define(cell + _FORWARD, tags=(torch.Tag.pt2_compliant_tag,))
    _library.define(f"{cell}_backward" + _BACKWARD, tags=(torch.Tag.pt2_compliant_tag,))
    _implement(cell)
    _implement_backward(cell)


def _implement(cell: str) -> None:
    name = f"unrolled::{cell}"

    def run(*arguments: Any) -> tuple[Tensor, ...]:
        inputs, how, keep = Inputs(*arguments[:_TENSORS]), How(*arguments[_TENSORS:-1]), arguments[-1]
        check_inputs(cell, inputs, how, keep)
        check_lengths(cell, inputs)
        return _there(inputs.x, native_calls.forward(cell, inputs, how, keep))

    def fake(*arguments: Any) -> tuple[Tensor, ...]:
        inputs, how, keep = Inputs(*arguments[:_TENSORS]), How(*arguments[_TENSORS:-1]), arguments[-1]
        check_inputs(cell, inputs, how, keep)
        return _there(inputs.x, native_calls.allocate(cell, inputs, keep))

    def set_up(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.how = inputs[_TENSORS : _TENSORS + _SETTINGS]
        y, _, _, gates, cells = output
        ctx.save_for_backward(*inputs[:_TENSORS], y, gates, cells)
        ctx.mark_non_differentiable(gates, cells)
        ctx.set_materialize_grads(False)

    def differentiate(ctx: Any, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        saved, needs = ctx.saved_tensors, ctx.needs_input_grad
        if all(d is None for d in d_outputs[:3]):
            return (None,) * len(needs)
        wanted = Wanted.of(needs)
        d_c_n = d_outputs[2] if cell == "lstm" else None
        found = backward_operator(cell)(*saved, *d_outputs[:2], d_c_n, *ctx.how, *wanted)
        return (*_needed(found, saved, needs), *(None,) * (len(needs) - DIFFERENTIABLE))

    _library.impl(cell, run, "CPU")
    torch.library.register_fake(name, fake, lib=_library)
    torch.library.register_autograd(name, differentiate, setup_context=set_up, lib=_library)


def _implement_backward(cell: str) -> None:
    name = f"unrolled::{cell}_backward"

    def run(*arguments: Any) -> tuple[Tensor, ...]:
        inputs, rest = Inputs(*arguments[:_TENSORS]), arguments[_TENSORS:]
        output, gates, cells, d_output, d_h_n, d_c_n, *settings = rest
        how, wanted = How(*settings[:_SETTINGS]), Wanted(*settings[_SETTINGS:])
        made = Outputs(output, output, None, or_none(gates), or_none(cells))
        check_inputs(cell, inputs, how)
        check_lengths(cell, inputs)
        check_made(cell, inputs, made, d_output, d_h_n, d_c_n)
        found = native_calls.backward(cell, inputs, made, d_output, d_h_n, d_c_n, how, wanted)
        return _there(inputs.x, found)

    def fake(*arguments: Any) -> tuple[Tensor, ...]:
        inputs = Inputs(*arguments[:_TENSORS])
        return _there(inputs.x, native_calls.allocate_derivatives(inputs, Wanted(*arguments[-3:])))

    def set_up(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.how = How(*inputs[_TENSORS + 6 : _TENSORS + 6 + _SETTINGS])
        ctx.save_for_backward(*inputs[:_TENSORS], *inputs[_TENSORS + 3 : _TENSORS + 6])
        ctx.set_materialize_grads(False)

    def differentiate(ctx: Any, *d_found: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, d_outputs = Inputs(*ctx.saved_tensors[:_TENSORS]), ctx.saved_tensors[_TENSORS:]
        found = differentiate_twice(cell, inputs, d_outputs, d_found, ctx.how, torch.is_grad_enabled())
        none = (None,) * 3
        first, second = found[:DIFFERENTIABLE], found[DIFFERENTIABLE:]
        return (*first, *(None,) * _REST, *none, *second, *(None,) * _SETTINGS, *none)

    _library.impl(f"{cell}_backward", run, "CPU")
    torch.library.register_fake(name, fake, lib=_library)
    torch.library.register_autograd(name, differentiate, setup_context=set_up, lib=_library)


def differentiate_twice(
    cell: str,
    inputs: Inputs,
    d_outputs: Sequence[Tensor | None],
    d_found: Sequence[Tensor | None],
    how: How,
    create_graph: bool,
) -> tuple[Tensor | None, ...]:
    """Differentiate a backward pass, by way of the reference equations.

    Args:
        cell: The operator's name.
        inputs: Those of the forward pass.
        d_outputs: Derivatives of output, h_n and c_n, as the backward pass got them.
        d_found: Derivatives of what the backward pass returned: of x, the states and the weights.
        how: As in the forward pass.
        create_graph: Whether the result is to be differentiable again.

    Returns:
        Derivatives with respect to x, the states and the weights (13), then to `d_outputs` (3).
    """
    with torch.enable_grad():
        primal = [_leaf(tensor, create_graph) for tensor in inputs[:DIFFERENTIABLE]]
        outer = [_leaf(tensor, create_graph) for tensor in d_outputs]
        results = _reference(cell, Inputs._make([*primal, *inputs[DIFFERENTIABLE:]]), how)
        pairs = [(y, d) for y, d in zip(results, outer, strict=False) if d is not None]
        there = [tensor for tensor in primal if tensor is not None]
        firsts = torch.autograd.grad(
            [y for y, _ in pairs], there, [d for _, d in pairs], create_graph=True, allow_unused=True
        )
        by_input = iter(firsts)
        first = [None if tensor is None else next(by_input) for tensor in primal]
        chosen = [(f, d) for f, d in zip(first, d_found, strict=True) if f is not None and d is not None and d.numel()]
        if not chosen:
            return (None,) * (len(primal) + len(outer))
        sources = [*there, *(d for d in outer if d is not None)]
        seconds = torch.autograd.grad(
            [f for f, _ in chosen],
            sources,
            [d for _, d in chosen],
            create_graph=create_graph,
            allow_unused=True,
        )
    by_source = iter(seconds)
    return tuple(None if tensor is None else next(by_source) for tensor in (*primal, *outer))


def _leaf(tensor: Tensor | None, keep_graph: bool) -> Tensor | None:
    """The tensor itself where the result is to be differentiable again, else a fresh start."""
    if tensor is None or (keep_graph and tensor.requires_grad):
        return tensor
    return tensor.detach().requires_grad_()


def _reference(cell: str, inputs: Inputs, how: How) -> tuple[Tensor, ...]:
    equations = equations_of(cell, inputs)
    state = (inputs.h_0,) if inputs.c_0 is None else (inputs.h_0, inputs.c_0)
    ragged = None if inputs.lengths is None else Ragged.unread(inputs.lengths, inputs.x.shape[0])
    fields = [name for name in equations.weights_type._fields if name in Inputs._fields]
    weights = equations.weights_type(**{name: getattr(inputs, name) for name in fields})
    run = ReferenceKernel().run(
        equations, inputs.x, state, weights, ragged=ragged, reverse=how.reverse, noise=_noise(inputs, how)
    )
    return (run.output, *run.state)


def _noise(inputs: Inputs, how: How) -> Noise:
    h = how.h_rate if inputs.h_held is None else inputs.h_held
    c = how.c_rate if inputs.c_held is None else inputs.c_held
    return Noise(inputs.h_mask, (h,) if inputs.c_0 is None else (h, c))


def equations_of(cell: str, inputs: Inputs) -> Cell[Any]:
    """The equations that an operator's inputs belong to."""
    hidden, bias = inputs.weight_ih.shape[0] // BLOCKS[cell], inputs.bias_ih is not None
    if cell == "lstm":
        width = 0 if inputs.weight_hr is None else inputs.weight_hr.shape[0]
        peephole, layer_norm = inputs.weight_peephole is not None, inputs.norm_ih is not None
        return LSTMEquations(hidden, bias, width, peephole=peephole, layer_norm=layer_norm)
    if cell == "gru":
        return GRUEquations(hidden, bias)
    return RNNEquations(hidden, bias, "relu" if cell == "rnn_relu" else "tanh")


def _there(like: Tensor, tensors: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    return tuple(like.new_empty(0) if tensor is None else tensor for tensor in tensors)


def or_none(tensor: Tensor) -> Tensor | None:
    """None for what stands for nothing in an operator's results: the others have axes, if no elements."""
    return tensor if tensor.dim() > 1 else None


def _needed(found: Sequence[Tensor], inputs: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
    three = zip(found, inputs, needs, strict=False)  # the others can't have derivatives
    return [d if need and t is not None else None for d, t, need in three]


def backward_operator(cell: str) -> Callable[..., tuple[Tensor, ...]]:
    """The operator that runs a cell's backward pass."""
    operator: Callable[..., tuple[Tensor, ...]] = getattr(torch.ops.unrolled, f"{cell}_backward")
    return operator


for _cell in BLOCKS:
    _define(_cell)
