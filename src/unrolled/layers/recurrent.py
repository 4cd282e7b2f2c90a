"""What LSTM, GRU and RNN have in common: parameters, forward and trace, around any cell."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from unrolled.cells import Cell
from unrolled.layers.arguments import check_layer_arguments
from unrolled.layers.checks import check_call
from unrolled.layers.forms import open_input
from unrolled.layers.spec import Spec
from unrolled.layers.stack import Weights, run_layers
from unrolled.layers.states import close_states, open_states
from unrolled.layers.tracing import trace_layers
from unrolled.trace import Trace


class RecurrentLayer(nn.Module):
    """A stack of one kind of cell, in one or two directions; LSTM, GRU and RNN give it their cells."""

    kind: ClassVar[str]

    def __init__(
        self,
        make_cell: Callable[[int], Cell[Any]],
        *,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None,
        bias: bool,
        batch_first: bool,
        dropout: float | int,
        bidirectional: bool,
        proj_size: int,
        kernel: str,
        precision: str,
        recompute: bool,
        device: Any,
        dtype: torch.dtype | None,
        own_problem: str | None = None,
    ) -> None:
        super().__init__()
        widths = check_layer_arguments(
            self.kind,
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            proj_size=proj_size,
            kernel=kernel,
            precision=precision,
            flags={"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional, "recompute": recompute},
            own_problem=own_problem,
        )
        self.input_size = input_size
        self.hidden_size = hidden_size if isinstance(hidden_size, int) else widths
        self.num_layers = len(widths)
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.kernel = kernel
        self.precision = precision
        self.recompute = recompute
        self._cells = tuple(make_cell(width) for width in widths)
        self._slots = self._register(device, dtype)
        self.reset_parameters()
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and there is only one: it does nothing.",
                stacklevel=3,
            )

    def _register(self, device: Any, dtype: torch.dtype | None) -> list[list[tuple[str | None, ...]]]:
        """Make the parameters; return the name in each slot of each direction's named tuple."""
        spec = self.spec()
        slots: list[list[tuple[str | None, ...]]] = []
        for k, (cell, size) in enumerate(zip(spec.cells, spec.input_sizes(), strict=True)):
            slots.append([])
            for suffix in ("", "_reverse")[: spec.directions]:
                shapes = cell.parameter_shapes(size)
                names = {field: f"{field}_l{k}{suffix}" for field in shapes}
                for field, shape in shapes.items():
                    empty = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(names[field], nn.Parameter(empty))
                slots[k].append(tuple(names.get(field) for field in cell.weights_type._fields))
        return slots

    def reset_parameters(self) -> None:
        """Draw all parameters anew from U(−1/√H, 1/√H), in `torch.nn`'s order."""
        for cell, directions in zip(self._cells, self.weights(), strict=True):
            bound = 1 / math.sqrt(cell.hidden_size)
            for weights in directions:
                for weight in _present(weights):
                    nn.init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each direction of each layer, as `torch.nn` lists them."""
        return [_present(weights) for directions in self.weights() for weights in directions]

    def flatten_parameters(self) -> None:
        """Do nothing; here so that code written for `torch.nn` runs."""

    def extra_repr(self) -> str:
        """Every argument that is not at its default, in `torch.nn`'s form."""
        hidden = self.hidden_size if isinstance(self.hidden_size, int) else list(self.hidden_size)
        rest = self._settings() | {name: getattr(self, name) for name in ("kernel", "precision", "recompute")}
        shown = [f"{name}={rest[name]}" for name in _SHOWN if rest.get(name, _SHOWN[name]) != _SHOWN[name]]
        if not isinstance(self.hidden_size, int):
            shown = [text for text in shown if not text.startswith("num_layers")]
        return ", ".join([str(self.input_size), str(hidden), *shown])

    def spec(self) -> Spec:
        """The layer as data, as it stands now."""
        return Spec(
            self.kind,
            self.input_size,
            self._cells,
            self.bidirectional,
            self.batch_first,
            not isinstance(self.hidden_size, int),
            self.kernel,
            self.precision,
            self.recompute or not self.training,
        )

    def _settings(self) -> dict[str, Any]:
        """All arguments by name, the cell's own options among them."""
        own = {
            name: getattr(self, name)
            for name in ("input_size", "hidden_size", "num_layers", "batch_first", "dropout", "bidirectional")
        }
        return dataclasses.asdict(self._cells[0]) | own  # type: ignore[call-overload, no-any-return]

    def weights(self) -> Weights:
        """The cell's named tuple of parameters for each direction of each layer."""
        plain = self._parameters
        # By attribute where the parameters are not where PyTorch keeps plain ones: parametrised weights live elsewhere.
        return [
            [
                cell.weights_type._make(
                    [name and (plain[name] if name in plain else getattr(self, name)) for name in slot]
                )
                for slot in directions
            ]
            for cell, directions in zip(self._cells, self._slots, strict=True)
        ]

    def _run(self, x: Any, hx: Any, lengths: Any) -> tuple[Any, Any]:
        spec, weights = self.spec(), self.weights()
        check_call(spec, x, hx, lengths, weights[0][0][0])
        form = open_input(x, lengths, self.batch_first)
        states = open_states(spec, form, hx)
        dropout = self.dropout if self.training else 0.0
        finals = []
        for layer in run_layers(spec, form.x, form.ragged, states, weights, dropout=dropout):
            finals.append([run.state for run in layer.runs])
            output = layer.output
        return form.output(output), close_states(spec, form, finals)

    def trace(self, x: Any, hx: Any = None, lengths: Any = None) -> Trace:
        """Run once and keep everything that happened inside.

        The numbers are those of `eval()` mode (no dropout) in full precision, by the native kernel or else the
        reference, without gradients. The module is left as it is, and its hooks do not run.

        Args:
            x: As in a call; a PackedSequence is traced as the padded batch it stands for.
            hx: Initial states as in a call; zeros by default.
            lengths: Valid steps of each sequence as in a call.

        Returns:
            A `Trace`: inputs, gates, states and outputs as numpy arrays with named axes.

        Raises:
            ShapeError, DtypeError: As a call does.
        """
        spec, weights = self.spec(), self.weights()
        check_call(spec, x, hx, lengths, weights[0][0][0])
        return trace_layers(spec, self._settings(), weights, x, hx, lengths)


_SHOWN: Final[dict[str, Any]] = {
    "proj_size": 0,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "nonlinearity": "tanh",
    "kernel": "auto",
    "precision": "full",
    "recompute": False,
}
"""Arguments in the order of `extra_repr`, with the defaults that it leaves out."""


def _present(weights: Sequence[Tensor | None]) -> list[Tensor]:
    return [weight for weight in weights if weight is not None]
