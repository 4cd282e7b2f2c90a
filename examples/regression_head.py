"""A value at every step, or one for the whole sequence
====================================================

A dense layer makes a number of every vector that the LSTM puts out, (N, T), or of the last valid one alone, (N), which
``unrolled.pool`` finds in a padded batch. Both models learn the slow mean of noise, ``s_t = 0.8 s_(t-1) + 0.2 x_t``.

Run it: ``python examples/regression_head.py [folder]``
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import unrolled
from unrolled import figures


class Regression(nn.Module):
    def __init__(self, every_step: bool) -> None:
        super().__init__()
        self.lstm, self.dense, self.every_step = unrolled.LSTM(1, 5, batch_first=True), nn.Linear(5, 1), every_step

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        output, _ = self.lstm(x, lengths=lengths)  # (N, T, 5)
        if self.every_step:
            return self.dense(output).squeeze(-1)  # (N, T): the same weights at each step
        return self.dense(unrolled.pool(output, lengths, "last", batch_first=True)).squeeze(-1)  # (N)


def draw_batch(n: int, t: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise (N, T, 1), the lengths (N) of its sequences, and their slow means (N, T)."""
    x, means = torch.randn(n, t, 1), [torch.zeros(n)]
    for step in range(t):
        means.append(0.8 * means[-1] + 0.2 * x[:, step, 0])
    return x, torch.randint(t // 2, t + 1, (n,)), torch.stack(means[1:], dim=1)


def error(model: Regression, n: int) -> Tensor:
    """The mean squared error on n new sequences, as a share of that of always saying 0."""
    x, lengths, means = draw_batch(n, 24)
    guess, valid = model(x, lengths), torch.arange(24) < lengths[:, None]
    guess, truth = (guess[valid], means[valid]) if model.every_step else (guess, means[range(n), lengths - 1])
    return (guess - truth).square().mean() / truth.square().mean()


def main(folder: Path) -> dict[str, tuple[tuple[int, ...], float]]:
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    (x, lengths, means), found = draw_batch(3, 24), {}
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots(subplot_kw={"xlabel": "step", "ylabel": "slow mean"})
    t = int(lengths[0])
    axes.plot(means[0, :t], color="#222222", linewidth=5, alpha=0.25, label="truth")
    for name in ("every step", "last step"):
        model = Regression(every_step=name == "every step")
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(300):
            optimiser.zero_grad()
            error(model, 64).backward()
            optimiser.step()
        guess, share = model(x, lengths).detach(), float(error(model, 500).detach())
        print(f"{name}: {tuple(x.shape)} -> {tuple(guess.shape)}, squared error {share:.1%} of that of saying 0")
        found[name] = tuple(guess.shape), share
        steps, values = (range(t), guess[0, :t]) if model.every_step else ([t - 1], guess[:1])
        axes.plot(steps, values, "-" if model.every_step else "o", color="#D55E00", label=f"from {name}")
        small = figures.head(model, x[:, :6], torch.tensor([5, 3, 6]))  # six steps: so few can all be drawn
        small.savefig(folder / f"regression_head_{name.split()[0]}.png", dpi=144)
    axes.set_title("A head makes a number of each step, or of the last alone", loc="left")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(folder / "regression_head.png", dpi=144)
    print(f"Pictures: {folder / 'regression_head.png'}, and of what each head reads")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
