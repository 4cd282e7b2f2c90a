"""Zoneout's masks: one bit for each unit, step and sequence, more than a general generator draws in good time."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.kernels.native_library import absence, library
from unrolled.kernels.plain import is_plain


def draw_held(probability: float, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Draw a bool tensor of `shape`, True with `probability`, less than 1.

    On a CPU the native code hashes a seed that comes from PyTorch's generator: `torch.manual_seed` makes it
    reproducible, on any number of threads. Elsewhere, and where x is no plain memory, PyTorch draws.
    """
    held = torch.empty(shape, dtype=torch.bool, device=device)
    if device.type != "cpu" or absence() or not is_plain(held):
        return torch.rand(shape, device=device) < probability
    seed = int(torch.empty((), dtype=torch.int64).random_())
    library().draw(held.data_ptr(), held.numel(), seed, probability, torch.get_num_threads())
    return held
