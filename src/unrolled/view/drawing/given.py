"""What users give to figures, made plain and checked: every problem of a call is noted before one error says them all.

Shapes: N = batch, T = time, F = features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.errors import ConfigError, Problems, did_you_mean
from unrolled.trace import Array

LEAST_WIDTH, MOST_WIDTH = 4.9, 60.0  # inches


def as_numpy(value: Any) -> Array:
    """Return a tensor, an array or nested lists as a numpy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return np.asarray(value.resolve_neg().resolve_conj().numpy())
    return np.asarray(value)


def numbers(value: Any, name: str, problems: Problems) -> Array | None:
    """Return an array of real numbers, or note what is wrong with it."""
    try:
        found = as_numpy(value)
    except (TypeError, ValueError, RuntimeError):
        problems.add(f"`{name}` has to be a tensor, an array or nested lists of numbers; got {_kind(value)}.")
        return None
    if found.dtype.kind not in "biuf":
        problems.add(f"`{name}` has to hold real numbers; got {_kind(value)} of {found.dtype}.")
        return None
    return found.astype(np.float64, copy=False)


def check_width(width: Any, problems: Problems) -> None:
    """Note a width that no figure can have."""
    if width is None:
        return
    good = isinstance(width, int | float) and not isinstance(width, bool) and LEAST_WIDTH <= width <= MOST_WIDTH
    problems.check(
        good, f"`width` is in inches, {LEAST_WIDTH:g} (480 pixels on a page) to {MOST_WIDTH:g}; got {width!r}."
    )


def require_width(width: Any) -> None:
    """Refuse a width that no figure can have.

    Raises:
        ConfigError: Says which there are.
    """
    problems = Problems()
    check_width(width, problems)
    problems.raise_as(ConfigError)


def check_choice(value: Any, name: str, choices: Sequence[str], problems: Problems) -> None:
    """Note a choice that is none."""
    if value not in choices:
        near = did_you_mean(value, choices) if isinstance(value, str) else ""
        problems.add(f"`{name}` is one of {', '.join(map(repr, choices))}; got {value!r}.{near}")


def check_count(value: Any, name: str, problems: Problems, least: int = 1) -> bool:
    """Note a number of things that is no whole number, or too small; return whether it is good."""
    good = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least
    return problems.check(bool(good), f"`{name}` is a whole number, at least {least}; got {value!r}.")


def check_lengths(lengths: Any, samples: int, steps: int, problems: Problems) -> Array | None:
    """Return (N) valid steps of each sample, or note what is wrong with them."""
    if lengths is None:
        return None
    found = as_numpy(lengths)
    if found.shape != (samples,) or found.dtype.kind not in "iu":
        problems.add(
            f"`lengths` are whole numbers, one for each of the N={samples} samples; got {_kind(lengths)} "
            f"of shape {tuple(found.shape)} and type {found.dtype}."
        )
        return None
    wrong = [int(length) for length in found if not 0 <= length <= steps]
    if wrong:
        problems.add(f"`lengths` are between 0 and the T={steps} steps of `x`; got {wrong[:5]}.")
        return None
    return found


def check_names(names: Any, sizes: Mapping[str, int], problems: Problems) -> dict[str, tuple[str, ...]]:
    """Return the user's names by axis, or note what is wrong with them; nested ones along time are left to others."""
    if names is None:
        return {}
    if not isinstance(names, Mapping):
        problems.add(f"`names` is a dict such as {{'batch': ['Oslo', 'Rome']}}; got {_kind(names)}.")
        return {}
    good: dict[str, tuple[str, ...]] = {}
    for axis, given in names.items():
        if axis not in sizes:
            problems.add(
                f"`names` has names for {', '.join(map(repr, sizes))}; got {axis!r}.{did_you_mean(str(axis), sizes)}"
            )
        elif isinstance(given, str) or not isinstance(given, Iterable):
            problems.add(f"`names[{axis!r}]` is a list of names; got {_kind(given)}.")
        elif len(list(given)) != sizes[axis]:
            problems.add(f"`names[{axis!r}]` needs one name for each of {sizes[axis]:,}; got {len(list(given)):,}.")
        else:
            good[axis] = tuple(_name(value) for value in given)
    return good


def _name(value: Any) -> str:
    """Write a name; of a date without hours only the day."""
    text = str(value)
    return text[:10] if text.endswith(("T00:00:00", " 00:00:00")) or ("T00:00:00." in text) else text


def nested(names: Any) -> bool:
    """Whether names along time are lists, one for each sample."""
    time = names.get("time") if isinstance(names, Mapping) else None
    return isinstance(time, Sequence) and len(time) > 0 and all(isinstance(row, list | tuple) for row in time)


def _kind(value: Any) -> str:
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"
