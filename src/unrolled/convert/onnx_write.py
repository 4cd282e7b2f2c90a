"""To ONNX: a layer of ours as a model of ONNX's own recurrent nodes. The onnx package is imported when it is used.

Shapes: T = time, N = batch, F = input features, L = layers, D = directions, H = hidden units.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from unrolled.convert.arrays import Array
from unrolled.convert.onnx_attributes import write_attributes
from unrolled.convert.onnx_tensors import write_tensors
from unrolled.convert.portable import Layer, Portable, refuse_options, take

_ALLOWED: Final = {
    "peephole",
    "coupled_gates",
    "preactivation_clip",
    "activation",
    "recurrent_activation",
    "nonlinearity",
    "reset_after",
    "residual",
}
_OPSET: Final = 17
_IR_VERSION: Final = 8
_STATES: Final = {"LSTM": ("h", "c"), "GRU": ("h",), "RNN": ("h",)}


def to_onnx(layer: Layer, *, lengths: bool = False, hx: bool = False) -> Any:
    """Build an ONNX model of a layer: one LSTM, GRU or RNN node for each layer of the stack, both directions in it.

    Time and batch are free. The model is called as the layer is: input `x`; outputs `output`, `h_n` and, of an LSTM,
    `c_n`, in the layer's own shapes (with a width per layer `h_n_0`, `h_n_1`, …).

    Args:
        layer: An `unrolled.LSTM`, `GRU` or `RNN`, as in `eval()` mode.
        lengths: Whether the model has an input `lengths` (N) of int32.
        hx: Whether the model has inputs `h_0` and of an LSTM `c_0`; else states start from zeros.

    Returns:
        An `onnx.ModelProto`, checked; `onnx.save(model, path)` writes it.

    Raises:
        ConfigError: ONNX has no counterpart for an option; the message lists all.
        DtypeError: It is no layer of ours.

    Example:
        >>> import pytest
        >>> onnx = pytest.importorskip("onnx")
        >>> import unrolled
        >>> model = unrolled.convert.to_onnx(unrolled.LSTM(7, 20, bidirectional=True), lengths=True)
        >>> [value.name for value in model.graph.input], [value.name for value in model.graph.output]
        (['x', 'lengths'], ['output', 'h_n', 'c_n'])
    """
    import onnx

    portable = take(layer)
    refuse_options(portable, "ONNX", _ALLOWED)
    graph = _Graph(layer, portable, lengths, hx)
    graph.build()
    made = onnx.helper.make_graph(graph.nodes, portable.kind, graph.inputs, graph.outputs, graph.constants)
    opsets = [onnx.helper.make_opsetid("", _OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="unrolled")
    onnx.checker.check_model(model)
    return model


class _Graph:
    """The model's parts as they are made; `build` makes them."""

    def __init__(self, layer: Layer, portable: Portable, lengths: bool, hx: bool) -> None:
        self.layer, self.portable, self.lengths, self.hx = layer, portable, lengths, hx
        self.attributes = write_attributes(portable)
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: list[Any] = []
        self.per_layer = not isinstance(layer.hidden_size, int)
        self.dtype = portable.weights[0][0]["weight_ih"].dtype
        self.directions = len(portable.weights[0])

    def build(self) -> None:
        """Make everything."""
        self._declare_inputs()
        x = self._node("Transpose", ["x"], "x_by_time", perm=[1, 0, 2]) if self.layer.batch_first else "x"
        width = self.layer.input_size
        for k in range(len(self.portable.weights)):
            y, made = self._recurrence(k, x), self.directions * self._hidden(k)
            residual = self.portable.options.get("residual") and k > 0 and made == width
            x, width = self._node("Add", [y, x], f"sum_{k}") if residual else y, made
        self._node("Transpose", [x], "output", perm=[1, 0, 2]) if self.layer.batch_first else self._node(
            "Identity", [x], "output"
        )
        self._declare_outputs(width)

    def _declare_inputs(self) -> None:
        self._value("x", self._by_time(self.layer.input_size), self.inputs)
        if self.lengths:
            self._value("lengths", ["batch"], self.inputs, np.dtype(np.int32))
        if self.hx:
            self._states("0", self.inputs)

    def _declare_outputs(self, width: int) -> None:
        self._value("output", self._by_time(width), self.outputs)
        layers = range(len(self.portable.weights))
        for state in _STATES[self.portable.kind]:
            if not self.per_layer:
                self._node("Concat", [f"{state}_n_of_{k}" for k in layers], f"{state}_n", axis=0)
            else:
                for k in layers:
                    self._node("Identity", [f"{state}_n_of_{k}"], f"{state}_n_{k}")
        self._states("n", self.outputs)

    def _states(self, when: str, where: list[Any]) -> None:
        for state in _STATES[self.portable.kind]:
            if self.per_layer:
                for k in range(len(self.portable.weights)):
                    self._value(f"{state}_{when}_{k}", [self.directions, "batch", self._hidden(k)], where)
            else:
                rows = self.directions * len(self.portable.weights)
                self._value(f"{state}_{when}", [rows, "batch", self._hidden(0)], where)

    def _recurrence(self, k: int, x: str) -> str:
        """One layer: Y (T, D, N, H) brought to (T, N, D·H)."""
        import onnx

        tensors = write_tensors(self.portable.kind, self.portable.weights[k], "input_forget" in self.attributes)
        named = {name: self._constant(f"{name}_{k}", array) for name, array in tensors.items()}
        inputs = [x, named["W"], named["R"], named.get("B", ""), "lengths" if self.lengths else "", *self._first(k)]
        states = [f"{state}_n_of_{k}" for state in _STATES[self.portable.kind]]
        node = onnx.helper.make_node(
            self.portable.kind,
            [*inputs, named["P"]] if "P" in named else inputs,
            [f"Y_{k}", *states],
            name=f"{self.portable.kind}_{k}",
            hidden_size=self._hidden(k),
            **self.attributes,
        )
        self.nodes.append(node)
        side_by_side = self._node("Transpose", [f"Y_{k}"], f"Y_{k}_by_batch", perm=[0, 2, 1, 3])
        shape = self._constant(f"shape_{k}", np.array([0, 0, self.directions * self._hidden(k)], np.int64))
        return self._node("Reshape", [side_by_side, shape], f"y_{k}")

    def _first(self, k: int) -> list[str]:
        """The names of a layer's initial states."""
        names = [f"{state}_0" for state in _STATES[self.portable.kind]]
        if not self.hx:
            return [""] * len(names)
        if self.per_layer:
            return [f"{name}_{k}" for name in names]
        rows = np.array([k * self.directions, (k + 1) * self.directions], np.int64)
        bounds = [self._constant(f"from_{k}", rows[:1]), self._constant(f"to_{k}", rows[1:])]
        axis = self._constant(f"axis_{k}", np.zeros(1, np.int64))
        return [self._node("Slice", [name, *bounds, axis], f"{name}_of_{k}") for name in names]

    def _hidden(self, k: int) -> int:
        return int(self.portable.weights[k][0]["weight_hh"].shape[1])

    def _by_time(self, width: int) -> list[Any]:
        return ["batch", "time", width] if self.layer.batch_first else ["time", "batch", width]

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        import onnx

        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _constant(self, name: str, array: Array) -> str:
        import onnx

        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _value(self, name: str, shape: list[Any], where: list[Any], dtype: np.dtype[Any] | None = None) -> None:
        import onnx

        element = onnx.helper.np_dtype_to_tensor_dtype(self.dtype if dtype is None else dtype)
        where.append(onnx.helper.make_tensor_value_info(name, element, shape))
