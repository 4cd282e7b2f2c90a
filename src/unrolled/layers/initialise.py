"""How a layer's parameters are drawn: `init=` and `forget_bias=`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.errors import ConfigError, UnrolledError, did_you_mean
from unrolled.init import Scheme, init_chrono, init_keras, init_torch, set_forget_bias

_SCHEMES: Final[dict[str, Scheme]] = {"torch": init_torch, "keras": init_keras}


def initialise(cell: Cell[Any], weights: Any, init: Any, forget_bias: float | None) -> None:
    """Draw the parameters of one direction of one layer anew."""
    named: dict[str, Tensor] = {name: w for name, w in weights._asdict().items() if w is not None}
    own = init if isinstance(init, Mapping) else {}
    for name in own:
        if name not in named:
            known = ", ".join(named)
            raise ConfigError(f"init names {name!r}, which {cell.name} lacks: {known}.{did_you_mean(str(name), named)}")
    _scheme(init)(cell.name, cell.gates, cell.hidden_size, named)
    with torch.no_grad():
        for name in filter(lambda name: name.startswith("norm_"), named):
            named[name].fill_(0 if name.endswith("_bias") else 1)
        for name, draw in own.items():
            _draw(name, named[name], draw)
    if forget_bias is not None:
        set_forget_bias(cell.gates, cell.hidden_size, named, forget_bias)


def _draw(name: str, parameter: Tensor, draw: Any) -> None:
    try:
        draw(parameter)
    except UnrolledError:
        raise
    except Exception as error:
        raise ConfigError(
            f"init's initialiser of {name} failed on its shape {tuple(parameter.shape)}: {error}"
        ) from error


def _scheme(init: Any) -> Scheme:
    if isinstance(init, Mapping):
        return init_torch
    return _SCHEMES[init] if isinstance(init, str) else init_chrono(init[1])
