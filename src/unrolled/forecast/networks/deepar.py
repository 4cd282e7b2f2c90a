"""`deepar`: an autoregressive recurrence that learns each step's distribution (Salinas et al. 2020).

Training sees the true values before each step and weighs the likelihood of every step, those of the window too (the
paper's equation 2); prediction draws paths, each sample being the next step's input. The covariates read with a value
are those of the step after it, which is forecast.

Shapes: N windows, T past steps, h horizon, W = T + h, F features of the values, H numbers that the last layer puts out,
C targets read together, R = N C rows, M sample paths of each, Q outputs per step, X = C Q; E numbers of covariates
beside a step's values.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs, Layout
from unrolled.forecast.losses import DistributionLoss, loss_of
from unrolled.forecast.networks.base import Forecasts, Network
from unrolled.forecast.networks.covariates import Covariates, beside_next, join
from unrolled.forecast.networks.encoder import recurrent, width
from unrolled.forecast.networks.feedback import Read, as_input, unroll
from unrolled.forecast.networks.heads import rows
from unrolled.layers.trees import map_leaves

PATHS_AT_ONCE = 1 << 14
"""Paths of this many targets, or a few more, are drawn together: more would take memory and no less time."""


class DeepAR(Network):
    """One recurrence over window and horizon, whose outputs are distributions."""

    draws_samples = True

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        loss = loss_of(config)
        assert isinstance(loss, DistributionLoss), "settings are checked"
        self.h, self.channels, self.loss = config.h, layout.channels, loss
        self.covariates = Covariates(layout)
        self.encoder = recurrent(config, 2 * layout.channels + self.covariates.width)
        self.head = nn.Linear(width(config), layout.channels * loss.outputs)

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window, each from the point forecast before it."""
        first_N1X, state, beside_NBE = self._begin(inputs)

        def feed(step_N1X: Float[Tensor, "N 1 X"]) -> Float[Tensor, "N 1 F"]:
            return as_input(self.loss.point(rows(step_N1X, self.channels)), self.channels)

        return self._go_on(feed, first_N1X, state, beside_NBE)

    def sample_paths(
        self, inputs: Inputs, scale_R1: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw paths, those of many windows in one batch; see `Network.sample_paths`."""
        windows = max(1, PATHS_AT_ONCE // count)
        some = map(Inputs, *(torch.split(part, windows) for part in inputs))
        scales = torch.split(scale_R1, windows * self.channels)
        return torch.cat([self._draw(one, scale, count, generator) for one, scale in zip(some, scales, strict=True)])

    def _draw(self, inputs: Inputs, scale_R1: Tensor, count: int, generator: torch.Generator) -> Tensor:
        first_N1X, state, beside_NBE = self._begin(inputs)
        state = map_leaves(lambda one: one.repeat_interleave(count, _rows_axis(self.encoder)), state)
        scale_P1 = torch.unflatten(scale_R1, 0, (-1, self.channels)).repeat_interleave(count, 0).flatten(0, 1)
        drawn: list[Tensor] = []

        def feed(step_N1X: Float[Tensor, "N 1 X"]) -> Float[Tensor, "N 1 F"]:
            drawn.append(self.loss.sample(rows(step_N1X, self.channels), scale_P1, 1, generator)[..., 0])
            return as_input(drawn[-1], self.channels)

        first_N1X, beside_NBE = (one.repeat_interleave(count, 0) for one in (first_N1X, beside_NBE))
        forecast_PhQ = self._go_on(feed, first_N1X, state, beside_NBE)
        drawn.append(self.loss.sample(forecast_PhQ[:, -1:], scale_P1, 1, generator)[..., 0])
        paths_NMCh = torch.unflatten(torch.cat(drawn, dim=1), 0, (-1, count, self.channels))
        return paths_NMCh.permute(0, 2, 3, 1).flatten(0, 1)

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast every step but the window's first from the true values before it: (R, T − 1 + h, Q)."""
        told = self.covariates(batch.inputs)
        shown_NBF = torch.cat([told.past_NTF, batch.future_NhF[:, :-1]], dim=1)
        output_NBH, _ = self.encoder(join(shown_NBF, beside_next(told)))
        return rows(self.head(output_NBH), self.channels)

    def assess(self, batch: Batch) -> Forecasts:
        """Forecast each step of the horizon from the true values before it.

        The product of these likelihoods is that of the whole horizon.
        """
        return self.teach(batch)[:, -self.h :]

    def _begin(self, inputs: Inputs) -> tuple[Tensor, Any, Tensor]:
        """Return the first step's forecast, the state after the window, and what is read beside all further values."""
        T, told = inputs.past_NTF.shape[1], self.covariates(inputs)
        beside_NBE = beside_next(told)
        output_NTH, state = self.encoder(join(told.past_NTF, beside_NBE[:, :T]))
        return self.head(output_NTH[:, -1:]), state, beside_NBE[:, T:]

    def _go_on(self, feed: Read, first_N1X: Tensor, state: Any, beside_NBE: Tensor) -> Forecasts:
        return rows(unroll(self.encoder, self.head, feed, first_N1X, state, beside_NBE), self.channels)


def _rows_axis(layers: Any) -> int:
    """Return the axis of a layer's states that sequences lie along."""
    axis: int = layers.rows_axis
    return axis
