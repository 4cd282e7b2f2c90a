"""`torch.onnx.export` of our layers, run by ONNX Runtime on other batch sizes and lengths than those exported."""

from __future__ import annotations

from collections import Counter

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim

import unrolled
from interop.peers import peer

onnx = peer("onnx")
runtime = peer("onnxruntime")
peer("onnxscript")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

F, H = 3, 5
SIZES = [(2, 9), (4, 1), (1, 6), (3, 5)]


@pytest.fixture(autouse=True)
def _unchecked():
    """An export traces sizes that are no ints, which the checks of types under pytest do not take for such."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class Model(nn.Module):
    """A layer within a model, called with lengths or states or neither."""

    def __init__(self, layer, *, ragged=False, states=0):
        super().__init__()
        self.layer, self.ragged, self.states = layer, ragged, states
        self.head = nn.Linear(layer.spec().cells[-1].output_size * layer.spec().directions, 2)

    def forward(self, x, *rest):
        lengths, hx = (rest[0], rest[1:]) if self.ragged else (None, rest)
        hx = None if not hx else hx if self.layer.kind == "LSTM" else hx[0]
        output, final = self.layer(x, hx, lengths)
        return self.head(output), output, final

    def draw(self, batch, steps):
        """Inputs for a call of these sizes, and how they are free."""
        torch.manual_seed(batch * 10 + steps)
        x = torch.randn(batch, steps, F)
        given, free = [x], [{0: Dim.DYNAMIC, 1: Dim.DYNAMIC}]
        if self.ragged:
            given.append(torch.tensor([(3 * k + 1) % steps + 1 for k in range(batch)]))
            free.append({0: Dim.DYNAMIC})
        for k in range(self.states):
            (shape,) = self.layer.spec().state_shapes(k, batch)
            given.append(torch.randn(shape))
            free.append({1: Dim.DYNAMIC})
        return tuple(given), free


def export(model, path, batch=3, steps=5, **settings):
    given, free = model.draw(batch, steps)
    shapes = (free[0], tuple(free[1:])) if len(free) > 1 else (free[0],)
    torch.onnx.export(model.eval(), given, path, dynamo=True, dynamic_shapes=shapes, verbose=False, **settings)
    return onnx.load(path)


def check(model, path, tolerance=5e-6):
    exported = export(model, path)
    session = runtime.InferenceSession(path)
    names = [value.name for value in session.get_inputs()]
    for batch, steps in SIZES:
        given, _ = model.draw(batch, steps)
        with torch.no_grad():
            expected = torch.utils._pytree.tree_leaves(model(*given))
        found = session.run(None, dict(zip(names, (g.numpy() for g in given), strict=True)))
        x_shape = given[0].shape[:2]
        assert len(found) == len(expected)
        for theirs, mine in zip(found, expected, strict=True):
            assert theirs.shape == mine.shape
            np.testing.assert_allclose(theirs, mine, rtol=tolerance, atol=tolerance)
    for value, mine in zip(exported.graph.output, expected, strict=True):
        free = [bool(size.dim_param) for size in value.type.tensor_type.shape.dim]
        # Head and output are (N, T, ·), states (·, N, ·).
        assert free == ([True, True, False] if mine.shape[:2] == x_shape else [False, True, False])
    return Counter(node.op_type for node in exported.graph.node)


LAYERS = {"LSTM": unrolled.LSTM, "GRU": unrolled.GRU, "RNN": unrolled.RNN}
# Seconds each: every kind, shape and raggedness, but not each with each.
WHOLE_LAYERS = [
    ("LSTM", {"num_layers": 2, "bidirectional": True}, False),
    ("LSTM", {}, True),
    ("GRU", {"num_layers": 2, "bidirectional": True}, True),
    ("GRU", {"bias": False}, False),
    ("RNN", {"num_layers": 2, "bidirectional": True}, True),
    ("RNN", {"bias": False}, False),
]


@pytest.mark.parametrize(("kind", "shape", "ragged"), WHOLE_LAYERS, ids=str)
def test_layers_become_nodes(kind, shape, ragged, tmp_path):
    layer = LAYERS[kind](F, H, batch_first=True, **shape)
    count = check(Model(layer, ragged=ragged), tmp_path / "model.onnx")
    assert count[kind] == layer.num_layers * (2 if layer.bidirectional else 1)
    assert not {"Scan", "Loop"} & set(count)


@pytest.mark.parametrize("kind", LAYERS)
def test_initial_states_are_inputs(kind, tmp_path):
    layer = LAYERS[kind](F, H, batch_first=True, bidirectional=True)
    check(Model(layer, ragged=True, states=2 if kind == "LSTM" else 1), tmp_path / "model.onnx")


NODES = [
    ("LSTM", {"peephole": True}),
    ("LSTM", {"coupled_gates": True, "peephole": True}),
    ("LSTM", {"preactivation_clip": 0.375}),
    ("LSTM", {"recurrent_activation": "hard_sigmoid", "activation": unrolled.Activation("scaled_tanh", 0.7, 1.3)}),
    ("LSTM", {"residual": True, "num_layers": 2}),
    ("LSTM", {"initial_state": "learned"}),
    ("LSTM", {"recurrent_dropout": 0.5, "weight_drop": 0.5, "dropout": 0.5, "num_layers": 2}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"preactivation_clip": 0.375, "activation": "leaky_relu"}),
    ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"nonlinearity": "softsign", "preactivation_clip": 0.375}),
]


@pytest.mark.parametrize(("kind", "options"), NODES, ids=str)
def test_options_that_nodes_have(kind, options, tmp_path):
    layer = LAYERS[kind](F, H, batch_first=True, bidirectional=True, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(1.5)
    count = check(Model(layer, ragged=True), tmp_path / "model.onnx")
    assert count[kind] == 2 * layer.num_layers
    assert "Scan" not in count


SCANS = [
    ("LSTM", {"proj_size": 2}),
    ("LSTM", {"layer_norm": True}),
    ("LSTM", {"cell_clip": 0.25}),
    ("LSTM", {"zoneout": (0.2, 0.1)}),
    ("LSTM", {"coupled_gates": True, "recurrent_activation": "hard_sigmoid"}),
    ("GRU", {"activation": torch.sin}),
]


@pytest.mark.parametrize(("kind", "options"), SCANS, ids=[f"{kind}-{'-'.join(options)}" for kind, options in SCANS])
def test_what_no_node_computes_becomes_a_scan(kind, options, tmp_path):
    layer = getattr(unrolled, kind)(F, H, batch_first=True, bidirectional=True, **options)
    count = check(Model(layer, ragged=True), tmp_path / "model.onnx")
    assert count["Scan"] == 2
    assert not set(LAYERS) & set(count)


def test_a_converted_model(tmp_path):
    """PyTorch's own GRU exports to a graph that fails on other lengths than the example's."""
    model = unrolled.replace(nn.Sequential(nn.GRU(F, H, batch_first=True)))
    x = torch.randn(3, 5, F)
    torch.onnx.export(
        model.eval(),
        (x,),
        tmp_path / "m.onnx",
        dynamo=True,
        dynamic_shapes=({0: Dim.DYNAMIC, 1: Dim.DYNAMIC},),
        verbose=False,
    )
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    for batch, steps in SIZES:
        x = torch.randn(batch, steps, F)
        found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found[0], model(x)[0], rtol=2e-6, atol=2e-6)


def test_masks_are_not_exported(tmp_path):
    model = Model(unrolled.LSTM(F, H, batch_first=True, zoneout=0.5))
    given, free = model.draw(3, 5)
    with pytest.raises(Exception, match="eval"):
        torch.onnx.export(
            model.train(), given, tmp_path / "m.onnx", dynamo=True, dynamic_shapes=(free[0],), verbose=False
        )


@pytest.mark.parametrize("kind", LAYERS)
def test_the_older_exporter(kind, tmp_path):
    """By way of TorchScript: cells that `torch.nn` has too become nodes."""
    layer = LAYERS[kind](F, H, batch_first=True, num_layers=2, bidirectional=True).eval()
    axes = {"x": {0: "N", 1: "T"}}
    path = tmp_path / "m.onnx"
    torch.onnx.export(layer, (torch.randn(3, 5, F),), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    assert Counter(node.op_type for node in onnx.load(path).graph.node)[kind] == 4
    session = runtime.InferenceSession(path)
    for batch, steps in SIZES:
        x = torch.randn(batch, steps, F)
        with torch.no_grad():
            np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], layer(x)[0], rtol=2e-6, atol=2e-6)
