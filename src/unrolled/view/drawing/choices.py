"""Which layer, direction, sample, step and unit of a trace to draw: checked, every problem of a call at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unrolled.errors import ConfigError, Problems, did_you_mean
from unrolled.trace import DIRECTIONS, Analysis, Trace
from unrolled.view.drawing.given import check_width
from unrolled.view.figures.cell_parts import kind_of


class Place(NamedTuple):
    """A direction of a layer, and a sample."""

    layer: int
    direction: str
    sample: int


def chosen_place(trace: Trace, layer_index: Any, direction: Any, sample: Any, width: Any) -> Place:
    """Return the checked choices; a layer or sample may be counted from the end.

    Raises:
        ConfigError: The trace has no such layer, direction or sample, or the width is none.
    """
    problems = Problems()
    check_width(width, problems)
    layers = sorted({part.layer for part in trace.parts})
    layer = _index(layer_index, "layer_index", len(layers), "layers", problems)
    chosen = _index(sample, "sample", len(trace.lengths.values), "samples of the batch", problems)
    there = [part.direction for part in trace.parts if part.layer == layer]
    if direction not in DIRECTIONS:
        near = did_you_mean(direction, DIRECTIONS) if isinstance(direction, str) else ""
        problems.add(f"`direction` is 'forward' or 'reverse'; got {direction!r}.{near}")
    elif layer is not None:
        problems.check(
            direction in there,
            f"Layer {layer} has no direction {direction!r}: it is not bidirectional. It has {there[0]!r}.",
        )
    problems.raise_as(ConfigError)
    assert layer is not None
    assert chosen is not None
    return Place(layers[layer], direction, chosen)


def chosen_sample(trace: Trace, sample: Any) -> int:
    """Return a checked sample with at least one valid step; it may be counted from the end.

    Raises:
        ConfigError: There is no such sample, or all of it is padding.
    """
    problems = Problems()
    lengths = trace.lengths.values
    chosen = _index(sample, "sample", len(lengths), "samples of the batch", problems)
    if chosen is not None and lengths[chosen] == 0:
        problems.add(f"Sample {chosen} has no valid step (its length is 0). Choose another `sample`.")
    problems.raise_as(ConfigError)
    assert chosen is not None
    return chosen


def _index(value: Any, name: str, size: int, what: str, problems: Problems) -> int | None:
    """Return an index from 0, or note that there is none such."""
    if size == 0:
        problems.add(f"There are no {what} to draw.")
        return None
    good = isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(-size <= value < size)
    problems.check(
        good, f"`{name}` is a whole number from {-size} to {size - 1}: there are {size:,} {what}; got {value!r}."
    )
    return int(value) % size if good else None


def check_gates(verb: str, trace: Trace, place: Place) -> None:
    """Refuse a module of the user's own, inside which a trace does not see.

    Raises:
        ConfigError: The trace has nothing of its gates.
    """
    if not kind_of(trace[place.layer, place.direction]):
        raise ConfigError(
            f"{verb} shows what happens inside a cell, and layer {place.layer}, {place.direction}, is a module of your "
            "own, of which only what it reads and gives is known. Choose another `layer_index`."
        )


def chosen_step(trace: Trace, place: Place, step: Any, unit: Any) -> tuple[int, int | None]:
    """Return the checked step, −1 being the sample's last valid one, and the checked unit.

    Raises:
        ConfigError: The sample has no such step, or the layer no such unit.
    """
    problems = Problems()
    length = int(trace.lengths.values[place.sample])
    steps = trace.parts[0]["inputs"].shape[0]
    units = trace[place.layer, place.direction]["h"].shape[-1]
    part = trace[place.layer, place.direction]
    units = part["c"].shape[-1] if "c" in part.arrays else units
    if length == 0:
        problems.add(f"Sample {place.sample} has no valid step (its length is 0). Choose another `sample`.")
    elif isinstance(step, int | np.integer) and length <= step < steps:
        problems.add(
            f"Step {step} of sample {place.sample} is padding: it has {length:,} valid steps. "
            f"Choose a `step` from 0 to {length - 1}."
        )
    else:
        step = _index(step, "step", length, f"valid steps of sample {place.sample}", problems)
    if unit is not None:
        unit = _index(unit, "unit", units, "units", problems)
    problems.raise_as(ConfigError)
    return int(step), unit


def chosen_name(names: Sequence[str], name: Any) -> int:
    """Return which of a model's recurrent layers has that name; the first where none is asked for.

    Raises:
        ConfigError: None has it.
    """
    if name is None:
        return 0
    if name in names:
        return names.index(name)
    there = ", ".join(repr(one) for one in names)
    raise ConfigError(
        f"`name` is that of a recurrent layer of the model; got {name!r}. There {'is' if len(names) == 1 else 'are'} "
        f"{there}.{did_you_mean(str(name), names)}"
    )


def of_layer(analysis: Analysis, name: str) -> Analysis:
    """Leave only what is about the recurrent layer of that name."""
    return Analysis(analysis.name, tuple(part for part in analysis.parts if part.name == name), analysis.facts)
