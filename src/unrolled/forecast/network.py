"""The networks: a recurrent encoder over every step of the window, a dense head, two ways to decode.

Shapes: N windows, T past steps, h horizon, F features, H units of the last layer, Q outputs per step.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import FEATURES, Batch
from unrolled.forecast.config import Config
from unrolled.layers import GRU, LSTM, RNN

CELLS: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}

Forecasts = Float[Tensor, "N h Q"]


class Direct(nn.Module):
    """All h steps at once, from the encoder's output after the window's last step."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.h, self.outputs = config.h, outputs_per_step(config)
        self.encoder = _encoder(config)
        self.head = nn.Linear(_width(config), self.h * self.outputs)

    def forward(self, past: Float[Tensor, "N T F"]) -> Forecasts:
        """Forecast the h steps after the window."""
        output_NTH, _ = self.encoder(past)
        forecast_NhQ: Tensor = self.head(output_NTH[:, -1]).unflatten(1, (self.h, self.outputs))
        return forecast_NhQ

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast for training; the same as `forward`, since nothing is fed back."""
        return self.forward(batch.past_NTF)


class Recursive(nn.Module):
    """One step at a time: each forecast is the next step's input."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.h, self.middle = config.h, middle_output(config)
        self.encoder = _encoder(config)
        self.head = nn.Linear(_width(config), outputs_per_step(config))

    def forward(self, past: Float[Tensor, "N T F"]) -> Forecasts:
        """Forecast the h steps after the window, each from the forecast before it."""
        output_NTH, state = self.encoder(past)
        steps = [self.head(output_NTH[:, -1:])]
        while len(steps) < self.h:
            output_N1H, state = self.encoder(self._as_input(steps[-1]), state)
            steps.append(self.head(output_N1H))
        return torch.cat(steps, dim=1)

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast each step from the true values before it (teacher forcing), in one pass."""
        shown_NWF = torch.cat([batch.past_NTF, batch.future_NhF[:, :-1]], dim=1)
        output_NWH, _ = self.encoder(shown_NWF)
        forecast_NhQ: Tensor = self.head(output_NWH[:, -self.h :])
        return forecast_NhQ

    def _as_input(self, step_N1Q: Float[Tensor, "N 1 Q"]) -> Float[Tensor, "N 1 F"]:
        value_N1 = step_N1Q[..., self.middle]
        return torch.stack([value_N1, torch.ones_like(value_N1)], dim=2)


Network = Direct | Recursive


def build(config: Config) -> Network:
    """Make the network that `config` describes, with fresh weights from PyTorch's generator."""
    network: Network = Direct(config) if config.decoder == "direct" else Recursive(config)
    return network.to(config.device)


def outputs_per_step(config: Config) -> int:
    """Return how many numbers the head gives for each step: one, or one per quantile."""
    return len(config.quantiles) if config.loss == "quantile" else 1


def middle_output(config: Config) -> int:
    """Return which of a step's outputs is the forecast itself."""
    return config.quantiles.index(0.5) if config.loss == "quantile" else 0


def _encoder(config: Config) -> nn.Module:
    widths = config.hidden_size
    layers: dict[str, Any] = {} if isinstance(widths, tuple) else {"num_layers": config.num_layers}
    sizes = list(widths) if isinstance(widths, tuple) else widths
    encoder: nn.Module = CELLS[config.cell](FEATURES, sizes, batch_first=True, dropout=config.dropout, **layers)
    return encoder


def _width(config: Config) -> int:
    return config.hidden_size[-1] if isinstance(config.hidden_size, tuple) else config.hidden_size
