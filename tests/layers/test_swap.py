"""`replace` and `restore`."""

import copy
import gc
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


KINDS = [nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell]


def x_for(layer):
    return torch.randn(3, 2, 4) if isinstance(layer, nn.RNNBase) else torch.randn(2, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_set_on_a_layer_moves_along_and_back(kind):
    layer = kind(4, 5).eval()
    layer.note, layer.marks = "mine", [1, 2]
    layer.register_buffer("mean", torch.ones(3))
    layer.register_buffer("passing", torch.zeros(2), persistent=False)
    layer.head = nn.ModuleList([nn.GRU(2, 2), nn.Linear(2, 2)])
    layer.register_parameter("gain", nn.Parameter(torch.ones(2)))
    objects = {name: getattr(layer, name) for name in ("note", "marks", "mean", "passing", "head", "gain")}
    names, state = list(layer.state_dict()), layer.state_dict()
    mine = ours.replace(layer)
    assert type(mine).__module__.startswith("unrolled")
    for now in (mine, ours.restore(mine)):
        assert all(getattr(now, name) is value for name, value in objects.items())
        assert list(now.state_dict()) == names
        assert all(torch.equal(now.state_dict()[name], state[name]) for name in names)
        assert dict(now.named_buffers()).keys() == {"mean", "passing"}
        assert not now.training
    assert type(mine.head[0]) is nn.GRU  # restored, with what it is part of
    assert type(ours.replace(mine).head[0]) is ours.GRU


def test_what_was_set_under_a_name_of_ours_comes_back():
    layer = nn.LSTM(4, 5)
    layer.kernel, layer.precision, layer.trace = 3, "low", "of mine"
    mine = ours.replace(layer)
    assert (mine.kernel, mine.precision) == ("auto", "full")
    mine(torch.randn(3, 2, 4))
    back = ours.restore(copy.deepcopy(mine))
    assert (back.kernel, back.precision, back.trace) == (3, "low", "of mine")


def test_nothing_of_ours_is_left_after_restoring():
    layer = nn.GRU(4, 5, 2)
    names = set(vars(layer))
    mine = ours.replace(layer)
    mine(torch.randn(3, 2, 4))
    mine.trace(torch.randn(3, 2, 4))
    assert set(vars(ours.restore(mine))) == names


def test_a_layer_with_a_forward_of_its_own_is_left_alone():
    layer = nn.GRU(4, 5)
    layer.forward = lambda x: x
    assert ours.replace(layer) is layer


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_all_kinds(kind):
    layer = kind(4, 5)
    calls = []

    def note(name):
        return lambda module, *_, **__: calls.append((name, type(module)))

    handles = [
        layer.register_forward_hook(note("forward")),
        layer.register_forward_hook(note("forward, keywords"), with_kwargs=True),
        layer.register_forward_hook(note("forward, always"), always_call=True),
        layer.register_forward_pre_hook(note("before")),
        layer.register_forward_pre_hook(note("before, keywords"), with_kwargs=True),
        layer.register_full_backward_hook(note("backward")),
        layer.register_full_backward_pre_hook(note("before backward")),
        layer.register_state_dict_post_hook(note("saved")),
        layer.register_state_dict_pre_hook(note("before saving")),
        layer.register_load_state_dict_pre_hook(note("before loading")),
        layer.register_load_state_dict_post_hook(note("loaded")),
    ]

    def used(now):
        calls.clear()
        result = now(x_for(layer).requires_grad_())
        result = result if isinstance(result, torch.Tensor) else result[0]
        result.sum().backward()
        now.load_state_dict(now.state_dict())
        return sorted(calls, key=str)

    expected = used(layer)
    assert len(expected) == len(handles)
    mine = ours.replace(layer)
    assert used(mine) == [(name, type(mine)) for name, _ in expected]
    back = ours.restore(mine)
    assert used(back) == expected
    for handle in handles:
        handle.remove()
    assert used(back) == []


def test_a_hook_on_loading_outlives_the_layer_it_was_registered_on():
    seen = []
    model = nn.Sequential(nn.GRU(4, 5))
    model[0].register_load_state_dict_pre_hook(lambda module, *_: seen.append(module))
    ours.replace(model)
    gc.collect()
    model.load_state_dict(model.state_dict())
    assert seen == [model[0]]
    again = copy.deepcopy(model)
    again.load_state_dict(model.state_dict())
    assert seen[1] is again[0]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("optimiser_of", [torch.optim.Adam, torch.optim.SGD])
def test_training_with_a_swap_in_the_middle_equals_training_without(kind, optimiser_of):
    options = {"lr": 0.01} | ({"momentum": 0.9} if optimiser_of is torch.optim.SGD else {})
    x = torch.randn(6, 2, 4, dtype=torch.float64)
    plain = nn.Sequential(kind(4, 5, 2, bidirectional=True, dtype=torch.float64))
    swapped = copy.deepcopy(plain)
    for model in (plain, swapped):
        optimiser = optimiser_of(model.parameters(), **options)
        for step in range(9):
            if model is swapped and step in (3, 6):
                (ours.replace if step == 3 else ours.restore)(model)
            optimiser.zero_grad()
            model(x)[0].pow(2).sum().backward()
            optimiser.step()
        # The optimiser's memory is of the very parameters that the model has now.
        assert set(optimiser.state) == set(model.parameters())
    for a, b in zip(plain.parameters(), swapped.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_a_saved_optimiser_goes_on_with_replaced_layers():
    model = nn.Sequential(nn.GRU(4, 5))
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.randn(3, 2, 4))[0].sum().backward()
    optimiser.step()
    saved = optimiser.state_dict()
    later = torch.optim.Adam(ours.replace(model).parameters())
    later.load_state_dict(saved)
    moments = zip(optimiser.state.values(), later.state.values(), strict=True)
    assert all(torch.equal(a["exp_avg"], b["exp_avg"]) for a, b in moments)


def test_one_layer_in_many_places_stays_one():
    shared, cell = nn.GRU(4, 4), nn.LSTMCell(4, 4)
    model = nn.Module()
    model.first = shared
    model.listed = nn.ModuleList([shared, nn.ModuleDict({"deep": nn.Sequential(shared), "cell": cell})])
    model.cell = cell
    ours.replace(model)
    assert type(model.first) is ours.GRU
    assert model.listed[0] is model.first
    assert model.listed[1]["deep"][0] is model.first
    assert type(model.cell) is ours.LSTMCell
    assert model.listed[1]["cell"] is model.cell
    model = copy.deepcopy(model)
    assert model.listed[1]["deep"][0] is model.first
    ours.restore(model)
    assert type(model.first) is nn.GRU
    assert model.listed[1]["deep"][0] is model.listed[0] is model.first


def test_parameters_that_layers_share_stay_shared():
    layer = nn.GRU(4, 4, 2)
    layer.weight_hh_l1 = layer.weight_hh_l0
    mine = ours.replace(layer)
    assert mine.weight_hh_l1 is mine.weight_hh_l0
    assert len(list(mine.parameters())) == 7
    assert ours.restore(mine).weight_hh_l1 is mine.weight_hh_l0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("device", "dtype"), [("cpu", torch.float64), ("cpu", torch.bfloat16), ("meta", torch.float32)]
)
def test_device_and_dtype_and_what_is_frozen(kind, device, dtype):
    layer = kind(4, 5, device=device, dtype=dtype)
    names = [name for name, _ in layer.named_parameters()]
    layer.get_parameter(names[1]).requires_grad_(False)
    mine = ours.replace(layer)
    for now in (mine, ours.restore(mine)):
        assert {(p.device.type, p.dtype) for p in now.parameters()} == {(device, dtype)}
        assert [p.requires_grad for p in now.parameters()] == [name != names[1] for name in names]
        moved = copy.deepcopy(now).to(torch.float32)
        assert {p.dtype for p in moved.parameters()} == {torch.float32}


def test_gradients_that_are_there_stay():
    layer = nn.GRU(4, 5)
    layer(torch.randn(3, 2, 4))[0].sum().backward()
    grads = [p.grad for p in layer.parameters()]
    assert all(p.grad is g for p, g in zip(ours.replace(layer).parameters(), grads, strict=True))


def test_a_subclass_keeps_what_is_inside_it():
    class Special(nn.LSTM):
        def __init__(self):
            super().__init__(4, 5)
            self.inner = nn.GRU(5, 5)

    model = ours.replace(Special())
    assert type(model) is Special
    assert type(model.inner) is ours.GRU
