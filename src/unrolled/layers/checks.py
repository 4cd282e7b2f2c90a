"""The checks on one call: input, initial states and lengths, all problems at once.

Shapes: T = time, N = batch, F = input features, L = layers, D = directions, H = hidden units, and
H_out = what a layer puts out (H, or the projection's size).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ShapeError
from unrolled.layers.findings import Findings
from unrolled.layers.lengths import check_lengths, count_of
from unrolled.layers.spec import Shape, Spec


class Sizes(NamedTuple):
    """What the input says about the call; `batch` is None for unbatched input."""

    time: int
    batch: int | None
    packed: bool = False


def check_call(spec: Spec, x: Any, hx: Any, lengths: Any, weight: Tensor) -> None:
    """Raise everything that is wrong with `layer(x, hx, lengths)` as one error."""
    if hx is None and lengths is None and _plainly_right(spec, x, weight):
        return
    found = Findings()
    sizes = check_input(found, spec, x)
    if isinstance(x, Tensor | PackedSequence):
        check_like(found, spec.kind, "input", x.data if isinstance(x, PackedSequence) else x, weight)
    if sizes is not None and (hx is not None or lengths is not None):
        sizes = _unswap(found, spec, x, sizes, hx, lengths)
        _check_hx(found, spec, sizes, hx, weight)
        check_lengths(found, spec.kind, lengths, sizes.time, sizes.batch, sizes.packed)
    found.finish(ShapeError, f"{spec.kind} cannot run this call")


def _plainly_right(spec: Spec, x: Any, weight: Tensor) -> bool:
    """The usual call, told at once: a small layer's time is mostly what happens before its kernel."""
    return (
        isinstance(x, Tensor)
        and x.dim() == 3
        and x.shape[-1] == spec.input_size
        and x.shape[1 if spec.batch_first else 0] > 0
        and x.dtype == weight.dtype
        and x.device == weight.device
    )


def check_like(found: Findings, kind: str, what: str, given: Tensor, weight: Tensor) -> None:
    """Note a dtype or device other than the parameters'."""
    if given.dtype != weight.dtype and not torch._C._is_any_autocast_enabled():
        found.add_type(
            f"{kind}'s parameters are {weight.dtype}; {what} is {given.dtype}. "
            f"Convert it, .to({weight.dtype}), or the layer, .to({given.dtype})."
        )
    if given.device != weight.device:
        found.add_type(
            f"{kind}'s parameters are on {weight.device}; {what} is on {given.device}. "
            f"Move it, .to('{weight.device}'), or the layer, .to('{given.device}')."
        )


def check_input(found: Findings, spec: Spec, x: Any) -> Sizes | None:
    """Note what is wrong with the input itself; return its sizes where they can be told."""
    if isinstance(x, PackedSequence):
        if x.data.dim() != 2 or x.data.shape[-1] != spec.input_size:
            hint = " Pack sequences of (T=time, F) each." if x.data.dim() != 2 else ""
            found.add(
                f"{spec.kind} expected a PackedSequence of F={spec.input_size} features; "
                f"its data is {_given(x.data)}.{hint}"
            )
        return Sizes(len(x.batch_sizes), int(x.batch_sizes[0]), packed=True)
    if not isinstance(x, Tensor):
        found.add_type(
            f"{spec.kind} expected a tensor or a PackedSequence; got {type(x).__name__}. Pass torch.as_tensor(x)."
        )
        return None
    if x.dim() not in (2, 3):
        found.add(f"{expected(spec)}; got {_given(x)}, which has {x.dim()} axes.{_axes_hint(spec, x)}")
        return None
    if x.shape[-1] != spec.input_size:
        found.add(f"{expected(spec)}; got {_given(x)}.{_feature_hint(spec, x)}")
    sizes = _sizes(spec, x)
    found.check(sizes.time > 0, f"{expected(spec)} with at least one time step; got {_given(x)}.")
    return sizes


def expected(spec: Spec) -> str:
    """The beginning of every message about the input: its axes, and why in that order."""
    axes = "N=batch, T=time" if spec.batch_first else "T=time, N=batch"
    return f"{spec.kind} expected input ({axes}, F={spec.input_size}) because batch_first={spec.batch_first}"


def _given(x: Tensor) -> str:
    return str(tuple(x.shape))


def _sizes(spec: Spec, x: Tensor) -> Sizes:
    if x.dim() == 2:
        return Sizes(x.shape[0], None)
    time, batch = (1, 0) if spec.batch_first else (0, 1)
    return Sizes(x.shape[time], x.shape[batch])


def _axes_hint(spec: Spec, x: Tensor) -> str:
    if x.dim() == 1 and spec.input_size == 1:
        return " Is it one series of single values? Pass x.unsqueeze(-1), which is (T=time, F=1)."
    if x.dim() == 1 and x.shape[0] == spec.input_size:
        return " Is it a single time step? Pass x.unsqueeze(0), which is (T=1, F)."
    return ""


def _feature_hint(spec: Spec, x: Tensor) -> str:
    if x.dim() == 2:
        unbatched = f" 2-D input is taken as one unbatched sequence (T=time, F={spec.input_size})."
        if spec.input_size == 1:
            return f"{unbatched} Is it a batch of series of single values? Pass x.unsqueeze(-1)."
        if x.shape[0] == spec.input_size:
            return f"{unbatched} Is the feature axis first? Pass x.T."
        return f"{unbatched} The layer was made with input_size={spec.input_size}."
    for axis in (0, 1):
        if x.shape[axis] == spec.input_size:
            return f" Is axis {axis} the features? Pass x.movedim({axis}, -1)."
    return f" The layer was made with input_size={spec.input_size}; the last axis has {x.shape[-1]}."


def _unswap(found: Findings, spec: Spec, x: Any, sizes: Sizes, hx: Any, lengths: Any) -> Sizes:
    """Note exchanged time and batch axes where states or lengths give them away; undo the exchange."""
    if sizes.packed or sizes.batch is None or sizes.batch == sizes.time:
        return sizes
    for what, batch in (("hx", _batch_of(spec, hx)), ("lengths", count_of(lengths))):
        if batch == sizes.time:
            first = "time" if spec.batch_first else "batch"
            found.add(
                f"{expected(spec)}; got {_given(x)}, while {what} is for a batch of {batch}. "
                f"Is the {first} axis first? "
                f"Pass batch_first={not spec.batch_first}, or x.transpose(0, 1)."
            )
            return Sizes(time=sizes.batch, batch=sizes.time)
    return sizes


def _batch_of(spec: Spec, hx: Any) -> int | None:
    """The batch that a well-formed first state speaks of."""
    h = hx[0] if len(spec.states) > 1 and isinstance(hx, list | tuple) and hx else hx
    h = h[0] if spec.per_layer and isinstance(h, list | tuple) and h else h
    if not isinstance(h, Tensor) or h.dim() != 3:
        return None
    shape = spec.state_shapes(0, h.shape[1])[0]
    return h.shape[1] if tuple(h.shape) == shape else None


def _check_hx(found: Findings, spec: Spec, sizes: Sizes, hx: Any, weight: Tensor) -> None:
    if hx is None:
        return
    states = _split_states(found, spec, hx)
    for index, (name, state) in enumerate(states):
        shapes = spec.state_shapes(index, sizes.batch)
        tensors = _split_layers(found, spec, f"{name}_0", state)
        for k, (tensor, shape) in enumerate(zip(tensors, shapes, strict=False)):
            label = f"{name}_0[{k}]" if spec.per_layer else f"{name}_0"
            _check_state(found, spec, label, tensor, shape, weight)


def _split_states(found: Findings, spec: Spec, hx: Any) -> list[tuple[str, Any]]:
    names = spec.states
    wanted = ", ".join(f"{name}_0" for name in names)
    if len(names) == 1:
        if isinstance(hx, list | tuple) and not spec.per_layer:
            found.add_type(f"{spec.kind} expected hx={wanted}, one tensor; got a {type(hx).__name__} of {len(hx)}.")
            return []
        return [(names[0], hx)]
    if not isinstance(hx, list | tuple) or len(hx) != len(names):
        got = f"one tensor {_given(hx)}" if isinstance(hx, Tensor) else f"{type(hx).__name__}"
        size = f" of {len(hx)}" if isinstance(hx, list | tuple) else ""
        found.add_type(f"{spec.kind} expected hx=({wanted}), a tuple of {len(names)}; got {got}{size}.")
        return []
    return list(zip(names, hx, strict=True))


def _split_layers(found: Findings, spec: Spec, label: str, state: Any) -> Sequence[Any]:
    if not spec.per_layer:
        return [state]
    layers = len(spec.cells)
    if not isinstance(state, list | tuple) or len(state) != layers:
        size = f" of {len(state)}" if isinstance(state, list | tuple) else ""
        found.add_type(
            f"{spec.kind} has a width per layer, so {label} must be a tuple of {layers} tensors, one a layer; "
            f"got a {type(state).__name__}{size}."
        )
        return []
    return state


def _check_state(found: Findings, spec: Spec, label: str, state: Any, shape: Shape, weight: Tensor) -> None:
    if not isinstance(state, Tensor):
        found.add_type(f"{label} must be a tensor; got {type(state).__name__}.")
        return
    check_like(found, spec.kind, label, state, weight)
    if tuple(state.shape) != shape:
        found.add(
            f"{spec.kind} expected {label} {_named_state(spec, shape)}; got {_given(state)}."
            f"{_state_hint(spec, label, tuple(state.shape), shape)}"
        )


def _named_state(spec: Spec, shape: Shape) -> str:
    axes = ["D=directions" if spec.per_layer else "L·D=layers·directions"]
    axes += ["N=batch"] if len(shape) == 3 else []
    pairs = [f"{axis}: {size}" for axis, size in zip([*axes, "width"], shape, strict=True)]
    return f"{shape}, that is ({', '.join(pairs)})"


def _state_hint(spec: Spec, label: str, given: Shape, shape: Shape) -> str:
    if len(given) != len(shape):
        if len(shape) == 2:
            return " 2-D input is taken as one unbatched sequence, whose states have no batch axis."
        return " Batched input wants states with a batch axis." if len(given) == 2 else ""
    if len(shape) == 3 and given == (shape[1], shape[0], shape[2]):
        return (
            " Is it batch-first? States never are, whatever batch_first says. "
            f"Pass {label}.transpose(0, 1).contiguous()."
        )
    if given[0] * spec.directions == shape[0] and given[1:] == shape[1:] and spec.bidirectional:
        return " bidirectional=True wants a state for each direction of each layer."
    if given[0] != shape[0] and given[1:] == shape[1:]:
        return f" The layer has {len(spec.cells)} layer(s) and {spec.directions} direction(s)."
    if given[-1] != shape[-1] and given[:-1] == shape[:-1]:
        projected = " With proj_size, h_0 has proj_size features and c_0 hidden_size."
        return projected if len(set(spec.cells[0].state_sizes)) > 1 else ""
    return ""
