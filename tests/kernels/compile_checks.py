"""torch.compile without a graph break. test_native_compile.py runs this file where nothing wraps the functions."""

import pytest
import torch

import unrolled.layers as ours

KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]


@pytest.fixture(autouse=True)
def _forgotten():
    """Compiled anew in each test, and nothing of it kept for another."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def layer_of(kind, options):
    return getattr(ours, kind)(3, 5, 2, bidirectional=True, batch_first=True, kernel="native", **options)


def gradients(layer, output, x):
    return torch.autograd.grad(output.pow(2).sum(), [x, *layer.parameters()])


def assert_compiled_equals(layer, compiled, x):
    (expected, _), (found, _) = layer(x), compiled(x)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    for a, b in zip(gradients(layer, found, x), gradients(layer, expected, x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=str)
def test_compiled_without_a_break_it_equals_the_eager_layer(kind, options):
    layer = layer_of(kind, options)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for batch, steps in ((4, 6), (7, 9)):  # the second time, sizes become symbols
        assert_compiled_equals(layer, compiled, torch.randn(batch, steps, 3, requires_grad=True))


def test_a_compiled_graph_has_one_operator_a_layer_and_direction():
    graphs = []

    def backend(module, inputs):
        graphs.append(module.graph)
        return module

    layer = layer_of("GRU", {})
    torch.compile(layer, fullgraph=True, backend=backend)(torch.randn(4, 6, 3))
    assert len(graphs) == 1
    assert [str(n.target) for n in graphs[0].nodes if "unrolled" in str(n.target)] == ["unrolled.gru"] * 4


# PyTorch's own, once, when it is first imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_inductor_equals_the_eager_layer():
    layer = layer_of("LSTM", {})
    compiled = torch.compile(layer, fullgraph=True)
    assert_compiled_equals(layer, compiled, torch.randn(4, 6, 3, requires_grad=True))
