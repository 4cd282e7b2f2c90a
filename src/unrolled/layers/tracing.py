"""From a recorded run to a Trace.

Shapes: T = time, N = batch, F = input features, Y = output features, S = width of a state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from unrolled.kernels import Ragged
from unrolled.layers.forms import Form, open_input
from unrolled.layers.spec import Spec
from unrolled.layers.stack import LayerRun, States, Weights, run_layers
from unrolled.layers.states import close_states, open_states
from unrolled.trace import DIRECTIONS, Array, DirectionTrace, NamedArray, Trace


@torch.no_grad()
def trace_layers(spec: Spec, settings: dict[str, Any], weights: Weights, x: Any, hx: Any, lengths: Any) -> Trace:
    """Run a checked call and keep everything."""
    if isinstance(x, PackedSequence):
        x, lengths = pad_packed_sequence(x, batch_first=spec.batch_first)
    form = open_input(x, lengths, spec.batch_first)
    states = open_states(spec, form, hx)
    # PyTorch's own routines give out no gates: where that kernel was chosen by name, another one traces.
    spec = spec._replace(kernel="reference" if spec.kernel == "reference" else "auto", precision="full")
    with torch.autocast("cpu", enabled=False):
        layers = list(run_layers(spec, form.x, form.ragged, states, weights, record=True))
    finals = close_states(spec, form, [[run.state for run in layer.runs] for layer in layers])
    finals = finals if len(spec.states) > 1 else (finals,)
    return Trace(
        kind=spec.kind,
        settings=settings,
        batched=x.dim() == 3,
        lengths=NamedArray(_lengths(form), ("batch",)),
        parts=_parts(spec, layers, states, form.ragged),
        output=_output(form, layers[-1].output, x.dim() == 3, spec.batch_first),
        finals={
            f"{name}_n": _final(state, x.dim() == 3, _width_axis(spec, name))
            for name, state in zip(spec.states, finals, strict=True)
        },
    )


def to_numpy(tensor: Tensor) -> Array:
    """Copy to numpy; bfloat16, which numpy lacks, becomes float32."""
    widened = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return widened.detach().cpu().numpy().copy()


def _lengths(form: Form) -> Array:
    steps, batch = form.x.shape[:2]
    lengths = (steps,) * batch if form.ragged is None else form.ragged.lengths
    return np.asarray(lengths, dtype=np.int64)


def _parts(spec: Spec, layers: list[LayerRun], states: States, ragged: Ragged | None) -> tuple[DirectionTrace, ...]:
    parts = []
    for k, layer in enumerate(layers):
        x = layer.x if ragged is None else layer.x.where(ragged.valid_TN1, 0)
        for d, run in enumerate(layer.runs):
            assert run.record is not None, "a kernel that is chosen for its gates records them"
            arrays = {"inputs": NamedArray(to_numpy(x), ("time", "batch", "feature"))}
            for name, value in run.record.items():
                arrays[name] = NamedArray(to_numpy(value), ("time", "batch", _width_axis(spec, name)))
            for name, value in zip(spec.states, states[k][d], strict=True):
                arrays[f"{name}_0"] = NamedArray(to_numpy(value), ("batch", _width_axis(spec, name)))
            parts.append(DirectionTrace(k, DIRECTIONS[d], arrays))
    return tuple(parts)


def _output(form: Form, y_TNY: Tensor, batched: bool, batch_first: bool) -> NamedArray:
    output = form.output(y_TNY)
    assert isinstance(output, Tensor), "a PackedSequence is padded before it is traced"
    axes = ("batch", "time") if batch_first else ("time", "batch")
    return NamedArray(to_numpy(output), (*(axes if batched else ("time",)), "feature"))


def _final(state: Any, batched: bool, width: str) -> NamedArray | tuple[NamedArray, ...]:
    axes = ("batch", width) if batched else (width,)
    if isinstance(state, tuple):
        return tuple(NamedArray(to_numpy(s), ("direction", *axes)) for s in state)
    return NamedArray(to_numpy(state), ("layer_direction", *axes))


def _width_axis(spec: Spec, name: str) -> str:
    cell = spec.cells[0]
    return "projection" if name == "h" and cell.output_size != cell.hidden_size else "hidden"
