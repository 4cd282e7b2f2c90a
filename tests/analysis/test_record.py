"""`record`: every layer of any model is found and traced, and the model is afterwards what it was."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled.layers as ours
from analysis.models import KINDS, Decoder, Encoder, Running, Tokens, make, names_of
from loops import run as numpy_run
from unrolled.analysis import record
from unrolled.errors import ConfigError, DtypeError, ShapeError, UnrolledError


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
@pytest.mark.parametrize("case", KINDS, ids=names_of)
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_layer_itself_is_traced_with_lengths(case: Any, source: Any, batch_first: bool) -> None:
    layer = make(case, 3, 4, 2, source=source, bidirectional=True, batch_first=batch_first)
    x, lengths = torch.randn(6, 2, 3), [4, 6]
    (recorded,) = record(layer, x.transpose(0, 1) if batch_first else x, lengths)
    mine = make(case, 3, 4, 2, bidirectional=True, batch_first=batch_first)
    mine.load_state_dict(layer.state_dict())
    output, _ = numpy_run(mine, x.numpy(), lengths)
    found = recorded.trace.output.values
    np.testing.assert_allclose(found.swapaxes(0, 1) if batch_first else found, output, rtol=1e-12, atol=1e-13)
    assert recorded.trace.lengths.values.tolist() == lengths
    assert (recorded.layer.name, recorded.layer.kind) == ("", case[0])
    assert recorded.layer.source == f"{'torch.nn' if source is nn else 'unrolled'}.{case[0]}"


def test_inner_layers_are_traced_with_what_the_model_gave_them() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.LSTM(3, 4, batch_first=True)
            self.later = nn.ModuleDict({"second": ours.GRU(4, 4, batch_first=True)})

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output, (h_n, _) = self.first(x)
            return self.later["second"](output.sin(), hx=h_n)[0]

    model, x = Model(), torch.randn(2, 5, 3)
    first, second = record(model, x)
    assert [first.layer.name, second.layer.name] == ["first", "later.second"]
    np.testing.assert_allclose(second.trace.output.values, model(x).detach(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(second.trace[0, "forward"]["h_0"].values, first.trace.h_n[0], rtol=1e-12)
    np.testing.assert_allclose(
        second.trace[0, "forward"]["inputs"].values, np.sin(first.trace.output.values).swapaxes(0, 1), rtol=1e-12
    )


def test_a_layer_is_given_lengths_through_the_model_or_packs_itself() -> None:
    torch.manual_seed(1)
    by_lengths = Encoder(ours.LSTM(3, 4, batch_first=True), lambda _, output, states: output)
    x = torch.randn(3, 6, 3)
    (recorded,) = record(by_lengths, x, [2, 6, 1])
    assert recorded.trace.lengths.values.tolist() == [2, 6, 1]

    class Packs(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: torch.Tensor, lengths: Any) -> Any:
            return self.layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))

    layer = nn.LSTM(3, 4, batch_first=True)
    (packed,) = record(Packs(layer), x, [2, 6, 1])
    (padded,) = record(layer, x, [2, 6, 1])
    np.testing.assert_array_equal(packed.trace.output.values, padded.trace.output.values)


def test_lengths_that_the_model_cannot_take() -> None:
    with pytest.raises(ConfigError, match=r"Sequential.forward has no argument `lengths`.*unrolled.replace"):
        record(nn.Sequential(nn.LSTM(3, 4)), torch.randn(5, 2, 3), [5, 2])


def test_each_call_of_a_layer_up_to_the_eighth() -> None:
    for steps in (1, 3, 20):
        names = [one.layer.name for one in record(Decoder(steps), torch.randn(2, 5, 3))]
        calls = ["decoder", *(f"decoder (call {k})" for k in range(2, 9))][:steps]
        assert names == ["encoder", *calls]


def test_calls_of_one_layer_are_those_of_the_loop() -> None:
    model, x = Decoder(3), torch.randn(2, 5, 3)
    encoder, *calls = record(model, x)
    state = encoder.trace.h_n.values
    for call in calls:
        np.testing.assert_allclose(call.trace[0, "forward"]["h_0"].values, state[0], rtol=1e-12)
        state = call.trace.h_n.values
    with torch.no_grad():
        last = model.head(torch.as_tensor(calls[-1].trace.output.values))
    np.testing.assert_allclose(model(x)[:, -1:].detach(), last, rtol=1e-12, atol=1e-14)


def test_token_ids_and_stacks_and_shared_layers() -> None:
    (recorded,) = record(Tokens(ours.RNN(3, 4, batch_first=True)), torch.randint(0, 11, (2, 5)))
    assert recorded.trace[0, "forward"]["inputs"].sizes == {"time": 5, "batch": 2, "feature": 3}
    stack = ours.Stack([ours.LSTMCell(3, 4), Running()])
    (recorded,) = record(nn.Sequential(stack), torch.randn(5, 2, 3))
    assert (recorded.layer.kind, recorded.layer.name) == ("Stack", "0")
    assert [len(part.arrays) for part in recorded.layer.weights] == [4, 0]
    gru = nn.GRU(3, 3)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = gru, gru

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x)[0])[0]

    assert [one.layer.name for one in record(Twice(), torch.randn(5, 2, 3))] == ["a", "a (call 2)"]


@pytest.mark.parametrize("form", ["packed", "list", "nested", "single"])
def test_every_form_of_input(form: str) -> None:
    sequences = [torch.randn(n, 3) for n in (2, 5)]
    x: Any = {
        "packed": lambda: nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False),
        "list": lambda: sequences,
        "nested": lambda: torch.nested.nested_tensor(sequences, layout=torch.jagged),
        "single": lambda: sequences[1],
    }[form]()
    (recorded,) = record(ours.GRU(3, 4, batch_first=True), x)
    assert recorded.trace.lengths.values.tolist() == ([5] if form == "single" else [2, 5])


def test_parametrised_weights_are_those_that_the_layer_computes_with() -> None:
    layer = nn.LSTM(3, 4)
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(layer, "weight_hh_l0")
    x = torch.randn(5, 2, 3)
    (recorded,) = record(nn.Sequential(layer), x)
    np.testing.assert_allclose(recorded.trace.output.values, layer(x)[0].detach(), rtol=1e-12, atol=1e-14)
    mine = parametrizations.weight_norm(ours.LSTM(3, 4), "weight_hh_l0")
    (recorded,) = record(nn.Sequential(mine), x)
    np.testing.assert_allclose(recorded.trace.output.values, mine(x)[0].detach(), rtol=1e-12, atol=1e-14)
    assert parametrize.is_parametrized(mine)


def test_subclasses_with_a_forward_of_their_own_are_left_alone() -> None:
    class Reversed(nn.GRU):
        def forward(self, x: torch.Tensor, hx: Any = None) -> Any:
            return super().forward(x.flip(0), hx)

    class Named(nn.GRU):
        pass

    found = record(nn.ModuleDict({"a": Reversed(3, 3), "b": Named(3, 3)})["b"], torch.randn(4, 2, 3))
    assert found[0].layer.source == "torch.nn.GRU"
    with pytest.raises(ConfigError, match="has none of unrolled's"):
        record(Reversed(3, 3), torch.randn(4, 2, 3))


class Stateful(nn.Module):
    """A forward that writes into a buffer, sets attributes and draws random numbers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.norm, self.dropout = layer, nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(2))
        self.state: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        self.seen = x.mean() * torch.ones(2)
        x = self.dropout(self.norm(x.transpose(1, 2)).transpose(1, 2)) + 0 * torch.rand(())
        output, self.state = self.layer(x, self.state)
        self.last = output
        return output


def snapshot(model: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {"random": torch.get_rng_state()}
    for name, module in model.named_modules():
        found[f"{name} training"] = module.training
        found[f"{name} attributes"] = {k: id(v) for k, v in vars(module).items()}
        found[f"{name} hooks"] = {k: list(v.items()) for k, v in vars(module).items() if "hook" in k and v}
        found[f"{name} buffers"] = {k: id(v) for k, v in module._buffers.items()}
    found |= {f"{k} buffer": v.clone() for k, v in model.named_buffers()}
    for k, p in model.named_parameters():
        found |= {f"{k} value": p.detach().clone(), f"{k} id": id(p), f"{k} grad": p.grad is None, k: p.requires_grad}
        found[f"{k} of grad"] = torch.zeros(()) if p.grad is None else p.grad.clone()
    return found


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before.keys() == after.keys()
    for key, value in before.items():
        same = torch.equal(value, after[key]) if isinstance(value, torch.Tensor) else value == after[key]
        assert same, key


def used_model(source: Any) -> Stateful:
    """A model in the midst of training: mixed flags, gradients, a frozen parameter, hooks."""
    model = Stateful(source.LSTM(3, 4, 2, batch_first=True, dropout=0.3)).train()
    model(torch.randn(4, 6, 3)).sum().backward()
    model.state = None
    model.norm.eval()
    model.norm.weight.requires_grad_(False)
    model.layer.register_forward_hook(lambda *_: None)
    model.register_forward_pre_hook(lambda *_: None)
    return model


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
def test_the_model_is_left_as_it_was(source: Any) -> None:
    model, x = used_model(source), torch.randn(4, 6, 3)
    before = snapshot(model)
    first, second = record(model, x), record(model, x)
    assert_unchanged(before, snapshot(model))
    np.testing.assert_array_equal(first[0].trace.output.values, second[0].trace.output.values)
    assert torch.is_grad_enabled()


def test_the_model_is_left_as_it_was_when_it_fails() -> None:
    model, wrong = used_model(nn), torch.randn(4, 6, 5)
    before = snapshot(model)
    with pytest.raises(ShapeError):
        record(model, wrong)
    assert_unchanged(before, snapshot(model))


def test_a_graph_of_the_users_survives() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.ones(3))
            self.layer = nn.GRU(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x * self.scale)[0]

    model, x = Scaled(), torch.randn(5, 2, 3, requires_grad=True)
    loss = model(x).sum()
    record(model, x)
    loss.backward()  # would fail, had the buffer been written to
    assert x.grad is not None


def test_train_is_never_called_and_dropout_never_drops() -> None:
    class Guarded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout, self.layer = nn.Dropout(0.9), nn.RNN(3, 4)

        def train(self, mode: bool = True) -> Any:
            raise AssertionError("train was called")

        def forward(self, x: torch.Tensor) -> Any:
            assert not self.training
            return self.layer(self.dropout(x))

    model, x = Guarded(), torch.randn(5, 2, 3)
    (recorded,) = record(model, x)
    np.testing.assert_array_equal(recorded.trace[0, "forward"]["inputs"].values, x)
    assert model.training


def test_a_forward_that_writes_into_the_layers_input_afterwards() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.RNN(3, 4)

        def forward(self, x: torch.Tensor) -> Any:
            x = x * 1
            output, _ = self.layer(x)
            x.zero_()
            return output

    x = torch.randn(5, 2, 3)
    (recorded,) = record(Writes(), x)
    np.testing.assert_array_equal(recorded.trace[0, "forward"]["inputs"].values, x)


def test_compiled_models_and_parts_run_as_they_were_written() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.compiled = nn.GRU(3, 3), torch.compile(nn.GRU(3, 3), backend="eager")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.compiled(self.layer(x)[0])[0]

    model, x = Model(), torch.randn(5, 2, 3)
    expected = [one.trace.output.values for one in record(model, x)]
    recorded = record(torch.compile(model, backend="eager"), x)
    assert [one.layer.name for one in recorded] == ["layer", "compiled"]
    for one, values in zip(recorded, expected, strict=True):
        np.testing.assert_array_equal(one.trace.output.values, values)
    (alone,) = record(torch.compile(model.layer, backend="eager"), x, [5, 2])
    assert alone.layer.source == "torch.nn.GRU"


def test_layers_that_are_not_called() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.GRU(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer.forward(x)[0]

    with pytest.raises(ConfigError, match=r"the recurrent layers 'layer', but none of them was called"):
        record(Around(), torch.randn(5, 2, 3))


def test_errors_teach() -> None:
    x = torch.randn(5, 2, 3)
    with pytest.raises(ConfigError, match="Linear has none of unrolled's"):
        record(nn.Linear(3, 3), x)
    with pytest.raises(DtypeError, match=r"expected a model, that is a torch\.nn\.Module; got the class LSTM"):
        inspect.unwrap(record)(nn.LSTM, x)  # past the checks of types under pytest, which users do not have
    with pytest.raises(ShapeError, match=r"x, Tensor \(5, 2, 3\).*its part '0' \(Linear\) failed \(RuntimeError"):
        record(nn.Sequential(nn.Linear(4, 3), nn.GRU(3, 3)), x)
    with pytest.raises(ShapeError, match=r"GRU expected input \(T=time, N=batch, F=4\)"):
        record(nn.Sequential(nn.GRU(4, 3)), x)
    with pytest.raises(UnrolledError, match="GRU expected a tensor"):
        record(nn.GRU(3, 3), None)
    with pytest.raises(DtypeError, match=r"its part '0' \(Linear\) failed"):
        record(nn.Sequential(nn.Linear(3, 3), nn.GRU(3, 3)), "text")
    with pytest.raises(ConfigError, match="get their sizes at its first call"):
        record(nn.Sequential(nn.LazyLinear(3), nn.GRU(3, 3)), x)
    with pytest.raises(ShapeError, match="expected 2 lengths"):
        record(nn.GRU(3, 3), x, [5, 5, 5])


def test_a_model_without_numbers() -> None:
    with pytest.raises(ConfigError, match="parts of the model are on the meta device"):
        record(nn.LSTM(2, 3, device="meta"), torch.randn(5, 2, 2))
