"""What a module is drawn as, and what is said of it in a few words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from torch import nn
from torch.nn.modules import activation, batchnorm, conv, dropout, instancenorm, pooling

from unrolled.analysis.layers_inside import is_recurrent
from unrolled.layers import Pool
from unrolled.layers.one_step import RecurrentCell
from unrolled.trace import Role

_NORMS: Final = (
    batchnorm._BatchNorm,
    instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
_KINDS: Final[tuple[tuple[Role, tuple[type[nn.Module], ...]], ...]] = (
    ("recurrent", (nn.RNNBase, nn.RNNCellBase, RecurrentCell)),
    ("embedding", (nn.Embedding, nn.EmbeddingBag)),
    ("dense", (nn.Linear, nn.Bilinear)),
    ("convolution", (conv._ConvNd,)),
    ("normalisation", _NORMS),
    ("dropout", (dropout._DropoutNd,)),
    ("flatten", (nn.Flatten, nn.Unflatten)),
)


def role_of(module: nn.Module) -> Role:
    """What a module is drawn as, by its class."""
    if is_recurrent(module):
        return "recurrent"
    for role, kinds in _KINDS:
        if isinstance(module, kinds):
            return role
    home = next((base.__module__ for base in type(module).__mro__ if base.__module__.startswith("torch.nn")), "")
    if isinstance(module, Pool) or home == pooling.__name__:
        return "pooling"
    is_attention = isinstance(module, nn.MultiheadAttention)
    return "activation" if home == activation.__name__ and not is_attention else "other"


def space_of(module: nn.Module) -> int | None:
    """Over how many axes of space a module works: 2 for Conv2d; None where it works over none."""
    if role_of(module) not in ("convolution", "pooling", "normalisation", "dropout"):
        return None
    found = re.search(r"([123])d$", type(module).__name__)
    return int(found[1]) if found else None


def note_of(module: nn.Module) -> str:
    """What else matters about a module: a kernel's size, a rate, how many layers."""
    role = role_of(module)
    return _NOTES[role](module) if role in _NOTES else ""


def _window(module: Any) -> str:
    """The size of a kernel, and how it moves where that is unusual: "3 × 3, stride 2, padding 1"."""
    size = getattr(module, "kernel_size", None)
    if size is None:
        target = getattr(module, "output_size", None)
        return "" if target is None else f"to {_size(module, target)}"
    usual_stride = 1 if isinstance(module, conv._ConvNd) else size
    extra = [("stride", usual_stride), ("padding", 0), ("dilation", 1), ("groups", 1)]
    differing = [(name, value) for name, usual in extra if _by(value := getattr(module, name, usual)) != _by(usual)]
    return ", ".join([_size(module, size), *(f"{name} {_by(value)}" for name, value in differing)])


def _size(module: Any, size: Any) -> str:
    """A kernel's size along each axis: "3 × 3", "5 wide"; one number stands for all axes."""
    space = space_of(module) or 1
    sizes = list(size) if isinstance(size, tuple | list) else [size] * space
    return " × ".join(map(str, sizes)) if len(sizes) > 1 else f"{sizes[0]} wide"


def _by(size: Any) -> str:
    """Sizes along several axes, or the only one where they are all the same: (2, 2) -> "2"."""
    sizes = list(size) if isinstance(size, tuple | list) else [size]
    return str(sizes[0]) if len(set(sizes)) == 1 else " × ".join(map(str, sizes))


def _recurrent(module: Any) -> str:
    layers = len(module.cells) if hasattr(module, "cells") else getattr(module, "num_layers", 1)
    words = [f"{layers} layers"] if layers > 1 else []
    return ", ".join([*words, *(["bidirectional"] if getattr(module, "bidirectional", False) else [])])


_NOTES: Final[dict[Role, Callable[[Any], str]]] = {
    "convolution": _window,
    "pooling": _window,
    "dropout": lambda module: f"p = {module.p:g}",
    "embedding": lambda module: f"{module.num_embeddings} entries",
    "recurrent": _recurrent,
}
