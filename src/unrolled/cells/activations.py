"""The nonlinearities that a cell can be given, by ONNX's names.

ONNX operator specification, LSTM, GRU and RNN, attributes `activations`, `activation_alpha`, `activation_beta`;
the defaults of alpha and beta are those of the operators of the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, final

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.errors import ConfigError, did_you_mean

Function: TypeAlias = Callable[[Tensor], Tensor]

Nonlinearity: TypeAlias = str | Function
"""A name from `ACTIVATIONS`, in any spelling of its case, or a function of a tensor, elementwise."""


class _Known(NamedTuple):
    function: Callable[[Tensor, float, float], Tensor]
    alpha: float | None = None
    beta: float | None = None


ACTIVATIONS: Final[dict[str, _Known]] = {
    "relu": _Known(lambda x, _a, _b: torch.relu(x)),
    "tanh": _Known(lambda x, _a, _b: torch.tanh(x)),
    "sigmoid": _Known(lambda x, _a, _b: torch.sigmoid(x)),
    "affine": _Known(lambda x, a, b: a * x + b, 1.0, 0.0),
    "leaky_relu": _Known(lambda x, a, _b: functional.leaky_relu(x, a), 0.01),
    "thresholded_relu": _Known(lambda x, a, _b: torch.where(x > a, x, 0), 1.0),
    "scaled_tanh": _Known(lambda x, a, b: a * torch.tanh(b * x), 1.0, 1.0),
    "hard_sigmoid": _Known(lambda x, a, b: torch.clamp(a * x + b, 0, 1), 0.2, 0.5),
    "elu": _Known(lambda x, a, _b: functional.elu(x, a), 1.0),
    "softsign": _Known(lambda x, _a, _b: functional.softsign(x)),
    # By default PyTorch takes x itself from 20 on, which is right in float32 alone.
    "softplus": _Known(lambda x, _a, _b: functional.softplus(x, threshold=40)),
}
"""Each nonlinearity by its name, with alpha and beta where it has them."""

_BY_LETTERS: Final = {name.replace("_", ""): name for name in ACTIVATIONS}


@final
@dataclass(frozen=True, repr=False)
class Activation:
    """A nonlinearity with its constants, for `activation=` and `recurrent_activation=`.

    Args:
        name: One of "relu", "tanh", "sigmoid", "affine" (αx + β), "leaky_relu" (slope α), "thresholded_relu"
            (x where x > α), "scaled_tanh" (α·tanh(βx)), "hard_sigmoid" (αx + β within 0 and 1), "elu" (α),
            "softsign", "softplus"; ONNX's spelling, such as "HardSigmoid", too.
        alpha: α; ONNX's default by default. Only for those that have one.
        beta: β alike.

    Raises:
        ConfigError: There is no such nonlinearity, or it has no such constant.

    Example:
        >>> import torch
        >>> import unrolled
        >>> keras = unrolled.Activation("hard_sigmoid", alpha=1 / 6)
        >>> keras(torch.tensor([-3.0, 0.0, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """

    name: str
    alpha: float | None = None
    beta: float | None = None

    def __post_init__(self) -> None:
        name = canonical(self.name)
        if name is None:
            raise ConfigError(f"There is no activation {self.name!r}. {_suggest(self.name)}")
        known = ACTIVATIONS[name]
        for constant in ("alpha", "beta"):
            given, default = getattr(self, constant), getattr(known, constant)
            if given is not None and default is None:
                raise ConfigError(f"The activation {name!r} has no {constant}; got {constant}={given}. Leave it out.")
            object.__setattr__(self, constant, default if given is None else float(given))
        object.__setattr__(self, "name", name)

    def __repr__(self) -> str:
        # A dataclass's own guards against recursion with a lock, which a compiler can't see through.
        given = {"alpha": self.alpha, "beta": self.beta}
        constants = "".join(f", {name}={value}" for name, value in given.items() if value is not None)
        return f"Activation({self.name!r}{constants})"

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it to every element."""
        return ACTIVATIONS[self.name].function(x, self.alpha or 0.0, self.beta or 0.0)


def canonical(name: str) -> str | None:
    """The name in `ACTIVATIONS` that is meant by "HardSigmoid", "hardsigmoid" or "hard_sigmoid"; None if none is."""
    return _BY_LETTERS.get(name.replace("_", "").lower())


_BY_NAME: Final = {name: Activation(name) for name in ACTIVATIONS}


def function_of(nonlinearity: Nonlinearity) -> Function:
    """The function that a checked nonlinearity, in this project's spelling, names or is."""
    if nonlinearity == "tanh":
        return torch.tanh
    if nonlinearity == "sigmoid":
        return torch.sigmoid
    return _BY_NAME[nonlinearity] if isinstance(nonlinearity, str) else nonlinearity


def nonlinearity_problem(argument: str, value: object) -> str | None:
    """Say what is wrong with the value of a layer's argument; None when it is a nonlinearity."""
    if isinstance(value, str):
        return None if canonical(value) else f"{argument}={value!r} is no activation. {_suggest(value)}"
    if isinstance(value, type):
        made = f"{value.__name__}()"
        return f"{argument} must be a name or a function of a tensor; got the class {value.__name__}. Pass {made}."
    return None if callable(value) else f"{argument} must be a name or a function of a tensor; got {value!r}."


def _suggest(name: str) -> str:
    return f"There are {', '.join(ACTIVATIONS)}; or pass a function.{did_you_mean(name, ACTIVATIONS)}"
