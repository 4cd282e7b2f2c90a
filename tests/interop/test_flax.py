"""flax' own cells, of nnx and of linen, against ours on their parameters, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import unrolled
from interop.peers import peer
from unrolled import convert
from unrolled.errors import ConfigError

jax = peer("jax")
peer("flax")
nnx, linen = peer("flax.nnx"), peer("flax.linen")
jnp = jax.numpy
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

N, T, F, H = 3, 7, 2, 5
LENGTHS = [4, 1, 7]
DOUBLE = {"dtype": jnp.float64, "param_dtype": jnp.float64}
CELLS = {
    "LSTMCell": "LSTM",
    "OptimizedLSTMCell": "LSTM",
    "GRUCell": "GRU",
    "SimpleCell": "RNN",
}


def nnx_cell(name, features=F, seed=0, **options):
    return getattr(nnx, name)(features, H, rngs=nnx.Rngs(seed), **DOUBLE, **options)


def drawn(tree, seed=6):
    """The same tree with every number drawn, the biases too, which flax starts at 0."""
    draw = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: draw.normal(size=leaf.shape, scale=0.7), tree)


def filled(module):
    """An nnx module with drawn parameters, and those."""
    state = drawn(nnx.to_pure_dict(nnx.state(module, nnx.Param)))
    nnx.update(module, state)
    return module, state


def x_of(seed=7):
    return np.random.default_rng(seed).normal(size=(N, T, F))


def compare(ours, output, final, x, lengths):
    with torch.no_grad():
        mine, states = ours(torch.from_numpy(x), lengths=lengths)
    for n, steps in enumerate(lengths or [T] * N):
        np.testing.assert_allclose(mine[n, :steps], output[n, :steps], rtol=1e-10, atol=1e-10)
    h_n = states[0] if isinstance(states, tuple) else states
    for found, carry in zip(h_n, final, strict=True):
        np.testing.assert_allclose(found, carry, rtol=1e-10, atol=1e-10)


def h_of(carry):
    return carry[1] if isinstance(carry, tuple) else carry


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", CELLS)
def test_nnx_forward(name, lengths):
    cell, tree = filled(nnx_cell(name))
    ours = convert.from_flax(tree, kind=CELLS[name])
    x = x_of()
    counts = None if lengths is None else jnp.array(lengths)
    carry, output = nnx.RNN(cell, return_carry=True)(jnp.array(x), seq_lengths=counts)
    compare(ours, output, [h_of(carry)], x, lengths)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("name", CELLS)
def test_nnx_both_ways(name, lengths):
    both, tree = filled(nnx.Bidirectional(nnx.RNN(nnx_cell(name)), nnx.RNN(nnx_cell(name)), return_carry=True))
    ours = convert.from_flax(tree, kind=CELLS[name])
    assert ours.bidirectional
    x = x_of()
    counts = None if lengths is None else jnp.array(lengths)
    carries, output = both(jnp.array(x), seq_lengths=counts)
    compare(ours, output, [h_of(carry) for carry in carries], x, lengths)


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"])
def test_linen(name):
    cell = getattr(linen, name)(H, **DOUBLE)
    rnn = linen.RNN(cell, return_carry=True)
    x = x_of()
    tree = drawn(rnn.init(jax.random.key(0), jnp.array(x))["params"])
    carry, output = rnn.apply({"params": tree}, jnp.array(x))
    compare(convert.from_flax(tree, kind=CELLS[name]), output, [h_of(carry)], x, None)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("OptimizedLSTMCell", "fused"),
        ("LSTMCell", "gates"),
        ("GRUCell", "fused"),
        ("SimpleCell", "fused"),
    ],
)
def test_to_nnx(name, form):
    ours = {"LSTM": unrolled.LSTM, "GRU": unrolled.GRU, "RNN": unrolled.RNN}[CELLS[name]](
        F, H, batch_first=True, dtype=torch.float64
    )
    if ours.kind == "GRU":
        with torch.no_grad():
            ours.bias_hh_l0[2 * H :] = 0
    cell = nnx_cell(name)
    ((tree,),) = convert.to_flax(ours, form=form)
    nnx.update(cell, jax.tree.map(jnp.array, tree))
    x = x_of()
    carry, output = nnx.RNN(cell, return_carry=True)(jnp.array(x))
    compare(ours, output, [h_of(carry)], x, None)


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_to_linen(name, bias):
    made = {"LSTM": unrolled.LSTM, "GRU": unrolled.GRU, "RNN": unrolled.RNN}[CELLS[name]]
    ours = made(F, H, batch_first=True, dtype=torch.float64, bias=bias)
    ((tree,),) = convert.to_flax(ours, form="linen")
    x = x_of()
    rnn = linen.RNN(getattr(linen, name)(H, **DOUBLE), return_carry=True)
    wanted = rnn.init(jax.random.key(0), jnp.array(x))["params"]["cell"]
    assert jax.tree.structure(wanted) == jax.tree.structure(tree)
    carry, output = rnn.apply({"params": {"cell": tree}}, jnp.array(x))
    compare(ours, output, [h_of(carry)], x, None)


def test_activations():
    cell, tree = filled(nnx_cell("GRUCell", gate_fn=jax.nn.hard_sigmoid, activation_fn=jax.nn.soft_sign))
    gate = unrolled.Activation("hard_sigmoid", alpha=1 / 6)
    ours = convert.from_flax(tree, kind="GRU", recurrent_activation=gate, activation="softsign")
    x = x_of()
    carry, output = nnx.RNN(cell, return_carry=True)(jnp.array(x))
    compare(ours, output, [carry], x, None)


def test_a_bias_that_nnx_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="form='linen'"):
        convert.to_flax(unrolled.GRU(F, H))
