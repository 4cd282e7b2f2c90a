"""What is done to all values before anything else, and undone after everything else.

For series whose swings grow with their level: in the logarithm, or a power between it and the values themselves, they
are as wide everywhere. P points in S series.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel
from unrolled.errors import DataError
from unrolled.forecast.config import Config
from unrolled.forecast.wrong_values import named

FloatArray = NDArray[np.float64]

LARGEST = 1e100
"""No inverse is farther from 0: however wild a forecast, it is a number, and so is its square."""

EXPONENTS = (0.0, 2.0)
"""Box and Cox's exponent is looked for between these. Below 0 the transform has an upper end, beyond which a forecast
would be no value at all."""

MOST_POINTS = 200_000
"""The exponent is estimated from at most about this many points: the most recent ones of every series."""


_LEAST = {"none": -np.inf, "log": -1.0, "boxcox": 0.0}


@dataclass(frozen=True)
class Transform:
    """A rising function of the values, and its inverse. NaN stays NaN.

    name: "none"; "log", log(1 + y) of values above -1; "boxcox", (y^exponent - 1) / exponent of values above 0, the
        logarithm where the exponent is 0 (Box and Cox 1964).

    >>> transform = Transform("boxcox", exponent=0.5)
    >>> transform.forward(np.array([1.0, 4.0])), transform.inverse(np.array([0.0, 2.0, -5.0]))
    (array([0., 2.]), array([1., 4., 0.]))
    """

    name: str = "none"
    exponent: float = 1.0

    def forward(self, values: FloatArray) -> FloatArray:
        """Return the values as networks are to see them; NaN where it is not made for them."""
        if self.name == "none":
            return values
        inside = np.where(self.outside(values), np.nan, values)
        return np.log1p(inside) if self.name == "log" else _power(inside, self.exponent)

    def inverse(self, values: FloatArray) -> FloatArray:
        """Return values in the units of the data, of any numbers: at most `LARGEST`, at least what `forward` takes."""
        if self.name == "none":
            return values
        if self.name == "log":
            return np.expm1(np.minimum(values, np.log(LARGEST)))
        return _inverse_power(values, self.exponent)

    def refuse(self, panel: Panel) -> None:
        """Refuse values that it is not made for.

        Raises:
            DataError: names the first of them.
        """
        wrong = self.outside(panel.values)
        if wrong.any():
            others = "'none'" if self.name == "log" else "'log', which takes zeros, or 'none'"
            raise DataError(f"{self.domain()}; {named(panel, wrong)}. Use transform={others}.")

    def domain(self) -> str:
        """Say which values it is made for."""
        return f"transform={self.name!r} is of values above {_LEAST[self.name]:g}"

    def outside(self, values: FloatArray) -> NDArray[np.bool_]:
        """Return which values it is not made for."""
        return values <= _LEAST[self.name]

    def to_json(self) -> dict[str, Any]:
        """Return the transform as plain JSON types."""
        return {"name": self.name, "exponent": self.exponent}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Transform:
        """Return the transform that `to_json` wrote."""
        return cls(content["name"], float(content["exponent"]))


def learn_transform(panel: Panel, config: Config) -> Transform:
    """Return the settings' transform, with what it takes from the values.

    Raises:
        DataError: names the first value that it is not made for.
    """
    transform = Transform(config.transform)
    transform.refuse(panel)
    return Transform("boxcox", likeliest_exponent(panel)) if config.transform == "boxcox" else transform


def _power(values: FloatArray, exponent: float) -> FloatArray:
    logs = np.log(values)
    return np.asarray(logs if exponent == 0 else np.expm1(exponent * logs) / exponent)


def _inverse_power(values: FloatArray, exponent: float) -> FloatArray:
    if exponent == 0:
        return np.exp(np.minimum(values, np.log(LARGEST)))
    # No value has a transform below -1 / exponent, that of 0; there the logarithm is of 0.
    with np.errstate(divide="ignore", over="ignore"):
        logs = np.log1p(np.maximum(exponent * values, -1)) / exponent
    return np.exp(np.minimum(logs, np.log(LARGEST)))


def likeliest_exponent(panel: Panel) -> float:
    """Return the exponent under which the series are likeliest, each normal around a mean of its own.

    One exponent for all series, whatever their units: each is divided by its geometric mean, with which the likelihood
    is that of the variances alone (Box and Cox 1964, section 3). Rounded to two digits. 1 where no series varies.
    """
    pieces = [np.log(one[~np.isnan(one)]) for one in _recent(panel)]
    pieces = [one - one.mean() for one in pieces if len(one) > 1 and np.ptp(one) > 1e-9]
    if not pieces:
        return 1.0
    logs, begins = np.concatenate(pieces), np.cumsum([0, *map(len, pieces[:-1])])
    counts = np.array([len(one) for one in pieces])
    tried = np.linspace(*EXPONENTS, 21)
    best = tried[np.argmin([_cost(one, logs, begins, counts) for one in tried])]
    near = np.clip(best + np.arange(-9, 10) / 100, *EXPONENTS)
    return float(round(near[np.argmin([_cost(one, logs, begins, counts) for one in near])], 2))


def _recent(panel: Panel) -> list[FloatArray]:
    most = max(2, MOST_POINTS // max(1, len(panel)))
    return [panel.values[max(begin, end - most) : end] for begin, end in pairwise(panel.offsets)]


def _cost(exponent: float, logs: FloatArray, begins: NDArray[np.int64], counts: NDArray[np.int64]) -> float:
    """Return half the sum of each series' log variance, times its points: what the likelihood lacks."""
    # The mean of the logs is 0, so each series' geometric mean is 1 and the transform's own slope cancels out.
    values = logs if exponent == 0 else np.expm1(np.clip(exponent * logs, None, 700)) / exponent
    means = np.add.reduceat(values, begins) / counts
    squares = np.add.reduceat((values - np.repeat(means, counts)) ** 2, begins)
    return float(0.5 * (counts * np.log(squares / counts)).sum())
