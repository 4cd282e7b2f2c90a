"""What a stream needs of its layer, and the checks on what it is given.

Shapes: N = batch, F = input features.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from unrolled.errors import ConfigError, DtypeError, Problems, ShapeError
from unrolled.layers.findings import describe
from unrolled.layers.noise import Held

_COUNTS: Final = ("steps", "begun", "batched")


@runtime_checkable
class Streamed(Protocol):
    """What a stream needs of its layer; `rows_axis` is the axis of each state along which sequences lie."""

    kind: ClassVar[str]
    rows_axis: ClassVar[int]
    batch_first: bool
    training: bool
    recurrent_dropout: float

    def parameters(self) -> Any: ...  # noqa: D102 (nn.Module's)

    def _run(self, x: Any, hx: Any, lengths: Any, held: Held) -> tuple[Any, Any]: ...

    def _stream_problem(self) -> str: ...

    def _stream_check(self, x: Any, lengths: Any) -> None: ...

    def _stream_start(self, x: Any, lengths: Any) -> Any: ...

    def _stream_masks(self, x: Any) -> dict[str, Tensor]: ...

    def _stream_mask_shapes(self, batch: int) -> dict[str, tuple[int, ...]]: ...

    def _stream_form(self, states: Any) -> Any: ...


def check_stream(layer: Streamed, truncate: Any) -> None:
    """Refuse a layer that can't be streamed, and a period that is none."""
    found = Problems()
    if problem := layer._stream_problem():
        found.add(
            f"{problem}: a reverse direction starts at the end of each sequence, which a stream has not seen. "
            "Call the layer with whole sequences, or make it with one direction."
        )
    good = truncate is None or (isinstance(truncate, int) and not isinstance(truncate, bool) and truncate > 0)
    found.check(good, f"truncate must be a whole number of steps greater than zero, or None; got {truncate!r}.")
    found.raise_as(ConfigError)


def check_one_step(x: Any) -> None:
    """Refuse what is no step of a batch or of one sequence."""
    wanted = "stream.step expected one step, a tensor (N=batch, F) or (F)"
    if not isinstance(x, Tensor):
        raise DtypeError(f"{wanted}; got {describe(x)}.")
    if x.dim() not in (1, 2):
        hint = " Is it a chunk? Pass stream(x)." if x.dim() == 3 else ""
        raise ShapeError(f"{wanted}; got {tuple(x.shape)}.{hint}")


def check_chunk(x: Any) -> None:
    """Refuse the forms of input whose sequences end with them."""
    if not isinstance(x, Tensor) or x.is_nested:
        given = "a nested tensor" if isinstance(x, Tensor) else describe(x)
        raise DtypeError(
            f"A stream expected a chunk as one tensor, with lengths where sequences differ; got {given}. "
            "Pass padded, lengths = unrolled.pad(x)."
        )


def check_batch(before: tuple[int, bool], now: tuple[int, bool]) -> None:
    """Refuse another batch than the stream's: how many sequences, and whether there is a batch axis."""
    if before != now:
        raise ShapeError(
            f"This stream runs {_batch_text(*before)}; got {_batch_text(*now)}. Begin anew with stream.reset(), make "
            "another stream, or give lengths of 0 to sequences that have no steps in this chunk."
        )


def read_rows(rows: Any, batch: int) -> Bool[Tensor, "N"]:
    """Turn indices or a mask of the stream's sequences into a mask."""
    index = torch.as_tensor(rows).cpu()
    if index.dtype == torch.bool:
        if index.shape != (batch,):
            raise ShapeError(f"stream.reset expected a mask ({batch},), one a sequence; got {tuple(index.shape)}.")
        return index
    wrong = [k for k in index.flatten().tolist() if not (isinstance(k, int) and -batch <= k < batch)]
    if wrong:
        raise ShapeError(f"stream.reset expected rows among the stream's {batch} sequences; got {wrong}.")
    mask_N = torch.zeros(batch, dtype=torch.bool)
    mask_N[index.flatten().to(torch.int64)] = True
    return mask_N


def check_kept(layer: Streamed, kept: Any) -> None:
    """Refuse what no `state_dict` of a stream of this layer gave; its states are looked at when they are used."""
    found = Problems()
    for name, tensor in kept.items():
        known = name.partition(".")[0] in ("state", "mask") or name in _COUNTS
        found.check(known, f"there is nothing called {name!r} in a stream.")
        found.check(isinstance(tensor, Tensor), f"{name!r} must be a tensor; got {type(tensor).__name__}.")
    _check_masks(found, layer, kept)
    counts = [name for name in _COUNTS if name in kept]
    missing = [repr(name) for name in _COUNTS if counts and name not in kept]
    found.check(not missing, f"{', '.join(missing)} is missing.")
    found.raise_as(ConfigError, "This is not what a stream's state_dict() gave:")


def _check_masks(found: Problems, layer: Streamed, kept: Any) -> None:
    steps = kept.get("steps")
    shapes = layer._stream_mask_shapes(len(steps) if isinstance(steps, Tensor) and steps.dim() == 1 else 0)
    for name, mask in kept.items():
        if name.startswith("mask.") and isinstance(mask, Tensor):
            shape = shapes.get(name.removeprefix("mask."))
            found.check(shape is not None, f"{layer.kind} has no mask {name!r}.")
            fits = shape is None or (tuple(mask.shape) == shape and mask.is_floating_point())
            found.check(fits, f"{name!r} must be floating-point {shape}; got {tuple(mask.shape)} of {mask.dtype}.")


def _batch_text(batch: int, batched: bool) -> str:
    return f"N={batch} sequences" if batched else "one sequence without a batch axis"
