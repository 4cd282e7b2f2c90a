"""Every tensor follows its device: results and gradients elsewhere are those of the CPU, and nothing is computed there.

`--device cuda` (`make test-gpu`) runs them on a CUDA device; without it they run on the CPU.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled.layers as ours
from unrolled.errors import DtypeError, KernelError

KINDS = ["LSTM", "GRU", "RNN", "SLSTM"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"hidden_size": [5, 4]},
    {"bidirectional": True, "num_layers": 2},
    {"initial_state": "learned"},
    {"bias": False},
]
OF_LSTM: list[dict[str, Any]] = [
    {"peephole": True},
    {"layer_norm": True},
    {"coupled_gates": True, "cell_clip": 0.5, "preactivation_clip": 1.0},
    {"proj_size": 2},
    {"activation": "softsign", "recurrent_activation": "hard_sigmoid"},
]
CASES = [(kind, options) for kind in KINDS for options in OPTIONS] + [("LSTM", options) for options in OF_LSTM]
LENGTHS = [6, 0, 3]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device that the tests were asked to run on."""
    return torch.device(request.config.getoption("--device"))


def make(kind: str, options: dict[str, Any], **how: Any) -> nn.Module:
    return getattr(ours, kind)(3, **({"hidden_size": 4} | options), dtype=torch.float64, **how)


def flat(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [tensor for item in value for tensor in flat(item)]


def solve(layer: nn.Module, x: Tensor, lengths: Any = None) -> list[Tensor]:
    """Results and the gradients of the parameters."""
    results = flat(layer(x, lengths=lengths))
    total = sum(result.cos().sum() for result in results)
    return [*results, *torch.autograd.grad(total, list(layer.parameters()))]


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["dense", "ragged"])
def test_a_layer_there_is_the_layer_here(kind, options, lengths, device):
    here = make(kind, options, kernel="reference")
    there = copy.deepcopy(here).to(device)
    there.kernel = "auto"
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    for found, expected in zip(solve(there, x.to(device), lengths), solve(here, x, lengths), strict=True):
        assert found.device.type == device.type
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_made_there_lives_there(kind, device):
    layer = make(kind, {"initial_state": "learned"}, device=device)
    assert {tensor.device.type for tensor in [*layer.parameters(), *layer.buffers()]} == {device.type}
    x = torch.randn(6, 3, 3, dtype=torch.float64, device=device)
    assert {result.device.type for result in flat(layer(x, lengths=torch.tensor(LENGTHS, device=device)))} == {
        device.type
    }
    single = getattr(ours, f"{kind}Cell")(3, 4, device=device)
    assert {state.device.type for state in flat(single(torch.randn(2, 3, device=device)))} == {device.type}


@pytest.mark.parametrize("options", [{"zoneout": 0.3}, {"recurrent_dropout": 0.3}, {"weight_drop": 0.3}], ids=str)
def test_noise_is_drawn_there(options, device):
    layer = make("GRU", options, device=device)
    results = flat(layer(torch.randn(6, 3, 3, dtype=torch.float64, device=device)))
    assert all(result.isfinite().all() and result.device.type == device.type for result in results)


def test_a_packed_sequence_stays_there(device):
    x = torch.randn(6, 3, 3, dtype=torch.float64, device=device)
    packed = pack_padded_sequence(x, [6, 2, 3], enforce_sorted=False)
    output, _ = make("LSTM", {}, device=device)(packed)
    assert output.data.device.type == device.type


def test_the_native_kernel_is_for_the_cpu(device):
    layer = make("LSTM", {}, device=device, kernel="native")
    x = torch.randn(6, 3, 3, dtype=torch.float64, device=device)
    if device.type != "cpu":
        with pytest.raises(KernelError, match=f"it runs on the CPU; the input is on {device.type}"):
            layer(x)
    verdicts = ours.info(layer, x).choices[0].reasons
    assert ("it runs on the CPU" in verdicts["native"]) == (device.type != "cpu")


def test_tensors_on_two_devices_are_refused(device):
    elsewhere = torch.device("meta") if device.type == "cpu" else torch.device("cpu")
    with pytest.raises(DtypeError, match=f"LSTM's parameters are on {device.type}"):
        make("LSTM", {}, device=device)(torch.zeros(6, 3, 3, dtype=torch.float64, device=elsewhere))
