"""What of a large model the page holds: evenly spaced indices, and how many bytes each kind of number may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from unrolled.trace import NamedArray, Trace

Indices: TypeAlias = NDArray[np.int64]

MOST: Final[Mapping[str, int]] = {"batch": 64, "time": 512, "feature": 64, "hidden": 64}
"""How much of each axis is shown at most; of more, so many evenly spaced ones, the first and the last among them."""

FEWEST: Final[Mapping[str, int]] = {"time": 16, "hidden": 8}
"""Below this steps and units are not thinned out, however many layers there are."""

BYTES: Final = 13_500_000
"""Bytes of all arrays; in base64 a third more, so that the whole file stays below 20 MB."""

WEIGHTS_SHARE: Final = 0.65
"""The share of these bytes that whole weights may take, so that the page can compute; without them it only shows."""

INPUTS_SHARE: Final = 0.15
"""The share that one sample's whole input may take, which computing needs too."""

HEAD_SHARE: Final = 0.25
"""The share that a head's weights and one sample's answer may take together; without them the page shows no answer."""

MOST_NAMES: Final = 10_000
"""An axis has at most so many names in the page; of more, only what is shown keeps its name."""

SMALL: Final = 1_000_000
"""A float64 trace stays float64 as long as the network's arrays take no more bytes than this."""


@final
@dataclass(frozen=True)
class Samples:
    """Which samples of the user's batch a recorded batch holds, when it was cut before the run."""

    size: int
    indices: Indices


@final
@dataclass(frozen=True, eq=False)
class Shown:
    """Which indices of the recorded arrays the page holds.

    Attributes:
        batch: Of the recorded batch.
        time: Of its steps.
        feature: Of the first layer's input.
        hidden: Of the units of each layer.
        projection: Of each layer's h where it is narrower than c, by `proj_size`; else empty.
        widths: How many units h has, layer by layer.
        directions: 1 or 2.
    """

    batch: Indices
    time: Indices
    feature: Indices
    hidden: tuple[Indices, ...]
    projection: tuple[Indices, ...]
    widths: tuple[int, ...]
    directions: int

    def keep(self, array: NamedArray, layer: int | None) -> NamedArray:
        """The array at the shown indices of each of its axes."""
        values = array.values
        for axis, (name, size) in enumerate(array.sizes.items()):
            values = np.take(values, self._along(name, size, layer), axis)
        return NamedArray(values, array.axes)

    def features_of_output(self, layer: int) -> Indices:
        """Where in the output of a layer the shown units of its directions lie, one direction after the other."""
        shown, width = self.states[layer], self.widths[layer]
        return np.concatenate([d * width + shown for d in range(self.directions)])

    @property
    def states(self) -> tuple[Indices, ...]:
        """The shown units of h, layer by layer: those of the projection where there is one."""
        return tuple(p if len(p) else h for p, h in zip(self.projection, self.hidden, strict=True))

    def _along(self, name: str, size: int, layer: int | None) -> Indices:
        indices = self._chosen(name, layer)
        # The layers of a `Stack` may have steps and widths of their own.
        return pick(size, MOST["hidden"]) if indices is None or indices[-1:].sum() >= size else indices

    def _chosen(self, name: str, layer: int | None) -> Indices | None:
        match name:
            case "batch":
                return self.batch
            case "time":
                return self.time
            case "feature":
                return self.features_of_output(layer - 1) if layer else self.feature
            case "hidden":
                return self.hidden[layer or 0]
            case "projection":
                return self.projection[layer or 0]
            case _:
                return None


def pick(size: int, most: int) -> Indices:
    """At most `most` evenly spaced indices below `size`, the first and the last among them.

    Example:
        >>> pick(9, 5).tolist()
        [0, 2, 4, 6, 8]
        >>> pick(3, 5).tolist()
        [0, 1, 2]
    """
    if size <= most:
        return np.arange(size)
    if most == 1:
        return np.zeros(1, dtype=np.int64)
    picked: Indices = np.floor(np.arange(most) * ((size - 1) / (most - 1)) + 0.5).astype(np.int64)
    return picked


def choose(trace: Trace, per_sample: float, spare: float) -> Shown:
    """What is shown of a trace: as much as `MOST` and `spare` bytes allow.

    Fewer samples come first, then fewer steps or units, whichever there are more of.

    Args:
        trace: Of the whole recorded batch.
        per_sample: Bytes that each sample takes besides, such as its whole input.
        spare: Bytes for all of it.
    """
    samples = trace.lengths.shape[0]
    for most in _ever_fewer():
        shown = _shown(trace, most)
        bytes_each = _bytes_of_a_sample(trace, shown) + per_sample
        if bytes_each <= spare or most == dict(FEWEST):
            break
    count = max(1, min(MOST["batch"], int(spare // max(bytes_each, 1))))
    return _with_batch(shown, pick(samples, count))


def _ever_fewer() -> Iterator[dict[str, int]]:
    most = {name: MOST[name] for name in FEWEST}
    yield dict(most)
    while most != FEWEST:
        name = max(FEWEST, key=lambda name: most[name] / FEWEST[name])
        most[name] = max(FEWEST[name], most[name] // 2)
        yield dict(most)


def _shown(trace: Trace, most: Mapping[str, int]) -> Shown:
    steps, _, features = trace.parts[0]["inputs"].shape
    layers = trace.parts[:: len(trace.directions)]
    return Shown(
        batch=np.arange(1),
        time=pick(steps, most["time"]),
        feature=pick(features, MOST["feature"]),
        hidden=tuple(pick(_size(part.arrays, "hidden"), most["hidden"]) for part in layers),
        projection=tuple(pick(_size(part.arrays, "projection"), most["hidden"]) for part in layers),
        widths=tuple(part["h"].shape[-1] for part in layers),
        directions=len(trace.directions),
    )


def _size(arrays: Mapping[str, NamedArray], axis: str) -> int:
    """The size of that axis, wherever it occurs; 0 where it does not."""
    return max((array.sizes.get(axis, 0) for array in arrays.values()), default=0)


def _with_batch(shown: Shown, batch: Indices) -> Shown:
    fields: dict[str, Any] = {**vars(shown), "batch": batch}
    return Shown(**fields)


def _bytes_of_a_sample(trace: Trace, shown: Shown) -> int:
    """Bytes of one sample's shown numbers in float32: parts and output, and what analyses lay over them."""
    each = len(shown.time) * (len(shown.feature) + len(shown.features_of_output(-1)))
    for part in trace.parts:
        arrays = [shown.keep(array, part.layer) for array in part.arrays.values()]
        analysed = len(shown.time) * len(shown.hidden[part.layer])
        each += sum(array.values.size for array in arrays) + analysed
    return 4 * each
