"""The checks on one step of a cell: input and states, all problems at once.

Shapes: N = batch, F = input features, H = hidden units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.errors import ShapeError
from unrolled.layers.checks import NOT_COMPILED
from unrolled.layers.findings import Findings, check_like, describe, is_like, is_real
from unrolled.layers.hints import token_hint
from unrolled.layers.spec import Shape


def check_step(kind: str, cell: Cell[Any], features: int, x: Any, states: Any, weight: Tensor) -> None:
    """Raise everything that is wrong with `module(x, states)` as one error; `states` as a tuple."""
    if _fits(cell, features, x, states, weight):
        return
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg=NOT_COMPILED)
    found = Findings()
    if not isinstance(x, Tensor):
        convert = "torch.as_tensor(x)" if not hasattr(x, "dtype") else f"torch.as_tensor(x, dtype={weight.dtype})"
        found.add_type(f"{kind} expected a tensor; got {describe(x)}. Pass {convert}.")
    elif not is_real(x) and (x.dim() == 0 or x.shape[-1] != features):
        hint = token_hint(features, x)
        found.add_type(f"{_wanted(kind, features)} of {weight.dtype}; got {_given(x)} of {x.dtype}.{hint}")
    else:
        _check_input(found, kind, features, x)
        check_like(found, kind, "input", x, weight)
        if states is not None:
            _check_states(found, kind, cell, x, states, weight)
    found.finish(ShapeError, f"{kind} cannot run this call")


def _fits(cell: Cell[Any], features: int, x: Any, states: Any, weight: Tensor) -> bool:
    if not isinstance(x, Tensor) or x.dim() not in (1, 2) or x.shape[-1] != features or not is_like(x, weight):
        return False
    if states is None:
        return True
    if not isinstance(states, list | tuple) or len(states) != len(cell.states):
        return False
    return all(
        isinstance(state, Tensor) and state.shape == (*x.shape[:-1], width) and is_like(state, weight)
        for state, width in zip(states, cell.state_sizes, strict=True)
    )


def _wanted(kind: str, features: int) -> str:
    return f"{kind} expected one step (N=batch, F={features}) or (F={features})"


def _given(x: Tensor) -> str:
    return str(tuple(x.shape))


def _check_input(found: Findings, kind: str, features: int, x: Tensor) -> None:
    problem = f"{_wanted(kind, features)}; got {_given(x)}."
    if x.dim() == 3:
        found.add(f"{problem} Is it a whole sequence? Pass one step of it, or use {kind[:-4]}.")
    elif x.dim() not in (1, 2):
        found.add(problem)
    elif x.shape[-1] != features:
        found.add(f"{problem}{_feature_hint(features, x)}")


def _feature_hint(features: int, x: Tensor) -> str:
    if x.dim() == 1 and features == 1:
        return " Is it a batch of single values? Pass x.unsqueeze(-1)."
    return " Is the feature axis first? Pass x.T." if x.dim() == 2 and x.shape[0] == features else ""


def _check_states(found: Findings, kind: str, cell: Cell[Any], x: Tensor, states: Any, weight: Tensor) -> None:
    names = [f"{name}_0" for name in cell.states]
    if not isinstance(states, list | tuple) or len(states) != len(names):
        wanted = f"a tuple ({', '.join(names)})" if len(names) > 1 else "one tensor"
        alone = isinstance(states, Tensor) and len(names) == 2
        hint = " Is it h_0 alone? Pass (hx, torch.zeros_like(hx))." if alone else ""
        found.add_type(f"{kind} expected hx to be {wanted}; got {type(states).__name__}.{hint}")
        return
    for name, state, width in zip(names, states, cell.state_sizes, strict=True):
        _check_state(found, kind, name, state, (*x.shape[:-1], width), weight)


def _check_state(found: Findings, kind: str, name: str, state: Any, shape: Shape, weight: Tensor) -> None:
    if not isinstance(state, Tensor):
        hint = _pair_hint(state)
        found.add_type(f"{kind} expected {name} to be a tensor; got {type(state).__name__}.{hint}")
        return
    check_like(found, kind, name, state, weight)
    if tuple(state.shape) != shape:
        axes = "(N=batch, H=hidden_size)" if len(shape) == 2 else "(H=hidden_size)"
        hint = _state_hint(name, tuple(state.shape), shape)
        found.add(f"{kind} expected {name} {shape}, that is {axes}; got {_given(state)}.{hint}")


def _pair_hint(state: Any) -> str:
    if not isinstance(state, list | tuple) or not state or not all(isinstance(s, Tensor) for s in state):
        return ""
    return " Is it an LSTM's (h_0, c_0)? Pass hx[0]." if len(state) == 2 else " Pass hx[0]."


def _state_hint(name: str, given: Shape, shape: Shape) -> str:
    if given[1:] == shape and len(shape) == 2:
        return f" Is it a layer's? Its last row is that of the last layer: pass {name}[-1]."
    if given == shape[1:]:
        return f" Is it one state for all of the batch? Pass {name}.expand({shape[0]}, -1)."
    if len(given) == len(shape) == 2 and given[1] == shape[1]:
        return f" Is it the state of another batch, of {given[0]}?"
    return ""
