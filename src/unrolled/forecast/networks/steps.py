"""`steps`: a recurrent encoder over every step of the window, a dense head, two ways to decode.

Shapes: N windows, T past steps, h horizon, W = T + h, F features of the values, H numbers that the last layer puts out,
C targets read together, R = N C rows, Q outputs per step, X = C Q; E numbers of covariates beside a step's values.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks.base import Forecasts, Network
from unrolled.forecast.networks.covariates import Covariates, beside_next, beside_window, join
from unrolled.forecast.networks.encoder import recurrent, width
from unrolled.forecast.networks.feedback import as_input, unroll
from unrolled.forecast.networks.heads import Ahead, attention, rows, width_read, with_summary


class Direct(Network):
    """All h steps at once, from the encoder's output after the window's last step."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        self.h, self.channels = config.h, layout.channels
        self.covariates = Covariates(layout)
        self.encoder = recurrent(config, 2 * layout.channels + self.covariates.width)
        self.pool = attention(config)
        gives = layout.channels * loss_of(config).outputs
        self.head = nn.Linear(width_read(config), self.h * gives)
        known = self.covariates.known.width
        self.ahead = Ahead(width_read(config), known, width(config), gives) if known else None

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window."""
        told = self.covariates(inputs)
        output_NTH, _ = self.encoder(join(told.past_NTF, beside_window(told)))
        read_NH = with_summary(output_NTH[:, -1:], self.pool and self.pool(output_NTH))[:, 0]
        forecast_NhX = self.head(read_NH).unflatten(1, (self.h, -1))
        if self.ahead is not None:
            forecast_NhX = forecast_NhX + self.ahead(read_NH, told.known_NWK[:, -self.h :])
        return rows(forecast_NhX, self.channels)


class Recursive(Network):
    """One step at a time: each forecast is the next step's input."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        self.h, self.channels, self.loss = config.h, layout.channels, loss_of(config)
        self.covariates = Covariates(layout)
        self.encoder = recurrent(config, 2 * layout.channels + self.covariates.width)
        self.pool = attention(config)
        self.head = nn.Linear(width_read(config), layout.channels * self.loss.outputs)

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window, each from the forecast before it."""
        T, told = inputs.past_NTF.shape[1], self.covariates(inputs)
        beside_NBE = beside_next(told)
        output_NTH, state = self.encoder(join(told.past_NTF, beside_NBE[:, :T]))
        summary_NH = self.pool and self.pool(output_NTH)

        def head(output_N1H: Tensor) -> Tensor:
            step_N1X: Tensor = self.head(with_summary(output_N1H, summary_NH))
            return step_N1X

        first_N1X = head(output_NTH[:, -1:])
        return rows(unroll(self.encoder, head, self._feed, first_N1X, state, beside_NBE[:, T:]), self.channels)

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast each step from the true values before it (teacher forcing), in one pass."""
        T, told = batch.inputs.past_NTF.shape[1], self.covariates(batch.inputs)
        shown_NBF = torch.cat([told.past_NTF, batch.future_NhF[:, :-1]], dim=1)
        output_NBH, _ = self.encoder(join(shown_NBF, beside_next(told)))
        summary_NH = self.pool and self.pool(output_NBH[:, :T])
        return rows(self.head(with_summary(output_NBH[:, -self.h :], summary_NH)), self.channels)

    def _feed(self, step_N1X: Float[Tensor, "N 1 X"]) -> Float[Tensor, "N 1 F"]:
        return as_input(self.loss.point(rows(step_N1X, self.channels)), self.channels)
