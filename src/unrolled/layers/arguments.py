"""The checks on a layer's own arguments."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from unrolled.cells.activations import Activation, canonical, nonlinearity_problem
from unrolled.errors import ConfigError
from unrolled.kernels.registry import kernel_problem
from unrolled.layers.findings import Findings
from unrolled.layers.options import ReadOptions, check_flags, is_number, read_options

_FLAGS: Final = ("bias", "peephole", "layer_norm", "coupled_gates", "reset_after")
_BOUNDS: Final = ("cell_clip", "preactivation_clip")
_NONLINEARITIES: Final = ("activation", "recurrent_activation", "nonlinearity")


def check_layer_arguments(
    kind: str,
    *,
    input_size: Any,
    hidden_size: Any,
    num_layers: Any,
    dropout: Any,
    flags: Mapping[str, Any],
    cell_options: Mapping[str, Any],
    forget_bias: Any,
    options: Mapping[str, Any],
    states: int,
) -> tuple[tuple[int, ...], ReadOptions]:
    """Return the width of each layer and the options, or raise everything that is wrong at once."""
    found = Findings()
    _check_size(found, "input_size", input_size)
    widths = _widths(found, hidden_size, num_layers)
    check_flags(found, flags)
    _check_dropout(found, dropout)
    _check_cell_options(found, cell_options, widths)
    read = read_options(found, kind, options, states, cell_options)
    check_biases(found, cell_options.get("bias", True), forget_bias, read.init)
    if read.residual is True and widths:
        _check_residual(found, widths, cell_options.get("proj_size", 0))
    found.finish(ConfigError, f"{kind}(...)")
    return widths, read


def check_cell_arguments(
    kind: str,
    *,
    input_size: Any,
    hidden_size: Any,
    kernel: Any,
    cell_options: Mapping[str, Any],
    forget_bias: Any,
    init: Any,
) -> None:
    """Raise everything that is wrong with a one-step cell's arguments at once."""
    found = Findings()
    _check_size(found, "input_size", input_size)
    sized = _check_size(found, "hidden_size", hidden_size)
    _check_cell_options(found, cell_options, (hidden_size,) if sized else ())
    check_biases(found, cell_options.get("bias", True), forget_bias, init)
    if problem := kernel_problem(kernel):
        found.add(problem)
    found.finish(ConfigError, f"{kind}(...)")


def in_one_spelling(cell_options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options of a cell, with the nonlinearities' names as this project spells them."""
    given = {name: cell_options[name] for name in _NONLINEARITIES if name in cell_options}
    return dict(cell_options) | {name: _in_one_spelling(value) for name, value in given.items()}


def _in_one_spelling(value: Any) -> Any:
    """The name alone where it says everything: only names have native code."""
    if isinstance(value, Activation) and value == Activation(value.name):
        return value.name
    return canonical(value) if isinstance(value, str) else value


def check_biases(found: Findings, bias: Any, forget_bias: Any, init: Any) -> None:
    """Note what can't be drawn as it was asked for."""
    if forget_bias is not None:
        found.check(is_number(forget_bias), f"forget_bias must be a number; got {forget_bias!r}.")
        found.check(bias is not False, "forget_bias is a bias, and bias=False leaves none. Leave one of the two out.")
    if isinstance(init, Mapping):
        for name in (name for name, draw in init.items() if not callable(draw)):
            found.add(f"init[{name!r}] must be an initialiser, as in unrolled.init; got {init[name]!r}.")
        return
    is_pair = isinstance(init, tuple | list) and len(init) == 2 and init[0] == "chrono"
    if not (is_pair or (isinstance(init, str) and init in ("torch", "keras", "chrono"))):
        found.add(f"init must be 'torch', 'keras', ('chrono', steps) or a mapping to initialisers; got {init!r}.")
    elif is_pair or init == "chrono":
        good = is_pair and is_number(init[1]) and init[1] >= 2
        found.check(good, f"init='chrono' needs the longest time in mind, as in init=('chrono', 100); got {init!r}.")
        found.check(bias is not False, "init='chrono' draws biases, and bias=False leaves none.")


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


def _check_dropout(found: Findings, dropout: Any) -> None:
    if not (is_number(dropout) and 0 <= dropout <= 1):
        found.add(f"dropout must be a number from 0 to 1, the probability of a zero; got {dropout!r}.")


def _check_cell_options(found: Findings, options: Mapping[str, Any], widths: tuple[int, ...]) -> None:
    check_flags(found, {name: options[name] for name in _FLAGS if name in options})
    for name in _BOUNDS:
        bound = options.get(name)
        if bound is not None and not (is_number(bound) and bound > 0):
            found.add(f"{name} must be a number greater than zero, or None for no bound; got {bound!r}.")
    for name in _NONLINEARITIES:
        if name in options and (problem := nonlinearity_problem(name, options[name])):
            found.add(problem)
    if "proj_size" in options:
        _check_projection(found, options["proj_size"], widths)
    if "num_heads" in options:
        _check_heads(found, options["num_heads"], options["forget_gate"], widths)


def _check_projection(found: Findings, proj_size: Any, widths: tuple[int, ...]) -> None:
    if not _is_int(proj_size):
        found.add_type(f"proj_size must be an int; got {proj_size!r}.")
    elif proj_size < 0:
        found.add(f"proj_size must be positive, or 0 for no projection; got {proj_size}.")
    elif widths and proj_size >= min(widths):
        found.add(f"proj_size must be smaller than hidden_size; got {proj_size} and {min(widths)}.")


def _check_heads(found: Findings, num_heads: Any, forget_gate: Any, widths: tuple[int, ...]) -> None:
    if _check_size(found, "num_heads", num_heads):
        for width in widths:
            found.check(width % num_heads == 0, f"hidden_size={width} can't be split into num_heads={num_heads} heads.")
    found.check(forget_gate in ("sigmoid", "exp"), f"forget_gate must be 'sigmoid' or 'exp'; got {forget_gate!r}.")


def _check_residual(found: Findings, widths: tuple[int, ...], proj_size: Any) -> None:
    outputs = [proj_size] * len(widths) if proj_size else list(widths)
    found.check(
        any(one == other for one, other in pairwise(outputs)),
        "residual=True adds a layer's input to its output where both are of one width; with "
        f"hidden_size={list(widths)} no layer after the first has such. Leave residual out.",
    )
