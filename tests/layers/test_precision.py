"""precision="bf16", autocast and recompute: what is rounded, what is kept, and that nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import unrolled
from unrolled.cells import LSTMEquations, LSTMWeights
from unrolled.errors import ConfigError, KernelError

pytestmark = pytest.mark.needs_native
KINDS = ["LSTM", "GRU", "RNN"]
LENGTHS = [6, 1, 0, 4]


def results(layer, x: Tensor, lengths=None) -> list[Tensor]:
    """Output and every gradient."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    output, _ = layer(x, lengths=lengths)
    output.square().sum().backward()
    return [output.detach(), x.grad, *(p.grad.clone() for p in layer.parameters())]


def twins(kind: str, **options):
    torch.manual_seed(1)
    plain = getattr(unrolled, kind)(5, 20, num_layers=2, bidirectional=True)
    other = getattr(unrolled, kind)(5, 20, num_layers=2, bidirectional=True, **options)
    other.load_state_dict(plain.state_dict())
    return plain, other


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=str)
def test_bf16_is_near_full_precision_and_not_it(kind, lengths):
    plain, rounded = twins(kind, precision="bf16")
    x = torch.randn(6, 4, 5)
    for found, expected in zip(results(rounded, x, lengths), results(plain, x, lengths), strict=True):
        assert found.dtype == torch.float32
        assert 1e-5 < relative(found, expected) < 2e-2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=str)
def test_autocast_is_bf16(kind, lengths):
    plain, rounded = twins(kind, precision="bf16")
    x = torch.randn(6, 4, 5)
    expected = results(rounded, x, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = results(plain, x, lengths)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_an_input_that_autocast_has_rounded_is_taken():
    plain, _ = twins("LSTM")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, (_, c_n) = plain(torch.randn(6, 4, 5).bfloat16())
    assert output.dtype == c_n.dtype == torch.float32


def test_operands_alone_are_rounded():
    cell = LSTMEquations(7)
    layer = unrolled.LSTM(5, 7, precision="bf16")
    x = torch.randn(9, 3, 5)
    w_ih, w_hh = (w.detach().bfloat16().float() for w in (layer.weight_ih_l0, layer.weight_hh_l0))
    weights = LSTMWeights(w_ih, w_hh, layer.bias_ih_l0.detach(), layer.bias_hh_l0.detach())
    h, c = torch.zeros(3, 7), torch.zeros(3, 7)
    for t in range(9):
        (h, c), _ = cell.step(x[t].bfloat16().float(), (h.bfloat16().float(), c), weights)
    output, (_, c_n) = layer(x)
    torch.testing.assert_close(output[-1], h, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(c_n[0], c, rtol=1e-5, atol=1e-6)


def test_bf16_is_never_silently_something_else():
    x = torch.randn(6, 4, 5)
    for kernel in ("torch", "reference"):
        with pytest.raises(KernelError, match="computes in the parameters' own type, not in bf16"):
            unrolled.LSTM(5, 7, precision="bf16", kernel=kernel)(x)
    with pytest.raises(KernelError, match="float32 to bfloat16 alone"):
        unrolled.LSTM(5, 7, precision="bf16", dtype=torch.float64)(x.double())
    with pytest.raises(ConfigError, match="precision must be 'full' or 'bf16'; got 'half'"):
        unrolled.GRU(5, 7, precision="half")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=str)
@pytest.mark.parametrize("precision", ["full", "bf16"])
def test_recompute_and_eval_change_no_gradient(kind, lengths, precision):
    plain, again = twins(kind, recompute=True)
    plain.precision = again.precision = precision
    x = torch.randn(6, 4, 5)
    expected = results(plain, x, lengths)
    for layer in (again, plain.eval()):
        for a, b in zip(results(layer, x, lengths), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def saved_elements(layer, x: Tensor) -> int:
    """Numbers that a forward pass keeps for the backward pass, but for its input and the parameters."""
    known = {x.data_ptr(), *(p.data_ptr() for p in layer.parameters())}
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        layer(x)
    return sum(count for address, count in saved.items() if address not in known)


def test_recompute_and_eval_keep_the_states_alone():
    x = torch.randn(50, 8, 5)
    steps, states = 50 * 8 * 16, 2 * 8 * 16
    plain, again = unrolled.LSTM(5, 16), unrolled.LSTM(5, 16, recompute=True)
    assert 6 * steps <= saved_elements(plain, x) <= 6 * steps + states
    for layer in (again, plain.eval()):
        assert 2 * steps <= saved_elements(layer, x) <= 2 * steps + states


def test_both_are_shown():
    assert "precision=bf16, recompute=True" in repr(unrolled.LSTM(5, 7, precision="bf16", recompute=True))
    assert "precision" not in repr(unrolled.LSTM(5, 7))
