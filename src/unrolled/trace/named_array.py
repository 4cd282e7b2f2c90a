"""A numpy array that knows what its axes mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import DTypeLike

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@final
@dataclass(frozen=True, eq=False)
class NamedArray:
    """Values with one name per axis, such as ("time", "batch", "hidden").

    Example:
        >>> import numpy as np
        >>> from unrolled.trace import NamedArray
        >>> a = NamedArray(np.zeros((7, 4)), ("time", "batch"))
        >>> a
        NamedArray(time=7, batch=4; float64)
        >>> a.sizes["batch"]
        4
    """

    values: Array
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.axes) != self.values.ndim:
            raise ValueError(f"{self.values.ndim} axes named {self.axes}; give one name per axis.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis, in order."""
        return tuple(self.values.shape)

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each axis by its name."""
        return dict(zip(self.axes, self.values.shape, strict=True))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Let numpy functions take it as it is."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, index: Any) -> Any:
        """Index the values."""
        return self.values[index]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes.items())
        return f"NamedArray({sizes}; {self.values.dtype})"
