"""Whether a tensor is memory that native code can work on."""

from __future__ import annotations

import torch
from torch import Tensor


def is_plain(x: Tensor) -> bool:
    """Whether `x` is memory and nothing else: no stand-in of a compiler, an export or a function transformation."""
    return (
        type(x) is Tensor
        and not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._functorch.peek_interpreter_stack() is None
    )
