"""`seq2seq`: the encoder's last states start a decoder over the horizon (Sutskever et al. 2014; Cho et al. 2014).

The decoder has layers like the encoder's and weights of its own. At each step it reads the value before, the true one
in training (teacher forcing) and its own forecast in prediction, and the known covariates of the step it forecasts.

Shapes: N windows, T past steps, h horizon, F features of the values, H numbers that the last layer puts out, C targets
read together, R = N C rows, Q outputs per step, X = C Q; E numbers of covariates beside a step's values.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks.base import Forecasts, Network
from unrolled.forecast.networks.covariates import Covariates, beside_horizon, beside_window, join
from unrolled.forecast.networks.encoder import recurrent, started
from unrolled.forecast.networks.feedback import as_input, unroll
from unrolled.forecast.networks.heads import attention, rows, width_read, with_summary


class Seq2Seq(Network):
    """An encoder over the window and a decoder over the horizon."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        self.channels, self.loss = layout.channels, loss_of(config)
        self.covariates = Covariates(layout)
        self.encoder = recurrent(config, 2 * layout.channels + self.covariates.width)
        self.decoder = recurrent(started(config), 2 * layout.channels + self.covariates.width_ahead)
        self.pool = attention(config)
        self.head = nn.Linear(width_read(config), layout.channels * self.loss.outputs)

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window, each from the forecast before it."""
        told = self.covariates(inputs)
        state, summary_NH = self._encode(told)
        beside_NhE = beside_horizon(told)

        def head(output_N1H: Tensor) -> Tensor:
            step_N1X: Tensor = self.head(with_summary(output_N1H, summary_NH))
            return step_N1X

        output_N1H, state = self.decoder(join(told.past_NTF[:, -1:], beside_NhE[:, :1]), state)
        forecast_NhX = unroll(self.decoder, head, self._feed, head(output_N1H), state, beside_NhE[:, 1:])
        return rows(forecast_NhX, self.channels)

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast each step from the true value before it (teacher forcing), in one pass."""
        told = self.covariates(batch.inputs)
        state, summary_NH = self._encode(told)
        shown_NhF = torch.cat([told.past_NTF[:, -1:], batch.future_NhF[:, :-1]], dim=1)
        output_NhH, _ = self.decoder(join(shown_NhF, beside_horizon(told)), state)
        return rows(self.head(with_summary(output_NhH, summary_NH)), self.channels)

    def _encode(self, told: Inputs) -> tuple[Any, Tensor | None]:
        """Return the encoder's last states, and the mean of its outputs where the settings ask for it."""
        output_NTH, state = self.encoder(join(told.past_NTF, beside_window(told)))
        return state, self.pool and self.pool(output_NTH)

    def _feed(self, step_N1X: Float[Tensor, "N 1 X"]) -> Float[Tensor, "N 1 F"]:
        return as_input(self.loss.point(rows(step_N1X, self.channels)), self.channels)
