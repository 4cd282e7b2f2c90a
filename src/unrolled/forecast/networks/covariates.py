"""What stands beside the values at each step that a network reads: covariates as numbers, categories embedded.

Static covariates are repeated at every step, and categories embedded, as in DeepAR (Salinas et al. 2020, section 3.1,
and its implementation in GluonTS, whose rule for the widths of embeddings is used here too). Without covariates
nothing is beside the values, and a network is exactly what it would be if there were no such thing.

Shapes: N windows, T past steps, h horizon, W = T + h, B steps that are read, F features of the values, P, K and S
numbers of the past, known and static covariates, E = all that is beside a step's values.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.forecast.inputs import Inputs, Layout

UNSEEN_SHARE = 0.05
"""In training a category is taken for one never seen with this probability, so that the row of those is learnt too."""


class Numbers(nn.Module):
    """Covariates of one kind: numbers as they are, each category as its learnt vector.

    Args:
        categories: For each column how many categories it has, 0 for a number.

    width: how many numbers the columns become.
    """

    def __init__(self, categories: Sequence[int]) -> None:
        super().__init__()
        self.categories = tuple(categories)
        self.embeddings = nn.ModuleList(
            nn.Embedding(count + 1, embedding_width(count)) for count in self.categories if count
        )
        self.width = sum(embedding_width(count) if count else 1 for count in self.categories)

    def forward(self, columns: Float[Tensor, "*N K"]) -> Float[Tensor, "*N E"]:
        """Return the columns' numbers beside each other, in their order."""
        if not self.embeddings:
            return columns
        parts, embeddings = [], iter(self.embeddings)
        for column, count in zip(torch.split(columns, 1, dim=-1), self.categories, strict=True):
            parts.append(next(embeddings)(self._codes(column)) if count else column)
        return torch.cat(parts, dim=-1)

    def _codes(self, column: Float[Tensor, "*N 1"]) -> Tensor:
        codes = column.squeeze(-1).long()
        if not self.training:
            return codes
        return torch.where(torch.rand_like(column).squeeze(-1) < UNSEEN_SHARE, 0, codes)


def embedding_width(categories: int) -> int:
    """Return GluonTS's width for so many categories: half of them, 50 at most."""
    return min(50, (categories + 1) // 2)


class Covariates(nn.Module):
    """All covariates of a network, and how they lie beside the values that its recurrence reads."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.past, self.known, self.static = map(Numbers, (layout.past, layout.known, layout.static))

    @property
    def width(self) -> int:
        """How many numbers are beside a step's values in the window (E)."""
        return self.past.width + self.known.width + self.static.width

    @property
    def width_ahead(self) -> int:
        """How many numbers are beside a step's values in the horizon, of which no past covariates are known."""
        return self.known.width + self.static.width

    def forward(self, inputs: Inputs) -> Inputs:
        """Return the inputs with categories embedded."""
        return Inputs(
            inputs.past_NTF,
            self.past(inputs.covariates_NTP),
            self.known(inputs.known_NWK),
            self.static(inputs.static_NS),
        )


def beside_window(told: Inputs) -> Float[Tensor, "N T E"]:
    """Return what is known of each past step, beside its value."""
    steps = told.past_NTF.shape[1]
    return torch.cat([told.covariates_NTP, told.known_NWK[:, :steps], _repeated(told.static_NS, steps)], dim=2)


def beside_next(told: Inputs) -> Float[Tensor, "N B E"]:
    """Return what is read with the value of each step to forecast the next one, for all steps but the last (B = W − 1).

    The covariates known ahead are those of the step that is forecast, as in DeepAR. Of past covariates nothing is
    known in the horizon: the last stays.
    """
    past_NTP, known_NBK = told.covariates_NTP, told.known_NWK[:, 1:]
    steps = known_NBK.shape[1]
    held_NBP = past_NTP[:, -1:].expand(-1, steps - past_NTP.shape[1], -1)
    return torch.cat([torch.cat([past_NTP, held_NBP], dim=1), known_NBK, _repeated(told.static_NS, steps)], dim=2)


def beside_horizon(told: Inputs) -> Float[Tensor, "N h E"]:
    """Return what is known of each step that is forecast."""
    known_NhK = told.known_NWK[:, told.past_NTF.shape[1] :]
    return torch.cat([known_NhK, _repeated(told.static_NS, known_NhK.shape[1])], dim=2)


def join(values_NBF: Float[Tensor, "N B F"], beside_NBE: Float[Tensor, "N B E"]) -> Float[Tensor, "N B G"]:
    """Return values and what is beside them, as a recurrence reads them."""
    return torch.cat([values_NBF, beside_NBE], dim=2) if beside_NBE.shape[2] else values_NBF


def _repeated(static_NS: Float[Tensor, "N S"], steps: int) -> Float[Tensor, "N B S"]:
    return static_NS[:, None].expand(-1, steps, -1)
