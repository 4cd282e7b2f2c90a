"""Batches of random windows with covariates of every kind, and settings of networks that read them."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from unrolled.forecast.batch import Batch, by_window
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import PLAIN, Inputs, Layout
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks import Network, build

H, T = 4, 6
"""Steps ahead and steps of a window."""

FULL = Layout(channels=2, past=(0, 3), known=(4, 0), static=(0, 5))
"""Two targets together, and a number and a category of each kind of covariate."""

LAYOUTS = {
    "plain": PLAIN,
    "joint": Layout(channels=2),
    "covariates": dataclasses.replace(FULL, channels=1),
    "both": FULL,
}


def batch_of(layout: Layout = PLAIN, windows: int = 3, seed: int = 0) -> Batch:
    """Return windows of positive values, some of them missing."""
    draw = torch.Generator().manual_seed(seed)

    def columns(kinds: tuple[int, ...], *shape: int) -> Tensor:
        each = [
            torch.randint(0, count + 1, shape, generator=draw) if count else torch.randn(shape, generator=draw)
            for count in kinds
        ]
        return torch.stack([one.float() for one in each], dim=-1) if each else torch.zeros(*shape, 0)

    values = torch.rand(windows, T + H, layout.channels, generator=draw) + 0.5
    seen = (torch.rand(values.shape, generator=draw) < 0.8).float()
    both = torch.cat([values, seen], dim=2)
    known = (columns(layout.past, windows, T), columns(layout.known, windows, T + H), columns(layout.static, windows))
    ones = torch.ones(windows * layout.channels, 1, dtype=torch.float64)
    return Batch(Inputs(both[:, :T], *known), both[:, T:], 0 * ones, 2 * ones, ones)


def config_of(network: str, **settings: Any) -> Config:
    """Return resolved settings of a small network; "recursive" is a kind of its own here."""
    own = {"network": "steps", "decoder": "recursive"} if network == "recursive" else {"network": network}
    small = {"input_size": T, "hidden_size": 5, "season": 2, "scaling": "none", "loss": "mae"}
    if network == "segments":
        small["segment"] = 2
    return Config(H, **small | own | settings)  # type: ignore[arg-type]


def network_of(config: Config, layout: Layout = PLAIN, seed: int = 0) -> Network:
    """Return a network for evaluation with weights of that seed, none of them zero."""
    torch.manual_seed(seed)
    network = build(config, layout).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def fed_back(config: Config, batch: Batch, forecast: Tensor) -> Batch:
    """Return the batch with the network's own point forecasts as what came."""
    points = by_window(loss_of(config).point(forecast), batch.channels)
    return dataclasses.replace(batch, future_NhF=torch.cat([points, torch.ones_like(points)], dim=2))
