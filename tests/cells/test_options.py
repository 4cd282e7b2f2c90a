"""Each cell option against its equations in NumPy, and where the equations are hard on numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from loops import ACTIVATIONS, STEPS, unscaled
from unrolled.cells import Activation, GRUEquations, LSTMEquations, RNNEquations, SLSTMEquations
from unrolled.errors import ConfigError

OF_LSTM = {
    "peepholes": {"peephole": True},
    "peepholes with a projection": {"peephole": True, "proj_size": 2},
    "layer norm": {"layer_norm": True},
    "layer norm with a projection and peepholes": {"layer_norm": True, "proj_size": 2, "peephole": True},
    "coupled gates": {"coupled_gates": True},
    "coupled gates with peepholes": {"coupled_gates": True, "peephole": True},
    "cell clip": {"cell_clip": 0.4},
    "cell clip with peepholes": {"cell_clip": 0.4, "peephole": True},
    "pre-activation clip": {"preactivation_clip": 0.3},
    "pre-activation clip with layer norm": {"preactivation_clip": 0.3, "layer_norm": True},
    "both clips": {"preactivation_clip": 0.5, "cell_clip": 0.2},
    "a function": {"activation": torch.sin},
    "all": {
        "peephole": True,
        "layer_norm": True,
        "coupled_gates": True,
        "cell_clip": 0.5,
        "preactivation_clip": 0.7,
        "activation": "softsign",
        "recurrent_activation": "hard_sigmoid",
        "proj_size": 2,
    },
}
OF_GRU = {
    "reset before": {"reset_after": False},
    "reset before, clipped": {"reset_after": False, "preactivation_clip": 0.3},
    "pre-activation clip": {"preactivation_clip": 0.3},
    "a function": {"activation": torch.sin, "recurrent_activation": torch.cos},
}
OF_SLSTM = {
    "plain": {},
    "exponential forget gate": {"forget_gate": "exp"},
    "three heads": {"num_heads": 3},
    "three heads, exponential": {"num_heads": 3, "forget_gate": "exp"},
}
NAMED = [(RNNEquations, {"nonlinearity": name}) for name in ACTIVATIONS]
NAMED += [(GRUEquations, {"activation": name, "recurrent_activation": "hard_sigmoid"}) for name in ACTIVATIONS]
NAMED += [(LSTMEquations, {"activation": name}) for name in ACTIVATIONS]
NAMED += [(LSTMEquations, {"recurrent_activation": name}) for name in ACTIVATIONS]
CASES = [
    *((LSTMEquations, options) for options in OF_LSTM.values()),
    *((GRUEquations, options) for options in OF_GRU.values()),
    (RNNEquations, {"preactivation_clip": 0.3}),
    *((SLSTMEquations, options) for options in OF_SLSTM.values()),
    *NAMED,
]


def in_words(value):
    """A case's name, the same in every process: a function's own text has its address."""
    if isinstance(value, type):
        return value.__name__
    shown = {name: getattr(option, "__name__", option) for name, option in value.items()}
    return " ".join(f"{name}={option}" for name, option in shown.items()) or "plain"


def drawn(*shape, scale=1.0):
    return torch.randn(shape, dtype=torch.float64) * scale


def weights_of(cell, features, scale=1.0):
    shapes = cell.parameter_shapes(features)
    return cell.weights_type(**{name: drawn(*shape, scale=scale) for name, shape in shapes.items()})


def states_of(cell, batch):
    """States as they come about: an sLSTM's normaliser is greater than 0."""
    drawn_states = {name: drawn(batch, size) for name, size in zip(cell.states, cell.state_sizes, strict=True)}
    return tuple(s.abs() + 0.1 if name == "n" else s for name, s in drawn_states.items())


def in_numpy(cell, x, state, weights, mask=None):
    """The step of each sequence by the loops' equations; an sLSTM's states without their stabiliser."""
    options = SimpleNamespace(**{name: getattr(cell, name) for name in cell.__dataclass_fields__})
    p = {name: w.numpy() for name, w in weights._asdict().items() if w is not None}
    old = unscaled([s.numpy() for s in state])
    rows = []
    for n in range(len(x)):
        seen = old[0][n] if mask is None else old[0][n] * mask[n].numpy()
        rows.append(STEPS[cell.name](p, options, x[n].numpy(), [s[n] for s in old], seen))
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hidden", [3, 9])
@pytest.mark.parametrize(("equations", "options"), CASES, ids=in_words)
def test_one_step_is_the_papers(equations, options, hidden, bias, masked):
    cell = equations(hidden, bias, **options)
    x, state, weights = drawn(4, 2), states_of(cell, 4), weights_of(cell, 2)
    mask = torch.tensor([0.0, 2.5], dtype=torch.float64)[torch.randint(2, (4, cell.output_size))] if masked else None
    found, _ = cell.step(x, state, weights, mask)
    expected = in_numpy(cell, x, state, weights, mask)
    for f, e in zip(unscaled([s.numpy() for s in found]), expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("options", [{}, *OF_LSTM.values()], ids=in_words)
def test_a_projection_is_the_only_thing_between_o_phi_c_and_h(options):
    cell = LSTMEquations(5, **options)
    (h, c), gates = cell.step(drawn(4, 2), states_of(cell, 4), weights := weights_of(cell, 2))
    assert set(gates) == {"i", "f", "g", "o"} | {f"{gate}_pre" for gate in cell.gates}
    if cell.coupled_gates:
        assert torch.equal(gates["i"], 1 - gates["f"])
    if cell.cell_clip:
        assert c.abs().max() <= cell.cell_clip
    if cell.preactivation_clip:
        assert all(gates[f"{gate}_pre"].abs().max() <= cell.preactivation_clip for gate in cell.gates)
    assert h.shape == (4, cell.proj_size or 5)
    assert (weights.weight_hr is None) == (cell.proj_size == 0)


def test_the_output_gate_sees_the_new_cell_state_and_the_others_the_old():
    cell = LSTMEquations(1, False, peephole=True)
    zero, one = torch.zeros(4, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    peeps = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64)
    weights = cell.weights_type(zero, zero, weight_peephole=peeps)
    (_, c), gates = cell.step(one, (one, 3 * one), weights)
    assert [gates[name].item() for name in ("i_pre", "f_pre", "o_pre")] == [3.0, 6.0, 4 * c.item()]
    assert gates["g_pre"].item() == 0


def test_a_bound_cuts_the_cell_state_that_is_kept_and_the_other_what_gates_are_given():
    big = {"weight_ih": torch.full((4, 1), 9.0), "weight_hh": torch.zeros(4, 1)}
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    bounds = ({"cell_clip": 2.0}, {"preactivation_clip": 2.0})
    cells = [LSTMEquations(1, False, activation="affine", **bound) for bound in bounds]
    kept, free = (cell.step(one, (zero, 5 * one), cell.weights_type(**big))[0] for cell in cells)
    sigma = torch.sigmoid(torch.tensor(9.0))
    torch.testing.assert_close(kept[1].item(), 2.0)
    torch.testing.assert_close(kept[0], sigma * 2 * one)
    sigma = torch.sigmoid(torch.tensor(2.0))
    torch.testing.assert_close(free[1], sigma * (5 + 2) * one)  # c itself is not bound
    torch.testing.assert_close(free[0], sigma * free[1])  # nor on its way into h


POINTS = np.concatenate([np.linspace(-30, 30, 241), [-1.0, 1.0 - 1e-12, 1.0, 1.0 + 1e-12, 2.5, 1e-9]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_onnxs(name):
    found = Activation(name)(torch.from_numpy(POINTS)).numpy()
    np.testing.assert_allclose(found, ACTIVATIONS[name](POINTS), rtol=1e-12, atol=1e-14)


WITH_CONSTANTS = {
    "affine": (1.5, -0.3, lambda x: 1.5 * x - 0.3),
    "leaky_relu": (0.2, None, lambda x: np.where(x < 0, 0.2 * x, x)),
    "thresholded_relu": (0.4, None, lambda x: np.where(x > 0.4, x, 0)),
    "scaled_tanh": (1.7159, 2 / 3, lambda x: 1.7159 * np.tanh(2 / 3 * x)),
    "hard_sigmoid": (1 / 6, 0.4, lambda x: np.clip(x / 6 + 0.4, 0, 1)),
    "elu": (0.7, None, lambda x: np.where(x < 0, 0.7 * np.expm1(np.minimum(x, 0)), x)),
}


@pytest.mark.parametrize("name", WITH_CONSTANTS)
def test_activations_with_constants(name):
    alpha, beta, formula = WITH_CONSTANTS[name]
    found = Activation(name, alpha, beta)(torch.from_numpy(POINTS)).numpy()
    np.testing.assert_allclose(found, formula(POINTS), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_has_second_derivatives(name):
    x = torch.tensor([-7.1, -2.6, -0.3, 0.4, 1.7, 25.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Activation(name), (x,))
    assert torch.autograd.gradgradcheck(Activation(name), (x,))


def test_activations_in_every_spelling_and_none_other():
    spellings = ("HardSigmoid", "hardsigmoid", "hard_sigmoid", "HARD_SIGMOID")
    assert {Activation(name) for name in spellings} == {Activation("hard_sigmoid", 0.2, 0.5)}
    with pytest.raises(ConfigError, match=r"no activation 'hard_sigmoit'.*Did you mean 'hard_sigmoid'"):
        Activation("hard_sigmoit")
    with pytest.raises(ConfigError, match="'tanh' has no alpha; got alpha=2"):
        Activation("tanh", alpha=2.0)
    with pytest.raises(ConfigError, match="'elu' has no beta"):
        Activation("elu", beta=2.0)


@pytest.mark.parametrize("equations", [LSTMEquations, GRUEquations, RNNEquations, SLSTMEquations])
def test_a_cell_tells_what_torchs_has_not(equations):
    assert equations(4, bias=False).options == {}
    options = {LSTMEquations: {"peephole": True, "cell_clip": 3.0}, GRUEquations: {"reset_after": False}}
    options |= {RNNEquations: {"nonlinearity": "elu"}, SLSTMEquations: {"num_heads": 2}}
    assert equations(4, **options[equations]).options == options[equations]
    assert RNNEquations(4, nonlinearity="relu").options == {}


def long_run(cell, x_TNF, weights, state):
    outputs = []
    for x_NF in x_TNF:
        state, _ = cell.step(x_NF, state, weights)
        outputs.append(state[0])
    return torch.stack(outputs), state


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
def test_slstm_over_many_steps_equals_naive_exponentials(forget_gate):
    cell = SLSTMEquations(6, num_heads=2, forget_gate=forget_gate)
    x, weights = drawn(25, 4, 3), weights_of(cell, 3, scale=0.5)
    output, final = long_run(cell, x, weights, tuple(torch.zeros(4, 6, dtype=torch.float64) for _ in range(4)))
    state = tuple(torch.zeros(4, 6, dtype=torch.float64) for _ in range(4))
    options = SimpleNamespace(num_heads=2, forget_gate=forget_gate)
    p = {name: w.numpy() for name, w in weights._asdict().items()}
    for n in range(4):
        naive = unscaled([s[n].numpy() for s in state])
        for t in range(25):
            naive = STEPS["SLSTM"](p, options, x[t, n].numpy(), naive, naive[0])
            np.testing.assert_allclose(output[t, n].numpy(), naive[0], rtol=1e-10, atol=1e-10)
        for f, e in zip(unscaled([s[n].numpy() for s in final]), naive, strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1), "mixed"], ids=str)
def test_slstm_stays_finite_where_its_exponentials_would_not(signs, forget_gate, dtype):
    cell = SLSTMEquations(5, forget_gate=forget_gate)
    i_pre, f_pre = (200.0, 200.0) if signs == "mixed" else (200.0 * sign for sign in signs)
    x = torch.ones(6, 2, 1, dtype=dtype)
    if signs == "mixed":
        x = x * torch.tensor([1.0, -1, -1, 1, -1, 1], dtype=dtype)[:, None, None]
    bias = torch.randn(20, dtype=dtype)
    weight = torch.cat([torch.full((5, 1), v, dtype=dtype) for v in (i_pre, f_pre, 3.0, 2.0)])
    leaves = [x, weight, torch.randn(20, 5, dtype=dtype), bias, torch.zeros(20, dtype=dtype)]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    states = [torch.zeros(2, 5, dtype=dtype, requires_grad=True) for _ in range(4)]
    output, final = long_run(cell, leaves[0], cell.weights_type(*leaves[1:]), tuple(states))
    assert output.abs().max() <= 1  # o · (a mean of tanh)
    assert all(torch.isfinite(s).all() for s in final)
    for grad in torch.autograd.grad(output.square().sum(), [*leaves, *states]):
        assert torch.isfinite(grad).all()


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
def test_the_stabiliser_is_seen_in_no_output(forget_gate):
    cell = SLSTMEquations(5, forget_gate=forget_gate)
    x, weights, (h, c, n, m) = drawn(7, 3, 2), weights_of(cell, 2, 0.5), states_of(cell, 3)
    shift = drawn(3, 5, scale=9.0)
    shifted = (h, c * torch.exp(-shift), n * torch.exp(-shift), m + shift)
    found, expected = (long_run(cell, x, weights, state)[0] for state in (shifted, (h, c, n, m)))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
def test_derivatives_by_states_that_are_zero(forget_gate):
    """At n = 0 the stabiliser takes another branch, and no derivative must notice."""
    cell = SLSTMEquations(3, forget_gate=forget_gate)
    x, weights = drawn(3, 2, 2), weights_of(cell, 2)
    states = tuple(torch.zeros(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(4))
    assert torch.autograd.gradcheck(lambda *states: long_run(cell, x, weights, states)[0], states)
