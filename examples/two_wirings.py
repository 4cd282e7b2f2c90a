"""One weight on [h, x], or one on h and one on x: the same LSTM
================================================================

Textbooks draw one matrix W on h and x laid end to end; PyTorch keeps ``weight_hh`` for h and ``weight_ih`` for x.
Here the one is cut into the two. Both are linear, and they agree on each unit vector to the last bit, so they are
one and the same function. Then a whole LSTM runs in the textbook's wiring, beside the layer. The picture shows
which rows belong to which gate: i, f, g, o in PyTorch's order.

Run it: ``python examples/two_wirings.py [folder]``
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

import unrolled

F, H = 3, 5  # features of x, units of h
GATES = {"i": "#56B4E9", "f": "#D55E00", "g": "#CC79A7", "o": "#7F7F7F"}


def joined(W: torch.Tensor, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([h, x], dim=-1) @ W.T


def run_joined(W: torch.Tensor, b: torch.Tensor, x_TNF: torch.Tensor) -> torch.Tensor:
    """Run the textbook's LSTM over all steps and return every h."""
    h = c = x_TNF.new_zeros(x_TNF.shape[1], H)
    output = []
    for x in x_TNF:
        i, f, g, o = (joined(W, h, x) + b).chunk(4, dim=-1)  # the first H rows are gate i, the next H gate f, ...
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        output.append(h)
    return torch.stack(output)


@torch.no_grad()
def main(folder: Path) -> tuple[bool, float]:
    torch.manual_seed(0)
    lstm = unrolled.LSTM(F, H)
    W_hh, W_ih = lstm.weight_hh_l0, lstm.weight_ih_l0
    W, b = torch.cat([W_hh, W_ih], dim=1), lstm.bias_hh_l0 + lstm.bias_ih_l0
    print(f"W on [h, x]: {tuple(W.shape)}. weight_hh on h: {tuple(W_hh.shape)}, weight_ih on x: {tuple(W_ih.shape)}.")
    h, x = torch.eye(H + F).split([H, F], dim=1)  # every unit vector of [h, x], one a row
    proven = torch.equal(joined(W, h, x), h @ W_hh.T + x @ W_ih.T)
    print(f"They agree to the last bit on each of the {H + F} unit vectors, and so they are one function: {proven}.")
    x_TNF = torch.randn(30, 4, F)
    furthest = float((run_joined(W, b, x_TNF) - lstm(x_TNF)[0]).abs().max())
    print(f"An LSTM over 30 steps, wired either way: its outputs differ by {furthest:.0e} at most, by rounding.")
    draw({"W on [h, x]": W, "weight_hh on h": W_hh, "weight_ih on x": W_ih}, folder / "two_wirings.png")
    return proven, furthest


def draw(blocks: dict[str, torch.Tensor], path: Path) -> None:
    figure = Figure(figsize=(8, 6), layout="constrained")
    all_axes = figure.subplots(1, 3, width_ratios=[H + F, H, F])
    for axes, sign, (name, weight) in zip(all_axes, " =+", blocks.items(), strict=True):
        shown = axes.imshow(weight.numpy(), cmap="PuOr", vmin=-0.5, vmax=0.5)
        axes.set_title(name, fontsize=9, family="DejaVu Sans Mono")
        axes.text(-1.6, 2 * H - 0.5, sign, fontsize=16, ha="center", va="center")
        axes.hlines([k * H - 0.5 for k in (1, 2, 3)], -0.5, weight.shape[1] - 0.5, color="#222222")
        axes.set(xlabel=f"{weight.shape[1]} columns", xticks=[], yticks=[])
    all_axes[0].vlines(H - 0.5, -0.5, 4 * H - 0.5, color="#222222", linestyle="--")
    for k, (gate, colour) in enumerate(GATES.items()):
        circle = {"boxstyle": "circle", "facecolor": colour, "edgecolor": "none"}
        all_axes[0].text(-1.6, k * H + H / 2 - 0.5, gate, ha="center", va="center", bbox=circle)
    figure.colorbar(shown, ax=all_axes, label=f"weight; each gate has {H} rows", shrink=0.5)
    figure.suptitle("One matrix, cut between h and x: the gates' sums stay the same", x=0.02, ha="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=144)
    print(f"Picture: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
