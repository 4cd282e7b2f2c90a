"""`clamp`: hold a gate or a state of some units at a value, and see what it does to the loss.

Shapes: N = batch, F = features, H = hidden units.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.analysis.gradients import loss_of
from unrolled.analysis.layers_inside import required_layers
from unrolled.analysis.running import run, subject_of, untouched
from unrolled.analysis.stepwise import Place, Steps, Tap, opened
from unrolled.cells import Cell, State
from unrolled.cells.activations import function_of
from unrolled.errors import ConfigError

_NONLINEARITIES: Final = ("recurrent_activation", "activation")
"""The fields of a cell through which its gates get their values."""


def clamp(
    model: nn.Module,
    x: Any,
    of: str,
    value: float,
    *,
    units: int | Iterable[int] | None = None,
    steps: int | Iterable[int] | None = None,
    layer: int | None = None,
    direction: str | None = None,
    name: str | None = None,
    lengths: Any = None,
    loss: Callable[[Any], Tensor] | None = None,
) -> float:
    """By how much the loss changes when a gate or a state is held at a value.

    All that follows from it follows: later gates and states, layers above. A gate is held as it comes out of its
    nonlinearity, a state as it is after a step. "f" held at 1 shows what forgetting is worth, "h" of a unit held at 0
    what the unit is worth. Source: Mozer & Smolensky (1989), "Skeletonization: a technique for trimming the fat from a
    network via relevance assessment", whose relevance of a unit is the error without it less the error with it.

    The model runs as in `eval()`, twice, and is left as it was.

    Args:
        model: One of unrolled's recurrent layers, one of torch.nn's LSTM, GRU or RNN, or any module that contains some.
        x: What the model is called with.
        of: A gate ("i", "f", "g", "o"; "r", "z", "n") or a state ("h", "c").
        value: What it is held at.
        units: Which units, from 0. Default: all.
        steps: At which steps; −1 is the last one. Default: at all.
        layer: In which layer, from 0. Default: in all.
        direction: "forward" or "reverse". Default: both.
        name: In which recurrent layer of the model, by its name there. Default: in all.
        lengths: Valid steps of each sequence, as for `record`.
        loss: Makes one number of what the model returns. Default: the sum of its answer, the first tensor returned.

    Returns:
        The loss with it held, less the loss as it is.

    Raises:
        ConfigError: No recurrent layer, nothing of that name or place to hold, a unit or step out of range, or a loss
            that is no single number. Of an SLSTM and of modules of one's own no gates can be held; of the latter no
            states either.
        ShapeError, DtypeError: The model can't run on x.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import clamp
        >>> gru = unrolled.GRU(3, 4)
        >>> x = torch.randn(9, 2, 3)
        >>> change = clamp(gru, x, "h", 0.0)  # nothing is left of the output
        >>> abs(change + gru(x)[0].detach().sum().item()) < 1e-4
        True
    """
    subject = subject_of("clamp", model, lengths)
    layers = required_layers("clamp", subject.model)
    hold = _Hold(of, value, _chosen("units", units), _chosen("steps", steps), (name, layer, direction))
    losses = []
    for tap in (Tap(), hold):
        with untouched(subject.model), torch.no_grad(), opened(layers, tap, most=math.inf):
            losses.append(float(loss_of("clamp", run(subject, x), loss)))
    hold.check()
    return losses[1] - losses[0]


def _chosen(what: str, numbers: Any) -> tuple[int, ...] | None:
    if numbers is None:
        return None
    chosen = list(numbers) if isinstance(numbers, Iterable) else [numbers]
    try:
        whole = tuple(map(operator.index, chosen))
    except TypeError:
        whole = ()
    if not whole or any(isinstance(number, bool | np.bool_) for number in chosen):
        raise ConfigError(f"clamp expected {what} to be a whole number, or several; got {numbers!r}.")
    return whole


class _Hold(Tap):
    """Holds a gate or a state where it was asked to, and notes what there was to hold."""

    def __init__(
        self,
        of: str,
        value: float,
        units: tuple[int, ...] | None,
        steps: tuple[int, ...] | None,
        where: tuple[str | None, int | None, str | None],
    ) -> None:
        self._of, self._value, self._units, self._steps, self._where = of, value, units, steps, where
        self._offered: dict[Place, list[str]] = {}
        self._held_once = False
        self._state: int | None = None
        self._taps: list[_Counted] = []
        self._times: list[int] = []
        self._at: frozenset[int] = frozenset()

    def begin(self, steps: Steps) -> Cell[Any]:
        """See what can be held here, and make the equations that hold a gate."""
        self._state, self._taps = None, []
        gates = _gates_of(steps)
        self._offered[steps.place] = [*gates, *steps.cell.states]
        if not self._is_here(steps.place) or self._of not in self._offered[steps.place]:
            return steps.cell
        self._check_units(steps)
        self._held_once = True
        self._times, self._at = list(steps.order)[::-1], self._steps_of(len(steps.order))
        if self._of in steps.cell.states:
            self._state = steps.cell.states.index(self._of)
            return steps.cell
        return self._holding(steps.cell, *gates[self._of])

    def step(self, place: Place, t: int, new: State) -> State:
        """Hold the state; begin the count of the nonlinearities' calls anew."""
        for tap in self._taps:
            tap.calls = 0
        if self._times:
            self._times.pop()
        if self._state is None or t not in self._at:
            return new
        return tuple(self._held(s) if k == self._state else s for k, s in enumerate(new))

    def check(self) -> None:
        """Refuse to have held nothing."""
        if self._held_once:
            return
        where = "; ".join(f"{_describe(place)}: {', '.join(names)}" for place, names in self._offered.items())
        asked = ", ".join(
            f"{what}={given!r}"
            for what, given in zip(("name", "layer", "direction"), self._where, strict=True)
            if given is not None
        )
        raise ConfigError(
            f"clamp found no {self._of!r} to hold{f' at {asked}' if asked else ''}. There is {where or 'nothing'}. "
            "Where gates are coupled, i is 1 − f: hold f."
        )

    def _holding(self, cell: Cell[Any], field: str, call: int) -> Cell[Any]:
        def hold(values: Tensor) -> Tensor:
            return self._held(values) if self._times[-1] in self._at else values

        tap = _Counted(function_of(getattr(cell, field)), call, hold)
        self._taps = [tap]
        replaced: Cell[Any] = dataclasses.replace(cell, **{field: tap})  # type: ignore[type-var]
        return replaced

    def _held(self, values: Tensor) -> Tensor:
        if self._units is None:
            return torch.full_like(values, self._value)
        return values.index_fill(-1, torch.tensor(self._units, device=values.device), self._value)

    def _is_here(self, place: Place) -> bool:
        name, layer, direction = self._where
        named = name is None or place.name == name or place.name.startswith(f"{name} (call ")
        return named and layer in (None, place.layer) and direction in (None, place.direction)

    def _check_units(self, steps: Steps) -> None:
        states = dict(zip(steps.cell.states, steps.cell.state_sizes, strict=True))
        width = states.get(self._of, steps.cell.hidden_size)
        wrong = [unit for unit in self._units or () if not 0 <= unit < width]
        if wrong:
            raise ConfigError(f"clamp: {_describe(steps.place)} has units 0 to {width - 1}; got units={wrong}.")

    def _steps_of(self, time: int) -> frozenset[int]:
        chosen = range(time) if self._steps is None else self._steps
        wrong = [t for t in chosen if not -time <= t < time]
        if wrong:
            raise ConfigError(f"clamp: the layer ran {time} steps, 0 to {time - 1}; got steps={wrong}.")
        return frozenset(t % time for t in chosen)


class _Counted:
    """A nonlinearity that counts its calls within a step, and changes what comes out of one of them."""

    def __init__(self, function: Callable[[Tensor], Tensor], call: int, change: Callable[[Tensor], Tensor]) -> None:
        self._function, self._call, self._change = function, call, change
        self.calls = 0

    def __call__(self, values: Tensor) -> Tensor:
        self.calls += 1
        result = self._function(values)
        return self._change(result) if self.calls == self._call else result


class _Kept:
    """A nonlinearity that keeps what came out of it."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self.results: list[Tensor] = []

    def __call__(self, values: Tensor) -> Tensor:
        self.results.append(self._function(values))
        return self.results[-1]


def _gates_of(steps: Steps) -> dict[str, tuple[str, int]]:
    """For each gate the nonlinearity that gives it, and by which of its calls: found by a step on zeros."""
    cell, weight = steps.cell, steps.weights[0]
    fields = {field.name for field in dataclasses.fields(cell)}  # type: ignore[arg-type]
    kept = {name: _Kept(function_of(getattr(cell, name))) for name in _NONLINEARITIES if name in fields}
    if not kept:
        return {}
    watched: Cell[Any] = dataclasses.replace(cell, **kept)  # type: ignore[type-var]
    with torch.no_grad():
        state = tuple(weight.new_zeros(1, size) for size in cell.state_sizes)
        _, gates = watched.step(weight.new_zeros(1, weight.shape[1]), state, steps.weights)
    return {
        gate: (name, call)
        for gate, value in gates.items()
        for name, function in kept.items()
        for call, result in enumerate(function.results, start=1)
        if result is value
    }


def _describe(place: Place) -> str:
    return f"{place.name + ', ' if place.name else ''}layer {place.layer}, {place.direction}"
