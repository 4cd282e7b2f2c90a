"""Make tf1_two_layers.safetensors: weights in TensorFlow 1's layout, and what its dynamic_rnn computes from them.

Nothing but the equations of `BasicLSTMCell` and the rule of `dynamic_rnn`, in numpy; tests/test_examples.py holds this
file to numbers that TensorFlow itself computed (tests/golden/convert/tf1.safetensors, by tests/interop/make_golden.py).

The file holds the variables of a `MultiRNNCell` of 20 and 30 units on 7 features, drawn at random, as float32:
kernel (F + H, 4H), the rows of the input above those of h, the columns in the order i, j, f, o; and bias (4H). The
forget bias of 1.0 is in neither: the cell adds it as it runs. Besides: x (N=3, T=5, F=7), lengths, and as float64
output (3, 5, 30), h_0, c_0, h_1, c_1. Run it: python examples/data/make_tf1_two_layers.py
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PATH = Path(__file__).with_name("tf1_two_layers.safetensors")
FEATURES, WIDTHS, LENGTHS = 7, [20, 30], [3, 1, 5]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def basic_lstm_cell(x, h, c, kernel, bias, forget_bias=1.0):
    """One step: x (N, F), h and c (N, H) to the new h and c."""
    i, j, f, o = np.split(np.concatenate([x, h], axis=1) @ kernel + bias, 4, axis=1)
    c = c * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j)
    return np.tanh(c) * sigmoid(o), c


def dynamic_rnn(x_ntf, lengths, kernel, bias, forget_bias=1.0):
    """All steps of one layer: past a sequence's length the output is 0 and its state stays."""
    units = bias.shape[0] // 4
    h = c = np.zeros((x_ntf.shape[0], units))
    outputs = []
    for t in range(x_ntf.shape[1]):
        valid = (t < np.asarray(lengths))[:, None]
        new_h, new_c = basic_lstm_cell(x_ntf[:, t], h, c, kernel, bias, forget_bias)
        outputs.append(np.where(valid, new_h, 0))
        h, c = np.where(valid, new_h, h), np.where(valid, new_c, c)
    return np.stack(outputs, axis=1), h, c


def arrays() -> dict[str, np.ndarray]:
    """Everything that the file holds."""
    draw = np.random.default_rng(0)
    made = {"x": draw.normal(size=(3, 5, FEATURES)).astype(np.float32), "lengths": np.array(LENGTHS)}
    output = made["x"].astype(np.float64)
    for k, (size, units) in enumerate(zip([FEATURES, *WIDTHS], WIDTHS, strict=False)):
        kernel = draw.uniform(-0.3, 0.3, size=(size + units, 4 * units)).astype(np.float32)
        bias = draw.uniform(-0.3, 0.3, size=4 * units).astype(np.float32)
        name = f"rnn/multi_rnn_cell/cell_{k}/basic_lstm_cell"
        made |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
        output, made[f"h_{k}"], made[f"c_{k}"] = dynamic_rnn(output, LENGTHS, kernel, bias)
    return made | {"output": output}


if __name__ == "__main__":
    save_file(arrays(), PATH)
    print(f"{PATH.name}: {PATH.stat().st_size} bytes")
