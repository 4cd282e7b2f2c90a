"""The recurrent layers of a network, from its settings."""

from __future__ import annotations

from typing import Any

from torch import nn

from unrolled.forecast.config import Config, cell_types
from unrolled.layers import GRU, LSTM, RNN

LAYERS: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


def recurrent(config: Config, features: int) -> nn.Module:
    """Return the layers that read `features` numbers a step, batch first."""
    widths = config.hidden_size
    layers: dict[str, Any] = {} if isinstance(widths, tuple) else {"num_layers": config.num_layers}
    sizes = list(widths) if isinstance(widths, tuple) else widths
    layer: nn.Module = LAYERS[cell_types(config.cell)[0]](
        features, sizes, batch_first=True, dropout=config.dropout or 0.0, **layers
    )
    return layer


def width(config: Config) -> int:
    """Return how many units the last layer has."""
    assert config.hidden_size is not None, "settings are resolved before use"
    return config.hidden_size[-1] if isinstance(config.hidden_size, tuple) else config.hidden_size
