"""`describe`: a recurrent layer's weights and settings as numpy arrays with named axes, without a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor, nn

from unrolled.analysis.layers_inside import Layer, as_ours, torch_kind
from unrolled.cells import Cell
from unrolled.layers import Stack
from unrolled.layers.tracing import to_numpy
from unrolled.trace import DIRECTIONS, NamedArray, PartWeights, Recurrent

_AXES: Final[Mapping[str, tuple[str, ...]]] = {
    "weight_ih": ("gate_hidden", "feature"),
    "weight_hh": ("gate_hidden", "hidden"),
    "bias_ih": ("gate_hidden",),
    "bias_hh": ("gate_hidden",),
    "weight_hr": ("projection", "hidden"),
    "weight_peephole": ("gate", "hidden"),
    "norm_ih": ("gate_hidden",),
    "norm_hh": ("gate_hidden",),
    "norm_c": ("hidden",),
    "norm_c_bias": ("hidden",),
}


def describe(layer: nn.Module, name: str = "") -> Recurrent:
    """Say what a recurrent layer is, and copy its weights.

    Args:
        layer: One of unrolled's LSTM, GRU, RNN, SLSTM or Stack, or torch.nn's LSTM, GRU or RNN.
        name: Its name inside a model. Default: "", of a layer that is the model.

    Returns:
        A `Recurrent`: kind, settings, and for each direction of each layer its parameters under their names without
        the layer's suffix. "gate_hidden" is B·H, the B gates' blocks one below the other in the order of the cell.
        A stack's modules of one's own have no weights here.

    Raises:
        DtypeError: It is no such layer.

    Example:
        >>> import unrolled
        >>> from unrolled.analysis import describe
        >>> about = describe(unrolled.LSTM(7, 50, bidirectional=True))
        >>> about.kind, len(about.weights)
        ('LSTM', 2)
        >>> about.weights[1]["weight_ih"]
        NamedArray(gate_hidden=200, feature=7; float32)
    """
    kind, ours = torch_kind(layer), as_ours(layer)
    source = f"unrolled.{ours.kind}" if kind is None else f"torch.nn.{kind.__name__}"
    return Recurrent(name, source, ours.kind, ours._settings(), tuple(_weights(ours)))


def _weights(layer: Layer) -> list[PartWeights]:
    return [
        PartWeights(k, DIRECTIONS[d], _arrays(cell, tensors))
        for k, directions in enumerate(cells_and_weights(layer))
        for d, (cell, tensors) in enumerate(directions)
    ]


def cells_and_weights(layer: Layer) -> list[list[tuple[Cell[Any] | None, Any]]]:
    """The equations and the named tuple of parameters of each direction of each layer; None for a user's module."""
    if isinstance(layer, Stack):
        return [[(place.cell, weights_of(place.cell, place.module)) for place in places] for places in layer._layers()]
    pairs = zip(layer.spec().cells, layer.weights(), strict=True)
    return [[(cell, weights) for weights in directions] for cell, directions in pairs]


def weights_of(cell: Cell[Any] | None, module: nn.Module) -> Any:
    """The cell's named tuple, of the parameters that a one-step module has now."""
    if cell is None:
        return ()
    there = cell.parameter_shapes(1)
    return cell.weights_type._make([getattr(module, n) if n in there else None for n in cell.weights_type._fields])


def _arrays(cell: Cell[Any] | None, weights: Any) -> dict[str, NamedArray]:
    if cell is None:
        return {}
    named: dict[str, Tensor | None] = weights._asdict()
    return {name: NamedArray(to_numpy(w), _axes(cell, name)) for name, w in named.items() if w is not None}


def _axes(cell: Cell[Any], name: str) -> tuple[str, ...]:
    """What a parameter's axes are; what meets h is as wide as h."""
    if name == "weight_hh" and cell.output_size != cell.hidden_size:
        return ("gate_hidden", "projection")
    if name == "weight_hh" and getattr(cell, "num_heads", 1) > 1:
        return ("gate_hidden", "hidden_of_head")
    return _AXES[name]
