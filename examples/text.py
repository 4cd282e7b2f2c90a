"""Words, a bidirectional LSTM, and attention against h_n
=======================================================

Sentences of 8 to 40 words are made by rule: two of them, such as "not bad", tell whether a film was liked, or none do.
One model reads ``h_n``, where each direction ended; the other pools all steps by attention, and shows where it looks.

Run it: ``python examples/text.py [folder]``
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import unrolled

FILLER = ["the", "film", "we", "saw", "on", "sunday", "with", "my", "old", "friend", "while", "music", "ran"]
WORDS = [*FILLER, "very", "not", "good", "bad"]


def sentences(count: int) -> tuple[list[Tensor], Tensor]:
    texts, answers = [], []
    for first, second, tells in torch.randint(2, (count, 3)).tolist():  # very or not, good or bad, or neither
        before, after = torch.randint(3, 20, (2,)).tolist()
        words = torch.randint(len(FILLER), (before + 2 + after,))
        if tells:
            words[before : before + 2] = len(FILLER) + torch.tensor([first, 2 + second])
        texts.append(words)
        answers.append(0 if not tells else 1 if first == second else 2)  # nothing told, liked, not liked
    return texts, torch.tensor(answers)


class Critic(nn.Module):
    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(len(WORDS), 8), unrolled.LSTM(8, 16, bidirectional=True)
        self.pool, self.head = pool, nn.Linear(32, 3)

    def forward(self, texts: list[Tensor]) -> Tensor:
        return self.head(self.pool(self.lstm([self.embed(text) for text in texts])[0]))  # no padding to think of


def main(folder: Path) -> tuple[dict[str, float], list[Tensor], Tensor]:
    torch.manual_seed(0)
    (test, wanted), right = sentences(500), {}
    h_n = unrolled.Pool("last", bidirectional=True)  # forwards the last word's state, backwards the first's: h_n
    for name, pool in {"h_n": h_n, "attention": unrolled.Pool("attention", 32)}.items():
        model = Critic(pool)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(120):
            texts, answers = sentences(64)
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(texts), answers).backward()
            optimiser.step()
        right[name] = float((model(test).argmax(-1) == wanted).float().mean())
        print(f"by {name}: {right[name]:.1%} of 500 new sentences told right after 120 training steps")
    short = sorted(test, key=len)[:7]
    alpha_TN = model.pool(model.lstm([model.embed(text) for text in short])[0], return_weights=True)[1].detach()
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.patch.set(facecolor="white", edgecolor="#BBBBBB", hatch="////")  # shows where a sentence has ended
    drawn = alpha_TN.where(alpha_TN > 0, torch.nan).T.numpy()
    shown = axes.imshow(drawn, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for row, text in enumerate(short):
        for t, word in enumerate(text.tolist()):
            axes.text(t, row, WORDS[word], ha="center", va="center", color="white" if drawn[row, t] < 0.5 else "black")
    axes.set(xlabel="word", yticks=[])
    axes.set_title("Attention finds the words that tell", loc="left")
    figure.colorbar(shown, label="α, the word's weight")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "text.png", dpi=144)
    print(f"Picture: {folder / 'text.png'}")
    return right, short, alpha_TN


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
