"""The weights of ONNX's LSTM, GRU and RNN nodes, as arrays: nothing here needs the onnx package.

A node has W (D, B·H, F), R (D, B·H, H), perhaps B (D, 2·B·H), the biases of W and then those of R, and an LSTM perhaps
P (D, 3H). Gates lie in the order i, o, f, c (P: i, o, f), and z, r, h.

ONNX does not say which gate `input_forget` derives from which. ONNX Runtime computes f = 1 − i; ours is i = 1 − f. As
1 − σ(a) = σ(−a), its block i with the sign turned is our block f. What is written has i = −f and is right either way.

Shapes: D = directions, F = input features, H = hidden units, B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from unrolled.convert.arrays import Array, Axes, Parameters, check_arrays, reorder
from unrolled.errors import ConfigError, ShapeError

ORDER: Final = {"LSTM": "iofg", "GRU": "zrn", "RNN": "h"}
_OURS: Final = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}
_LOOKING: Final = "iof"


def read_tensors(where: str, kind: str, tensors: Mapping[str, Array], coupled: bool = False) -> list[Parameters]:
    """Turn a node's tensors into our parameters, one set a direction.

    Args:
        where: What is read, for the messages.
        kind: "LSTM", "GRU" or "RNN".
        tensors: "W", "R" and, where they are, "B" and "P".
        coupled: Whether the node has `input_forget=1`.

    Raises:
        ShapeError: A tensor is missing or of another shape; the message lists all, with both shapes.
    """
    rows = len(ORDER[kind])
    names = (f"{rows}H", f"{2 * rows}H") if rows > 1 else ("H", "2H")
    axes: Axes = {"R": ("D", names[0], "H"), "W": ("D", names[0], "F"), "B": ("D", names[1])}
    if kind == "LSTM":
        axes = {**axes, "P": ("D", "3H")}
    sizes = check_arrays(where, tensors, axes, optional=("B", "P"))
    if sizes["D"] not in (1, 2):
        raise ShapeError(f"{where}: a node has one direction or two; W is {tensors['W'].shape}.")
    return [_read(kind, {name: array[d] for name, array in tensors.items()}, coupled) for d in range(sizes["D"])]


def write_tensors(kind: str, directions: Sequence[Parameters], coupled: bool = False) -> dict[str, Array]:
    """Turn the parameters of each direction into a node's tensors: "W", "R" and, where there are such, "B" and "P".

    Raises:
        ConfigError: There is a projection, which ONNX's LSTM does not have.
    """
    if "weight_hr" in directions[0]:
        raise ConfigError("ONNX's LSTM has no projection (proj_size).")
    each = [_write(kind, _uncoupled(one) if coupled else one) for one in directions]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


def _read(kind: str, tensors: Mapping[str, Array], coupled: bool) -> Parameters:
    given, wanted = ORDER[kind], _OURS[kind]
    parameters = {"weight_ih": reorder(tensors["W"], given, wanted), "weight_hh": reorder(tensors["R"], given, wanted)}
    if "B" in tensors:
        of_x, of_h = np.split(tensors["B"], 2)
        parameters |= {"bias_ih": reorder(of_x, given, wanted), "bias_hh": reorder(of_h, given, wanted)}
    if "P" in tensors:
        parameters["weight_peephole"] = reorder(tensors["P"].reshape(3, -1), _LOOKING, "ifo")
    return {name: _coupled(name, array) for name, array in parameters.items()} if coupled else parameters


def _coupled(name: str, array: Array) -> Array:
    """Blocks f, g, o (peepholes f, o) for i, f, g, o, where f is 1 − i."""
    blocks = np.split(array, 3 if name == "weight_peephole" else 4)
    return np.concatenate([-blocks[0], *blocks[2:]])


def _uncoupled(parameters: Parameters) -> Parameters:
    """Blocks i, f, g, o for f, g, o: what is in i is −f."""
    read = {}
    for name, array in parameters.items():
        blocks = np.split(array, 2 if name == "weight_peephole" else 3)
        read[name] = np.concatenate([-blocks[0], *blocks])
    return read


def _write(kind: str, parameters: Parameters) -> dict[str, Array]:
    given, wanted = _OURS[kind], ORDER[kind]
    read = {name: reorder(array, given, wanted) for name, array in parameters.items() if name != "weight_peephole"}
    tensors = {"W": read["weight_ih"], "R": read["weight_hh"]}
    if "bias_ih" in read:
        tensors["B"] = np.concatenate([read["bias_ih"], read["bias_hh"]])
    if "weight_peephole" in parameters:
        tensors["P"] = reorder(parameters["weight_peephole"], "ifo", _LOOKING).reshape(-1)
    return tensors
