"""Jagged nested tensors: sequences joined end to end, with the offsets where each begins.

Shapes: N = batch, V = rows of the values, P = those of them that belong to a sequence, which are all unless some were
cut off with `torch.nested.narrow`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor


def nested_problem(nested: Any, features: int | None = None) -> str:
    """Say what is wrong with a nested tensor (N, T_i, F), or with (N, T_i, ...) for `features=None`; "" if nothing."""
    if nested.layout != torch.jagged:
        again = "torch.nested.as_nested_tensor(list(x.unbind()), layout=torch.jagged)"
        return f"got one of layout {nested.layout}. Pass {again}."
    # The size that differs from sequence to sequence is no int.
    ragged = [axis for axis, size in enumerate(nested.shape) if not isinstance(size, int)]
    shape = ", ".join("T" if axis in ragged else str(size) for axis, size in enumerate(nested.shape))
    if ragged != [1]:
        return f"got ({shape}). Its axis 1 must be the one along which sequences differ."
    if nested.shape[0] == 0:
        return f"got ({shape}). Leave batches without sequences out."
    if features is not None and nested.shape[2:] != (features,):
        hint = " Pass x.unsqueeze(-1)." if nested.dim() == 2 and features == 1 else ""
        return f"got ({shape}).{hint}"
    return ""


def nested_lengths(nested: Any) -> list[int]:
    """Read the length of each sequence."""
    lengths = nested.lengths()
    counts: list[int] = (nested.offsets().diff() if lengths is None else lengths).tolist()
    return counts


def nested_rows(nested: Any) -> Tensor:
    """Give the sequences joined end to end, (P, ...)."""
    values: Tensor = nested.values()
    index_P = _rows_of(nested)
    return values if index_P is None else values.index_select(0, index_P)


def nested_like(nested: Any, rows_PX: Tensor) -> Tensor:
    """Make a nested tensor of other features, on the same offsets, so that the two can be added and joined."""
    index_P = _rows_of(nested)
    if index_P is None:
        values = rows_PX
    else:
        values = rows_PX.new_zeros(nested.values().shape[0], *rows_PX.shape[1:]).index_copy(0, index_P, rows_PX)
    made: Tensor = torch.nested.nested_tensor_from_jagged(values, nested.offsets(), nested.lengths())
    return made


def _rows_of(nested: Any) -> Int64[Tensor, "P"] | None:
    """Where the sequences are among the values; None where they fill them."""
    lengths, starts = nested.lengths(), nested.offsets()[:-1]
    if lengths is None:
        return None
    before = lengths.cumsum(0) - lengths
    total = int(lengths.sum())
    shift_P = torch.repeat_interleave(starts - before, lengths, output_size=total)
    return shift_P + torch.arange(total, device=shift_P.device)
