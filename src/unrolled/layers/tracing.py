"""From a recorded run to a Trace.

Shapes: T = time, N = batch, F = input features, Y = output features, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.kernels import Ragged
from unrolled.layers.forms import Form, as_padded, open_input
from unrolled.layers.spec import Spec
from unrolled.layers.stack import LayerRun, States, Weights, run_layers
from unrolled.layers.states import close_states
from unrolled.trace import DIRECTIONS, Array, DirectionTrace, NamedArray, Trace
from unrolled.trace.trace import FinalState

Cells: TypeAlias = Sequence[Sequence[Cell[Any] | None]]
"""The equations of each direction of each layer; None for a module of the user's own."""


@torch.no_grad()
def trace_layers(
    spec: Spec,
    settings: dict[str, Any],
    weights: Weights,
    x: Any,
    first_states: Callable[[Spec, Form], States],
    lengths: Any,
) -> Trace:
    """Run a checked call and keep everything."""
    x, lengths = as_padded(x, lengths, spec.batch_first)
    form = open_input(x, lengths, spec.batch_first)
    states = first_states(spec, form)
    spec = spec._replace(kernel=kernel_that_records(spec.kernel), precision="full", training=False)
    with torch.autocast("cpu", enabled=False):
        layers = list(run_layers(spec, form.x, form.ragged, states, weights, record=True))
    finals = close_states(spec, form, [[run.state for run in layer.runs] for layer in layers])
    finals = finals if len(spec.states) > 1 else (finals,)
    named = {
        f"{name}_n": _final(state, x.dim() == 3, _width_axis(spec.cells[0], name))
        for name, state in zip(spec.states, finals, strict=True)
    }
    cells = [(cell,) * spec.directions for cell in spec.cells]
    return make_trace(spec.kind, settings, cells, form, x.dim() == 3, layers, states, named)


def kernel_that_records(kernel: str) -> str:
    """The kernel to trace by: PyTorch's own routines, where chosen by name, give out no gates."""
    return "reference" if kernel == "reference" else "auto"


def make_trace(
    kind: str,
    settings: dict[str, Any],
    cells: Cells,
    form: Form,
    batched: bool,
    layers: list[LayerRun],
    states: Any,
    finals: Mapping[str, FinalState],
) -> Trace:
    """Name everything that a run recorded; `settings` has "batch_first" among them."""
    return Trace(
        kind=kind,
        settings=settings,
        batched=batched,
        lengths=NamedArray(_lengths(form), ("batch",)),
        parts=_parts(cells, layers, states, form.ragged),
        output=_output(form, layers[-1].output, batched, settings["batch_first"]),
        finals=finals,
    )


def final_rows(cell: Cell[Any] | None, name: str, state: Tensor, batched: bool) -> NamedArray:
    """One final state (N, S) of one direction of one layer; (S) where there is no batch axis."""
    return NamedArray(to_numpy(state), (*(("batch",) if batched else ()), _width_axis(cell, name)))


def to_numpy(tensor: Tensor) -> Array:
    """Copy to numpy; bfloat16, which numpy lacks, becomes float32."""
    widened = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return widened.detach().cpu().numpy().copy()


def _lengths(form: Form) -> Array:
    steps, batch = form.x.shape[:2]
    lengths = (steps,) * batch if form.ragged is None else form.ragged.lengths
    return np.asarray(lengths, dtype=np.int64)


def _parts(cells: Cells, layers: list[LayerRun], states: Any, ragged: Ragged | None) -> tuple[DirectionTrace, ...]:
    parts = []
    for k, layer in enumerate(layers):
        x = layer.x if ragged is None else layer.x.where(ragged.valid_TN1, 0)
        for d, run in enumerate(layer.runs):
            assert run.record is not None, "a kernel that is chosen for its gates records them"
            cell = cells[k][d]
            arrays = {"inputs": NamedArray(to_numpy(x), ("time", "batch", "feature"))}
            for name, value in run.record.items():
                arrays[name] = NamedArray(to_numpy(value), ("time", "batch", _width_axis(cell, name)))
            for name, value in zip(cell.states, states[k][d], strict=True) if cell else ():
                arrays[f"{name}_0"] = NamedArray(to_numpy(value), ("batch", _width_axis(cell, name)))
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


def _width_axis(cell: Cell[Any] | None, name: str) -> str:
    return "projection" if cell and name == "h" and cell.output_size != cell.hidden_size else "hidden"
