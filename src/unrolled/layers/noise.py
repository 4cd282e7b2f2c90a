"""Recurrent dropout, zoneout and dropped weights: what one call draws before it runs.

Shapes: T = time, N = batch, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import dropout

from unrolled.cells import Cell
from unrolled.kernels import draw_held
from unrolled.kernels.kernel import QUIET, Noise
from unrolled.layers.spec import Spec

Held: TypeAlias = Mapping[str, Tensor]
"""Masks that outlive one call, which a stream draws once: "h_l0" (N, S) for recurrent dropout, "weight_hh_l0" for
dropped weights."""

NOTHING_HELD: Final[Held] = {}


def draw_noise(spec: Spec, cell: Cell[Any], x_TNF: Tensor, h_mask: Tensor | None = None) -> Noise:
    """Draw one direction's noise, but for an `h_mask` already drawn.

    In evaluation there is none, but zoneout's expectation stays.
    """
    if not spec.recurrent_dropout and not spec.zoneout:
        return QUIET
    if not spec.training:
        return Noise(hold=spec.zoneout)
    steps, batch = x_TNF.shape[:2]
    if h_mask is None and spec.recurrent_dropout:
        h_mask = draw_h_mask(spec, cell, x_TNF)
    held = zip(spec.zoneout, cell.state_sizes, strict=bool(spec.zoneout))
    return Noise(h_mask, tuple(_held(rate, (steps, batch, width), x_TNF.device) for rate, width in held))


def draw_h_mask(spec: Spec, cell: Cell[Any], x_TNF: Tensor) -> Tensor:
    """Draw one mask (N, S) for all steps (Gal & Ghahramani 2016)."""
    return dropout(x_TNF.new_ones(x_TNF.shape[1], cell.output_size), spec.recurrent_dropout)


def drop_weights(weights: Any, rate: float, mask: Tensor | None = None) -> Any:
    """Drop recurrent weights (Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM language models").

    `mask` is one already drawn.
    """
    dropped = dropout(weights.weight_hh, rate) if mask is None else weights.weight_hh * mask
    return weights._replace(weight_hh=dropped)


def _held(rate: float, shape: tuple[int, ...], device: torch.device) -> Tensor | None:
    return draw_held(rate, shape, device) if rate else None
