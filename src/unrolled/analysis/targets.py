"""What attribution explains: one number for each sequence of a batch, as a function of an input tensor.

Shapes: T = time, N = batch, F = features.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.analysis.layers_inside import LayerCall, is_recurrent, required_layers
from unrolled.analysis.running import Subject, answer_of, run, untouched
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.layers.findings import describe
from unrolled.trace import Array

Target: TypeAlias = int | tuple[int, ...] | Callable[[Any], Tensor] | None
"""Which number of each sequence's answer; None for the sum of them all."""


class Question(NamedTuple):
    """A model, what is asked of it, and how its input lies.

    batch_axis: Of x; None for one sequence without a batch axis.
    tokens: Whether x holds ids, one a step, and no features.
    answer_axis: Where the batch is in the answer; None where there is none.
    """

    subject: Subject
    x: Tensor
    target: Target
    batch_axis: int | None
    tokens: bool
    answer_axis: int | None

    def numbers(self, x: Tensor) -> Tensor:
        """The number (N) that the model gives for each sequence of x, which lies as the user's."""
        return self._pick(self.subject(x))

    def slope(self, x: Tensor) -> Tensor:
        """The sum of all sequences' numbers, to be differentiated by x; refused where nothing leads back to x."""
        total = self.numbers(x).sum()
        if not total.requires_grad:
            raise ConfigError(
                f"{self.subject.verb} needs gradients, and the model's answer has none: whole numbers such as "
                "argmax gives, or numbers computed under torch.no_grad() or torch.inference_mode(). Pass target=, a "
                "function of what it returns that has gradients, or use occlusion, which needs none."
            )
        return total

    def _pick(self, result: Any) -> Tensor:
        verb, batch = self.subject.verb, 1 if self.batch_axis is None else self.x.shape[self.batch_axis]
        if callable(self.target):
            return _checked(verb, self.target(result), batch)
        answer = answer_of(verb, result)
        answer_NX = answer.unsqueeze(0) if self.answer_axis is None else answer.movedim(self.answer_axis, 0)
        if self.target is None:
            return answer_NX.flatten(1).sum(1) if answer_NX.dim() > 1 else answer_NX
        index = self.target if isinstance(self.target, tuple) else (self.target,)
        return _checked(verb, _indexed(verb, answer_NX, index), batch)

    def as_NTF(self, values: Tensor) -> Array:
        """Numbers that lie as x does, with the batch first; without features, (N, T)."""
        if self.batch_axis is None:
            values = values.unsqueeze(0)
        elif self.batch_axis == 1:
            values = values.transpose(0, 1)
        array: Array = values.detach().cpu().numpy().copy()
        return array


def ask(subject: Subject, x: Any, target: Target) -> Question:
    """Find out how the model's input and answer lie; the model runs once."""
    if not isinstance(x, Tensor) or x.is_nested:
        raise DtypeError(
            f"{subject.verb} changes x step by step and so needs one tensor; got {describe(x)}. Pass the padded batch, "
            "with lengths=, to a model whose recurrent layer takes lengths."
        )
    if not x.numel():
        raise ShapeError(f"{subject.verb} asks where an answer comes from, and x holds no number: {describe(x)}.")
    seen, result = _first_layer(subject, x)
    tokens = not x.is_floating_point()
    steps = x.dim() - (0 if tokens else 1)
    if steps not in (1, 2):
        wanted = "(N, T, F), (T, N, F) or (T, F), or token ids (N, T), (T, N) or (T)"
        raise ShapeError(f"{subject.verb} expected x to be sequences {wanted}; got {describe(x)}.")
    batch_axis = None if steps == 1 else _batch_axis(seen, x)
    answer_axis = _answer_axis(subject, result, None if batch_axis is None else x.shape[batch_axis], target)
    return Question(subject, x, target, batch_axis, tokens, answer_axis)


class _Seen(NamedTuple):
    """What the model's first recurrent layer was given, of how many sequences, and whether it reads batch-first."""

    given: Any
    batch: int | None
    batch_first: bool

    @classmethod
    def of(cls, given: Any, batch_first: bool) -> _Seen:
        """Look at a layer's input."""
        batch = None
        if isinstance(given, PackedSequence):
            batch = int(given.batch_sizes[0])
        elif isinstance(given, Tensor) and given.dim() == 3:
            batch = given.shape[0 if batch_first else 1]
        return cls(given, batch, batch_first)


def _first_layer(subject: Subject, x: Tensor) -> tuple[_Seen, Any]:
    required_layers(subject.verb, subject.model)
    seen: list[_Seen] = []

    def before(_name: str, module: Any, args: tuple[Any, ...], kwargs: Any) -> None:
        if is_recurrent(module):
            seen.append(_Seen.of(LayerCall.of(module, args, kwargs).x, module.batch_first))

    with untouched(subject.model), torch.no_grad():
        result = run(subject, x, before)
    if not seen:
        raise ConfigError(f"{subject.verb}: the model's recurrent layers did not run on this x.")
    return seen[0], result


def _batch_axis(seen: _Seen, x: Tensor) -> int:
    """Which axis of x is the batch: told by the sizes, else by the numbers, else as the first recurrent layer reads."""
    own = 0 if seen.batch_first else 1
    of_its_size = [axis for axis in (0, 1) if x.shape[axis] == seen.batch]
    if len(of_its_size) == 1:
        return of_its_size[0]
    turned = isinstance(seen.given, Tensor) and seen.given.shape == x.transpose(0, 1).shape
    return 1 - own if turned and torch.equal(seen.given, x.transpose(0, 1)) else own


def _answer_axis(subject: Subject, result: Any, batch: int | None, target: Target) -> int | None:
    """Where the batch is in the answer: first, but in the output of a time-major layer itself."""
    if callable(target) or batch is None:
        return None
    answer = answer_of(subject.verb, result)
    own = 1 if is_recurrent(subject.model) and not subject.model.batch_first else 0
    for axis in dict.fromkeys((own, 0, 1)):
        if answer.dim() > axis and answer.shape[axis] == batch:
            return axis
    raise ShapeError(
        f"{subject.verb} expected an answer with a batch axis of {batch}; the model returned {tuple(answer.shape)}. "
        "Pass target=, a function that makes one number a sequence of what the model returns."
    )


def _indexed(verb: str, answer_NX: Tensor, index: tuple[int, ...]) -> Tensor:
    sizes = tuple(answer_NX.shape[1:])
    places: tuple[Any, ...] = (slice(None), *index)
    whole = all(isinstance(k, Integral) for k in index)
    fits = whole and len(index) == len(sizes) and all(-size <= k < size for k, size in zip(index, sizes, strict=True))
    if not fits:
        raise ConfigError(
            f"{verb} expected target to have one index for each axis of a sequence's answer, which has the shape "
            f"{sizes}; got target={index if len(index) != 1 else index[0]}."
        )
    picked: Tensor = answer_NX[places]
    return picked


def _checked(verb: str, numbers: Any, batch: int) -> Tensor:
    if isinstance(numbers, Tensor) and numbers.numel() == batch:
        return numbers.reshape(batch)
    given = f"a tensor {tuple(numbers.shape)}" if isinstance(numbers, Tensor) else describe(numbers)
    raise ConfigError(f"{verb} expected target(result) to be {batch} numbers, one a sequence; got {given}.")
