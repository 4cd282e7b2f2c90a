"""The recurrent layers of a network, from its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import nn

from unrolled.forecast.config import Config, cells_of, is_stack
from unrolled.layers import GRU, LSTM, RNN, SLSTM, GRUCell, LSTMCell, RNNCell, SLSTMCell, Stack

LAYERS: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN, "SLSTM": SLSTM}
CELLS: dict[str, Any] = {"LSTM": LSTMCell, "GRU": GRUCell, "RNN": RNNCell, "SLSTM": SLSTMCell}
"""The layers' cells, of which a `Stack` is made."""

NONLINEARITIES = ("activation", "recurrent_activation", "nonlinearity")


def recurrent(config: Config, features: int) -> nn.Module:
    """Return the layers that read `features` numbers a step, batch first."""
    assert config.hidden_size is not None, "settings are resolved before use"
    return make_layers(config.cell, features, config.hidden_size, config.num_layers, config.dropout or 0.0)


def width(config: Config) -> int:
    """Return how many numbers a step the last layer puts out."""
    assert config.hidden_size is not None, "settings are resolved before use"
    projected = options_of(cells_of(config.cell)[-1]).get("proj_size", 0)
    units: int = config.hidden_size[-1] if isinstance(config.hidden_size, tuple) else config.hidden_size
    return projected or units


def started(config: Config) -> Config:
    """Return the settings of layers that are given their first states, and have no use for learnt ones."""
    return dataclasses.replace(config, cell=_without(config.cell, "initial_state"))


def _without(cell: Any, name: str) -> Any:
    return {key: value for key, value in cell.items() if key != name} if isinstance(cell, Mapping) else cell


def make_layers(
    cell: Any, features: int, hidden_size: int | tuple[int, ...], num_layers: int, dropout: float
) -> nn.Module:
    """Return a layer of one kind of cell, or a `Stack` where the setting names each layer's."""
    if is_stack(cell):
        return _make_stack(cell, features, hidden_size, dropout)
    sizes = (
        {"hidden_size": list(hidden_size)}
        if isinstance(hidden_size, tuple)
        else {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
        }
    )
    made: nn.Module = LAYERS[kind_of(cell)](features, **sizes, batch_first=True, dropout=dropout, **options_of(cell))
    return made


def _make_stack(cell: Any, features: int, hidden_size: int | tuple[int, ...], dropout: float) -> nn.Module:
    named = cells_of(cell)
    widths = hidden_size if isinstance(hidden_size, tuple) else (hidden_size,) * len(named)
    reads = (features, *widths[:-1])
    cells = [
        CELLS[kind_of(one)](read, units, **options_of(one))
        for one, read, units in zip(named, reads, widths, strict=True)
    ]
    return Stack(cells, batch_first=True, dropout=dropout, **stack_options(cell))


def kind_of(one: Any) -> str:
    """Return the type of one cell of the setting."""
    kind: str = one["type"] if isinstance(one, Mapping) else one
    return kind


def options_of(one: Any) -> dict[str, Any]:
    """Return the options of one cell of the setting, as layers take them."""
    given = one if isinstance(one, Mapping) else {}
    return {name: _as_layers_take(name, value) for name, value in given.items() if name != "type"}


def stack_options(cell: Any) -> dict[str, Any]:
    """Return the options of all layers of a stack together."""
    given = cell if isinstance(cell, Mapping) else {}
    return {name: value for name, value in given.items() if name not in ("type", "cells")}


def _as_layers_take(name: str, value: Any) -> Any:
    """Return a nonlinearity with its constants out of a tuple, the form that a file can hold."""
    from unrolled import Activation  # by its public name: where it lives is no business of the forecaster

    return Activation(*value) if name in NONLINEARITIES and isinstance(value, tuple) else value
