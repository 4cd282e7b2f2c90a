"""What LSTM, GRU, RNN and SLSTM have in common: parameters, forward and trace, around any cell."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from unrolled.cells import Cell
from unrolled.errors import ConfigError
from unrolled.layers.arguments import check_layer_arguments, in_one_spelling
from unrolled.layers.checks import check_call
from unrolled.layers.forms import Form, open_input
from unrolled.layers.initial_state import LearnedState, check_initial_states
from unrolled.layers.initialise import initialise
from unrolled.layers.noise import NOTHING_HELD, Held, draw_h_mask, drop_weights
from unrolled.layers.options import ReadOptions, zoneout_rates
from unrolled.layers.spec import Spec
from unrolled.layers.stack import States, Weights, run_layers
from unrolled.layers.states import close_states, open_states
from unrolled.layers.steps import Advance
from unrolled.layers.streaming import Stream
from unrolled.layers.tracing import trace_layers
from unrolled.trace import Trace


class RecurrentLayer(nn.Module):
    """A stack of one kind of cell, in one or two directions.

    A subclass is final and gives its `equations`, the cell's own options (every field of its dataclass but
    `hidden_size`) and the `LayerOptions` that it was called with.
    """

    kind: ClassVar[str]
    equations: ClassVar[type[Any]]
    rows_axis: ClassVar[int] = 1

    initial_state: Any
    residual: bool
    recurrent_dropout: float
    zoneout: Any
    weight_drop: float
    init: Any
    kernel: str
    precision: str
    recompute: bool

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None,
        batch_first: bool,
        dropout: float | int,
        bidirectional: bool,
        device: Any,
        dtype: torch.dtype | None,
        cell_options: Mapping[str, Any],
        options: Mapping[str, Any],
        forget_bias: float | None = None,
    ) -> None:
        super().__init__()
        widths, read = check_layer_arguments(
            self.kind,
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            flags={"batch_first": batch_first, "bidirectional": bidirectional},
            cell_options=cell_options,
            forget_bias=forget_bias,
            options=options,
            states=len(self.equations.states),
        )
        self.input_size = input_size
        self.hidden_size = hidden_size if isinstance(hidden_size, int) else widths
        self.num_layers = len(widths)
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.forget_bias = forget_bias
        own = in_one_spelling(cell_options)
        for name, value in ({"proj_size": 0} | own | _shallow(read)).items():
            setattr(self, name, value)
        self._cells: tuple[Cell[Any], ...] = tuple(self.equations(width, **own) for width in widths)
        if read.initial_state == "learned":
            self.initial_state = LearnedState(self._cells, 2 if bidirectional else 1, device, dtype)
        self._slots = self._register(device, dtype)
        self.reset_parameters()
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and there is only one: it does nothing.",
                stacklevel=3,
            )

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to change an option of the cell, which was made with it."""
        if "_cells" in self.__dict__ and name in _shallow(self._cells[0]).keys() - {"hidden_size"}:
            raise ConfigError(
                f"{self.kind} was made with {name}={getattr(self, name)!r}. Make another one for {value!r}."
            )
        super().__setattr__(name, value)

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
        """Draw all parameters anew, as `init` says: by default from U(−1/√H, 1/√H), in `torch.nn`'s order."""
        for cell, directions in zip(self._cells, self.weights(), strict=True):
            for weights in directions:
                initialise(cell, weights, self.init, self.forget_bias)
        if isinstance(self.initial_state, LearnedState):
            self.initial_state.reset_parameters()

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each direction of each layer, as `torch.nn` lists them."""
        return [_present(weights) for directions in self.weights() for weights in directions]

    def flatten_parameters(self) -> None:
        """Do nothing; here so that code written for `torch.nn` runs."""

    def extra_repr(self) -> str:
        """Every argument that is not at its default, in `torch.nn`'s form."""
        hidden = self.hidden_size if isinstance(self.hidden_size, int) else list(self.hidden_size)
        rest = {name: getattr(self, name) for name in _SHOWN if hasattr(self, name)}
        shown = [f"{name}={_brief(value)}" for name, value in rest.items() if value != _SHOWN[name]]
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
            self.training,
            self.dropout,
            self.residual,
            self.recurrent_dropout,
            zoneout_rates(self.zoneout, len(self.equations.states)) if self.zoneout else (),
        )

    def _settings(self) -> dict[str, Any]:
        """The arguments that say what the layer computes, by name; those that are no plain values, in words."""
        cell = _shallow(self._cells[0])
        own = ("input_size", "hidden_size", "num_layers", "batch_first", "dropout", "bidirectional", *_DISTURBING)
        return {name: _plain(v) for name, v in (cell | {name: getattr(self, name) for name in own}).items()}

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

    def _run(self, x: Any, hx: Any, lengths: Any, held: Held = NOTHING_HELD) -> tuple[Any, Any]:
        spec, weights = self.spec(), self.weights()
        check_call(spec, x, hx, lengths, weights[0][0][0])
        form = open_input(x, lengths, self.batch_first)
        states = self._first_states(spec, form, hx)
        if self.weight_drop and self.training:
            weights = _dropped(weights, self.weight_drop, held)
        finals = []
        for layer in run_layers(spec, form.x, form.ragged, states, weights, held=held):
            finals.append([run.state for run in layer.runs])
            output = layer.output
        return form.output(output), close_states(spec, form, finals)

    def _stepwise(self, x: Any, hx: Any) -> tuple[Advance, States]:
        """Check a call once; return what runs the steps after it, and the states inside. For `eval()` mode alone."""
        spec, weights = self.spec(), self.weights()
        check_call(spec, x, hx, None, weights[0][0][0])

        def advance(x_TNF: Tensor, states: States) -> tuple[Tensor, States]:
            layers = list(run_layers(spec, x_TNF, None, states, weights))
            return layers[-1].output, [[run.state for run in layer.runs] for layer in layers]

        return advance, open_states(spec, open_input(x, None, self.batch_first), hx)

    def _first_states(self, spec: Spec, form: Form, hx: Any) -> States:
        if hx is not None or isinstance(self.initial_state, str):
            return open_states(spec, form, hx)
        states: States = self.initial_state(form.x, None if form.ragged is None else form.ragged.lengths_N)
        check_initial_states(spec, form.x.shape[1], states, self.weights()[0][0][0])
        return states

    def stream(self, truncate: int | None = None) -> Stream:
        """Begin a stateful run: a `Stream`, which takes one step or a chunk at a time and gives a whole run's numbers.

        Args:
            truncate: After how many steps the graph is cut for truncated backpropagation through time; by default
                never, so that gradients too are those of the whole run.

        Returns:
            A `Stream` of this layer, which it does not copy.

        Raises:
            ConfigError: The layer is bidirectional, or `truncate` is no whole number greater than zero.
        """
        return Stream(self, truncate)

    def _stream_problem(self) -> str:
        """Say why there can be no stream; "" when there can."""
        return f"{self.kind} is bidirectional" if self.bidirectional else ""

    def _stream_check(self, x: Any, lengths: Any) -> None:
        check_call(self.spec(), x, None, lengths, self.weights()[0][0][0])

    def _stream_start(self, x: Any, lengths: Any) -> Any:
        """What a call without hx starts from, in the form of hx."""
        spec, form = self.spec(), open_input(x, lengths, self.batch_first)
        return close_states(spec, form, self._first_states(spec, form, None))

    def _stream_masks(self, x: Any) -> dict[str, Tensor]:
        """Draw what a whole run in training draws once, in its order."""
        masks = {}
        if self.weight_drop:
            for k, (weights,) in enumerate(self.weights()):
                masks[f"weight_hh_l{k}"] = dropout(torch.ones_like(weights.weight_hh), self.weight_drop)
        if self.recurrent_dropout:
            spec, form = self.spec(), open_input(x, None, self.batch_first)
            masks |= {f"h_l{k}": draw_h_mask(spec, cell, form.x) for k, cell in enumerate(spec.cells)}
        return masks

    def _stream_mask_shapes(self, batch: int) -> dict[str, tuple[int, ...]]:
        """The shape of each mask that `_stream_masks` may draw."""
        of_weights = {f"weight_hh_l{k}": tuple(w.weight_hh.shape) for k, (w, *_) in enumerate(self.weights())}
        return of_weights | {f"h_l{k}": (batch, cell.output_size) for k, cell in enumerate(self._cells)}

    def _stream_form(self, states: Any) -> Any:
        """Bring loaded states, nested tuples, into the form of hx, which they have."""
        return states

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
        start = partial(self._first_states, hx=hx)
        return trace_layers(spec, self._settings(), weights, x, start, lengths)


def _dropped(weights: Weights, rate: float, held: Held) -> Weights:
    """Drop recurrent weights, each layer's as `held` says where it does."""
    return [
        [drop_weights(w, rate, held.get(f"weight_hh_l{k}")) for w in directions] for k, directions in enumerate(weights)
    ]


def _shallow(values: Any) -> dict[str, Any]:
    """A dataclass's fields that `torch.nn` or this project names; its values as they are."""
    return {field.name: getattr(values, field.name) for field in dataclasses.fields(values)}


_DISTURBING: Final = ("residual", "recurrent_dropout", "zoneout", "weight_drop", "initial_state")

_SHOWN: Final[dict[str, Any]] = {
    "proj_size": 0,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "nonlinearity": "tanh",
    "num_heads": 1,
    "forget_gate": "sigmoid",
    "reset_after": True,
    "peephole": False,
    "layer_norm": False,
    "coupled_gates": False,
    "cell_clip": None,
    "preactivation_clip": None,
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "forget_bias": None,
} | _shallow(ReadOptions())
"""Arguments in the order of `extra_repr`, with the defaults that it leaves out."""


def _brief(value: Any) -> str:
    return type(value).__name__ if isinstance(value, nn.Module) else str(value)


def _plain(value: Any) -> Any:
    """The value where a file can hold it, else its name."""
    if value is None or isinstance(value, bool | int | float | str | tuple | list):
        return value
    return str(getattr(value, "__name__", _brief(value)))


def _present(weights: Sequence[Tensor | None]) -> list[Tensor]:
    return [weight for weight in weights if weight is not None]
