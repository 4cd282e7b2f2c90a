"""What the axes of a module's output mean: images, sequences, plain features.

A tensor doesn't say; the modules that read and write it do. N = batch comes first everywhere but in sequences that
are time-major, as the model's recurrent layers are by default.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.analysis.block_roles import role_of, space_of
from unrolled.layers.nested import nested_lengths

Axes: TypeAlias = tuple[str, ...]
Shape: TypeAlias = tuple[int, ...]

_SPACE: Final = {1: ("time",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_PER_FEATURE: Final = ("dense", "embedding", "recurrent")


class Layout(NamedTuple):
    """What is known of the model: whether its sequences are batch-first."""

    batch_first: bool

    @property
    def sequence(self) -> Axes:
        """The axes of a sequence of feature vectors."""
        return ("batch", "time", "feature") if self.batch_first else ("time", "batch", "feature")

    def plain(self, dims: int) -> Axes:
        """The axes of a tensor of which nothing but its number of axes is known."""
        if dims <= 1:
            return ("feature",)[:dims]
        known = {2: ("batch", "feature"), 3: self.sequence, 4: _image(2, 4), 5: _image(3, 5)}
        return known.get(dims) or ("batch", *(f"axis_{k}" for k in range(1, dims - 1)), "feature")


def shape_of(value: Any, batch_first: bool) -> Shape:
    """The sizes of what a module read or gave; of sequences of several lengths, those of the padded batch."""
    if isinstance(value, PackedSequence):
        return _padded(len(value.batch_sizes), int(value.batch_sizes[0]), tuple(value.data.shape[1:]), batch_first)
    if isinstance(value, Tensor) and value.is_nested:
        rest = tuple(int(size) for size in value.shape[2:])
        return _padded(max(nested_lengths(value)), int(value.shape[0]), rest, batch_first)
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, list) and value and all(isinstance(member, Tensor) for member in value):
        return _padded(max(map(len, value)), len(value), tuple(value[0].shape[1:]), batch_first)
    if isinstance(value, tuple) and value:
        return shape_of(value[0], batch_first)
    return ()


def axes_after(module: nn.Module, shape: Shape, before: Axes, layout: Layout) -> Axes:
    """Name the axes of what a module gave, from what it is and from the axes of what came before it."""
    if (space := space_of(module)) is not None:
        return _image(space, len(shape)) if len(shape) in (space + 1, space + 2) else layout.plain(len(shape))
    if role_of(module) == "recurrent":
        return _sequence_of(module, len(shape))
    if len(before) == len(shape):
        return (*before[:-1], "feature") if role_of(module) in _PER_FEATURE else before
    if role_of(module) == "embedding" and len(before) == len(shape) - 1:
        return (*before, "feature")
    return layout.plain(len(shape))


def axes_read_by(module: nn.Module | None, shape: Shape, layout: Layout) -> Axes:
    """Name the axes of the model's input, from the first module that reads it."""
    space = None if module is None else space_of(module)
    if space is not None and len(shape) in (space + 1, space + 2):
        return _image(space, len(shape))
    if module is not None and role_of(module) == "embedding":
        return {1: ("time",), 2: layout.sequence[:2]}.get(len(shape), layout.plain(len(shape)))
    if module is not None and role_of(module) == "recurrent":
        return _sequence_of(module, len(shape))
    return layout.plain(len(shape))


def _image(space: int, dims: int) -> Axes:
    return (*(("batch",) if dims == space + 2 else ()), "channel", *_SPACE[space])


def _sequence_of(module: Any, dims: int) -> Axes:
    if not hasattr(module, "batch_first"):  # a cell: one step
        return ("batch", "feature")[-dims:]
    batch_first = Layout(module.batch_first)
    return batch_first.sequence if dims == 3 else ("time", "feature") if dims == 2 else batch_first.plain(dims)


def _padded(time: int, batch: int, rest: Shape, batch_first: bool) -> Shape:
    return (batch, time, *rest) if batch_first else (time, batch, *rest)
