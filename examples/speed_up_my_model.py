"""One more line, and a plain PyTorch script trains faster
=======================================================

The model knows only ``torch.nn``: an LSTM and a head that learn to tell which of two waves a sequence is. Then
``unrolled.replace(model)``: the same weights, the same batches, the same losses, in less time.

Run it: ``python examples/speed_up_my_model.py [folder]``
"""

import copy
import sys
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

import unrolled

BATCH, STEPS, FEATURES, HIDDEN, TRAINING_STEPS = 128, 96, 7, 64, 26


class WaveTeller(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output, _ = self.lstm(x)
        return self.head(output.mean(dim=1)).squeeze(-1)


def draw_batch(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    kind = torch.randint(0, 2, (BATCH,), generator=generator)  # which of two lengths a sequence's waves have
    phase = torch.rand(BATCH, 1, FEATURES, generator=generator) * 6.3
    angle = torch.arange(STEPS)[:, None] / (2.0 + 4.0 * kind[:, None, None]) + phase
    return angle.sin() + 0.3 * torch.randn(BATCH, STEPS, FEATURES, generator=generator), kind.float()


def train(model: nn.Module) -> tuple[list[float], float]:
    """Return the loss after each step, and the seconds that all of them took."""
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator, losses, seconds = torch.Generator().manual_seed(0), [], 0.0
    for _ in range(TRAINING_STEPS):
        x, kind = draw_batch(generator)
        started = time.perf_counter()
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), kind)
        loss.backward()
        optimiser.step()
        seconds += time.perf_counter() - started
        losses.append(float(loss.detach()))
    return losses, seconds


def main(folder: Path) -> tuple[list[float], list[float]]:
    torch.manual_seed(0)
    plain = WaveTeller()
    faster = unrolled.replace(copy.deepcopy(plain))  # the one line
    (before, seconds), (after, fewer_seconds) = train(plain), train(faster)
    print(f"torch.nn: loss {before[0]:.4f} -> {before[-1]:.4f} in {seconds:.2f} s")
    print(f"unrolled: loss {after[0]:.4f} -> {after[-1]:.4f} in {fewer_seconds:.2f} s, {seconds / fewer_seconds:.1f} x")
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(before, color="#222222", linewidth=5, alpha=0.25, label=f"torch.nn, {seconds:.2f} s")
    axes.plot(after, color="#D55E00", label=f"after unrolled.replace(model), {fewer_seconds:.2f} s")
    axes.set(xlabel="training step", ylabel="loss")
    axes.set_title("The same losses, sooner", loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "speed_up_my_model.png", dpi=144)
    print(f"Picture: {folder / 'speed_up_my_model.png'}")
    return before, after


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
