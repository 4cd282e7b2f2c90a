"""The regularised incomplete beta function, which PyTorch lacks: the share of a negative binomial up to a count."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

TINY = 1e-300
STEPS = 1000
"""The continued fraction converges in about the root of the smaller argument; these are enough for one of 1e6."""


def incomplete_beta(
    a: Float64[Tensor, "*shape"], b: Float64[Tensor, "*shape"], x: Float64[Tensor, "*shape"]
) -> Float64[Tensor, "*shape"]:
    """Return I_x(a, b) of a, b > 0 and x from 0 to 1.

    By its continued fraction (DLMF 8.17.22), which converges fast below x = (a + 1) / (a + b + 2); above that by
    I_x(a, b) = 1 - I_{1-x}(b, a).
    """
    mirrored = x > (a + 1) / (a + b + 2)
    a, b, x = torch.where(mirrored, b, a), torch.where(mirrored, a, b), torch.where(mirrored, 1 - x, x)
    logs = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    front = (logs + a * x.log() + b * torch.log1p(-x)).exp() / a
    found = (front * _fraction(a, b, x)).clamp(0, 1)
    return torch.where(mirrored, 1 - found, found)


def _fraction(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """Return the continued fraction by the method of Lentz (1976) as Thompson and Barnett (1986) mended it."""
    above = torch.ones_like(x)
    value = below = 1 / _off_zero(1 - (a + b) / (a + 1) * x)
    for m in range(1, STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = torch.ones_like(x)
        for term in (even, odd):
            below = 1 / _off_zero(1 + term * below)
            above = _off_zero(1 + term / above)
            change = above * below
            value = value * change
        if not ((change - 1).abs() >= 1e-11).any():  # what is no number will never be one
            break
    return value


def _off_zero(number: Tensor) -> Tensor:
    return torch.where(number.abs() < TINY, TINY, number)
