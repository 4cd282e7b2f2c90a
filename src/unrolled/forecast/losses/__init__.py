"""The training losses, chosen by name."""

from unrolled.forecast.losses.base import DistributionLoss as DistributionLoss
from unrolled.forecast.losses.base import Loss as Loss
from unrolled.forecast.losses.base import SpreadLoss as SpreadLoss
from unrolled.forecast.losses.choice import DISTRIBUTIONS as DISTRIBUTIONS
from unrolled.forecast.losses.choice import loss_of as loss_of
from unrolled.forecast.losses.quantiles import QuantileLoss as QuantileLoss
