"""From and to TensorFlow 1: BasicLSTMCell, LSTMCell, GRUCell and BasicRNNCell (`tf.compat.v1.nn.rnn_cell`).

One kernel holds the input's rows on top of the recurrent ones. An LSTM's gates lie in the order i, j, f, o, and a
forget bias that is in no variable is added at run time; LSTMCell may have peepholes and a projection. A GRUCell has
one kernel for r and u and one for the candidate; its reset gate acts before the product, and its u is our z.

Shapes: F = input features, H = hidden units, S = size of the output (H, or the projection's), B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from unrolled.convert.arrays import Array, Axes, Parameters, check_arrays, reorder, to_arrays
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

_THEIRS: Final = "igfo"
_OURS: Final = "ifgo"
_DIAGONALS: Final = ("w_i_diag", "w_f_diag", "w_o_diag")
_AXES: Final[dict[str, Axes]] = {
    "LSTM": {
        "projection/kernel": ("H", "S"),
        "bias": ("4H",),
        "kernel": ("Rows", "4H"),
        **dict.fromkeys(_DIAGONALS, ("H",)),
    },
    "GRU": {
        "candidate/kernel": ("Rows", "H"),
        "gates/kernel": ("Rows", "2H"),
        "gates/bias": ("2H",),
        "candidate/bias": ("H",),
    },
    "RNN": {"kernel": ("Rows", "H"), "bias": ("H",)},
}


def from_tf1(*layers: Any, kind: str, forget_bias: float = 1.0, batch_first: bool = True, **options: Any) -> Layer:
    """Make a layer of ours from the variables of TensorFlow 1's cells.

    Args:
        layers: For each layer of the stack its cell's variables by name, or a pair of such (forward, backward). What
            stands before a cell's own names is not looked at: "rnn/lstm_cell/kernel:0" is `kernel`.
        kind: "LSTM" (`BasicLSTMCell`, `LSTMCell`), "GRU" (`GRUCell`) or "RNN" (`BasicRNNCell`).
        forget_bias: What the cell was made with; 1.0 is the default of TensorFlow's LSTMs. It is in no variable, and
            becomes part of our `bias_ih`.
        batch_first: As in our layers, but True by default, as `time_major=False` is in `tf.nn.dynamic_rnn`.
        options: Further arguments of our layer. `LSTMCell(cell_clip=...)` is our `cell_clip`.

    Raises:
        ConfigError: An option of TensorFlow has no counterpart; the message lists all problems.
        ShapeError: An array is missing or of another shape; the message lists all, with both shapes.

    Example:
        >>> import numpy as np
        >>> import unrolled
        >>> variables = {"rnn/basic_lstm_cell/kernel": np.zeros((27, 80)), "rnn/basic_lstm_cell/bias": np.zeros(80)}
        >>> lstm = unrolled.convert.from_tf1(variables, kind="LSTM")
        >>> lstm
        LSTM(7, 20, batch_first=True)
        >>> lstm.bias_ih_l0[20:23].tolist()  # the forget gate's
        [1.0, 1.0, 1.0]
    """
    read = kind_of(kind)
    _refuse(read, forget_bias, options)
    if not layers:
        raise ConfigError("from_tf1 needs the variables of a cell; got nothing.")
    pairs = [layer if isinstance(layer, Sequence) else (layer,) for layer in layers]
    weights = [
        [_read(read, one, _where(read, k, d, len(pair)), forget_bias) for d, one in enumerate(pair)]
        for k, pair in enumerate(pairs)
    ]
    own: dict[str, Any] = {"batch_first": batch_first}
    if read == "GRU":
        own["reset_after"] = False
    if read == "LSTM" and "weight_peephole" in weights[0][0]:
        own["peephole"] = True
    return build(Portable(read, weights, own), **options)


def to_tf1(layer: Layer, *, forget_bias: float = 1.0) -> list[tuple[dict[str, Array], ...]]:
    """The variables of TensorFlow 1's cells that compute what a layer of ours does.

    Args:
        layer: An `unrolled.LSTM`; a GRU with `reset_after=False`; or an RNN.
        forget_bias: What their LSTM is made with. It is taken off the forget gate's bias.

    Returns:
        For each layer of the stack a tuple with the variables by name of each direction. A layer without biases gets
        such as make none. `cell_clip` and an activation are the cell's own arguments.

    Raises:
        ConfigError: TensorFlow 1 has no counterpart for an option; the message lists all.
        DtypeError: It is no layer of ours.

    Example:
        >>> import unrolled
        >>> ((variables,),) = unrolled.convert.to_tf1(unrolled.LSTM(7, 20))
        >>> {name: array.shape for name, array in variables.items()}
        {'kernel': (27, 80), 'bias': (80,)}
    """
    portable = take(layer)
    allowed = {"proj_size", "peephole", "cell_clip", "activation", "nonlinearity", "reset_after"}
    refuse_options(portable, "TensorFlow 1", allowed)
    if portable.kind == "GRU" and portable.options.get("reset_after", True):
        raise ConfigError(
            "TensorFlow 1's GRUCell applies the reset gate before the recurrent product; this GRU applies it after. "
            "Only a GRU with reset_after=False has a counterpart there."
        )
    return [tuple(_write(portable.kind, one, forget_bias) for one in directions) for directions in portable.weights]


def _refuse(kind: str, forget_bias: float, options: Mapping[str, Any]) -> None:
    found = Problems()
    found.check("proj_clip" not in options, "proj_clip has no counterpart: our projection is not clipped.")
    found.check(
        kind == "LSTM" or forget_bias == 1.0,
        f"forget_bias={forget_bias} is of LSTM cells; {an(kind)} has no forget gate.",
    )
    for theirs, ours in (
        ("num_proj", "it is read off projection/kernel"),
        ("use_peepholes", "it is read off w_i_diag"),
    ):
        found.check(theirs not in options, f"Leave {theirs} out: {ours}.")
    found.raise_as(ConfigError)


def _where(kind: str, k: int, d: int, directions: int) -> str:
    return f"TensorFlow layer {k}, {an(kind)}" + (("", ", backward")[d] if directions > 1 else "")


def _read(kind: str, variables: Mapping[str, Any], where: str, forget_bias: float) -> Parameters:
    axes = _AXES[kind]
    arrays = to_arrays(where, {_own_name(name, axes): value for name, value in variables.items()})
    sizes = check_arrays(where, arrays, axes, optional=("projection/kernel", *_DIAGONALS))
    recurrent = sizes.get("S", sizes.get("H", 0))
    if sizes["Rows"] <= recurrent:
        raise ShapeError(
            f"{where}: kernel must have F + {recurrent} rows, the input's on top of the recurrent ones; "
            f"got {sizes['Rows']}."
        )
    if kind == "LSTM" and 0 < len(given := [name for name in _DIAGONALS if name in arrays]) < len(_DIAGONALS):
        missing = ", ".join(name for name in _DIAGONALS if name not in arrays)
        raise ShapeError(f"{where} has {', '.join(given)}, but not {missing}. Peepholes are all three.")
    return _READERS[kind](arrays, sizes["Rows"] - recurrent, forget_bias)


def _own_name(name: str, axes: Axes) -> str:
    """The name of a cell's own variable at the end of a checkpoint's."""
    plain = name.removesuffix(":0")
    ends = [own for own in axes if plain == own or plain.endswith(f"/{own}")]
    return max(ends, key=len) if ends else plain


def _read_lstm(arrays: Mapping[str, Array], features: int, forget_bias: float) -> Parameters:
    parameters = _split(from_kernel(arrays["kernel"], _THEIRS, _OURS), features)
    bias = reorder(arrays["bias"], _THEIRS, _OURS)
    parameters = with_one_bias(parameters, bias + _on_forget_gate(bias, forget_bias))
    if _DIAGONALS[0] in arrays:
        parameters["weight_peephole"] = np.stack([arrays[name] for name in _DIAGONALS])
    if "projection/kernel" in arrays:
        parameters["weight_hr"] = arrays["projection/kernel"].T
    return parameters


def _read_gru(arrays: Mapping[str, Array], features: int, _: float) -> Parameters:
    kernel = np.concatenate([arrays["gates/kernel"], arrays["candidate/kernel"]], axis=1)
    bias = np.concatenate([arrays["gates/bias"], arrays["candidate/bias"]])
    return with_one_bias(_split(np.ascontiguousarray(kernel.T), features), bias)


def _read_rnn(arrays: Mapping[str, Array], features: int, _: float) -> Parameters:
    return with_one_bias(_split(arrays["kernel"].T, features), arrays["bias"])


_READERS: Final = {"LSTM": _read_lstm, "GRU": _read_gru, "RNN": _read_rnn}


def _split(weight: Array, features: int) -> Parameters:
    return {"weight_ih": weight[:, :features], "weight_hh": weight[:, features:]}


def _on_forget_gate(bias: Array, forget_bias: float) -> Array:
    """The forget bias where our order has the forget gate."""
    return np.repeat(np.array([0, forget_bias, 0, 0], bias.dtype), bias.shape[0] // 4)


def _write(kind: str, parameters: Parameters, forget_bias: float) -> dict[str, Array]:
    weight = np.concatenate([parameters["weight_ih"], parameters["weight_hh"]], axis=1)
    bias = both_biases(parameters)
    bias = np.zeros(weight.shape[0], weight.dtype) if bias is None else bias
    if kind == "GRU":
        gates = 2 * bias.shape[0] // 3
        return {
            "gates/kernel": np.ascontiguousarray(weight[:gates].T),
            "gates/bias": bias[:gates],
            "candidate/kernel": np.ascontiguousarray(weight[gates:].T),
            "candidate/bias": bias[gates:],
        }
    if kind == "RNN":
        return {"kernel": np.ascontiguousarray(weight.T), "bias": bias}
    bias = bias - _on_forget_gate(bias, forget_bias)
    variables = {"kernel": to_kernel(weight, _OURS, _THEIRS), "bias": reorder(bias, _OURS, _THEIRS)}
    if "weight_peephole" in parameters:
        variables |= dict(zip(_DIAGONALS, parameters["weight_peephole"], strict=True))
    if "weight_hr" in parameters:
        variables["projection/kernel"] = np.ascontiguousarray(parameters["weight_hr"].T)
    return variables
