"""Arrays of other libraries: read as numpy, checked by named axes, their gate blocks put in another order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from unrolled.errors import DtypeError, Problems, ShapeError, did_you_mean

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Parameters: TypeAlias = dict[str, Array]
"""The parameters of one layer and direction, by our names without layer and direction: "weight_ih", …"""

Axes: TypeAlias = Mapping[str, tuple[str, ...]]
"""The axes of each array of a layout, such as `{"kernel": ("F", "4H")}`: a size's name, or a multiple of one."""

_FLOATS: Final = ("float16", "float32", "float64")


def to_array(value: Any, label: str) -> Array:
    """Read a tensor of any library as a numpy array of floats.

    Raises:
        DtypeError: It is no array of 16, 32 or 64-bit floats.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            raise DtypeError(f"{label} is bfloat16, which numpy does not have. Pass {label}.float().")
    array = np.asarray(value)
    if array.dtype.name not in _FLOATS:
        raise DtypeError(f"{label} must hold floats ({', '.join(_FLOATS)}); got {array.dtype.name}.")
    return array


def to_arrays(where: str, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Read several; all that are no arrays of floats are refused together."""
    read, found = {}, Problems()
    for name, value in arrays.items():
        try:
            read[name] = to_array(value, f"{where}: {name}")
        except DtypeError as error:
            found.add(str(error))
    found.raise_as(DtypeError)
    return read


def check_arrays(where: str, arrays: Mapping[str, Array], axes: Axes, optional: Iterable[str] = ()) -> dict[str, int]:
    """Hold arrays to a layout; return the size of each named axis.

    Args:
        where: What is read, for the messages.
        arrays: By the layout's names.
        axes: The layout. A size is what the first array with an axis of that name says.
        optional: Names that need not be there.

    Raises:
        ShapeError: Something is missing, unknown or of another shape; the message lists all of it.
    """
    found = Problems()
    for name in axes:
        if name not in arrays and name not in optional:
            found.add(f"{where} needs {name} ({', '.join(axes[name])}); it got {_listed(arrays)}.")
    for name in arrays:
        if name not in axes:
            hint = did_you_mean(name, axes)
            found.add(
                f"{where} has an array named {name!r}, which does not belong to it.{hint} It knows {_listed(axes)}."
            )
    there = {name: arrays[name].shape for name in axes if name in arrays}
    sizes = _sizes(there, axes)
    for name, shape in there.items():
        wanted = tuple(_size_of(axis, sizes) for axis in axes[name])
        if shape != wanted:
            turned = _sizes(there | {name: shape[::-1]}, axes)
            is_turned = len(shape) > 1 and shape[::-1] == tuple(_size_of(axis, turned) for axis in axes[name])
            found.add(_wrong_shape(where, name, axes[name], shape, wanted, is_turned))
    found.raise_as(ShapeError)
    return sizes


def reorder(array: Array, given: Sequence[str], wanted: Sequence[str], axis: int = 0) -> Array:
    """Put stacked gate blocks in another order.

    Args:
        array: Blocks of equal size along `axis`.
        given: The gates' names in the order in which they lie.
        wanted: The same names in the order in which they shall lie.
        axis: The blocks' axis.

    Example:
        >>> import numpy as np
        >>> from unrolled.convert.arrays import reorder
        >>> reorder(np.array([1, 2, 3, 4]), "iofg", "ifgo").tolist()
        [1, 3, 4, 2]
    """
    blocks = dict(zip(given, np.split(array, len(given), axis), strict=True))
    return np.concatenate([blocks[gate] for gate in wanted], axis)


def _sizes(shapes: Mapping[str, tuple[int, ...]], axes: Axes) -> dict[str, int]:
    """What the arrays say of each size: those that have it as an axis first, then those that have a multiple of it."""
    pairs = [pair for name, shape in shapes.items() for pair in zip(axes[name], shape, strict=False)]
    sizes: dict[str, int] = {}
    for axis, size in sorted(pairs, key=lambda pair: not pair[0].isalpha()):
        factor, name = _parts(axis)
        if name:
            sizes.setdefault(name, size // factor)
    return sizes


def _size_of(axis: str, sizes: Mapping[str, int]) -> int | None:
    """The number that "4H" stands for; None where H is not known."""
    factor, name = _parts(axis)
    if not name:
        return factor
    return factor * sizes[name] if name in sizes else None


def _parts(axis: str) -> tuple[int, str]:
    name = axis.lstrip("0123456789")
    return int(axis.removesuffix(name) or 1), name


def _wrong_shape(
    where: str,
    name: str,
    axes: tuple[str, ...],
    given: tuple[int, ...],
    wanted: tuple[int | None, ...],
    is_turned: bool,
) -> str:
    shape = given[::-1] if is_turned else wanted
    numbers = "" if None in shape else f" = {shape}"
    hint = " Is it transposed? Pass its .T." if is_turned else ""
    return f"{where}: {name} must be ({', '.join(axes)}){numbers}; got {given}.{hint}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
