"""Layers on layers, directions side by side, dropout between: written once for all cells.

Shapes: T = time, N = batch, F = input features, Y = a layer's output features (directions side by
side), L = layers, D = directions, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.cells import State
from unrolled.kernels import Call, Kernel, Options, Ragged, Run, choose
from unrolled.kernels.ragged import pack, pad
from unrolled.layers.noise import NOTHING_HELD, Held, draw_noise
from unrolled.layers.spec import Spec

States: TypeAlias = list[list[State]]
"""A state for each direction of each layer: `states[layer][direction]`."""

Weights: TypeAlias = Sequence[Sequence[Any]]
"""The cell's named tuple for each direction of each layer: `weights[layer][direction]`."""


class LayerRun(NamedTuple):
    """One layer's work; `runs` has one entry a direction."""

    x: Float[Tensor, "T N F"]
    output: Float[Tensor, "T N Y"]
    runs: list[Run]


def run_layers(
    spec: Spec,
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    states: States,
    weights: Weights,
    *,
    record: bool = False,
    held: Held = NOTHING_HELD,
) -> Iterator[LayerRun]:
    """Run layer after layer, giving out each as it is done, so that nothing is kept needlessly."""
    layers = (
        partial(
            _run_layer,
            spec,
            k,
            ragged=ragged,
            states=states[k],
            weights=weights[k],
            record=record,
            h_mask=held.get(f"h_l{k}"),
        )
        for k in range(len(spec.cells))
    )
    dropout = spec.dropout if spec.training else 0.0
    return chain_layers(layers, x_TNF, ragged, residual=spec.residual, dropout=dropout)


def chain_layers(
    layers: Iterable[Callable[[Tensor], LayerRun]],
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    *,
    residual: bool,
    dropout: float,
) -> Iterator[LayerRun]:
    """Give each layer what the one before put out, with dropout between and residual connections around them."""
    for k, run_layer in enumerate(layers):
        if k > 0 and dropout:
            x_TNF = _drop(x_TNF, dropout, ragged)
        layer = run_layer(x_TNF)
        if residual and k > 0 and layer.output.shape == x_TNF.shape:
            layer = layer._replace(output=_add(layer.output, x_TNF, ragged))
        yield layer
        x_TNF = layer.output


def describe_call(
    spec: Spec,
    k: int,
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    states: Sequence[State],
    weights: Sequence[Any],
    record: bool,
) -> Call:
    """Describe layer k's call to the kernels' registry; both directions share it."""
    time, batch, features = x_TNF.shape
    return Call(
        cell=spec.cells[k],
        time=time,
        batch=batch,
        features=features,
        dtype=weights[0][0].dtype,
        device=x_TNF.device.type,
        ragged=ragged is not None,
        empty_rows=ragged is not None and ragged.has_empty,
        wants_gates=record,
        precision=_precision(spec, weights[0][0]),
        noise=spec.noise,
        needs_grad=torch.is_grad_enabled() and _any_needs_grad(x_TNF, states, weights),
    )


def _precision(spec: Spec, weight: Tensor) -> str:
    """The precision that the layer was given, or that autocast asks of float32 parameters on a CPU."""
    autocast = torch.is_autocast_enabled("cpu") and (weight.device.type, weight.dtype) == ("cpu", torch.float32)
    if not autocast:
        return spec.precision
    return "bf16" if torch.get_autocast_dtype("cpu") == torch.bfloat16 else "f16"


def _any_needs_grad(x_TNF: Tensor, states: Sequence[State], weights: Sequence[Any]) -> bool:
    groups = ((x_TNF,), *weights, *states)
    return any(t.requires_grad for group in groups for t in group if t is not None)


def run_cell(
    spec: Spec,
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    state: State,
    weights: Any,
    *,
    reverse: bool,
    record: bool = False,
    h_mask: Tensor | None = None,
) -> Run:
    """Run the only cell of `spec` in one direction."""
    call = describe_call(spec, 0, x_TNF, ragged, (state,), (weights,), record)
    kernel = choose(call, spec.kernel)
    return _run_direction(kernel, call, spec, x_TNF, ragged, state, weights, reverse, record, h_mask)


def side_by_side(x_TNF: Float[Tensor, "T N F"], runs: list[Run]) -> LayerRun:
    """Join the outputs of a layer's directions."""
    output = runs[0].output if len(runs) == 1 else torch.cat([run.output for run in runs], dim=-1)
    return LayerRun(x_TNF, output, runs)


def _run_layer(
    spec: Spec,
    k: int,
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    states: Sequence[State],
    weights: Sequence[Any],
    record: bool,
    h_mask: Tensor | None,
) -> LayerRun:
    call = describe_call(spec, k, x_TNF, ragged, states, weights, record)
    kernel = choose(call, spec.kernel)
    runs = [
        _run_direction(kernel, call, spec, x_TNF, ragged, states[d], weights[d], d == 1, record, h_mask)
        for d in range(spec.directions)
    ]
    return side_by_side(x_TNF, runs)


def _run_direction(
    kernel: Kernel,
    call: Call,
    spec: Spec,
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    state: State,
    weights: Any,
    reverse: bool,
    record: bool,
    h_mask: Tensor | None,
) -> Run:
    return kernel.run(
        call.cell,
        x_TNF,
        state,
        weights,
        ragged=ragged,
        reverse=reverse,
        noise=draw_noise(spec, call.cell, x_TNF, h_mask),
        options=Options(record=record, recompute=spec.recompute, precision=call.precision),
    )


def _add(y_TNY: Tensor, x_TNY: Tensor, ragged: Ragged | None) -> Tensor:
    """The residual connection; padding stays 0, whatever x holds there."""
    return y_TNY + (x_TNY if ragged is None else x_TNY.where(ragged.valid_TN1, 0))


def _drop(y_TNY: Tensor, dropout: float, ragged: Ragged | None) -> Tensor:
    """Drop valid steps only, in packed order: the draws are PyTorch's, however much padding there is."""
    if ragged is None or not ragged.is_read:  # where valid steps are can't be told under a compiler
        return torch.dropout(y_TNY, dropout, True)
    packed = torch.dropout(pack(y_TNY, ragged.packed_P), dropout, True)
    return pad(packed, ragged.packed_P, *y_TNY.shape[:2])
