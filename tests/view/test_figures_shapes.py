"""The figures of models, batches and series, as they look: golden drawings, no word on another, at every width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled
from unrolled import figures
from unrolled.view.style import SMALL, can_draw, installed_cjk_face
from view.golden import WIDTHS, check_golden, cut_off, overlaps, smallest, words


def values(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def seeded(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*args, **kwargs).double()


class Reader(nn.Module):
    """A recurrent layer, and dense layers on what `read` takes of its result."""

    def __init__(self, layer: nn.Module, width: int, read: Callable[[Tensor, Any], Tensor], outputs: int = 2) -> None:
        super().__init__()
        self.layer, self.read = layer, read
        self.dense, self.relu, self.out = nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, outputs)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        result = self.layer(x) if lengths is None else self.layer(x, lengths=lengths)
        answer: Tensor = self.out(self.relu(self.dense(self.read(*result))))
        return answer


def reader(layer: Callable[[], nn.Module], *args: Any) -> Any:
    """A model with the same weights each time."""
    return seeded(lambda: Reader(layer(), *args))


def last_step(output: Tensor, _: Any) -> Tensor:
    return output[:, -1]


def both_h(_: Tensor, states: Any) -> Tensor:
    h_n: Tensor = states[0]
    return torch.cat([h_n[-2], h_n[-1]], dim=1)


def lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(120, 10)),
    )


def dense_net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.1), nn.Linear(5, 1))


def long_series() -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).normal(size=(1000, 2)), axis=0)


NAMES = {"batch": ["Beijing", "Oslo", "Lagos", "Quito"], "feature": ["°C", "mm", "hPa"]}
DATES = [f"2024-05-{day:02}" for day in range(1, 8)]
SENTENCES = [["the", "cat", "sat", "on", "the", "mat"], ["birds", "sing"], ["networks", "remember", "words"]]
CUBES: dict[str, dict[str, Any]] = {
    "named": {"x": values(4, 7, 3), "names": NAMES | {"time": DATES}},
    "padded": {"x": values(7, 4, 3), "lengths": [7, 2, 5, 1], "batch_first": False},
    "one": {"x": values(1, 1, 1)},
    "large": {"x": values(64, 1000, 12), "lengths": list(range(937, 1001))},
    "sentences": {"x": values(3, 6, 5), "names": {"time": SENTENCES}},
    "long_names": {"x": values(3, 9, 2), "names": {"batch": ["a very long name of a place"] * 3}},
}
LAYERS: dict[str, tuple[Any, Any, Any]] = {
    "lstm": (seeded(nn.LSTM, 3, 5), values(7, 4, 3), None),
    "both": (seeded(unrolled.LSTM, 3, 5, 2, bidirectional=True, batch_first=True), values(4, 7, 3), [5, 7, 2, 1]),
    "gru": (seeded(nn.GRU, 3, 64, 2), values(1000, 2, 3), None),
    "rnn": (seeded(unrolled.RNN, 12, 5), values(6, 2, 12), None),
    "projected": (seeded(nn.LSTM, 3, 9, proj_size=2), values(5, 2, 3), [5, 3]),
    "widths": (seeded(unrolled.GRU, 3, [4, 12], bidirectional=True), values(6, 2, 3), None),
    "slstm": (seeded(unrolled.SLSTM, 3, 4), values(6, 2, 3), None),
    "one": (seeded(unrolled.LSTM, 1, 1), values(1, 1, 1), None),
    "unbatched": (seeded(nn.LSTM, 3, 5), values(7, 3), None),
    "large": (seeded(unrolled.LSTM, 12, 512), values(1000, 1, 12), None),
    "stack": (unrolled.Stack([seeded(unrolled.LSTMCell, 3, 4), seeded(unrolled.GRUCell, 4, 6)]), values(9, 2, 3), None),
}
MODELS: dict[str, tuple[nn.Module, Any]] = {
    "dense": (dense_net().double(), values(32, 4)),
    "convolution": (lenet().double(), values(4, 1, 28, 28)),
    "recurrent": (reader(lambda: nn.LSTM(3, 5, batch_first=True), 5, last_step), values(4, 7, 3)),
    "words": (nn.Sequential(nn.Embedding(50, 6), nn.Linear(6, 3)), torch.zeros(4, 40, dtype=torch.long)),
    "deep": (nn.Sequential(*(nn.Linear(8, 8) for _ in range(30))), torch.zeros(4, 8)),
    "signal": (nn.Sequential(nn.Conv1d(3, 8, 5), nn.ReLU(), nn.MaxPool1d(2)), torch.zeros(4, 3, 100)),
    "volume": (nn.Sequential(nn.Conv3d(1, 4, 3), nn.Flatten()), torch.zeros(2, 1, 6, 6, 6)),
    "long_words": (
        nn.Sequential(nn.Conv2d(3, 512, (3, 7), stride=(1, 2), padding=3, dilation=2)),
        torch.zeros(2, 3, 64, 96),
    ),
    "one": (nn.Linear(1, 1), torch.zeros(1)),
}
HEADS: dict[str, tuple[nn.Module, Any, Any]] = {
    "last_step": (reader(lambda: nn.LSTM(3, 5, batch_first=True), 5, last_step), values(4, 7, 3), None),
    "on_padding": (
        reader(lambda: unrolled.GRU(3, 5, batch_first=True), 5, last_step),
        values(2, 7, 3),
        [4, 7],
    ),
    "both": (
        reader(lambda: unrolled.LSTM(3, 4, 2, batch_first=True, bidirectional=True), 8, both_h),
        values(4, 7, 3),
        [5, 7, 2, 1],
    ),
    "h_n": (reader(lambda: nn.LSTM(3, 5), 5, lambda _, states: states[0][-1]), values(7, 4, 3), None),
    "c_n": (reader(lambda: nn.LSTM(3, 5), 5, lambda _, states: states[1][-1]), values(7, 4, 3), None),
    "every_step": (reader(lambda: nn.GRU(12, 64), 64, lambda output, _: output), values(100, 2, 12), None),
    "mean": (
        reader(lambda: nn.GRU(3, 5, batch_first=True), 5, lambda output, _: output.mean(1)),
        values(4, 7, 3),
        None,
    ),
    "unbatched": (reader(lambda: nn.GRU(3, 5), 5, lambda output, _: output[-1]), values(7, 3), None),
    "one": (reader(lambda: nn.LSTM(1, 1), 1, lambda output, _: output[-1], 1), values(1, 1, 1), None),
}
SERIES: dict[str, dict[str, Any]] = {
    "season": {"series": 12 + 8 * np.sin(np.arange(24) / 4), "input_size": 8, "h": 3, "step": 2},
    "long": {"series": long_series(), "input_size": 48, "h": 12, "batch_size": 32},
    "one": {"series": [1.0, 2.0], "input_size": 1, "h": 1},
    "gaps": {"series": [1.0, np.nan, 3.0, 5.0, np.nan, 2.0, 1.0], "input_size": 3, "h": 1, "step": 2},
    "huge": {"series": np.arange(100_000.0), "input_size": 500, "h": 100, "step": 100, "batch_size": 256},
}


def check_look(figure: Any) -> None:
    assert overlaps(figure) == []
    assert cut_off(figure) == []
    assert smallest(figure) >= SMALL


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("show", ["cube", "slices", "batch_first"])
@pytest.mark.parametrize("case", CUBES)
def test_no_word_of_a_cube_lies_on_another(case: str, show: Any, width: float) -> None:
    check_look(figures.data_cube(**CUBES[case], show=show, width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", LAYERS)
def test_no_word_of_a_layer_lies_on_another(case: str, width: float) -> None:
    layer, x, lengths = LAYERS[case]
    for figure in (figures.unrolled, figures.unrolled_network):
        check_look(figure(layer, x, lengths, width=width))
        if width == WIDTHS[0]:
            check_look(figure(layer, steps=9, width=width))
    check_look(figures.folded(layer, width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", MODELS)
def test_no_word_of_a_model_lies_on_another(case: str, width: float) -> None:
    check_look(figures.network(*MODELS[case], width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", HEADS)
def test_no_word_of_a_head_lies_on_another(case: str, width: float) -> None:
    check_look(figures.head(*HEADS[case], width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", SERIES)
def test_no_word_of_windows_lies_on_another(case: str, width: float) -> None:
    check_look(figures.windows(**SERIES[case], width=width))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", ["北京", "上海市浦东新区世纪大道一百号东方明珠"])
def test_chinese_names_are_drawn_where_a_face_holds_them(case: str, width: float) -> None:
    names = {"batch": [case] * 2, "time": [case] * 3, "feature": [case] * 2}
    figure = figures.data_cube(values(2, 3, 2), names, width=width)
    check_look(figure)
    assert (case[:2] in words(figure)) == can_draw(case) == (installed_cjk_face() is not None)


GOLDEN: dict[str, Callable[[], Any]] = {
    **{
        f"data_cube_{show}": lambda show=show: figures.data_cube(**CUBES["named"], show=show)
        for show in ("cube", "slices")
    },
    "data_cube_batch_first": lambda: figures.data_cube(**CUBES["padded"], show="batch_first"),
    "data_cube_sentences": lambda: figures.data_cube(**CUBES["sentences"]),
    "data_cube_large": lambda: figures.data_cube(**CUBES["large"]),
    "folded": lambda: figures.folded(LAYERS["lstm"][0]),
    "unrolled": lambda: figures.unrolled(*LAYERS["lstm"]),
    "unrolled_both": lambda: figures.unrolled(*LAYERS["both"]),
    "unrolled_network": lambda: figures.unrolled_network(*LAYERS["lstm"]),
    "unrolled_network_both": lambda: figures.unrolled_network(*LAYERS["both"]),
    "network_dense": lambda: figures.network(*MODELS["dense"]),
    "network_convolution": lambda: figures.network(*MODELS["convolution"]),
    "network_recurrent": lambda: figures.network(*MODELS["recurrent"]),
    "head_last_step": lambda: figures.head(*HEADS["last_step"]),
    "head_both": lambda: figures.head(*HEADS["both"]),
    "windows": lambda: figures.windows(**SERIES["season"]),
    "windows_long": lambda: figures.windows(**SERIES["long"]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_drawing_is_the_stored_one(name: str, overwrite: bool) -> None:
    check_golden(GOLDEN[name](), name, overwrite)
