"""Every option with every other: what must hold whatever a layer was asked for.

Each test runs on rows in which all pairs of options stand together, and on combinations drawn at random.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from loops import run, unscaled
from option_cases import CROSSED, FACTORS, crossed, drawn, leaves_of, pairs, pairs_in

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def call(layer, x, hx=None, lengths=None, seed=5):
    """Output and final states, with the same noise for the same seed."""
    torch.manual_seed(seed)
    output, states = layer(x, hx, lengths)
    return [output, *leaves_of(states)]


def by_place(layer, states):
    """Final states as `states[layer][direction][state]`."""
    directions = 2 if layer.bidirectional else 1
    kinds = states if isinstance(states, tuple) and len(layer.spec().states) > 1 else (states,)
    per_layer = [kind if layer.spec().per_layer else kind.unflatten(0, (-1, directions)) for kind in kinds]
    return [[[kind[k][d] for kind in per_layer] for d in range(directions)] for k in range(layer.num_layers)]


def alone(hx, n):
    """The initial states of one sequence of a batch."""
    return hx[..., n : n + 1, :] if isinstance(hx, Tensor) else hx and tuple(alone(item, n) for item in hx)


def time_first(case, x):
    return x.transpose(0, 1) if case["batch_first"] else x


def close(found, expected):
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e, **TIGHT)


@pytest.mark.parametrize("kind", FACTORS)
def test_the_rows_have_all_pairs(kind):
    together = {pair for case in CROSSED if case.kind == kind for pair in pairs_in(kind, dict(case.row))}
    assert together >= set(pairs(kind))


@crossed()
def test_it_equals_the_equations_in_numpy(case):
    case = case.replace(dropout=0.0) if case["training"] else case
    layer, x, lengths = case.layer(), case.x(), case.lengths()
    hx = case.hx(layer)
    torch.manual_seed(5)
    output, states = layer(x, hx, lengths)
    torch.manual_seed(5)
    noise = drawn(layer, case.steps, case.batch)
    first = None if hx is None else [[[s.detach().numpy() for s in d] for d in k] for k in by_place(layer, hx)]
    expected, finals = run(layer, time_first(case, x).detach().numpy(), lengths, first, noise)
    np.testing.assert_allclose(time_first(case, output).detach().numpy(), expected, **TIGHT)
    for found_k, expected_k in zip(by_place(layer, states), finals, strict=True):
        for found, wanted in zip(found_k, expected_k, strict=True):
            for f, e in zip(unscaled([s.detach().numpy() for s in found]), wanted, strict=True):
                np.testing.assert_allclose(f, e, **TIGHT)


@crossed()
def test_derivatives_are_those_of_differences(case):
    """Along a direction in the space of input, initial states and all parameters together, drawn at random."""
    layer, x, lengths = case.layer(), case.x(), case.lengths()
    hx, names = case.hx(layer), [name for name, _ in layer.named_parameters()]
    leaves = [x, *leaves_of(hx), *layer.parameters()]

    def everything(flat):
        parts = torch.split(flat, [leaf.numel() for leaf in leaves])
        own = [part.view(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        parameters = dict(zip(names, own[-len(names) :], strict=True))
        torch.manual_seed(5)
        results = functional_call(layer, parameters, (own[0], rebuilt(hx, iter(own[1:])), lengths))
        return torch.cat([result.flatten() for result in leaves_of(results)])

    flat = torch.cat([leaf.detach().flatten() for leaf in leaves]).requires_grad_()
    assert torch.autograd.gradcheck(everything, (flat,), fast_mode=True, atol=1e-8, rtol=1e-6)


def rebuilt(hx, leaves):
    """The same nesting, of other tensors."""
    return next(leaves) if isinstance(hx, Tensor) else hx and tuple(rebuilt(item, leaves) for item in hx)


@crossed()
def test_auto_equals_the_reference(case):
    results = []
    for kernel in ("auto", "reference"):
        layer, x = case.layer(kernel=kernel), case.x()
        hx = case.hx(layer)
        found = call(layer, x, hx, case.lengths())
        leaves = [x, *leaves_of(hx), *layer.parameters()]
        torch.manual_seed(9)
        wanted = [torch.randn(f.shape, dtype=f.dtype) for f in found]
        grads = torch.autograd.grad(found, leaves, wanted, allow_unused=True, materialize_grads=True)
        results.append([*found, *grads])
    close(*results)


@crossed()
def test_a_ragged_batch_is_each_sequence_alone(case):
    layer, x = case.layer().eval(), case.x()
    hx, lengths = case.hx(layer), case.replace(ragged=True).lengths()
    output, states = layer(x, hx, lengths)
    output, x = time_first(case, output), time_first(case, x)
    for n, length in enumerate(lengths):
        assert torch.equal(output[length:, n], torch.zeros_like(output[length:, n]))
        if length == 0:
            continue
        own = x[:length, n : n + 1]
        single, last = layer(time_first(case, own), alone(hx, n))
        close([output[:length, n]], [time_first(case, single)[:, 0]])
        close(leaves_of(alone(states, n)), leaves_of(last))


@crossed()
def test_a_stream_is_the_whole_run(case):
    """Chunks of two steps, the last one shorter: outputs, final states and every gradient."""
    case = case.replace(bidirectional=False)
    layer, x = case.layer().eval(), case.x()
    hx, lengths = case.hx(layer), case.lengths()
    wanted = layer(x, hx, lengths)
    stream = layer.stream()
    if hx is not None:
        stream.state = hx
    time_axis = 1 if case["batch_first"] else 0
    chunks = torch.split(x, 2, dim=time_axis)
    left = lengths and [[min(2, max(0, n - 2 * k)) for n in lengths] for k in range(len(chunks))]
    outputs = [stream(chunk, lengths=left[k] if left else None) for k, chunk in enumerate(chunks)]
    found = [torch.cat(outputs, dim=time_axis), stream.state]
    leaves = [x, *leaves_of(hx), *layer.parameters()]
    both = [leaves_of(found), leaves_of(list(wanted))]
    torch.manual_seed(9)
    toward = [torch.randn(w.shape, dtype=w.dtype) for w in both[1]]
    close(*both)
    close(*(torch.autograd.grad(r, leaves, toward, allow_unused=True, materialize_grads=True) for r in both))


@crossed()
def test_the_reverse_direction_is_the_forward_one_on_mirrored_sequences(case):
    case = case.replace(stack="one", dropout=0.0, bidirectional=True)
    both, one = case.layer().eval(), case.replace(bidirectional=False).layer().eval()
    one.load_state_dict(reverse_half(both.state_dict(), both))
    x, lengths = case.x(), case.lengths() or [case.steps] * case.batch
    hx = case.hx(both)
    output, states = both(x, hx, lengths)
    backwards = time_first(case, mirrored(time_first(case, x), lengths))
    hx_reverse = hx if hx is None else (hx[1:] if isinstance(hx, Tensor) else tuple(s[1:] for s in hx))
    forward, last = one(backwards, hx_reverse, lengths)
    half = time_first(case, output)[..., one.spec().cells[0].output_size :]
    close([half], [mirrored(time_first(case, forward), lengths)])
    close([s[1] for s in leaves_of(states)], [s[0] for s in leaves_of(last)])


def mirrored(x, lengths):
    """Each sequence back to front, its padding left behind it."""
    x = x.clone()
    for n, length in enumerate(lengths):
        x[:length, n] = x[:length, n].flip(0)
    return x


def reverse_half(state_dict, layer):
    """The reverse direction's parameters, named as a forward layer's; of chains, the second half."""
    half = {name.removesuffix("_reverse"): v for name, v in state_dict.items() if name.endswith("_reverse")}
    for name, value in state_dict.items():
        if ".chains." in name and (number := int(name.split(".")[2])) >= (count := layer.initial_state.states):
            half[name.replace(f"chains.{number}", f"chains.{number - count}", 1)] = value
    return half


@crossed()
def test_the_traces_numbers_are_those_of_a_call_in_eval(case):
    layer, x, lengths = case.layer(), case.x(), case.lengths()
    hx = case.hx(layer)
    trace = layer.trace(x, hx, lengths)
    assert layer.training == case["training"]
    output, states = layer.eval()(x, hx, lengths)
    np.testing.assert_allclose(trace.output.values, output.detach(), **TIGHT)
    finals = [value for final in trace.finals.values() for value in (final if isinstance(final, tuple) else (final,))]
    for found, expected in zip(finals, leaves_of(states), strict=True):
        np.testing.assert_allclose(found.values, expected.detach(), **TIGHT)


@crossed()
def test_the_traces_last_step_is_the_final_state(case):
    layer, x = case.layer(), case.x()
    trace = layer.trace(x, case.hx(layer))
    for part in trace.parts:
        order = range(case.steps) if part.direction == "forward" else range(case.steps - 1, -1, -1)
        for state in layer.spec().states:
            final, d = trace.finals[f"{state}_n"], trace.directions.index(part.direction)
            if layer.spec().per_layer:
                end = final[part.layer].values[d]
            else:
                end = final.values[part.layer * len(trace.directions) + d]
            np.testing.assert_array_equal(part[state].values[order[-1]], end)


@crossed()
def test_one_sequence_without_a_batch_is_a_batch_of_one(case):
    layer, x = case.layer(), case.x()
    hx = alone(case.hx(layer), 0)
    x = time_first(case, x)[:, 0]
    batched = call(layer, x.unsqueeze(0 if case["batch_first"] else 1), hx)
    unbatched = call(layer, x, unbatch(hx))
    close([unbatched[0]], [batched[0].squeeze(0 if case["batch_first"] else 1)])
    close(unbatched[1:], [s.squeeze(1) for s in batched[1:]])


def unbatch(hx):
    return hx.squeeze(1) if isinstance(hx, Tensor) else hx and tuple(unbatch(item) for item in hx)


@crossed()
def test_batch_first_is_a_matter_of_axes_alone(case):
    layer, x, lengths = case.layer(), case.x(), case.lengths()
    other = case.layer(batch_first=not case["batch_first"])
    hx = case.hx(layer)
    found, expected = call(other, x.transpose(0, 1), hx, lengths), call(layer, x, hx, lengths)
    close([found[0].transpose(0, 1), *found[1:]], expected)


@crossed()
def test_a_copy_and_a_loaded_layer_are_the_same(case):
    layer, x, lengths = case.layer(), case.x(), case.lengths()
    hx = case.hx(layer)
    expected = call(layer, x, hx, lengths)
    loaded = case.layer()
    loaded.reset_parameters()
    loaded.load_state_dict(layer.state_dict(), strict=True)
    copied = copy.deepcopy(layer)
    assert repr(copied) == repr(layer)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    for other in (copied, loaded):
        assert list(other.state_dict()) == list(layer.state_dict())
        for found, value in zip(call(other, x, hx, lengths), expected, strict=True):
            assert torch.equal(found, value)
