"""What LSTMCell, GRUCell and RNNCell have in common: one step of a cell as a module.

Shapes: N = batch, F = input features, H = hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, State
from unrolled.kernels import Call, choose
from unrolled.layers.arguments import check_cell_arguments, in_one_spelling
from unrolled.layers.initialise import initialise
from unrolled.layers.step_checks import check_step


class RecurrentCell(nn.Module):
    """One step of one cell, with `torch.nn`'s parameter names; a subclass is final and gives its `equations`."""

    kind: ClassVar[str]
    equations: ClassVar[type[Any]]

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        kernel: str,
        device: Any,
        dtype: torch.dtype | None,
        cell_options: Mapping[str, Any],
        init: Any = "torch",
        forget_bias: float | None = None,
    ) -> None:
        super().__init__()
        check_cell_arguments(
            self.kind,
            input_size=input_size,
            hidden_size=hidden_size,
            kernel=kernel,
            cell_options=cell_options,
            forget_bias=forget_bias,
            init=init,
        )
        own = in_one_spelling(cell_options)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.kernel = kernel
        self.init = init
        self.forget_bias = forget_bias
        for name, value in own.items():
            setattr(self, name, value)
        self._cell: Cell[Any] = self.equations(hidden_size, **own)
        shapes = self._cell.parameter_shapes(input_size)
        # torch.nn's own are there in any case, as None where there are no biases.
        for name in shapes | dict.fromkeys(("bias_ih", "bias_hh")):
            empty = torch.empty(shapes[name], device=device, dtype=dtype) if name in shapes else None
            self.register_parameter(name, None if empty is None else nn.Parameter(empty))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as `init` says: by default from U(−1/√H, 1/√H), in `torch.nn`'s order."""
        initialise(self._cell, self.weights(), self.init, self.forget_bias)

    def weights(self) -> Any:
        """The cell's named tuple of parameters."""
        return self._cell.weights_type._make(getattr(self, name, None) for name in self._cell.weights_type._fields)

    @property
    def cell(self) -> Cell[Any]:
        """The equations and their options."""
        return self._cell

    def extra_repr(self) -> str:
        """Every argument that is not at its default, in `torch.nn`'s form."""
        shown = [] if getattr(self, "bias", True) else ["bias=False"]
        shown += ["nonlinearity=relu"] if getattr(self._cell, "nonlinearity", "") == "relu" else []
        shown += [f"{name}={value}" for name, value in self._cell.options.items()]
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
        weights = self.weights()
        states = (hx,) if len(self._cell.states) == 1 and hx is not None else hx
        check_step(self.kind, self._cell, self.input_size, x, states, weights[0])
        x_NF = x if x.dim() == 2 else x.unsqueeze(0)
        state = self._open_state(x_NF, x.dim(), states)
        return _describe(self._cell, x_NF, state, weights), x_NF, state, weights

    def _open_state(self, x_NF: Tensor, dims: int, states: Any) -> State:
        if states is None:
            zeros = x_NF.new_zeros(x_NF.shape[0], self.hidden_size)
            return (zeros,) * len(self._cell.states)
        return tuple(states) if dims == 2 else tuple(s.unsqueeze(0) for s in states)


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
