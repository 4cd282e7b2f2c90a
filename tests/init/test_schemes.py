"""The named schemes: against torch.nn's own draws, Keras's formulas, and what chrono's gates then do over time."""

import math
import re

import pytest
import torch
from torch import nn

from unrolled import init
from unrolled.errors import ConfigError, ShapeError

F, H = 7, 50
GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n"), "RNN": ("h",)}
CASES = [("LSTM", {}), ("LSTM", {"proj_size": 20}), ("GRU", {}), ("RNN", {}), ("LSTM", {"bias": False})]


def parameters_of(kind, dtype=torch.float64, **kwargs):
    layer = getattr(nn, kind)(F, H, dtype=dtype, **kwargs)
    return {name.removesuffix("_l0"): torch.full_like(p, torch.nan) for name, p in layer.named_parameters()}


def run(scheme, kind, parameters, seed=0, gates=None):
    scheme(kind, gates or GATES[kind], H, parameters, torch.Generator().manual_seed(seed))


def blocks(kind, parameters):
    total = parameters["bias_ih"] + parameters["bias_hh"]
    return dict(zip(GATES[kind], total.chunk(len(GATES[kind])), strict=True))


@pytest.mark.parametrize(("kind", "extra"), CASES)
def test_torch_draws_what_torch_nn_draws(kind, extra):
    torch.manual_seed(5)
    theirs = getattr(nn, kind)(F, H, **extra)
    parameters = parameters_of(kind, torch.float32, **extra)
    torch.manual_seed(5)
    init.init_torch(kind, GATES[kind], H, parameters)
    for name, parameter in parameters.items():
        assert torch.equal(parameter, getattr(theirs, f"{name}_l0"))


@pytest.mark.parametrize(("kind", "extra"), CASES)
def test_keras_formulas(kind, extra):
    parameters = parameters_of(kind, **extra)
    run(init.init_keras, kind, parameters)
    rows = len(GATES[kind]) * H
    # Keras: Glorot's bound over the whole (F, B·H) kernel, here seen at its edge by some of its 2,450 draws or more.
    bound = math.sqrt(6 / (F + rows))
    assert 0.97 * bound < parameters["weight_ih"].abs().max() <= bound
    # Keras: the (S, B·H) recurrent kernel has orthonormal rows; ours is its transpose.
    kernel = parameters["weight_hh"].T
    torch.testing.assert_close(kernel @ kernel.T, torch.eye(len(kernel), dtype=torch.float64), rtol=0, atol=1e-12)
    if "weight_hr" in parameters:
        assert 0.97 * math.sqrt(6 / (20 + H)) < parameters["weight_hr"].abs().max() <= math.sqrt(6 / (20 + H))
    if "bias_ih" in parameters:
        forget = {gate: 1.0 if (kind, gate) == ("LSTM", "f") else 0.0 for gate in GATES[kind]}
        assert {gate: set(block.tolist()) for gate, block in blocks(kind, parameters).items()} == {
            gate: {value} for gate, value in forget.items()
        }
        assert not parameters["bias_hh"].any()


def test_keras_peepholes_are_glorots_with_both_fans_h():
    draws = []
    for seed in range(20):
        parameters = {"weight_peephole": torch.full((3, H), torch.nan)}
        run(init.init_keras, "LSTM", parameters, seed)
        draws += list(parameters.values())
    largest = torch.cat(draws).abs().max()
    assert 0.99 * math.sqrt(6 / (H + H)) < largest <= math.sqrt(6 / (H + H))


@pytest.mark.parametrize("scheme", [init.init_torch, init.init_keras, init.init_chrono(30)])
def test_norms_are_left_alone_and_all_else_is_drawn(scheme):
    parameters = parameters_of("LSTM") | {
        "weight_peephole": torch.full((3, H), torch.nan),
        "norm_ih": torch.full((4 * H,), 3.0),
        "norm_c_bias": torch.full((H,), 4.0),
    }
    run(scheme, "LSTM", parameters)
    assert (parameters.pop("norm_ih") == 3).all()
    assert (parameters.pop("norm_c_bias") == 4).all()
    assert all(parameter.isfinite().all() for parameter in parameters.values())


@pytest.mark.parametrize("scheme", [init.init_torch, init.init_keras, init.init_chrono(30)])
def test_a_generator_makes_a_scheme_repeatable(scheme):
    first, second, third = (parameters_of("GRU") for _ in range(3))
    run(scheme, "GRU", first, 1)
    run(scheme, "GRU", second, 1)
    run(scheme, "GRU", third, 2)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["weight_hh"], third["weight_hh"])


@pytest.mark.parametrize(("kind", "keeps"), [("LSTM", "f"), ("GRU", "z")])
def test_chrono_spreads_the_time_scales_evenly(kind, keeps):
    t_max, draws = 101, []
    for seed in range(20):
        parameters = parameters_of(kind)
        run(init.init_chrono(t_max), kind, parameters, seed)
        gate = blocks(kind, parameters)
        assert torch.equal(parameters["bias_hh"].chunk(len(gate))[GATES[kind].index(keeps)], torch.zeros(H))
        if kind == "LSTM":
            assert torch.equal(gate["i"], -gate["f"])
        draws.append(gate[keeps])
    u = torch.cat(draws).exp().sort().values
    n = len(u)
    assert u[0] >= 1 - 1e-12
    assert u[-1] <= (t_max - 1) * (1 + 1e-12)
    # The Kolmogorov-Smirnov distance from U(1, 100), as in test_distributions.
    assert ((u - 1) / (t_max - 2) - torch.arange(n) / n).abs().max() < 1.95 / math.sqrt(n)


def test_chrono_makes_memories_as_long_as_it_says():
    """Of an LSTM without weights, c decays to 1/e in about u + 1 steps, between 2 and T_max."""
    layer = nn.LSTM(1, H, dtype=torch.float64)
    parameters = {name.removesuffix("_l0"): parameter for name, parameter in layer.named_parameters()}
    run(init.init_chrono(21), "LSTM", parameters)
    u = blocks("LSTM", parameters)["f"].detach().exp()
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh"):
            parameters[name].zero_()
        for bias in ("bias_ih", "bias_hh"):
            parameters[bias][2 * H : 3 * H] = 0.0  # g = tanh(0): nothing is written
        ones = torch.ones(1, 1, H, dtype=torch.float64)
        _, (_, c) = layer(torch.zeros(10, 1, 1, dtype=torch.float64), (ones, ones))
    torch.testing.assert_close(c[0, 0], (u / (u + 1)) ** 10, rtol=1e-12, atol=0)


def test_chrono_leaves_the_other_gates_as_torch_draws_them():
    plain, chrono = parameters_of("LSTM"), parameters_of("LSTM")
    run(init.init_torch, "LSTM", plain)
    run(init.init_chrono(50), "LSTM", chrono)
    for name in plain:
        same = plain[name] == chrono[name]
        assert same[2 * H :].all()
        assert same.all() == name.startswith("weight")


def test_chrono_with_coupled_gates_sets_the_forget_gate_alone():
    gates = ("f", "g", "o")
    parameters = {name: torch.full((3 * H,), torch.nan, dtype=torch.float64) for name in ("bias_ih", "bias_hh")}
    run(init.init_chrono(50), "LSTM", parameters, gates=gates)
    f, g, _ = (parameters["bias_ih"] + parameters["bias_hh"]).chunk(3)
    assert (f >= 0).all()
    assert f.max() > math.log(40)
    assert g.abs().max() <= 2 / math.sqrt(H)


def test_chrono_for_half_precision_and_very_long_times():
    parameters = {name: torch.empty(4 * H, dtype=torch.float16) for name in ("bias_ih", "bias_hh")}
    run(init.init_chrono(1e9), "LSTM", parameters)
    f = parameters["bias_ih"][H : 2 * H]
    assert f.isfinite().all()
    assert 15 < f.max() <= 20.73  # log(1e9), rounded


def test_the_shortest_t_max_means_no_bias():
    parameters = parameters_of("LSTM")
    run(init.init_chrono(2), "LSTM", parameters)
    assert not parameters["bias_ih"][: 2 * H].any()


@pytest.mark.parametrize("value", [2.5, torch.arange(H, dtype=torch.float64)])
def test_the_forget_bias_is_the_sum(value):
    parameters = {name: nn.Parameter(p) for name, p in parameters_of("LSTM").items()}
    run(init.init_torch, "LSTM", parameters)
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    init.set_forget_bias(GATES["LSTM"], H, parameters, value)
    total = (parameters["bias_ih"] + parameters["bias_hh"])[H : 2 * H]
    assert torch.equal(total, torch.as_tensor(value, dtype=torch.float64).expand(H))
    assert not parameters["bias_hh"][H : 2 * H].any()
    for name in parameters:
        changed = (parameters[name] != before[name]).reshape(len(parameters[name]), -1).any(1)
        expected = torch.zeros_like(changed)
        expected[H : 2 * H] = name.startswith("bias")
        # Of arange's H values none is a value that was there, nor is 2.5.
        assert torch.equal(changed, expected)


def test_a_cell_with_one_bias():
    bias = {"bias_ih": torch.zeros(4 * H)}
    init.set_forget_bias(GATES["LSTM"], H, bias, 1.0)
    assert bias["bias_ih"].sum() == H


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: run(init.init_chrono(9), "RNN", parameters_of("RNN")), ConfigError,
         "as derived for LSTM (f) and GRU (z); not for RNN. Choose init='torch' or 'keras'."),
        (lambda: run(init.init_chrono(9), "LSTM", parameters_of("LSTM", bias=False)), ConfigError,
         "init='chrono' sets the gates' biases, and this LSTM has bias=False."),
        (lambda: init.init_chrono(1.5), ConfigError, "t_max must be a finite number of at least 2; got 1.5."),
        (lambda: init.init_chrono(math.inf), ConfigError, "t_max must be a finite number of at least 2; got inf."),
        (lambda: init.set_forget_bias(GATES["GRU"], H, parameters_of("GRU"), 1.0), ConfigError,
         "forget_bias is the bias of the forget gate f; this cell has the gates r, z, n."),
        (lambda: init.set_forget_bias(GATES["LSTM"], H, parameters_of("LSTM", bias=False), 1.0), ConfigError,
         "forget_bias sets a bias, and this cell has bias=False."),
        (lambda: init.init_keras("mine", ("h",), 3, {"weight_hh": torch.empty(2, 3, 3)}), ShapeError,
         "expected a weight (B·H, F); got (2, 3, 3)"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, says):
    with pytest.raises(error, match=re.escape(says)):
        call()


def test_a_refused_chrono_draws_nothing():
    parameters = parameters_of("RNN")
    with pytest.raises(ConfigError):
        run(init.init_chrono(9), "RNN", parameters)
    assert all(parameter.isnan().all() for parameter in parameters.values())
    assert init.init_chrono(9) == init.init_chrono(t_max=9)
    assert repr(init.init_chrono(9)) == "init_chrono(t_max=9)"
