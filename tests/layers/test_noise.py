"""How noise is drawn: each mask's rate, and what shares it. Counts are judged by bounds that hold for any seed."""

from __future__ import annotations

import math

import pytest
import torch

import unrolled.layers as ours
from option_cases import leaves_of
from unrolled.layers.noise import draw_noise

T, N, F, H = 6, 4, 3, 5


def assert_binomial(count, draws, p):
    """Chernoff: a count this far off has a probability below 1e-9, whatever the seed."""
    q = float(count) / draws
    divergence = sum(a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a > 0)
    assert draws * divergence < math.log(2e9), f"{count} of {draws}, expected {p * draws:.0f}"


def adding_layer(rate, layers=2, units=60):
    """h_t = h_(t−1) · mask + 1 for every unit alone: the end tells what the mask was at every step."""
    layer = ours.RNN(1, units, layers, "affine", bidirectional=True, recurrent_dropout=rate, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.zero_()
            if name.startswith("weight_hh"):
                parameter.copy_(torch.eye(units))
            if name.startswith("bias_ih"):
                parameter.fill_(1)
    return layer


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.8])
def test_recurrent_dropout_has_one_mask_a_sequence_layer_and_direction(rate):
    layer, steps, batch = adding_layer(rate), 7, 50
    x = torch.zeros(steps, batch, 1, dtype=torch.float64)
    ends = [layer(x)[1].detach() for _ in range(2)]
    # A unit that is dropped at every step ends at 1; one that is never dropped at the sum of 1/(1 − rate)^j.
    kept = sum((1 / (1 - rate)) ** j for j in range(steps))
    for end in ends:
        dropped, whole = torch.isclose(end, torch.ones_like(end)), torch.isclose(end, torch.full_like(end, kept))
        assert (dropped ^ whole).all()
    masks = torch.stack([torch.isclose(end, torch.ones_like(end)) for end in ends]).flatten(0, 1)
    assert_binomial(masks.sum(), masks.numel(), rate)
    alike = rate**2 + (1 - rate) ** 2  # of two draws that have nothing to do with each other
    for a in range(len(masks)):
        for b in range(a):
            assert_binomial((masks[a] == masks[b]).sum(), masks[a].numel(), alike)
    neighbours = masks[:, 1:] == masks[:, :-1]
    assert_binomial(neighbours.sum(), neighbours.numel(), alike)


def test_recurrent_dropout_leaves_the_output_and_what_is_carried_alone():
    """The mask is on h where it meets recurrent weights; nothing of h itself is dropped."""
    layer = ours.GRU(F, 50, recurrent_dropout=0.5, dtype=torch.float64)
    output, h_n = layer(torch.randn(T, N, F, dtype=torch.float64), torch.ones(1, N, 50, dtype=torch.float64))
    assert (output != 0).all()
    assert torch.equal(output[-1], h_n[0])


def counting_layer(zoneout, units=60):
    """h_t = t + 1 where it is not held."""
    layer = ours.RNN(1, units, nonlinearity="affine", bias=False, zoneout=zoneout, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1)
        layer.weight_hh_l0.zero_()
    return layer


def steps_from_one(steps, batch):
    return torch.arange(1, steps + 1, dtype=torch.float64)[:, None, None].expand(steps, batch, 1).contiguous()


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_zoneout_is_drawn_anew_at_each_step_unit_and_sequence(rate):
    output = counting_layer(rate)(steps_from_one(30, 20))[0].detach()
    before = torch.cat([torch.zeros_like(output[:1]), output[:-1]])
    held = output == before
    new = output == steps_from_one(30, 20)
    assert (held ^ new).all()
    assert_binomial(held.sum(), held.numel(), rate)
    alike = rate**2 + (1 - rate) ** 2
    for axis in range(3):  # time, batch, unit
        size = held.shape[axis] - 1
        same = held.narrow(axis, 0, size) == held.narrow(axis, 1, size)
        assert_binomial(same.sum(), same.numel(), alike)


def unit_lstm(zoneout, units=50):
    """Open gates and g = 1: c counts the steps at which it was not held, and h shows the c before plus 1."""
    layer = ours.LSTM(
        1, units, activation="affine", recurrent_activation=torch.ones_like, zoneout=zoneout, dtype=torch.float64
    )
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0.fill_(1)
    return layer


def test_zoneouts_masks_in_bulk_have_their_rate_and_no_rhythm():
    """As many as a training step of some size draws: their bits must not be coarse, nor follow each other."""
    layer = ours.GRU(1, 64, zoneout=0.03)
    like, cell = torch.zeros(500, 64, 1), layer.spec().cells[0]
    torch.manual_seed(11)
    first, second = (draw_noise(layer.spec(), cell, like).hold[0].flatten() for _ in range(2))
    alike = 0.03**2 + 0.97**2
    for mask in (first, second):
        assert_binomial(mask.sum(), mask.numel(), 0.03)
        for lag in [*range(1, 33), 63, 64, 65, 127, 128, 64 * 64, 2**15, 2**16]:
            assert_binomial((mask[lag:] == mask[:-lag]).sum(), len(mask) - lag, alike)
    assert_binomial((first == second).sum(), first.numel(), alike)
    torch.manual_seed(11)
    assert torch.equal(draw_noise(layer.spec(), cell, like).hold[0].flatten(), first)


def test_zoneout_of_h_alone_lets_c_count_every_step():
    layer, x = unit_lstm((0.3, 0.0)), torch.zeros(30, 20, 1, dtype=torch.float64)
    output, (h_n, c_n) = layer(x)
    assert (c_n == 30).all()
    assert torch.equal(h_n[0], output[-1])
    held = (output[1:] == output[:-1]).detach()
    assert_binomial(held.sum() + (output[0] == 0).sum(), output.numel(), 0.3)


def test_zoneout_of_c_alone_lets_h_show_what_c_would_have_been():
    layer, x = unit_lstm((0.0, 0.2)), torch.zeros(30, 20, 1, dtype=torch.float64)
    output, (_, c_n) = layer(x)
    assert_binomial(30 * c_n.numel() - int(c_n.sum()), 30 * c_n.numel(), 0.2)
    gained = torch.diff(torch.cat([output - 1, c_n]), dim=0)  # c after each step, less c before it
    assert set(gained.unique().tolist()) == {0.0, 1.0}


def test_zoneout_holds_h_and_c_by_draws_of_their_own():
    layer = ours.LSTM(1, 60, zoneout=0.3)
    h, c = draw_noise(layer.spec(), layer.spec().cells[0], torch.zeros(20, 10, 1)).hold
    assert_binomial((h == c).sum(), h.numel(), 0.3**2 + 0.7**2)


@pytest.mark.parametrize(("kind", "zoneout"), [("LSTM", (0.35, 0.1)), ("GRU", 0.35), ("RNN", 0.35)])
def test_eval_is_what_zoneout_does_on_average(kind, zoneout):
    """One step of many equal sequences; the mean of values within a range of 2 obeys Hoeffding's inequality."""
    layer = getattr(ours, kind)(F, H, zoneout=zoneout, dtype=torch.float64)
    batch = 20_000
    x = torch.randn(1, 1, F, dtype=torch.float64).expand(1, batch, F)
    starts = [torch.rand(1, 1, H, dtype=torch.float64).expand(1, batch, H).contiguous() for _ in layer.spec().states]
    hx = tuple(starts) if kind == "LSTM" else starts[0]
    off = 2 * math.sqrt(math.log(2e9) / (2 * batch))
    for trained, evaluated in zip(leaves_of(layer(x, hx)), leaves_of(layer.eval()(x, hx)), strict=True):
        layer.train()
        mean, expected = trained.mean(-2), evaluated.mean(-2)
        assert (mean - expected).abs().max() < off


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_dropped_weights_are_dropped_for_the_whole_call_and_learn_nothing(rate):
    layer = ours.LSTM(F, 60, bidirectional=True, weight_drop=rate)
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    grads = []
    for _ in range(2):
        layer.zero_grad()
        layer(torch.randn(T, N, F))[0].square().sum().backward()
        grads.append([layer.weight_hh_l0.grad.clone(), layer.weight_hh_l0_reverse.grad.clone()])
        assert (layer.weight_ih_l0.grad != 0).all()
    dropped = torch.stack([grad == 0 for pair in grads for grad in pair])
    assert_binomial(dropped.sum(), dropped.numel(), rate)
    for a in range(4):
        for b in range(a):
            assert_binomial((dropped[a] == dropped[b]).sum(), dropped[a].numel(), rate**2 + (1 - rate) ** 2)
    assert all(torch.equal(p, before[name]) for name, p in layer.named_parameters())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_layer_without_noise_draws_nothing_in_training(kind):
    layer, x = getattr(ours, kind)(F, H, 2), torch.randn(T, N, F)
    before = torch.get_rng_state()
    layer(x)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5}, {"weight_drop": 0.5}, {"dropout": 0.5}], ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "SLSTM"])
def test_dropout_of_any_sort_is_off_in_eval(kind, options):
    noisy, plain = getattr(ours, kind)(F, H, 2, **options), getattr(ours, kind)(F, H, 2)
    plain.load_state_dict(noisy.state_dict())
    x = torch.randn(T, N, F)
    expected = leaves_of(plain(x))
    assert not torch.allclose(noisy(x)[0], expected[0])
    for found, wanted in zip(leaves_of(noisy.eval()(x)), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_the_same_seed_draws_the_same_noise():
    layer, x = ours.LSTM(F, H, recurrent_dropout=0.5, zoneout=0.2, weight_drop=0.2), torch.randn(T, N, F)
    outputs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outputs.append(layer(x)[0])
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
