"""Sequences in every form that PyTorch has them in: packed, listed, nested; `pad` and `unpad`."""

import warnings

import pytest
import torch
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpad_sequence,
)

import unrolled.layers as ours
from unrolled.errors import DtypeError, ShapeError

KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {})]
LENGTHS = [3, 5, 1, 5, 2]


def sequences_of(lengths, features=4):
    return [torch.randn(n, features, dtype=torch.float64, requires_grad=True) for n in lengths]


def packings(lengths=LENGTHS):
    """PackedSequences by every way to make one, with the sorted ones' leaves."""
    leaves = sequences_of(lengths)
    falling = sorted(leaves, key=len, reverse=True)
    padded = pad_sequence(leaves)
    sorted_padded, sorted_lengths = pad_sequence(falling), [len(s) for s in falling]
    bare = pack_sequence(falling)
    return {
        "pack_sequence": (leaves, pack_sequence(leaves, enforce_sorted=False)),
        "pack_sequence, sorted": (leaves, bare),
        "pack_padded_sequence": (leaves, pack_padded_sequence(padded, torch.tensor(lengths), enforce_sorted=False)),
        "pack_padded_sequence, sorted": (leaves, pack_padded_sequence(sorted_padded, sorted_lengths)),
        "pack_padded_sequence, batch first": (
            leaves,
            pack_padded_sequence(padded.transpose(0, 1), lengths, batch_first=True, enforce_sorted=False),
        ),
        "without indices": (leaves, PackedSequence(bare.data, bare.batch_sizes)),
        "of one length": (leaves[1:4:2], pack_sequence(leaves[1:4:2])),
        "of one": (leaves[:1], pack_sequence(leaves[:1])),
    }


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("kind", "options"), KINDS)
@pytest.mark.parametrize("made_by", packings())
def test_a_packed_sequence_is_taken_and_given_as_torch_does(
    pair, states, assert_same, kind, options, made_by, batch_first
):
    theirs, mine = pair(kind, 4, 6, 2, bidirectional=True, batch_first=batch_first, **options)
    leaves, packed = packings()[made_by]
    hx = states(theirs, len(leaves))
    expected, found = theirs(packed, hx), mine(packed, hx)
    assert isinstance(found[0], PackedSequence)
    for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        a, b = getattr(found[0], name), getattr(packed, name)
        assert (a is None and b is None) or torch.equal(a, b)
    assert_same(theirs, expected, mine, found, (leaves, hx))
    a, b = (pad_packed_sequence(run[0], total_length=9, padding_value=-1.0) for run in (found, expected))
    torch.testing.assert_close(a[0], b[0], rtol=1e-12, atol=1e-12)
    assert torch.equal(a[1], b[1])


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("lengths", [[3, 5, 1, 5, 2], [4, 4, 4], [1], [3, 0, 2]])
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_a_list_is_each_sequence_alone(pair, states, name, options, lengths, kind):
    theirs, mine = pair(name, 4, 6, 2, bidirectional=True, **options)
    listed = sequences_of(lengths)
    hx = states(theirs, len(lengths))
    hxs = hx if isinstance(hx, tuple) else (hx,)
    output, last = mine(kind(listed), hx)
    lasts = last if isinstance(last, tuple) else (last,)
    assert isinstance(output, list)
    assert [len(y) for y in output] == lengths
    sums = [torch.zeros(())] * 2
    for n, sequence in enumerate(listed):
        own = tuple(s[:, n] for s in hxs)
        if len(sequence):
            y, ends = theirs(sequence, own if len(own) > 1 else own[0])
            ends = ends if isinstance(ends, tuple) else (ends,)
        else:
            y, ends = output[0][:0].detach(), own
        for a, b in zip([output[n], *(s[:, n] for s in lasts)], [y, *ends], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
        sums[0] = sums[0] + y.pow(2).sum() + sum(s.pow(2).sum() for s in ends)
    sums[1] = sum(y.pow(2).sum() for y in output) + sum(s.pow(2).sum() for s in lasts)
    filled = [s for s in listed if len(s)]
    of_theirs, of_mine = (
        torch.autograd.grad(total, [*filled, *hxs, *layer.parameters()])
        for total, layer in zip(sums, (theirs, mine), strict=True)
    )
    for a, b in zip(of_mine, of_theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_a_list_of_empty_sequences_leaves_the_states():
    h_0 = torch.randn(1, 2, 5)
    output, h_n = ours.GRU(4, 5)([torch.zeros(0, 4), torch.zeros(0, 4)], h_0)
    assert [y.shape for y in output] == [(0, 5), (0, 5)]
    assert torch.equal(h_n, h_0)


def test_batch_first_says_nothing_of_a_list():
    layer = ours.GRU(4, 5, dtype=torch.float64)
    other = ours.GRU(4, 5, batch_first=True, dtype=torch.float64)
    other.load_state_dict(layer.state_dict())
    listed = sequences_of(LENGTHS)
    for a, b in zip(layer(listed)[0], other(listed)[0], strict=True):
        assert torch.equal(a, b)


def nested_of(lengths):
    leaves = sequences_of(lengths)
    return leaves, torch.nested.as_nested_tensor(leaves, layout=torch.jagged)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4, 4], [3, 0, 2]])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_nested_tensor_is_the_list_of_its_sequences(pair, states, assert_same, kind, options, lengths, batch_first):
    _, mine = pair(kind, 4, 6, 2, bidirectional=True, batch_first=batch_first, **options)
    leaves, nested = nested_of(lengths)
    hx = states(mine, len(lengths))
    output, last = mine(nested, hx)
    assert output.is_nested
    assert output.layout == torch.jagged
    assert_same(mine, mine(leaves, hx), mine, (output.unbind(), last), (leaves, hx))


def test_a_nested_output_goes_together_with_its_input():
    leaves, nested = nested_of(LENGTHS)
    layer = ours.GRU(4, 4, dtype=torch.float64)
    output = layer(nested)[0]
    assert output.offsets() is nested.offsets()
    assert torch.cat([nested, output], -1).shape[-1] == 8
    grads = torch.autograd.grad((nested + output).values().pow(2).sum(), leaves)
    alone = torch.autograd.grad(sum((s + layer(s)[0]).pow(2).sum() for s in leaves), leaves)
    for a, b in zip(grads, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    twice = layer(layer(nested)[0])[0]
    torch.testing.assert_close(twice.unbind()[1], layer(layer(leaves[1])[0])[0], rtol=1e-12, atol=1e-12)


def test_a_nested_tensor_with_holes():
    padded = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    starts, counts = torch.tensor([1, 0, 2]), torch.tensor([3, 6, 1])
    nested = torch.nested.narrow(padded, 1, starts, counts, layout=torch.jagged)
    assert nested.lengths() is not None  # what is tested here: rows that belong to no sequence
    layer = ours.GRU(4, 5, dtype=torch.float64)
    output, _ = layer(nested)
    parts = [padded[n, s : s + c] for n, (s, c) in enumerate(zip(starts, counts, strict=True))]
    for found, part in zip(output.unbind(), parts, strict=True):
        torch.testing.assert_close(found, layer(part)[0], rtol=1e-12, atol=1e-12)
    (found,) = torch.autograd.grad(sum(y.sum() for y in output.unbind()), padded)
    (expected,) = torch.autograd.grad(sum(layer(part)[0].sum() for part in parts), padded)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("form", ["packed", "list", "tuple", "nested"])
def test_a_trace_is_that_of_the_padded_batch(form, batch_first):
    layer = ours.LSTM(4, 5, 2, bidirectional=True, batch_first=batch_first, dtype=torch.float64)
    leaves, nested = nested_of(LENGTHS)
    hx = tuple(torch.randn(4, 5, 5, dtype=torch.float64) for _ in range(2))
    x = {"packed": pack_sequence(leaves, enforce_sorted=False), "list": leaves, "tuple": tuple(leaves)}.get(
        form, nested
    )
    found = layer.trace(x, hx)
    expected = layer.trace(pad_sequence(leaves, batch_first=batch_first), hx, LENGTHS)
    assert found.to_json() == expected.to_json()


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("tail", [(4,), (), (2, 3)])
@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4], [3, 0, 2], [0, 0], [2]])
def test_pad_and_unpad_undo_each_other_and_equal_torch(lengths, tail, batch_first):
    listed = [torch.randn(n, *tail, dtype=torch.float64, requires_grad=True) for n in lengths]
    padded, counts = ours.pad(listed, batch_first)
    assert torch.equal(padded, pad_sequence(listed, batch_first))
    assert (counts.tolist(), counts.dtype) == (lengths, torch.int64)
    back = ours.unpad(padded, counts, batch_first)
    assert all(torch.equal(a, b) for a, b in zip(back, listed, strict=True))
    if 0 not in lengths:
        assert all(torch.equal(a, b) for a, b in zip(back, unpad_sequence(padded, counts, batch_first), strict=True))
    for a, b in zip(torch.autograd.grad(padded.pow(2).sum(), listed), listed, strict=True):
        assert torch.equal(a, 2 * b)


def test_unpad_gives_nothing_to_the_padding():
    padded = torch.randn(5, 2, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(sum(s.sum() for s in ours.unpad(padded, [5, 2])), padded)
    assert grad[:, 0].eq(1).all()
    assert grad[:2, 1].eq(1).all()
    assert grad[2:, 1].eq(0).all()


@pytest.mark.parametrize("batch_first", [True, False])
def test_pad_takes_packed_and_nested_too(batch_first):
    leaves, nested = nested_of(LENGTHS)
    expected = pad_sequence(leaves, batch_first)
    for form in (nested, pack_sequence(leaves, enforce_sorted=False)):
        padded, lengths = ours.pad(form, batch_first)
        assert torch.equal(padded, expected)
        assert lengths.tolist() == LENGTHS


def strided():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's own: this layout is not its favourite either
        return torch.nested.nested_tensor([torch.zeros(2, 3)], layout=torch.strided)


WRONG = [
    (lambda: ours.pad(torch.zeros(3, 2)), DtypeError,
     "pad expected a list of tensors (T=time, ...), which differ in T alone; got Tensor (3, 2) of torch.float32. "
     "Is it padded already?"),
    (lambda: ours.pad([]), ShapeError, "got an empty list."),
    (lambda: ours.pad([torch.zeros(3, 2), [1.0], torch.tensor(1.0)]), DtypeError,
     "[1] is a list of 1, [2] is Tensor () of torch.float32."),
    (lambda: ours.pad([torch.zeros(3, 2), torch.zeros(3, 1), torch.zeros(2, 2).double()]), ShapeError,
     "[0] is (T, 2) of torch.float32 on cpu, and [1] is (T, 1) of torch.float32 on cpu, "
     "[2] is (T, 2) of torch.float64 on cpu."),
    (lambda: ours.pad(strided()), ShapeError,
     "got one of layout torch.strided. Pass torch.nested.as_nested_tensor(list(x.unbind()), layout=torch.jagged)."),
    (lambda: ours.unpad([1, 2], [1]), DtypeError, "unpad expected a padded batch, which is a tensor; got a list of 2."),
    (lambda: ours.unpad(torch.zeros(3), [1]), ShapeError, "with axes for time and batch; got (3,)."),
    (lambda: ours.unpad(torch.zeros(3, 2), [4, 1]), ShapeError,
     "unpad expected lengths from 0 to T=3, the input's time steps; got lengths[0]=4."),
    (lambda: ours.unpad(torch.zeros(3, 2), [1]), ShapeError,
     "unpad expected 2 lengths, one a sequence of the batch; got 1."),
    (lambda: ours.unpad(torch.zeros(3, 2), None), DtypeError, "one a sequence; got None."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_what_cannot_be_padded_or_unpadded(call, error, says):
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)


def test_many_sequences_take_no_python_loop_over_steps():
    # As many operators for a thousand sequences as for ten: nothing is done sequence by sequence but the reading.
    def operators(count):
        listed = [torch.zeros(1 + n % 7, 4) for n in range(count)]
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            padded, lengths = ours.pad(listed)
            ours.unpad(padded, lengths)
        views = ("aten::as_strided", "aten::narrow", "aten::slice")
        return sum(event.count for event in profile.key_averages() if event.key not in views)

    assert operators(1000) == operators(10)
