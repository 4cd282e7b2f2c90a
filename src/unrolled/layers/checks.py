"""The checks on one call: input, initial states and lengths, all problems at once.

Shapes: T = time, N = batch, F = input features.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ShapeError
from unrolled.layers.findings import Findings, check_like, describe, enumerate_some, is_like, is_real
from unrolled.layers.hints import axes_hint, feature_hint, list_hint, token_hint
from unrolled.layers.lengths import check_lengths, count_of, lengths_fit
from unrolled.layers.nested import nested_lengths, nested_problem
from unrolled.layers.spec import Spec
from unrolled.layers.state_checks import check_states, states_fit

_SHOWN: Final = 10
NOT_COMPILED: Final = (
    "unrolled can't check this call inside a compiled program: its input is no plain tensor, or something does not "
    "fit the layer. Call the layer without torch.compile to read what."
)
_FORMS: Final = "a tensor, a PackedSequence, a list of tensors or a jagged nested tensor"


class Sizes(NamedTuple):
    """What the input says about the call.

    batch: None for unbatched input.
    carried_by: What the input is, where that has its lengths already.
    """

    time: int
    batch: int | None
    carried_by: str = ""


def check_call(spec: Spec, x: Any, hx: Any, lengths: Any, weight: Tensor) -> None:
    """Raise everything that is wrong with `layer(x, hx, lengths)` as one error."""
    if hx is None and lengths is None and _plainly_right(spec, x, weight):
        return
    if _fits(spec, x, hx, lengths, weight):
        return
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg=NOT_COMPILED)
    found = Findings()
    sizes = check_input(found, spec, x, weight)
    if sizes is not None and (hx is not None or lengths is not None):
        _check_rest(found, spec, x, sizes, hx, lengths, weight)
    found.finish(ShapeError, f"{spec.kind} cannot run this call")


def _plainly_right(spec: Spec, x: Any, weight: Tensor) -> bool:
    """The usual call, told at once: a small layer's time is mostly what happens before its kernel."""
    if not isinstance(x, Tensor) or x.is_nested:
        return False
    shape = x.shape  # once: each look at it makes a new object
    return (
        len(shape) == 3
        and shape[2] == spec.input_size
        and shape[1 if spec.batch_first else 0] > 0
        and x.dtype == weight.dtype
        and x.device == weight.device
    )


def _fits(spec: Spec, x: Any, hx: Any, lengths: Any, weight: Tensor) -> bool:
    """Whether a call with a tensor is right, found without comparing other sizes than must be equal.

    A compiler notes every comparison, and compiles anew where one turns out otherwise.
    """
    if not isinstance(x, Tensor) or x.is_nested or x.dim() not in (2, 3) or x.shape[-1] != spec.input_size:
        return False
    time, batch, _ = _sizes(spec, x)
    if time == 0 or not is_like(x, weight) or not (hx is None or states_fit(spec, batch, hx, weight)):
        return False
    return lengths is None or (batch is not None and lengths_fit(lengths, time, batch))


def _check_rest(found: Findings, spec: Spec, x: Any, sizes: Sizes, hx: Any, lengths: Any, weight: Tensor) -> None:
    """Check states and lengths; where they don't fit, as if time and batch were exchanged, if that explains it."""

    def check(sizes: Sizes) -> Findings:
        rest = Findings()
        check_states(rest, spec, sizes.batch, hx, weight)
        check_lengths(rest, spec.kind, lengths, sizes.time, sizes.batch, sizes.carried_by)
        return rest

    rest = check(sizes)
    if rest and (exchanged := _exchanged(found, spec, x, sizes, hx, lengths)) is not None:
        rest = check(exchanged)
    found.extend(rest)


def check_input(found: Findings, spec: Spec, x: Any, weight: Tensor) -> Sizes | None:
    """Note what is wrong with the input itself; return its sizes where they can be told."""
    if isinstance(x, PackedSequence):
        return _check_packed(found, spec, x, weight)
    if isinstance(x, list | tuple):
        return _check_list(found, spec, x, weight)
    if not isinstance(x, Tensor):
        convert = "torch.as_tensor(x)" if not hasattr(x, "dtype") else f"torch.as_tensor(x, dtype={weight.dtype})"
        found.add_type(f"{spec.kind} expected {_FORMS}; got {describe(x)}. Pass {convert}.")
        return None
    if x.is_nested:
        return _check_nested(found, spec, x, weight)
    return _check_tensor(found, spec, x, weight)


def _check_tensor(found: Findings, spec: Spec, x: Tensor, weight: Tensor) -> Sizes | None:
    axes = x.dim() in (2, 3)
    if not is_real(x) and not (axes and x.shape[-1] == spec.input_size):
        found.add_type(
            f"{expected(spec)} of {weight.dtype}; got {_given(x)} of {x.dtype}.{token_hint(spec.input_size, x)}"
        )
        return None
    check_like(found, spec.kind, "input", x, weight)
    if not axes:
        found.add(f"{expected(spec)}; got {_given(x)}, which has {x.dim()} axes.{axes_hint(spec, x)}")
        return None
    if x.shape[-1] != spec.input_size:
        found.add(f"{expected(spec)}; got {_given(x)}.{feature_hint(spec, x)}")
    sizes = _sizes(spec, x)
    if sizes.time == 0:
        found.add(f"{expected(spec)} with at least one time step; got {_given(x)}.")
    return sizes


def _check_packed(found: Findings, spec: Spec, x: PackedSequence, weight: Tensor) -> Sizes:
    if x.data.dim() != 2 or x.data.shape[-1] != spec.input_size:
        hint = " Pack sequences of (T=time, F) each." if x.data.dim() != 2 else ""
        wanted = f"{spec.kind} expected a PackedSequence of F={spec.input_size} features"
        found.add(f"{wanted}; its data is {_given(x.data)}.{hint}")
    check_like(found, spec.kind, "input", x.data, weight)
    return Sizes(len(x.batch_sizes), int(x.batch_sizes[0]), "a PackedSequence")


def _check_list(found: Findings, spec: Spec, x: list[Any] | tuple[Any, ...], weight: Tensor) -> Sizes | None:
    """Note every member that is no sequence for this layer, in one problem."""
    wanted = f"{spec.kind} expected a list of tensors (T=time, F={spec.input_size}), one a sequence"
    if not x:
        found.add(f"{wanted}; got an empty {type(x).__name__}. Leave batches without sequences out.")
        return None
    wrong = [f"x[{k}] is {_member(member)}" for k, member in enumerate(x) if not _is_sequence(spec, member)]
    if wrong:
        add = found.add if all(isinstance(member, Tensor) for member in x) else found.add_type
        add(f"{wanted}; {enumerate_some(wrong, _SHOWN)}.{list_hint(spec, x)}")
        return None
    first: dict[Any, int] = {}
    for k, member in enumerate(x):
        first.setdefault((member.dtype, member.device), k)
    for k in first.values():
        check_like(found, spec.kind, f"x[{k}]", x[k], weight)
    return Sizes(max(map(len, x)), len(x), f"a {type(x).__name__} of sequences")


def _is_sequence(spec: Spec, member: Any) -> bool:
    return isinstance(member, Tensor) and member.dim() == 2 and member.shape[1] == spec.input_size


def _member(member: Any) -> str:
    if isinstance(member, Tensor):
        return _given(member)
    return describe(member) if isinstance(member, list | tuple) else f"of type {describe(member)}"


def _check_nested(found: Findings, spec: Spec, x: Tensor, weight: Tensor) -> Sizes | None:
    if problem := nested_problem(x, spec.input_size):
        found.add(f"{spec.kind} expected a jagged nested tensor (N=batch, T=time, F={spec.input_size}); {problem}")
        return None
    check_like(found, spec.kind, "input", x.values(), weight)
    return Sizes(max(nested_lengths(x)), x.shape[0], "a nested tensor")


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


def _exchanged(found: Findings, spec: Spec, x: Any, sizes: Sizes, hx: Any, lengths: Any) -> Sizes | None:
    """Note exchanged time and batch axes where states or lengths give them away; return the sizes the other way."""
    if sizes.carried_by or sizes.batch is None or sizes.batch == sizes.time:
        return None
    for what, batch in (("hx", _batch_of(spec, hx)), ("lengths", count_of(lengths))):
        if batch == sizes.time:
            first = "time" if spec.batch_first else "batch"
            found.add(
                f"{expected(spec)}; got {_given(x)}, while {what} is for a batch of {batch}. "
                f"Is the {first} axis first? "
                f"Pass batch_first={not spec.batch_first}, or x.transpose(0, 1)."
            )
            return Sizes(time=sizes.batch, batch=sizes.time)
    return None


def _batch_of(spec: Spec, hx: Any) -> int | None:
    """The batch that a well-formed first state speaks of."""
    h = hx[0] if len(spec.states) > 1 and isinstance(hx, list | tuple) and hx else hx
    h = h[0] if spec.per_layer and isinstance(h, list | tuple) and h else h
    if not isinstance(h, Tensor) or h.dim() != 3:
        return None
    shape = spec.state_shapes(0, h.shape[1])[0]
    return h.shape[1] if tuple(h.shape) == shape else None
