"""An LSTM from scratch, equal to the library's
============================================

Layers of 32, 32 and 64 units read 32 features over 30 steps, in nothing but tensor operations. What they start from
is learnt: tanh(V · x) of the first input x, tanh(V · that) a layer higher; one such chain for h and one for c.
``unrolled.Stack`` with ``InitialStateFromInput`` gives the same from the same weights, and learns the same.
The picture is of the trained stack: three sets of weights, each used 30 times.

Run it: ``python examples/from_scratch.py [folder]``
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import unrolled

STEPS, BATCH, SIZES = 30, 32, [(32, 32), (32, 32), (32, 64)]  # each layer's F and H


class FromScratch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = [[(4 * H, F), (4 * H, H), (4 * H,), (4 * H,)] for F, H in SIZES]  # of W_x, W_h and two biases
        self.layers = nn.ModuleList(nn.ParameterList(torch.randn(size) / 6 for size in layer) for layer in sizes)
        self.chains = nn.ModuleList(nn.ParameterList(torch.randn(H, F) / 6 for F, H in SIZES) for _ in "hc")

    def forward(self, x_TNF: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        h, c, states, output = x_TNF[0], x_TNF[0], [], []
        for V_h, V_c in zip(*self.chains, strict=True):  # the chains climb the layers
            h, c = (h @ V_h.T).tanh(), (c @ V_c.T).tanh()
            states.append((h, c))
        for x in x_TNF:  # one step of all sequences after another, and in each one layer after another
            for k, ((W_x, W_h, b_x, b_h), (h, c)) in enumerate(zip(self.layers, states, strict=True)):
                i, f, g, o = (x @ W_x.T + b_x + h @ W_h.T + b_h).chunk(4, dim=-1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                x = o.sigmoid() * c.tanh()  # this layer's h is what the next one reads
                states[k] = x, c
            output.append(x)
        return torch.stack(output), states


def train(model: nn.Module) -> list[float]:
    torch.manual_seed(1)
    head, losses = nn.Linear(64, 32), []
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(60):
        turn, phase = torch.rand(BATCH, 1) * 0.6 + 0.2, torch.rand(BATCH, 1) * 6.3 + torch.arange(32)
        waves = (torch.arange(STEPS + 1)[:, None, None] * turn + phase).sin()
        optimiser.zero_grad()
        loss = (head(model(waves[:-1])[0]) - waves[1:]).square().mean()  # at every step: what comes next?
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def main(folder: Path) -> tuple[float, list[float], list[float]]:
    torch.manual_seed(0)
    scratch, start = FromScratch(), unrolled.InitialStateFromInput(32, [32, 32, 64])
    stack = unrolled.Stack([unrolled.LSTMCell(F, H) for F, H in SIZES], initial_state=start)
    stack.load_state_dict(dict(zip(stack.state_dict(), scratch.state_dict().values(), strict=True)))
    x = torch.randn(STEPS, BATCH, 32)
    one, other = ([output, *sum(states, ())] for output, states in (scratch(x), stack(x)))
    furthest = max(float((a - b).detach().abs().max()) for a, b in zip(one, other, strict=True))
    print(f"output, and h and c of each layer after the last step, differ by {furthest:.0e} at most")
    losses, our_losses = train(scratch), train(stack)
    for step in (0, 20, 40, 59):
        print(f"training step {step:2}: loss from scratch {losses[step]:.5f}, of unrolled.Stack {our_losses[step]:.5f}")
    folder.mkdir(parents=True, exist_ok=True)
    unrolled.figures.unrolled(stack, x).savefig(folder / "from_scratch.png")
    print(f"Picture: {folder / 'from_scratch.png'}")
    return furthest, losses, our_losses


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
