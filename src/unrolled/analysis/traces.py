"""What analyses of a trace refuse."""

from __future__ import annotations

from torch import nn

from unrolled.errors import DtypeError
from unrolled.trace import Trace


def require_trace(verb: str, trace: object) -> None:
    """Refuse what is no trace, a model above all.

    Raises:
        DtypeError: It is none; the message says how to get one.
    """
    if isinstance(trace, Trace):
        return
    how = "record(model, x)[0].trace" if isinstance(trace, nn.Module) else "layer.trace(x) or record(model, x)[0].trace"
    raise DtypeError(f"{verb} expected a Trace; got {type(trace).__name__}. Pass {how}.")
