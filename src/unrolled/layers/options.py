"""What a recurrent layer can do beyond `torch.nn`, whatever its cell: the arguments, their defaults and their checks.

Shapes: T = time, N = batch, H = hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Final, Literal, TypeAlias, TypedDict, final

from torch import Tensor, nn

from unrolled.cells import GRUEquations, LSTMEquations, RNNEquations, SLSTMEquations
from unrolled.errors import did_you_mean
from unrolled.kernels.registry import kernel_problem
from unrolled.layers.findings import Findings

Zoneout: TypeAlias = float | tuple[float, float]
"""The rate for every state, or one for h and one for c."""

Initialiser: TypeAlias = Callable[[Tensor], Any]
"""Fills a parameter in place; `unrolled.init` has the usual ones."""

Scheme: TypeAlias = Literal["torch", "keras", "chrono"]


class LayerOptions(TypedDict, total=False):
    """Keyword-only arguments that LSTM, GRU, RNN and SLSTM share.

    initial_state: What a sequence starts from when no hx is given: "zeros"; "learned" parameters; or a module, called
        as `module(x, lengths)` with x (T, N, F) and lengths (N) or None, that returns for each layer a list with one
        tuple of states, each (N, ·), for each direction, as `InitialStateFromInput` does.
    residual: Whether each layer after the first adds its input to its output where both are of one width.
    recurrent_dropout: Probability of a zero in a mask on h where it meets the recurrent weights, in training; one mask
        for all steps of a sequence (Gal & Ghahramani 2016).
    zoneout: Probability, in training, with which a unit's state stays as it was at a step (Krueger et al. 2017): one
        number, or for an LSTM (h, c). In `eval()` states move by the expected share.
    weight_drop: Probability of a zero in the recurrent weights, drawn once a call, in training (Merity et al. 2018).
    init: How parameters are drawn: "torch", "keras", "chrono" (with the longest time in mind, `("chrono", 100)`), or a
        mapping from a parameter's name ("weight_hh") to an initialiser of `unrolled.init`; the rest as "torch".
    kernel: "auto" takes the first kernel that can run a call; a name ("native", "torch", "reference") takes that one
        or raises `KernelError`.
    precision: "full" computes in the parameters' type. "bf16" rounds the operands of every matrix product to bfloat16;
        sums, states and results stay float32. So does `torch.autocast("cpu")`.
    recompute: Whether training keeps only the states from forward to backward and computes the gates again, which
        takes less memory and more time. In `eval()` mode that is always so.
    """

    initial_state: Literal["zeros", "learned"] | nn.Module
    residual: bool
    recurrent_dropout: float
    zoneout: Zoneout
    weight_drop: float
    init: Scheme | tuple[Literal["chrono"], int] | Mapping[str, Initialiser]
    kernel: str
    precision: str
    recompute: bool


@final
@dataclass(frozen=True)
class ReadOptions:
    """`LayerOptions` with every default filled in; not yet checked, hence of any type."""

    initial_state: Any = "zeros"
    residual: Any = False
    recurrent_dropout: Any = 0.0
    zoneout: Any = 0.0
    weight_drop: Any = 0.0
    init: Any = "torch"
    kernel: Any = "auto"
    precision: Any = "full"
    recompute: Any = False


OPTION_NAMES: Final = tuple(field.name for field in fields(ReadOptions))


def read_options(
    found: Findings, kind: str, options: Mapping[str, Any], states: int, own: Iterable[str] = ()
) -> ReadOptions:
    """Note everything that is wrong with a layer's options.

    states: How many the cell carries.
    own: Names of the arguments that this kind of layer has besides.
    """
    for name in options:
        if name not in OPTION_NAMES:
            found.add_type(f"{kind} has no argument {name!r}.{_instead(name, (*own, *OPTION_NAMES))}")
    read = ReadOptions(**{name: value for name, value in options.items() if name in OPTION_NAMES})
    for name in ("recurrent_dropout", "weight_drop"):
        found.check(_is_rate(getattr(read, name)), _rate_problem(name, getattr(read, name)))
    _check_zoneout(found, read.zoneout, states)
    check_flags(found, {"residual": read.residual, "recompute": read.recompute})
    initial = read.initial_state
    if not (initial in ("zeros", "learned") if isinstance(initial, str) else isinstance(initial, nn.Module)):
        found.add(f"initial_state must be 'zeros', 'learned' or a module; got {initial!r}.")
    for problem in filter(None, (kernel_problem(read.kernel), precision_problem(read.precision))):
        found.add(problem)
    return read


def _instead(name: str, known: Iterable[str]) -> str:
    """Who has such an argument, or which was probably meant."""
    cells = (LSTMEquations, GRUEquations, RNNEquations, SLSTMEquations)
    having = [cell.name for cell in cells if name in cell.__dataclass_fields__]
    having = ["LSTM", "SLSTM"] if name == "forget_bias" else having
    return (
        f" {' and '.join(having)} {'has' if len(having) == 1 else 'have'} it." if having else did_you_mean(name, known)
    )


def check_flags(found: Findings, flags: Mapping[str, Any]) -> None:
    """Note each flag that is no bool."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            found.add_type(f"{name} must be True or False; got {value!r} ({type(value).__name__}).")


def precision_problem(precision: object) -> str | None:
    """Say what is wrong with `precision`; None when it is one of the two that there are."""
    if precision in ("full", "bf16"):
        return None
    return f"precision must be 'full' or 'bf16'; got {precision!r}."


def is_number(value: object) -> bool:
    """Whether this is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def zoneout_rates(zoneout: Zoneout, states: int) -> tuple[float, ...]:
    """The checked rate of each state; () where nothing is held."""
    rates = tuple(zoneout) if isinstance(zoneout, tuple | list) else (zoneout,) * states
    return tuple(map(float, rates)) if any(rates) else ()


def _is_rate(value: object) -> bool:
    return is_number(value) and 0 <= value < 1  # type: ignore[operator]


def _rate_problem(name: str, value: object) -> str:
    return f"{name} must be a probability from 0 up to, not including, 1; got {value!r}."


def _check_zoneout(found: Findings, zoneout: Any, states: int) -> None:
    rate = "zoneout must be a probability from 0 up to, not including, 1"
    if states > 2:
        reason = "zoneout is defined for h and c; this cell has other states too."
        found.check(is_number(zoneout) and zoneout == 0, f"{reason} Leave it out; got {zoneout!r}.")
    elif not isinstance(zoneout, tuple | list):
        found.check(_is_rate(zoneout), f"{rate}; got {zoneout!r}.")
    elif states == 2:
        good = len(zoneout) == 2 and all(map(_is_rate, zoneout))
        found.check(good, f"{rate}, or a pair of them, for h and c; got {zoneout!r}.")
    else:
        found.add(f"{rate}, and not a pair: this cell's only zoned-out state is h; got {zoneout!r}.")
