"""`blocks`: a model as the list of its parts in the order they ran, with the shape of what each gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.analysis.block_axes import Axes, Layout, axes_after, axes_read_by, shape_of
from unrolled.analysis.block_roles import note_of, role_of
from unrolled.analysis.layers_inside import MOST_CALLS, is_recurrent
from unrolled.analysis.running import run, subject_of, untouched
from unrolled.trace import Block

_AGAIN: Final = "same weights again"


def blocks(model: nn.Module, x: Any, lengths: Any = None) -> tuple[Block, ...]:
    """Run a model once and list its parts in the order they ran, its input first.

    A part is a module inside which no other one runs, and every recurrent layer as a whole. What a forward does
    without modules (`x[:, -1]`, `torch.relu(x)`) is no part; its effect shows in the next shape. The model is left
    as it was, as by `record`.

    Args:
        model: Any module: dense, convolutional, recurrent, …
        x: What the model is called with.
        lengths: Valid steps of each sequence, as for `record`.

    Returns:
        A `Block` for the input and for each call of a part: role, shape, what the axes mean, how many parameters. Of
        a recurrent layer the shape is that of `output`; of packed and listed sequences that of the padded batch. A
        part that runs more than 8 times is listed 8 times, and the last of them says how many there were.

    Raises:
        ConfigError: The model has no argument for lengths.
        ShapeError, DtypeError: The model can't run on x; the message says which of its parts failed and why.

    Example:
        >>> import torch
        >>> from unrolled.analysis import blocks
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten())
        >>> for block in blocks(model, torch.randn(32, 1, 28, 28)):
        ...     print(block.role, block.shape, block.axes)
        input (32, 1, 28, 28) ('batch', 'channel', 'height', 'width')
        convolution (32, 8, 26, 26) ('batch', 'channel', 'height', 'width')
        activation (32, 8, 26, 26) ('batch', 'channel', 'height', 'width')
        flatten (32, 5408) ('batch', 'feature')
    """
    subject = subject_of("blocks", model, lengths)
    calls = _Calls()
    with untouched(subject.model), torch.no_grad():
        run(subject, x, calls.enter, calls.leave)
    return tuple(_named(x, calls.done))


@dataclass
class _Open:
    """A call that has not returned yet; whether others ran inside it."""

    has_parts: bool = False


@dataclass
class _Done:
    """A part's call: what came out, in the sizes of the padded batch."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    count: int


@dataclass
class _Calls:
    """Collects the calls of a model's parts."""

    done: list[_Done] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)
    _inside: int = 0
    _counts: dict[nn.Module, int] = field(default_factory=dict)

    def enter(self, _name: str, module: nn.Module, _args: Any, _kwargs: Mapping[str, Any]) -> None:
        self._inside += is_recurrent(module)
        self._open.append(_Open())

    def leave(self, name: str, module: nn.Module, _args: Any, _kwargs: Mapping[str, Any], result: Any) -> None:
        self._inside -= is_recurrent(module)
        call = self._open.pop()
        if self._open:
            self._open[-1].has_parts = True
        if not self._inside and (is_recurrent(module) or not call.has_parts):
            self._counts[module] = count = self._counts.get(module, 0) + 1
            shape = shape_of(result, getattr(module, "batch_first", True))
            self._add(_Done(name, module, shape, count))

    def _add(self, call: _Done) -> None:
        if call.count <= MOST_CALLS:
            self.done.append(call)
            return
        last = max(k for k, done in enumerate(self.done) if done.module is call.module)
        self.done[last].count = call.count


def _named(x: Any, calls: list[_Done]) -> list[Block]:
    layouts = _layouts(calls)
    first = calls[0].module if calls else None
    shape = shape_of(x, layouts[0].batch_first)
    axes = axes_read_by(first, shape, layouts[0])
    found = [Block("input", type(x).__name__, "", shape, axes, 0, _form(x))]
    for call, layout in zip(calls, layouts[1:], strict=True):
        axes = axes_after(call.module, call.shape, axes, layout)
        found.append(_block(call, axes))
    return found


def _layouts(calls: list[_Done]) -> list[Layout]:
    """For the input and each call, the layout of the next recurrent layer; after the last one, of that."""
    layout = Layout(next((c.module.batch_first for c in reversed(calls) if is_recurrent(c.module)), True))  # type: ignore[arg-type]
    found = [layout]
    for call in reversed(calls):
        layout = Layout(call.module.batch_first) if is_recurrent(call.module) else layout  # type: ignore[arg-type]
        found.append(layout)
    return found[::-1]


def _block(call: _Done, axes: Axes) -> Block:
    module = call.module
    numbers = sum(parameter.numel() for parameter in module.parameters())
    block = Block(role_of(module), type(module).__name__, call.name, call.shape, axes, numbers, note_of(module))
    if call.count > MOST_CALLS:
        return replace(block, note=_joined(block.note, f"runs {call.count} times"))
    return replace(block, note=_joined(block.note, _AGAIN)) if call.count > 1 and numbers else block


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))


def _form(x: Any) -> str:
    if isinstance(x, PackedSequence):
        return "packed"
    return "sequences of several lengths" if isinstance(x, list) or (isinstance(x, Tensor) and x.is_nested) else ""
