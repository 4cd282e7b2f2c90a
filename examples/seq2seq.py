"""An encoder hands its h and c to a decoder
=========================================

One LSTM reads six digits, another says them in reverse. Only the first one's last h and c pass between them; with
zeros in their place the answer is lost. The encoder is an LSTM on an LSTM's output: one LSTM of two layers.

Run it: ``python examples/seq2seq.py [folder]``
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import unrolled

STEPS, DIGITS, GO = 6, 10, 10  # GO is the token that the decoder reads first


class Reverser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lower, self.upper, self.decoder = unrolled.LSTM(16, 32), unrolled.LSTM(32, 96), unrolled.LSTM(16, 96)
        self.embed, self.head = nn.Embedding(DIGITS + 1, 16), nn.Linear(96, DIGITS)

    def encode(self, digits: Tensor) -> tuple[Tensor, Tensor]:
        return self.upper(self.lower(self.embed(digits))[0])[1]  # (h_n, c_n), each (1, N, 96)

    def forward(self, digits: Tensor) -> Tensor:  # in training the decoder reads what it should have said
        late = torch.cat([torch.full_like(digits[:1], GO), digits.flip(0)[:-1]])  # (T, N)
        return self.head(self.decoder(self.embed(late), self.encode(digits))[0])

    @torch.no_grad()
    def answer(self, states: tuple[Tensor, Tensor]) -> Tensor:  # later it reads what it said last
        token, chances = torch.full((1, states[0].shape[1]), GO), []
        for _ in range(STEPS):
            output, states = self.decoder(self.embed(token), states)
            chances.append(self.head(output).softmax(-1))
            token = chances[-1].argmax(-1)
        return torch.cat(chances)  # of each digit at each step, (T, N, 10)


def main(folder: Path) -> tuple[float, dict[str, float]]:
    torch.manual_seed(0)
    model, two_layers = Reverser(), unrolled.LSTM(16, [32, 96])
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(500):
        digits = torch.randint(0, DIGITS, (STEPS, 128))
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(digits).mT, digits.flip(0)).backward()
        optimiser.step()
    layer_1 = {name.replace("l0", "l1"): weight for name, weight in model.upper.state_dict().items()}
    two_layers.load_state_dict(model.lower.state_dict() | layer_1)
    digits = torch.randint(0, DIGITS, (STEPS, 1000))
    h, c = model.encode(digits)
    furthest = float((two_layers(model.embed(digits))[1][0][1] - h[0]).abs().max().detach())
    print(f"an LSTM on an LSTM's output, and one LSTM of two layers: h_n differs by {furthest:.0e} at most")
    figure, right = Figure(figsize=(8, 3.6), layout="constrained"), {}
    starts = {"h and c": (h, c), "c and zeros": (h * 0, c), "zeros": (h * 0, c * 0)}
    for axes, (name, states) in zip(figure.subplots(1, 3, sharey=True), starts.items(), strict=True):
        chances = model.answer(states)
        right[name] = float((chances.argmax(-1) == digits.flip(0)).float().mean())
        print(f"decoder started from {name}: {right[name]:.1%} of the digits right")
        shown = axes.imshow(chances[:, 0].T.numpy(), cmap="cividis", vmin=0, vmax=1, origin="lower")
        axes.scatter(range(STEPS), digits.flip(0)[:, 0], marker="s", s=120, facecolor="none", edgecolor="#D55E00")
        axes.set_title(f"from {name}: {right[name]:.0%} right", fontsize=9, loc="left")
        axes.set(xlabel="decoder's step", ylabel="digit", yticks=range(DIGITS))
    figure.colorbar(shown, ax=figure.axes, label="chance of a digit; box: right one")
    figure.suptitle("What the decoder knows came in h and c", x=0.02, ha="left")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "seq2seq.png", dpi=144)
    print(f"Picture: {folder / 'seq2seq.png'}")
    return furthest, right


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
