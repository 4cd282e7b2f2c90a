"""`segments`: the window read in pieces of a season, the horizon forecast piece by piece in parallel.

After SegRNN (Lin et al. 2023): a piece of the window is one step of the recurrence, and each piece of the horizon one
step from the window's last state, told apart by a learnt embedding of its place. Two things are added, for series of
any level and shape. The pieces show the window in two scales: its shape, and its change from one season to the next.
And each piece is a learnt correction of a weighted mean of what was there before: the same steps one season ago, two,
three, up to the whole window, and the last value. The weights are a softmax of the same state, as in the copying of
pointer networks (Vinyals et al. 2015), so that a series may repeat yesterday, last week, or the mean of many days.

Shapes: N windows, T past steps, h horizon, C targets read together, R = N C rows, F = 2 C features, E numbers beside
them; L = steps in a piece, B pieces of the window, m of the horizon, H hidden units, Q outputs per step, K seasons.
"""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unrolled.forecast.batch import by_row
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks.base import Forecasts, Network
from unrolled.forecast.networks.covariates import Covariates, beside_horizon, beside_window
from unrolled.forecast.networks.encoder import recurrent, width
from unrolled.layers.trees import map_leaves

LAST_SEASON = 6.0
"""Where the weights of what is copied begin: nearly all of it is the last season, as in the seasonal naive forecast."""

ROUNDING = 1e-6
"""Added to a window's spread, so that a constant window is divided by something."""


class Segments(Network):
    """Pieces in, pieces out."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        assert config.segment is not None, "settings are resolved before use"
        assert config.input_size is not None, "settings are resolved before use"
        self.h, self.segment, self.season = config.h, config.segment, config.season or 1
        self.channels, self.loss = layout.channels, loss_of(config)
        self.covariates = Covariates(layout)
        units, numbers = width(config), 3 * layout.channels + self.covariates.width
        self.embedding = nn.Sequential(nn.Linear(self.segment * numbers, units), nn.ReLU())
        between = config.dropout if config.num_layers > 1 else 0.0
        self.encoder = recurrent(dataclasses.replace(config, dropout=between), units)
        self.places = nn.Parameter(0.02 * torch.randn(-(-self.h // self.segment), units))
        ahead = self.segment * self.covariates.width_ahead
        self.ahead = nn.Linear(ahead, units, bias=False) if ahead else None
        self.dropout = nn.Dropout(config.dropout or 0.0)
        self.head = nn.Linear(width(config), self.segment * layout.channels * self.loss.outputs)
        self.copies = nn.Linear(width(config), layout.channels * (1 + config.input_size // self.season))
        for parameter in (*self.head.parameters(), *self.copies.parameters()):
            nn.init.zeros_(parameter)
        self.copies.bias.data.view(layout.channels, -1)[:, 1:2] = LAST_SEASON

    def forward(self, inputs: Inputs) -> Forecasts:
        """Forecast the h steps after the window."""
        told = self.covariates(inputs)
        _, states = self.encoder(self.embedding(self._pieces(told)))
        read_NmH = self._decoded(states, self._queries(told))
        corrections_RhQ = self._steps(self.head(self.dropout(read_NmH)), self.segment)
        copied_Rh1 = self._copied(by_row(inputs.past_NTF[..., : self.channels]), self.copies(read_NmH))[..., None]
        located, others = corrections_RhQ[..., : self.loss.locations], corrections_RhQ[..., self.loss.locations :]
        return torch.cat([located + copied_Rh1, others], dim=2)

    def _pieces(self, told: Inputs) -> Float[Tensor, "N B G"]:
        """Return the window in pieces: its shape, its changes over a season, what was observed, what is beside it."""
        values_NTC, seen_NTC = told.past_NTF[..., : self.channels], told.past_NTF[..., self.channels :]
        shape_NTC = values_NTC / (values_NTC.std(dim=1, keepdim=True, unbiased=False) + ROUNDING)
        parts = [shape_NTC, self._seasonal_change(values_NTC), seen_NTC, beside_window(told)]
        return self._cut(torch.cat(parts, dim=2), at_the_front=True)

    def _seasonal_change(self, values_NTC: Float[Tensor, "N T C"]) -> Float[Tensor, "N T C"]:
        """Return each value less the one a season before it; 0 in the first season."""
        first = min(self.season, values_NTC.shape[1])
        change_NTC = values_NTC[:, first:] - values_NTC[:, : values_NTC.shape[1] - first]
        return functional.pad(change_NTC, (0, 0, first, 0))

    def _cut(self, steps_NTG: Float[Tensor, "N T G"], *, at_the_front: bool) -> Float[Tensor, "N B LG"]:
        """Return the steps in pieces; zeros fill the one that is not whole."""
        lacking = -steps_NTG.shape[1] % self.segment
        steps_NTG = functional.pad(steps_NTG, (0, 0, lacking, 0) if at_the_front else (0, 0, 0, lacking))
        return torch.unflatten(steps_NTG, 1, (-1, self.segment)).flatten(2)

    def _queries(self, told: Inputs) -> Float[Tensor, "N m H"]:
        """Return what asks for each piece of the horizon: its place, and what is known of it."""
        places_NmH = self.places.expand(told.past_NTF.shape[0], -1, -1)
        if self.ahead is None:
            return places_NmH
        known_NmH: Tensor = self.ahead(self._cut(beside_horizon(told), at_the_front=False))
        return places_NmH + known_NmH

    def _decoded(self, states: object, queries_NmH: Float[Tensor, "N m H"]) -> Float[Tensor, "N m H"]:
        """Return what one step from the window's last states puts out for each query."""
        pieces = queries_NmH.shape[1]
        states = map_leaves(lambda state: state.repeat_interleave(pieces, dim=-2).contiguous(), states)
        output_M1H, _ = self.encoder(queries_NmH.flatten(0, 1)[:, None].contiguous(), states)
        return torch.unflatten(output_M1H[:, 0], 0, (-1, pieces))

    def _steps(self, pieces_NmG: Float[Tensor, "N m G"], steps: int) -> Float[Tensor, "R h Q"]:
        """Return the pieces' numbers step after step, a row for each target."""
        steps_NWCQ = torch.unflatten(pieces_NmG, 2, (steps, self.channels, -1)).flatten(1, 2)
        return steps_NWCQ[:, : self.h].transpose(1, 2).flatten(0, 1)

    def _copied(self, values_RT: Float[Tensor, "R T"], weights_NmG: Float[Tensor, "N m G"]) -> Float[Tensor, "R h"]:
        """Return the weighted mean of the last value and of each step one season ago, two seasons, ..."""
        logits_RmK = torch.unflatten(weights_NmG, 2, (self.channels, -1)).transpose(1, 2).flatten(0, 1)
        weights_RhK = logits_RmK.softmax(dim=2).repeat_interleave(self.segment, dim=1)[:, : self.h]
        return (weights_RhK * self._ago(values_RT)).sum(dim=2)

    def _ago(self, values_RT: Float[Tensor, "R T"]) -> Float[Tensor, "R h K"]:
        """Return for each step of the horizon the last value, and the values of its place in each season before."""
        length, season = values_RT.shape[1], self.season
        seasons_K = torch.arange(1, 1 + length // season, device=values_RT.device)
        phase_h = torch.arange(self.h, device=values_RT.device) % season
        ago_RhK = values_RT[:, length - season * seasons_K + phase_h[:, None]]
        return torch.cat([values_RT[:, -1:, None].expand(-1, self.h, -1), ago_RhK], dim=2)
