"""What a kernel is: one layer, one direction, the whole time loop.

Shapes: T = time, N = batch, F = input features, S = width of the first state, which is the output.
Everything is time-major, whatever the user's `batch_first` says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.cells import Cell, State
from unrolled.kernels.ragged import Ragged


class Call(NamedTuple):
    """Everything about one call that may decide which kernels can run it."""

    cell: Cell[Any]
    time: int
    batch: int
    features: int
    dtype: torch.dtype
    device: str
    ragged: bool = False
    empty_rows: bool = False
    wants_gates: bool = False
    needs_grad: bool = False
    precision: str = "full"
    noise: tuple[str, ...] = ()


class Run(NamedTuple):
    """What a kernel gives back.

    `output` is 0 at padded steps; `state` is that of each sequence's last valid step. `record`,
    where it was asked for, holds every gate and state after each step by name, each (T, N, ·).
    """

    output: Float[Tensor, "T N S"]
    state: State
    record: dict[str, Tensor] | None = None


class Noise(NamedTuple):
    """What disturbs a recurrence, drawn before it runs.

    h_mask: Recurrent dropout: multiplies h wherever it meets recurrent weights, the same at every step.
    hold: Zoneout, for each state of the cell: True where it stays as it was, (T, N, S); in evaluation the share of
        the old state in the new one; None where a state is let alone. () for none at all.
    """

    h_mask: Float[Tensor, "N S"] | None = None
    hold: tuple[Tensor | float | None, ...] = ()


QUIET: Final = Noise()


class Options(NamedTuple):
    """How a kernel is to run.

    record: Give every gate and state after each step.
    recompute: Keep as little as possible for a backward pass; a kernel that keeps what it must ignores this.
    precision: "full", or "bf16": operands of products rounded to bfloat16; a kernel that can't is not chosen.
    """

    record: bool = False
    recompute: bool = False
    precision: str = "full"


DEFAULTS: Final = Options()


class Kernel(ABC):
    """One implementation; a subclass is final and holds no state."""

    name: ClassVar[str]

    @abstractmethod
    def verdict(self, call: Call) -> str:
        """Return "yes", or the reason why this kernel cannot run `call`."""

    @abstractmethod
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
        """Run all steps; `reverse` starts at each sequence's last valid step and goes back to 0."""

    @abstractmethod
    def step(self, cell: Cell[Any], x_NF: Float[Tensor, "N F"], state: State, weights: Any) -> State:
        """Run a single step."""


def foreign_problem(call: Call, known: tuple[str, ...] = ()) -> str:
    """Say what `call` asks for beyond `torch.nn`'s cell of the same name and the `known` options; "" when nothing."""
    options = [f"{name}={value!r}" for name, value in call.cell.options.items() if name not in known]
    return ", ".join([*options, *(f"{kind}=" for kind in call.noise if kind not in known)])


def rounding_problem(call: Call) -> str:
    """Say why a kernel that computes in the parameters' own type can't run `call`; "" when it can.

    Under autocast PyTorch itself rounds for it.
    """
    if call.precision == "full" or torch.is_autocast_enabled(call.device):
        return ""
    return f"it computes in the parameters' own type, not in {call.precision}"
