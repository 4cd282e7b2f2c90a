"""`info` and the choice of kernels by name."""

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from unrolled.errors import ConfigError, DtypeError, KernelError, ShapeError
from unrolled.kernels import KERNELS
from unrolled.kernels.native_library import absence, library

NATIVE_IS_THERE = absence() == ""


def test_without_a_layer():
    text = str(ours.info())
    assert f"torch {torch.__version__}" in text
    assert f"threads: {torch.get_num_threads()}" in text
    assert "kernels, the preferred first: native, torch, reference" in text
    assert f"native kernels: {absence() or library().isa()}" in text.splitlines()


def test_a_layer_without_an_input():
    assert "Pass an input" in str(ours.info(ours.LSTM(2, 3)))


def test_why_each_kernel_was_left_out():
    x = torch.randn(5, 2, 2)
    with torch.no_grad():
        about = ours.info(ours.LSTM(2, 3, 2), x, [0, 4])
    chosen = "native" if NATIVE_IS_THERE else "reference"
    assert [choice.chosen for choice in about.choices] == [chosen, chosen]
    native = "chosen" if NATIVE_IS_THERE else f"cannot run this: {absence()}"
    reference = "can run this, but native is preferred" if NATIVE_IS_THERE else "chosen"
    assert repr(about).splitlines()[4:] == [
        "LSTM(2, 3, num_layers=2)",
        "input (T=5, N=2, F=2), ragged with empty rows, torch.float32 on cpu, no gradients wanted",
        f"  layers 0 to 1: {chosen}",
        f"    native     {native}",
        "    torch      cannot run this: PyTorch cannot pack sequences of length 0",
        f"    reference  {reference}",
    ]


def test_chosen_by_name():
    about = ours.info(ours.GRU(2, [3, 4], kernel="reference"), torch.randn(5, 2, 2))
    native = "kernel='reference' leaves it out" if NATIVE_IS_THERE else f"cannot run this: {absence()}"
    assert about.choices[0].reasons == {
        "native": native,
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
    assert about.choices[0].chosen == ("native" if NATIVE_IS_THERE else "torch")
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
    ran = set()
    for kernel in map(type, KERNELS):
        for method in ("run", "step"):
            original = getattr(kernel, method)

            def spy(self, *args, original=original, **kwargs):
                ran.add(self.name)
                return original(self, *args, **kwargs)

            monkeypatch.setattr(kernel, method, spy)
    names = ["native"] * NATIVE_IS_THERE + ["torch", "reference"]
    for asked, expected in [("auto", names[0]), *zip(names, names, strict=True)]:
        for kind, x in (("GRU", torch.randn(5, 2, 2)), ("GRUCell", torch.randn(5, 2))):
            ran.clear()
            getattr(ours, kind)(2, 3, kernel=asked)(x)
            assert ran == {expected}


class Own(nn.Module):
    def forward(self, x_t, state):
        return x_t, x_t


def test_a_stack_layer_by_layer():
    stack = ours.Stack([ours.LSTMCell(2, 3), Own(), ours.GRUCell(3, 4, kernel="reference")])
    with torch.no_grad():
        about = ours.info(stack, torch.randn(5, 2, 2), [0, 4])
    chosen = "native" if NATIVE_IS_THERE else "reference"
    assert [choice.chosen for choice in about.choices] == [chosen, "a module of its own", "reference"]
    assert about.choices[2].reasons["reference"] == "chosen by kernel='reference'"
    assert "input (T=5, N=2, F=2), ragged with empty rows" in about.input
    assert "  layer 1: a module of its own" in str(about).splitlines()


def test_a_stack_of_own_modules_alone():
    assert ours.info(ours.Stack([Own()]), torch.randn(5, 2, 2)).choices[0].chosen == "a module of its own"
