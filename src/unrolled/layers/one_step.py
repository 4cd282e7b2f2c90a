"""What LSTMCell, GRUCell and RNNCell have in common: one step of a cell as a module.

Shapes: N = batch, F = input features, H = hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, State
from unrolled.errors import ShapeError
from unrolled.kernels import Call, choose
from unrolled.layers.arguments import check_cell_arguments
from unrolled.layers.checks import check_like
from unrolled.layers.findings import Findings


class RecurrentCell(nn.Module):
    """One step of one cell, with `torch.nn`'s parameter names."""

    kind: ClassVar[str]

    def __init__(
        self,
        make_cell: Callable[[int], Cell[Any]],
        *,
        input_size: int,
        hidden_size: int,
        bias: bool,
        kernel: str,
        device: Any,
        dtype: torch.dtype | None,
        own_problem: str | None = None,
    ) -> None:
        super().__init__()
        check_cell_arguments(
            self.kind,
            input_size=input_size,
            hidden_size=hidden_size,
            bias=bias,
            kernel=kernel,
            own_problem=own_problem,
        )
        cell = make_cell(hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.kernel = kernel
        self._cell = cell
        shapes = cell.parameter_shapes(input_size)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            empty = torch.empty(shapes[name], device=device, dtype=dtype) if name in shapes else None
            self.register_parameter(name, None if empty is None else nn.Parameter(empty))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew from U(−1/√H, 1/√H), in `torch.nn`'s order."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """Every argument that is not at its default, in `torch.nn`'s form."""
        shown = [] if self.bias else ["bias=False"]
        shown += ["nonlinearity=relu"] if getattr(self._cell, "nonlinearity", "") == "relu" else []
        shown += [] if self.kernel == "auto" else [f"kernel={self.kernel}"]
        return ", ".join([str(self.input_size), str(self.hidden_size), *shown])

    def describe_call(self, x: Any, hx: Any) -> Call:
        """Describe a call to the kernels' registry, having checked it."""
        return self._open(x, hx)[0]

    def _run(self, x: Any, hx: Any) -> Any:
        call, x_NF, state, weights = self._open(x, hx)
        new = choose(call, self.kernel).step(self._cell, x_NF, state, weights)
        new = new if x.dim() == 2 else tuple(s.squeeze(0) for s in new)
        return new if len(new) > 1 else new[0]

    def _open(self, x: Any, hx: Any) -> tuple[Call, Tensor, State, Any]:
        weights = self._cell.weights_type(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        states = (hx,) if len(self._cell.states) == 1 and hx is not None else hx
        self._check(x, states, weights[0])
        x_NF = x if x.dim() == 2 else x.unsqueeze(0)
        state = self._open_state(x_NF, x.dim(), states)
        return _describe(self._cell, x_NF, state, weights), x_NF, state, weights

    def _open_state(self, x_NF: Tensor, dims: int, states: Any) -> State:
        if states is None:
            zeros = x_NF.new_zeros(len(x_NF), self.hidden_size)
            return (zeros,) * len(self._cell.states)
        return tuple(states) if dims == 2 else tuple(s.unsqueeze(0) for s in states)

    def _check(self, x: Any, states: Any, weight: Tensor) -> None:
        found = Findings()
        if not isinstance(x, Tensor):
            found.add_type(f"{self.kind} expected a tensor; got {type(x).__name__}. Pass torch.as_tensor(x).")
        else:
            self._check_input(found, x)
            check_like(found, self.kind, "input", x, weight)
            if states is not None:
                self._check_states(found, x, states, weight)
        found.finish(ShapeError, f"{self.kind} cannot run this call")

    def _check_input(self, found: Findings, x: Tensor) -> None:
        wanted = f"{self.kind} expected one step (N=batch, F={self.input_size}) or (F={self.input_size})"
        given = f"got {tuple(x.shape)}"
        if x.dim() == 3:
            found.add(f"{wanted}; {given}. Is it a whole sequence? Pass one step of it, or use {self.kind[:-4]}.")
        elif x.dim() not in (1, 2) or x.shape[-1] != self.input_size:
            found.add(f"{wanted}; {given}.")

    def _check_states(self, found: Findings, x: Tensor, states: Any, weight: Tensor) -> None:
        names = [f"{name}_0" for name in self._cell.states]
        if not isinstance(states, list | tuple) or len(states) != len(names):
            wanted = f"a tuple ({', '.join(names)})" if len(names) > 1 else "one tensor"
            found.add_type(f"{self.kind} expected hx to be {wanted}; got {type(states).__name__}.")
            return
        shape = (*x.shape[:-1], self.hidden_size)
        for name, state in zip(names, states, strict=True):
            if not isinstance(state, Tensor):
                found.add_type(f"{self.kind} expected {name} to be a tensor; got {type(state).__name__}.")
                continue
            check_like(found, self.kind, name, state, weight)
            if tuple(state.shape) != shape:
                axes = "(N=batch, H=hidden_size)" if len(shape) == 2 else "(H=hidden_size)"
                found.add(f"{self.kind} expected {name} {shape}, that is {axes}; got {tuple(state.shape)}.")


def _describe(cell: Cell[Any], x_NF: Tensor, state: State, weights: Any) -> Call:
    tensors = (x_NF, *state, *weights)
    return Call(
        cell=cell,
        time=1,
        batch=x_NF.shape[0],
        features=x_NF.shape[1],
        dtype=weights[0].dtype,
        device=x_NF.device.type,
        needs_grad=torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors),
    )
