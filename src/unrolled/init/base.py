"""What an initialiser is: a small frozen callable that fills one tensor.

Shapes: B = gate blocks stacked in one weight, H = hidden units, F = input features. Weights lie as in
`torch.nn`, (outputs, inputs): a stacked weight is (B·H, F).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.errors import ConfigError, DtypeError, Problems, ShapeError


class Initialiser(ABC):
    """Fills a tensor in place; a subclass is final, frozen and holds its numbers.

    An initialiser has no state: two calls draw different values, and a seeded `generator` makes them the same.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> weight = torch.empty(80, 7)  # four gate blocks of 20 units that read 7 features
        >>> filled = init.glorot_uniform(blocks=4)(weight, torch.Generator().manual_seed(1))
        >>> filled is weight, bool(weight.abs().max() <= (6 / (7 + 20)) ** 0.5)
        (True, True)
    """

    def __call__(self, tensor: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Fill `tensor` in place, outside autograd, and return it.

        Args:
            tensor: What to fill; of a floating-point type, on any device.
            generator: Where the random numbers come from, on the tensor's device. Default: PyTorch's own.

        Raises:
            ShapeError: The tensor's shape is not one that the initialiser can fill.
            DtypeError: It is no floating-point tensor, or the generator is on another device.
        """
        check_target(self, tensor, generator)
        if problem := self._problem(tensor):
            raise ShapeError(f"{self!r}: {problem}")
        with torch.no_grad():
            self._fill(tensor, generator)
        return tensor

    def _problem(self, tensor: Tensor) -> str | None:
        """Say why the tensor's shape can't be filled; None when it can."""
        return None

    @abstractmethod
    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Fill a checked tensor."""


class Fans(NamedTuple):
    """How many numbers go into and come out of one gate's block."""

    inputs: int
    outputs: int


def fans(tensor: Tensor, blocks: int) -> Fans:
    """Count the inputs and outputs of one block; those of a vector are both its length, as in Keras."""
    rows = tensor.shape[0] // blocks
    return Fans(tensor.shape[-1] if tensor.dim() == 2 else rows, rows)


def blocks_problem(tensor: Tensor, blocks: int, *, vectors: bool) -> str | None:
    """Say why a tensor is no stack of `blocks` blocks; None when it is one. `vectors`: whether 1-D ones may be."""
    shape = tuple(tensor.shape)
    wanted = "a weight (B·H, F) or a vector (B·H,)" if vectors else "a weight (B·H, F)"
    if tensor.dim() != 2 and not (vectors and tensor.dim() == 1):
        return f"expected {wanted}; got {shape}, which has {tensor.dim()} axes."
    if shape[0] % blocks:
        return (
            f"blocks={blocks} wants a number of rows that {blocks} divides, one equal block a gate; got {shape}. "
            "An LSTM has 4 blocks, a GRU 3, an RNN 1."
        )
    return None


def check_target(initialiser: object, tensor: Any, generator: torch.Generator | None) -> None:
    """Raise what is wrong with the tensor itself, or with the generator for it."""
    if not isinstance(tensor, Tensor):
        raise DtypeError(f"{initialiser!r} fills a tensor in place; got {type(tensor).__name__}.")
    problems = Problems()
    problems.check(
        tensor.is_floating_point(),
        f"{initialiser!r} fills floating-point tensors; got {tuple(tensor.shape)} of {tensor.dtype}.",
    )
    # A meta tensor has no values: filling it draws nothing.
    if generator is not None and tensor.device.type != "meta":
        problems.check(
            generator.device.type == tensor.device.type,
            f"the tensor is on {tensor.device}; the generator is on {generator.device}. "
            f"Pass torch.Generator('{tensor.device}').",
        )
    problems.raise_as(DtypeError)


def check_arguments(name: str, *found: str | None) -> None:
    """Raise all problems that were found with an initialiser's own arguments."""
    problems = [problem for problem in found if problem]
    if problems:
        raise ConfigError(*problems, heading=f"{name}(...)" if len(problems) > 1 else "")


def number_problem(name: str, value: Any, *, above: float | None = None, least: float | None = None) -> str | None:
    """Say why a value is not a finite number, greater than `above` or at least `least`; None when it is."""
    bound = f" greater than {above:g}" if above is not None else f" of at least {least:g}" if least is not None else ""
    wanted = f"{name} must be a finite number{bound}; got {value!r}."
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return wanted
    return wanted if (above is not None and value <= above) or (least is not None and value < least) else None


def count_problem(name: str, value: Any) -> str | None:
    """Say why a value is not a whole number of at least 1; None when it is."""
    fine = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return None if fine else f"{name} must be a whole number of at least 1; got {value!r}."
