"""The networks of the forecaster, one module each, chosen by name."""

from unrolled.forecast.networks.base import Forecasts as Forecasts
from unrolled.forecast.networks.base import Network as Network
from unrolled.forecast.networks.choice import build as build
