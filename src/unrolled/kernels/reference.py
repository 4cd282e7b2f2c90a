"""The cell's own equations in a loop over time: slow, plain, and what every other kernel is held to.

Shapes: T = time, N = batch, F = input features, S = width of the output.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.cells import Cell, Gates, State
from unrolled.kernels.kernel import DEFAULTS, QUIET, Call, Kernel, Noise, Options, Run, rounding_problem
from unrolled.kernels.ragged import Ragged

_OUTPUT: Final = "h"  # every cell's first state


@final
class ReferenceKernel(Kernel):
    """Runs anything, on any device, differentiable to any order."""

    name: ClassVar[str] = "reference"

    def verdict(self, call: Call) -> str:
        """Refuse nothing but rounding: this kernel is the definition."""
        return rounding_problem(call) or "yes"

    def run(
        self,
        cell: Cell[Any],
        x_TNF: Float[Tensor, "T N F"],
        state: State,
        weights: Any,
        *,
        ragged: Ragged | None = None,
        reverse: bool = False,
        noise: Noise = QUIET,
        options: Options = DEFAULTS,
    ) -> Run:
        """Run the equations step by step; a sequence's state stands still at its padded steps."""
        if ragged is not None:
            # Whatever the padding holds, NaN included, must not reach a gradient.
            x_TNF = x_TNF.where(ragged.valid_TN1, 0)
        steps: list[Gates] = []
        for t in _order(len(x_TNF), reverse):
            new, gates = cell.step(x_TNF[t], state, weights, noise.h_mask)
            new = _zoned_out(new, state, noise, t)
            state = new if ragged is None else _hold(ragged.valid_TN1[t], new, state)
            names = dict(zip(cell.states, state, strict=True))
            steps.append(gates | names if options.record else {_OUTPUT: state[0]})
        stacked = _stack(steps[::-1] if reverse else steps, ragged)
        return Run(stacked[_OUTPUT], state, stacked if options.record else None)

    def step(self, cell: Cell[Any], x_NF: Float[Tensor, "N F"], state: State, weights: Any) -> State:
        """Run the equations once."""
        return cell.step(x_NF, state, weights)[0]


def _order(steps: int, reverse: bool) -> range:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _zoned_out(new: State, old: State, noise: Noise, t: int) -> State:
    """Let units keep their states (Krueger et al. 2017, "Zoneout"); in evaluation, as much as they would on average."""
    if not noise.hold:
        return new
    held = [hold[t] if isinstance(hold, Tensor) else hold for hold in noise.hold]
    return tuple(_keep(h, n, o) for h, n, o in zip(held, new, old, strict=True))


def _keep(held: Tensor | float | None, new: Tensor, old: Tensor) -> Tensor:
    if isinstance(held, Tensor):
        return torch.where(held, old, new)
    return new if held is None else held * old + (1 - held) * new


def _hold(valid_N1: Tensor, new: State, old: State) -> State:
    return tuple(torch.where(valid_N1, n, o) for n, o in zip(new, old, strict=True))


def _stack(steps: list[Gates], ragged: Ragged | None) -> dict[str, Tensor]:
    stacked = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    if ragged is None:
        return stacked
    return {name: values.where(ragged.valid_TN1, 0) for name, values in stacked.items()}
