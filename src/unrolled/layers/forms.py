"""The forms of input (padded batch, one sequence, PackedSequence, list, nested) and the way back from each.

Inside, everything is time-major and batched: x (T, N, F), output (T, N, Y), states (L·D, N, S).
Shapes: T = time, N = batch, F = input features, Y = output features, S = width of a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from unrolled.kernels import Ragged
from unrolled.kernels.ragged import pack, pad
from unrolled.layers.lengths import open_lengths
from unrolled.layers.nested import nested_lengths, nested_like, nested_rows
from unrolled.layers.sequences import join, spread


class Form(ABC):
    """How the user gave the input, and so how the results go back."""

    x: Float[Tensor, "T N F"]
    ragged: Ragged | None

    @abstractmethod
    def state_in(self, state: Tensor, axis: int = 1) -> Tensor:
        """Bring an initial state into the inside layout, where the batch is the given axis."""

    @abstractmethod
    def state_out(self, state: Tensor, axis: int = 1) -> Tensor:
        """Bring a final state into the user's layout."""

    @abstractmethod
    def output(self, y_TNY: Tensor) -> Tensor | PackedSequence | list[Tensor]:
        """Bring the output into the user's layout."""


def open_input(x: Any, lengths: Any, batch_first: bool) -> Form:
    """Read a checked input."""
    if not isinstance(x, Tensor):
        return PackedForm.of(x) if isinstance(x, PackedSequence) else ListForm.of(x)
    if x.is_nested:
        return NestedForm.of(x)
    if x.dim() == 2:
        return SingleForm(x.unsqueeze(1))
    x_TNF = x.transpose(0, 1) if batch_first else x
    ragged = None if lengths is None else open_lengths(lengths, x_TNF.shape[0], x.device)
    return PaddedForm(x_TNF, ragged, batch_first)


@final
@dataclass(frozen=True)
class PaddedForm(Form):
    """A padded batch; its states need no change."""

    x: Float[Tensor, "T N F"]
    ragged: Ragged | None
    batch_first: bool

    def state_in(self, state: Tensor, axis: int = 1) -> Tensor:
        """Unchanged: states are never batch-first."""
        return state

    def state_out(self, state: Tensor, axis: int = 1) -> Tensor:
        """Unchanged: states are never batch-first."""
        return state

    def output(self, y_TNY: Tensor) -> Tensor:
        """Put the batch axis first where the user has it first."""
        return y_TNY.transpose(0, 1) if self.batch_first else y_TNY


@final
@dataclass(frozen=True)
class SingleForm(Form):
    """One sequence without a batch axis."""

    x: Float[Tensor, "T 1 F"]
    ragged: None = None

    def state_in(self, state: Tensor, axis: int = 1) -> Tensor:
        """Add the batch axis."""
        return state.unsqueeze(axis)

    def state_out(self, state: Tensor, axis: int = 1) -> Tensor:
        """Take the batch axis away."""
        return state.squeeze(axis)

    def output(self, y_TNY: Tensor) -> Tensor:
        """Take the batch axis away."""
        return y_TNY.squeeze(1)


@final
@dataclass(frozen=True)
class PackedForm(Form):
    """A PackedSequence: inside, its sequences stand in its own order, the longest first."""

    x: Float[Tensor, "T N F"]
    ragged: Ragged | None
    packed: PackedSequence

    @classmethod
    def of(cls, packed: PackedSequence) -> PackedForm:
        """Pad the sequence."""
        steps, batch = len(packed.batch_sizes), int(packed.batch_sizes[0])
        ended = torch.arange(1, batch + 1)[:, None] <= packed.batch_sizes
        ragged = Ragged.of(ended.sum(1).tolist(), steps, packed.data.device)
        if ragged is None:
            return cls(packed.data.view(steps, batch, -1), None, packed)
        return cls(pad(packed.data, ragged.packed_P, steps, batch), ragged, packed)

    def state_in(self, state: Tensor, axis: int = 1) -> Tensor:
        """Sort by length."""
        order = self.packed.sorted_indices
        return state if order is None else state.index_select(axis, order)

    def state_out(self, state: Tensor, axis: int = 1) -> Tensor:
        """Undo the sorting."""
        order = self.packed.unsorted_indices
        return state if order is None else state.index_select(axis, order)

    def output(self, y_TNY: Tensor) -> PackedSequence:
        """Pack the output as the input was."""
        data = y_TNY.flatten(0, 1) if self.ragged is None else pack(y_TNY, self.ragged.packed_P)
        return PackedSequence(data, self.packed.batch_sizes, self.packed.sorted_indices, self.packed.unsorted_indices)


@final
@dataclass(frozen=True)
class ListForm(Form):
    """A list or tuple of sequences, in the caller's order."""

    x: Float[Tensor, "T N F"]
    ragged: Ragged | None
    lengths: list[int]

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> ListForm:
        """Pad the sequences."""
        return cls(*_spread(torch.cat(list(sequences)), lengths := [len(s) for s in sequences]), lengths)

    def state_in(self, state: Tensor, axis: int = 1) -> Tensor:
        """Unchanged: the batch is in the list's order."""
        return state

    def state_out(self, state: Tensor, axis: int = 1) -> Tensor:
        """Unchanged: the batch is in the list's order."""
        return state

    def output(self, y_TNY: Tensor) -> list[Tensor]:
        """Take the padding away."""
        return list(torch.split(join(y_TNY, self.ragged), self.lengths))


@final
@dataclass(frozen=True)
class NestedForm(Form):
    """A jagged nested tensor, whose output shares its offsets."""

    x: Float[Tensor, "T N F"]
    ragged: Ragged | None
    nested: Tensor

    @classmethod
    def of(cls, nested: Tensor) -> NestedForm:
        """Pad the sequences."""
        return cls(*_spread(nested_rows(nested), nested_lengths(nested)), nested)

    def state_in(self, state: Tensor, axis: int = 1) -> Tensor:
        """Unchanged: the batch is in the nested tensor's order."""
        return state

    def state_out(self, state: Tensor, axis: int = 1) -> Tensor:
        """Unchanged: the batch is in the nested tensor's order."""
        return state

    def output(self, y_TNY: Tensor) -> Tensor:
        """Nest the output as the input was."""
        return nested_like(self.nested, join(y_TNY, self.ragged))


def _spread(rows_PF: Tensor, lengths: list[int]) -> tuple[Tensor, Ragged | None]:
    """Pad joined sequences; to one step at least, since a kernel runs no fewer."""
    steps = max(1, *lengths)
    ragged = Ragged.of(lengths, steps, rows_PF.device)
    return spread(rows_PF, ragged, steps, len(lengths)), ragged


def as_padded(x: Any, lengths: Any, batch_first: bool) -> tuple[Tensor, Any]:
    """Turn any checked input into a tensor and its lengths: the padded batch that it stands for."""
    if isinstance(x, PackedSequence):
        return pad_packed_sequence(x, batch_first)
    if isinstance(x, Tensor) and not x.is_nested:
        return x, lengths
    form = open_input(x, None, batch_first)
    counts = nested_lengths(x) if isinstance(x, Tensor) else [len(sequence) for sequence in x]
    return form.x.transpose(0, 1) if batch_first else form.x, counts
