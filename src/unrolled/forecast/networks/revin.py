"""Reversible instance normalisation (Kim et al. 2022) around any network.

Each window has been standardised before; here a gain and an offset, learnt for each target, change the values that the
network reads, and are undone on what it forecasts. The gain is the exponential of what is learnt: a negative one would
turn quantiles round, and one of zero could not be undone.

Shapes: N windows, T past steps, h horizon, F = 2 C features (the values, then whether each was observed), C targets
read together, R = N C rows, M sample paths, Q outputs per step.
"""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks.base import Forecasts, Network


class RevIN(Network):
    """A network between a learnt change of scale and its inverse."""

    def __init__(self, network: Network, config: Config, layout: Layout) -> None:
        super().__init__()
        self.network, self.loss = network, loss_of(config)
        assert self.loss.locations, "settings refuse it for counts, from which nothing is subtracted"
        self.draws_samples = network.draws_samples
        self.log_gain = nn.Parameter(torch.zeros(layout.channels))
        self.offset = nn.Parameter(torch.zeros(layout.channels))

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window."""
        return self._undone(self.network(self.changed(inputs)))

    def teach(self, batch: Batch) -> Forecasts:
        """Forecast as the network does in training."""
        return self._undone(self.network.teach(self._changed_batch(batch)))

    def assess(self, batch: Batch) -> Forecasts:
        """Forecast as the network does in validation."""
        return self._undone(self.network.assess(self._changed_batch(batch)))

    def sample_paths(
        self, inputs: Inputs, scale_R1: Float[Tensor, "R 1"], count: int, generator: torch.Generator
    ) -> Float[Tensor, "R h M"]:
        """Draw paths, of a network that does; see `Network.sample_paths`."""
        paths_RhM = self.network.sample_paths(self.changed(inputs), scale_R1, count, generator)
        location_R1, scale_R1 = self.inverse(paths_RhM.shape[0])
        return paths_RhM * scale_R1[..., None] + location_R1[..., None]

    def _changed_batch(self, batch: Batch) -> Batch:
        future_NhF = self._change(batch.future_NhF)
        return dataclasses.replace(batch, inputs=self.changed(batch.inputs), future_NhF=future_NhF)

    def changed(self, inputs: Inputs) -> Inputs:
        """Return what the network within reads."""
        return inputs._replace(past_NTF=self._change(inputs.past_NTF))

    def _change(self, values_NTF: Float[Tensor, "N T F"]) -> Float[Tensor, "N T F"]:
        """Return values and flags, the values changed."""
        values_NTC, flags_NTC = values_NTF.chunk(2, dim=2)
        return torch.cat([values_NTC * self.log_gain.exp() + self.offset, flags_NTC], dim=2)

    def _undone(self, forecast_RhQ: Forecasts) -> Forecasts:
        return self.loss.moved(forecast_RhQ, *self.inverse(forecast_RhQ.shape[0]))

    def inverse(self, rows: int) -> tuple[Float[Tensor, "R 1"], Float[Tensor, "R 1"]]:
        """Return the location and the scale that undo the change, for so many rows."""
        scale_C = (-self.log_gain).exp()
        both = (-self.offset * scale_C, scale_C)
        location_R1, scale_R1 = (one.repeat(rows // len(one))[:, None] for one in both)
        return location_R1, scale_R1
