"""Layers on layers, directions side by side, dropout between: written once for all cells.

Shapes: T = time, N = batch, F = input features, Y = a layer's output features (directions side by
side), L = layers, D = directions, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.cells import State
from unrolled.kernels import Call, Options, Ragged, Run, choose
from unrolled.kernels.ragged import pack, pad
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
    dropout: float = 0.0,
    record: bool = False,
) -> Iterator[LayerRun]:
    """Run layer after layer, giving out each as it is done, so that nothing is kept needlessly."""
    last = len(spec.cells) - 1
    for k in range(last + 1):
        layer = _run_layer(spec, k, x_TNF, ragged, states[k], weights[k], record)
        yield layer
        x_TNF = _drop(layer.output, dropout, ragged) if dropout and k < last else layer.output


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


def _run_layer(
    spec: Spec,
    k: int,
    x_TNF: Float[Tensor, "T N F"],
    ragged: Ragged | None,
    states: Sequence[State],
    weights: Sequence[Any],
    record: bool,
) -> LayerRun:
    call = describe_call(spec, k, x_TNF, ragged, states, weights, record)
    kernel = choose(call, spec.kernel)
    options = Options(record=record, recompute=spec.recompute, precision=call.precision)
    runs = [
        kernel.run(call.cell, x_TNF, states[d], weights[d], ragged=ragged, reverse=d == 1, options=options)
        for d in range(spec.directions)
    ]
    output = runs[0].output if len(runs) == 1 else torch.cat([run.output for run in runs], dim=-1)
    return LayerRun(x_TNF, output, runs)


def _drop(y_TNY: Tensor, dropout: float, ragged: Ragged | None) -> Tensor:
    """Drop valid steps only, in packed order: the draws are PyTorch's, however much padding there is."""
    if ragged is None:
        return torch.dropout(y_TNY, dropout, True)
    packed = torch.dropout(pack(y_TNY, ragged.packed_P), dropout, True)
    return pad(packed, ragged.packed_P, *y_TNY.shape[:2])
