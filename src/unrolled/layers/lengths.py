"""The `lengths` argument: how many steps of each sequence of a padded batch are valid."""

from __future__ import annotations

from collections.abc import Sized
from numbers import Integral
from typing import Any, Final

from unrolled.layers.findings import Findings

_SHOWN: Final = 3


def read_lengths(lengths: Any) -> list[int]:
    """Turn checked lengths, on whatever device, into plain ints."""
    return [int(n) for n in _values(lengths)]


def count_of(lengths: Any) -> int | None:
    """For how many sequences `lengths` speaks, where it can be told."""
    shape = getattr(lengths, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) == 1 else None
    return len(lengths) if isinstance(lengths, Sized) else None


def check_lengths(found: Findings, kind: str, lengths: Any, time: int, batch: int | None, packed: bool) -> None:
    """Note everything that is wrong with `lengths` for a batch of `batch` sequences of `time` steps."""
    if lengths is None:
        return
    if packed:
        found.add(f"{kind}: a PackedSequence already has its lengths. Leave lengths out.")
    elif batch is None:
        found.add(
            f"{kind}: lengths is for a batch, and 2-D input is taken as one unbatched sequence. "
            "Leave lengths out, or add the batch axis to x."
        )
    elif not _are_counts(values := _values(lengths)):
        found.add_type(f"{kind} expected lengths as {batch} whole numbers, one a sequence; got {_short(lengths)}.")
    elif len(values) != batch:
        found.add(f"{kind} expected {batch} lengths, one a sequence of the batch; got {len(values)}.")
    else:
        _check_range(found, kind, [int(n) for n in values], time)


def _values(lengths: Any) -> list[Any]:
    if hasattr(lengths, "tolist"):
        values = lengths.tolist()
        return values if isinstance(values, list) else [values]
    return list(lengths) if isinstance(lengths, list | tuple) else [lengths]


def _are_counts(values: list[Any]) -> bool:
    return all(type(n) is int or (isinstance(n, Integral) and not isinstance(n, bool)) for n in values)


def _short(lengths: Any) -> str:
    shape = getattr(lengths, "shape", None)
    text = f"{type(lengths).__name__} {tuple(shape)}" if shape is not None else repr(lengths)
    return f"{text} of {lengths.dtype}" if hasattr(lengths, "dtype") else text


def _check_range(found: Findings, kind: str, values: list[int], time: int) -> None:
    if not values or (min(values) >= 0 and max(values) <= time):
        return
    wrong = [f"lengths[{k}]={n}" for k, n in enumerate(values) if not 0 <= n <= time]
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    found.add(
        f"{kind} expected lengths from 0 to T={time}, the input's time steps; got {', '.join(wrong[:_SHOWN])}{more}."
    )
