"""Sequences of different lengths in one padded batch, and out of it again.

Shapes: T = time, N = batch, F = features, P = valid steps of the whole batch (the sum of the lengths).
"""

from __future__ import annotations

from typing import Any, Final

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from unrolled.errors import ShapeError
from unrolled.kernels import Ragged
from unrolled.kernels import ragged as steps_of
from unrolled.layers.findings import Findings, describe, enumerate_some
from unrolled.layers.lengths import check_lengths, read_lengths
from unrolled.layers.nested import nested_lengths, nested_problem, nested_rows

_SHOWN: Final = 10


def pad(sequences: Any, batch_first: bool = False) -> tuple[Tensor, Int64[Tensor, "N"]]:
    """Put sequences of different lengths into one batch, with zeros after their ends.

    Args:
        sequences: A list or tuple of tensors (T_i, F), or (T_i, ...) with any further axes that all have in
            common; a jagged nested tensor (N, T_i, ...); or a PackedSequence. Lengths of 0 are allowed.
        batch_first: Whether the batch is to be (N, T, F) rather than (T, N, F). Default: False.

    Returns:
        `padded, lengths`: the batch, as long as the longest sequence, and the steps of each sequence as int64 on
        the CPU. Layers take both: `layer(padded, lengths=lengths)`. Gradients flow back into the sequences.

    Raises:
        ShapeError: There are no sequences, or their shapes, types or devices don't go together; all are listed.
        DtypeError: `sequences` is something else.

    Example:
        >>> import torch
        >>> import unrolled
        >>> padded, lengths = unrolled.pad([torch.ones(3, 2), torch.ones(1, 2)], batch_first=True)
        >>> padded.shape, lengths
        (torch.Size([2, 3, 2]), tensor([3, 1]))
        >>> unrolled.unpad(padded, lengths, batch_first=True)[1]
        tensor([[1., 1.]])
    """
    if isinstance(sequences, PackedSequence):
        padded, lengths = pad_packed_sequence(sequences, batch_first)
        return padded, lengths
    found = Findings()
    _check_sequences(found, sequences)
    found.finish(ShapeError, "pad cannot run this call")
    rows = nested_rows(sequences) if isinstance(sequences, Tensor) else torch.cat(list(sequences))
    counts = nested_lengths(sequences) if isinstance(sequences, Tensor) else [len(sequence) for sequence in sequences]
    padded_TNX = spread(rows, Ragged.of(counts, max(counts), rows.device), max(counts), len(counts))
    return padded_TNX.transpose(0, 1) if batch_first else padded_TNX, torch.tensor(counts, dtype=torch.int64)


def unpad(padded: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Take the sequences of a padded batch apart, each without its padding.

    Args:
        padded: (T, N, ...), or (N, T, ...) with `batch_first`.
        lengths: Steps of each sequence: a list or an int tensor, each from 0 to T.
        batch_first: Which of the first two axes is the batch. Default: False, the second.

    Returns:
        N tensors (T_i, ...), parts of one tensor that is a copy of the valid steps. Gradients flow back into `padded`.

    Raises:
        ShapeError: `padded` has fewer than two axes, or `lengths` does not fit it.
        DtypeError: `padded` is no tensor, or `lengths` are no whole numbers.

    Example:
        >>> import torch
        >>> import unrolled
        >>> output = torch.arange(6.0).view(3, 2)  # (T=3, N=2)
        >>> unrolled.unpad(output, [1, 3])
        [tensor([0.]), tensor([1., 3., 5.])]
    """
    found = Findings()
    if not isinstance(padded, Tensor):
        found.add_type(f"unpad expected a padded batch, which is a tensor; got {describe(padded)}.")
    elif padded.dim() < 2:
        found.add(f"unpad expected a padded batch with axes for time and batch; got {tuple(padded.shape)}.")
    else:
        steps, batch = (padded.shape[1], padded.shape[0]) if batch_first else padded.shape[:2]
        if lengths is None:
            found.add_type(f"unpad expected lengths as {batch} whole numbers, one a sequence; got None.")
        check_lengths(found, "unpad", lengths, steps, batch)
    found.finish(ShapeError, "unpad cannot run this call")
    padded_TNX, counts = padded.transpose(0, 1) if batch_first else padded, read_lengths(lengths)
    joined = join(padded_TNX, Ragged.of(counts, len(padded_TNX), padded.device))
    return list(torch.split(joined, counts))


def spread(joined_PX: Tensor, ragged: Ragged | None, steps: int, batch: int) -> Tensor:
    """Lay sequences that are joined end to end side by side: (P, ...) to (T, N, ...), with zeros after their ends."""
    if ragged is None:
        return joined_PX.view(batch, steps, *joined_PX.shape[1:]).transpose(0, 1)
    return steps_of.pad(joined_PX, ragged.joined_P, steps, batch)


def join(padded_TNX: Tensor, ragged: Ragged | None) -> Tensor:
    """Undo `spread`."""
    if ragged is None:
        return padded_TNX.transpose(0, 1).flatten(0, 1)
    return steps_of.pack(padded_TNX, ragged.joined_P)


def _check_sequences(found: Findings, sequences: Any) -> None:
    wanted = "pad expected a list of tensors (T=time, ...), which differ in T alone"
    if isinstance(sequences, Tensor) and sequences.is_nested:
        if problem := nested_problem(sequences):
            found.add(f"pad expected a jagged nested tensor (N=batch, T=time, ...); {problem}")
    elif not isinstance(sequences, list | tuple):
        whole = " Is it padded already?" if isinstance(sequences, Tensor) else ""
        found.add_type(f"{wanted}; got {describe(sequences)}.{whole}")
    elif not sequences:
        found.add(f"{wanted}; got an empty {type(sequences).__name__}.")
    elif wrong := [f"[{k}] is {describe(s)}" for k, s in enumerate(sequences) if not _has_time(s)]:
        found.add_type(f"{wanted}; {enumerate_some(wrong, _SHOWN)}.")
    elif len({(s.shape[1:], s.dtype, s.device) for s in sequences}) > 1:
        first, others = _kind(sequences[0]), list(enumerate(map(_kind, sequences)))
        wrong = [f"[{k}] is {kind}" for k, kind in others if kind != first]
        found.add(f"{wanted}; [0] is {first}, and {enumerate_some(wrong, _SHOWN)}.")


def _has_time(sequence: Any) -> bool:
    return isinstance(sequence, Tensor) and sequence.dim() > 0


def _kind(sequence: Tensor) -> str:
    """What all sequences of a batch have in common."""
    shape = ", ".join(["T", *map(str, sequence.shape[1:])])
    return f"({shape}) of {sequence.dtype} on {sequence.device}"
