"""A torch.nn layer as an ONNX Runtime session, built operator by operator."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

# Where ONNX has each of torch's gate blocks: LSTM i, o, f, c for i, f, g, o; GRU z, r, h for r, z, n.
ORDER = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}


def onnx_session(kind: str, layer: nn.Module) -> onnxruntime.InferenceSession:
    """Return a session that runs a one-layer, one-direction torch.nn.LSTM, GRU or RNN on "x" (T, N, F)."""
    features, hidden = layer.input_size, layer.hidden_size
    weights = {
        "W": _reordered(kind, layer.weight_ih_l0),
        "R": _reordered(kind, layer.weight_hh_l0),
        "B": np.concatenate([_reordered(kind, layer.bias_ih_l0), _reordered(kind, layer.bias_hh_l0)], axis=-1),
    }
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(kind, ["x", *weights], ["y"], hidden_size=hidden, **extra)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "N", features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", 1, "N", hidden])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _reordered(kind: str, weight: torch.Tensor) -> np.ndarray:
    blocks = weight.detach().chunk(len(ORDER[kind]))
    return torch.cat([blocks[k] for k in ORDER[kind]]).unsqueeze(0).numpy()
