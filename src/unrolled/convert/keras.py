"""From and to Keras 3: LSTM, GRU and SimpleRNN, alone or in a Bidirectional.

Keras lists a layer's arrays as kernel, recurrent kernel and, unless `use_bias=False`, bias. Gates lie in the order
i, f, c, o, and z, r, h. A GRU with `reset_after=True`, its default, has two biases (2, 3H); else it has one (3H).

Shapes: F = input features, H = hidden units, B = gate blocks.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from unrolled.cells import Activation
from unrolled.convert.arrays import Array, Parameters, check_arrays, to_arrays
from unrolled.convert.kernels import from_kernel, to_kernel
from unrolled.convert.portable import (
    Layer,
    Portable,
    an,
    both_biases,
    build,
    kind_of,
    refuse_options,
    take,
    with_one_bias,
)
from unrolled.errors import ConfigError, Problems, ShapeError

_ORDER: Final = {"LSTM": "ifgo", "GRU": "zrn", "RNN": "h"}
_OURS: Final = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}
_NAMES: Final = ("kernel", "recurrent_kernel", "bias")
_ACTIVATIONS: Final[dict[str, Any]] = {
    "linear": "affine",
    "hard_sigmoid": Activation("hard_sigmoid", alpha=1 / 6),
    "leaky_relu": Activation("leaky_relu", alpha=0.2),
    "relu6": functional.relu6,
    "gelu": functional.gelu,
    "selu": functional.selu,
    "silu": functional.silu,
    "mish": functional.mish,
    "exponential": torch.exp,
} | {name: name for name in ("tanh", "sigmoid", "relu", "elu", "softsign", "softplus")}
"""Keras' names, and what we call the same function."""


def from_keras(*layers: Any, kind: str | None = None, batch_first: bool = True, **options: Any) -> Layer:
    """Make a layer of ours from Keras' layers, or from their arrays.

    Args:
        layers: One Keras layer or more, which are stacked: an LSTM, GRU, SimpleRNN or a Bidirectional of one, built;
            or what its `get_weights()` gives. A layer's activations, `reset_after` and the like are read off it;
            beside mere arrays they have to be given as our options.
        kind: "LSTM", "GRU" or "RNN". Needed beside mere arrays.
        batch_first: As in our layers, but True by default, as Keras reads (N, T, F).
        options: Further arguments of our layer, such as `dtype`.

    Returns:
        An `unrolled.LSTM`, `GRU` or `RNN`, in the arrays' dtype. Unlike Keras' it puts out every step, and the states.
        A mask of Keras becomes `lengths=` in the call.

    Raises:
        ConfigError: A layer does what ours cannot; the message says what to do instead.
        ShapeError: An array is missing or of another shape; the message lists all, with both shapes.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> import unrolled
        >>> weights = [np.zeros((7, 80)), np.zeros((20, 80)), np.zeros(80)]  # keras.layers.LSTM(20).get_weights()
        >>> unrolled.convert.from_keras(weights, kind="LSTM", dtype=torch.float32)
        LSTM(7, 20, batch_first=True)
    """
    read = [_read(layer, kind, f"Keras layer {k}", options) for k, layer in enumerate(_at_least_one(layers))]
    first = read[0]
    for k, other in enumerate(read):
        if (other.kind, other.options) != (first.kind, first.options):
            raise ConfigError(
                f"Keras layers 0 and {k} are not alike: {first.kind} with {first.options}, {other.kind} with "
                f"{other.options}. Convert them one by one, and put them in a row."
            )
    weights = [directions for portable in read for directions in portable.weights]
    return build(Portable(first.kind, weights, first.options | {"batch_first": batch_first}), **options)


def to_keras(layer: Layer) -> list[list[Array]]:
    """The arrays of a layer of ours for Keras' `set_weights`.

    Args:
        layer: An `unrolled.LSTM`, `GRU` or `RNN`.

    Returns:
        One list of arrays for each layer of the stack; both directions in one, as `keras.layers.Bidirectional` has
        them. Options are the Keras layer's own: a GRU here needs the same `reset_after` there, and an activation too.

    Raises:
        ConfigError: Keras has no counterpart for an option; the message lists all.
        DtypeError: It is no layer of ours.

    Example:
        >>> import unrolled
        >>> (weights,) = unrolled.convert.to_keras(unrolled.GRU(7, 20))
        >>> [array.shape for array in weights]
        [(7, 60), (20, 60), (2, 60)]
    """
    portable = take(layer)
    refuse_options(portable, "Keras", ("activation", "recurrent_activation", "nonlinearity", "reset_after"))
    reset_after = portable.options.get("reset_after", True)
    return [
        [array for one in directions for array in _write(portable.kind, one, reset_after)]
        for directions in portable.weights
    ]


class _Arrays(NamedTuple):
    """A Keras layer taken apart."""

    kind: str
    directions: list[list[Array]]
    options: dict[str, Any]


def _at_least_one(layers: tuple[Any, ...]) -> tuple[Any, ...]:
    if not layers:
        raise ConfigError("from_keras needs a Keras layer, or the list that its get_weights() gives; got nothing.")
    return layers


def _read(layer: Any, kind: str | None, where: str, options: dict[str, Any]) -> Portable:
    apart = _take_apart(layer, where) if hasattr(layer, "get_weights") else _from_list(layer, kind, where, options)
    weights = []
    for arrays in apart.directions:
        named = to_arrays(f"{where}, {an(apart.kind)}", dict(zip(_NAMES, arrays, strict=False)))
        weights.append(_parameters(where, apart.kind, named, apart.options))
    return Portable(apart.kind, [weights], apart.options)


def _parameters(where: str, kind: str, arrays: dict[str, Array], options: dict[str, Any]) -> Parameters:
    blocks, given, ours = len(_ORDER[kind]), _ORDER[kind], _OURS[kind]
    width = f"{blocks}H" if blocks > 1 else "H"
    two_biases = kind == "GRU" and options.get("reset_after", True)
    if two_biases and "bias" in arrays and arrays["bias"].ndim == 1:
        raise ShapeError(
            f"{where}: with reset_after=True a GRU's bias is (2, 3H); got {arrays['bias'].shape}. "
            "Was it made with reset_after=False? Pass that."
        )
    bias = ("2", width) if two_biases else (width,)
    axes = {"recurrent_kernel": ("H", width), "kernel": ("F", width), "bias": bias}
    check_arrays(f"{where}, {an(kind)}", arrays, axes, optional=("bias",))
    weights = {
        "weight_ih": from_kernel(arrays["kernel"], given, ours),
        "weight_hh": from_kernel(arrays["recurrent_kernel"], given, ours),
    }
    if "bias" in arrays and two_biases:
        ih, hh = (from_kernel(row, given, ours) for row in arrays["bias"])
        return weights | {"bias_ih": ih, "bias_hh": hh}
    return with_one_bias(weights, from_kernel(arrays["bias"], given, ours) if "bias" in arrays else None)


def _write(kind: str, parameters: Parameters, reset_after: bool) -> list[Array]:
    given, theirs = _OURS[kind], _ORDER[kind]
    arrays = [to_kernel(parameters[name], given, theirs) for name in ("weight_ih", "weight_hh")]
    if (bias := both_biases(parameters)) is None:
        return arrays
    if kind == "GRU" and reset_after:
        return [*arrays, np.stack([to_kernel(parameters[name], given, theirs) for name in ("bias_ih", "bias_hh")])]
    return [*arrays, to_kernel(bias, given, theirs)]


def _from_list(arrays: Any, kind: str | None, where: str, options: dict[str, Any]) -> _Arrays:
    if kind is None:
        raise ConfigError(
            f"{where} is a list of arrays, which do not say whose they are. Pass kind='LSTM', 'GRU' or 'RNN'."
        )
    if not isinstance(arrays, Sequence) or len(arrays) not in (2, 3, 4, 6):
        size = f" of {len(arrays)}" if isinstance(arrays, Sequence) else ""
        raise ShapeError(
            f"{where} must be a list of kernel, recurrent kernel and, where there is one, bias; twice those for "
            f"Bidirectional. Got a {type(arrays).__name__}{size}."
        )
    half = len(arrays) // 2
    directions = [list(arrays)] if len(arrays) < 4 else [list(arrays[:half]), list(arrays[half:])]
    read = kind_of(kind)
    bias = directions[0][2] if len(directions[0]) == 3 else None
    own: dict[str, Any] = {}
    if read == "GRU" and ("reset_after" in options or (bias is not None and np.ndim(bias) == 1)):
        own["reset_after"] = options.get("reset_after", False)
    return _Arrays(read, directions, own)


def _take_apart(layer: Any, where: str) -> _Arrays:
    """Read a Keras layer; none of its module is imported for it."""
    if not hasattr(layer, "forward_layer"):
        return _one_layer(layer, where, backwards=False)
    forward = _one_layer(layer.forward_layer, where, backwards=False)
    backward = _one_layer(layer.backward_layer, where, backwards=True)
    found = Problems()
    found.check(
        layer.merge_mode == "concat",
        f"{where} merges its directions by {layer.merge_mode!r}; ours puts them side by side. "
        "Convert with merge_mode='concat', and merge the two halves of the output yourself.",
    )
    found.check(
        (forward.kind, forward.options) == (backward.kind, backward.options),
        f"{where} reads forward by {forward.kind} with {forward.options} and backward by {backward.kind} with "
        f"{backward.options}; ours reads both ways alike. Convert forward_layer and backward_layer one by one.",
    )
    found.raise_as(ConfigError)
    return _Arrays(forward.kind, forward.directions + backward.directions, forward.options)


def _one_layer(layer: Any, where: str, backwards: bool) -> _Arrays:
    config, name = layer.get_config(), type(layer).__name__
    kind, found = kind_of(name), Problems()
    found.check(
        config.get("go_backwards", False) == backwards,
        f"{where} has go_backwards={not backwards}. Convert it with go_backwards=False and flip its input.",
    )
    found.check(not config.get("stateful"), f"{where} is stateful. Convert it with stateful=False, and pass hx= on.")
    options = _activation_options(kind, config, where, found)
    if kind == "GRU" and not config["reset_after"]:
        options["reset_after"] = False
    found.raise_as(ConfigError)
    if config.get("recurrent_dropout"):
        options["recurrent_dropout"] = config["recurrent_dropout"]
    if config.get("dropout"):
        warnings.warn(
            f"{where} drops its input in training (dropout={config['dropout']}), one mask a sequence, which ours does "
            "not: put a dropout before it if you train on.",
            stacklevel=4,
        )
    return _Arrays(kind, [layer.get_weights()], options)


def _activation_options(kind: str, config: dict[str, Any], where: str, found: Problems) -> dict[str, Any]:
    ours = {"activation": "nonlinearity"} if kind == "RNN" else {}
    options = {}
    for name, default in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        theirs = config.get(name, default)
        if isinstance(theirs, str) and theirs in _ACTIVATIONS:
            if theirs != default:
                options[ours.get(name, name)] = _ACTIVATIONS[theirs]
        else:
            found.add(
                f"{where} has {name}={theirs!r}, which ours does not know by name. Convert its get_weights() with "
                f"kind={kind!r} and give {ours.get(name, name)}= a function of a tensor."
            )
    return options
