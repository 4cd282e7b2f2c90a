"""The attributes of ONNX's LSTM, GRU and RNN nodes and our layers' options, both ways, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from unrolled.cells import Activation
from unrolled.convert.portable import Portable
from unrolled.errors import ConfigError, Problems, did_you_mean

_DEFAULTS: Final[dict[str, tuple[str, ...]]] = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
_COMMON: Final = ("activations", "activation_alpha", "activation_beta", "clip", "direction", "hidden_size", "layout")
_KNOWN: Final = {
    "LSTM": (*_COMMON, "input_forget"),
    "GRU": (*_COMMON, "linear_before_reset"),
    "RNN": _COMMON,
}
_DIRECTIONS: Final = ("forward", "reverse", "bidirectional")
_IGNORED: Final = ("output_sequence",)  # of opset 1 to 6: whether Y is given out


def read_attributes(where: str, kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a node's attributes into the options of our layer; `direction` and `hidden_size` are not among those.

    Raises:
        ConfigError: An attribute has no counterpart; the message lists all.
    """
    found = Problems()
    options: dict[str, Any] = {}
    for name in attributes:
        if name not in (*_KNOWN[kind], *_IGNORED):
            found.add(
                f"{where} has an attribute {name!r} that ONNX's {kind} does not.{did_you_mean(name, _KNOWN[kind])}"
            )
    direction = attributes.get("direction", "forward")
    found.check(
        direction in _DIRECTIONS, f"{where}: direction must be one of {', '.join(_DIRECTIONS)}; got {direction!r}."
    )
    options |= _read_activations(where, kind, attributes, 2 if direction == "bidirectional" else 1, found)
    if attributes.get("clip"):
        options["preactivation_clip"] = _as_written(attributes["clip"])
    if kind == "LSTM" and attributes.get("input_forget"):
        options["coupled_gates"] = True
        if not _is_point_symmetric(options.get("recurrent_activation", "sigmoid")):
            found.add(f"{where}: input_forget=1 can be read where 1 − f(a) = f(−a), as for Sigmoid alone.")
    if kind == "GRU" and not attributes.get("linear_before_reset"):
        options["reset_after"] = False
    found.raise_as(ConfigError)
    return options


def write_attributes(portable: Portable) -> dict[str, Any]:
    """Turn a layer's options into a node's attributes, `direction` and `hidden_size` among them.

    Raises:
        ConfigError: ONNX has no counterpart; the message lists all.
    """
    kind, options, found = portable.kind, portable.options, Problems()
    directions = len(portable.weights[0])
    attributes: dict[str, Any] = {"direction": _DIRECTIONS[2 if directions == 2 else 0]}
    functions = _functions_of(kind, options, found)
    if tuple(function.name for function in functions) != tuple(name.lower() for name in _DEFAULTS[kind]):
        functions *= directions
        attributes["activations"] = [_onnx_name(function.name) for function in functions]
        for constant in ("alpha", "beta"):
            values = [getattr(function, constant) for function in functions]
            if given := [value for value in values if value is not None]:
                attributes[f"activation_{constant}"] = given
    if clip := options.get("preactivation_clip"):
        attributes["clip"] = float(clip)
    if options.get("coupled_gates"):
        attributes["input_forget"] = 1
        gate = options.get("recurrent_activation", "sigmoid")
        found.check(
            _is_point_symmetric(gate), f"ONNX's input_forget can be written where 1 − f(a) = f(−a); got {gate!r}."
        )
    if kind == "GRU":
        attributes["linear_before_reset"] = int(options.get("reset_after", True))
    found.raise_as(ConfigError)
    return attributes


def _read_activations(
    where: str, kind: str, attributes: Mapping[str, Any], directions: int, found: Problems
) -> dict[str, Any]:
    names = list(attributes.get("activations") or _DEFAULTS[kind] * directions)
    wanted = len(_DEFAULTS[kind]) * directions
    if len(names) != wanted:
        found.add(f"{where}: activations must be {wanted} names; got {names}.")
        return {}
    alphas, betas = (
        [_as_written(value) for value in attributes.get(f"activation_{constant}") or ()]
        for constant in ("alpha", "beta")
    )
    functions = [_take(where, name, alphas, betas, found) for name in names]
    each = len(_DEFAULTS[kind])
    if functions[:each] != functions[-each:]:
        found.add(f"{where}: both directions must have the same activations, as ours have; got {names}.")
    if kind == "LSTM" and functions[1] != functions[2]:
        found.add(f"{where}: an LSTM of ours has one activation for g and h (c's two); got {names[1]} and {names[2]}.")
    return _options_of(kind, functions)


def _take(where: str, name: str, alphas: list[float], betas: list[float], found: Problems) -> Activation | None:
    """The next activation; it takes of alphas and betas what it needs."""
    try:
        plain = Activation(name)
    except ConfigError as error:
        found.add(f"{where}: {error}")
        return None
    alpha = alphas.pop(0) if plain.alpha is not None and alphas else None
    beta = betas.pop(0) if plain.beta is not None and betas else None
    return Activation(name, alpha, beta)


def _options_of(kind: str, functions: list[Activation | None]) -> dict[str, Any]:
    if kind == "RNN":
        named = {"nonlinearity": (functions[0], "tanh")}
    else:
        named = {"recurrent_activation": (functions[0], "sigmoid"), "activation": (functions[1], "tanh")}
    return {
        option: function.name if function == Activation(function.name) else function
        for option, (function, default) in named.items()
        if function is not None and function != Activation(default)
    }


def _functions_of(kind: str, options: Mapping[str, Any], found: Problems) -> list[Activation]:
    if kind == "RNN":
        return [_function(options.get("nonlinearity", "tanh"), "nonlinearity", found)]
    gate = _function(options.get("recurrent_activation", "sigmoid"), "recurrent_activation", found)
    return [gate] + [_function(options.get("activation", "tanh"), "activation", found)] * (len(_DEFAULTS[kind]) - 1)


def _function(value: Any, argument: str, found: Problems) -> Activation:
    if isinstance(value, str | Activation):
        return Activation(value) if isinstance(value, str) else value
    found.add(
        f"ONNX names a node's activations; {argument}={value!r} is a function. Use a name or unrolled.Activation."
    )
    return Activation("tanh")


def _is_point_symmetric(value: Any) -> bool:
    """Whether 1 − f(a) = f(−a)."""
    function = Activation(value) if isinstance(value, str) else value
    return function == Activation("sigmoid") or (
        isinstance(function, Activation) and function.name == "hard_sigmoid" and function.beta == 0.5
    )


def _as_written(value: float) -> float:
    """0.4 for the 0.4000000059604645 that ONNX's float32 makes of it: the shortest number that is the same to it."""
    return float(str(np.float32(value)))


def _onnx_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
