"""Layers under torch.compile and torch.export, ragged ones too: test_compile.py runs this file where nothing wraps the
functions, since neither can see through the tests' checks of types and shapes."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim
from torch.nn.utils.rnn import pack_sequence

import unrolled.layers as ours
from unrolled.errors import ShapeError

LENGTHS = [[3, 6, 1, 0], [6, 6, 6, 6], [0, 0, 0, 0], [1, 2, 5, 4]]


@pytest.fixture(autouse=True)
def _forgotten():
    """Compiled anew in each test, and nothing of it kept for another."""
    torch.compiler.reset()
    torch.manual_seed(0)
    yield
    torch.compiler.reset()


def layer_of(kind="GRU", kernel="auto", **options):
    options = {"batch_first": True, "bidirectional": True} | options
    return getattr(ours, kind)(3, 5, **options, kernel=kernel, dtype=torch.float64)


def batch_of(batch, steps):
    return torch.randn(batch, steps, 3, dtype=torch.float64, requires_grad=True)


def compiled(layer, backend="eager"):
    counter = CompileCounterWithBackend(backend)
    return torch.compile(layer, fullgraph=True, backend=counter), counter


def tensors(result):
    output, last = result
    return [output, *(last if isinstance(last, tuple) else (last,))]


def assert_same(found, expected):
    for a, b in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("kind", "kernel"), [("LSTM", "auto"), ("GRU", "auto"), ("GRU", "reference")])
def test_new_lengths_run_what_was_compiled_for_others(kind, kernel):
    layer = layer_of(kind, kernel)
    run, counter = compiled(layer, "aot_eager")
    for lengths in LENGTHS:
        x = batch_of(4, 6)
        found, expected = run(x, lengths=torch.tensor(lengths)), layer(x, lengths=lengths)
        assert_same(found, expected)
        leaves = [x, *layer.parameters()]
        grads = [torch.autograd.grad(output.pow(2).sum(), leaves) for output, _ in (found, expected)]
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    assert counter.frame_count == 1


@pytest.mark.needs_native
def test_other_sizes_compile_once_more_and_no_further():
    layer = layer_of("LSTM", num_layers=2)
    run, counter = compiled(layer)
    for batch, steps in [(4, 6), (5, 8), (7, 9), (9, 7)]:
        x, lengths = batch_of(batch, steps), torch.randint(0, steps + 1, (batch,))
        assert_same(run(x, lengths=lengths), layer(x, lengths=lengths))
    assert counter.frame_count == 2


def test_lengths_in_a_list():
    layer = layer_of()
    run, _ = compiled(layer)
    for lengths in LENGTHS:
        x = batch_of(4, 6)
        assert_same(run(x, lengths=lengths), layer(x, lengths=lengths))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_lengths_of_other_integer_types(dtype):
    layer, x, lengths = layer_of(), batch_of(4, 6), torch.tensor([3, 6, 1, 0], dtype=dtype)
    assert_same(compiled(layer)[0](x, lengths=lengths), layer(x, lengths=lengths))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_and_one_sequence(kind):
    layer = layer_of(kind, num_layers=2)
    run, _ = compiled(layer)
    hx = torch.randn(4, 4, 5, dtype=torch.float64)
    hx = (hx, hx.flip(0)) if kind == "LSTM" else hx
    x = batch_of(4, 6)
    assert_same(run(x, hx), layer(x, hx))
    assert_same(run(x, hx, torch.tensor([3, 6, 1, 0])), layer(x, hx, [3, 6, 1, 0]))
    one = x.detach()[0]
    assert_same(run(one), layer(one))


def test_a_projection_and_a_width_per_layer():
    x, lengths = batch_of(4, 6), torch.tensor([3, 6, 1, 0])
    layer = layer_of("LSTM", proj_size=2)
    assert_same(compiled(layer)[0](x, lengths=lengths), layer(x, lengths=lengths))
    layer = ours.GRU(3, [4, 2], batch_first=True, dtype=torch.float64)
    hx = tuple(torch.randn(1, 4, width, dtype=torch.float64) for width in (4, 2))
    assert_same(compiled(layer)[0](x, hx, lengths), layer(x, hx, lengths))


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_one_step(kind):
    cell = getattr(ours, kind)(3, 5, dtype=torch.float64)
    run, counter = compiled(cell)
    state = None
    for batch in (4, 7, 9):
        x, h_0 = torch.randn(batch, 3, dtype=torch.float64), torch.randn(batch, 5, dtype=torch.float64)
        state = (h_0, -h_0) if kind == "LSTMCell" else h_0
        for given in (None, state):
            for found, expected in zip(run(x, given), cell(x, given), strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert counter.frame_count <= 4  # with and without states, then once more for any batch


def test_a_wrong_call_breaks_the_graph_and_then_says_what_is_wrong():
    layer, x = layer_of(), torch.randn(4, 6, 2, dtype=torch.float64)
    with pytest.raises(Exception, match=r"Call the layer without torch\.compile to read what"):
        compiled(layer)[0](x)
    torch.compiler.reset()
    with pytest.raises(ShapeError, match="The layer was made with input_size=3; the last axis has 2"):
        torch.compile(layer, backend="eager")(x)


def test_packed_and_listed_sequences_break_the_graph_and_run():
    layer = layer_of("LSTM")
    listed = [torch.randn(n, 3, dtype=torch.float64) for n in (3, 6, 1)]
    run = torch.compile(layer, backend="eager")
    for found, expected in zip(run(listed)[0], layer(listed)[0], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    packed = pack_sequence(listed, enforce_sorted=False)
    torch.testing.assert_close(run(packed)[0].data, layer(packed)[0].data, rtol=1e-10, atol=1e-10)


def test_under_autocast():
    layer, x = ours.GRU(3, 5, batch_first=True), torch.randn(4, 6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        hx = torch.zeros(1, 4, 5)
        found, expected = compiled(layer)[0](x, hx, torch.tensor([3, 6, 1, 0])), layer(x, hx, [3, 6, 1, 0])
    assert torch.equal(found[0], expected[0])


def test_dropout_between_ragged_layers():
    layer = layer_of(num_layers=2, dropout=0.5)
    x, lengths = batch_of(4, 6), torch.tensor([3, 6, 1, 0])
    run, _ = compiled(layer)
    first, second = run(x, lengths=lengths)[0], run(x, lengths=lengths)[0]
    assert not torch.equal(first, second)
    assert all(not first[n, length:].any() for n, length in enumerate(lengths))
    layer.eval()
    assert_same(run(x, lengths=lengths), layer(x, lengths=lengths))


@pytest.mark.parametrize("wrong", [[3, 7, 1, 0], [3, 6, -1, 0]])
@pytest.mark.parametrize("kernel", ["reference", pytest.param("native", marks=pytest.mark.needs_native)])
def test_wrong_lengths_are_refused_when_the_program_runs(kernel, wrong):
    run, _ = compiled(layer_of(kernel=kernel))
    x = batch_of(4, 6)
    run(x, lengths=torch.tensor([3, 6, 1, 0]))
    with pytest.raises((ValueError, RuntimeError), match=r"lengths.* from 0 to T"):
        run(x, lengths=torch.tensor(wrong))


@pytest.mark.needs_native
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_an_exported_layer_takes_lengths_of_any_batch_and_time(kind):
    layer = layer_of(kind, num_layers=2).eval()
    batch, time = Dim("batch"), Dim("time")
    shapes = {"x": {0: batch, 1: time}, "lengths": {0: batch}}
    given = {"lengths": torch.tensor([3, 6, 1, 0])}
    exported = torch.export.export(layer, (batch_of(4, 6).detach(),), given, dynamic_shapes=shapes).module()
    for lengths in ([1, 2, 9, 0, 3], [9] * 7, [2]):
        x = batch_of(len(lengths), 9)
        assert_same(exported(x, lengths=torch.tensor(lengths)), layer(x, lengths=lengths))
    with pytest.raises(ValueError, match="expected lengths from 0 to T=9"):
        exported(x, lengths=torch.tensor([10]))


def test_the_reference_exported_with_dynamic_batch():
    layer = layer_of(kernel="reference").eval()
    batch = Dim("batch")
    shapes = {"x": {0: batch}, "lengths": {0: batch}}
    given = {"lengths": torch.tensor([3, 6, 1, 0])}
    exported = torch.export.export(layer, (batch_of(4, 6).detach(),), given, dynamic_shapes=shapes).module()
    x = batch_of(3, 6)
    assert_same(exported(x, lengths=torch.tensor([0, 5, 6])), layer(x, lengths=[0, 5, 6]))
    with pytest.raises(RuntimeError, match="lengths must be from 0 to T"):
        exported(x, lengths=torch.tensor([0, 5, 7]))


# PyTorch's own, once, when it is first imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_inductor():
    layer, x = layer_of(), batch_of(4, 6)
    run, _ = compiled(layer, "inductor")
    assert_same(run(x, lengths=torch.tensor([3, 6, 1, 0])), layer(x, lengths=[3, 6, 1, 0]))
