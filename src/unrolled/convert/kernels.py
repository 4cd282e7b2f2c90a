"""What Keras, TensorFlow 1, haste and flax have in common: kernels, which are our weights transposed.

Shapes: F = input features, H = hidden units, B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unrolled.convert.arrays import Array, reorder


def from_kernel(kernel: Array, given: Sequence[str], wanted: Sequence[str]) -> Array:
    """Turn a kernel (F, B·H) whose blocks are `given` into our weight (B·H, F); a bias (B·H) stays one."""
    return np.ascontiguousarray(reorder(kernel, given, wanted, axis=-1).T)


def to_kernel(weight: Array, given: Sequence[str], wanted: Sequence[str]) -> Array:
    """Turn our weight (B·H, F) into a kernel (F, B·H) whose blocks are `wanted`; a bias (B·H) stays one."""
    return np.ascontiguousarray(reorder(weight, given, wanted, axis=0).T)
