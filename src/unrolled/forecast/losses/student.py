"""Student's t beyond what PyTorch has: a difference of log-gammas that keeps its digits, and quantiles."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float64
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]

NODES_X, NODES_W = np.polynomial.legendre.leggauss(64)
"""Gauss and Legendre's nodes and weights, from -1 to 1."""


def log_gamma_half_step(x: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return log Γ(x + 1/2) - log Γ(x), of x >= 1.

    The two grow alike, so their difference has no digits left where x is large: from 20 on by its series in 1/x
    (Tricomi and Erdelyi 1951), whose first term left out is below 2e-12 there.
    """
    direct = torch.lgamma(x + 0.5) - torch.lgamma(x)
    inverse = 1 / x
    square = inverse.square()
    series = 0.5 * x.log() - inverse * (1 / 8 - square * (1 / 192 - square * (1 / 640 - square * 17 / 14336)))
    return torch.where(x < 20, direct, series)


def t_quantile(share: float, freedom: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return the value below which this share of Student's t lies, for each number of degrees of freedom, from 2 up.

    At a given share it is a smooth function of 1 / freedom, from the normal's quantile at 0 on: solved for at the
    nodes of a Chebyshev polynomial once, and read off that.
    """
    found = _by_inverse_freedom(share)((1 / freedom).cpu().numpy())
    return torch.as_tensor(found, dtype=torch.float64, device=freedom.device)


@functools.lru_cache(maxsize=256)
def _by_inverse_freedom(share: float) -> Chebyshev:
    solved = functools.partial(_solve, share)
    return Chebyshev.interpolate(lambda inverse: solved(1 / inverse), 40, domain=[0, 0.5])


def _solve(share: float, freedom: FloatArray) -> FloatArray:
    """Return the quantile by Newton's method on the angle atan(t / sqrt(freedom)).

    The share above the median rises with the angle, ever more slowly, and Student's tails are heavier than the
    normal's: from the normal's quantile Newton's steps go up to the solution and never beyond it.
    """
    tail = abs(share - 0.5)
    angle = np.arctan(NormalDist().inv_cdf(0.5 + tail) / np.sqrt(freedom))
    gamma = [math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) for nu in freedom]
    height = np.exp(gamma) / math.sqrt(math.pi)
    for _ in range(100):
        missing = tail - height * _integral_of_cosine(angle, freedom - 1)
        angle = np.minimum(angle + missing / (height * np.cos(angle) ** (freedom - 1)), math.pi / 2 - 1e-12)
    return math.copysign(1.0, share - 0.5) * np.sqrt(freedom) * np.tan(angle)


def _integral_of_cosine(angle: FloatArray, power: FloatArray) -> FloatArray:
    """Return the integral of cos^power from 0 to each angle."""
    half = 0.5 * angle[:, None]
    total: FloatArray = (NODES_W * np.cos(half * (NODES_X + 1)) ** power[:, None]).sum(axis=1)
    return total * half[:, 0]
