"""A step, a batch, an epoch
=========================

The sequence A B C D E, each letter a vector of five numbers, is cut into windows: two letters go in, the next is to
come out. AB→C and BC→D make the first batch, CD→E the second, and both together one epoch. An LSTM learns them, and
the picture shows what went where.

Run it: ``python examples/batches.py [folder]``
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

import unrolled

LETTERS, INPUT_SIZE, WINDOWS, BATCH_SIZE, EPOCHS = "ABCDE", 2, 3, 2, 15
BLUE, ORANGE = "#0072B2", "#D55E00"


def train() -> tuple[list[tuple[int, ...]], list[float], str]:
    """The shape and the loss of each batch that was trained on, and what follows the windows in the end."""
    vectors = torch.eye(len(LETTERS))  # A is (1, 0, 0, 0, 0)
    x = torch.stack([vectors[k : k + INPUT_SIZE] for k in range(WINDOWS)])  # (N=3 windows, T=2 steps, F=5)
    y = torch.arange(WINDOWS) + INPUT_SIZE
    lstm, head = unrolled.LSTM(5, 16, batch_first=True), nn.Linear(16, 5)
    optimiser = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=0.05)
    shapes, losses = [], []
    for epoch in range(EPOCHS):
        for batch, (x_b, y_b) in enumerate(zip(x.split(BATCH_SIZE), y.split(BATCH_SIZE), strict=True)):
            _, (h_n, _) = lstm(x_b)
            loss = nn.functional.cross_entropy(head(h_n[-1]), y_b)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            shapes, losses = [*shapes, tuple(x_b.shape)], [*losses, float(loss.detach())]
            if epoch in (0, 1, EPOCHS - 1):
                print(f"epoch {epoch:2}, batch {batch}: x (N, T, F) = {shapes[-1]}, loss {losses[-1]:.3f}")
    return shapes, losses, "".join(LETTERS[k] for k in head(lstm(x)[1][0][-1]).argmax(dim=1))


def main(folder: Path) -> tuple[list[tuple[int, ...]], list[float], str]:
    torch.manual_seed(0)
    shapes, losses, guessed = train()
    print("after training:", ", ".join(f"{LETTERS[k : k + 2]}→{letter}" for k, letter in enumerate(guessed)))
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    cuts, curve = figure.subplots(1, 2, width_ratios=[5, 4])
    cuts.set(xlim=(-0.6, 7.8), ylim=(-5, 6))
    cuts.set_axis_off()
    cuts.set_title("Three windows, two batches, one epoch", loc="left")
    for k, letter in enumerate(LETTERS):
        cuts.text(k, 5.2, letter, ha="center")
        cuts.bar([k] * 5, 0.9, 0.9, range(5), color=["w" if row != 4 - k else BLUE for row in range(5)], edgecolor=BLUE)
    cuts.text(4.8, 2, "one time step: a letter,\nfive numbers", va="center")
    for k in range(WINDOWS):
        for at, colour in ((k, BLUE), (k + 1, BLUE), (k + 2, ORANGE)):
            cuts.bar(at, 1, 0.9, -2 - 1.4 * k, color=colour, alpha=0.4)
            cuts.text(at, -1.6 - 1.4 * k, LETTERS[at], ha="center", va="center")
    for bottom, top, words in ((-3.4, -1, f"batch 0: x {shapes[0]}"), (-4.8, -3.8, f"batch 1: x {shapes[1]}")):
        cuts.plot([4.7, 4.8, 4.8, 4.7], [bottom, bottom, top, top], color="#5F5F5F", linewidth=0.8)
        cuts.text(5, (bottom + top) / 2, words, va="center")
    curve.plot(losses[::2], "o-", color="#222222", label="step on batch 0")
    curve.plot(losses[1::2], "s--", color="#222222", fillstyle="none", label="step on batch 1")
    curve.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    curve.set_title(f"{len(losses)} steps of training: {EPOCHS} epochs", loc="left")
    curve.legend(frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "batches.png", dpi=144)
    print(f"Picture: {folder / 'batches.png'}")
    return shapes, losses, guessed


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
