"""The user's own names of the axes, such as cities, dates and weather."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from unrolled.errors import ConfigError, Problems, did_you_mean

AXES: Final[Mapping[str, str]] = {"batch": "samples", "time": "steps", "feature": "features"}
"""The axes that can be named, and what lies along each."""


def check_names(names: Any, sizes: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Return the names as texts.

    Args:
        names: What the user gave: for some of the axes, one name for each index; or None.
        sizes: Of each axis in the user's batch.

    Raises:
        ConfigError: Lists everything that is wrong with them.
    """
    if names is None:
        return {}
    example = '{"batch": ["Paris", "Rome"], "feature": ["sun", "wind"]}'
    if not isinstance(names, Mapping):
        raise ConfigError(f"names must be a dict of lists by axis, such as {example}; got {type(names).__name__}.")
    problems = Problems()
    checked = {axis: _check_axis(axis, given, sizes, problems) for axis, given in names.items()}
    problems.raise_as(ConfigError, heading="explore: the names don't go with x" if len(names) > 1 else "")
    return checked


def _check_axis(axis: Any, given: Any, sizes: Mapping[str, int], problems: Problems) -> tuple[str, ...]:
    if axis not in AXES:
        hint = did_you_mean(str(axis), AXES)
        problems.add(f"names has an entry {axis!r}, which is no axis; they are {', '.join(AXES)}.{hint}")
        return ()
    wanted = f"one name for each of the {sizes[axis]:,} {AXES[axis]} of x"
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        problems.add(f"names[{axis!r}] must be a list with {wanted}; got {given!r}.")
        return ()
    texts = tuple(map(str, given))
    problems.check(len(texts) == sizes[axis], f"names[{axis!r}] must have {wanted}; got {len(texts):,}.")
    return texts
