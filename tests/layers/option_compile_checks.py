"""Every option under torch.compile(fullgraph=True) and torch.export.

test_option_compile.py runs this file where nothing wraps the functions, since neither can see through the tests' checks
of types and shapes.
"""

import pytest
import torch
from torch._dynamo.exc import UserError
from torch.export import Dim

import unrolled.layers as ours
from unrolled.cells import Activation
from unrolled.layers import noise

F, H = 2, 4
CASES = [
    *(
        ("LSTM", options)
        for options in (
            {"peephole": True},
            {"layer_norm": True},
            {"coupled_gates": True},
            {"cell_clip": 0.3},
            {"preactivation_clip": 0.3},
            {"activation": "softsign", "recurrent_activation": "hard_sigmoid"},
            {"activation": torch.sin},
            {"forget_bias": 1.0, "init": ("chrono", 9)},
            {"hidden_size": [4, 3]},
            {"residual": True},
            {"dropout": 0.3},
            {"recurrent_dropout": 0.4},
            {"zoneout": (0.3, 0.1)},
            {"weight_drop": 0.4},
            {"initial_state": "learned"},
            {"initial_state": "input"},
            {"recompute": True},
            {"precision": "bf16", "dtype": torch.float32},
        )
    ),
    ("GRU", {"reset_after": False}),
    ("GRU", {"preactivation_clip": 0.3, "activation": Activation("scaled_tanh", 1.7, 0.6)}),
    ("GRU", {"recurrent_dropout": 0.4, "zoneout": 0.3, "weight_drop": 0.2}),
    ("RNN", {"nonlinearity": "elu", "preactivation_clip": 0.3, "zoneout": 0.3}),
    ("SLSTM", {}),
    ("SLSTM", {"num_heads": 2, "forget_gate": "exp", "initial_state": "learned", "recurrent_dropout": 0.4}),
]
EXPORTED = [
    ("LSTM", {"peephole": True, "cell_clip": 0.3, "zoneout": 0.2, "initial_state": "learned", "hidden_size": [4, 3]}),
    ("LSTM", {"layer_norm": True, "coupled_gates": True, "preactivation_clip": 0.5, "residual": True}),
    ("LSTM", {"activation": "softsign", "recurrent_activation": "hard_sigmoid", "initial_state": "input"}),
    ("GRU", {"reset_after": False, "zoneout": 0.2, "activation": torch.sin}),
    ("RNN", {"nonlinearity": "elu", "preactivation_clip": 0.5}),
    ("SLSTM", {"num_heads": 2, "initial_state": "learned"}),
]


@pytest.fixture(autouse=True)
def _forgotten():
    """Compiled anew in each test, and nothing of it kept for another."""
    torch.compiler.reset()
    torch.manual_seed(0)
    yield
    torch.compiler.reset()


@pytest.fixture
def _drawn_by_torch(monkeypatch):
    """Outside a compiled program native code draws zoneout's masks; for equal numbers, PyTorch on both sides."""

    def draw(probability, shape, device):
        return torch.empty(shape, dtype=torch.bool, device=device).bernoulli_(probability)

    monkeypatch.setattr(noise, "draw_held", draw)


def layer_of(kind, options):
    options = {"hidden_size": H, "dtype": torch.float64} | options
    if "dropout" in options or options.get("residual"):
        options |= {"num_layers": 2}
    if options.get("initial_state") == "input":
        states = 2 if kind == "LSTM" else 1
        options |= {"initial_state": ours.InitialStateFromInput(F, H, states, dtype=torch.float64)}
    return getattr(ours, kind)(F, **options)


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for item in value for tensor in tensors(item)]


def assert_compiled_equals(layer, compiled, x):
    """Compiled at once, before the layer has ever run, since a call may leave something behind that helps."""
    results = []
    for run in (compiled, layer):
        torch.manual_seed(7)
        found = tensors(run(x))
        leaves = [x, *layer.parameters()]
        results.append([*found, *torch.autograd.grad(sum(f.square().sum() for f in found), leaves)])
    tolerance = 1e-10 if x.dtype == torch.float64 else 1e-5
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("_drawn_by_torch")
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_compiled_whole_it_equals_the_eager_layer(kind, options):
    layer = layer_of(kind, options)
    x = torch.randn(2, 2, F, dtype=options.get("dtype", torch.float64), requires_grad=True)
    assert_compiled_equals(layer, torch.compile(layer, fullgraph=True, backend="eager"), x)


@pytest.mark.usefixtures("_drawn_by_torch")
@pytest.mark.parametrize("kind", ["LSTM", "SLSTM"])
def test_with_its_derivatives_compiled_too(kind):
    options = {"layer_norm": True, "zoneout": 0.3} if kind == "LSTM" else {}
    layer = layer_of(kind, {"recurrent_dropout": 0.4, "weight_drop": 0.2} | options)
    x = torch.randn(2, 2, F, dtype=torch.float64, requires_grad=True)
    assert_compiled_equals(layer, torch.compile(layer, fullgraph=True, backend="aot_eager"), x)


@pytest.mark.parametrize(("kind", "options"), EXPORTED, ids=str)
def test_exported_it_runs_on_other_batches(kind, options):
    """Of the time that it was exported with: the reference's loop over time is unrolled in an exported program."""
    layer = layer_of(kind, options).eval()
    x = torch.randn(3, 2, F, dtype=torch.float64)
    exported = torch.export.export(layer, (x,), dynamic_shapes=({1: Dim("batch")},)).module()
    for batch in (2, 5, 1):
        x = torch.randn(3, batch, F, dtype=torch.float64)
        for found, expected in zip(tensors(exported(x)), tensors(layer(x)), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


DYNAMIC = ({0: Dim("time"), 1: Dim("batch")},)


@pytest.mark.needs_native
@pytest.mark.parametrize(
    "options",
    [
        {"peephole": True},
        {"zoneout": 0.2},
        {"initial_state": "learned", "recurrent_dropout": 0.4, "weight_drop": 0.3},
        {"initial_state": "input", "bidirectional": False},
        {"residual": True},
        {"hidden_size": [4, 3]},
    ],
    ids=str,
)
def test_with_native_code_it_runs_on_other_times_too(options):
    layer = layer_of("LSTM", options).eval()
    exported = torch.export.export(layer, (torch.randn(3, 2, F, dtype=torch.float64),), dynamic_shapes=DYNAMIC).module()
    for steps, batch in ((3, 2), (7, 5), (1, 1)):
        x = torch.randn(steps, batch, F, dtype=torch.float64)
        for found, expected in zip(tensors(exported(x)), tensors(layer(x)), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_where_the_reference_runs_an_export_for_any_time_is_refused():
    layer = ours.SLSTM(F, H, dtype=torch.float64).eval()
    with pytest.raises(UserError, match="your code specialized it to be a constant"):
        torch.export.export(layer, (torch.randn(3, 2, F, dtype=torch.float64),), dynamic_shapes=DYNAMIC)
