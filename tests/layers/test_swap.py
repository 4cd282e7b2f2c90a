"""`replace` and `restore`."""

import copy
import inspect

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from unrolled.errors import DtypeError


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(4, 5, 2, batch_first=True, dropout=0.5, bidirectional=True, proj_size=3)
        self.blocks = nn.ModuleList([nn.GRU(6, 6), nn.Linear(6, 6), nn.RNN(6, 6, nonlinearity="relu", bias=False)])
        self.again = self.blocks[0]
        self.cells = nn.ModuleDict(
            {"a": nn.LSTMCell(6, 6), "b": nn.GRUCell(6, 6), "c": nn.RNNCell(6, 6, False, "relu")}
        )

    def forward(self, x):
        x, _ = self.encoder(x)
        for block in self.blocks:
            x = block(x)[0] if not isinstance(block, nn.Linear) else block(x)
        x, _ = self.again(x)
        return self.cells["c"](self.cells["b"](self.cells["a"](x[:, -1])[0]))


def run(model, x):
    torch.manual_seed(2)
    return model(x)


def test_the_same_model_on_the_same_parameters():
    model = Model()
    x = torch.randn(3, 7, 4)
    expected = run(model, x)
    parameters = dict(model.named_parameters())
    assert ours.replace(model) is model
    kinds = [type(m) for m in model.modules()]
    for kind in (ours.LSTM, ours.GRU, ours.RNN, ours.LSTMCell, ours.GRUCell, ours.RNNCell):
        assert kind in kinds
    assert not any(isinstance(m, nn.RNNBase | nn.RNNCellBase) for m in model.modules())
    assert model.again is model.blocks[0]
    after = dict(model.named_parameters())
    assert list(after) == list(parameters)
    assert all(after[name] is parameters[name] for name in parameters)
    torch.testing.assert_close(run(model, x), expected, rtol=1e-5, atol=1e-6)


def test_restore_undoes_it_with_the_parameters_as_they_are_now():
    model = Model().eval()
    x = torch.randn(3, 7, 4)
    kinds = [type(m) for m in model.modules()]
    ours.replace(model)
    with torch.no_grad():
        model.encoder.weight_ih_l0.mul_(2)
    expected = run(model, x)
    parameters = dict(model.named_parameters())
    assert ours.restore(model) is model
    assert [type(m) for m in model.modules()] == kinds
    assert all(p is parameters[name] for name, p in model.named_parameters())
    assert not model.encoder.training
    torch.testing.assert_close(run(model, x), expected, rtol=1e-5, atol=1e-6)


def test_training_goes_on_with_the_same_optimiser():
    torch.manual_seed(0)
    plain, swapped = nn.GRU(4, 5), nn.GRU(4, 5)
    swapped.load_state_dict(plain.state_dict())
    x = torch.randn(6, 2, 4)
    for original in (plain, swapped):
        optimiser = torch.optim.Adam(original.parameters(), lr=0.1)
        layer = original
        for step in range(6):
            if original is swapped and step in (2, 4):
                layer = ours.replace(layer) if step == 2 else ours.restore(layer)
            optimiser.zero_grad()
            layer(x)[0].pow(2).sum().backward()
            optimiser.step()
    for a, b in zip(plain.parameters(), layer.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_random_generator_is_not_touched():
    model = Model()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    ours.restore(ours.replace(model))
    assert torch.rand(1) == expected


def test_hooks_move_along_and_can_still_be_removed():
    layer = nn.LSTM(4, 5)
    calls = []
    handle = layer.register_forward_hook(lambda module, args, out: calls.append(type(module)))
    mine = ours.replace(layer)
    x = torch.randn(3, 2, 4)
    mine(x)
    assert calls == [ours.LSTM]
    ours.restore(mine)(x)
    assert calls == [ours.LSTM, nn.LSTM]
    handle.remove()
    mine(x)
    assert len(calls) == 2


def test_a_setting_without_effect_warns_only_when_it_is_made():
    with pytest.warns(UserWarning, match="dropout option"):
        layer = nn.GRU(4, 5, dropout=0.5)
    mine = ours.replace(layer)
    assert mine.dropout == 0.5
    assert ours.restore(mine).dropout == 0.5


def test_what_may_compute_something_else_is_left_alone():
    class Special(nn.LSTM):
        pass

    special, normed, mine = Special(4, 5), nn.LSTM(4, 5), ours.LSTM(4, [5, 6])
    nn.utils.parametrizations.weight_norm(normed, "weight_hh_l0")
    model = nn.ModuleList([special, normed, mine])
    ours.replace(model)
    assert list(model) == [special, normed, mine]
    ours.restore(model)
    assert list(model) == [special, normed, mine]


def test_frozen_parameters_stay_frozen_and_copies_can_be_restored():
    layer = nn.LSTM(4, 5)
    layer.weight_ih_l0.requires_grad_(False)
    mine = copy.deepcopy(ours.replace(layer))
    assert not mine.weight_ih_l0.requires_grad
    assert type(ours.restore(mine)) is nn.LSTM


def test_data_parallel_attributes_and_device_of_restored_layers():
    restored = ours.restore(ours.replace(nn.LSTM(4, 5, 2, bidirectional=True)))
    assert all(not p.is_meta for group in restored.all_weights for p in group)
    assert restored.double()(torch.randn(3, 2, 4).double())[0].dtype == torch.float64


@pytest.mark.parametrize(("given", "named"), [(nn.LSTM, "the class LSTM"), (None, "NoneType")])
@pytest.mark.parametrize("verb", [ours.replace, ours.restore], ids=["replace", "restore"])
def test_what_is_no_model_is_refused(verb, given, named):
    # Past the checks of types under pytest, which users do not have.
    with pytest.raises(DtypeError, match=rf"expected a model, that is a torch\.nn\.Module; got {named}\."):
        inspect.unwrap(verb)(given)
