"""`info`: versions, threads, kernels, and for a given layer and input which kernel runs and why."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, NamedTuple, TypeAlias

import torch

from unrolled.errors import ConfigError, DtypeError
from unrolled.kernels import KERNELS, Call, explain, native_state
from unrolled.layers.cell_stack import Stack
from unrolled.layers.checks import check_call
from unrolled.layers.forms import open_input
from unrolled.layers.gru import GRU
from unrolled.layers.lstm import LSTM
from unrolled.layers.one_step import RecurrentCell
from unrolled.layers.recurrent import RecurrentLayer
from unrolled.layers.rnn import RNN
from unrolled.layers.stack import describe_call
from unrolled.layers.states import open_states


class Choice(NamedTuple):
    """One layer's kernel (None: none can run it), and what there is to say of every kernel."""

    chosen: str | None
    reasons: dict[str, str]


_OWN: Final = Choice("a module of its own", {})
"""Of a layer of a stack that no kernel runs."""


@dataclass(frozen=True)
class Info:
    """What `info` found; its text is meant to be read, its fields to be tested.

    native: The instruction set that the native kernels use, or why there are none.
    """

    versions: dict[str, str]
    threads: int
    kernels: tuple[str, ...]
    native: str
    layer: str = ""
    input: str = ""
    choices: tuple[Choice, ...] = field(default=())

    def __str__(self) -> str:
        lines = [" · ".join(f"{name} {number}" for name, number in self.versions.items())]
        lines += [f"threads: {self.threads}", f"kernels, the preferred first: {', '.join(self.kernels)}"]
        lines += [f"native kernels: {self.native}"]
        lines += [self.layer] if self.layer else []
        lines += [self.input] if self.input else []
        for first, last, choice in _grouped(self.choices):
            name = f"layer {first}" if first == last else f"layers {first} to {last}"
            lines.append(f"  {name}: {choice.chosen or 'no kernel can run this'}")
            lines += [f"    {kernel:10} {reason}" for kernel, reason in choice.reasons.items()]
        return "\n".join(lines)

    __repr__ = __str__

    def to_json(self) -> dict[str, Any]:
        """Return what was found as plain JSON types."""
        fields = {name: getattr(self, name) for name in ("versions", "threads", "native", "layer", "input")}
        choices = [choice._asdict() for choice in self.choices]
        return fields | {"kernels": list(self.kernels), "choices": choices}


def info(layer: Any = None, x: Any = None, lengths: Any = None) -> Info:
    """Say which kernel runs a layer on an input, and why not each other one.

    Args:
        layer: One of this package's layers or cells; without it only versions, threads and kernels are told.
        x: An input for it, as in a call; grad mode counts as it is now.
        lengths: As in a call.

    Returns:
        An object whose text (`print`) has it all.

    Raises:
        ConfigError: An input without a layer, or lengths for a single step.
        DtypeError: `layer` is none of ours.
        ShapeError: The input does not fit the layer.

    Example:
        >>> import torch
        >>> import unrolled
        >>> lstm = unrolled.LSTM(7, 50, num_layers=2)
        >>> about = unrolled.info(lstm, torch.randn(96, 32, 7))
        >>> about.input
        'input (T=96, N=32, F=7), torch.float32 on cpu, gradients wanted'
        >>> about.choices[0].chosen in about.kernels
        True
    """
    general = Info(_versions(), torch.get_num_threads(), tuple(kernel.name for kernel in KERNELS), native_state())
    if layer is None:
        if x is not None:
            raise ConfigError("info was given an input but no layer. Call info(layer, x).")
        return general
    if not isinstance(layer, RecurrentLayer | RecurrentCell | Stack):
        raise DtypeError(
            f"info expected one of unrolled's layers; got {type(layer).__name__}. "
            "unrolled.replace(model) swaps those of torch.nn."
        )
    calls = [] if x is None else _calls(layer, x, lengths)
    first = next((call[0] for call in calls if call), None)
    return Info(
        general.versions,
        general.threads,
        general.kernels,
        general.native,
        layer=repr(layer),
        input=_describe(first) if first else "" if calls else "Pass an input to see which kernel runs it.",
        choices=tuple(_choice(*call) if call else _OWN for call in calls),
    )


def info_of_sizes(kind: str, features: int, hidden_size: int, batch: int, time: int, ragged: bool) -> Info:
    """Return `info` of a fresh layer ("LSTM", "GRU" or "RNN") and an input of these sizes."""
    layers: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
    lengths = [1 + row % time for row in range(batch)] if ragged else None
    return info(layers[kind](features, hidden_size, batch_first=True), torch.zeros(batch, time, features), lengths)


def _versions() -> dict[str, str]:
    return {
        "unrolled": version("unrolled"),
        "torch": str(torch.__version__),
        "Python": platform.python_version(),
    }


_Asked: TypeAlias = tuple[Call, str]
"""A call, and the kernel that was asked for."""


def _calls(layer: RecurrentLayer | RecurrentCell | Stack, x: Any, lengths: Any) -> list[_Asked | None]:
    if isinstance(layer, Stack):
        return [directions[0] for directions in layer.describe_calls(x, lengths)]
    return [(call, layer.kernel) for call in _calls_of_one_kind(layer, x, lengths)]


def _calls_of_one_kind(layer: RecurrentLayer | RecurrentCell, x: Any, lengths: Any) -> list[Call]:
    if isinstance(layer, RecurrentCell):
        if lengths is not None:
            raise ConfigError(f"info was given lengths, but {layer.kind} runs a single step. Leave lengths out.")
        return [layer.describe_call(x, None)]
    spec, weights = layer.spec(), layer.weights()
    check_call(spec, x, None, lengths, weights[0][0][0])
    form = open_input(x, lengths, spec.batch_first)
    states = open_states(spec, form, None)
    calls: list[Call] = []
    for k, features in enumerate(spec.input_sizes()):
        call = describe_call(spec, k, form.x, form.ragged, states[k], weights[k], record=False)
        needs_grad = call.needs_grad or any(before.needs_grad for before in calls)
        calls.append(call._replace(features=features, needs_grad=needs_grad))
    return calls


def _choice(call: Call, asked: str) -> Choice:
    verdicts = explain(call)
    able = [name for name, verdict in verdicts.items() if verdict == "yes" and asked in ("auto", name)]
    chosen = able[0] if able else None
    return Choice(chosen, {name: _reason(name, v, chosen, asked) for name, v in verdicts.items()})


def _reason(name: str, verdict: str, chosen: str | None, asked: str) -> str:
    if name == chosen:
        return "chosen" if asked == "auto" else f"chosen by kernel={asked!r}"
    if verdict != "yes":
        return f"cannot run this: {verdict}"
    return f"can run this, but {chosen} is preferred" if asked == "auto" else f"kernel={asked!r} leaves it out"


def _describe(call: Call) -> str:
    ragged = ", ragged" + (" with empty rows" if call.empty_rows else "") if call.ragged else ""
    grad = "gradients wanted" if call.needs_grad else "no gradients wanted"
    sizes = f"(T={call.time}, N={call.batch}, F={call.features}){ragged}"
    return f"input {sizes}, {call.dtype} on {call.device}, {grad}"


def _grouped(choices: tuple[Choice, ...]) -> list[tuple[int, int, Choice]]:
    """Neighbouring layers with the same choice, as (first, last, choice)."""
    groups: list[tuple[int, int, Choice]] = []
    for k, choice in enumerate(choices):
        if groups and groups[-1][2] == choice:
            groups[-1] = (groups[-1][0], k, choice)
        else:
            groups.append((k, k, choice))
    return groups
