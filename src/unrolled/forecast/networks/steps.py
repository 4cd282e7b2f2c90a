"""`steps`: a recurrent encoder over every step of the window, a dense head, two ways to decode.

Shapes: N windows, T past steps, h horizon, F features, H units of the last layer, Q outputs per step, R rows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks.base import Forecasts, Network
from unrolled.forecast.networks.encoder import recurrent, width
from unrolled.forecast.inputs import Inputs, Layout


class Direct(Network):
    """All h steps at once, from the encoder's output after the window's last step."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        self.h, self.outputs = config.h, loss_of(config).outputs
        self.encoder = recurrent(config, 2)
        self.head = nn.Linear(width(config), self.h * self.outputs)

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window."""
        output_NTH, _ = self.encoder(inputs.past_NTF)
        forecast_RhQ: Tensor = self.head(output_NTH[:, -1]).unflatten(1, (self.h, self.outputs))
        return forecast_RhQ


class Recursive(Network):
    """One step at a time: each forecast is the next step's input."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        self.h, self.loss = config.h, loss_of(config)
        self.encoder = recurrent(config, 2)
        self.head = nn.Linear(width(config), self.loss.outputs)

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window, each from the forecast before it."""
        output_NTH, state = self.encoder(inputs.past_NTF)
        steps = [self.head(output_NTH[:, -1:])]
        while len(steps) < self.h:
            output_N1H, state = self.encoder(self._as_input(steps[-1]), state)
            steps.append(self.head(output_N1H))
        return torch.cat(steps, dim=1)

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast each step from the true values before it (teacher forcing), in one pass."""
        shown_NWF = torch.cat([batch.inputs.past_NTF, batch.future_NhF[:, :-1]], dim=1)
        output_NWH, _ = self.encoder(shown_NWF)
        forecast_RhQ: Tensor = self.head(output_NWH[:, -self.h :])
        return forecast_RhQ

    def _as_input(self, step_N1Q: Float[Tensor, "N 1 Q"]) -> Float[Tensor, "N 1 F"]:
        value_N1 = self.loss.point(step_N1Q)
        return torch.stack([value_N1, torch.ones_like(value_N1)], dim=2)
