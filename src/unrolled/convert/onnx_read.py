"""From ONNX: a recurrent node of a model as a module of ours. The onnx package is imported when it is used.

Shapes: T = time, N = batch, F = input features, D = directions, H = hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.convert.arrays import Array, to_arrays
from unrolled.convert.onnx_attributes import read_attributes
from unrolled.convert.onnx_tensors import read_tensors
from unrolled.convert.portable import LAYERS, Layer, Portable, build
from unrolled.errors import ConfigError, DtypeError, ShapeError

_INPUTS: Final = {
    "LSTM": ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    "GRU": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
    "RNN": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
}
_WEIGHTS: Final = ("W", "R", "B", "P")
_AT_RUN_TIME: Final = ("sequence_lens", "initial_h", "initial_c")


@final
class OnnxNode(nn.Module):
    """A recurrent node of ONNX: its inputs, its results and its layout, computed by a layer of ours.

    `layer` is that layer; it can be used without the node around it, if the node reads forward. `from_onnx` makes it.

    Args:
        layer: Reads batch-first where the node's `layout` is 1. Of a node that reads in reverse it reads the flipped
            sequences.
        reverse: Whether the node reads in reverse alone.
        constants: What the model itself gives the node for `sequence_lens`, `initial_h` and `initial_c`.
    """

    def __init__(self, layer: Layer, reverse: bool = False, constants: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.reverse = reverse
        for name in _AT_RUN_TIME:
            self.register_buffer(name, (constants or {}).get(name))

    def forward(
        self,
        X: Float[Tensor, "A B F"],
        sequence_lens: Any = None,
        initial_h: Tensor | None = None,
        initial_c: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Compute the node.

        Args:
            X: (T, N, F), or (N, T, F) in layout 1.
            sequence_lens: Valid steps of each sequence; what the model has, or else all, by default.
            initial_h: (D, N, H), or (N, D, H) in layout 1; what the model has, or else zeros, by default.
            initial_c: Alike.

        Returns:
            Y (T, D, N, H), or (N, T, D, H) in layout 1, and Y_h, and of an LSTM Y_c, in the form of the initial states.

        Raises:
            ShapeError, DtypeError: As the layer does.
        """
        lengths = self.sequence_lens if sequence_lens is None else sequence_lens
        states = [
            self._own_state(X, given, name) for given, name in ((initial_h, "initial_h"), (initial_c, "initial_c"))
        ]
        hx = None if states[0] is None and states[1] is None else self._as_hx(X, states)
        output, final = self.layer(self._turned(X, lengths), hx, lengths)
        turned = self._turned(output, lengths)
        Y = turned.view(*turned.shape[:2], 2 if self.layer.bidirectional else 1, -1)
        finals = final if isinstance(final, tuple) else (final,)
        if self.layer.batch_first:
            return (Y, *(state.transpose(0, 1) for state in finals))
        return (Y.transpose(1, 2), *finals)

    def extra_repr(self) -> str:
        """The direction, where it is not the layer's."""
        return "reverse=True" if self.reverse else ""

    def _own_state(self, X: Tensor, given: Tensor | None, name: str) -> Tensor | None:
        state = getattr(self, name) if given is None else given
        return state if state is None or not self.layer.batch_first else state.transpose(0, 1)

    def _as_hx(self, X: Tensor, states: list[Tensor | None]) -> Any:
        there = next(state for state in states if state is not None)
        h_0, c_0 = (torch.zeros_like(there) if state is None else state for state in states)
        return (h_0, c_0) if self.layer.kind == "LSTM" else h_0

    def _turned(self, x: Tensor, lengths: Any) -> Tensor:
        """Each sequence's valid steps in reverse order, if the node reads them so."""
        if not self.reverse:
            return x
        time = 1 if self.layer.batch_first else 0
        if lengths is None:
            return x.flip(time)
        steps = torch.arange(x.shape[time], device=x.device)
        ends = torch.as_tensor(lengths, device=x.device)[:, None]
        index_NT = torch.where(steps < ends, ends - 1 - steps, steps)
        index = (index_NT if time == 1 else index_NT.T).unsqueeze(-1)
        return x.gather(time, index.expand_as(x))


def from_onnx(
    model: Any, node: str | int | None = None, *, inputs: Mapping[str, Any] | None = None, **options: Any
) -> OnnxNode:
    """Make a module of ours from a recurrent node of an ONNX model.

    Args:
        model: A path to a .onnx file, or an `onnx.ModelProto`.
        node: The node's name, or its place among the model's recurrent nodes from 0. Not needed where there is one.
        inputs: Values of graph inputs by name, for models that are given their weights when they run.
        options: Further arguments of our layer, such as `dtype` or `kernel`.

    Returns:
        An `OnnxNode`: called as the node is, with the node's results; its `layer` is an `unrolled.LSTM`, `GRU` or `RNN`
        with the weights and options of the node, `batch_first=True` where its layout is 1. Initial states and lengths
        that are constants of the model are kept.

    Raises:
        ConfigError: There is no such node, or an attribute has no counterpart; the message lists all problems.
        ShapeError: A weight has another shape than ONNX says; the message lists all, with both shapes.

    Example:
        >>> import pytest
        >>> onnx = pytest.importorskip("onnx")
        >>> import torch
        >>> import unrolled
        >>> model = unrolled.convert.to_onnx(unrolled.GRU(7, 20))  # or "model.onnx"
        >>> node = unrolled.convert.from_onnx(model)
        >>> node.layer
        GRU(7, 20)
        >>> Y, Y_h = node(torch.randn(96, 32, 7))
        >>> Y.shape
        torch.Size([96, 1, 32, 20])
    """
    proto = _load(model)
    chosen = _choose(proto.graph, node)
    where = f"The {chosen.op_type} node {chosen.name!r}" if chosen.name else f"The {chosen.op_type} node"
    attributes = _attributes(chosen)
    names = {slot: name for slot, name in zip(_INPUTS[chosen.op_type], chosen.input, strict=False) if name}
    values = {slot: _value(proto, name, inputs or {}) for slot, name in names.items() if slot != "X"}
    _refuse_open_weights(where, names, values)
    return read_node(where, chosen.op_type, attributes, values, **options)


def read_node(
    where: str, kind: str, attributes: Mapping[str, Any], values: Mapping[str, Array | None], **options: Any
) -> OnnxNode:
    """Make a module from a node's attributes and inputs, as plain values: nothing here needs the onnx package.

    Args:
        where: What is read, for the messages.
        kind: "LSTM", "GRU" or "RNN".
        attributes: By ONNX's names.
        values: Inputs by ONNX's names but for X; None where they are given when the node runs.
        options: Further arguments of our layer.

    Raises:
        ConfigError, ShapeError: As `from_onnx` does.
    """
    own = read_attributes(where, kind, attributes)
    weights = to_arrays(where, {slot: values[slot] for slot in _WEIGHTS if slot in values})
    directions = read_tensors(where, kind, weights, own.get("coupled_gates", False))
    _check_against(where, attributes, weights)
    if "P" in weights:
        own["peephole"] = True
    own["batch_first"] = attributes.get("layout", 0) == 1
    layer = build(Portable(kind, [directions], own), **options)
    like = next(layer.parameters())
    constants = {
        slot: torch.tensor(array, device=like.device, dtype=None if slot == "sequence_lens" else like.dtype)
        for slot, array in values.items()
        if slot in _AT_RUN_TIME and array is not None
    }
    return OnnxNode(layer, attributes.get("direction") == "reverse", constants)


def _load(model: Any) -> Any:
    if hasattr(model, "graph"):
        return model
    if not isinstance(model, str | PathLike):
        raise DtypeError(f"from_onnx expected a path or an onnx.ModelProto; got {type(model).__name__}.")
    import onnx

    return onnx.load(model)


def _choose(graph: Any, wanted: str | int | None) -> Any:
    nodes = [node for node in graph.node if node.op_type in LAYERS and node.domain in ("", "ai.onnx")]
    listed = ", ".join(f"{k}: {node.name!r} ({node.op_type})" for k, node in enumerate(nodes)) or "none"
    if isinstance(wanted, str):
        fitting = [node for node in nodes if node.name == wanted]
    else:
        fitting = nodes if wanted is None else nodes[wanted : wanted + 1]
    if len(fitting) != 1:
        asked = (
            "Say which one is meant, by node=" if wanted is None and nodes else f"There is no single node {wanted!r}"
        )
        raise ConfigError(f"{asked}. The model's recurrent nodes are {listed}.")
    return fitting[0]


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    read = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: _text(value) for name, value in read.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return [_text(one) for one in value] if isinstance(value, list) else value


def _value(model: Any, name: str, given: Mapping[str, Any]) -> Array | None:
    """What a tensor of the graph holds, if it is constant."""
    import onnx

    if name in given:
        return np.asarray(given[name])
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return np.asarray(onnx.numpy_helper.to_array(tensor))
    nodes = _ancestors(model.graph, name, given)
    if nodes is None:
        return None
    from onnx.reference import ReferenceEvaluator

    # Exporters leave weights behind that are cut and joined within the graph.
    graph = onnx.helper.make_graph(
        nodes, "constant", [], [onnx.ValueInfoProto(name=name)], initializer=model.graph.initializer
    )
    small = onnx.helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    values: Any = ReferenceEvaluator(small).run(None, {})
    return np.asarray(values[0])


def _ancestors(graph: Any, name: str, given: Mapping[str, Any]) -> list[Any] | None:
    """The nodes that make a tensor of constants, in the graph's order; None if something else goes into it."""
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    needed: list[str] = [name]
    seen: set[str] = set()
    while needed:
        tensor = needed.pop()
        if not tensor or tensor in seen or tensor in constants:
            continue
        if tensor not in makers:
            return None
        seen.add(tensor)
        needed.extend(makers[tensor].input)
    return [node for node in graph.node if seen.intersection(node.output)]


def _refuse_open_weights(where: str, names: Mapping[str, str], values: Mapping[str, Array | None]) -> None:
    open_ones = [f"{slot} ({names[slot]!r})" for slot in _WEIGHTS if slot in values and values[slot] is None]
    if open_ones:
        raise ConfigError(
            f"{where} gets {', '.join(open_ones)} when the model runs. Pass the values by these names: inputs={{...}}."
        )


def _check_against(where: str, attributes: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    directions, hidden = weights["R"].shape[0], weights["R"].shape[2]
    direction = attributes.get("direction", "forward")
    if directions != (2 if direction == "bidirectional" else 1):
        raise ShapeError(f"{where} is {direction}, and R is for {directions} direction(s): {weights['R'].shape}.")
    if attributes.get("hidden_size", hidden) != hidden:
        raise ShapeError(f"{where} has hidden_size={attributes['hidden_size']}; R is {weights['R'].shape}.")
