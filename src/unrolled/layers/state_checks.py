"""The checks on initial states.

Shapes: N = batch, L = layers, D = directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from unrolled.layers.findings import Findings, check_like, describe, is_like
from unrolled.layers.hints import hx_hint, pairs_hint, state_hint
from unrolled.layers.spec import Shape, Spec


def states_fit(spec: Spec, batch: int | None, hx: Any, weight: Tensor) -> bool:
    """Whether `hx` is right; `batch=None` is unbatched input."""
    states = hx if len(spec.states) > 1 else (hx,)
    if not isinstance(states, list | tuple) or len(states) != len(spec.states):
        return False
    for index, state in enumerate(states):
        shapes = spec.state_shapes(index, batch)
        tensors = state if spec.per_layer else (state,)
        if not isinstance(tensors, list | tuple) or len(tensors) != len(shapes):
            return False
        for tensor, shape in zip(tensors, shapes, strict=True):
            if not isinstance(tensor, Tensor) or tensor.shape != shape or not is_like(tensor, weight):
                return False
    return True


def check_states(found: Findings, spec: Spec, batch: int | None, hx: Any, weight: Tensor) -> None:
    """Note everything that is wrong with `hx`; `batch=None` is unbatched input."""
    if hx is None:
        return
    states = _split_states(found, spec, hx)
    for index, (name, state) in enumerate(states):
        shapes = spec.state_shapes(index, batch)
        tensors = _split_layers(found, spec, f"{name}_0", state)
        for k, (tensor, shape) in enumerate(zip(tensors, shapes, strict=False)):
            label = f"{name}_0[{k}]" if spec.per_layer else f"{name}_0"
            _check_state(found, spec, label, tensor, shape, weight)


def _split_states(found: Findings, spec: Spec, hx: Any) -> list[tuple[str, Any]]:
    names = spec.states
    wanted = ", ".join(f"{name}_0" for name in names)
    if len(names) == 1:
        if isinstance(hx, list | tuple) and not spec.per_layer:
            found.add_type(f"{spec.kind} expected hx={wanted}, one tensor; got {describe(hx)}.{hx_hint(spec, hx)}")
            return []
        return [(names[0], hx)]
    if not isinstance(hx, list | tuple) or len(hx) != len(names):
        got = f"one tensor {tuple(hx.shape)}" if isinstance(hx, Tensor) else describe(hx)
        hint = hx_hint(spec, hx)
        found.add_type(f"{spec.kind} expected hx=({wanted}), a tuple of {len(names)}; got {got}.{hint}")
        return []
    if not spec.per_layer and (hint := pairs_hint(spec, hx)):
        found.add_type(f"{spec.kind} expected hx=({wanted}), a tuple of {len(names)} tensors; got one of tuples.{hint}")
        return []
    return list(zip(names, hx, strict=True))


def _split_layers(found: Findings, spec: Spec, label: str, state: Any) -> Sequence[Any]:
    if not spec.per_layer:
        return [state]
    layers = len(spec.cells)
    if not isinstance(state, list | tuple) or len(state) != layers:
        size = f" of {len(state)}" if isinstance(state, list | tuple) else ""
        found.add_type(
            f"{spec.kind} has a width per layer, so {label} must be a tuple of {layers} tensors, one a layer; "
            f"got a {type(state).__name__}{size}."
        )
        return []
    return state


def _check_state(found: Findings, spec: Spec, label: str, state: Any, shape: Shape, weight: Tensor) -> None:
    if not isinstance(state, Tensor):
        found.add_type(f"{label} must be a tensor; got {describe(state)}.")
        return
    check_like(found, spec.kind, label, state, weight)
    if tuple(state.shape) != shape:
        found.add(
            f"{spec.kind} expected {label} {_named_state(spec, shape)}; got {tuple(state.shape)}."
            f"{state_hint(spec, label, tuple(state.shape), shape)}"
        )


def _named_state(spec: Spec, shape: Shape) -> str:
    axes = ["D=directions" if spec.per_layer else "L·D=layers·directions"]
    axes += ["N=batch"] if len(shape) == 3 else []
    pairs = [f"{axis}: {size}" for axis, size in zip([*axes, "width"], shape, strict=True)]
    return f"{shape}, that is ({', '.join(pairs)})"
