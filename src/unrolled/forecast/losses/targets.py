"""Values that a loss can't be of, found before any training."""

from __future__ import annotations

import numpy as np

from unrolled.data.panel import Panel
from unrolled.errors import DataError
from unrolled.forecast.config import Config
from unrolled.forecast.losses.choice import DISTRIBUTIONS
from unrolled.forecast.losses.counts import NegativeBinomial, Poisson
from unrolled.forecast.losses.tweedie import Tweedie
from unrolled.forecast.wrong_values import named


def refuse_targets(panel: Panel, config: Config) -> None:
    """Refuse values below 0 for losses of amounts, and fractions besides for losses of counts.

    Raises:
        DataError: names the first of them.
    """
    kind = DISTRIBUTIONS.get(config.loss)
    if kind in (Poisson, NegativeBinomial):
        wrong = (panel.values < 0) | (panel.values != np.round(panel.values))
        what = "counts, whole numbers from 0 up"
        instead = "loss='tweedie' takes any amounts from 0 up, 'student_t' any values"
    elif kind is Tweedie:
        wrong, what, instead = panel.values < 0, "amounts from 0 up", "loss='student_t' takes any values"
    else:
        return
    wrong &= ~np.isnan(panel.values)
    if wrong.any():
        raise DataError(f"loss={config.loss!r} is of {what}; {named(panel, wrong)}. Of the others {instead}.")
