"""What is wrong with the options of the setting `cell`: the layers themselves are asked, no rule is written twice."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from unrolled.errors import UnrolledError, did_you_mean
from unrolled.forecast.config import Config, cells_of, is_stack
from unrolled.forecast.networks.encoder import (
    CELLS,
    LAYERS,
    NONLINEARITIES,
    kind_of,
    make_layers,
    options_of,
    stack_options,
)
from unrolled.layers import Stack
from unrolled.layers.options import OPTION_NAMES

_SETTINGS = ("hidden_size", "num_layers", "dropout", "device")
_NEVER = {
    "input_size": "the forecaster counts its features itself",
    "batch_first": "the forecaster lays its windows out itself",
    "bidirectional": "a forecast goes forwards in time",
    "dtype": "a forecaster computes in float32",
    "share": "each layer has weights of its own",
}
_ANY_WIDTH = 1 << 16
"""Units while it is open how many there will be: more than any projection, and a multiple of any number of heads."""


def cell_problems(config: Config) -> list[str]:
    """Say all that is wrong with the options of cells, whose types are right."""
    own = list(_own_problems(config.cell))
    with torch.device("meta"):  # the layers are made for their checks alone, without memory for parameters
        return own or [f"cell: {problem}" for problem in _layer_problems(config)]


def _own_problems(cell: Any) -> Iterator[str]:
    """Yield options that no forecaster can have, whatever the layers say."""
    mappings = [one for one in cells_of(cell) if isinstance(one, Mapping)]
    for options in (stack_options(cell) if is_stack(cell) else {}, *mappings):
        for name, value in options.items():
            if name in _SETTINGS:
                yield f"cell holds {name!r}, which is a setting of its own: Forecaster(..., {name}={value!r})."
            elif name in _NEVER:
                yield f"cell holds {name!r}, but {_NEVER[name]}. Leave it out."
            elif not _is_plain(value):
                yield f"cell's {name} is a name, a number or a list of those, which a file can hold; got {value!r}."
            elif name in NONLINEARITIES and isinstance(value, tuple) and not _is_activation(value):
                yield f"cell's {name} is a name, or a list of it, alpha and beta; got {list(value)!r}."


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _is_activation(value: tuple[Any, ...]) -> bool:
    return 1 <= len(value) <= 3 and isinstance(value[0], str) and all(isinstance(one, int | float) for one in value[1:])


def _layer_problems(config: Config) -> list[str]:
    if is_stack(config.cell):
        known = inspect.signature(Stack).parameters
        unknown = sorted(stack_options(config.cell).keys() - known.keys())
        found = [f"Stack has no argument {name!r}.{did_you_mean(name, known)}" for name in unknown]
        found += [problem for one in cells_of(config.cell) for problem in _step_problems(one)]
        if found:
            return found
    return _refused(lambda: make_layers(config.cell, 1, *_sizes(config), 0.0))


def _step_problems(one: Any) -> Iterator[str]:
    """Yield what is wrong with one cell of a list: those of a layer, and options that lists have as a whole."""
    taken = inspect.signature(CELLS[kind_of(one)]).parameters
    try:
        options = options_of(one)
    except UnrolledError as wrong:
        yield from wrong.problems
        return
    for name in sorted(options.keys() - taken.keys()):
        if name in inspect.signature(Stack).parameters:
            whole = f"{{'type': 'Stack', 'cells': [...], {name!r}: {options[name]!r}}}"
            yield f"in a list of cells {name!r} is of the whole list: cell={whole}."
        elif name in OPTION_NAMES or name == "proj_size":
            yield f"{name!r} is not for a list of cells. Leave it out."
    own = {name: value for name, value in options.items() if name in taken or name not in OPTION_NAMES}
    yield from _refused(lambda: LAYERS[kind_of(one)](1, _ANY_WIDTH, **own))


def _refused(make: Any) -> list[str]:
    """Return the problems that making something meets."""
    try:
        make()
    except UnrolledError as wrong:
        return list(wrong.problems)
    return []


def _sizes(config: Config) -> tuple[int | tuple[int, ...], int]:
    """Return widths and layers, with right ones in the place of open or wrong ones, which are said elsewhere."""
    widths, layers = config.hidden_size, config.num_layers
    one_each = is_stack(config.cell) and isinstance(widths, tuple) and len(widths) != len(cells_of(config.cell))
    every = widths if isinstance(widths, tuple) else (widths,)
    usable = bool(every) and all(map(_is_size, every)) and not one_each
    return (widths if usable and widths is not None else _ANY_WIDTH), (layers if _is_size(layers) else 1)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
