"""Where the valid steps of a padded batch are.

Shapes: T = time, N = batch, P = number of valid steps in the whole batch (the sum of the lengths).
A flat index counts the rows of an array (T·N, ·): step t of sequence n is row t·N + n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """The lengths of one batch, with what is derived from them worked out once, when first used."""

    lengths: tuple[int, ...]
    steps: int
    device: torch.device

    @classmethod
    def of(cls, lengths: Sequence[int], steps: int, device: torch.device) -> Ragged | None:
        """Describe a batch; None when every sequence fills all `steps`, so that nothing is padded."""
        return None if all(n == steps for n in lengths) else cls(tuple(lengths), steps, device)

    @classmethod
    def unread(cls, lengths_N: Int64[Tensor, "N"], steps: int) -> Ragged:
        """Describe a batch whose lengths can't be looked at, as under a compiler: for masks alone."""
        ragged = cls((), steps, lengths_N.device)
        vars(ragged)["lengths_N"] = lengths_N  # what the cached property would hold
        return ragged

    @property
    def has_empty(self) -> bool:
        """Whether some sequence has no valid step at all."""
        return 0 in self.lengths

    @cached_property
    def lengths_N(self) -> Int64[Tensor, "N"]:
        """The lengths, on the batch's device."""
        return torch.tensor(self.lengths, dtype=torch.int64, device=self.device)

    @cached_property
    def valid_TN1(self) -> Bool[Tensor, "T N 1"]:
        """True at valid steps."""
        return (torch.arange(self.steps, device=self.device)[:, None] < self.lengths_N).unsqueeze(-1)

    @cached_property
    def order_N(self) -> Int64[Tensor, "N"]:
        """The sequences from longest to shortest, as `pack_padded_sequence` sorts them."""
        return torch.sort(self.lengths_N, descending=True, stable=True).indices

    @cached_property
    def rank_N(self) -> Int64[Tensor, "N"]:
        """The inverse of `order_N`: where each sequence went."""
        return torch.argsort(self.order_N)

    @cached_property
    def batch_sizes(self) -> Int64[Tensor, "L"]:
        """Number of valid sequences at each step up to the longest length; on the CPU, as PyTorch asks."""
        longest = max(self.lengths, default=0)
        return self.valid_TN1[:longest].sum(dim=(1, 2)).cpu()

    @cached_property
    def _sorted_steps(self) -> tuple[Tensor, Tensor]:
        step_P, rank_P = self.valid_TN1[:, self.order_N, 0].nonzero(as_tuple=True)
        return step_P, self.order_N[rank_P]

    @cached_property
    def packed_P(self) -> Int64[Tensor, "P"]:
        """Flat index of each valid step in the order of a `PackedSequence`'s data."""
        step_P, sample_P = self._sorted_steps
        return step_P * len(self.lengths) + sample_P

    @cached_property
    def packed_reverse_P(self) -> Int64[Tensor, "P"]:
        """As `packed_P`, each sequence read from its last valid step back to its first."""
        step_P, sample_P = self._sorted_steps
        return (self.lengths_N[sample_P] - 1 - step_P) * len(self.lengths) + sample_P


def pack(padded_TNX: Tensor, index_P: Int64[Tensor, "P"]) -> Tensor:
    """Gather the rows that `index_P` names into (P, ·)."""
    return padded_TNX.flatten(0, 1).index_select(0, index_P)


def pad(packed_PX: Tensor, index_P: Int64[Tensor, "P"], steps: int, batch: int) -> Tensor:
    """Put packed rows back where `index_P` says, into (T, N, ·) with zeros elsewhere."""
    flat = packed_PX.new_zeros(steps * batch, packed_PX.shape[-1])
    return flat.index_copy(0, index_P, packed_PX).view(steps, batch, -1)
