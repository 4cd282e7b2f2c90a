"""`info` and the choice of kernels by name."""

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from unrolled.errors import ConfigError, DtypeError, KernelError, ShapeError


def test_without_a_layer():
    text = str(ours.info())
    assert f"torch {torch.__version__}" in text
    assert f"threads: {torch.get_num_threads()}" in text
    assert "kernels, the preferred first: torch, reference" in text


def test_a_layer_without_an_input():
    assert "Pass an input" in str(ours.info(ours.LSTM(2, 3)))


def test_why_each_kernel_was_left_out():
    x = torch.randn(5, 2, 2)
    with torch.no_grad():
        about = ours.info(ours.LSTM(2, 3, 2), x, [0, 4])
    assert [choice.chosen for choice in about.choices] == ["reference", "reference"]
    assert repr(about).splitlines()[3:] == [
        "LSTM(2, 3, num_layers=2)",
        "input (T=5, N=2, F=2), ragged with empty rows, torch.float32 on cpu, no gradients wanted",
        "  layers 0 to 1: reference",
        "    torch      cannot run this: PyTorch cannot pack sequences of length 0",
        "    reference  chosen",
    ]


def test_chosen_by_name():
    about = ours.info(ours.GRU(2, [3, 4], kernel="reference"), torch.randn(5, 2, 2))
    assert about.choices[0].reasons == {
        "torch": "kernel='reference' leaves it out",
        "reference": "chosen by kernel='reference'",
    }
    impossible = ours.info(ours.GRU(2, 3, kernel="torch"), torch.randn(5, 2, 2), [0, 1])
    assert impossible.choices[0].chosen is None
    assert "no kernel can run this" in str(impossible)


def test_frozen_lower_layers_do_not_hide_gradients_from_upper_ones():
    layer = ours.LSTM(2, 3, 2).requires_grad_(False)
    assert "no gradients wanted" in ours.info(layer, torch.randn(5, 2, 2)).input
    layer.weight_ih_l0.requires_grad_(True)
    assert ", gradients wanted" in ours.info(layer, torch.randn(5, 2, 2)).input


def test_cells():
    about = ours.info(ours.RNNCell(2, 3), torch.randn(4, 2))
    assert about.choices[0].chosen == "torch"
    assert "(T=1, N=4, F=2)" in about.input


def test_wrong_use():
    with pytest.raises(ConfigError, match="no layer"):
        ours.info(x=torch.randn(3, 2))
    with pytest.raises(DtypeError, match=r"got LSTM\. unrolled\.replace"):
        ours.info(nn.LSTM(2, 3))
    with pytest.raises(ConfigError, match=r"lengths, but GRUCell runs a single step"):
        ours.info(ours.GRUCell(2, 3), torch.randn(4, 2), [1, 2, 3, 4])
    with pytest.raises(ShapeError, match="expected input"):
        ours.info(ours.LSTM(2, 3), torch.randn(5, 2, 9))


def test_a_kernel_chosen_by_name_runs_or_raises():
    x = torch.randn(5, 2, 2)
    with pytest.raises(KernelError, match=r"kernel='torch' cannot run this LSTM call: PyTorch cannot pack"):
        ours.LSTM(2, 3, kernel="torch")(x, lengths=[0, 3])
    layer = ours.LSTM(2, 3)
    layer.kernel = "torhc"
    with pytest.raises(ConfigError, match=r"Did you mean 'torch'\?"):
        layer(x)


def test_the_kernel_named_is_the_one_that_runs(monkeypatch):
    from unrolled.kernels.reference import ReferenceKernel
    from unrolled.kernels.torch_kernel import TorchKernel

    ran = []
    for kernel in (ReferenceKernel, TorchKernel):
        for method in ("run", "step"):
            original = getattr(kernel, method)

            def spy(self, *args, original=original, **kwargs):
                ran.append(self.name)
                return original(self, *args, **kwargs)

            monkeypatch.setattr(kernel, method, spy)
    for name in ("auto", "torch", "reference"):
        ours.GRU(2, 3, kernel=name)(torch.randn(5, 2, 2))
        ours.GRUCell(2, 3, kernel=name)(torch.randn(5, 2))
    assert ran == ["torch", "torch", "torch", "torch", "reference", "reference"]
