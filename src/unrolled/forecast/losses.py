"""Training losses: the mean over observed points of what one forecast costs.

Shapes: N windows, h horizon, Q outputs per step (1, or one per quantile).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.forecast.config import Config

Forecasts = Float[Tensor, "N h Q"]
Values = Float[Tensor, "N h"]
LossFunction = Callable[[Forecasts, Values, Values], Tensor]


def loss_function(config: Config) -> LossFunction:
    """Return `loss(forecast, target, observed)` for the settings' loss.

    `observed` is 1 where the target counts and 0 where it is missing; a batch with nothing observed
    costs 0 and has no gradient.
    """
    if config.loss == "quantile":
        quantiles_Q = torch.tensor(config.quantiles, device=config.device)
        return _masked_mean(lambda error_NhQ: torch.maximum(quantiles_Q * error_NhQ, (quantiles_Q - 1) * error_NhQ))
    return _masked_mean(_POINT_COSTS[config.loss])


def _masked_mean(cost: Callable[[Tensor], Tensor]) -> LossFunction:
    def loss(forecast_NhQ: Forecasts, target_Nh: Values, observed_Nh: Values) -> Tensor:
        # A missing target is 0 here, never NaN: 0 x NaN would poison the sum and its gradient.
        cost_Nh = cost(target_Nh[..., None] - forecast_NhQ).mean(2)
        return (cost_Nh * observed_Nh).sum() / observed_Nh.sum().clamp(min=1)

    return loss


def _huber(error_NhQ: Tensor) -> Tensor:
    """Huber (1964) with its corner at one scaled unit."""
    size_NhQ = error_NhQ.abs()
    return torch.where(size_NhQ <= 1, 0.5 * size_NhQ.square(), size_NhQ - 0.5)


_POINT_COSTS: dict[str, Callable[[Tensor], Tensor]] = {"mae": torch.abs, "mse": torch.square, "huber": _huber}
