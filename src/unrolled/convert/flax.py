"""From and to flax: the parameter trees of its LSTM, GRU and simple cells, of nnx and of linen.

nnx has `dense_i` and `dense_h` with all gates in one kernel (`OptimizedLSTMCell`, `GRUCell`, `SimpleCell`), or a pair
for each gate (`LSTMCell`: `ii`, `if_`, `ig`, `io`, `hi`, …); linen has a pair for each gate of every cell. The order is
ours: i, f, g, o, and r, z, n. Which of the two has a bias differs from cell to cell.

Shapes: F = input features, H = hidden units, B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from unrolled.convert.arrays import Array, Parameters, check_arrays, to_arrays
from unrolled.convert.portable import Layer, Portable, an, both_biases, build, kind_of, refuse_options, take
from unrolled.errors import ConfigError

_GATES: Final = {"LSTM": "ifgo", "GRU": "rzn", "RNN": ""}
_SIDES: Final = {"i": "ih", "h": "hh"}


def from_flax(*layers: Mapping[str, Any], kind: str, batch_first: bool = True, **options: Any) -> Layer:
    """Make a layer of ours from the parameters of flax' cells.

    Args:
        layers: For each layer of the stack its tree of parameters: nested dictionaries of arrays, as
            `nnx.to_pure_dict(nnx.state(cell))` or linen's `variables["params"]` has them. Of `nnx.RNN` and
            `nnx.Bidirectional` alike.
        kind: "LSTM" (`LSTMCell`, `OptimizedLSTMCell`), "GRU" (`GRUCell`) or "RNN" (`SimpleCell`).
        batch_first: As in our layers, but True by default, as `time_major=False` is in `nnx.RNN`.
        options: Further arguments of our layer, such as `activation` or `dtype`.

    Raises:
        ShapeError: An array is missing or of another shape; the message lists all, with both shapes.
        ConfigError: `kind` is none, or the layers do not belong together.

    Example:
        >>> import numpy as np
        >>> import unrolled
        >>> of_x, of_h = np.zeros((7, 60)), np.zeros((20, 60))
        >>> tree = {"dense_i": {"kernel": of_x, "bias": np.zeros(60)}, "dense_h": {"kernel": of_h}}
        >>> unrolled.convert.from_flax(tree, kind="GRU")
        GRU(7, 20, batch_first=True)
    """
    read = kind_of(kind)
    if not layers:
        raise ConfigError("from_flax needs the parameters of a cell; got nothing.")
    weights = [
        [_read(read, tree, f"flax layer {k}, {an(read)}{what}") for what, tree in _directions(layer)]
        for k, layer in enumerate(layers)
    ]
    return build(Portable(read, weights, {"batch_first": batch_first}), **options)


def to_flax(layer: Layer, *, form: Literal["fused", "gates", "linen"] = "fused") -> list[tuple[dict[str, Any], ...]]:
    """The parameters of flax' cells that compute what a layer of ours does.

    Args:
        layer: An `unrolled.LSTM`, `GRU` or `RNN`.
        form: "fused" for nnx' `OptimizedLSTMCell`, `GRUCell` and `SimpleCell`; "gates" for nnx' `LSTMCell`; "linen" for
            all of linen's cells.

    Returns:
        For each layer of the stack a tuple with the tree of each direction. A layer without biases gets zeros for
        them, which flax' cells always have. An activation is the cell's own argument.

    Raises:
        ConfigError: flax has no counterpart for an option, or for a bias that is not zero; the message lists all.
        DtypeError: It is no layer of ours.

    Example:
        >>> import unrolled
        >>> ((tree,),) = unrolled.convert.to_flax(unrolled.LSTM(7, 20))
        >>> tree["dense_i"]["kernel"].shape, tree["dense_h"]["bias"].shape
        ((7, 80), (80,))
    """
    portable = take(layer)
    if form not in ("fused", "gates", "linen"):
        raise ConfigError(f"form must be 'fused', 'gates' or 'linen'; got {form!r}.")
    if form == "gates" and portable.kind != "LSTM":
        raise ConfigError(f"form='gates' is of nnx' LSTMCell; nnx has its {portable.kind} in the form 'fused' alone.")
    refuse_options(portable, "flax", ("activation", "recurrent_activation", "nonlinearity"))
    return [tuple(_write(portable.kind, one, form) for one in directions) for directions in portable.weights]


def _directions(tree: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The cell of each direction, out of what wraps it."""
    if "forward_rnn" in tree:
        pair = (("", tree["forward_rnn"]), (", backward", tree["backward_rnn"]))
        return [(what, one.get("cell", one)) for what, one in pair]
    return [("", tree.get("cell", tree))]


def _read(kind: str, tree: Mapping[str, Any], where: str) -> Parameters:
    arrays = to_arrays(where, _flat(tree))
    given = {name.partition("/")[0] for name in arrays}
    gates = "" if "dense_i" in given or kind == "RNN" else _GATES[kind]
    names = {side: _names(side, gates, given) for side in _SIDES}
    width = f"{len(_GATES[kind])}H" if _GATES[kind] and not gates else "H"
    axes: dict[str, tuple[str, ...]] = {}
    for side, rows in (("h", "H"), ("i", "F")):
        axes |= {f"{name}/kernel": (rows, width) for name in names[side]}
        axes |= {f"{name}/bias": (width,) for name in names[side]}
    check_arrays(where, arrays, axes, optional=[name for name in axes if name.endswith("bias")])
    parameters = {
        f"weight_{ours}": np.ascontiguousarray(np.concatenate([arrays[f"{n}/kernel"] for n in names[side]], axis=1).T)
        for side, ours in _SIDES.items()
    }
    if any(name.endswith("bias") for name in arrays):
        rows = parameters["weight_hh"].shape[0] // len(names["h"])
        none = np.zeros(rows, parameters["weight_hh"].dtype)
        for side, ours in _SIDES.items():
            parameters[f"bias_{ours}"] = np.concatenate([arrays.get(f"{n}/bias", none) for n in names[side]])
    return parameters


def _names(side: str, gates: str, given: set[str]) -> list[str]:
    if not gates:
        return [f"dense_{side}" if f"dense_{side}" in given else side]
    return ["if_" if (side + gate == "if" and "if_" in given) else side + gate for gate in gates]


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """By path, such as "dense_i/kernel"; parameter objects are opened, random generators left out."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if name in ("rngs", "carry_init"):
            continue
        if isinstance(value, Mapping):
            flat |= {f"{name}/{inner}": array for inner, array in _flat(value).items()}
        elif value is not None:
            flat[name] = getattr(value, "value", value)
    return flat


def _write(kind: str, parameters: Parameters, form: str) -> dict[str, Any]:
    sides = _biases_by_side(kind, parameters, form)
    if form == "fused" or kind == "RNN":
        names = ("i", "h") if form == "linen" else ("dense_i", "dense_h")
        return {
            name: _dense(parameters[f"weight_{_SIDES[side]}"], sides[side])
            for name, side in zip(names, ("i", "h"), strict=True)
        }
    tree = {}
    for side, ours in _SIDES.items():
        blocks = len(_GATES[kind])
        weights = np.split(parameters[f"weight_{ours}"], blocks)
        bias = sides[side]
        biases = [None] * blocks if bias is None else np.split(bias, blocks)
        for gate, weight, one in zip(_GATES[kind], weights, biases, strict=True):
            name = "if_" if form == "gates" and side + gate == "if" else side + gate
            only_n = kind == "GRU" and side == "h" and gate != "n"
            tree[name] = _dense(weight, None if only_n else one)
    return tree


def _biases_by_side(kind: str, parameters: Parameters, form: str) -> dict[str, Array | None]:
    """Our biases where flax has some: an LSTM's beside h; the others' beside x, and linen's GRU's b_hn beside h."""
    total = both_biases(parameters)
    if total is None:
        total = np.zeros(parameters["weight_hh"].shape[0], parameters["weight_hh"].dtype)
    if kind == "LSTM":
        return {"i": None, "h": total}
    if kind == "RNN":
        return {"i": total, "h": None}
    of_h = parameters.get("bias_hh", np.zeros_like(total)).copy()
    candidate = slice(2 * of_h.shape[0] // 3, None)
    if form != "linen" and of_h[candidate].any():
        raise ConfigError(
            "nnx.GRUCell has no bias within the reset gate's reach, and this GRU's b_hn (the last third of bias_hh) is "
            "not zero. linen's GRUCell has one: pass form='linen'."
        )
    of_h[: candidate.start] = 0
    return {"i": total - of_h, "h": of_h if form == "linen" else None}


def _dense(weight: Array, bias: Array | None) -> dict[str, Array]:
    dense = {"kernel": np.ascontiguousarray(weight.T)}
    return dense if bias is None else dense | {"bias": bias}
