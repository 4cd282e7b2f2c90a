"""A recurrent layer run step by step by its own equations, so that an analysis can reach in between two steps.

`opened` puts such a run in the place of a layer's forward for a while. What is computed is the layer's result in
evaluation, differentiable, whatever the kernel that the layer would run by.

Shapes: T = time, N = batch, F = input features, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.analysis.describing import cells_and_weights
from unrolled.analysis.layers_inside import MOST_CALLS, CallNames, Layer, LayerCall, as_ours
from unrolled.cells import Cell, State
from unrolled.kernels import Ragged, Run
from unrolled.layers import Stack
from unrolled.layers.checks import check_call
from unrolled.layers.forms import Form, open_input
from unrolled.layers.options import zoneout_rates
from unrolled.layers.own_cell import run_own
from unrolled.layers.recurrent import RecurrentLayer
from unrolled.layers.stack import LayerRun, chain_layers, side_by_side
from unrolled.layers.stack_states import close_entries
from unrolled.layers.states import close_states
from unrolled.trace import DIRECTIONS


class Place(NamedTuple):
    """One direction of one layer, in one call of a recurrent layer module of that name."""

    name: str
    layer: int
    direction: str


class Steps(NamedTuple):
    """One direction's run: its equations, its parameters, and its states before the first step.

    order: The steps in the order in which they are read.
    """

    place: Place
    cell: Cell[Any]
    weights: Any
    order: range
    ragged: Ragged | None
    first: State


class Tap:
    """What an analysis does inside a run; this one does nothing."""

    def begin(self, steps: Steps) -> Cell[Any]:
        """Before the first step of a direction; the equations to run."""
        return steps.cell

    def start(self, place: Place, first: State) -> State:
        """Before the first step; the states to begin with."""
        return first

    def step(self, place: Place, t: int, new: State) -> State:
        """After step t: the states to go on with, where the step is valid."""
        return new

    def end(self, place: Place, last: State) -> None:
        """After the last step, with the states of each sequence's last valid step."""


@contextmanager
def opened(layers: Mapping[nn.Module, str], tap: Tap, most: float = MOST_CALLS) -> Iterator[None]:
    """Run these layers of a model step by step, with `tap` inside the first `most` calls of each.

    Afterwards each has its own forward again.
    """
    names = CallNames(layers, most)
    had = {module: vars(module)["forward"] for module in layers if "forward" in vars(module)}
    try:
        for module in layers:
            vars(module)["forward"] = partial(_forward, as_ours(module), module, names, tap)
        yield
    finally:
        for module in layers:
            del vars(module)["forward"]
            vars(module).update({"forward": had[module]} if module in had else {})


class _Work(NamedTuple):
    """A call of a layer, opened: everything that its directions need, and the way back to the user's form."""

    name: str
    form: Form
    cells: list[list[tuple[Cell[Any] | None, Any]]]
    states: list[list[Any]]
    zoneout: Callable[[int], tuple[float, ...]]
    own: Callable[[int, int, Tensor], Run]
    close: Callable[[list[list[Any]]], Any]
    residual: bool


def _forward(layer: Layer, module: nn.Module, names: CallNames, tap: Tap, *args: Any, **kwargs: Any) -> Any:
    call, name = LayerCall.of(module, args, kwargs), names.next(module)
    work = _open_stack(layer, name or "", call) if isinstance(layer, Stack) else _open_layer(layer, name or "", call)
    tap = Tap() if name is None else tap
    runners = [partial(_run_layer, work, tap, k) for k in range(len(work.cells))]
    finals = []
    for done in chain_layers(runners, work.form.x, work.form.ragged, residual=work.residual, dropout=0.0):
        finals.append([run.state for run in done.runs])
    return work.form.output(done.output), work.close(finals)


def _open_layer(layer: RecurrentLayer, name: str, call: LayerCall) -> _Work:
    spec = layer.spec()._replace(training=False)
    check_call(spec, *call, layer.weights()[0][0][0])
    form = open_input(call.x, call.lengths, spec.batch_first)
    states = layer._first_states(spec, form, call.hx)
    close = partial(close_states, spec, form)
    return _Work(name, form, cells_and_weights(layer), states, lambda _: spec.zoneout, _no_own, close, spec.residual)


def _open_stack(stack: Stack, name: str, call: LayerCall) -> _Work:
    layers = stack._layers()
    stack._check(layers, *call)
    form = open_input(call.x, call.lengths, stack.batch_first)
    states = stack._first_states(layers, form, call.hx)

    def own(k: int, d: int, x_TNF: Tensor) -> Run:
        place = layers[k][d]
        return run_own(place.module, place.label, x_TNF, states[k][d], form.ragged, d == 1)

    close = partial(close_entries, layers, form)
    rates = partial(zoneout_rates, stack.zoneout)
    return _Work(name, form, cells_and_weights(stack), states, rates, own, close, stack.residual)


def _no_own(_k: int, _d: int, _x_TNF: Tensor) -> Run:
    raise AssertionError("only a stack has modules of the user's own")


def _run_layer(work: _Work, tap: Tap, k: int, x_TNF: Tensor) -> LayerRun:
    runs = []
    for d, (cell, weights) in enumerate(work.cells[k]):
        if cell is None:
            runs.append(work.own(k, d, x_TNF))
            continue
        order = range(len(x_TNF))[:: -1 if d else 1]
        steps = Steps(
            Place(work.name, k, DIRECTIONS[d]), cell, weights, order, work.form.ragged, tuple(work.states[k][d])
        )
        runs.append(_run_direction(steps, x_TNF, work.zoneout(len(cell.states)), tap))
    return side_by_side(x_TNF, runs)


def _run_direction(steps: Steps, x_TNF: Tensor, zoneout: tuple[float, ...], tap: Tap) -> Run:
    valid_TN1 = None if steps.ragged is None else steps.ragged.valid_TN1
    cell, state = tap.begin(steps), tap.start(steps.place, steps.first)
    x_NF = (x_TNF if valid_TN1 is None else x_TNF.where(valid_TN1, 0)).unbind(0)
    outputs: dict[int, Tensor] = {}
    for t in steps.order:
        new = _zoned_out(cell.step(x_NF[t], state, steps.weights)[0], state, zoneout)
        new = tap.step(steps.place, t, new)
        state = new if valid_TN1 is None else _where(valid_TN1[t], new, state)
        outputs[t] = state[0]
    tap.end(steps.place, state)
    output_TNS = torch.stack([outputs[t] for t in sorted(outputs)])
    return Run(output_TNS if valid_TN1 is None else output_TNS.where(valid_TN1, 0), state)


def _zoned_out(new: State, old: State, rates: tuple[float, ...]) -> State:
    """Zoneout's expectation, as in evaluation; a cell takes the rates of as many states as it has."""
    return tuple(r * o + (1 - r) * n for r, n, o in zip(rates, new, old, strict=False)) if rates else new


def _where(valid_N1: Tensor, new: State, old: State) -> State:
    return tuple(torch.where(valid_N1, n, o) for n, o in zip(new, old, strict=True))
