"""The learning rate over a training: a short rise, then half a cosine down to zero (Loshchilov & Hutter 2017, SGDR)."""

from __future__ import annotations

import math

WARM_UP = 0.02
"""Share of the steps over which the rate rises: AdamW's first steps know little of the gradients' sizes."""


def rate_at(step: int, peak: float, max_steps: int) -> float:
    """Return the rate of a step, counted from 0."""
    rising = (step + 1) / max(1, round(WARM_UP * max_steps))
    return peak * min(1.0, rising) * 0.5 * (1 + math.cos(math.pi * step / max_steps))
