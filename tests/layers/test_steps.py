"""Steps after each other give a whole run's numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unrolled import GRU, LSTM, RNN, SLSTM, GRUCell, LSTMCell, RNNCell, Stack
from unrolled.errors import ShapeError
from unrolled.layers.steps import Steps


def _layers() -> dict[str, Any]:
    torch.manual_seed(0)
    noisy = {"zoneout": 0.2, "weight_drop": 0.3, "recurrent_dropout": 0.1}
    return {
        "LSTM": LSTM(2, 5, 2, batch_first=True, peephole=True, **noisy),
        "widths": LSTM(2, [5, 4], batch_first=True, dropout=0.5),
        "projected": LSTM(2, 5, 2, batch_first=True, proj_size=3, initial_state="learned"),
        "GRU": GRU(2, 5, 2, batch_first=True, residual=True),
        "RNN": RNN(2, 5, batch_first=True),
        "SLSTM": SLSTM(2, 4, batch_first=True),
        "Stack": Stack([LSTMCell(2, 5), GRUCell(5, 5), RNNCell(5, 3)], batch_first=True, residual=True, zoneout=0.1),
    }


@pytest.mark.parametrize("name", _layers())
@pytest.mark.parametrize("heard", [False, True])
def test_steps_go_on_where_a_call_ended(name: str, heard: bool) -> None:
    layer, x = _layers()[name].eval(), torch.randn(3, 7, 2)
    calls: list[Any] = []
    if heard:
        layer.register_forward_hook(lambda *call: calls.append(call))
    whole, _ = layer(x)
    begun, states = layer(x[:, :3])
    read = Steps(layer, states)
    parts = [begun, *(read(x[:, t : t + 1]) for t in range(3, 7))]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert len(calls) == (2 + 4 if heard else 0)


@pytest.mark.parametrize("name", ["LSTM", "Stack"])
def test_gradients_of_steps_are_those_of_the_whole_run(name: str) -> None:
    layer, x = _layers()[name].eval(), torch.randn(3, 5, 2)
    wanted = torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters()))
    begun, states = layer(x[:, :2])
    read = Steps(layer, states)
    steps = torch.cat([begun, *(read(x[:, t : t + 1]) for t in range(2, 5))], dim=1)
    found = torch.autograd.grad(steps.square().sum(), list(layer.parameters()))
    torch.testing.assert_close(found, wanted)


def test_in_training_every_step_is_a_call() -> None:
    layer = LSTM(2, 5, batch_first=True, weight_drop=0.5).train()
    x = torch.randn(3, 4, 2)

    def run(step: Any) -> torch.Tensor:
        torch.manual_seed(1)
        return torch.cat([step(x[:, t : t + 1]) for t in range(1, 4)], dim=1)

    _, states = layer(x[:, :1])
    read, given = Steps(layer, states), [states]

    def call(x_N1F: torch.Tensor) -> torch.Tensor:
        output, given[0] = layer(x_N1F, given[0])
        return output

    assert torch.equal(run(read), run(call))


@pytest.mark.usefixtures("unchecked")
def test_the_first_step_is_checked() -> None:
    layer = LSTM(2, 5, batch_first=True).eval()
    _, states = layer(torch.randn(3, 4, 2))
    with pytest.raises(ShapeError):
        Steps(layer, states)(torch.randn(3, 1, 7))
    with pytest.raises(ShapeError):
        Steps(layer, states)(torch.randn(4, 1, 2))
