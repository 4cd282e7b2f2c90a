"""Stack: layers of any mix of cells, the user's own included.

Shapes: T = time, N = batch, F = input features, Y = output features of a layer, S = width of a state.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Final, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import Cell
from unrolled.errors import ConfigError, ShapeError
from unrolled.kernels import Call, Ragged, Run
from unrolled.layers.checks import check_call, check_input
from unrolled.layers.findings import Findings
from unrolled.layers.forms import Form, PaddedForm, as_padded, open_input
from unrolled.layers.lengths import check_lengths
from unrolled.layers.noise import NOTHING_HELD, Held, draw_h_mask
from unrolled.layers.options import Zoneout, zoneout_rates
from unrolled.layers.own_cell import run_own
from unrolled.layers.spec import Spec
from unrolled.layers.stack import LayerRun, chain_layers, describe_call, run_cell, side_by_side
from unrolled.layers.stack_checks import Place, check_hx, check_made_states, check_stack, label
from unrolled.layers.stack_states import LearnedStates, begin, close_entries, named_finals, open_entry
from unrolled.layers.steps import Advance
from unrolled.layers.streaming import Stream
from unrolled.layers.tracing import kernel_that_records, make_trace
from unrolled.trace import Trace

Entry: TypeAlias = nn.Module | tuple[nn.Module, nn.Module]
"""A cell, or a pair (forward, backward)."""

_DEFAULTS: Final[dict[str, Any]] = {
    "batch_first": False,
    "dropout": 0.0,
    "residual": False,
    "recurrent_dropout": 0.0,
    "zoneout": 0.0,
    "initial_state": "zeros",
    "kernel": "auto",
}


@final
class Stack(nn.Module):
    """Layers of any mix of cells, run over whole sequences.

    A cell is one of ours (LSTMCell, GRUCell, RNNCell, SLSTMCell with any options) or of `torch.nn`, which both run by
    our kernels on the cell's own parameters, so that a forward hook of the cell does not run; or a module of one's own
    that is called once a step as `module(x_t, state) -> (h_t, state)`, with x_t (N, F) and h_t (N, Y). Its state is
    whatever it returns, a tensor or nested tuples of tensors, each with the batch axis first; before the first step it
    is None, or what the module's `initial_state(batch)` returns where it has such a method. Where it has `input_size`
    and `output_size`, they are checked against its neighbours.

    Args:
        cells: One entry a layer: a cell, or a pair (forward_cell, backward_cell), whose outputs lie side by side.
        share: Whether the same cell may occur more than once, with one set of weights. Default: False.
        batch_first: Whether input and output are (N, T, F) rather than (T, N, F). Default: False.
        dropout: Probability of a zero in the outputs of every layer but the last, in training. Default: 0.
        residual: Whether each layer after the first adds its input to its output where both are of one width.
        recurrent_dropout, zoneout: As for `LayerOptions`; not for modules of one's own. A cell without c takes the
            first of two zoneout rates.
        initial_state: "zeros", "learned", or a module, as for `LayerOptions`; the latter two for our cells alone.
        kernel: As for `LayerOptions`. With "auto" each cell's own `kernel` counts.

    Raises:
        ConfigError: Cells don't go together, or an argument's value is wrong; the message lists all problems.
        DtypeError: Only types of arguments are wrong.

    Example:
        >>> import torch
        >>> import unrolled
        >>> stack = unrolled.Stack([unrolled.LSTMCell(7, 50, layer_norm=True), unrolled.GRUCell(50, 20)])
        >>> output, ((h, c), h_of_gru) = stack(torch.randn(96, 32, 7))
        >>> output.shape, c.shape, h_of_gru.shape
        (torch.Size([96, 32, 20]), torch.Size([32, 50]), torch.Size([32, 20]))
    """

    kind: ClassVar[str] = "Stack"
    rows_axis: ClassVar[int] = 0

    def __init__(
        self,
        cells: Sequence[Entry],
        *,
        share: bool = False,
        batch_first: bool = False,
        dropout: float | int = 0.0,
        residual: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: Zoneout = 0.0,
        initial_state: Literal["zeros", "learned"] | nn.Module = "zeros",
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        options = {"residual": residual, "recurrent_dropout": recurrent_dropout, "zoneout": zoneout, "kernel": kernel}
        layers, read = check_stack(
            cells, {"share": share, "batch_first": batch_first}, dropout, options | {"initial_state": initial_state}
        )
        self.cells = nn.ModuleList(_module(layer) for layer in layers)
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.residual = read.residual
        self.recurrent_dropout = read.recurrent_dropout
        self.zoneout = read.zoneout
        self.kernel = read.kernel
        self._equations = [[place.cell for place in layer] for layer in layers]
        self.initial_state = LearnedStates(layers) if read.initial_state == "learned" else read.initial_state
        if dropout > 0 and len(layers) == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and there is only one: it does nothing.", stacklevel=2
            )

    def reset_parameters(self) -> None:
        """Draw the parameters of every cell anew, where it can do that itself; learned states become 0."""
        modules = [place.module for layer in self._layers() for place in layer]
        for module in [*dict.fromkeys(modules), self.initial_state]:
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def extra_repr(self) -> str:
        """Every argument that is not at its default and is no module."""
        given = {name: getattr(self, name) for name in _DEFAULTS}
        shown = {name: v for name, v in given.items() if v != _DEFAULTS[name] and not isinstance(v, nn.Module)}
        return ", ".join(f"{name}={value}" for name, value in shown.items())

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, list[Any]]:
        """Run over whole sequences.

        Args:
            x: (T, N, F), or (N, T, F) with `batch_first`; (T, F) for one sequence; a PackedSequence, a list of (T, F)
                or a jagged nested tensor.
            hx: Initial states, a list with one entry a layer in the cell's own form: `(h, c)`, each (N, S), for an
                LSTMCell, h for a GRUCell; a pair of such for a pair; without N for one sequence. None, for all or in
                place of an entry, is what `initial_state` says.
            lengths: Valid steps of each sequence of a padded batch: a list or an int tensor, in any order; 0 is
                allowed. By default all steps are valid.

        Returns:
            `output, states`: output in the input's form, 0 at padded steps; the states after each sequence's last
            valid step, in the form of hx. A sequence without any step keeps its initial state, which for a module of
            one's own that began with None is 0.

        Raises:
            ShapeError: Shapes do not fit; the message lists all problems of the call.
            DtypeError: Only types, dtypes or devices do not fit.
            KernelError: The kernel chosen by name cannot run this call.

        Example:
            >>> import torch
            >>> import unrolled
            >>> pair = unrolled.GRUCell(1, 4), unrolled.GRUCell(1, 4)
            >>> output, [(forward, backward)] = unrolled.Stack([pair])(torch.randn(9, 3, 1), lengths=[9, 2, 5])
            >>> bool((forward[1] == output[1, 1, :4]).all() and (backward[1] == output[0, 1, 4:]).all())
            True
        """
        return self._run(x, hx, lengths)

    def _run(self, x: Any, hx: Any, lengths: Any, held: Held = NOTHING_HELD) -> tuple[Any, list[Any]]:
        layers = self._layers()
        self._check(layers, x, hx, lengths)
        form = open_input(x, lengths, self.batch_first)
        states = self._first_states(layers, form, hx)
        finals = []
        for layer in self._run_layers(layers, form, states, held=held):
            finals.append([run.state for run in layer.runs])
            output = layer.output
        return form.output(output), close_entries(layers, form, finals)

    def _stepwise(self, x: Any, hx: Any) -> tuple[Advance, list[list[Any]]]:
        """Check a call once; return what runs the steps after it, and the states inside. For `eval()` mode alone."""
        layers = self._layers()
        self._check(layers, x, hx, None)
        form = open_input(x, None, self.batch_first)

        def advance(x_TNF: Tensor, states: list[list[Any]]) -> tuple[Tensor, list[list[Any]]]:
            done = list(self._run_layers(layers, PaddedForm(x_TNF, None, self.batch_first), states))
            return done[-1].output, [[run.state for run in layer.runs] for layer in done]

        return advance, self._first_states(layers, form, hx)

    def trace(self, x: Any, hx: Any = None, lengths: Any = None) -> Trace:
        """Run once and keep everything that happened inside; of modules of one's own, what they read and put out.

        The numbers are those of `eval()` mode in full precision, without gradients, as of a layer's `trace`. In
        `finals` "h_n" has one array (N, S) for each direction of each layer, in the order of `parts`; "c_n" and others
        have one for each that carries such a state.

        Args:
            x: As in a call.
            hx: As in a call.
            lengths: As in a call.

        Raises:
            ConfigError: A module of one's own is in training mode.
            ShapeError, DtypeError: As a call does.
        """
        layers = self._layers()
        self._check(layers, x, hx, lengths)
        if live := [p.label for layer in layers for p in layer if p.cell is None and p.module.training]:
            raise ConfigError(f"A trace is of eval() mode, and {', '.join(live)} is in training. Call stack.eval().")
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            x, lengths = as_padded(x, lengths, self.batch_first)
            form = open_input(x, lengths, self.batch_first)
            states = self._first_states(layers, form, hx)
            runs = list(self._run_layers(layers, form, states, record=True))
        finals = named_finals(layers, runs, form, x.dim() == 3)
        return make_trace("Stack", self._settings(), self._equations, form, x.dim() == 3, runs, states, finals)

    def stream(self, truncate: int | None = None) -> Stream:
        """Begin a stateful run: a `Stream`, which takes one step or a chunk at a time and gives a whole run's numbers.

        Args:
            truncate: After how many steps the graph is cut for truncated backpropagation through time; by default
                never, so that gradients too are those of the whole run.

        Raises:
            ConfigError: An entry of the stack is a pair, or `truncate` is no whole number greater than zero.
        """
        return Stream(self, truncate)

    def _layers(self) -> list[list[Place]]:
        """The directions of each layer, with the modules that are there now."""
        return [
            [
                Place(label(k, d, len(cells), module), module, cell)
                for d, (module, cell) in enumerate(zip(_modules(entry, len(cells)), cells, strict=True))
            ]
            for k, (entry, cells) in enumerate(zip(self.cells, self._equations, strict=True))
        ]

    def _check(self, layers: list[list[Place]], x: Any, hx: Any, lengths: Any) -> None:
        data = x.data if isinstance(x, PackedSequence) else x[0] if isinstance(x, list | tuple) and x else x
        features = next((p.reads for p in layers[0] if p.reads is not None), None)
        if features is None:  # a module of the user's own reads whatever it reads
            features = data.shape[-1] if isinstance(data, Tensor) and data.dim() else 1
        own = data if isinstance(data, Tensor) else torch.empty(0)
        like = _first_weight(layers, own)
        spec = self._spec(None, self)._replace(input_size=features)
        if hx is None:
            check_call(spec, x, None, lengths, like)
            return
        found = Findings()
        if (sizes := check_input(found, spec, x, like)) is not None:
            check_hx(found, layers, hx, sizes.batch, like)
            check_lengths(found, "Stack", lengths, sizes.time, sizes.batch, sizes.carried_by)
        found.finish(ShapeError, "Stack cannot run this call")

    def describe_calls(self, x: Any, lengths: Any = None) -> list[list[tuple[Call, str] | None]]:
        """Describe each direction's call to the kernels' registry, with the kernel asked for; checked.

        None stands for a module of one's own, which no kernel runs.
        """
        layers = self._layers()
        self._check(layers, x, None, lengths)
        form = open_input(x, lengths, self.batch_first)
        return [[self._describe_call(place, form) for place in layer] for layer in layers]

    def _describe_call(self, place: Place, form: Form) -> tuple[Call, str] | None:
        if place.cell is None:
            return None
        spec, weights = self._spec(place.cell, place.module), _weights(place.cell, place.module)
        call = describe_call(spec, 0, form.x, form.ragged, (begin(place, form.x),), (weights,), record=False)
        return call._replace(features=place.reads or call.features), spec.kernel

    def _spec(self, cell: Cell[Any] | None, module: Any) -> Spec:
        """One cell as a layer of its own; what lies between layers is not its business."""
        states = 0 if cell is None else len(cell.states)
        return Spec(
            kind="Stack",
            input_size=getattr(module, "input_size", 0),
            cells=() if cell is None else (cell,),
            bidirectional=False,
            batch_first=self.batch_first,
            per_layer=False,
            kernel=self.kernel if self.kernel != "auto" else getattr(module, "kernel", "auto"),
            precision="full",
            recompute=not self.training,
            training=self.training,
            dropout=0.0,
            residual=False,
            recurrent_dropout=self.recurrent_dropout,
            zoneout=zoneout_rates(self.zoneout, states)[:states] if self.zoneout else (),
        )

    def _run_layers(
        self,
        layers: list[list[Place]],
        form: Form,
        states: list[list[Any]],
        *,
        record: bool = False,
        held: Held = NOTHING_HELD,
    ) -> Iterator[LayerRun]:
        runners = [
            partial(self._run_layer, places, form.ragged, states[k], record, held.get(f"h_l{k}"))
            for k, places in enumerate(layers)
        ]
        dropout = self.dropout if self.training and not record else 0.0
        return chain_layers(runners, form.x, form.ragged, residual=self.residual, dropout=dropout)

    def _run_layer(
        self,
        places: list[Place],
        ragged: Ragged | None,
        states: list[Any],
        record: bool,
        h_mask: Tensor | None,
        x_TNF: Tensor,
    ) -> LayerRun:
        runs = []
        for d, (place, state) in enumerate(zip(places, states, strict=True)):
            if place.reads is not None and place.reads != x_TNF.shape[-1]:
                raise ShapeError(
                    f"{place.label} reads {place.reads} features; the layer before gave {x_TNF.shape[-1]}."
                )
            if place.cell is None:
                runs.append(run_own(place.module, place.label, x_TNF, state, ragged, d == 1))
            else:
                runs.append(self._run_cell(place, x_TNF, ragged, state, d == 1, record, h_mask))
        return side_by_side(x_TNF, runs)

    def _run_cell(
        self,
        place: Place,
        x_TNF: Tensor,
        ragged: Ragged | None,
        state: Any,
        reverse: bool,
        record: bool,
        h_mask: Tensor | None,
    ) -> Run:
        assert place.cell is not None, "a module of the user's own has a loop of its own"
        spec = self._spec(place.cell, place.module)
        if record:
            spec = spec._replace(kernel=kernel_that_records(spec.kernel), training=False)
        weights = _weights(place.cell, place.module)
        return run_cell(spec, x_TNF, ragged, state, weights, reverse=reverse, record=record, h_mask=h_mask)

    def _first_states(self, layers: list[list[Place]], form: Form, hx: Any) -> list[list[Any]]:
        """Bring checked states inside: for each direction of each layer, a tuple for our cells, None for none."""
        given = [None] * len(layers) if hx is None else hx
        start = self._start(layers, form) if any(entry is None for entry in given) else []
        return [
            start[k] if entry is None else open_entry(places, form, entry)
            for k, (places, entry) in enumerate(zip(layers, given, strict=True))
        ]

    def _start(self, layers: list[list[Place]], form: Form) -> list[list[Any]]:
        x_TNF, batch = form.x, form.x.shape[1]
        if isinstance(self.initial_state, str):
            return [[begin(place, x_TNF) for place in layer] for layer in layers]
        made: list[list[Any]] = self.initial_state(x_TNF, None if form.ragged is None else form.ragged.lengths_N)
        check_made_states(layers, made, batch, _first_weight(layers, form.x))
        return made

    def _settings(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("batch_first", "dropout", "residual", "recurrent_dropout")}
        initial = self.initial_state if isinstance(self.initial_state, str) else type(self.initial_state).__name__
        # The directions of the last layer, which are those of the output.
        return own | {
            "cells": tuple(str(cell) for cell in self.cells),
            "bidirectional": len(self._equations[-1]) == 2,
            "zoneout": self.zoneout,
            "initial_state": initial,
        }

    def _stream_problem(self) -> str:
        """Say why there can be no stream; "" when there can."""
        pairs = [f"cells[{k}]" for k, cells in enumerate(self._equations) if len(cells) == 2]
        return f"{', '.join(pairs)} {'is a pair' if len(pairs) == 1 else 'are pairs'}" if pairs else ""

    def _stream_check(self, x: Any, lengths: Any) -> None:
        self._check(self._layers(), x, None, lengths)

    def _stream_start(self, x: Any, lengths: Any) -> list[Any]:
        """What a call without hx starts from, in the form of hx."""
        layers, form = self._layers(), open_input(x, lengths, self.batch_first)
        start = self._start(layers, form)
        begun = [pair for layer, states in zip(layers, start, strict=True) for pair in zip(layer, states, strict=True)]
        unknown = [place.label for place, state in begun if state is None]
        if unknown:
            raise ConfigError(
                f"Some sequences of this stream begin later than others, and what {', '.join(unknown)} begins with is "
                "known to it alone. Give it a method initial_state(batch), or begin all sequences together."
            )
        return close_entries(layers, form, start)

    def _stream_masks(self, x: Any) -> dict[str, Tensor]:
        """Draw what a whole run in training draws once, in its order."""
        if not self.recurrent_dropout:
            return {}
        x_TNF, spec = open_input(x, None, self.batch_first).x, self._spec(None, self)
        return {f"h_l{k}": draw_h_mask(spec, cell, x_TNF) for k, (cell,) in enumerate(self._equations) if cell}

    def _stream_mask_shapes(self, batch: int) -> dict[str, tuple[int, ...]]:
        """The shape of each mask that `_stream_masks` may draw."""
        return {f"h_l{k}": (batch, cell.output_size) for k, (cell, *_) in enumerate(self._equations) if cell}

    def _stream_form(self, states: Any) -> list[Any]:
        """Bring loaded states, nested tuples, into the form of hx: a module's empty states left no trace."""
        return [*states, *[()] * (len(self.cells) - len(states))]


def _module(layer: list[Place]) -> nn.Module:
    return layer[0].module if len(layer) == 1 else nn.ModuleList(place.module for place in layer)


def _modules(entry: Any, directions: int) -> list[nn.Module]:
    return [entry] if directions == 1 else list(entry)


def _first_weight(layers: list[list[Place]], own: Tensor) -> Tensor:
    """A tensor of the type and on the device that the stack computes with; `own` where it has no parameters."""
    for layer in layers:
        for place in layer:
            if place.cell is not None:
                weight = place.module.weight_ih
                assert isinstance(weight, Tensor)
                return weight
    parameters = (p for layer in layers for place in layer for p in place.module.parameters())
    return next((p for p in parameters if p.is_floating_point()), own)


def _weights(cell: Cell[Any], module: nn.Module) -> Any:
    """The cell's named tuple, of the parameters that the module has now."""
    there = cell.parameter_shapes(1)
    return cell.weights_type._make([getattr(module, n) if n in there else None for n in cell.weights_type._fields])
