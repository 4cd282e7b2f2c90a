"""`find_head`: what follows a recurrent layer and makes the model's answer, found by following the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from unrolled.analysis.layers_inside import CallNames, is_recurrent, layers_inside
from unrolled.analysis.readings import Reading, Result, reading_of, readings
from unrolled.analysis.running import first_tensor, run, subject_of, untouched
from unrolled.layers.tracing import to_numpy
from unrolled.trace import Head, HeadKind, HeadLayer, NamedArray, Recorded

_FUNCTIONS: Final[Mapping[HeadKind, Callable[[Tensor], Tensor]]] = {
    "ReLU": torch.relu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
}
_StepKind: TypeAlias = HeadKind | Literal["same"]
"""What a module does; "same" is to change no number in evaluation."""

_MODULES: Final[Mapping[type[nn.Module], _StepKind]] = {
    nn.Linear: "Linear",
    nn.ReLU: "ReLU",
    nn.Tanh: "Tanh",
    nn.Sigmoid: "Sigmoid",
    nn.Dropout: "same",
    nn.Identity: "same",
}
"""What a head is made of."""


def find_head(model: nn.Module, x: Any, recorded: Recorded | Sequence[Recorded], lengths: Any = None) -> Head | None:
    """Find what the model does with a recurrent layer's result to make its answer.

    The model runs once more, is watched, and is left as it was. Then the numbers are followed back from the answer
    (the first tensor that the model returns) through Linear, ReLU, Tanh, Sigmoid, Dropout and Identity modules, and
    the functions of those names, to numbers that the layer gave: `output`, a step of it, `h_n[-1]`, both directions'
    `h_n`, each sample's last valid step, a sum over time, … Where several of these are the same numbers on this
    batch, the memory that was read decides; where it can't (it was copied), the simplest is told. What was found is
    computed again from the layer's result, and told only if it gives the model's answer.

    Args:
        model: The module that `record` was given.
        x: What it is called with.
        recorded: What `record` returned, or one of it; of several, the last one that has a head.
        lengths: As `record` was given them.

    Returns:
        A `Head`; None where the model is the layer itself, or does something else with it. Its `output` is the answer,
        which may be a view of another shape of what the last of `layers` gives.

    Raises:
        ConfigError, ShapeError, DtypeError: As `record` does.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import find_head, record
        >>> class Model(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.lstm = unrolled.LSTM(3, 4, batch_first=True)
        ...         self.head = torch.nn.Linear(4, 1)
        ...     def forward(self, x):
        ...         output, (h_n, c_n) = self.lstm(x)
        ...         return self.head(h_n[-1])
        >>> model, x = Model(), torch.randn(2, 9, 3)
        >>> head = find_head(model, x, record(model, x))
        >>> head.reads, [layer.kind for layer in head.layers], head.output
        ('h_n[-1]', ['Linear'], NamedArray(batch=2, output=1; float32))
    """
    several = [recorded] if isinstance(recorded, Recorded) else list(recorded)
    heads = find_heads(model, x, several, lengths)
    return next((head for head in reversed(heads) if head is not None), None)


def find_heads(model: nn.Module, x: Any, recorded: Sequence[Recorded], lengths: Any = None) -> list[Head | None]:
    """As `find_head`, for each of the recorded layers, in one run of the model."""
    subject = subject_of("find_head", model, lengths)
    if is_recurrent(subject.model):
        return [None] * len(recorded)
    with untouched(subject.model), torch.no_grad():
        watched = _Watched(subject.model, recorded)
        answer = first_tensor(run(subject, x, watched.enter, watched.leave))
        if answer is None or answer.is_nested:
            return [None] * len(recorded)
        return [_head_after(watched, one, answer) for one in recorded]


class _Step(NamedTuple):
    """A call of a module that a head may be made of: copies of what went in and came out, and where that lay."""

    module: nn.Module
    kind: _StepKind
    given: Tensor
    given_memory: Tensor
    gave: Tensor

    def layer(self) -> list[HeadLayer]:
        if self.kind == "same":
            return []
        if not isinstance(self.module, nn.Linear):
            return [HeadLayer(self.kind)]
        bias = None if self.module.bias is None else NamedArray(to_numpy(self.module.bias), ("output",))
        return [HeadLayer("Linear", NamedArray(to_numpy(self.module.weight), ("output", "input")), bias)]


class _Found(NamedTuple):
    reading: Reading
    layers: list[HeadLayer]


@dataclass
class _Watched:
    """Keeps what the recorded layers gave, and each call of a module that a head may be made of."""

    model: nn.Module
    recorded: Sequence[Recorded]
    results: dict[str, tuple[Result, int]] = field(default_factory=dict)
    steps: list[_Step] = field(default_factory=list)
    _given: list[Tensor | None] = field(default_factory=list)
    _names: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._calls = CallNames(layers_inside(self.model))
        self._traces = {one.layer.name: one.trace for one in self.recorded}

    def enter(self, _name: str, module: nn.Module, args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> None:
        self._names.append(self._calls.next(module))
        given = args[0] if self.results and args and isinstance(args[0], Tensor) and _kind_of(module) else None
        self._given.append(None if given is None else given.clone())

    def leave(
        self, _name: str, module: nn.Module, args: tuple[Any, ...], _kwargs: Mapping[str, Any], result: Any
    ) -> None:
        name, given = self._names.pop(), self._given.pop()
        if name in self._traces and (read := Result.of(result, self._traces[name])) is not None:
            self.results[name] = (read, len(self.steps))
        kind = _kind_of(module)
        if given is not None and kind is not None and isinstance(result, Tensor):
            self.steps.append(_Step(module, kind, given, args[0], result.clone()))


def _kind_of(module: nn.Module) -> _StepKind | None:
    """What a module does in a head; None where it is nothing that a head is made of."""
    for known, kind in _MODULES.items():
        if isinstance(module, known) and type(module).forward is known.forward:
            return kind
    return None


def _head_after(watched: _Watched, recorded: Recorded, answer: Tensor) -> Head | None:
    """The head that begins with one layer's result; None where there is none, or it is not the whole of it."""
    if recorded.layer.name not in watched.results:
        return None
    result, first = watched.results[recorded.layer.name]
    found = _from_answer(watched.steps[first:], result, answer)
    if found is None or not _computes(found, answer):
        return None
    return Head(found.reading.code, tuple(found.layers), _name_axes(answer, found, result))


def _from_answer(steps: list[_Step], result: Result, answer: Tensor) -> _Found | None:
    """Follow the answer back: as it is, as a view of what the last module gave, or as that one's last step."""
    if (found := _follow(steps, result, answer, answer)) is not None:
        return found
    for k, step in reversed(list(enumerate(steps))):
        if _same_numbers(step.gave, answer):
            return _follow(steps[: k + 1], result, step.gave, step.gave)
    return _last_of_all(steps, result, answer)


def _same_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are views of the same numbers, whatever their shapes."""
    return a.numel() == b.numel() and a.dtype == b.dtype and torch.equal(a.flatten(), b.flatten())


def _last_of_all(steps: list[_Step], result: Result, answer: Tensor) -> _Found | None:
    """A head that reads every step, of whose answers the last is taken: the same as one that reads the last step."""
    code = "output[:, -1]" if result.batch_first else "output[-1]"
    last = next((reading for reading in readings(result) if reading.code == code), None)
    for k, step in reversed(list(enumerate(steps))):
        if last is None or step.gave.dim() != 3:
            continue
        of_last = step.gave[:, -1] if result.batch_first else step.gave[-1]
        if _same_numbers(of_last, answer):
            found = _follow(steps[: k + 1], result, step.gave, step.gave)
            if found is not None and found.reading.code == "output":
                return _Found(last, found.layers)
    return None


def _follow(steps: list[_Step], result: Result, value: Tensor, memory: Tensor) -> _Found | None:
    """Follow numbers back, step by step, to the layer's result."""
    layers: list[HeadLayer] = []
    end = len(steps)
    while True:
        if (reading := reading_of(value, memory, result)) is not None:
            return _Found(reading, layers[::-1])
        if (applied := _applied(value, result)) is not None:
            return _Found(applied.reading, [*applied.layers, *layers[::-1]])
        before = _made_by(steps[:end], value)
        if before is None:
            return None
        end, function = before
        layers += ([HeadLayer(function)] if function else []) + steps[end].layer()
        value, memory = steps[end].given, steps[end].given_memory


def _applied(value: Tensor, result: Result) -> _Found | None:
    """A reading to which `torch.relu`, `torch.tanh` or `torch.sigmoid` was applied without a module."""
    for reading in readings(result) if _tells(value) else ():
        if reading.value.shape == value.shape:
            for kind, function in _FUNCTIONS.items():
                if reading._replace(value=function(reading.value)).gave(value):
                    return _Found(reading, [HeadLayer(kind)])
    return None


def _made_by(steps: list[_Step], value: Tensor) -> tuple[int, HeadKind | None] | None:
    """The last step that gave these numbers, and the function that was applied to them after it, if any."""
    same = [k for k, step in enumerate(steps) if step.gave.shape == value.shape and step.gave.dtype == value.dtype]
    for k in reversed(same):
        if torch.equal(steps[k].gave, value):
            return k, None
    for k in reversed(same) if _tells(value) else ():
        for kind, function in _FUNCTIONS.items():
            if torch.equal(function(steps[k].gave), value):
                return k, kind
    return None


def _tells(value: Tensor) -> bool:
    """Whether these numbers are more than one number repeated, which any function might have given."""
    return bool((value != value.flatten()[:1]).any())


def _computes(found: _Found, answer: Tensor) -> bool:
    """Whether what was found gives the answer, when it is computed from the layer's result."""
    value = found.reading.value
    for layer in found.layers:
        if layer.weight is None:
            value = _FUNCTIONS[layer.kind](value)
        else:
            weight = torch.as_tensor(layer.weight.values).to(value)
            bias = None if layer.bias is None else torch.as_tensor(layer.bias.values).to(value)
            value = nn.functional.linear(value, weight, bias)
    if value.numel() != answer.numel():
        return False
    places = 64 * torch.finfo(answer.dtype).eps if answer.is_floating_point() else 0.0
    scale = float(answer.detach().abs().max()) if answer.numel() else 0.0
    return torch.allclose(value.flatten(), answer.flatten(), rtol=places, atol=places * max(scale, 1.0))


def _name_axes(answer: Tensor, found: _Found, result: Result) -> NamedArray:
    axes: tuple[str, ...] = ("output",)
    if result.batched and answer.dim() > 0:
        inner = {1: (), 2: ("output",), 3: ("step", "output")}
        rest = inner.get(answer.dim(), tuple(f"axis_{k}" for k in range(1, answer.dim())))
        axes = ("batch", *rest)
        if answer.dim() == 3 and found.reading.code == "output":
            axes = ("batch", "time", "output") if result.batch_first else ("time", "batch", "output")
    elif answer.dim() == 2:
        axes = ("time", "output")
    return NamedArray(to_numpy(answer), axes if len(axes) == answer.dim() else _plain(answer.dim()))


def _plain(dims: int) -> tuple[str, ...]:
    return tuple(f"axis_{k}" for k in range(dims))
