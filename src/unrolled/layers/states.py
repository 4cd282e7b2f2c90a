"""Initial states in, final states out.

Shapes: L = layers, D = directions, N = batch, S = width of a state.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.layers.forms import Form
from unrolled.layers.spec import Spec
from unrolled.layers.stack import States


def open_states(spec: Spec, form: Form, hx: Any) -> States:
    """Read checked initial states, zeros where none are given."""
    if hx is None:
        return _zeros(spec, form.x)
    layers = [_by_layer(spec, form, state) for state in (hx if len(spec.states) > 1 else (hx,))]
    return [[tuple(state[k][d] for state in layers) for d in range(spec.directions)] for k in range(len(spec.cells))]


def close_states(spec: Spec, form: Form, finals: States) -> Any:
    """Arrange final states as `torch.nn` does: `(h_n, c_n)`, or `h_n` alone for cells with one state."""
    arranged = tuple(_arrange(spec, form, finals, s) for s in range(len(spec.states)))
    return arranged if len(arranged) > 1 else arranged[0]


def _zeros(spec: Spec, x_TNF: Tensor) -> States:
    widths = {width for cell in spec.cells for width in cell.state_sizes}
    zeros = {width: x_TNF.new_zeros(x_TNF.shape[1], width) for width in widths}
    return [[tuple(zeros[w] for w in cell.state_sizes)] * spec.directions for cell in spec.cells]


def _by_layer(spec: Spec, form: Form, state: Any) -> list[tuple[Tensor, ...]]:
    """Split one state into `[layer][direction]`, each (N, S)."""
    if spec.per_layer:
        return [form.state_in(layer).unbind(0) for layer in state]
    rows = form.state_in(state).unbind(0)
    return [rows[k : k + spec.directions] for k in range(0, len(rows), spec.directions)]


def _arrange(spec: Spec, form: Form, finals: States, s: int) -> Tensor | tuple[Tensor, ...]:
    if spec.per_layer:
        return tuple(form.state_out(_stack([state[s] for state in layer])) for layer in finals)
    return form.state_out(_stack([state[s] for layer in finals for state in layer]))


def _stack(rows: list[Tensor]) -> Tensor:
    return rows[0].unsqueeze(0) if len(rows) == 1 else torch.stack(rows)
