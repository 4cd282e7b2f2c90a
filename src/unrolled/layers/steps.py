"""Single steps one after another, each made from the output before: what calls check and lay out is done once.

Shapes: N = batch, F = input features, Y = output features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from jaxtyping import Float
from torch import Tensor, nn

Advance = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""From time-major steps and the states before them to the output and the states after, in the layers' inside form."""


@final
class Steps:
    """A run of a `batch_first` layer that goes on from the states of a call.

    In training mode, and where someone listens to the layer's calls, each step is such a call.

    Args:
        layer: A LSTM, GRU, RNN, SLSTM or Stack.
        hx: Its states so far, as a call returned them.
    """

    def __init__(self, layer: Any, hx: Any) -> None:
        self._layer, self._states = layer, hx
        self._advance: Advance | None = None
        self._calls = layer.training or _is_heard(layer)

    def __call__(self, x_N1F: Float[Tensor, "N 1 F"]) -> Float[Tensor, "N 1 Y"]:
        """Read one step more, and return its output."""
        if self._calls:
            output_N1Y: Tensor
            output_N1Y, self._states = self._layer(x_N1F, self._states)
            return output_N1Y
        if self._advance is None:
            self._advance, self._states = self._layer._stepwise(x_N1F, self._states)
        output_1NY, self._states = self._advance(x_N1F.transpose(0, 1), self._states)
        return output_1NY.transpose(0, 1)


def _is_heard(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks)
