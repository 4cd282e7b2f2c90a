"""The `lengths` argument: how many steps of each sequence of a padded batch are valid.

Shapes: T = time, N = batch.
"""

from __future__ import annotations

from collections.abc import Sized
from itertools import pairwise
from numbers import Integral
from typing import Any, Final

import torch
from torch import Tensor

from unrolled.kernels import Ragged
from unrolled.layers.findings import Findings, describe, enumerate_some

_SHOWN: Final = 3
_COUNTS: Final = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def open_lengths(lengths: Any, steps: int, device: torch.device) -> Ragged | None:
    """Read checked lengths, on whatever device; None when nothing is padded."""
    if _is_unreadable(lengths):
        return Ragged.unread(torch.as_tensor(lengths).to(device, torch.int64), steps)
    return Ragged.of(read_lengths(lengths), steps, device)


def read_lengths(lengths: Any) -> list[int]:
    """Turn checked lengths, on whatever device, into plain ints."""
    return [int(n) for n in _values(lengths)]


def lengths_fit(lengths: Any, time: int, batch: int) -> bool:
    """Whether `lengths` is right as far as it can be looked at: under a compiler, its values can't be."""
    if _is_unreadable(lengths) and isinstance(lengths, Tensor):
        return lengths.dtype in _COUNTS and lengths.dim() == 1 and lengths.shape[0] == batch
    values = _values(lengths)
    if len(values) != batch or not _are_counts(values):
        return False
    return torch.compiler.is_compiling() or all(0 <= n <= time for n in values)


def count_of(lengths: Any) -> int | None:
    """For how many sequences `lengths` speaks, where it can be told."""
    shape = getattr(lengths, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) == 1 else None
    return len(lengths) if isinstance(lengths, Sized) else None


def check_lengths(found: Findings, kind: str, lengths: Any, time: int, batch: int | None, carried_by: str = "") -> None:
    """Note everything that is wrong with `lengths` for a batch of `batch` sequences of `time` steps.

    carried_by: What the input is, where that has its lengths already.
    """
    if lengths is None:
        return
    if carried_by:
        found.add(f"{kind}: {carried_by} already has its lengths. Leave lengths out.")
    elif batch is None:
        found.add(
            f"{kind}: lengths is for a batch, and 2-D input is taken as one unbatched sequence. "
            "Leave lengths out, or add the batch axis to x."
        )
    elif not _are_counts(values := _values(lengths)):
        hint = _type_hint(lengths, time, batch)
        found.add_type(
            f"{kind} expected lengths as {batch} whole numbers, one a sequence; got {_short(lengths)}.{hint}"
        )
    elif len(values) != batch:
        hint = _offsets_hint(lengths, [int(n) for n in values], batch)
        found.add(f"{kind} expected {batch} lengths, one a sequence of the batch; got {len(values)}.{hint}")
    else:
        _check_range(found, kind, lengths, [int(n) for n in values], time)


def _is_unreadable(lengths: Any) -> bool:
    return torch.compiler.is_compiling() or (isinstance(lengths, Tensor) and lengths.is_meta)


def _values(lengths: Any) -> list[Any]:
    if hasattr(lengths, "tolist"):
        values = lengths.tolist()
        return values if isinstance(values, list) else [values]
    return list(lengths) if isinstance(lengths, list | tuple) else [lengths]


def _are_counts(values: list[Any]) -> bool:
    return all(type(n) is int or (isinstance(n, Integral) and not isinstance(n, bool)) for n in values)


def _short(lengths: Any) -> str:
    return describe(lengths) if hasattr(lengths, "shape") else repr(lengths)


def _type_hint(lengths: Any, time: int, batch: int) -> str:
    shape, dtype = tuple(getattr(lengths, "shape", ())), str(getattr(lengths, "dtype", ""))
    if "bool" in dtype and shape in ((batch, time), (time, batch)):
        axis = 1 if shape == (batch, time) else 0
        return f" Is it a mask of valid steps? Pass lengths.sum({axis})."
    if len(shape) == 2 and 1 in shape and "int" in dtype:
        return " Pass lengths.flatten()."
    if len(shape) == 1 and "float" in dtype:
        return " Pass lengths.long()." if isinstance(lengths, Tensor) else " Pass lengths.astype(int)."
    return ""


def _offsets_hint(lengths: Any, values: list[int], batch: int) -> str:
    rises = all(a <= b for a, b in pairwise(values))
    if len(values) != batch + 1 or values[0] != 0 or not rises:
        return ""
    text = "torch.as_tensor(lengths)" if not isinstance(lengths, Tensor) else "lengths"
    return f" Are they offsets, where each sequence starts in a joined one? Pass {text}.diff()."


def _check_range(found: Findings, kind: str, lengths: Any, values: list[int], time: int) -> None:
    wrong = [f"lengths[{k}]={n}" for k, n in enumerate(values) if not 0 <= n <= time]
    if wrong:
        # Lengths of what was cut afterwards are counts too long, and nothing else.
        hint = f" Was x cut after they were counted? Pass {_cut(lengths, time)}." if min(values) >= 0 else ""
        found.add(
            f"{kind} expected lengths from 0 to T={time}, the input's time steps; "
            f"got {enumerate_some(wrong, _SHOWN)}.{hint}"
        )


def _cut(lengths: Any, time: int) -> str:
    return f"lengths.clamp(max={time})" if isinstance(lengths, Tensor) else f"[min(n, {time}) for n in lengths]"
