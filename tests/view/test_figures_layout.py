"""The figures of layers and of what happens inside them, as they look: golden drawings, and no word on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import unrolled
from unrolled import figures
from unrolled.view.style import SMALL
from view.golden import WIDTHS, check_golden, cut_off, overlaps, smallest

LENGTHS = [7, 3, 5, 1]
OF_TRACES = {
    "states": figures.states,
    "cell": figures.cell,
    "gates": figures.gates,
    "memory": figures.memory,
    "contributions": figures.contributions,
    "gradient_flow": figures.gradient_flow,
}


def made(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make a layer with the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*args, **kwargs).double()


def batch(steps: int, samples: int, features: int = 3, batch_first: bool = False) -> torch.Tensor:
    shape = (samples, steps, features) if batch_first else (steps, samples, features)
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


LAYERS: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "lstm": lambda: (made(unrolled.LSTM, 3, 5, 2, bidirectional=True, batch_first=True), batch(7, 4, 3, True), LENGTHS),
    "gru": lambda: (made(torch.nn.GRU, 3, 5, 2), batch(24, 3), None),
    "projected": lambda: (made(torch.nn.LSTM, 3, 9, proj_size=2), batch(12, 2), [12, 9]),
    "widths": lambda: (made(unrolled.LSTM, 3, [4, 12], bidirectional=True), batch(30, 3), [30, 11, 4]),
    "slstm": lambda: (made(unrolled.SLSTM, 3, 4, num_heads=2), batch(9, 2), None),
    "options": lambda: (made(unrolled.LSTM, 3, 4, peephole=True, layer_norm=True, cell_clip=1.0), batch(9, 2), None),
    "smallest": lambda: (made(unrolled.LSTM, 1, 1), batch(1, 1, 1), None),
    "deep": lambda: (made(unrolled.GRU, 3, 4, 9, bidirectional=True), batch(9, 2), [4, 9]),
    "large": lambda: (made(unrolled.LSTM, 12, 512), batch(1000, 2, 12), [1000, 640]),
    "stack": lambda: (unrolled.Stack([made(unrolled.LSTMCell, 3, 4), made(unrolled.GRUCell, 4, 6)]), batch(9, 2), None),
}


def check_look(figure: Any) -> None:
    assert overlaps(figure) == []
    assert cut_off(figure) == []
    assert smallest(figure) >= SMALL


PLACES = [(layer, WIDTHS[0]) for layer in LAYERS]
PLACES += [(layer, width) for layer in ("lstm", "deep", "large") for width in WIDTHS[1:]]


@pytest.mark.parametrize(("layer", "width"), PLACES)
@pytest.mark.parametrize("figure", OF_TRACES)
def test_no_word_lies_on_another_or_is_cut_off(figure: str, layer: str, width: float) -> None:
    model, x, lengths = LAYERS[layer]()
    if figure == "gradient_flow" and layer == "large":
        x, lengths = x[:60], None
    check_look(OF_TRACES[figure](model, x, lengths, width=width))


@pytest.mark.parametrize(("layer", "width"), PLACES)
def test_no_word_of_the_parameters_lies_on_another(layer: str, width: float) -> None:
    check_look(figures.parameters(LAYERS[layer]()[0], width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("figure", ["states", "cell", "gates", "gradient_flow"])
def test_no_word_of_a_simple_network_lies_on_another(figure: str, width: float) -> None:
    check_look(OF_TRACES[figure](made(torch.nn.RNN, 3, 6), batch(9, 2), width=width))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_of_a_large_and_flat_weight_lies_on_another(width: float) -> None:
    check_look(figures.parameters(made(torch.nn.RNN, 1, 2048), width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("lengths", "steps", "total_length", "batch_first"),
    [
        ([3, 7, 2, 5], 7, None, True),
        ([3, 6, 2, 5], 7, 9, False),
        ([50, 40, 30, 5, 60, 70, 100, 20, 40, 60, 12], 100, 120, True),
        ([1], 1, None, True),
        ([4, 4], 4, 4, True),
    ],
)
def test_no_word_of_packing_lies_on_another(
    lengths: list[int], steps: int, total_length: int | None, batch_first: bool, width: float
) -> None:
    x = batch(steps, len(lengths), 3, batch_first)
    check_look(figures.packing(x, lengths, total_length, batch_first, width=width))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_gradient_of_zero_everywhere_is_drawn(width: float) -> None:
    loss: Callable[[Any], Any] = lambda result: 0 * result[0].sum()  # noqa: E731
    check_look(figures.gradient_flow(made(unrolled.LSTM, 3, 4), batch(9, 2), loss=loss, width=width))


@pytest.mark.parametrize("figure", [*OF_TRACES, "parameters", "packing"])
def test_the_drawing_is_the_stored_one(figure: str, overwrite: bool) -> None:
    model, x, lengths = LAYERS["lstm"]()
    if figure == "parameters":
        drawn = figures.parameters(model)
    elif figure == "packing":
        drawn = figures.packing(x, lengths, total_length=9)
    else:
        drawn = OF_TRACES[figure](model, x, lengths)
    check_golden(drawn, figure, overwrite)


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
@pytest.mark.parametrize("figure", ["cell", "gates"])
def test_the_drawing_of_the_other_cells_is_the_stored_one(figure: str, kind: str, overwrite: bool) -> None:
    model = made(getattr(unrolled, kind), 3, 5)
    check_golden(OF_TRACES[figure](model, batch(7, 4)), f"{figure}_{kind.lower()}", overwrite)
