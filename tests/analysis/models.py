"""Models with recurrent layers in them, and layers run by hand: one sequence and one step at a time.

Shapes: T = time, N = batch, F = features, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import unrolled.layers as ours


class Encoder(nn.Module):
    """Dropout and normalisation, a recurrent layer, and whatever `read` makes of its result."""

    def __init__(self, layer: nn.Module, read: Callable[..., Any], *parts: nn.Module, features: int = 3) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(features), nn.Dropout(0.5)
        self.layer, self.parts, self.read = layer, nn.ModuleList(parts), read

    def forward(self, x: Tensor, lengths: Any = None) -> Any:
        x = self.dropout(self.norm(x.transpose(1, 2)).transpose(1, 2))
        result = self.layer(x) if lengths is None else self.layer(x, lengths=lengths)
        return self.read(self.parts, *result)


class Decoder(nn.Module):
    """An encoder, and a decoder that is called once for each step that it makes."""

    def __init__(self, steps: int, kind: Any = nn.GRU) -> None:
        super().__init__()
        self.steps = steps
        self.encoder, self.decoder = kind(3, 4, batch_first=True), kind(1, 4, batch_first=True)
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.encoder(x)
        value, made = x.new_zeros(len(x), 1, 1), []
        for _ in range(self.steps):
            output, state = self.decoder(value, state)
            value = self.head(output)
            made.append(value)
        return torch.cat(made, dim=1)


class Tokens(nn.Module):
    """Token ids in, one number for each sequence out."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.embedding, self.layer, self.head = nn.Embedding(11, 3), layer, nn.Linear(4, 2)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        kwargs = {} if lengths is None else {"lengths": lengths}
        output, _ = self.layer(self.embedding(x), **kwargs)
        return self.head(output[:, -1])


class Running(nn.Module):
    """A one-step module of one's own: a running mean."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.3))

    def forward(self, x_NF: Tensor, state: Any) -> tuple[Tensor, Tensor]:
        new = x_NF * self.rate if state is None else state + self.rate * (x_NF - state)
        return new, new


Retained = dict[tuple[int, str, str], dict[tuple[int, int], Tensor]]
"""`[layer, direction, state][t, n]`: a state after a step, whose gradient is kept."""


def by_hand(layer: Any, x_TNF: Tensor, lengths: list[int]) -> tuple[Tensor, Retained, dict[tuple[int, str], Tensor]]:
    """Run LSTM, GRU or RNN of ours or of `torch.nn`, each sequence by itself, from zeros.

    Returns the output (T, N, Y), 0 at padding, every state, and what each direction ends with (N, S).
    """
    retained: Retained = {}
    last = {}
    for k in range(layer.num_layers):
        sides = []
        for d, direction in enumerate(("forward", "reverse")[: 2 if layer.bidirectional else 1]):
            suffix = f"_l{k}" + ("_reverse" if d else "")
            w = {n.removesuffix(suffix): p for n, p in layer.named_parameters() if n.endswith(suffix)}
            width = w["weight_hr"].shape[0] if "weight_hr" in w else layer.hidden_size
            rows, ends = [], []
            for n, length in enumerate(lengths):
                h, c = x_TNF.new_zeros(width), x_TNF.new_zeros(layer.hidden_size)
                outputs = [x_TNF.new_zeros(width)] * len(x_TNF)
                for t in range(length)[:: -1 if d else 1]:
                    h, c = _step(layer, w, x_TNF[t, n], h, c)
                    for name, state in (("h", h), ("c", c)):
                        if state.requires_grad:
                            state.retain_grad()
                        retained.setdefault((k, direction, name), {})[t, n] = state
                    outputs[t] = h
                rows.append(torch.stack(outputs))
                ends.append(h)
            sides.append(torch.stack(rows, dim=1))
            last[k, direction] = torch.stack(ends)
        x_TNF = torch.cat(sides, dim=-1)
    return x_TNF, retained, last


def _step(layer: Any, w: dict[str, Tensor], x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    of_x, of_h = w["weight_ih"] @ x, w["weight_hh"] @ h
    if "bias_ih" in w:
        of_x, of_h = of_x + w["bias_ih"], of_h + w["bias_hh"]
    kind = type(layer).__name__
    if kind == "RNN":
        h = torch.relu(of_x + of_h) if layer.nonlinearity == "relu" else torch.tanh(of_x + of_h)
    elif kind == "GRU":
        (rx, zx, nx), (rh, zh, nh) = of_x.chunk(3), of_h.chunk(3)
        z = torch.sigmoid(zx + zh)
        h = z * h + (1 - z) * torch.tanh(nx + torch.sigmoid(rx + rh) * nh)
    else:
        i, f, g, o = (of_x + of_h).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        h = w["weight_hr"] @ h if "weight_hr" in w else h
    return h, c


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}),
    ("LSTM", {"proj_size": 2}),
    ("GRU", {}),
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
]
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {"peephole": True}),
    ("LSTM", {"layer_norm": True, "peephole": True}),
    ("LSTM", {"coupled_gates": True}),
    ("LSTM", {"cell_clip": 0.15}),
    ("LSTM", {"preactivation_clip": 0.3, "proj_size": 2}),
    ("LSTM", {"zoneout": (0.2, 0.4), "cell_clip": 0.2}),
    ("LSTM", {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
    ("GRU", {"reset_after": False, "zoneout": 0.3}),
    ("GRU", {"activation": "relu"}),
    ("SLSTM", {"num_heads": 2}),
    ("SLSTM", {"forget_gate": "exp"}),
]


def names_of(case: tuple[str, dict[str, Any]]) -> str:
    """What pytest calls a case."""
    return "-".join([case[0], *(f"{name}={value}" for name, value in case[1].items())])


def make(case: tuple[str, dict[str, Any]], *sizes: Any, source: Any = ours, **more: Any) -> Any:
    """A layer in evaluation whose gates are neither all open nor all shut."""
    layer = getattr(source, case[0])(*sizes, **case[1], **more)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.7)
    return layer.eval()
