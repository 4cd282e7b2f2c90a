"""`hidden_pca`: the directions along which the hidden states of a batch differ most.

Shapes: T = time, N = batch, H = width of the state, V = valid steps of all sequences, K = components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unrolled.analysis.traces import require_trace
from unrolled.errors import ConfigError, ShapeError
from unrolled.trace import Analysis, Array, DirectionTrace, NamedArray, PartValues, Trace


def hidden_pca(trace: Trace, components: int = 2, of: str = "h") -> Analysis:
    """Project the states of all steps on their principal components; padding is left out.

    Each direction of each layer by itself: its mean over the valid steps of all sequences is taken away, then the
    states are turned so that the first component has the largest variance, the second the largest of what is left, …
    A component's sign is chosen so that its largest weight is positive. Source: Pearson (1901), "On lines and planes of
    closest fit to systems of points in space"; for the states of recurrent networks, Elman (1991), "Distributed
    representations, simple recurrent networks, and grammatical structure".

    Args:
        trace: What `record` or a layer's `trace` gave.
        components: How many (K); at most as many as the state is wide.
        of: The state: "h", or "c" where there is one.

    Returns:
        For each direction of each layer: of "h" (or "c") ("time", "batch", "component"), 0 at padded steps; of "mean"
        ("hidden"); of "components" ("component", "hidden"), orthonormal; of "explained" ("component"), each one's share
        of the whole variance, 0 where nothing varies.

    Raises:
        ConfigError: There is no such state, or not so many components.
        ShapeError: There are fewer than two valid steps.
        DtypeError: `trace` is none.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import hidden_pca
        >>> found = hidden_pca(unrolled.LSTM(3, 4).trace(torch.randn(9, 2, 3)))
        >>> found.find("h").values, found.find("explained").values
        (NamedArray(time=9, batch=2, component=2; float64), NamedArray(component=2; float64))
    """
    require_trace("hidden_pca", trace)
    parts = [part for part in trace.parts if of in part.arrays]
    _check(trace, parts, components, of)
    return Analysis("hidden_pca", tuple(values for part in parts for values in _values(trace, part, components, of)))


class _Principal(NamedTuple):
    mean_H: Array
    directions_KH: Array
    shares_K: Array


def _principal(states_VH: Array, components: int) -> _Principal:
    mean_H = states_VH.mean(0)
    # Of R in QR, which is no larger than (H, H) and has the same right singular vectors.
    _, lengths, rows = np.linalg.svd(np.linalg.qr(states_VH - mean_H, mode="r"), full_matrices=True)
    directions_KH = rows[:components]
    largest = np.abs(directions_KH).argmax(1, keepdims=True)
    directions_KH = directions_KH * np.sign(np.take_along_axis(directions_KH, largest, 1))
    variances_K = np.zeros(components)
    variances_K[: len(lengths)] = lengths[:components] ** 2
    total = float((lengths**2).sum())
    return _Principal(mean_H, directions_KH, variances_K / total if total else variances_K)


def _values(trace: Trace, part: DirectionTrace, components: int, of: str) -> list[PartValues]:
    valid_TN = trace.valid.values
    states_VH = part[of].values[valid_TN].astype(np.float64)
    found, width = _principal(states_VH, components), part[of].axes[-1]
    projected_TNK = np.zeros((*valid_TN.shape, components))
    projected_TNK[valid_TN] = (states_VH - found.mean_H) @ found.directions_KH.T
    named = {
        of: NamedArray(projected_TNK, ("time", "batch", "component")),
        "mean": NamedArray(found.mean_H, (width,)),
        "components": NamedArray(found.directions_KH, ("component", width)),
        "explained": NamedArray(found.shares_K, ("component",)),
    }
    return [PartValues(part.layer, part.direction, name, array) for name, array in named.items()]


def _check(trace: Trace, parts: list[DirectionTrace], components: int, of: str) -> None:
    if of not in ("h", "c") or not parts:
        raise ConfigError(f"hidden_pca expected of='h', or 'c' where there is one; got {of!r} for {trace.kind}.")
    widths = {part[of].shape[-1] for part in parts}
    if isinstance(components, bool) or not isinstance(components, int) or not 1 <= components <= min(widths):
        most = min(widths)
        raise ConfigError(f"hidden_pca expected 1 to {most} components, the state's width; got {components!r}.")
    if int(trace.valid.values.sum()) < 2:
        raise ShapeError("hidden_pca needs at least two valid steps in the batch; this trace has fewer.")
