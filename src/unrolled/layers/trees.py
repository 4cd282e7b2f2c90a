"""Tensors in nested tuples and lists, the form in which states come and go.

Shapes: N = batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxtyping import Bool
from torch import Tensor


def map_leaves(function: Callable[..., Tensor], tree: Any, *others: Any) -> Any:
    """Apply `function` to each tensor, with those at the same place in `others`; None stays None.

    Named tuples stay what they are.

    Raises:
        ValueError: The trees have not one form.
    """
    if isinstance(tree, Tensor):
        return function(tree, *others)
    if tree is None:
        return None
    if any(not isinstance(other, tuple | list) for other in others):
        raise ValueError("the trees have not one form")
    made = [map_leaves(function, *parts) for parts in zip(tree, *others, strict=True)]
    return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)


def leaves(tree: Any) -> Iterator[Any]:
    """Everything in a tree that is no tuple, list or None."""
    if isinstance(tree, tuple | list):
        for part in tree:
            yield from leaves(part)
    elif tree is not None:
        yield tree


def rows_where(chosen_N: Bool[Tensor, "N"], tree: Any, other: Any, axis: int) -> Any:
    """Take the chosen rows of each tensor of `tree`, and the rest of `other`; rows lie along `axis`."""

    def choose(one: Tensor, two: Tensor) -> Tensor:
        shape = [1] * one.dim()
        shape[axis] = -1
        return one.where(chosen_N.to(one.device).view(shape), two)

    return map_leaves(choose, tree, other)


def leaves_by_path(path: str, tree: Any) -> dict[str, Tensor]:
    """Name each tensor after its place: "state.1.0"."""
    if isinstance(tree, Tensor):
        return {path: tree}
    parts = enumerate(tree if tree is not None else ())
    return {name: leaf for k, part in parts for name, leaf in leaves_by_path(f"{path}.{k}", part).items()}


def tree_of(path: str, named: Mapping[str, Tensor]) -> Any:
    """Undo `leaves_by_path`, in plain tuples; places without any tensor become ()."""
    if path in named:
        return named[path]
    places = [int(name.removeprefix(f"{path}.").partition(".")[0]) for name in named if name.startswith(f"{path}.")]
    return tuple(tree_of(f"{path}.{k}", named) for k in range(max(places, default=-1) + 1))
