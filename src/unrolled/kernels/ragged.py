"""Where the valid steps of a padded batch are.

Shapes: T = time, N = batch, P = number of valid steps in the whole batch (the sum of the lengths).
A flat index counts the rows of an array (T·N, ·): step t of sequence n is row t·N + n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

_T = TypeVar("_T")


class _Once(Generic[_T]):
    """A property worked out when first used, and then kept; without a lock, which a compiler can't see through."""

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, ragged: Ragged, owner: type | None = None) -> _T:
        value = self._make(ragged)
        object.__setattr__(ragged, self._name, value)  # found before this descriptor from now on
        return value


@dataclass(frozen=True)
class Ragged:
    """The lengths of one batch, with what is derived from them worked out once, when first used.

    Lengths that can't be looked at, as under a compiler, are `unread`: then `lengths` is empty, and what needs their
    values on the CPU, `batch_sizes`, can't be had.
    """

    lengths: tuple[int, ...]
    steps: int
    device: torch.device
    is_read: bool = True

    @classmethod
    def of(cls, lengths: Sequence[int], steps: int, device: torch.device) -> Ragged | None:
        """Describe a batch; None when every sequence fills all `steps`, so that nothing is padded."""
        return None if all(n == steps for n in lengths) else cls(tuple(lengths), steps, device)

    @classmethod
    def unread(cls, lengths_N: Int64[Tensor, "N"], steps: int) -> Ragged:
        """Describe a batch whose lengths can't be looked at."""
        ragged = cls((), steps, lengths_N.device, is_read=False)
        object.__setattr__(ragged, "lengths_N", lengths_N)  # what would be worked out of `lengths`
        return ragged

    @property
    def has_empty(self) -> bool:
        """Whether some sequence has no valid step at all, or may have none."""
        return 0 in self.lengths or not self.is_read

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return len(self.lengths) if self.is_read else self.lengths_N.shape[0]

    @_Once
    def lengths_N(self) -> Int64[Tensor, "N"]:
        """The lengths, on the batch's device."""
        return torch.tensor(self.lengths, dtype=torch.int64, device=self.device)

    @_Once
    def valid_TN1(self) -> Bool[Tensor, "T N 1"]:
        """True at valid steps."""
        if torch.compiler.is_compiling() and not self.is_read:
            self._check_when_run()
        return (torch.arange(self.steps, device=self.device)[:, None] < self.lengths_N).unsqueeze(-1)

    def _check_when_run(self) -> None:
        """Have the compiled program refuse lengths that don't fit, which a mask alone would take for others."""
        fit = ((self.lengths_N >= 0) & (self.lengths_N <= self.steps)).all()
        torch._assert_async(fit, "lengths must be from 0 to T, the input's time steps")

    @_Once
    def order_N(self) -> Int64[Tensor, "N"]:
        """The sequences from longest to shortest, as `pack_padded_sequence` sorts them."""
        return torch.sort(self.lengths_N, descending=True, stable=True).indices

    @_Once
    def rank_N(self) -> Int64[Tensor, "N"]:
        """The inverse of `order_N`: where each sequence went."""
        return torch.argsort(self.order_N)

    @_Once
    def batch_sizes(self) -> Int64[Tensor, "L"]:
        """Number of valid sequences at each step up to the longest length; on the CPU, as PyTorch asks."""
        longest = max(self.lengths, default=0)
        return self.valid_TN1[:longest].sum(dim=(1, 2)).cpu()

    @_Once
    def _sorted_steps(self) -> tuple[Tensor, Tensor]:
        step_P, rank_P = self.valid_TN1[:, self.order_N, 0].nonzero(as_tuple=True)
        return step_P, self.order_N[rank_P]

    @_Once
    def packed_P(self) -> Int64[Tensor, "P"]:
        """Flat index of each valid step in the order of a `PackedSequence`'s data."""
        step_P, sample_P = self._sorted_steps
        return step_P * self.batch + sample_P

    @_Once
    def packed_reverse_P(self) -> Int64[Tensor, "P"]:
        """As `packed_P`, each sequence read from its last valid step back to its first."""
        step_P, sample_P = self._sorted_steps
        return (self.lengths_N[sample_P] - 1 - step_P) * self.batch + sample_P

    @_Once
    def joined_P(self) -> Int64[Tensor, "P"]:
        """Flat index of each valid step, one whole sequence after the other."""
        sample_P, step_P = self.valid_TN1[..., 0].T.nonzero(as_tuple=True)
        return step_P * self.batch + sample_P


def pack(padded_TNX: Tensor, index_P: Int64[Tensor, "P"]) -> Tensor:
    """Gather the rows that `index_P` names into (P, ·)."""
    return padded_TNX.flatten(0, 1).index_select(0, index_P)


def pad(packed_PX: Tensor, index_P: Int64[Tensor, "P"], steps: int, batch: int) -> Tensor:
    """Put packed rows back where `index_P` says, into (T, N, ·) with zeros elsewhere."""
    flat = packed_PX.new_zeros(steps * batch, *packed_PX.shape[1:])
    return flat.index_copy(0, index_P, packed_PX).view(steps, batch, *packed_PX.shape[1:])
