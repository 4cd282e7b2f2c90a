"""Initialisers that draw their values, and the one constant.

They are called by what they are, as those of Keras: `init.orthogonal()(weight)`. Shapes: see `base`.
"""
# ruff: noqa: N801 — used as verbs, as the functions of torch.nn.init are; their repr is then what the user wrote.

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor, nn

from unrolled.init.base import (
    Fans,
    Initialiser,
    blocks_problem,
    check_arguments,
    count_problem,
    fans,
    number_problem,
)

_TRUNCATED_STD: Final = 0.87962566103423978
"""Standard deviation of a standard normal truncated at ±2: √(1 − 4·φ(2) / (2·Φ(2) − 1))."""


class _OfBlocks(Initialiser):
    """Draws from a distribution whose scale is made of one block's fans."""

    blocks: int

    def _problem(self, tensor: Tensor) -> str | None:
        return blocks_problem(tensor, self.blocks, vectors=True)

    def _fans(self, tensor: Tensor) -> Fans:
        # An empty tensor has nothing to scale, and nothing to divide by.
        return Fans(*(max(size, 1) for size in fans(tensor, self.blocks)))


@final
@dataclass(frozen=True)
class constant(Initialiser):
    """Fills with one value.

    Args:
        value: Any number. Default: 0.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> init.constant(1.0)(torch.empty(3))
        tensor([1., 1., 1.])
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        check_arguments("constant", number_problem("value", self.value))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        tensor.fill_(self.value)


@final
@dataclass(frozen=True)
class truncated_normal(Initialiser):
    """Draws from a normal distribution without its tails, none more than 2·std from the mean.

    As Keras's `TruncatedNormal`, `std` is that of the distribution before it is truncated; what is drawn has 0.88·std.

    Args:
        mean: The distribution's middle. Default: 0.
        std: Standard deviation before truncation, greater than zero. Default: 0.05, as Keras.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bool(init.truncated_normal(std=0.1)(torch.empty(80, 20)).abs().max() <= 0.2)
        True
    """

    mean: float = 0.0
    std: float = 0.05

    def __post_init__(self) -> None:
        check_arguments("truncated_normal", number_problem("mean", self.mean), number_problem("std", self.std, above=0))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        _fill_truncated(tensor, self.mean, self.std, generator)


@final
@dataclass(frozen=True)
class uniform(_OfBlocks):
    """Draws from U(−bound, bound), by default U(−1/√fan_in, 1/√fan_in).

    LeCun et al. (1998), "Efficient BackProp", with the bound that `torch.nn.Linear` has. The recurrent layers of
    `torch.nn` draw every tensor with `bound=1/√H`.

    Args:
        bound: Greater than zero; None, the default, for 1/√fan_in.
        blocks: Gate blocks stacked in the tensor (B); it matters to vectors alone, whose fan is a block's length.
            Default: 1.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bool(init.uniform()(torch.empty(80, 25)).abs().max() <= 0.2)
        True
    """

    bound: float | None = None
    blocks: int = 1

    def __post_init__(self) -> None:
        bound = None if self.bound is None else number_problem("bound", self.bound, above=0)
        check_arguments("uniform", bound, count_problem("blocks", self.blocks))

    def _problem(self, tensor: Tensor) -> str | None:
        return super()._problem(tensor) if self.bound is None else None

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        bound = 1 / math.sqrt(self._fans(tensor).inputs) if self.bound is None else self.bound
        tensor.uniform_(-bound, bound, generator=generator)


@final
@dataclass(frozen=True)
class he_uniform(_OfBlocks):
    """Draws from U(−√(6/fan_in), √(6/fan_in)), for layers with ReLU.

    He et al. (2015), "Delving deep into rectifiers".

    Args:
        blocks: Gate blocks stacked in the tensor (B); it matters to vectors alone. Default: 1.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bool(init.he_uniform()(torch.empty(80, 24)).abs().max() <= 0.5)
        True
    """

    blocks: int = 1

    def __post_init__(self) -> None:
        check_arguments("he_uniform", count_problem("blocks", self.blocks))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        bound = math.sqrt(6 / self._fans(tensor).inputs)
        tensor.uniform_(-bound, bound, generator=generator)


@final
@dataclass(frozen=True)
class he_normal(_OfBlocks):
    """Draws from a normal distribution of variance 2/fan_in, for layers with ReLU.

    He et al. (2015), "Delving deep into rectifiers".

    Args:
        blocks: Gate blocks stacked in the tensor (B); it matters to vectors alone. Default: 1.
        truncated: Whether nothing further than 2 standard deviations is drawn, of the same variance, as Keras's
            `HeNormal` does; `torch.nn.init` and the paper don't. Default: False.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> round(init.he_normal()(torch.empty(10_000, 8), torch.Generator().manual_seed(0)).std().item(), 2)
        0.5
    """

    blocks: int = 1
    truncated: bool = False

    def __post_init__(self) -> None:
        check_arguments("he_normal", count_problem("blocks", self.blocks))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        _fill_normal(tensor, math.sqrt(2 / self._fans(tensor).inputs), self.truncated, generator)


@final
@dataclass(frozen=True)
class glorot_uniform(_OfBlocks):
    """Draws from U(−√(6/(fan_in + fan_out)), √(6/(fan_in + fan_out))).

    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".

    Args:
        blocks: Gate blocks stacked in the tensor (B). 1, the default, draws the whole kernel as one layer of B·H
            outputs, which is what Keras does; B gives each gate the fans of its own block.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bool(init.glorot_uniform()(torch.empty(80, 16)).abs().max() <= 0.25)
        True
    """

    blocks: int = 1

    def __post_init__(self) -> None:
        check_arguments("glorot_uniform", count_problem("blocks", self.blocks))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        bound = _glorot_bound(self._fans(tensor))
        tensor.uniform_(-bound, bound, generator=generator)


@final
@dataclass(frozen=True)
class glorot_normal(_OfBlocks):
    """Draws from a normal distribution of variance 2/(fan_in + fan_out).

    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".

    Args:
        blocks: Gate blocks stacked in the tensor (B), as for `glorot_uniform`. Default: 1.
        truncated: As for `he_normal`: True is Keras's `GlorotNormal`. Default: False.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> round(init.glorot_normal()(torch.empty(180, 20), torch.Generator().manual_seed(0)).std().item(), 2)
        0.1
    """

    blocks: int = 1
    truncated: bool = False

    def __post_init__(self) -> None:
        check_arguments("glorot_normal", count_problem("blocks", self.blocks))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        _fill_normal(tensor, math.sqrt(2 / sum(self._fans(tensor))), self.truncated, generator)


@final
@dataclass(frozen=True)
class wide_uniform(_OfBlocks):
    """Draws from a uniform distribution 4 times as wide as Glorot's, for units that end in a sigmoid.

    The bound is 4·√(6/(fan_in + fan_out)): a sigmoid's slope at 0 is a quarter of tanh's. Bengio (2012),
    "Practical recommendations for gradient-based training of deep architectures".

    Args:
        blocks: Gate blocks stacked in the tensor (B), as for `glorot_uniform`. Default: 1.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bool(init.wide_uniform(blocks=4)(torch.empty(32, 16)).abs().max() <= 2.0)
        True
    """

    blocks: int = 1

    def __post_init__(self) -> None:
        check_arguments("wide_uniform", count_problem("blocks", self.blocks))

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        bound = 4 * _glorot_bound(self._fans(tensor))
        tensor.uniform_(-bound, bound, generator=generator)


@final
@dataclass(frozen=True)
class orthogonal(Initialiser):
    """Draws a matrix whose columns are orthonormal, or whose rows are where it is wider than high.

    Saxe et al. (2014), "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks".

    Args:
        gain: What the matrix is multiplied by. Default: 1.
        blocks: Gate blocks stacked in the tensor (B). 1, the default, makes the whole (B·H, H) kernel orthonormal,
            which is what Keras does: each gate's block is then shorter, by 1/√B in root mean square. B makes each
            gate's block orthogonal by itself.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> r, z, n = init.orthogonal(blocks=3)(torch.empty(15, 5)).chunk(3)
        >>> torch.allclose(z @ z.T, torch.eye(5), atol=1e-6)
        True
    """

    gain: float = 1.0
    blocks: int = 1

    def __post_init__(self) -> None:
        check_arguments("orthogonal", number_problem("gain", self.gain), count_problem("blocks", self.blocks))

    def _problem(self, tensor: Tensor) -> str | None:
        return blocks_problem(tensor, self.blocks, vectors=False)

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        for block in tensor.chunk(self.blocks):
            work = _working_copy(block)
            nn.init.orthogonal_(work, self.gain, generator=generator)
            block.copy_(work)


def _glorot_bound(of: Fans) -> float:
    return math.sqrt(6 / sum(of))


def _fill_normal(tensor: Tensor, std: float, truncated: bool, generator: torch.Generator | None) -> None:
    if truncated:
        _fill_truncated(tensor, 0.0, std / _TRUNCATED_STD, generator)
    else:
        tensor.normal_(0.0, std, generator=generator)


def _fill_truncated(tensor: Tensor, mean: float, std: float, generator: torch.Generator | None) -> None:
    work = _working_copy(tensor)
    nn.init.trunc_normal_(work, mean, std, mean - 2 * std, mean + 2 * std, generator=generator)
    tensor.copy_(work)


def _working_copy(tensor: Tensor) -> Tensor:
    """An empty one of the same shape, in a type that has a QR and an inverse error function."""
    wide = torch.float32 if tensor.dtype.itemsize < 4 else tensor.dtype
    return torch.empty(tensor.shape, dtype=wide, device=tensor.device)
