"""What is done to all values before anything else, and undone after everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel
from unrolled.forecast.config import Config

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Transform:
    """A rising function of the values, and its inverse. NaN stays NaN."""

    name: str = "none"

    def forward(self, values: FloatArray) -> FloatArray:
        """Return the values as networks are to see them."""
        return values

    def inverse(self, values: FloatArray) -> FloatArray:
        """Return values in the units of the data."""
        return values

    def to_json(self) -> dict[str, Any]:
        """Return the transform as plain JSON types."""
        return {"name": self.name}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Transform:
        """Return the transform that `to_json` wrote."""
        return cls(content["name"])


def learn_transform(panel: Panel, config: Config) -> Transform:
    """Return the settings' transform, with what it takes from the values."""
    return Transform(config.transform)
