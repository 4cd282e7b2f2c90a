"""The equations against torch.nn's own cells, and what a cell says of itself."""

import pytest
import torch
from torch import nn

from unrolled.cells import GRUEquations, LSTMEquations, RNNEquations

CASES = [
    (LSTMEquations, nn.LSTMCell, {}),
    (GRUEquations, nn.GRUCell, {}),
    (RNNEquations, nn.RNNCell, {}),
    (RNNEquations, nn.RNNCell, {"nonlinearity": "relu"}),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hidden", [1, 17, 50, 63, 65])
@pytest.mark.parametrize(("equations", "theirs", "extra"), CASES)
def test_one_step_is_torchs(equations, theirs, extra, hidden, bias):
    cell = equations(hidden, bias, **extra)
    module = theirs(3, hidden, bias, **extra, dtype=torch.float64)
    x = torch.randn(2, 3, dtype=torch.float64)
    state = tuple(torch.randn(2, hidden, dtype=torch.float64) for _ in cell.states)
    weights = cell.weights_type(module.weight_ih, module.weight_hh, module.bias_ih, module.bias_hh)
    found, _ = cell.step(x, state, weights)
    expected = module(x, state if len(state) > 1 else state[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    for e, f in zip(expected, found, strict=True):
        torch.testing.assert_close(f, e, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("equations", "theirs", "extra"), CASES)
@pytest.mark.parametrize("bias", [True, False])
def test_parameters_are_torchs(equations, theirs, extra, bias):
    cell = equations(5, bias, **extra)
    shapes = {name: tuple(p.shape) for name, p in theirs(3, 5, bias, **extra).named_parameters()}
    assert cell.parameter_shapes(3) == shapes
    assert shapes["weight_ih"][0] == cell.blocks * 5


def test_a_projection():
    cell = LSTMEquations(5, proj_size=2)
    names = {name.removesuffix("_l0"): tuple(p.shape) for name, p in nn.LSTM(3, 5, proj_size=2).named_parameters()}
    assert cell.parameter_shapes(3) == names
    assert cell.state_sizes == (2, 5)
    assert cell.output_size == 2


def test_gates_by_name_are_what_their_names_say():
    cell = LSTMEquations(4)
    weights = cell.weights_type(*(torch.randn(shape) for shape in cell.parameter_shapes(3).values()))
    (h, c), gates = cell.step(torch.randn(2, 3), (torch.zeros(2, 4), torch.ones(2, 4)), weights)
    for name in "ifo":
        assert torch.equal(gates[name], torch.sigmoid(gates[f"{name}_pre"]))
    assert torch.equal(gates["g"], torch.tanh(gates["g_pre"]))
    assert torch.equal(c, gates["f"] + gates["i"] * gates["g"])
    assert torch.equal(h, gates["o"] * torch.tanh(c))


def test_cells_are_values():
    assert GRUEquations(4) == GRUEquations(4)
    assert hash(LSTMEquations(4)) == hash(LSTMEquations(4))
    assert LSTMEquations(4) != LSTMEquations(4, proj_size=2)
    with pytest.raises(AttributeError):
        GRUEquations(4).hidden_size = 5
