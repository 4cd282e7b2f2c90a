"""Scaling: what is taken out of each window before the network and put back after it.

With it, series of any level and spread share one network. Shapes: N windows, T past steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

Past = Float64[Tensor, "N T"]
Seen = Bool[Tensor, "N T"]
PerWindow = Float64[Tensor, "N 1"]


OF_SERIES = ("series", "last_series")
"""These divide by the spread of the whole series: what a window's own says of it is the same for all windows."""

ROUNDING = 1e-12
"""A spread that is smaller beside the level is what float64 leaves of a constant: about a hundredth of this."""


def location_and_scale(
    scaling: str, past: Past, seen: Seen, series: tuple[PerWindow, PerWindow] | None = None
) -> tuple[PerWindow, PerWindow]:
    """Return what to subtract and what to divide by, from the observed past of each window.

    Args:
        scaling: "none", "standard" (and "revin", which is that before the network), "robust", "last", "mean", or one
            of `OF_SERIES`.
        past: (N, T) values; anything where `seen` is False.
        seen: (N, T) True where a value was observed.
        series: (N, 1) mean and (N, 1) standard deviation of the series that each window is of, as `divisible` gives
            them; for `OF_SERIES`.

    Returns:
        (N, 1) location and (N, 1) scale. The scale of a constant window is its size, or 1 for zeros,
        and of a window with nothing observed 1 around 0, so that dividing is always safe.
    """
    if scaling not in OF_SERIES:
        return divisible(*_SCALINGS[scaling](past, seen))
    assert series is not None, "a scaling of the whole series is given that series' mean and spread"
    return series if scaling == "series" else (_last_value(past, seen), series[1])


def divisible(location_N1: PerWindow, scale_N1: PerWindow) -> tuple[PerWindow, PerWindow]:
    """Return location and scale with the size of the location, or 1, where the scale says nothing."""
    size_N1 = location_N1.abs()
    constant_N1 = ~(scale_N1 > ROUNDING * size_N1)  # also where the scale is 0 or NaN
    fallback_N1 = torch.where(size_N1 > 0, size_N1, torch.ones_like(size_N1))
    return location_N1, torch.where(constant_N1, fallback_N1, scale_N1)


def _none(past_NT: Past, seen_NT: Seen) -> tuple[PerWindow, PerWindow]:
    zeros_N1 = past_NT.new_zeros(past_NT.shape[0], 1)
    return zeros_N1, zeros_N1 + 1


def _standard(past_NT: Past, seen_NT: Seen) -> tuple[PerWindow, PerWindow]:
    count_N1 = seen_NT.sum(1, keepdim=True).clamp(min=1)
    mean_N1 = torch.where(seen_NT, past_NT, 0.0).sum(1, keepdim=True) / count_N1
    centred_NT = torch.where(seen_NT, past_NT - mean_N1, 0.0)
    return mean_N1, (centred_NT.square().sum(1, keepdim=True) / count_N1).sqrt()


def _robust(past_NT: Past, seen_NT: Seen) -> tuple[PerWindow, PerWindow]:
    # Not by nanquantile: what PyTorch exports of it gives other numbers in ONNX Runtime.
    rising_NT = torch.where(seen_NT, past_NT, float("inf")).sort(dim=1).values
    last_N1 = (seen_NT.sum(1, keepdim=True) - 1).clamp(min=0)
    low_N1, median_N1, high_N1 = (_at_share(rising_NT, last_N1, share) for share in (0.25, 0.5, 0.75))
    spread_N1 = (high_N1 - low_N1) / 1.349  # a normal's interquartile range in standard deviations
    return median_N1.nan_to_num(0.0, posinf=0.0), spread_N1


def _at_share(rising_NT: Past, last_N1: Int64[Tensor, "N 1"], share: float) -> PerWindow:
    """Return the value at this share of the way from each row's first to its last, on a line between two neighbours."""
    place_N1 = share * last_N1.double()
    below_N1, above_N1 = (rising_NT.gather(1, at.long()) for at in (place_N1.floor(), place_N1.ceil()))
    return torch.lerp(below_N1, above_N1, place_N1.frac())


def _last(past_NT: Past, seen_NT: Seen) -> tuple[PerWindow, PerWindow]:
    return _last_value(past_NT, seen_NT), _standard(past_NT, seen_NT)[1]


def _last_value(past_NT: Past, seen_NT: Seen) -> PerWindow:
    steps_T = torch.arange(1, past_NT.shape[1] + 1, device=past_NT.device)
    last_N1 = (seen_NT * steps_T).argmax(1, keepdim=True)
    return torch.where(seen_NT, past_NT, 0.0).gather(1, last_N1)


def _mean(past_NT: Past, seen_NT: Seen) -> tuple[PerWindow, PerWindow]:
    """Return 0 and the mean size: what is 0 stays 0."""
    count_N1 = seen_NT.sum(1, keepdim=True).clamp(min=1)
    size_N1 = torch.where(seen_NT, past_NT, 0.0).abs().sum(1, keepdim=True) / count_N1
    return torch.zeros_like(size_N1), size_N1


_SCALINGS: dict[str, Callable[[Past, Seen], tuple[PerWindow, PerWindow]]] = {
    "none": _none,
    "standard": _standard,
    "robust": _robust,
    "last": _last,
    "mean": _mean,
    "revin": _standard,
}
