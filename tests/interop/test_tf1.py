"""TensorFlow's own version 1 cells (`tf.compat.v1.nn.rnn_cell`) against ours on their variables, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interop.peers import peer
from unrolled import convert

tf = peer("tensorflow")
peer("tf_keras")  # where TensorFlow 2.16 and later keep those cells
v1 = tf.compat.v1
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

N, T, F, H, P = 3, 7, 2, 5, 3
LENGTHS = [4, 1, 7]
CELLS = {
    "BasicLSTMCell": ("LSTM", lambda rnn: rnn.BasicLSTMCell(H), {}),
    "BasicLSTMCell, forget bias 0.3": ("LSTM", lambda rnn: rnn.BasicLSTMCell(H, forget_bias=0.3), {"forget_bias": 0.3}),
    "LSTMCell": ("LSTM", lambda rnn: rnn.LSTMCell(H), {}),
    "LSTMCell, peepholes": ("LSTM", lambda rnn: rnn.LSTMCell(H, use_peepholes=True), {}),
    "LSTMCell, projection": ("LSTM", lambda rnn: rnn.LSTMCell(H, num_proj=P), {}),
    "LSTMCell, all": (
        "LSTM",
        lambda rnn: rnn.LSTMCell(H, use_peepholes=True, num_proj=P, cell_clip=0.4, activation=tf.nn.softsign),
        {"cell_clip": 0.4, "activation": "softsign"},
    ),
    "LSTMCell, peepholes and clip": (
        "LSTM",
        lambda rnn: rnn.LSTMCell(H, use_peepholes=True, cell_clip=0.4),
        {"cell_clip": 0.4},
    ),
    "GRUCell": ("GRU", lambda rnn: rnn.GRUCell(H), {}),
    "BasicRNNCell": ("RNN", lambda rnn: rnn.BasicRNNCell(H), {}),
}


def run_theirs(make, x, lengths, both_ways=False, given=None):
    """Run `dynamic_rnn` in a graph of its own; return outputs, final states and the variables by name."""
    with v1.Graph().as_default(), v1.Session() as session:
        cells = [make(v1.nn.rnn_cell) for _ in range(2 if both_ways else 1)]
        settings = {"sequence_length": lengths, "dtype": tf.float64}
        if both_ways:
            result = v1.nn.bidirectional_dynamic_rnn(*cells, tf.constant(x), **settings)
        else:
            result = v1.nn.dynamic_rnn(cells[0], tf.constant(x), **settings)
        draw = np.random.default_rng(8)
        variables = v1.global_variables()
        for variable in variables:
            value = draw.normal(size=variable.shape, scale=0.7)
            if given is not None:
                value = given[max((n for n in given if variable.name.endswith(f"/{n}:0")), key=len)]
            variable.load(value, session)
        outputs, states = session.run(result)
        return outputs, states, {v.name: session.run(v) for v in variables}


def flat_states(kind, states, both_ways):
    """h of each direction, then c."""
    pairs = states if both_ways else (states,)
    return [one.h for one in pairs] + [one.c for one in pairs] if kind == "LSTM" else list(pairs)


def compare(ours, outputs, states, x, lengths):
    with torch.no_grad():
        mine, final = ours(torch.from_numpy(x), lengths=lengths)
    np.testing.assert_allclose(mine, outputs, rtol=1e-10, atol=1e-10)
    found = [row for state in (final if isinstance(final, tuple) else (final,)) for row in state]
    for row, expected in zip(found, states, strict=True):
        np.testing.assert_allclose(row, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", CELLS)
def test_from_a_cells_variables(name, lengths):
    kind, make, options = CELLS[name]
    x = np.random.default_rng(9).normal(size=(N, T, F))
    outputs, states, variables = run_theirs(make, x, lengths)
    ours = convert.from_tf1(variables, kind=kind, **options)
    compare(ours, outputs, flat_states(kind, states, False), x, lengths)


@pytest.mark.parametrize("name", CELLS)
def test_both_ways(name):
    kind, make, options = CELLS[name]
    x = np.random.default_rng(9).normal(size=(N, T, F))
    outputs, states, variables = run_theirs(make, x, LENGTHS, both_ways=True)
    pair = [{n: v for n, v in variables.items() if f"/{way}/" in n} for way in ("fw", "bw")]
    ours = convert.from_tf1(pair, kind=kind, **options)
    compare(ours, np.concatenate(outputs, -1), flat_states(kind, states, True), x, LENGTHS)


@pytest.mark.parametrize("name", CELLS)
def test_to_tensorflow_and_back(name):
    kind, make, options = CELLS[name]
    x = np.random.default_rng(9).normal(size=(N, T, F))
    ours = convert.from_tf1(run_theirs(make, x, None)[2], kind=kind, **options)
    torch.manual_seed(4)
    ours.reset_parameters()
    ((variables,),) = convert.to_tf1(ours, forget_bias=options.get("forget_bias", 1.0))
    outputs, states, _ = run_theirs(make, x, LENGTHS, given=variables)
    compare(ours, outputs, flat_states(kind, states, False), x, LENGTHS)
