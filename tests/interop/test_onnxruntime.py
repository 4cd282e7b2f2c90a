"""ONNX Runtime against ours: nodes of random weights read, layers of ours written, every option that ONNX has."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import unrolled
from interop.peers import peer
from unrolled import convert

onnx = peer("onnx")
peer("onnx.reference")
runtime = peer("onnxruntime")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

T, N, F, H = 7, 3, 2, 5
LENGTHS = [4, 1, 7]
BLOCKS = {"LSTM": 4, "GRU": 3, "RNN": 1}
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}
SLOTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def session(model):
    settings = runtime.SessionOptions()
    settings.log_severity_level = 4
    return runtime.InferenceSession(model.SerializeToString(), settings)


def draw_node(kind, direction="forward", *, inputs=("B", "sequence_lens", "initial_h", "initial_c"), **attributes):
    """A model of one node, and the values that it is given when it runs."""
    draw = np.random.default_rng(5)
    D, rows = (2 if direction == "bidirectional" else 1), BLOCKS[kind] * H
    shapes = {"W": (D, rows, F), "R": (D, rows, H), "B": (D, 2 * rows), "P": (D, 3 * H)}
    weights = {k: draw.normal(size=s, scale=0.6).astype(np.float32) for k, s in shapes.items()}
    values = {"X": draw.normal(size=(T, N, F)).astype(np.float32)}
    values["sequence_lens"] = np.array(LENGTHS, np.int32)
    for name in ("initial_h", "initial_c")[: STATES[kind]]:
        values[name] = draw.normal(size=(D, N, H)).astype(np.float32)
    there = ("X", "W", "R", *inputs)
    slots = SLOTS if kind == "LSTM" else SLOTS[:6]
    outputs = ["Y", "Y_h", "Y_c"][: 1 + STATES[kind]]
    node = onnx.helper.make_node(
        kind, [s if s in there else "" for s in slots], outputs, hidden_size=H, direction=direction, **attributes
    )
    values = {name: value for name, value in values.items() if name in there}
    types = {np.dtype(np.float32): onnx.TensorProto.FLOAT, np.dtype(np.int32): onnx.TensorProto.INT32}
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [onnx.helper.make_tensor_value_info(k, types[v.dtype], v.shape) for k, v in values.items()],
        [onnx.helper.make_tensor_value_info(k, onnx.TensorProto.FLOAT, None) for k in outputs],
        [onnx.numpy_helper.from_array(v, k) for k, v in weights.items() if k in there],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return model, values


def check_node(model, values, tolerance=2e-6):
    expected = session(model).run(None, values)
    ours = convert.from_onnx(model)
    with torch.no_grad():
        found = ours(**{name: torch.from_numpy(value) for name, value in values.items()})
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    return ours


DIRECTIONS = ("forward", "reverse", "bidirectional")
INPUTS = [(), ("B",), ("sequence_lens",), ("B", "initial_h"), ("B", "sequence_lens", "initial_h", "initial_c")]


@pytest.mark.parametrize("inputs", INPUTS, ids=["none", "B", "lengths", "h", "all"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", BLOCKS)
def test_inputs_and_directions(kind, direction, inputs):
    inputs = tuple(name for name in inputs if kind == "LSTM" or name != "initial_c")
    ours = check_node(*draw_node(kind, direction, inputs=inputs))
    assert ours.reverse == (direction == "reverse")
    assert ours.layer.bidirectional == (direction == "bidirectional")


ALL = ("B", "sequence_lens", "initial_h", "initial_c")
LSTM_OPTIONS = {
    "peephole": {"inputs": (*ALL, "P")},
    "clip": {"clip": 0.4},
    "input_forget": {"input_forget": 1},
    "activations": {"activations": ["HardSigmoid", "Softsign", "Softsign"], "activation_alpha": [0.3]},
}
PAIRS = list(itertools.combinations(LSTM_OPTIONS, 2))


@pytest.mark.parametrize("names", [(name,) for name in LSTM_OPTIONS] + PAIRS, ids=" and ".join)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_lstm_options(direction, names):
    options = {}
    for name in names:
        options |= LSTM_OPTIONS[name]
    if "activations" in options and direction == "bidirectional":
        options["activations"] = options["activations"] * 2
        options["activation_alpha"] = options["activation_alpha"] * 2
    check_node(*draw_node("LSTM", direction, **options))


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("linear_before_reset", [0, 1])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_gru_options(direction, linear_before_reset, clip):
    options = {} if clip is None else {"clip": clip}
    ours = check_node(*draw_node("GRU", direction, linear_before_reset=linear_before_reset, **options))
    assert ours.layer.reset_after == bool(linear_before_reset)


def test_rnn_clip():
    check_node(*draw_node("RNN", clip=0.4))


# Function, alpha, beta; None where ONNX's default shall be taken, which ONNX Runtime has for these.
FUNCTIONS = [
    ("Relu", None, None),
    ("Tanh", None, None),
    ("Sigmoid", None, None),
    ("Affine", 0.3, 0.1),
    ("LeakyRelu", None, None),
    ("LeakyRelu", 0.3, None),
    ("ThresholdedRelu", 0.2, None),
    ("ScaledTanh", 0.7, 1.3),
    ("HardSigmoid", None, None),
    ("HardSigmoid", 0.3, 0.4),
    ("Elu", None, None),
    ("Elu", 0.3, None),
    ("Softsign", None, None),
    ("Softplus", None, None),
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: "-".join(map(str, f)))
@pytest.mark.parametrize("kind", BLOCKS)
def test_every_activation(kind, function):
    name, alpha, beta = function
    names = {"LSTM": ["Sigmoid", name, name], "GRU": ["Sigmoid", name], "RNN": [name]}[kind]
    count = names.count(name) if name != "Sigmoid" else 0
    options = {"activations": names}
    for constant, value in (("activation_alpha", alpha), ("activation_beta", beta)):
        if value is not None:
            options[constant] = [value] * count
    check_node(*draw_node(kind, **options), tolerance=5e-6)


def test_constants_are_taken_in_the_order_of_the_functions():
    """Only those that have a constant take one: here the second function of three, in each direction."""
    options = {
        "activations": ["Sigmoid", "LeakyRelu", "HardSigmoid", "Affine"],
        "activation_alpha": [0.2, 0.3, 0.4],
        "activation_beta": [0.1, 0.2],
    }
    model, _ = draw_node("GRU", "bidirectional", **options)
    with pytest.raises(unrolled.UnrolledError, match="both directions must have the same activations"):
        convert.from_onnx(model)
    options["activations"] = ["HardSigmoid", "LeakyRelu"] * 2
    options["activation_alpha"], options["activation_beta"] = [0.3, 0.2] * 2, [0.4] * 2
    ours = check_node(*draw_node("GRU", "bidirectional", **options))
    assert (ours.layer.recurrent_activation.alpha, ours.layer.activation.alpha) == pytest.approx((0.3, 0.2))


# To ONNX.

LAYERS = {
    "LSTM": lambda **o: unrolled.LSTM(F, H, **o),
    "GRU": lambda **o: unrolled.GRU(F, H, **o),
    "RNN": lambda **o: unrolled.RNN(F, H, **o),
}
WRITTEN = {
    "LSTM": [
        {},
        {"bias": False},
        {"peephole": True},
        {"coupled_gates": True},
        {"coupled_gates": True, "peephole": True},
        {"preactivation_clip": 0.4},
        {"recurrent_activation": "hard_sigmoid", "activation": unrolled.Activation("scaled_tanh", 0.7, 1.3)},
    ],
    "GRU": [
        {},
        {"bias": False},
        {"reset_after": False},
        {"preactivation_clip": 0.4},
        {"activation": unrolled.Activation("leaky_relu", 0.3)},
    ],
    "RNN": [{}, {"bias": False}, {"nonlinearity": "relu"}, {"nonlinearity": "softsign"}, {"preactivation_clip": 0.4}],
}


def check_written(layer, lengths, hx):
    model = convert.to_onnx(layer, lengths=lengths is not None, hx=hx)
    running = session(model)
    for steps, batch in ((T, N), (1, 1), (9, 4)):
        x = torch.randn(*((batch, steps) if layer.batch_first else (steps, batch)), F)
        given = {"x": x.numpy()}
        counts = None if lengths is None else [max(1, (k * 5 + 3) % (steps + 1)) for k in range(batch)]
        if counts is not None:
            given["lengths"] = np.array(counts, np.int32)
        states = None
        if hx:
            shapes = layer.spec().state_shapes(0, batch)
            names = ("h", "c")[: STATES[layer.kind]]
            drawn = {n: [torch.randn(s) for s in shapes] for n in names}
            per_layer = not isinstance(layer.hidden_size, int)
            for name, tensors in drawn.items():
                keys = [f"{name}_0_{k}" for k in range(len(tensors))] if per_layer else [f"{name}_0"]
                given |= {key: tensor.numpy() for key, tensor in zip(keys, tensors, strict=True)}
            wrapped = [tuple(v) if per_layer else v[0] for v in drawn.values()]
            states = tuple(wrapped) if layer.kind == "LSTM" else wrapped[0]
        with torch.no_grad():
            output, final = layer(x, states, counts)
        expected = [output, *torch.utils._pytree.tree_leaves(final)]
        found = running.run(None, given)
        assert len(found) == len(expected)
        for theirs, mine in zip(found, expected, strict=True):
            assert theirs.shape == mine.shape
            np.testing.assert_allclose(theirs, mine, rtol=5e-6, atol=5e-6)
    return model


@pytest.mark.parametrize(
    ("kind", "options"), [(k, o) for k, many in WRITTEN.items() for o in many], ids=lambda v: str(v)[:60]
)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both ways"])
def test_to_onnx_and_back(kind, options, bidirectional):
    torch.manual_seed(1)
    layer = LAYERS[kind](bidirectional=bidirectional, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(2)
    model = check_written(layer, LENGTHS, hx=True)
    assert [node.op_type for node in model.graph.node].count(kind) == 1
    back = convert.from_onnx(model)
    assert repr(back.layer) == repr(layer)
    for found, expected in zip(back.layer.parameters(), layer.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("hx", [False, True], ids=["zeros", "hx"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize(
    "shape", [{"num_layers": 3}, {"hidden_size": [4, 6]}, {"hidden_size": [4, 4], "residual": True}]
)
@pytest.mark.parametrize("kind", LAYERS)
def test_stacks_to_onnx(kind, shape, lengths, hx):
    torch.manual_seed(2)
    made = {"LSTM": unrolled.LSTM, "GRU": unrolled.GRU, "RNN": unrolled.RNN}[kind]
    layer = made(F, **{"hidden_size": H} | shape, bidirectional=True, batch_first=True)
    check_written(layer, lengths, hx)


EVALUATED = [("LSTM", {}), ("LSTM", {"peephole": True}), ("LSTM", {"bias": False}), ("GRU", {}), ("RNN", {})]


@pytest.mark.parametrize(("kind", "options"), [*EVALUATED, ("GRU", {"reset_after": False})])
def test_double_precision(kind, options):
    """ONNX's own evaluator, in NumPy; ONNX Runtime computes recurrent nodes in float32 alone."""
    torch.manual_seed(3)
    layer = LAYERS[kind](**options).double()
    x = torch.randn(T, N, F, dtype=torch.float64)
    found = onnx.reference.ReferenceEvaluator(convert.to_onnx(layer)).run(None, {"x": x.numpy()})
    with torch.no_grad():
        output, final = layer(x)
    for theirs, mine in zip(found, [output, *torch.utils._pytree.tree_leaves(final)], strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=1e-10, atol=1e-10)


def test_a_chosen_node_of_a_model_whose_weights_are_made_in_the_graph(tmp_path):
    model, values = draw_node("GRU")
    weight = next(t for t in model.graph.initializer if t.name == "W")
    array = onnx.numpy_helper.to_array(weight)
    model.graph.initializer.remove(weight)
    model.graph.initializer.append(onnx.numpy_helper.from_array(array.swapaxes(1, 2).copy(), "turned"))
    turn = onnx.helper.make_node("Transpose", ["turned"], ["W"], perm=[0, 2, 1])
    model.graph.node.insert(0, turn)
    model.graph.node[1].name = "mine"
    onnx.save(model, tmp_path / "model.onnx")
    expected = session(model).run(None, values)
    for chosen in ("mine", 0):
        ours = convert.from_onnx(tmp_path / "model.onnx", chosen)
        with torch.no_grad():
            found = ours(**{name: torch.from_numpy(value) for name, value in values.items()})
        np.testing.assert_allclose(found[0], expected[0], rtol=2e-6, atol=2e-6)
    with pytest.raises(unrolled.UnrolledError, match=r"There is no single node 'other'.*0: 'mine' \(GRU\)"):
        convert.from_onnx(model, "other")


def test_constant_states_and_lengths_are_kept():
    model, values = draw_node("LSTM")
    expected = session(model).run(None, values)
    for name in ("sequence_lens", "initial_h", "initial_c"):
        declared = next(value for value in model.graph.input if value.name == name)
        model.graph.input.remove(declared)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values[name], name))
    with torch.no_grad():
        found = convert.from_onnx(model)(torch.from_numpy(values["X"]))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=2e-6)


def test_weights_that_come_when_the_model_runs_are_asked_for():
    model, _ = draw_node("LSTM")
    taken = next(t for t in model.graph.initializer if t.name == "W")
    model.graph.initializer.remove(taken)
    model.graph.input.append(onnx.helper.make_tensor_value_info("W", onnx.TensorProto.FLOAT, [1, 4 * H, F]))
    with pytest.raises(unrolled.UnrolledError, match=r"gets W \('W'\) when the model runs"):
        convert.from_onnx(model)
