"""Which mistake a wrong call probably is, and what to write instead.

Each function returns a sentence to append to an error, with a space before it, or the empty string.

Shapes: T = time, N = batch, F = input features, L = layers, D = directions, R = rows of a state (L·D), S = width of
a state.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from unrolled.layers.spec import Shape, Spec


def axes_hint(spec: Spec, x: Tensor) -> str:
    """Guess at an input that has neither 2 nor 3 axes."""
    shape, features = tuple(x.shape), spec.input_size
    if len(shape) == 1 and features == 1:
        return " Is it one series of single values? Pass x.unsqueeze(-1), which is (T=time, F=1)."
    if len(shape) == 1 and shape[0] == features:
        return " Is it a single time step? Pass x.unsqueeze(0), which is (T=1, F)."
    if len(shape) != 4:
        return ""
    if shape[2] * shape[3] == features:
        return f" Are the last two axes both features? Pass x.flatten(2), which is {(*shape[:2], features)}."
    if shape[-1] != features:
        return ""
    if 1 in shape[:3]:
        axis = shape.index(1)
        return f" Axis {axis} has size 1: pass x.squeeze({axis})."
    first = 0 if spec.batch_first else 1
    return f" Are two of them batch axes? Pass x.flatten({first}, {first + 1})."


def feature_hint(spec: Spec, x: Tensor) -> str:
    """Guess at an input whose last axis has another size than the layer's features."""
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


def token_hint(features: int, x: Tensor) -> str:
    """Say how token ids become features."""
    ids = "x.squeeze(-1)" if x.dim() == 3 and x.shape[-1] == 1 else "x"
    return f" Are they token ids? Embed them first: torch.nn.Embedding(number_of_tokens, {features})({ids})."


def list_hint(spec: Spec, x: list[Any] | tuple[Any, ...]) -> str:
    """Guess at a list whose members are not all sequences (T, F)."""
    if not any(isinstance(member, Tensor) for member in x):
        return " Pass torch.as_tensor(x)."
    if len(x) == 2 and isinstance(x[0], Tensor) and x[0].dim() == 3:
        if isinstance(x[1], Tensor) and x[1].dim() == 1:
            return " Is it a padded batch with its lengths? Pass x[0], lengths=x[1]."
        return " Is it another layer's (output, state)? Pass its output, x[0]."
    if spec.input_size == 1 and all(isinstance(member, Tensor) and member.dim() == 1 for member in x):
        return " Are they series of single values? Pass [s.unsqueeze(-1) for s in x]."
    return ""


def hx_hint(spec: Spec, hx: Any) -> str:
    """Guess at initial states that are not as many tensors as the cell has states."""
    states = len(spec.states)
    if isinstance(hx, Tensor) and states > 1:
        if hx.dim() == 4 and hx.shape[0] == states:
            return " Pass tuple(hx)."
        return " Is it h_0 alone? Pass (hx, torch.zeros_like(hx))." if states == 2 and hx.dim() < 4 else ""
    if states > 1 or not isinstance(hx, list | tuple) or not hx or not isinstance(hx[0], Tensor):
        return ""
    if len(hx) == 2 and hx[0].dim() > 1 and hx[0].dim() == getattr(hx[1], "ndim", 0) and len(spec.cells) == 1:
        return f" Is it an LSTM's (h_0, c_0)? {spec.kind} has no c: pass hx[0]."
    rows = len(spec.cells) * spec.directions
    if len(hx) == rows and hx[0].dim() == 2:
        return " Is it a state for each layer? Pass torch.stack(hx)."
    return " Pass hx[0]." if len(hx) == 1 else ""


def state_hint(spec: Spec, label: str, given: Shape, shape: Shape) -> str:
    """Guess at an initial state of shape `given` where `shape` was due."""
    if len(shape) == 2:
        return _unbatched_hint(label, given, shape)
    rows, batch, width = shape
    if given == (batch, rows, width):
        return (
            " Is it batch-first? States never are, whatever batch_first says. "
            f"Pass {label}.transpose(0, 1).contiguous()."
        )
    reshaped = _reshaped_hint(spec, label, given, shape)
    return reshaped or _axes_of_state_hint(label, given, shape) or _sizes_hint(spec, label, given, shape)


def _unbatched_hint(label: str, given: Shape, shape: Shape) -> str:
    rows, width = shape
    squeezed = f" Pass {label}.squeeze(1)." if given == (rows, 1, width) else ""
    if len(given) != 2:
        return f" 2-D input is taken as one unbatched sequence, whose states have no batch axis.{squeezed}"
    return ""


def _reshaped_hint(spec: Spec, label: str, given: Shape, shape: Shape) -> str:
    """Recognise h_n taken apart or put together along its layers and directions."""
    rows, batch, width = shape
    layers = rows // spec.directions
    because = f" Is it h_n reshaped across {_what(spec)}? {label} has a row for each, {shape}. "
    ones = tuple(size for size in given if size != 1)
    if rows > 1 and math.prod(given) == math.prod(shape) and ones == tuple(s for s in (batch, rows * width) if s != 1):
        flat = label if len(given) == 2 else f"{label}.reshape({batch}, {rows * width})"
        return f"{because}Pass h_n as it was, or {flat}.unflatten(1, ({rows}, {width})).transpose(0, 1).contiguous()."
    if spec.bidirectional and given == (layers, batch, spec.directions * width):
        apart = f"{label}.unflatten(-1, ({spec.directions}, {width}))"
        return f"{because}Pass h_n as it was, or {apart}.permute(0, 2, 1, 3).flatten(0, 1)."
    if given == (layers, spec.directions, batch, width):
        return f"{because}Pass {label}.flatten(0, 1)."
    return ""


def _what(spec: Spec) -> str:
    if spec.directions == 1:
        return "layers"
    return "directions" if len(spec.cells) == 1 or spec.per_layer else "layers and directions"


def _axes_of_state_hint(label: str, given: Shape, shape: Shape) -> str:
    """Recognise a state that lacks an axis."""
    rows, batch, width = shape
    if given == (rows, width):
        copies = "" if batch == 1 else f".repeat(1, {batch}, 1)"
        return f" Batched input wants states with a batch axis. Pass {label}.unsqueeze(1){copies}."
    if given == (batch, width):
        copies = "" if rows == 1 else f".repeat({rows}, 1, 1)"
        return f" The axis of layers·directions is missing. Pass {label}.unsqueeze(0){copies}."
    return " Batched input wants states with a batch axis." if len(given) == 2 else ""


def _sizes_hint(spec: Spec, label: str, given: Shape, shape: Shape) -> str:
    """Guess at a state with three axes of which one has another size."""
    if given[1:] == shape[1:]:
        return _rows_hint(spec, label, given[0], shape[0])
    if given[0] == shape[0] and given[2] == shape[2]:
        if given[1] == 1:
            return f" Is it one state for all sequences? Pass {label}.repeat(1, {shape[1]}, 1)."
        return (
            f" Is it the state of another batch? That one had {given[1]} sequences, this one has {shape[1]}. "
            "Leave hx out to begin anew, or make all batches of one size, as with drop_last=True in a DataLoader."
        )
    if given[:-1] == shape[:-1] and len(set(spec.cells[0].state_sizes)) > 1:
        return " With proj_size, h_0 has proj_size features and c_0 hidden_size."
    return ""


def _rows_hint(spec: Spec, label: str, given: int, rows: int) -> str:
    if given * spec.directions == rows and spec.bidirectional:
        return " bidirectional=True wants a state for each direction of each layer."
    has = f" The layer has {len(spec.cells)} layer(s) and {spec.directions} direction(s)."
    if given == 2 * rows and not spec.bidirectional:
        return f"{has} Is it from a bidirectional one? {label}[::2] are its forward states."
    return has


def pairs_hint(spec: Spec, hx: Any) -> str:
    """Recognise one tuple of states a layer where one tensor a state is due."""
    states = len(spec.states)
    grouped = all(isinstance(pair, list | tuple) and len(pair) == states for pair in hx)
    tensors = grouped and all(isinstance(state, Tensor) and state.dim() == 2 for pair in hx for state in pair)
    return " Is it a pair of states for each layer? Pass tuple(map(torch.stack, zip(*hx)))." if tensors else ""
