"""One-step modules in a stack: which equations they are, or, where they are the user's own, a loop over time for them.

Shapes: T = time, N = batch, F = input features, Y = output features.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.cells import Cell, GRUEquations, LSTMEquations, RNNEquations
from unrolled.errors import DtypeError, ShapeError
from unrolled.kernels import Ragged, Run
from unrolled.layers.findings import describe
from unrolled.layers.one_step import RecurrentCell
from unrolled.layers.trees import leaves, map_leaves

_THEIRS: Final[dict[Any, Any]] = {
    nn.LSTMCell: LSTMEquations,
    nn.GRUCell: GRUEquations,
    nn.RNNCell: RNNEquations,
}


def equations_of(module: nn.Module) -> Cell[Any] | None:
    """The equations of one of our cells or of `torch.nn`'s; None for a module with a forward of its own."""
    if isinstance(module, RecurrentCell):
        return module.cell
    for kind, equations in _THEIRS.items():
        # By its forward, because parametrisation makes a subclass, and other subclasses may do something else.
        if isinstance(module, kind) and type(module).forward is kind.forward:
            own = {"nonlinearity": module.nonlinearity} if kind is nn.RNNCell else {}
            cell: Cell[Any] = equations(module.hidden_size, bias=module.bias, **own)
            return cell
    return None


def run_own(
    module: nn.Module,
    label: str,
    x_TNF: Float[Tensor, "T N F"],
    state: Any,
    ragged: Ragged | None,
    reverse: bool,
) -> Run:
    """Run a module `(x_t, state) -> (h_t, state)` over time; `state=None` before the first step.

    In reverse each sequence is turned round, so that all begin at once: what None stands for, the module alone knows.
    """
    if ragged is not None:
        x_TNF = x_TNF.where(ragged.valid_TN1, 0)  # whatever the padding holds, NaN included, must not reach a gradient
    outputs = []
    for t, x_NF in enumerate(_turned(x_TNF, ragged) if reverse else x_TNF):
        given = module(x_NF, state)
        _check_given(label, given, len(x_NF))
        h_NY, new = given
        state = new if ragged is None else _hold(label, ragged.valid_TN1[t, :, 0], new, state)
        outputs.append(h_NY if ragged is None else h_NY.where(ragged.valid_TN1[t], 0))
    output_TNY = torch.stack(outputs)
    output_TNY = _turned(output_TNY, ragged) if reverse else output_TNY
    return Run(output_TNY, state, {"h": output_TNY})


def _turned(x_TNX: Tensor, ragged: Ragged | None) -> Tensor:
    """Each sequence from its last valid step to its first, with the padding where it was."""
    if ragged is None:
        return x_TNX.flip(0)
    times = torch.arange(len(x_TNX), device=x_TNX.device)[:, None]
    turned_TN = torch.where(times < ragged.lengths_N, ragged.lengths_N - 1 - times, times)
    return x_TNX[turned_TN, torch.arange(x_TNX.shape[1], device=x_TNX.device)]


def _hold(label: str, valid_N: Tensor, new: Any, old: Any) -> Any:
    """Let the states of sequences that have ended stand still; zeros are those of one that has not begun."""

    def hold(new_leaf: Tensor, old_leaf: Tensor | None = None) -> Tensor:
        if new_leaf.dim() == 0 or len(new_leaf) != len(valid_N):
            raise ShapeError(
                f"{label} returned a state of shape {tuple(new_leaf.shape)}; sequences of different lengths need "
                f"every tensor of it to begin with the batch axis, N={len(valid_N)}."
            )
        mask = valid_N.view(-1, *(1,) * (new_leaf.dim() - 1))
        return new_leaf.where(mask, 0 if old_leaf is None else old_leaf)

    if old is None:
        return map_leaves(hold, new)
    if _shapes(new) != _shapes(old):
        raise ShapeError(
            f"{label} was given a state {_shapes(old)} and returned one {_shapes(new)}; sequences of different "
            "lengths need a state that keeps its form."
        )
    return map_leaves(hold, new, old)


def _shapes(tree: Any) -> Any:
    return tuple(tree.shape) if isinstance(tree, Tensor) else tuple(map(_shapes, tree))


def _check_given(label: str, given: Any, batch: int) -> None:
    wanted = f"{label} must return (h_t, state)"
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise DtypeError(f"{wanted}; got {describe(given)}.")
    h, state = given
    if not isinstance(h, Tensor):
        raise DtypeError(f"{wanted} with h_t one tensor (N={batch}, width); got {describe(h)}.")
    if h.dim() != 2 or len(h) != batch:
        raise ShapeError(f"{wanted} with h_t (N={batch}, width); got {tuple(h.shape)}.")
    for leaf in leaves(state):
        if not isinstance(leaf, Tensor):
            raise DtypeError(f"{wanted} with state a tensor or nested tuples of tensors; in it is {describe(leaf)}.")
