"""What a network reads: the plain tensors, and what their columns are.

Shapes: N windows, T past steps, h future steps, C targets read together, F = 2 C (values, then whether each was
observed), P past covariates, K covariates known ahead, S static ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float32
from torch import Tensor


class Inputs(NamedTuple):
    """Windows as a network reads them, without anything of the future that nobody knows.

    Numbers are scaled, missing ones filled. A category is the number of its place among those of training, counted
    from 1; 0 is one never seen there.
    """

    past_NTF: Float32[Tensor, "N T F"]
    covariates_NTP: Float32[Tensor, "N T P"]
    known_NWK: Float32[Tensor, "N W K"]  # W = T + h: of the past steps and of the horizon
    static_NS: Float32[Tensor, "N S"]


@dataclass(frozen=True)
class Layout:
    """What the columns of `Inputs` are: for each covariate how many categories it has, 0 for a number."""

    channels: int = 1
    past: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    static: tuple[int, ...] = ()


PLAIN = Layout()
"""One target and no covariates."""
