"""Named schemes that draw all parameters of one direction of one layer.

A scheme is given the cell's name, its gates in the order of their blocks, the width and the parameters by the
names that they have in `cells/`. Parameters whose names begin with "norm_" are left alone: what they start from
follows from what they do, whatever the scheme.

Shapes: B = gate blocks, H = hidden units, F = input features, S = width of the first state.
"""
# ruff: noqa: N801 — init_chrono stands beside the functions init_torch and init_keras.

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor

from unrolled.errors import ConfigError
from unrolled.init.base import check_arguments, number_problem
from unrolled.init.distributions import constant, glorot_uniform, orthogonal, uniform


@runtime_checkable
class Scheme(Protocol):
    """Draws all parameters of one direction of one layer in place."""

    def __call__(
        self,
        cell_name: str,
        gates: tuple[str, ...],
        hidden_size: int,
        parameters: Mapping[str, Tensor],
        generator: torch.Generator | None = None,
    ) -> None:
        """Fill `parameters` (by cell name: "weight_ih" (B·H, F), "weight_hh" (B·H, S), "bias_ih" (B·H,), …)."""


def init_torch(
    cell_name: str,
    gates: tuple[str, ...],
    hidden_size: int,
    parameters: Mapping[str, Tensor],
    generator: torch.Generator | None = None,
) -> None:
    """Draw every parameter from U(−1/√H, 1/√H), in the mapping's order, as the layers of `torch.nn` do.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bias = torch.empty(40)
        >>> init.init_torch("LSTM", ("i", "f", "g", "o"), 10, {"bias_ih": bias})
        >>> bool(bias.abs().max() <= 10**-0.5)
        True
    """
    draw = uniform(bound=1 / math.sqrt(hidden_size))
    for _, parameter in _drawn(parameters):
        draw(parameter, generator)


def init_keras(
    cell_name: str,
    gates: tuple[str, ...],
    hidden_size: int,
    parameters: Mapping[str, Tensor],
    generator: torch.Generator | None = None,
) -> None:
    """Draw as Keras does: Glorot for the input's kernel, an orthonormal recurrent kernel, biases 0, forget bias 1.

    Both kernels are drawn whole, over all gates. A projection and peepholes, which Keras's own layers don't have, are
    drawn from Glorot's uniform distribution, the peepholes' fans being both H, as TensorFlow's `PeepholeLSTMCell` does.
    Keras has one bias where `torch.nn` has two: theirs is the sum, so `bias_ih` holds the 1 and `bias_hh` is 0.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> weight = torch.empty(40, 10)
        >>> init.init_keras("LSTM", ("i", "f", "g", "o"), 10, {"weight_hh": weight})
        >>> torch.allclose(weight.T @ weight, torch.eye(10), atol=1e-6)
        True
    """
    for name, parameter in _drawn(parameters):
        if name.startswith("bias"):
            constant(0.0)(parameter)
        elif name == "weight_hh":
            orthogonal()(parameter, generator)
        elif name.startswith("weight_peephole"):
            for row_H in parameter.view(-1, hidden_size):  # a diagonal each: not one matrix of P inputs
                glorot_uniform()(row_H, generator)
        else:
            glorot_uniform()(parameter, generator)
    if "f" in gates and "bias_ih" in parameters:
        set_forget_bias(gates, hidden_size, parameters, 1.0)


@final
@dataclass(frozen=True)
class init_chrono:
    """Draw gate biases so that the units' time scales are spread evenly from 2 to T_max; the rest as `init_torch`.

    Tallec & Ollivier (2018), "Can recurrent neural networks warp time?": the forget gate's bias is log(u) with
    u from U(1, T_max − 1), the input gate's is −log(u), of the same u. A gate σ(log u) = u/(u + 1) forgets in about
    u + 1 steps. In a GRU the update gate z is the one that keeps, h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}: it is given log(u),
    and 1 − z, which stands for the input gate, follows. The paper's g is 1 − z, so that its sign is the other.

    Args:
        t_max: The longest dependency expected, in steps; at least 2.

    Raises:
        ConfigError: `t_max` is too small; at a call, the cell has no such gate or no biases.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> bias_ih, bias_hh = torch.empty(40), torch.empty(40)
        >>> scheme = init.init_chrono(t_max=101)
        >>> scheme("LSTM", ("i", "f", "g", "o"), 10, {"bias_ih": bias_ih, "bias_hh": bias_hh})
        >>> i, f, g, o = (bias_ih + bias_hh).chunk(4)
        >>> bool((i == -f).all()), bool((f >= 0).all()), bool((f.exp() <= 100.001).all())
        (True, True, True)
    """

    t_max: float

    def __post_init__(self) -> None:
        check_arguments("init_chrono", number_problem("t_max", self.t_max, least=2))

    def __call__(
        self,
        cell_name: str,
        gates: tuple[str, ...],
        hidden_size: int,
        parameters: Mapping[str, Tensor],
        generator: torch.Generator | None = None,
    ) -> None:
        """Fill `parameters`; see `Scheme`."""
        keeps = self._keeping_gate(cell_name, parameters)
        init_torch(cell_name, gates, hidden_size, parameters, generator)
        bias_H = self._draw(hidden_size, parameters["bias_ih"], generator)
        _set_bias(gates, keeps, hidden_size, parameters, bias_H)
        # With coupled gates there is no block i: 1 − f follows by itself, as a GRU's 1 − z does.
        if keeps == "f" and "i" in gates:
            _set_bias(gates, "i", hidden_size, parameters, -bias_H)

    def _keeping_gate(self, cell_name: str, parameters: Mapping[str, Tensor]) -> str:
        keeps = {"LSTM": "f", "GRU": "z"}.get(cell_name)
        if keeps is None:
            raise ConfigError(
                f"init='chrono' sets the bias of the gate that keeps the past, as derived for LSTM (f) and GRU (z); "
                f"not for {cell_name}. Choose init='torch' or 'keras'."
            )
        if "bias_ih" not in parameters:
            raise ConfigError(f"init='chrono' sets the gates' biases, and this {cell_name} has bias=False.")
        return keeps

    def _draw(self, hidden_size: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
        # T_max may be more than the largest half: it is the logarithm that goes into the parameter.
        steps_H = torch.empty(hidden_size, dtype=torch.float64, device=like.device)
        return steps_H.uniform_(1.0, self.t_max - 1.0, generator=generator).log_().to(like.dtype)


def set_forget_bias(
    gates: tuple[str, ...], hidden_size: int, parameters: Mapping[str, Tensor], value: float | Tensor
) -> None:
    """Make the forget gate's bias `value`: all of it in `bias_ih`, and 0 in `bias_hh`, since the two are added.

    Gers et al. (2000), "Learning to forget"; Jozefowicz et al. (2015) recommend 1.

    Args:
        gates: The cell's gates in the order of their blocks.
        hidden_size: Width of each block (H).
        parameters: The parameters by cell name; `bias_ih` and, where there is one, `bias_hh` are changed.
        value: One number, or one a unit (H,).

    Raises:
        ConfigError: The cell has no gate "f", or no biases.

    Example:
        >>> import torch
        >>> from unrolled import init
        >>> biases = {"bias_ih": torch.zeros(8), "bias_hh": torch.ones(8)}
        >>> init.set_forget_bias(("i", "f", "g", "o"), 2, biases, 1.0)
        >>> biases["bias_ih"] + biases["bias_hh"]
        tensor([1., 1., 1., 1., 1., 1., 1., 1.])
        >>> biases["bias_hh"]
        tensor([1., 1., 0., 0., 1., 1., 1., 1.])
    """
    if "f" not in gates:
        raise ConfigError(f"forget_bias is the bias of the forget gate f; this cell has the gates {', '.join(gates)}.")
    if "bias_ih" not in parameters:
        raise ConfigError("forget_bias sets a bias, and this cell has bias=False.")
    _set_bias(gates, "f", hidden_size, parameters, value)


def _set_bias(
    gates: tuple[str, ...], gate: str, hidden_size: int, parameters: Mapping[str, Tensor], value: float | Tensor
) -> None:
    start = gates.index(gate) * hidden_size
    with torch.no_grad():
        parameters["bias_ih"][start : start + hidden_size] = value
        if "bias_hh" in parameters:
            parameters["bias_hh"][start : start + hidden_size] = 0.0


def _drawn(parameters: Mapping[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    return ((name, parameter) for name, parameter in parameters.items() if not name.startswith("norm_"))
