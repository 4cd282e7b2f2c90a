"""Recurrent problems of any size, and their solution by a kernel: every result and every derivative by name."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.cells import Cell, GRUEquations, LSTMEquations, RNNEquations
from unrolled.kernels import Kernel, Ragged, Run
from unrolled.kernels.kernel import QUIET, Noise, Options

CPU = torch.device("cpu")
NAN = float("nan")


class Sizes(NamedTuple):
    """Steps T, sequences N, input features F and hidden units H."""

    steps: int
    batch: int
    features: int
    hidden: int


class Problem(NamedTuple):
    """One layer in one direction, all of its inputs leaves, with the derivatives that reach its results."""

    cell: Cell[Any]
    x: Tensor
    state: tuple[Tensor, ...]
    weights: Any
    ragged: Ragged | None
    d_results: tuple[Tensor, ...]
    noise: Noise = QUIET

    def leaves(self) -> dict[str, Tensor]:
        """Every input that is there, by name."""
        states = {f"{name}_0": s for name, s in zip(self.cell.states, self.state, strict=True)}
        weights = {name: w for name, w in self.weights._asdict().items() if w is not None}
        return {"x": self.x} | states | weights

    def to(self, dtype: torch.dtype) -> Problem:
        """The same numbers in another type."""
        return self.mapped(lambda tensor: tensor.detach().to(dtype).requires_grad_(tensor.requires_grad))

    def mapped(self, change: Any) -> Problem:
        """Each tensor but the lengths replaced by another."""
        weights = [None if w is None else change(w) for w in self.weights]
        return self._replace(
            x=change(self.x),
            state=tuple(map(change, self.state)),
            weights=type(self.weights)(*weights),
            d_results=tuple(map(change, self.d_results)),
            noise=self.noise._replace(h_mask=None if self.noise.h_mask is None else change(self.noise.h_mask)),
        )


def cells(hidden: int, bias: bool = True) -> dict[str, Cell[Any]]:
    """Every cell that has native code."""
    return {
        "LSTM": LSTMEquations(hidden, bias),
        "LSTM with projection": LSTMEquations(hidden, bias, max(1, hidden * 2 // 3)),
        "LSTM with peepholes": LSTMEquations(hidden, bias, peephole=True),
        "LSTM with layer norm": LSTMEquations(hidden, bias, layer_norm=True),
        "LSTM with all": LSTMEquations(hidden, bias, max(1, hidden * 2 // 3), peephole=True, layer_norm=True),
        "GRU": GRUEquations(hidden, bias),
        "RNN tanh": RNNEquations(hidden, bias, "tanh"),
        "RNN relu": RNNEquations(hidden, bias, "relu"),
    }


KINDS = tuple(cells(1))
NORMALISED = tuple(kind for kind, cell in cells(1).items() if "layer_norm" in cell.options)
RECORDED = tuple(kind for kind, cell in cells(1).items() if not cell.options)
"""Those whose gates the native code gives out."""


def lengths_of(steps: int, batch: int) -> list[int]:
    """Lengths in no order, 0, 1 and T among them where the batch has room."""
    choices = [steps // 2, 0, steps, 1, steps - 1]
    return [choices[n % 5] for n in range(batch)]


def problem(
    cell: Cell[Any], sizes: Sizes, lengths: list[int] | None = None, dtype: torch.dtype = torch.float64
) -> Problem:
    """Draw a problem; where steps are padded, x and the derivative of the output hold NaN."""
    steps, batch, features, hidden = sizes
    shapes = cell.parameter_shapes(features)
    ragged = None if lengths is None else Ragged(tuple(lengths), steps, CPU)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype)

    def weight(name: str) -> Tensor | None:
        return draw(*shapes[name]).mul_(hidden**-0.5).requires_grad_() if name in shapes else None

    x, d_output = draw(steps, batch, features), draw(steps, batch, cell.output_size)
    if ragged is not None:
        x, d_output = (array.where(ragged.valid_TN1, NAN) for array in (x, d_output))
    return Problem(
        cell,
        x.requires_grad_(),
        tuple(draw(batch, width).requires_grad_() for width in cell.state_sizes),
        cell.weights_type(*map(weight, cell.weights_type._fields)),
        ragged,
        (d_output, *(draw(batch, width) for width in cell.state_sizes)),
    )


def run(kernel: Kernel, given: Problem, *, reverse: bool = False, **options: Any) -> Run:
    """Run a kernel; `options` are those of `Options`."""
    how: dict[str, Any] = {"reverse": reverse, "noise": given.noise, "options": Options(**options)}
    return kernel.run(given.cell, given.x, given.state, given.weights, ragged=given.ragged, **how)


def disturbed(given: Problem, h_mask: bool = False, held: tuple[str, ...] = ()) -> Problem:
    """The same problem with recurrent dropout and zoneout: of each state "drawn", "rate" or "" for none."""
    steps, batch = given.x.shape[:2]
    made = {
        "drawn": lambda width: torch.rand(steps, batch, width) < 0.3,
        "rate": lambda width: 0.1 + 0.5 / (width + 1),
        "": lambda width: None,
    }
    hold = tuple(made[how](width) for how, width in zip(held, given.cell.state_sizes, strict=bool(held)))
    mask = torch.dropout(torch.ones_like(given.state[0]), 0.4, True).detach() if h_mask else None
    return given._replace(noise=Noise(mask, hold))


def results(kernel: Kernel, given: Problem, **options: Any) -> dict[str, Tensor]:
    """Run a kernel: the output and each final state by name."""
    found = run(kernel, given, **options)
    return {"output": found.output} | {f"{n}_n": s for n, s in zip(given.cell.states, found.state, strict=True)}


def solve(kernel: Kernel, given: Problem, **options: Any) -> dict[str, Tensor]:
    """Run a kernel and differentiate it: results, and the derivative of each input that wants one."""
    found = results(kernel, given, **options)
    wanted = {name: leaf for name, leaf in given.leaves().items() if leaf.requires_grad}
    derivatives = torch.autograd.grad(
        tuple(found.values()), tuple(wanted.values()), given.d_results, allow_unused=True, materialize_grads=True
    )
    return {name: value.detach() for name, value in found.items()} | {
        f"d_{name}": derivative for name, derivative in zip(wanted, derivatives, strict=True)
    }


LEAST = {"d_norm_c": 1.0}
"""What numbers of about 1 add up to may be far smaller, or 0, but not their rounding errors: where rows are normalised,
and above all rows of one unit, which are 0. Of all others 0.1."""


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float, where: str = "") -> None:
    """Compare by name: the largest difference against the largest number, or `LEAST`."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].shape == value.shape, (name, where)
        assert found[name].dtype == value.dtype, (name, where)
        if value.numel() == 0:
            continue
        error, largest = (found[name] - value).abs().max().item(), value.abs().max().item()
        assert error <= tolerance * max(largest, LEAST.get(name, 0.1)), f"{name}: {error} beside {largest} {where}"
