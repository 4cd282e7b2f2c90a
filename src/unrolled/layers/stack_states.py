"""The states of a `Stack`: how they begin, and the way in and out.

Outside, a list has one entry a layer in its cell's own form, and a pair of those for two directions; inside,
`states[layer][direction]` is a tuple for our cells, and what the module returned for one of the user's own.

Shapes: T = time, N = batch, F = input features, S = width of a state.
"""

from __future__ import annotations

from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from unrolled.kernels import Run
from unrolled.layers.forms import Form
from unrolled.layers.initial_state import LearnedState
from unrolled.layers.stack import LayerRun
from unrolled.layers.stack_checks import Place
from unrolled.layers.tracing import final_rows
from unrolled.layers.trees import map_leaves
from unrolled.trace import NamedArray


@final
class LearnedStates(nn.Module):
    """What `initial_state="learned"` makes: a `LearnedState` for each direction of each layer."""

    def __init__(self, layers: list[list[Place]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList(_learned(place) for place in layer) for layer in layers)

    def reset_parameters(self) -> None:
        """Set all to zero again."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> list[list[Any]]:
        """Give every sequence of the batch the same states."""
        return [[learned(x)[0][0] for learned in layer] for layer in self.layers]  # type: ignore[attr-defined]


def _learned(place: Place) -> LearnedState:
    assert place.cell is not None, "modules of the user's own were refused"
    weight = place.module.weight_ih
    assert isinstance(weight, Tensor)
    return LearnedState([place.cell], 1, weight.device, weight.dtype)


def begin(place: Place, x_TNF: Tensor) -> Any:
    """The state before the first step where none is given."""
    batch = x_TNF.shape[1]
    if place.cell is not None:
        zeros = {width: x_TNF.new_zeros(batch, width) for width in place.cell.state_sizes}
        return tuple(zeros[width] for width in place.cell.state_sizes)
    own = getattr(place.module, "initial_state", None)
    return own(batch) if callable(own) else None


def open_entry(places: list[Place], form: Form, entry: Any) -> list[Any]:
    """Bring one checked entry of hx inside."""
    states = [entry] if len(places) == 1 else entry
    inside = [map_leaves(partial(form.state_in, axis=0), state) for state in states]
    return [
        (state,) if place.cell and isinstance(state, Tensor) else state
        for place, state in zip(places, inside, strict=True)
    ]


def close_entries(layers: list[list[Place]], form: Form, finals: list[list[Any]]) -> list[Any]:
    """Final states in the form of hx."""
    closed = []
    for places, states in zip(layers, finals, strict=True):
        outside = [map_leaves(partial(form.state_out, axis=0), state) for state in states]
        alone = [s[0] if p.cell and len(s) == 1 else s for p, s in zip(places, outside, strict=True)]
        closed.append(alone[0] if len(alone) == 1 else tuple(alone))
    return closed


def named_finals(
    layers: list[list[Place]], runs: list[LayerRun], form: Form, batched: bool
) -> dict[str, tuple[NamedArray, ...]]:
    """Every final state by name, those of one name in the order of layers and directions."""
    named: dict[str, tuple[NamedArray, ...]] = {}
    for places, layer in zip(layers, runs, strict=True):
        for d, (place, run) in enumerate(zip(places, layer.runs, strict=True)):
            states = zip(place.cell.states, run.state, strict=True) if place.cell else [("h", _last(run, form, d))]
            for name, state in states:
                array = final_rows(place.cell, name, state if batched else state[0], batched)
                named[f"{name}_n"] = (*named.get(f"{name}_n", ()), array)
    return named


def _last(run: Run, form: Form, d: int) -> Tensor:
    """What a direction puts out at the step that it reads last."""
    if d == 1 or form.ragged is None:
        return run.output[0 if d == 1 else -1]
    last_N = (form.ragged.lengths_N - 1).clamp(min=0)
    return run.output[last_N, torch.arange(len(last_N), device=last_N.device)]
