"""What a cell is: its equations, and the parameters that they need.

A cell knows nothing of time, layers, directions or padding; those are written once, around all cells.

Shapes: N = batch, F = input features, H = hidden units, S = size of the first state, which is the
output (H, or the projection's size), B = gate blocks stacked in one weight matrix.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

State: TypeAlias = tuple[Tensor, ...]
"""What a cell carries from step to step, in the order of `Cell.states`; the first is its output."""

Gates: TypeAlias = dict[str, Tensor]
"""The values inside one step: "i_pre" before the nonlinearity of gate i, "i" after it."""

WeightsT = TypeVar("WeightsT", bound=tuple[Tensor | None, ...])


class Cell(ABC, Generic[WeightsT]):
    """One step of a recurrence; a subclass is final, frozen and holds its sizes and options.

    `name` is what users call it; `states` names what it carries; `weights_type` is the named tuple that `step`
    reads; `torch_fields` names the dataclass fields that `torch.nn`'s cell has too.
    """

    name: ClassVar[str]
    states: ClassVar[tuple[str, ...]]
    weights_type: ClassVar[type[Any]]
    torch_fields: ClassVar[frozenset[str]] = frozenset({"hidden_size", "bias"})
    hidden_size: int
    _options: dict[str, object]

    @property
    @abstractmethod
    def gates(self) -> tuple[str, ...]:
        """Names of the blocks of the stacked weights, in their order."""

    @property
    def blocks(self) -> int:
        """Number of gate blocks stacked in each weight matrix (B)."""
        return len(self.gates)

    @property
    @abstractmethod
    def state_sizes(self) -> tuple[int, ...]:
        """Width of each state, in the order of `states`."""

    @property
    def output_size(self) -> int:
        """Width of what the cell puts out at each step (S)."""
        return self.state_sizes[0]

    def __post_init__(self) -> None:
        # At once rather than when first asked for: a compiler can't see through the lock of `cached_property`.
        object.__setattr__(self, "_options", self._beyond_torch())

    @property
    def options(self) -> dict[str, object]:
        """The options that make this another cell than `torch.nn`'s, by name."""
        return self._options

    def _beyond_torch(self) -> dict[str, object]:
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cast(Any, self))
        own = [field for field in fields if field.name not in self.torch_fields]
        return {field.name: value for field in own if (value := getattr(self, field.name)) != field.default}

    @abstractmethod
    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter by its `torch.nn` name, in the order in which they are drawn."""

    @abstractmethod
    def step(
        self, x_NF: Tensor, state: State, weights: WeightsT, h_mask_NS: Tensor | None = None
    ) -> tuple[State, Gates]:
        """Advance one time step; return the new state and the gates before and after.

        `h_mask_NS` multiplies h wherever it meets recurrent weights, and nowhere else.
        """


def stacked_shapes(rows: int, input_size: int, recurrent_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
    """Shapes of the stacked parameters that LSTM, GRU and RNN have in common (`rows` = B·H)."""
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (rows, input_size),
        "weight_hh": (rows, recurrent_size),
    }
    return shapes | ({"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {})


def masked(h_NS: Tensor, mask_NS: Tensor | None) -> Tensor:
    """What of h meets the recurrent weights (Gal & Ghahramani 2016)."""
    return h_NS if mask_NS is None else h_NS * mask_NS


def clipped(values: Tensor, bound: float | None) -> Tensor:
    """Values within ±bound."""
    return values if bound is None else torch.clamp(values, -bound, bound)
