"""Make the golden files of `tests/golden/convert/`: what other libraries compute from drawn weights.

    KERAS_BACKEND=tensorflow python tests/interop/make_golden.py keras tf1 flax onnx

Each name needs its libraries: keras (with TensorFlow, which alone keeps float64), tensorflow and tf_keras, jax and
flax, onnxruntime. A file holds the input x (N, T, F) and lengths, and for each case the output, h of each direction,
and the weights under `w/`; the metadata say how ours is made, as JSON. `tests/convert/test_golden.py` reads the files,
without any of these libraries.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

N, T, F, H, P = 3, 5, 2, 3, 2
LENGTHS = [3, 1, 5]
FOLDER = Path(__file__).resolve().parents[1] / "golden" / "convert"
Case = tuple[str, dict[str, Any], dict[str, Any]]


def x_of(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(N, T, F))


def keras_cases() -> Iterator[Case]:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise SystemExit("Keras keeps float64 with TensorFlow alone: set KERAS_BACKEND=tensorflow.")
    layers = keras.layers
    made: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "LSTM": (lambda **o: layers.LSTM(H, **o), {"kind": "LSTM"}),
        "GRU after": (lambda **o: layers.GRU(H, **o), {"kind": "GRU"}),
        "GRU before": (lambda **o: layers.GRU(H, reset_after=False, **o), {"kind": "GRU", "reset_after": False}),
        "RNN": (lambda **o: layers.SimpleRNN(H, **o), {"kind": "RNN"}),
    }
    for name, (make, call) in made.items():
        for both in (False, True):
            layer = make(return_sequences=True, return_state=True, dtype="float64")
            layer = layers.Bidirectional(layer, dtype="float64") if both else layer
            layer.build((None, T, F))
            draw = np.random.default_rng(1)
            weights = [draw.normal(size=w.shape) for w in layer.get_weights()]
            layer.set_weights(weights)
            mask = np.arange(T)[None] < np.array(LENGTHS)[:, None]
            output, *states = map(np.asarray, layer(keras.ops.convert_to_tensor(x_of()), mask=mask))
            each = 2 if call["kind"] == "LSTM" else 1
            arrays = {"output": output * mask[..., None], "h": np.stack(states[::each])}
            yield f"{name}{', both ways' if both else ''}", call, arrays | {f"w/{k}": w for k, w in enumerate(weights)}


def tf1_cases() -> Iterator[Case]:
    import tensorflow as tf

    v1 = tf.compat.v1
    made: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
        "BasicLSTMCell": (lambda rnn: rnn.BasicLSTMCell(H), {"kind": "LSTM"}),
        "LSTMCell": (
            lambda rnn: rnn.LSTMCell(H, use_peepholes=True, num_proj=P, cell_clip=0.4, forget_bias=0.5),
            {"kind": "LSTM", "cell_clip": 0.4, "forget_bias": 0.5},
        ),
        "GRUCell": (lambda rnn: rnn.GRUCell(H), {"kind": "GRU"}),
        "BasicRNNCell": (lambda rnn: rnn.BasicRNNCell(H), {"kind": "RNN"}),
    }
    for name, (make, call) in made.items():
        with v1.Graph().as_default(), v1.Session() as session:
            x = tf.constant(x_of())
            result = v1.nn.dynamic_rnn(make(v1.nn.rnn_cell), x, sequence_length=LENGTHS, dtype=tf.float64)
            draw = np.random.default_rng(2)
            for variable in v1.global_variables():
                variable.load(draw.normal(size=variable.shape), session)
            output, state = session.run(result)
            weights = {f"w/{v.name}": session.run(v) for v in v1.global_variables()}
        h = state.h if hasattr(state, "h") else state
        yield name, call, {"output": output, "h": h[None]} | weights


def flax_cases() -> Iterator[Case]:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from flax import linen, nnx

    double = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    kinds = {"LSTMCell": "LSTM", "OptimizedLSTMCell": "LSTM", "GRUCell": "GRU", "SimpleCell": "RNN"}
    for name, kind in kinds.items():
        for library in ("nnx", "linen"):
            draw = np.random.default_rng(3)
            if library == "nnx":
                cell = getattr(nnx, name)(F, H, rngs=nnx.Rngs(0), **double)
                tree = jax.tree.map(lambda v: draw.normal(size=v.shape), nnx.to_pure_dict(nnx.state(cell, nnx.Param)))  # noqa: B023
                nnx.update(cell, tree)
                carry, output = nnx.RNN(cell, return_carry=True)(jnp.array(x_of()), seq_lengths=jnp.array(LENGTHS))
            else:
                rnn = linen.RNN(getattr(linen, name)(H, **double), return_carry=True)
                tree = jax.tree.map(
                    lambda v: draw.normal(size=v.shape),  # noqa: B023
                    rnn.init(jax.random.key(0), jnp.array(x_of()))["params"],
                )
                carry, output = rnn.apply({"params": tree}, jnp.array(x_of()), seq_lengths=jnp.array(LENGTHS))
            mask = np.arange(T)[None] < np.array(LENGTHS)[:, None]
            h = carry[1] if isinstance(carry, tuple) else carry
            leaves = jax.tree_util.tree_leaves_with_path(tree)
            weights = {"w/" + "/".join(k.key for k in path): np.asarray(v) for path, v in leaves}
            arrays = {"output": np.asarray(output) * mask[..., None], "h": np.asarray(h)[None]}
            yield f"{library} {name}", {"kind": kind}, arrays | weights


ONNX_NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM": ("LSTM", {}),
    "LSTM reverse": ("LSTM", {"direction": "reverse"}),
    "LSTM with everything": (
        "LSTM",
        {
            "direction": "bidirectional",
            "P": True,
            "clip": 0.5,
            "activations": ["HardSigmoid", "Softsign", "Softsign"] * 2,
            "activation_alpha": [0.3, 0.3],
        },
    ),
    "LSTM input_forget": ("LSTM", {"input_forget": 1, "P": True}),
    "GRU": ("GRU", {"direction": "bidirectional"}),
    "GRU linear_before_reset": ("GRU", {"linear_before_reset": 1, "clip": 0.5}),
    "RNN": (
        "RNN",
        {"direction": "bidirectional", "activations": ["LeakyRelu"] * 2, "activation_alpha": [0.2, 0.2]},
    ),
}


def onnx_cases() -> Iterator[Case]:
    import onnx
    import onnxruntime

    for name, (kind, attributes) in ONNX_NODES.items():
        call = dict(attributes)
        peephole = call.pop("P", False)
        D = 2 if call.get("direction") == "bidirectional" else 1
        rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * H
        draw = np.random.default_rng(4)
        shapes = {"W": (D, rows, F), "R": (D, rows, H), "B": (D, 2 * rows), "initial_h": (D, N, H)}
        shapes |= {"initial_c": (D, N, H)} if kind == "LSTM" else {}
        shapes |= {"P": (D, 3 * H)} if peephole else {}
        values = {slot: draw.normal(size=shape).astype(np.float32) for slot, shape in shapes.items()}
        values["sequence_lens"] = np.array(LENGTHS, np.int32)
        X = x_of().transpose(1, 0, 2).astype(np.float32)
        slots = ["X", "W", "R", "B", "sequence_lens", "initial_h"] + (["initial_c", "P"] if kind == "LSTM" else [])
        outputs = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
        inputs = [slot if slot == "X" or slot in values else "" for slot in slots]
        node = onnx.helper.make_node(kind, inputs, outputs, hidden_size=H, **call)
        graph = onnx.helper.make_graph(
            [node],
            "golden",
            [onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, X.shape)],
            [onnx.helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, None) for o in outputs],
            [onnx.numpy_helper.from_array(value, slot) for slot, value in values.items()],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": X})
        arrays = {"X": X} | dict(zip(outputs, found, strict=True)) | {f"w/{k}": v for k, v in values.items()}
        yield name, {"kind": kind, "attributes": call}, arrays


CASES = {"keras": keras_cases, "tf1": tf1_cases, "flax": flax_cases, "onnx": onnx_cases}


def write(library: str) -> None:
    arrays = {"x": x_of(), "lengths": np.array(LENGTHS)}
    calls = {}
    for name, call, case in CASES[library]():
        calls[name] = json.dumps(call)
        arrays |= {f"{name}|{key}": np.ascontiguousarray(value) for key, value in case.items()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{library}.safetensors"
    save_file(arrays, path, metadata=calls)
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    for chosen in sys.argv[1:] or CASES:
        write(chosen)
