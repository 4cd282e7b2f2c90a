"""Each option of a layer against the equations in NumPy, with the very noise that it draws; initial states."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import unrolled.layers as ours
from loops import first_states, run, unscaled
from option_cases import drawn, leaves_of
from unrolled.errors import ConfigError, DtypeError, ShapeError

T, N, F, H = 6, 4, 3, 5
LENGTHS = [4, 6, 0, 1]
SHARED = {
    "recurrent dropout": {"recurrent_dropout": 0.4},
    "weight drop": {"weight_drop": 0.4},
    "learned states": {"initial_state": "learned"},
    "residual": {"residual": True},
    "widths": {"hidden_size": [5, 3]},
    "all noise": {"recurrent_dropout": 0.3, "weight_drop": 0.3},
}
OF = {
    "LSTM": {
        "zoneout": {"zoneout": 0.3},
        "zoneout of h": {"zoneout": (0.4, 0.0)},
        "zoneout of h and c": {"zoneout": (0.1, 0.5)},
        "zoneout with a projection": {"zoneout": 0.3, "proj_size": 2},
        "recurrent dropout of a projection": {"recurrent_dropout": 0.4, "proj_size": 2},
        "recurrent dropout before layer norm": {"recurrent_dropout": 0.4, "layer_norm": True},
        "weight drop before layer norm": {"weight_drop": 0.4, "layer_norm": True},
        "zoneout of a clipped c": {"zoneout": 0.3, "cell_clip": 0.2},
        "peepholes": {"peephole": True},
        "layer norm": {"layer_norm": True},
        "coupled gates": {"coupled_gates": True, "peephole": True},
        "cell clip": {"cell_clip": 0.3},
        "pre-activation clip": {"preactivation_clip": 0.3},
        "activations": {"activation": "scaled_tanh", "recurrent_activation": "hard_sigmoid"},
    },
    "GRU": {
        "zoneout": {"zoneout": 0.3},
        "reset before": {"reset_after": False},
        "recurrent dropout, reset before": {"recurrent_dropout": 0.4, "reset_after": False},
        "pre-activation clip": {"preactivation_clip": 0.3},
        "activations": {"activation": "softsign", "recurrent_activation": "hard_sigmoid"},
    },
    "RNN": {"zoneout": {"zoneout": 0.3}, "elu": {"nonlinearity": "elu"}, "clip": {"preactivation_clip": 0.3}},
    "SLSTM": {"plain": {}, "heads": {"num_heads": 5}, "exponential": {"forget_gate": "exp"}},
}
CASES = [(kind, options) for kind in OF for options in [*SHARED.values(), *OF[kind].values()]]


def layer_of(kind, hidden_size=H, **options):
    """A layer of two layers, all of whose parameters are drawn."""
    options = {"bidirectional": True, "dtype": torch.float64} | options
    if isinstance(hidden_size, int):
        options |= {"num_layers": options.get("num_layers", 2)}
    layer = getattr(ours, kind)(F, hidden_size, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.6)
    return layer


def assert_equals_the_loops(layer, x, lengths, noise=None):
    """Outputs and final states of a call from the generator's present state."""
    output, states = layer(x, lengths=lengths)
    expected, finals = run(layer, x.numpy(), lengths, noise=noise)
    np.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-11, atol=1e-11)
    directions = layer.spec().directions
    kinds = states if isinstance(states, tuple) and len(layer.spec().states) > 1 else (states,)
    for k, sides in enumerate(finals):
        for d, wanted in enumerate(sides):
            found = [kind[k][d] if isinstance(kind, tuple) else kind[k * directions + d] for kind in kinds]
            for f, e in zip(unscaled([s.detach().numpy() for s in found]), wanted, strict=True):
                np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_in_training_it_is_the_loop_with_the_masks_that_were_drawn(kind, options, lengths):
    layer = layer_of(kind, **options)
    x = torch.randn(T, N, F, dtype=torch.float64)
    torch.manual_seed(3)
    noise = drawn(layer, T, N)
    torch.manual_seed(3)
    assert_equals_the_loops(layer, x, lengths, noise)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_in_eval_it_is_the_loop_with_zoneouts_expectation_and_nothing_drawn(kind, options, lengths):
    layer = layer_of(kind, **options).eval()
    before = torch.get_rng_state()
    x = torch.zeros(T, N, F, dtype=torch.float64) + torch.linspace(-1, 1, T * N * F, dtype=torch.float64).view(T, N, F)
    rates = layer.spec().zoneout
    noise = [[side._replace(hold=rates, weight_hh=None) for side in sides] for sides in drawn(layer, T, N)]
    assert all(side.h_mask is None for sides in noise for side in sides)
    assert_equals_the_loops(layer, x, lengths, noise)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_second_derivatives(kind, options):
    layer = layer_of(kind, **{"bidirectional": False} | options, kernel="reference")
    x = torch.randn(3, 2, F, dtype=torch.float64, requires_grad=True)

    def once(x):
        torch.manual_seed(1)
        return layer(x)[0]

    assert torch.autograd.gradgradcheck(once, (x,), fast_mode=True)


def test_a_nonlinearity_with_parameters_learns():
    layer = ours.LSTM(F, H, activation=nn.PReLU(dtype=torch.float64), dtype=torch.float64)
    assert "activation.weight" in dict(layer.named_parameters())
    layer(torch.randn(T, N, F, dtype=torch.float64))[0].sum().backward()
    assert layer.activation.weight.grad != 0


# --- Initial states -------------------------------------------------------------------------------------------------


def from_input(kind, widths=(H, H), directions=2, bias=True):
    states = 2 if kind == "LSTM" else 1
    return ours.InitialStateFromInput(F, list(widths), states, directions == 2, bias, dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("widths", [H, [5, 3]], ids=str)
def test_states_from_the_input_are_chains_of_tanh(kind, widths, lengths, bias):
    start = from_input(kind, widths if isinstance(widths, list) else [H, H], bias=bias)
    layer = layer_of(kind, widths, initial_state=start)
    x = torch.randn(T, N, F, dtype=torch.float64)
    own = first_states(layer, x.numpy(), lengths or [T] * N)
    chains = [state.tobytes() for sides in own for side in sides for state in side]
    assert len(set(chains)) == len(chains)  # each state, layer and direction has its own
    assert_equals_the_loops(layer, x, lengths)


def test_states_from_an_input_of_another_width_are_refused():
    start = ours.InitialStateFromInput(6, 5)
    with pytest.raises(ShapeError, match="made with input_size=6; the input has 7 features"):
        ours.LSTM(7, 5, initial_state=start)(torch.zeros(4, 3, 7))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_learned_states_begin_as_zeros_and_are_learned(kind):
    layer = getattr(ours, kind)(F, [5, 3], initial_state="learned", bidirectional=True, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters() if name.startswith("initial_state.")]
    states = "hc" if kind == "LSTM" else "h"
    assert names == [f"initial_state.{s}_l{k}{d}" for k in (0, 1) for d in ("", "_reverse") for s in states]
    plain = getattr(ours, kind)(F, [5, 3], bidirectional=True, dtype=torch.float64)
    plain.load_state_dict({name: w for name, w in layer.state_dict().items() if name not in names})
    x = torch.randn(T, N, F, dtype=torch.float64)
    assert torch.equal(layer(x)[0], plain(x)[0])
    layer(x)[0].square().sum().backward()
    assert all((layer.get_parameter(name).grad != 0).all() for name in names)
    hx = leaves_of(plain(x)[1])[: 2 * len(states)]
    hx = tuple(tuple(torch.ones_like(s) for s in pair) for pair in (hx[:2], hx[2:]) if pair)
    with torch.no_grad():
        for name in names:
            layer.get_parameter(name).fill_(3.0)
    assert torch.equal(layer(x, hx if kind == "LSTM" else hx[0])[0], plain(x, hx if kind == "LSTM" else hx[0])[0])
    layer.reset_parameters()
    assert all((layer.get_parameter(name) == 0).all() for name in names)


def test_an_slstms_learned_states_have_a_normaliser_that_stays_1():
    """It can't reach 0 by learning, and m has the same freedom."""
    layer = ours.SLSTM(F, H, initial_state="learned")
    names = {name for name, _ in layer.named_parameters() if name.startswith("initial_state.")}
    assert names == {f"initial_state.{state}_l0" for state in "hcm"}
    (_, _, n, _) = layer.initial_state(torch.randn(T, N, F))[0][0]
    assert torch.equal(n, torch.ones(N, H))
    with torch.no_grad():
        layer.initial_state.m_l0.fill_(-60.0)  # a memory without any weight
    plain = ours.SLSTM(F, H)
    plain.load_state_dict({name: w for name, w in layer.state_dict().items() if name not in names})
    x = torch.randn(T, N, F)
    torch.testing.assert_close(layer(x)[0], plain(x)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_a_module_of_ones_own_is_given_time_first_and_its_states_are_taken(batch_first, lengths):
    calls = []

    class Own(nn.Module):
        def forward(self, x, lengths):
            calls.append((x.shape, None if lengths is None else lengths.tolist()))
            return [[(x.new_full((x.shape[1], H), 0.5),)]]

    layer = ours.GRU(F, H, batch_first=batch_first, initial_state=Own())
    x = torch.randn(*((N, T) if batch_first else (T, N)), F)
    found = layer(x, lengths=lengths)[0]
    assert calls == [((T, N, F), lengths)]
    assert torch.equal(found, layer(x, torch.full((1, N, H), 0.5), lengths)[0])
    assert len(calls) == 1  # hx stands in its place
    assert torch.equal(layer(x[0])[0], layer(x[0], torch.full((1, H), 0.5))[0])


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("options", [{"initial_state": "input"}, {"residual": True}, {"zoneout": 0.3}], ids=str)
def test_padding_reaches_no_result_and_no_gradient(options, lengths):
    own = {"initial_state": from_input("LSTM")} if "initial_state" in options else options
    layer = layer_of("LSTM", **own)
    clean = torch.randn(T, N, F, dtype=torch.float64)
    results = []
    for poison in (0.0, float("nan")):
        x = clean.clone()
        for n, length in enumerate(lengths or []):
            x[length:, n] = poison
        torch.manual_seed(1)
        output, states = layer(x.requires_grad_(), lengths=lengths)
        total = output.sum() + sum(s.sum() for s in states)
        results.append([output, *torch.autograd.grad(total, [x, *layer.parameters()])])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_states_of_wrong_shapes_and_kinds_are_refused():
    x = torch.randn(T, N, F)
    with pytest.raises(ShapeError, match=r"initial_state module must return, for each layer"):
        ours.LSTM(F, H, initial_state=ours.InitialStateFromInput(F, H, states=1))(x)
    with pytest.raises(ShapeError, match=r"\(4, 5\).*it returned .*\(4, 7\)"):
        ours.GRU(F, H, initial_state=ours.InitialStateFromInput(F, 7, states=1))(x)
    with pytest.raises(ShapeError, match=r"It returned a tensor \(6, 4, 3\)"):
        ours.GRU(F, H, initial_state=_Returning(x))(x)
    with pytest.raises(ShapeError, match=r"It returned NoneType"):
        ours.GRU(F, H, initial_state=_Returning(None))(x)
    with pytest.raises(ConfigError, match=r"states must be 1 \(h\) or 2 \(h and c\).*got 4"):
        ours.InitialStateFromInput(F, H, states=4)
    with pytest.raises(ConfigError, match=r"hidden_size\[1\] must be a whole number greater than zero; got 0"):
        ours.InitialStateFromInput(F, [H, 0])


class _Returning(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x, lengths=None):
        return self.value


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("LSTM", {"init": ("torch", 7)}, r"init must be 'torch', 'keras', \('chrono', steps\).*got \('torch', 7\)"),
        ("LSTM", {"init": {"weight_hh": 3}}, r"init\['weight_hh'\] must be an initialiser.*got 3"),
        ("LSTM", {"init": None}, "init must be 'torch'"),
        ("GRU", {"zoneout": (0.1, 0.2)}, "not a pair: this cell's only zoned-out state is h"),
        ("LSTM", {"zoneout": (0.1, 1.0)}, "a pair of them, for h and c"),
        ("SLSTM", {"zoneout": (0.1, 0.2)}, "zoneout is defined for h and c; this cell has other states too"),
        ("SLSTM", {"zoneout": None}, "zoneout is defined for h and c; this cell has other states too"),
        ("RNN", {"recurrent_dropout": float("nan")}, "recurrent_dropout must be a probability"),
        ("RNN", {"weight_drop": -0.1}, "weight_drop must be a probability"),
        ("LSTM", {"cell_clip": float("nan")}, "cell_clip must be a number greater than zero"),
    ],
    ids=str,
)
def test_what_an_option_can_not_be(kind, options, words):
    with pytest.raises((ConfigError, DtypeError), match=words):
        getattr(ours, kind)(F, H, **options)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "SLSTM"])
def test_everything_that_is_wrong_is_said_at_once(kind):
    with pytest.raises(ConfigError) as caught:
        getattr(ours, kind)(F, H, recurrent_dropout=2, weight_drop=1.0, init="glorot", initial_state="ones")
    for name in ("recurrent_dropout", "weight_drop", "init", "initial_state"):
        assert f"{name} must be" in str(caught.value)


# --- sLSTM --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
@pytest.mark.parametrize("start", ["zeros", "learned"])
@pytest.mark.parametrize("size", [200.0, -200.0])
def test_an_slstm_stays_finite_at_large_pre_activations(forget_gate, start, size):
    layer = ours.SLSTM(F, 6, 2, bidirectional=True, num_heads=2, forget_gate=forget_gate, initial_state=start)
    with torch.no_grad():
        for name in ("bias_ih_l0", "bias_ih_l0_reverse", "bias_ih_l1"):
            layer.get_parameter(name).fill_(size)
    x = torch.randn(T, N, F, requires_grad=True)
    output, states = layer(x, lengths=LENGTHS)
    total = output.square().sum() + sum(s.sum() for s in states)
    assert all(torch.isfinite(v).all() for v in (output, *states))
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(total, [x, *layer.parameters()]))
