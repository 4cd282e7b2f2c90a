"""Between our layers and every other layout: a layer as plain data, its arrays in our own order.

A layout is a pair of small functions between its arrays and `Parameters`; what layers have in common is here, once.

Shapes: F = input features, H = hidden units, S = size of the output (H, or the projection's size), B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import nn

from unrolled.convert.arrays import Array, Parameters, to_array
from unrolled.errors import ConfigError, DtypeError, Problems, ShapeError, did_you_mean
from unrolled.layers import GRU, LSTM, RNN

Layer: TypeAlias = LSTM | GRU | RNN

LAYERS: Final[dict[str, type[Layer]]] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
_GATES: Final = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}
_SYNONYMS: Final = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "simplernn": "RNN", "simple": "RNN", "elman": "RNN"}
_ABOUT_LAYERS: Final[dict[str, tuple[Any, ...]]] = {
    "residual": (None, False),
    "initial_state": (None, "zeros"),
    "zoneout": (None, 0.0, (0.0, 0.0)),
}
"""What a layer does beyond its cell, in eval() too, with the values that mean nothing."""


class Portable(NamedTuple):
    """A recurrent layer as plain data: `weights[layer][direction]`, and the options that are not at their defaults."""

    kind: str
    weights: list[list[Parameters]]
    options: dict[str, Any]

    @property
    def gates(self) -> str:
        """Our own order of the blocks; coupled gates have none for i."""
        return _GATES[self.kind].replace("i", "") if self.options.get("coupled_gates") else _GATES[self.kind]


def kind_of(name: object) -> str:
    """Read "LSTM", "GRU" or "RNN", in any case, or one of Keras' names.

    Raises:
        ConfigError: It is none of them.
    """
    read = _SYNONYMS.get(name.lower().replace("_", "")) if isinstance(name, str) else None
    if read is None:
        hint = did_you_mean(name, LAYERS) if isinstance(name, str) else ""
        raise ConfigError(f"kind must be one of 'LSTM', 'GRU' and 'RNN'; got {name!r}.{hint}")
    return read


def an(kind: str) -> str:
    """The kind with its article, for messages."""
    return f"a {kind}" if kind == "GRU" else f"an {kind}"


def build(portable: Portable, **options: Any) -> Layer:
    """Make a layer that holds these weights; no random number is drawn for it.

    Args:
        portable: The layer as data.
        options: Further arguments of the layer, among them `device` and `dtype` (that of the arrays by default).

    Raises:
        ShapeError: Layers or directions do not fit one another; the message lists all problems.
        ConfigError: The layer refuses an option.
    """
    sizes = _sizes_of(portable)
    device, dtype = options.pop("device", None), options.pop("dtype", None)
    dtype = dtype or torch.from_numpy(np.empty(0, _common_type(portable))).dtype
    with torch.random.fork_rng(devices=[]):
        layer = LAYERS[portable.kind](**sizes, **portable.options | options, dtype=dtype)
    load(layer, portable.weights)
    return layer.to(device)


def load(layer: Layer, weights: Sequence[Sequence[Parameters]]) -> None:
    """Copy arrays into a layer's weights.

    Raises:
        ShapeError: An array is missing, superfluous or of another shape; the message lists all, with both shapes.
    """
    given = _by_parameter(weights)
    held = _by_parameter([[_present(direction) for direction in directions] for directions in layer.weights()])
    found = Problems()
    for name in dict.fromkeys([*held, *given]):
        if name not in given:
            found.add(f"The layer has {name} {tuple(held[name].shape)}; the arrays have none.")
        elif name not in held:
            found.add(f"The arrays have {name} {given[name].shape}; the layer has none.")
        elif tuple(held[name].shape) != given[name].shape:
            found.add(f"{name} must be {tuple(held[name].shape)}, as the layer has it; got {given[name].shape}.")
    found.raise_as(ShapeError, "These arrays are not this layer's:" if found else "")
    with torch.no_grad():
        for name, array in given.items():
            held[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))


def take(layer: Any) -> Portable:
    """A layer as plain data.

    Raises:
        DtypeError: It is none of our layers.
    """
    if not isinstance(layer, LSTM | GRU | RNN):
        hint = " Pass unrolled.replace(layer)." if isinstance(layer, nn.RNNBase) else ""
        raise DtypeError(f"expected an unrolled.LSTM, GRU or RNN; got {type(layer).__name__}.{hint}")
    weights = [
        [{name: to_array(tensor, name) for name, tensor in _present(one).items()} for one in directions]
        for directions in layer.weights()
    ]
    return Portable(layer.kind, weights, _options_of(layer))


def refuse_options(portable: Portable, target: str, allowed: Collection[str]) -> None:
    """Raise every option and parameter that `target` has no counterpart for.

    Raises:
        ConfigError: The message lists all of them.
    """
    found = Problems()
    for name, value in portable.options.items():
        if name not in allowed:
            found.add(f"{target} has no counterpart for {name}={value!r}.")
    if any("weight_hr" in one for layer in portable.weights for one in layer) and "proj_size" not in allowed:
        found.add(f"{target} has no counterpart for a projection (proj_size).")
    found.raise_as(ConfigError)


def both_biases(parameters: Mapping[str, Array]) -> Array | None:
    """The sum of the two biases, for layouts that have one; None without biases."""
    if "bias_ih" not in parameters:
        return None
    return parameters["bias_ih"] + parameters["bias_hh"]


def with_one_bias(parameters: Parameters, bias: Array | None) -> Parameters:
    """Add the one bias of other layouts as our first, with zeros as the second."""
    return parameters if bias is None else parameters | {"bias_ih": bias, "bias_hh": np.zeros_like(bias)}


def _options_of(layer: Layer) -> dict[str, Any]:
    cell = layer.spec().cells[0]
    options = dict(cell.options)
    if getattr(cell, "nonlinearity", "tanh") != "tanh":
        options["nonlinearity"] = cell.nonlinearity  # type: ignore[attr-defined]
    for name, nothing in _ABOUT_LAYERS.items():
        if (value := getattr(layer, name, None)) not in nothing:
            options[name] = value
    return options


def _present(weights: Any) -> dict[str, Any]:
    return {name: tensor for name, tensor in weights._asdict().items() if tensor is not None}


def _by_parameter(weights: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    return {
        f"{name}_l{k}{suffix}": array
        for k, directions in enumerate(weights)
        for suffix, parameters in zip(("", "_reverse"), directions, strict=False)
        for name, array in parameters.items()
    }


def _common_type(portable: Portable) -> np.dtype[Any]:
    return np.result_type(*_by_parameter(portable.weights).values())


def _sizes_of(portable: Portable) -> dict[str, Any]:
    """The layer's sizes, as its constructor takes them."""
    weights = portable.weights
    first = weights[0][0]
    _check_alike(weights)
    blocks = len(portable.gates)
    hidden = [directions[0]["weight_ih"].shape[0] // blocks for directions in weights]
    sizes: dict[str, Any] = {
        "input_size": first["weight_ih"].shape[1],
        "hidden_size": hidden[0] if len(set(hidden)) == 1 else hidden,
        "num_layers": len(weights),
        "bias": "bias_ih" in first,
        "bidirectional": len(weights[0]) == 2,
    }
    if "weight_hr" in first:
        sizes["proj_size"] = first["weight_hr"].shape[0]
    return sizes


def _check_alike(weights: Sequence[Sequence[Parameters]]) -> None:
    """Refuse layers that cannot stand on one another."""
    found, first = Problems(), weights[0]
    for k, directions in enumerate(weights):
        if len(directions) != len(first):
            found.add(f"layer {k} has {len(directions)} direction(s), layer 0 has {len(first)}.")
        for d, parameters in enumerate(directions):
            if parameters.keys() != first[0].keys():
                found.add(f"layer {k}, direction {d} has {', '.join(parameters)}; layer 0 has {', '.join(first[0])}.")
            shapes = {name: array.shape for name, array in parameters.items()}
            if shapes != {name: array.shape for name, array in directions[0].items()}:
                found.add(f"layer {k}'s two directions differ in their shapes: {_shapes_of(directions)}.")
    for k, (below, above) in enumerate(pairwise(weights), start=1):
        made = sum(one["weight_hh"].shape[1] for one in below)
        if (read := above[0]["weight_ih"].shape[1]) != made:
            found.add(f"layer {k} reads F={read} features, but layer {k - 1} puts out {made}.")
    found.raise_as(ShapeError, "These layers do not make one stack:" if found else "")


def _shapes_of(directions: Sequence[Parameters]) -> str:
    return " and ".join(str({name: array.shape for name, array in one.items()}) for one in directions)
