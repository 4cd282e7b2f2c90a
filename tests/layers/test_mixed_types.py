"""What reaches native code is of one type and size, whatever came in: under autocast, from modules and from files."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from unrolled.errors import ConfigError, DtypeError, KernelError

BF16 = torch.bfloat16
NOISES: list[dict[str, Any]] = [{"recurrent_dropout": 0.5}, {"zoneout": 0.3}, {"weight_drop": 0.3}]


@pytest.mark.parametrize("noise", NOISES, ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_rounded_input_draws_the_noise_of_any_other(kind, noise):
    layer, x = getattr(ours, kind)(3, 64, **noise), torch.randn(4, 9, 3).bfloat16()
    found = []
    for given in (x, x.float()):
        torch.manual_seed(1)
        with torch.no_grad(), torch.autocast("cpu", dtype=BF16):
            found.append(layer(given)[0].float())
    torch.testing.assert_close(*found, rtol=0.05, atol=0.05)


@pytest.mark.needs_native
def test_any_state_may_be_rounded_under_autocast():
    layer, cell, x = ours.LSTM(3, 64), ours.LSTMCell(3, 64), torch.randn(4, 9, 3)
    h = torch.full((1, 9, 64), 0.5)
    with torch.no_grad(), torch.autocast("cpu", dtype=BF16):
        torch.testing.assert_close(layer(x, (h, h.bfloat16()))[0], layer(x, (h, h))[0])
        torch.testing.assert_close(cell(x[0], (h[0], h[0].bfloat16())), cell(x[0], (h[0], h[0])))


def test_a_stream_that_began_under_autocast_goes_on_without():
    layer, x = ours.GRU(3, 64, recurrent_dropout=0.5), torch.randn(4, 9, 3)
    stream = layer.stream()
    with torch.no_grad():
        with torch.autocast("cpu", dtype=BF16):
            stream(x.bfloat16())
        stream.state = stream.state.float()
        after = stream(x)
    assert after.isfinite().all()
    assert after.dtype == torch.float32


class Start(nn.Module):
    def __init__(self, *states):
        super().__init__()
        self.states = states

    def forward(self, x, lengths=None):
        return [[self.states]]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (torch.zeros(2, 4, dtype=torch.float64), "a state of layer 0 from its initial_state module is torch.float64"),
        (torch.zeros(2, 4, dtype=BF16), "a state of layer 0 from its initial_state module is torch.bfloat16"),
        (torch.zeros(2, 4, device="meta"), "a state of layer 0 from its initial_state module is on meta"),
    ],
)
def test_a_modules_states_are_looked_at(wrong, says):
    start, x = Start(torch.zeros(2, 4), wrong), torch.randn(5, 2, 3)
    for layer in (ours.LSTM(3, 4, initial_state=start), ours.Stack([ours.LSTMCell(3, 4)], initial_state=start)):
        with pytest.raises(DtypeError, match=says):
            layer(x)


@pytest.mark.parametrize(
    ("name", "mask", "says"),
    [
        ("mask.h_l0", torch.ones(1, 1), r"'mask.h_l0' must be floating-point \(2, 4\); got \(1, 1\)"),
        ("mask.h_l0", torch.ones(2, 4, dtype=torch.int64), "of torch.int64"),
        ("mask.h_l1", torch.ones(2, 4), "LSTM has no mask 'mask.h_l1'"),
    ],
)
def test_a_streams_masks_are_looked_at(name, mask, says):
    layer = ours.LSTM(3, 4, recurrent_dropout=0.5)
    stream = layer.stream()
    stream(torch.randn(5, 2, 3))
    with pytest.raises(ConfigError, match=says):
        layer.stream().load_state_dict(stream.state_dict() | {name: mask})


def test_a_call_that_no_kernel_runs_is_not_told_to_take_any():
    with pytest.raises(KernelError, match=r"Change one of the two\.$"):
        ours.LSTM(3, 4, cell_clip=1.0, precision="bf16")(torch.randn(5, 2, 3))


def test_a_class_is_no_nonlinearity():
    with pytest.raises(ConfigError, match=r"got the class Tanh\. Pass Tanh\(\)\."):
        ours.LSTM(3, 4, activation=nn.Tanh)
    assert ours.LSTM(3, 4, activation=nn.Tanh())(torch.randn(5, 2, 3))[0].shape == (5, 2, 4)


def test_an_option_of_the_cell_can_not_be_changed_behind_its_back():
    layer = ours.LSTM(3, 4, cell_clip=1.0)
    with pytest.raises(ConfigError, match=r"LSTM was made with cell_clip=1\.0\. Make another one for 0\.1\."):
        layer.cell_clip = 0.1
    layer.zoneout, layer.kernel = 0.1, "reference"  # those of the layer can be


def test_an_initialiser_that_fails_is_named():
    with pytest.raises(ConfigError, match=r"init's initialiser of bias_ih failed on its shape \(16,\): Fan in"):
        ours.LSTM(3, 4, init={"bias_ih": nn.init.xavier_uniform_})


def test_noise_under_vmap():
    layer = ours.GRU(3, 4, zoneout=0.5, kernel="reference")
    run = torch.func.vmap(lambda x: layer(x)[0], randomness="different")
    same = torch.randn(1, 5, 2, 3).expand(4, -1, -1, -1)
    found = run(same)
    assert found.shape == (4, 5, 2, 4)
    assert not torch.equal(found[0], found[1])
