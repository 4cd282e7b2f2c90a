"""The checks on a layer's own arguments."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ConfigError
from unrolled.kernels.registry import kernel_problem
from unrolled.layers.findings import Findings


def check_layer_arguments(
    kind: str,
    *,
    input_size: Any,
    hidden_size: Any,
    num_layers: Any,
    dropout: Any,
    proj_size: Any,
    kernel: Any,
    precision: Any,
    flags: dict[str, Any],
    own_problem: str | None = None,
) -> tuple[int, ...]:
    """Return the width of each layer, or raise everything that is wrong at once, `own_problem` included."""
    found = Findings()
    _check_size(found, "input_size", input_size)
    widths = _widths(found, hidden_size, num_layers)
    _check_flags(found, flags)
    _check_dropout(found, dropout)
    _check_projection(found, proj_size, widths)
    for problem in filter(None, (own_problem, kernel_problem(kernel), precision_problem(precision))):
        found.add(problem)
    found.finish(ConfigError, f"{kind}(...)")
    return widths


def check_cell_arguments(
    kind: str, *, input_size: Any, hidden_size: Any, bias: Any, kernel: Any, own_problem: str | None = None
) -> None:
    """Raise everything that is wrong with a one-step cell's arguments at once, `own_problem` included."""
    found = Findings()
    _check_size(found, "input_size", input_size)
    _check_size(found, "hidden_size", hidden_size)
    _check_flags(found, {"bias": bias})
    for problem in filter(None, (own_problem, kernel_problem(kernel))):
        found.add(problem)
    found.finish(ConfigError, f"{kind}(...)")


def precision_problem(precision: object) -> str | None:
    """Say what is wrong with `precision`; None when it is one of the two that there are."""
    if precision in ("full", "bf16"):
        return None
    return f"precision must be 'full' or 'bf16'; got {precision!r}."


def nonlinearity_problem(nonlinearity: object) -> str | None:
    """Say what is wrong with `nonlinearity`; None when it is one of the two that `torch.nn` has."""
    if nonlinearity in ("tanh", "relu"):
        return None
    return f"nonlinearity must be 'tanh' or 'relu'; got {nonlinearity!r}."


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_size(found: Findings, name: str, value: Any) -> bool:
    if not _is_int(value):
        found.add_type(f"{name} must be an int; got {value!r} ({type(value).__name__}).")
        return False
    return found.check(value > 0, f"{name} must be greater than zero; got {value}.")


def _widths(found: Findings, hidden_size: Any, num_layers: Any) -> tuple[int, ...]:
    if not isinstance(hidden_size, list | tuple):
        fine = [
            _check_size(found, "hidden_size", hidden_size),
            num_layers is None or _check_size(found, "num_layers", num_layers),
        ]
        return (hidden_size,) * (num_layers or 1) if all(fine) else ()
    if not found.check(len(hidden_size) > 0, "hidden_size is an empty list; give one width a layer."):
        return ()
    fine = [_check_size(found, f"hidden_size[{k}]", width) for k, width in enumerate(hidden_size)]
    found.check(
        num_layers in (None, len(hidden_size)),
        f"hidden_size={list(hidden_size)} makes {len(hidden_size)} layers, but num_layers={num_layers}. "
        "Leave num_layers out.",
    )
    return tuple(hidden_size) if all(fine) else ()


def _check_flags(found: Findings, flags: dict[str, Any]) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            found.add_type(f"{name} must be True or False; got {value!r} ({type(value).__name__}).")


def _check_dropout(found: Findings, dropout: Any) -> None:
    is_number = isinstance(dropout, int | float) and not isinstance(dropout, bool)
    if not (is_number and 0 <= dropout <= 1):
        found.add(f"dropout must be a number from 0 to 1, the probability of a zero; got {dropout!r}.")


def _check_projection(found: Findings, proj_size: Any, widths: tuple[int, ...]) -> None:
    if not _is_int(proj_size):
        found.add_type(f"proj_size must be an int; got {proj_size!r}.")
    elif proj_size < 0:
        found.add(f"proj_size must be positive, or 0 for no projection; got {proj_size}.")
    elif widths and proj_size >= min(widths):
        found.add(f"proj_size must be smaller than hidden_size; got {proj_size} and {min(widths)}.")
