"""Streams: the numbers and gradients of the whole run, and of loops with `detach` written by hand."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import unrolled.layers as ours
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.layers.stream_checks import check_chunk, check_kept

D = torch.float64
OPTIONS = {"dtype": D, "kernel": "reference"}


class Counting(nn.Module):
    """A module of one's own that starts by itself, from anything but zeros."""

    def forward(self, x, state):
        total, age = (x.new_ones(x.shape), x.new_zeros(len(x))) if state is None else state
        total, age = torch.tanh(0.5 * total + x), age + 1
        return total * age.unsqueeze(-1), (total, age)


class Beginning(Counting):
    """One that says for a batch how it starts."""

    def initial_state(self, batch):
        return torch.full((batch, 3), 0.3, dtype=D), torch.ones(batch, dtype=D)


LAYERS = {
    "LSTM": lambda: ours.LSTM(3, 4, 2, batch_first=True, **OPTIONS),
    "widths": lambda: ours.GRU(3, [4, 5], **OPTIONS),
    "GRU": lambda: ours.GRU(3, 4, residual=True, num_layers=2, **OPTIONS),
    "SLSTM": lambda: ours.SLSTM(3, 4, **OPTIONS),
    "learned": lambda: _stirred(ours.LSTM(3, 4, 2, initial_state="learned", **OPTIONS)),
    "chain": lambda: ours.LSTM(3, [4, 2], initial_state=ours.InitialStateFromInput(3, [4, 2], dtype=D), **OPTIONS),
    "zoned": lambda: ours.LSTM(3, 4, zoneout=(0.1, 0.3), **OPTIONS).eval(),
    "Stack": lambda: ours.Stack([Beginning(), nn.LSTMCell(3, 4, dtype=D), ours.GRUCell(4, 2, dtype=D)]),
    "Stack learned": lambda: _stirred(ours.Stack([nn.GRUCell(3, 4, dtype=D)], initial_state="learned")),
}


def _stirred(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer


def flat(tree):
    return [tree] if isinstance(tree, torch.Tensor) else [leaf for part in tree for leaf in flat(part)]


def assert_close(found, expected, tol=1e-12):
    assert len(flat(found)) == len(flat(expected))
    for f, e in zip(flat(found), flat(expected), strict=True):
        torch.testing.assert_close(f, e, rtol=tol, atol=tol)


def time_axis(layer):
    return 1 if layer.batch_first else 0


def draw_x(layer, steps, batch):
    shape = (batch, steps, 3) if layer.batch_first else (steps, batch, 3)
    return torch.randn(shape, dtype=D, requires_grad=True)


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=12, deadline=None)
@given(chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5), one_by_one=st.booleans(), seed=st.integers(0, 99))
def test_any_chunks_are_the_whole_run_with_its_gradients(name, chunks, one_by_one, seed):
    torch.manual_seed(seed)
    layer = LAYERS[name]()
    axis = time_axis(layer)
    x = draw_x(layer, sum(chunks), 2)
    stream = layer.stream()
    outputs = []
    for chunk in torch.split(x, chunks, axis):
        if one_by_one:
            outputs += [stream.step(x_t).unsqueeze(axis) for x_t in chunk.unbind(axis)]
        else:
            outputs.append(stream(chunk))
    output, states = layer(x)
    assert_close([*outputs, stream.state], [*torch.split(output, 1 if one_by_one else chunks, axis), states])
    leaves = [x, *layer.parameters()]
    found = torch.autograd.grad(
        torch.cat(outputs, axis).pow(2).sum() + sum(s.sum() for s in flat(stream.state)), leaves
    )
    assert_close(found, torch.autograd.grad(output.pow(2).sum() + sum(s.sum() for s in flat(states)), leaves))


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=4),
       truncate=st.sampled_from([None, 1, 2, 3]), seed=st.integers(0, 99))  # fmt: skip
def test_ragged_chunks_are_each_sequence_alone(name, lengths, truncate, seed):
    """Sequences that begin late, pause and end; NaN in the padding; each cut at its own steps."""
    torch.manual_seed(seed)
    layer = LAYERS[name]()
    axis = time_axis(layer)
    total = [sum(chunk[n] for chunk in lengths) for n in range(3)]
    sequences = [torch.randn(n, 3, dtype=D, requires_grad=True) for n in total]
    stream, at, loss = layer.stream(truncate), [0, 0, 0], 0.0
    pieces: list[list[torch.Tensor]] = [[], [], []]
    for chunk in lengths:
        x = torch.full((3, 3, 3), float("nan"), dtype=D)
        for n, length in enumerate(chunk):
            x = _put(x, axis, n, sequences[n][at[n] : at[n] + length])
            at[n] += length
        output = stream(x, lengths=chunk)
        loss = loss + output.pow(2).sum()
        for n, length in enumerate(chunk):
            own = output.select(1 - axis, n)
            assert not own[length:].any()
            pieces[n].append(own[:length])
    assert stream.steps.tolist() == total
    expected = 0.0
    for n, x in enumerate(sequences):
        if len(x):
            output, state = cut_by_hand(layer, x, truncate)
            assert_close(torch.cat(pieces[n]), output)
            assert_close(own_state(layer, stream.state, n), state)
            expected = expected + output.pow(2).sum()
    if any(total):
        leaves = [*sequences, *layer.parameters()]
        grads = [
            torch.autograd.grad(each, leaves, allow_unused=True, materialize_grads=True) for each in (loss, expected)
        ]
        assert_close(*grads, tol=1e-11)


def _put(x, axis, n, rows):
    """Put a sequence's part into a batch, out of place."""
    filled = torch.cat([rows, x.select(1 - axis, n)[len(rows) :]])
    parts = list(x.unbind(1 - axis))
    return torch.stack([*parts[:n], filled, *parts[n + 1 :]], 1 - axis)


def cut_by_hand(layer, x_TF, truncate):
    """One sequence in a batch of 1, step by step through the layer itself."""
    state, outputs = None, []
    for t, x_F in enumerate(x_TF):
        if truncate and t > 0 and t % truncate == 0:
            state = detached(state)
        output, state = layer(x_F.view(1, 1, 3), state)
        outputs.append(output.flatten(0, 1))
    return torch.cat(outputs), state


def detached(tree):
    if isinstance(tree, torch.Tensor):
        return tree.detach()
    return type(tree)(detached(part) for part in tree)


def own_state(layer, tree, n):
    if isinstance(tree, torch.Tensor):
        return tree.narrow(layer.rows_axis, n, 1)
    return type(tree)(own_state(layer, part, n) for part in tree)


@pytest.mark.parametrize("name", LAYERS)
def test_one_sequence_without_a_batch_axis(name):
    layer = LAYERS[name]()
    x = torch.randn(7, 3, dtype=D)
    stream = layer.stream(truncate=2)
    outputs = [stream(x[:3]), stream.step(x[3]).unsqueeze(0), stream(x[4:])]
    output, states = layer(x)
    assert_close([torch.cat(outputs), stream.state], [output, states])


def test_an_lstm_of_torch_cut_by_hand():
    """Against torch.nn itself: every 3 steps, across and inside chunks."""
    layer = ours.LSTM(3, 4, 2, dtype=D)
    theirs = nn.LSTM(3, 4, 2, dtype=D)
    theirs.load_state_dict(layer.state_dict())
    x = torch.randn(10, 2, 3, dtype=D, requires_grad=True)
    stream = layer.stream(truncate=3)
    loss = sum((stream(part) * k).sum() for k, part in enumerate(torch.split(x, [2, 5, 3]), 1))
    found = torch.autograd.grad(loss, [x, *layer.parameters()])
    hx, outputs = None, []
    for part in torch.split(x, 3):
        output, hx = theirs(part, hx)
        hx = tuple(s.detach() for s in hx)
        outputs.append(output)
    weight = torch.tensor([1] * 2 + [2] * 5 + [3] * 3).view(-1, 1, 1)
    assert_close(found, torch.autograd.grad((torch.cat(outputs) * weight).sum(), [x, *theirs.parameters()]))


def test_by_default_nothing_is_cut_until_detach():
    layer = ours.GRU(3, 4, dtype=D)
    x = torch.randn(6, 2, 3, dtype=D, requires_grad=True)
    stream = layer.stream()
    stream(x[:3])
    (grad,) = torch.autograd.grad(stream(x[3:]).sum(), x)
    assert all(row.abs().sum() > 0 for row in grad)
    stream = layer.stream()
    stream(x[:3])
    stream.detach()
    (grad,) = torch.autograd.grad(stream(x[3:]).sum(), x)
    assert not grad[:3].any()


def test_a_learned_beginning_keeps_its_gradient_under_truncation():
    layer = ours.GRU(3, 4, initial_state="learned", dtype=D)
    layer.stream(truncate=1)(torch.randn(3, 2, 3, dtype=D)).sum().backward()
    assert layer.initial_state.h_l0.grad.abs().sum() > 0


def test_without_a_graph_chunks_are_run_whole():
    layer = ours.LSTM(3, 4)
    runs = []
    run = layer._run
    layer._run = lambda *args: runs.append(len(args[0])) or run(*args)
    with torch.no_grad():
        stream = layer.stream(truncate=2)
        stream(torch.randn(7, 2, 3))
    stream(torch.randn(4, 2, 3))
    assert runs == [7, 1, 2, 1]


# ---- state: read, set, saved


@pytest.mark.parametrize("name", LAYERS)
def test_saved_and_loaded_and_cloned_streams_go_on(name, tmp_path):
    layer = LAYERS[name]()
    axis = time_axis(layer)
    x = draw_x(layer, 8, 2)
    stream = layer.stream(truncate=3)
    stream(x.narrow(axis, 0, 4))
    kept = stream.state_dict()
    torch.save(kept, tmp_path / "stream.pt")
    assert all(isinstance(tensor, torch.Tensor) and not tensor.requires_grad for tensor in kept.values())
    loaded = layer.stream(truncate=3)
    loaded.load_state_dict(torch.load(tmp_path / "stream.pt", weights_only=True))
    twin = stream.clone()
    rest = x.narrow(axis, 4, 4)
    expected = stream(rest)
    assert_close([expected, stream.state], [layer(x)[0].narrow(axis, 4, 4), layer(x)[1]])
    for other in (loaded, twin):
        assert_close([other(rest), other.state], [expected, stream.state])
        assert other.steps.tolist() == [8, 8]
    assert type(loaded.state) is type(stream.state)


def test_a_stream_saves_with_safetensors(tmp_path):
    from safetensors.torch import load_file, save_file

    layer = ours.GRU(3, 4, recurrent_dropout=0.5, dtype=D)
    x = torch.randn(5, 2, 3, dtype=D)
    stream = layer.stream()
    stream(x)
    save_file(stream.state_dict(), tmp_path / "stream.safetensors")
    other = layer.stream()
    other.load_state_dict(load_file(tmp_path / "stream.safetensors"))
    assert_close(other(x), stream(x))


def test_a_clone_goes_its_own_way_with_the_gradient_of_the_past():
    layer = ours.GRU(3, 4, dtype=D)
    x = torch.randn(4, 2, 3, dtype=D, requires_grad=True)
    stream = layer.stream()
    stream(x)
    before = stream.state
    twin = stream.clone()
    (grad,) = torch.autograd.grad(twin.step(torch.randn(2, 3, dtype=D)).sum(), x)
    assert grad.abs().sum() > 0
    assert stream.state is before
    assert stream.steps.tolist() == [4, 4]


def test_the_state_may_be_read_and_set():
    layer = ours.LSTM(3, 4, dtype=D)
    x = torch.randn(6, 2, 3, dtype=D)
    stream = layer.stream()
    assert stream.state is None
    assert stream.state_dict() == {}
    _, stream.state = layer(x[:4])
    assert stream.steps.tolist() == []
    again = layer.stream()
    again.load_state_dict(stream.state_dict())
    for each in (stream, again):
        assert_close([each(x[4:]), each.state], [layer(x)[0][4:], layer(x)[1]])
    stream.state = tuple(s[:, :1] for s in stream.state)  # another batch
    assert stream(x[:, :1]).shape == (6, 1, 4)
    stream.state = None
    assert_close(stream(x), layer(x)[0])


def test_a_state_that_was_set_keeps_its_gradient():
    layer = ours.GRU(3, 4, dtype=D)
    h = torch.randn(1, 2, 4, dtype=D, requires_grad=True)
    stream = layer.stream(truncate=1)
    stream.state = h
    (grad,) = torch.autograd.grad(stream(torch.randn(2, 2, 3, dtype=D)).sum(), h)
    assert grad.abs().sum() > 0


@pytest.mark.parametrize("rows", [[1], torch.tensor([False, True, False]), torch.tensor(-2), [1, 1]])
@pytest.mark.parametrize("name", LAYERS)
def test_some_sequences_begin_anew(name, rows):
    layer = LAYERS[name]()
    axis = time_axis(layer)
    x = draw_x(layer, 7, 3)
    first, last = x.narrow(axis, 0, 4), x.narrow(axis, 4, 3)
    stream = layer.stream()
    stream(first)
    stream.reset(rows)
    output = stream(last)
    on, anew = layer(x)[0].narrow(axis, 4, 3), layer(last)[0]
    for n, expected in enumerate((on, anew, on)):
        assert_close(output.select(1 - axis, n), expected.select(1 - axis, n))
    assert stream.steps.tolist() == [7, 3, 7]
    stream.reset()
    assert_close(stream(x), layer(x)[0])


def test_all_sequences_of_a_module_that_starts_by_itself_begin_anew():
    stack = ours.Stack([Counting()])
    x = torch.randn(4, 2, 3, dtype=D)
    stream = stack.stream()
    stream(x)
    stream.reset([0, 1])
    assert_close(stream(x), stack(x)[0])
    stream.reset([0])
    says = "what cells[0] (Counting) begins with is known to it alone. Give it a method initial_state(batch), or begin"
    with pytest.raises(ConfigError, match=re.escape(says)):
        stream(x)


def test_a_module_with_an_empty_state_is_saved():
    class Doubling(nn.Module):
        def forward(self, x, state):
            return 2 * x, ()

    stack = ours.Stack([Doubling(), nn.GRUCell(3, 3, dtype=D), Doubling()])
    x = torch.randn(4, 2, 3, dtype=D)
    stream = stack.stream()
    stream(x[:2])
    other = stack.stream()
    other.load_state_dict(stream.state_dict())
    assert other.state[0] == other.state[2] == ()
    assert_close(other(x[2:]), stack(x)[0][2:])


# ---- noise in training


@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5}, {"weight_drop": 0.5},
                                     {"recurrent_dropout": 0.3, "weight_drop": 0.3}])  # fmt: skip
def test_masks_are_drawn_once_a_sequence(options):
    layer = ours.LSTM(3, 8, 2, **options, **OPTIONS)
    x = torch.randn(9, 2, 3, dtype=D)
    torch.manual_seed(5)
    output, states = layer(x)
    torch.manual_seed(5)
    stream = layer.stream(truncate=2)
    outputs = [stream(x[:2]), stream.step(x[2]).unsqueeze(0)]
    loaded = layer.stream()
    loaded.load_state_dict(stream.state_dict())
    outputs.append(stream(x[3:]))
    assert_close([torch.cat(outputs), stream.state], [output, states])
    assert_close(loaded(x[3:]), output[3:])
    stream.reset()
    assert not torch.equal(stream(x), output)
    layer.eval()
    stream.reset()
    assert_close(stream(x), layer(x)[0])


def test_masks_of_a_stack_are_drawn_once_a_sequence():
    stack = ours.Stack(
        [nn.GRUCell(3, 8, dtype=D), nn.LSTMCell(8, 4, dtype=D)], recurrent_dropout=0.5, kernel="reference"
    )
    x = torch.randn(9, 2, 3, dtype=D)
    torch.manual_seed(5)
    output, _ = stack(x)
    torch.manual_seed(5)
    stream = stack.stream()
    assert_close(torch.cat([stream(x[:4]), stream(x[4:])]), output)


def test_a_sequence_that_begins_anew_draws_its_own_mask():
    layer = ours.GRU(3, 50, recurrent_dropout=0.5, **OPTIONS)
    x = torch.randn(4, 3, 3, dtype=D)
    stream = layer.stream()
    stream(x)
    before = stream.state_dict()["mask.h_l0"]
    stream.reset([2])
    stream(x)
    after = stream.state_dict()["mask.h_l0"]
    assert torch.equal(before[:2], after[:2])
    assert not torch.equal(before[2], after[2])
    assert set(after.unique().tolist()) == {0.0, 2.0}


@pytest.mark.needs_native
def test_streams_run_natively():
    layer = ours.LSTM(3, 4, 2, dtype=D, kernel="native")
    x = torch.randn(9, 2, 3, dtype=D)
    stream = layer.stream(truncate=4)
    assert_close(torch.cat([stream(x[:5]), stream(x[5:])]), layer(x)[0])


def test_everything_follows_the_device():
    """On the meta device, where anything made elsewhere would not fit."""
    layer = ours.GRU(3, 4, recurrent_dropout=0.5, device="meta")
    stream = layer.stream(truncate=2)
    x = torch.zeros(5, 2, 3, device="meta")
    assert stream(x).device.type == "meta"
    stream.reset([0])
    stream(x, lengths=[5, 1])
    other = layer.stream()
    other.load_state_dict(stream.state_dict())
    assert other.step(x[0]).device.type == other.state.device.type == "meta"
    assert other.steps.tolist() == [6, 7]


# ---- errors

GRU = ours.GRU(3, 4)


def begun(batch=2):
    stream = GRU.stream()
    stream(torch.zeros(5, batch, 3))
    return stream


PAIRS = [(nn.GRUCell(3, 2), nn.GRUCell(3, 2)), nn.GRUCell(4, 3)]
WRONG = [
    (lambda: ours.GRU(3, 4, bidirectional=True).stream(), ConfigError,
     "GRU is bidirectional: a reverse direction starts at the end of each sequence, which a stream has not seen. Call "
     "the layer with whole sequences, or make it with one direction."),
    (lambda: ours.Stack(PAIRS).stream(), ConfigError, "cells[0] is a pair: a reverse direction starts at the end of"),
    (lambda: GRU.stream(truncate=0), ConfigError,
     "truncate must be a whole number of steps greater than zero, or None; got 0."),
    (lambda: begun()(torch.zeros(5, 3, 3)), ShapeError,
     "This stream runs N=2 sequences; got N=3 sequences. Begin anew with stream.reset(), make another stream, or give "
     "lengths of 0 to sequences that have no steps in this chunk."),
    (lambda: begun()(torch.zeros(5, 3)), ShapeError,
     "This stream runs N=2 sequences; got one sequence without a batch axis."),
    (lambda: GRU.stream()(torch.zeros(5, 2, 4)), ShapeError, "GRU expected input (T=time, N=batch, F=3)"),
    (lambda: GRU.stream()(torch.zeros(5, 2, 3), lengths=[6, 1]), ShapeError, "expected lengths from 0 to T=5"),
    (lambda: GRU.stream().step(torch.zeros(5, 2, 3)), ShapeError,
     "stream.step expected one step, a tensor (N=batch, F) or (F); got (5, 2, 3). Is it a chunk? Pass stream(x)."),
    (lambda: begun().reset([2]), ShapeError, "stream.reset expected rows among the stream's 2 sequences; got [2]."),
    (lambda: begun().reset(torch.tensor([True])), ShapeError,
     "stream.reset expected a mask (2,), one a sequence; got (1,)."),
    (lambda: GRU.stream().load_state_dict({"h": torch.zeros(1)}), ConfigError,
     "This is not what a stream's state_dict() gave:\n  - there is nothing called 'h' in a stream."),
    (lambda: GRU.stream().load_state_dict({"state": torch.zeros(1), "steps": torch.zeros(1)}), ConfigError,
     "'begun', 'batched' is missing."),
    (lambda: check_kept(ours.LSTM(2, 3), {"state": 1}), ConfigError, "'state' must be a tensor; got int."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_what_goes_wrong_says_what_to_do(call, error, says):
    with pytest.raises(error, match=re.escape(says)):
        call()


@pytest.mark.parametrize("x", [[torch.zeros(5, 3)], pack_sequence([torch.zeros(5, 3)])])
def test_other_forms_of_input_end_with_their_sequences(x):
    with pytest.raises(DtypeError, match=re.escape("Pass padded, lengths = unrolled.pad(x).")):
        check_chunk(x)


def test_repr_says_where_it_is():
    assert repr(GRU.stream(truncate=3)) == "Stream(GRU, truncate=3; at its beginning)"
    stream = begun()
    assert repr(stream) == "Stream(GRU; N=2, steps 5)"
    stream.reset([0])
    assert repr(stream) == "Stream(GRU; N=2, steps 0 to 5)"
