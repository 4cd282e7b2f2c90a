"""What is wrong with one call, wrong values and wrong types together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import DtypeError, Problems, UnrolledError


class Findings(Problems):
    """Problems of values and of types, raised as one error of the more telling kind."""

    def __init__(self) -> None:
        super().__init__()
        self._types = 0

    def add_type(self, problem: str) -> None:
        """Note a problem of type, dtype or device."""
        self._types += 1
        self.add(problem)

    def extend(self, others: Findings) -> None:
        """Note all that was found elsewhere."""
        self._found += others._found
        self._types += others._types

    def finish(self, error: type[UnrolledError], subject: str) -> None:
        """Raise all that was found: as `DtypeError` when nothing but types is wrong, else as `error`."""
        many = len(self._found) > 1
        heading = f"{subject}: {len(self._found)} problems" if many else ""
        self.raise_as(DtypeError if self._types == len(self._found) else error, heading)


def describe(value: Any) -> str:
    """Name a value's type and, where it has them, its shape and the type of its elements."""
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if not isinstance(shape, tuple):
        return type(value).__name__
    text = f"{type(value).__name__} {tuple(shape)}"
    return text if dtype is None else f"{text} of {dtype}"


def enumerate_some(items: list[str], shown: int) -> str:
    """Join the first items, and say how many more there are."""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(items[:shown]) + more


def check_like(found: Findings, kind: str, what: str, given: Tensor, weight: Tensor) -> None:
    """Note a dtype or device other than the parameters'."""
    if not _has_type(given, weight):
        layer = f", or the layer, .to({given.dtype})" if is_real(given) else ""
        found.add_type(
            f"{kind}'s parameters are {weight.dtype}; {what} is {given.dtype}. Convert it, .to({weight.dtype}){layer}."
        )
    if given.device != weight.device:
        found.add_type(
            f"{kind}'s parameters are on {weight.device}; {what} is on {given.device}. "
            f"Move it, .to('{weight.device}'), or the layer, .to('{given.device}')."
        )


def is_like(given: Tensor, weight: Tensor) -> bool:
    """Whether a tensor's dtype and device are the parameters'."""
    return given.device == weight.device and _has_type(given, weight)


def _has_type(given: Tensor, weight: Tensor) -> bool:
    # Under autocast kernels convert what they are given.
    rounds = given.dtype != weight.dtype and torch._C._is_any_autocast_enabled()
    return given.dtype == weight.dtype or (rounds and given.is_floating_point())


def is_real(given: Tensor) -> bool:
    """Whether a tensor holds numbers that a layer can compute with, rather than counts or ids."""
    return given.is_floating_point() or given.is_complex()
