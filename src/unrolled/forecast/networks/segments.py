"""`segments`: the window read in pieces of a season, the horizon forecast piece by piece in parallel.

After SegRNN (Lin et al. 2023): a piece of the window is one step of the recurrence, and each piece of the horizon one
step from the window's last state, told apart by a learnt embedding of its place. One thing is added: each piece is a
learnt correction of a weighted mean of what was there before: the same steps one season ago, two, three, up to the
whole window, and the last value. The weights are a softmax of the same state, as in the copying of pointer networks
(Vinyals et al. 2015), so that a series may repeat yesterday, last week, or the mean of many days.

Shapes: N windows, T past steps, h horizon, C targets read together, R = N C rows, F = 2 C features, E numbers beside
them; L = steps in a piece, B pieces of the window, m of the horizon, M = N m, H hidden units, Q outputs per step, X = C
Q, K seasons or known covariates.
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
from unrolled.forecast.networks.covariates import Covariates, beside_window, join
from unrolled.forecast.networks.encoder import recurrent, width
from unrolled.forecast.networks.heads import Ahead
from unrolled.layers.trees import map_leaves

LAST_SEASON = 6.0
"""Where the weights of what is copied begin: nearly all of it is the last season, as in the seasonal naive forecast."""


class Segments(Network):
    """Pieces in, pieces out."""

    def __init__(self, config: Config, layout: Layout) -> None:
        super().__init__()
        assert config.segment is not None, "settings are resolved before use"
        assert config.input_size is not None, "settings are resolved before use"
        self.h, self.segment, self.season = config.h, config.segment, config.season or 1
        self.channels, self.loss = layout.channels, loss_of(config)
        self.covariates = Covariates(layout)
        units, numbers = width(config), 2 * layout.channels + self.covariates.width
        self.embedding = nn.Sequential(nn.Linear(self.segment * numbers, units), nn.ReLU())
        between = config.dropout if config.num_layers > 1 else 0.0
        self.encoder = recurrent(dataclasses.replace(config, dropout=between), units)
        self.places = nn.Parameter(0.02 * torch.randn(-(-self.h // self.segment), units))
        known, gives = self.covariates.known.width, layout.channels * self.loss.outputs
        self.ahead = Ahead(width(config), known, units, gives) if known else None
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
        read_NmH = self._decoded(states, told.past_NTF.shape[0])
        corrections_RhQ = self._steps(self._corrections(self.dropout(read_NmH), told))
        copied_Rh1 = self._copied(by_row(inputs.past_NTF[..., : self.channels]), self.copies(read_NmH))[..., None]
        located, others = corrections_RhQ[..., : self.loss.locations], corrections_RhQ[..., self.loss.locations :]
        return torch.cat([located + copied_Rh1, others], dim=2)

    def _pieces(self, told: Inputs) -> Float[Tensor, "N B G"]:
        """Return the window in pieces: its values, what was observed, what is beside them."""
        return self._cut(join(told.past_NTF, beside_window(told)), at_the_front=True)

    def _cut(self, steps_NTG: Float[Tensor, "N T G"], *, at_the_front: bool) -> Float[Tensor, "N B LG"]:
        """Return the steps in pieces; zeros fill the one that is not whole."""
        lacking = -steps_NTG.shape[1] % self.segment
        steps_NTG = functional.pad(steps_NTG, (0, 0, lacking, 0) if at_the_front else (0, 0, 0, lacking))
        return torch.unflatten(steps_NTG, 1, (-1, self.segment)).flatten(2)

    def _corrections(self, read_NmH: Float[Tensor, "N m H"], told: Inputs) -> Float[Tensor, "N m LX"]:
        """Return what is added to each step, by the place of its piece and by what is known of it."""
        added_NmG: Tensor = self.head(read_NmH)
        if self.ahead is None:
            return added_NmG
        known_NmG = self._cut(told.known_NWK[:, told.past_NTF.shape[1] :], at_the_front=False)
        known_MLK = torch.unflatten(known_NmG.flatten(0, 1), 1, (self.segment, -1))
        by_step_MLX: Tensor = self.ahead(read_NmH.flatten(0, 1), known_MLK)
        return added_NmG + by_step_MLX.flatten(1).view_as(added_NmG)

    def _decoded(self, states: object, windows: int) -> Float[Tensor, "N m H"]:
        """Return what one step from the windows' last states puts out for each place in the horizon."""
        pieces = len(self.places)
        places_M1H = self.places.repeat(windows, 1)[:, None]
        states = map_leaves(lambda state: state.repeat_interleave(pieces, dim=-2).contiguous(), states)
        output_M1H, _ = self.encoder(places_M1H, states)
        return torch.unflatten(output_M1H[:, 0], 0, (-1, pieces))

    def _steps(self, pieces_NmG: Float[Tensor, "N m LX"]) -> Float[Tensor, "R h Q"]:
        """Return the pieces' numbers step after step, a row for each target."""
        steps_NWCQ = torch.unflatten(pieces_NmG, 2, (self.segment, self.channels, -1)).flatten(1, 2)
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
