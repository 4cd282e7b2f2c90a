"""From and to haste (LMNT): its LSTM and GRU.

haste's parameters are `kernel`, `recurrent_kernel` and `bias`, and the GRU's `recurrent_bias`; gates lie in the order
i, g, f, o, and z, r, g. Its GRU applies the reset gate after the recurrent product, as ours does by default.
Source: lmnt-com/haste, `frameworks/pytorch/lstm.py` and `gru.py`.

Shapes: F = input features, H = hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from unrolled.convert.arrays import Array, Axes, Parameters, check_arrays, to_arrays
from unrolled.convert.kernels import from_kernel, to_kernel
from unrolled.convert.portable import Layer, Portable, an, both_biases, build, refuse_options, take, with_one_bias
from unrolled.errors import ConfigError, Problems

_ORDER: Final = {"LSTM": "igfo", "GRU": "zrn"}
_OURS: Final = {"LSTM": "ifgo", "GRU": "rzn"}
_AXES: Final[dict[str, Axes]] = {
    "LSTM": {"recurrent_kernel": ("H", "4H"), "kernel": ("F", "4H"), "bias": ("4H",)},
    "GRU": {
        "recurrent_kernel": ("H", "3H"),
        "kernel": ("F", "3H"),
        "bias": ("3H",),
        "recurrent_bias": ("3H",),
    },
}


def from_haste(*layers: Mapping[str, Any], **options: Any) -> Layer:
    """Make a layer of ours from haste's parameters.

    Args:
        layers: One `state_dict()` of a `haste_pytorch.LSTM` or `GRU`, or more, which are stacked. A GRU is told by
            its `recurrent_bias`.
        options: Further arguments of our layer, such as `batch_first` or `dtype`. haste's `zoneout` acts on h:
            `zoneout=(p, 0.0)` for the LSTM; its `dropout` is our `weight_drop`.

    Raises:
        ConfigError: The layers are of two kinds.
        ShapeError: An array is missing or of another shape; the message lists all, with both shapes.

    Example:
        >>> import numpy as np
        >>> import unrolled
        >>> state = {"kernel": np.zeros((7, 80)), "recurrent_kernel": np.zeros((20, 80)), "bias": np.zeros(80)}
        >>> unrolled.convert.from_haste(state)
        LSTM(7, 20)
    """
    kinds = ["GRU" if "recurrent_bias" in layer else "LSTM" for layer in layers]
    if len(set(kinds)) != 1:
        raise ConfigError(
            f"from_haste needs layers of one kind, one state_dict each; got {', '.join(kinds) or 'none'}."
        )
    weights = [[_read(f"haste layer {k}, {an(kinds[0])}", kinds[0], layer)] for k, layer in enumerate(layers)]
    return build(Portable(kinds[0], weights, {}), **options)


def to_haste(layer: Layer) -> list[dict[str, Array]]:
    """The parameters of a layer of ours for haste: a `state_dict` of arrays for each layer of the stack.

    Args:
        layer: An `unrolled.LSTM` or `GRU` in one direction, with biases.

    Raises:
        ConfigError: haste has no counterpart for the layer or an option; the message lists all.
        DtypeError: It is no layer of ours.

    Example:
        >>> import unrolled
        >>> (state,) = unrolled.convert.to_haste(unrolled.GRU(7, 20))
        >>> {name: array.shape for name, array in state.items()}["recurrent_bias"]
        (60,)
    """
    portable, found = take(layer), Problems()
    found.check(portable.kind in _ORDER, f"haste has an LSTM and a GRU, but no {portable.kind}.")
    found.check(not layer.bidirectional, "haste's layers read forward alone; this one is bidirectional.")
    found.check("bias_ih" in portable.weights[0][0], "haste's layers have biases; this one has none.")
    found.raise_as(ConfigError)
    refuse_options(portable, "haste", ("zoneout",))
    return [_write(portable.kind, directions[0]) for directions in portable.weights]


def _read(where: str, kind: str, layer: Mapping[str, Any]) -> Parameters:
    arrays = to_arrays(where, layer)
    check_arrays(where, arrays, _AXES[kind])
    read = {name: from_kernel(array, _ORDER[kind], _OURS[kind]) for name, array in arrays.items()}
    weights = {"weight_ih": read["kernel"], "weight_hh": read["recurrent_kernel"]}
    if kind == "GRU":
        return weights | {"bias_ih": read["bias"], "bias_hh": read["recurrent_bias"]}
    return with_one_bias(weights, read["bias"])


def _write(kind: str, parameters: Parameters) -> dict[str, Array]:
    ours = {"kernel": parameters["weight_ih"], "recurrent_kernel": parameters["weight_hh"]}
    if kind == "GRU":
        ours |= {"bias": parameters["bias_ih"], "recurrent_bias": parameters["bias_hh"]}
    elif (bias := both_biases(parameters)) is not None:
        ours |= {"bias": bias}
    return {name: to_kernel(array, _OURS[kind], _ORDER[kind]) for name, array in ours.items()}
