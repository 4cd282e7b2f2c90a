"""What a sequence starts from when no hx is given: learned states, and states made of the first input.

Shapes: T = time, N = batch, F = input features, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from unrolled.cells import Cell, State
from unrolled.errors import ConfigError, DtypeError, Problems, ShapeError
from unrolled.layers.findings import Findings, check_like
from unrolled.layers.spec import Spec


@final
class LearnedState(nn.Module):
    """Initial states as parameters, zeros at first; what `initial_state="learned"` makes.

    A normaliser n stays 1: states (c, n, m) and (c/n, 1, m + log n) are one and the same to an sLSTM, and an n that
    is learned freely may reach 0, by which c is divided.
    """

    def __init__(
        self, cells: Sequence[Cell[Any]], directions: int, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self._names = [
            [[f"{state}_l{k}{suffix}" for state in cell.states] for suffix in ("", "_reverse")[:directions]]
            for k, cell in enumerate(cells)
        ]
        self._widths = [cell.state_sizes for cell in cells]
        for widths, layer in zip(self._widths, self._names, strict=True):
            for names in layer:
                for name, width in zip(names, widths, strict=True):
                    if not _is_fixed(name):
                        zeros = torch.zeros(width, device=device, dtype=dtype)
                        self.register_parameter(name, nn.Parameter(zeros))

    def reset_parameters(self) -> None:
        """Set all to zero again."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "T N F"], lengths: Int64[Tensor, "N"] | None = None) -> list[list[State]]:
        """Give every sequence of the batch the same states."""
        return [
            [tuple(self._state(name, width, x) for name, width in zip(names, widths, strict=True)) for names in layer]
            for layer, widths in zip(self._names, self._widths, strict=True)
        ]

    def _state(self, name: str, width: int, x_TNF: Tensor) -> Tensor:
        batch = x_TNF.shape[1]
        return x_TNF.new_ones(batch, width) if _is_fixed(name) else getattr(self, name).expand(batch, -1)


@final
class InitialStateFromInput(nn.Module):
    """Initial states from the first input: layer i's are tanh(W_i · those of layer i − 1), layer 0's of the input.

    h and c have chains of their own, and so has each direction, which begins with the step that it reads first.

    Args:
        input_size: Features of the input (F).
        hidden_size: Width of each layer, a list; or one number for a single layer.
        states: How many states the cells carry: 2 for LSTM, 1 for GRU and RNN. Default: 2. An sLSTM has others too,
            of which tanh makes no sense: a normaliser is greater than zero.
        bidirectional: Whether the layer is. Default: False.
        bias: Whether a bias is added to each W_i · previous. Default: False.
        device: Where the parameters are made.
        dtype: Of what type they are.

    Raises:
        ConfigError: A size is not a whole number greater than zero, or `states` is neither 1 nor 2.

    Example:
        >>> import torch
        >>> import unrolled
        >>> start = unrolled.InitialStateFromInput(7, [20, 30])
        >>> lstm = unrolled.LSTM(7, [20, 30], initial_state=start)
        >>> output, (h_n, c_n) = lstm(torch.randn(5, 3, 7))
        >>> output.shape
        torch.Size([5, 3, 30])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        states: int = 2,
        bidirectional: bool = False,
        bias: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        widths = [hidden_size] if isinstance(hidden_size, int) else list(hidden_size)
        _check_sizes(input_size, widths, states)
        self.input_size = input_size
        self.directions = 2 if bidirectional else 1
        self.states = states
        pairs = list(zip([input_size, *widths[:-1]], widths, strict=True))
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.chains = nn.ModuleList(
            nn.ModuleList(nn.Linear(size, width, **made) for size, width in pairs)
            for _ in range(states * self.directions)
        )

    def forward(self, x: Float[Tensor, "T N F"], lengths: Int64[Tensor, "N"] | None = None) -> list[list[State]]:
        """Return the states of each layer and direction; a sequence without any step starts from zeros.

        Raises:
            ShapeError: x has another number of features than `input_size`.
        """
        if x.shape[-1] != self.input_size:
            raise ShapeError(
                f"InitialStateFromInput was made with input_size={self.input_size}; "
                f"the input has {x.shape[-1]} features."
            )
        firsts = [_first_step(x, lengths, reverse) for reverse in (False, True)[: self.directions]]
        chains = [self._chain(k, firsts[k // self.states]) for k in range(len(self.chains))]
        return [
            [tuple(chains[d * self.states + s][layer] for s in range(self.states)) for d in range(self.directions)]
            for layer in range(len(chains[0]))
        ]

    def _chain(self, k: int, previous_NF: Tensor) -> list[Tensor]:
        made = []
        links = self.chains[k]
        assert isinstance(links, nn.ModuleList)
        for link in links:
            previous_NF = torch.tanh(link(previous_NF))
            made.append(previous_NF)
        return made


def check_initial_states(spec: Spec, batch: int, states: Any, weight: Tensor) -> None:
    """Refuse what an `initial_state` module returned if it is not a state for each direction of each layer.

    Raises:
        ShapeError: All that is wrong with its shapes.
        DtypeError: A state is not of the parameters' dtype or on their device.
    """
    wanted = [[[(batch, width) for width in cell.state_sizes]] * spec.directions for cell in spec.cells]
    if isinstance(states, Tensor):  # which could be iterated over, too
        raise ShapeError(f"{_expectation(spec)} It returned a tensor {tuple(states.shape)}.")
    try:
        given = [[[tuple(state.shape) for state in direction] for direction in layer] for layer in states]
    except (TypeError, AttributeError):
        raise ShapeError(f"{_expectation(spec)} It returned {type(states).__name__}.") from None
    if given != wanted:
        raise ShapeError(f"{_expectation(spec)} Their shapes must be {wanted}; it returned {given}.")
    check_made_like(spec.kind, states, weight)


def check_made_like(kind: str, states: Any, weight: Tensor) -> None:
    """Refuse states that an `initial_state` module returned in another dtype or on another device."""
    found = Findings()
    for k, layer in enumerate(states):
        for state in (state for direction in layer for state in direction):
            check_like(found, kind, f"a state of layer {k} from its initial_state module", state, weight)
    found.finish(DtypeError, f"{kind} cannot run this call")


def _expectation(spec: Spec) -> str:
    names = ", ".join(spec.states)
    return f"{spec.kind}'s initial_state module must return, for each layer, a list of one tuple ({names}) a direction."


def _first_step(x_TNF: Tensor, lengths_N: Tensor | None, reverse: bool) -> Tensor:
    """The step that a direction reads first, zeros for a sequence that has none."""
    if lengths_N is None:
        return x_TNF[-1 if reverse else 0]
    last = (lengths_N - 1).clamp(min=0) if reverse else torch.zeros_like(lengths_N)
    first_NF = x_TNF[last, torch.arange(len(lengths_N), device=x_TNF.device)]
    return first_NF.where((lengths_N > 0).unsqueeze(-1), 0)


def _is_fixed(name: str) -> bool:
    return name.startswith("n_")


def _check_sizes(input_size: Any, widths: list[Any], states: Any) -> None:
    found = Problems()
    sizes = {"input_size": input_size} | {f"hidden_size[{k}]": w for k, w in enumerate(widths)}
    for name, size in sizes.items():
        good = isinstance(size, int) and not isinstance(size, bool) and size > 0
        found.check(good, f"{name} must be a whole number greater than zero; got {size!r}.")
    found.check(
        states in (1, 2) and not isinstance(states, bool),
        f"states must be 1 (h) or 2 (h and c), for which tanh of an input is defined; got {states!r}. For other "
        "cells, such as an sLSTM, pass a module of your own.",
    )
    found.check(len(widths) > 0, "hidden_size is an empty list; give one width a layer.")
    found.raise_as(ConfigError, "InitialStateFromInput(...)")
