"""Whether the page can compute a network itself, and why not where it cannot; the equations are in web/src/engine."""

from __future__ import annotations

import re
from typing import Any, Final

from unrolled.trace import Recurrent, Trace

COMPUTED: Final = ("LSTM", "GRU", "RNN")

ACTIVATIONS: Final = (
    "relu",
    "tanh",
    "sigmoid",
    "affine",
    "leaky_relu",
    "thresholded_relu",
    "scaled_tanh",
    "hard_sigmoid",
    "elu",
    "softsign",
    "softplus",
)
"""The nonlinearities that the page knows: all those that have a name."""

_ACTIVATING: Final = ("activation", "recurrent_activation", "nonlinearity")

_SHOWS: Final = "The page shows the recorded numbers and computes nothing: "


def why_not_computed(layer: Recurrent, trace: Trace, has_weights: bool, has_inputs: bool) -> str | None:
    """Return in a sentence why the page cannot compute this network; None where it can."""
    if trace.kind not in COMPUTED:
        return f"{_SHOWS}it has the equations of LSTM, GRU and RNN, and this is {trace.kind}."
    if odd := _odd_settings(trace.settings):
        return f"{_SHOWS}it does not have the equations of {', '.join(odd)}."
    if len(layer.weights) != len(trace.parts):
        return f"{_SHOWS}the layer's weights were not recorded."
    if not has_weights:
        count = sum(array.values.size for part in layer.weights for array in part.arrays.values())
        return f"{_SHOWS}the layer's {count:,} weights would make it too large."
    if not has_inputs:
        return f"{_SHOWS}the whole input would make it too large."
    return None


def _odd_settings(settings: Any) -> list[str]:
    """Settings that change what is computed in a way that the page does not know."""
    odd = [name for name in _ACTIVATING if not _is_known(settings.get(name, "tanh"))]
    held = settings.get("zoneout", 0)
    odd += ["zoneout"] if any(held if isinstance(held, list | tuple) else (held,)) else []
    return [f"{name}={settings[name]!r}" for name in odd]


def _is_known(activation: object) -> bool:
    """Whether this is a known name, or one with its constants: "Activation('elu', alpha=0.5)"."""
    with_constants = re.fullmatch(r"Activation\('(\w+)'.*\)", str(activation))
    return (with_constants[1] if with_constants else activation) in ACTIVATIONS
