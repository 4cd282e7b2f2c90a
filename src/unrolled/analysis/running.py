"""Running a user's model once, watched from outside, and leaving it as it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from unrolled.analysis.layers_inside import as_ours, torch_kind
from unrolled.errors import ConfigError, DtypeError, ShapeError, UnrolledError
from unrolled.layers.findings import describe

Before: TypeAlias = Callable[[str, nn.Module, tuple[Any, ...], Mapping[str, Any]], None]
"""Told of each call of a part of the model: its name, the part, and what it is called with."""

After: TypeAlias = Callable[[str, nn.Module, tuple[Any, ...], Mapping[str, Any], Any], None]
"""As `Before`, with what came out."""


class Subject(NamedTuple):
    """A checked model and how it is called; `verb` is the function that the user called."""

    verb: str
    model: nn.Module
    keywords: Mapping[str, Any]

    def __call__(self, x: Any) -> Any:
        """Run the model as it stands now."""
        return self.model(x, **self.keywords)


def subject_of(verb: str, model: Any, lengths: Any) -> Subject:
    """Check a model, and find how it takes lengths."""
    if not isinstance(model, nn.Module):
        given = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise DtypeError(f"{verb} expected a model, that is a torch.nn.Module; got {given}.")
    model = original(model)
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise ConfigError(f"{verb}: parts of the model get their sizes at its first call. Call model(x) once before.")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ConfigError(f"{verb}: parts of the model are on the meta device, where there are no numbers to look at.")
    if lengths is not None and torch_kind(model) is not None:
        return Subject(verb, as_ours(model), {"lengths": lengths})
    return Subject(verb, model, _keywords(verb, model, lengths))


def original(model: nn.Module) -> nn.Module:
    """The module that `torch.compile` wraps, where it did."""
    return getattr(model, "_orig_mod", model)


def _keywords(verb: str, model: nn.Module, lengths: Any) -> dict[str, Any]:
    if lengths is None:
        return {}
    known = inspect.signature(model.forward).parameters
    if "lengths" in known or any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return {"lengths": lengths}
    raise ConfigError(
        f"{verb} was given lengths, but {type(model).__name__}.forward has no argument `lengths` to take them. Give it "
        "one and pass it on to the recurrent layer, which takes lengths if it is unrolled's (unrolled.replace(model) "
        "makes it so); or let the model pack its input itself (pack_padded_sequence), and leave lengths out here."
    )


def run(subject: Subject, x: Any, before: Before | None = None, after: After | None = None) -> Any:
    """Run the model once; what fails inside is told with its place.

    Raises:
        UnrolledError: The model failed.
    """
    inside: list[str] = []

    def enter(name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        inside.append(f"its part {name!r} ({type(module).__name__})" if name else type(module).__name__)
        if before is not None:
            before(name, module, args, kwargs)

    def leave(name: str, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        inside.pop()
        if after is not None:
            after(name, module, args, kwargs, result)

    with _hooked(subject.model, enter, leave), _uncompiled(subject.model):
        try:
            return subject(x)
        except UnrolledError:
            raise
        except Exception as error:
            kind = DtypeError if isinstance(error, TypeError) else ShapeError
            raise kind(_failure(subject.verb, x, inside, error)) from error


def _failure(verb: str, x: Any, inside: list[str], error: Exception) -> str:
    place = inside[-1] if inside else "the model"
    said = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    return (
        f"{verb} ran the model on x, {describe(x)}, and {place} failed ({reason}). "
        "Pass an x for which model(x) runs by itself, with lengths= if its forward takes them."
    )


@contextmanager
def _hooked(model: nn.Module, enter: Before, leave: After) -> Iterator[None]:
    handles = []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(partial(enter, name), with_kwargs=True))
            handles.append(module.register_forward_hook(partial(leave, name), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _uncompiled(model: nn.Module) -> Iterator[None]:
    """Run compiled parts as they were written: hooks don't run in compiled code."""
    if any("_orig_mod" in module._modules for module in model.modules()):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation, and afterwards back to what it was, whatever its forward did to it.

    That is: training flags, buffers, what is set on each of its modules, and PyTorch's random generators. Flags are
    set one by one, because a module's own `train` may do more.
    """
    modules = list(model.modules())
    kept = [(module, module.training, dict(vars(module)), _kept_buffers(module)) for module in modules]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(device.index or 0 for device in devices)):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, training, attributes, buffers in kept:
                _put_back(module, attributes, buffers)
                module.training = training


_Kept: TypeAlias = dict[str, tuple[Tensor | None, int, Tensor | None]]
"""A module's buffers: each itself, its version, and a copy."""


def _kept_buffers(module: nn.Module) -> _Kept:
    return {
        name: (None, 0, None) if b is None else (b, b._version, b.detach().clone())
        for name, b in module._buffers.items()
    }


def _put_back(module: nn.Module, attributes: Mapping[str, Any], buffers: _Kept) -> None:
    now = vars(module)
    for name in [name for name in now if name not in attributes]:
        del now[name]
    now.update(attributes)
    module._buffers.clear()
    for name, (buffer, version, copy) in buffers.items():
        module._buffers[name] = buffer
        # Written to only where it changed: a graph of the user's may still need it.
        if buffer is not None and copy is not None and buffer._version != version:
            with torch.no_grad():
                buffer.copy_(copy)


def first_tensor(result: Any) -> Tensor | None:
    """A model's answer: the first tensor of its result, of a PackedSequence its data; None when there is none."""
    if isinstance(result, Tensor):
        return result
    values = result.values() if isinstance(result, Mapping) else result if isinstance(result, list | tuple) else ()
    return next((found for value in values if (found := first_tensor(value)) is not None), None)


def answer_of(verb: str, result: Any) -> Tensor:
    """As `first_tensor`, for those who can do nothing without one."""
    answer = first_tensor(result)
    if answer is None:
        raise DtypeError(f"{verb} expected the model to return a tensor, or several; it returned {describe(result)}.")
    return answer
