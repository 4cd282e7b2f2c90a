"""Write every figure as PNG and SVG, and the explorer page: `python docs/gallery.py [--out out/gallery]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import unrolled
from unrolled import figures
from unrolled.errors import PageAbsentError
from unrolled.view.style import Picture

CITIES = ["Beijing", "Cairo", "Lima", "Oslo"]
DAYS = [f"{day} May" for day in range(1, 8)]
WEATHER = ["°C", "mm", "hPa"]
SENTENCES = [["the", "cat", "sat", "on", "the", "mat"], ["birds", "sing"], ["networks", "remember", "words"]]
LENGTHS = [7, 5, 3, 6]


class Classifier(nn.Module):
    """Embedded words, an LSTM that reads both ways, and a dense layer on both directions' last states."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 6)
        self.lstm = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T) to one score for each of three classes."""
        _, (h_n, _) = self.lstm(self.embed(tokens))
        scores: Tensor = self.dense(torch.cat([h_n[-2], h_n[-1]], dim=1))
        return scores


class Forecast(nn.Module):
    """An LSTM, and two dense layers on its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = unrolled.LSTM(3, 5, batch_first=True)
        self.dense = nn.Linear(5, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor, lengths: list[int] | None = None) -> Tensor:
        """Weather (N, T, F) to two numbers."""
        output, _ = self.lstm(x, lengths=lengths)
        answer: Tensor = self.out(torch.relu(self.dense(output[:, -1])))
        return answer


def lenet() -> nn.Module:
    """Return LeCun's network for digits."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def dense_net() -> nn.Module:
    """Return three dense layers."""
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, 3))


def weather() -> Tensor:
    """Return (N=4, T=7, F=3): a week of four cities, standardised."""
    return torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1))


def lstm(layers: int = 1, both: bool = False) -> nn.Module:
    """Return an LSTM for the weather."""
    return nn.LSTM(3, 5, layers, batch_first=True, bidirectional=both)


def series() -> np.ndarray:
    """Return 24 months with a season."""
    return np.round(12 + 8 * np.sin(np.arange(24) / 12 * 2 * np.pi - 1.9) + np.arange(24) * 0.1, 1)


NAMES = {"batch": CITIES, "time": DAYS, "feature": WEATHER}
TOKENS = torch.arange(12).reshape(2, 6)

FIGURES: dict[str, Callable[[], Picture]] = {
    "network_dense": lambda: figures.network(dense_net(), torch.zeros(32, 4)),
    "network_convolutional": lambda: figures.network(lenet(), torch.zeros(32, 1, 28, 28)),
    "network_recurrent": lambda: figures.network(Classifier(), TOKENS),
    "folded": lambda: figures.folded(lstm()),
    "unrolled": lambda: figures.unrolled(lstm(), weather()),
    "unrolled_padded": lambda: figures.unrolled(lstm(), weather(), LENGTHS, sample=1),
    "unrolled_both_directions": lambda: figures.unrolled(lstm(2, True), weather()),
    "unrolled_long": lambda: figures.unrolled(nn.GRU(3, 64, 2), torch.randn(1000, 4, 3)),
    "unrolled_network": lambda: figures.unrolled_network(lstm(2), weather()),
    "unrolled_network_both_directions": lambda: figures.unrolled_network(lstm(1, True), weather()),
    "data_cube": lambda: figures.data_cube(weather(), NAMES),
    "data_cube_slices": lambda: figures.data_cube(weather(), NAMES, show="slices"),
    "data_cube_batch_first": lambda: figures.data_cube(weather(), NAMES, show="batch_first"),
    "data_cube_padded": lambda: figures.data_cube(weather(), NAMES, LENGTHS),
    "data_cube_sentences": lambda: figures.data_cube(torch.randn(3, 6, 5), {"time": SENTENCES}),
    "data_cube_large": lambda: figures.data_cube(torch.randn(64, 1000, 12)),
    "windows": lambda: figures.windows(series(), input_size=12, h=3, step=2),
    "windows_long": lambda: figures.windows(np.cumsum(np.sin(np.arange(1000) ** 1.5)), 48, 12, batch_size=32),
    "head_of_output": lambda: figures.head(Forecast(), weather()),
    "head_of_h_n": lambda: figures.head(Classifier(), TOKENS),
    "head_on_padding": lambda: figures.head(Forecast(), weather(), LENGTHS, sample=2),
    "parameters": lambda: figures.parameters(lstm(2, True)),
    "parameters_projected": lambda: figures.parameters(nn.LSTM(7, 50, 5, proj_size=10)),
    "states": lambda: figures.states(lstm(2, True), weather(), LENGTHS),
    "states_of_one_direction": lambda: figures.states(lstm(2), weather()),
    "packing": lambda: figures.packing(weather(), [3, 6, 2, 5], total_length=7),
    "cell_lstm": lambda: figures.cell(lstm(), weather(), sample=1),
    "cell_gru": lambda: figures.cell(nn.GRU(3, 5, batch_first=True), weather(), sample=1),
    "cell_rnn": lambda: figures.cell(nn.RNN(3, 5, batch_first=True), weather(), sample=1),
    "gates": lambda: figures.gates(unrolled.LSTM(3, 8), torch.randn(40, 4, 3), [40, 31, 25, 12], sample=1),
    "gates_gru": lambda: figures.gates(nn.GRU(3, 8), torch.randn(40, 4, 3)),
    "gates_large": lambda: figures.gates(nn.LSTM(8, 512), torch.randn(1000, 1, 8)),
    "memory": lambda: figures.memory(unrolled.LSTM(3, 8, init=("chrono", 60)), torch.randn(40, 4, 3)),
    "memory_of_many_units": lambda: figures.memory(
        unrolled.LSTM(3, 64, bidirectional=True, init=("chrono", 200)), torch.randn(200, 4, 3)
    ),
    "contributions": lambda: figures.contributions(
        unrolled.LSTM(3, 8, init=("chrono", 20)), torch.randn(40, 4, 3), [40, 31, 25, 12], sample=1
    ),
    "gradient_flow": lambda: figures.gradient_flow(
        nn.LSTM(3, 8, 2), torch.randn(40, 4, 3), loss=lambda result: result[0][-1].sum()
    ),
    "gradient_flow_rnn": lambda: figures.gradient_flow(
        nn.RNN(3, 8, 2, bidirectional=True), torch.randn(40, 4, 3), loss=lambda result: result[1].sum()
    ),
}


def write(folder: Path, wanted: list[str]) -> None:
    """Write the figures of those names, or all, and say where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted or FIGURES:
        torch.manual_seed(0)
        picture = FIGURES[name]()
        for ending in ("png", "svg"):
            picture.savefig(folder / f"{name}.{ending}")
        print(folder / f"{name}.png")


def write_page(folder: Path) -> None:
    """Write the explorer page of the model that ships with unrolled, or say why it can't be."""
    try:
        print(unrolled.explore(out=folder / "explorer.html").path)
    except PageAbsentError as absent:
        print(absent)


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []], help="which figures; default: all")
    parser.add_argument("--out", type=Path, default=Path("out/gallery"), help="folder to write into")
    given = parser.parse_args()
    write(given.out, given.names)
    if not given.names:
        write_page(given.out)


if __name__ == "__main__":
    main()
