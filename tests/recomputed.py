"""What a network gives after a change, one number after the other: the explorer's edits again, in plain loops.

Nothing here is shared with `unrolled`: it reads a layer's `state_dict` as PyTorch documents it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

Vector = list[float]


class Changes(NamedTuple):
    """What the user changed.

    states: (state, layer, direction, step, unit) -> the value it is set to after the step.
    clamps: (gate, layer, direction, step or None, unit or None, value).
    """

    states: Mapping[tuple[str, int, str, int, int], float] = {}
    clamps: tuple[tuple[str, int, str, int | None, int | None, float], ...] = ()


NOTHING = Changes()


class Direction:
    """One direction of one layer on one sample: `numbers[name][step]` holds each gate and state."""

    def __init__(self, kind: str, weights: Mapping[str, Any], place: tuple[int, str], changes: Changes) -> None:
        self.kind, self.place, self.changes = kind, place, changes
        self.weights = weights
        self.numbers: dict[str, dict[int, Vector]] = {}

    def run(self, x: list[Vector]) -> list[Vector]:
        """Return h after each step."""
        width = len(self.weights["weight_hh"]) // {"LSTM": 4, "GRU": 3, "RNN": 1}[self.kind]
        projected = len(self.weights["weight_hr"]) if "weight_hr" in self.weights else width
        h, c = [0.0] * projected, [0.0] * width
        order = range(len(x)) if self.place[1] == "forward" else reversed(range(len(x)))
        for t in order:
            h, c = self._step(t, x[t], h, c, width)
        return [self.numbers["h"][t] for t in range(len(x))]

    def _step(self, t: int, x: Vector, h: Vector, c: Vector, width: int) -> tuple[Vector, Vector]:
        of_x = _affine(self.weights["weight_ih"], x, self.weights.get("bias_ih"))
        of_h = _affine(self.weights["weight_hh"], h, self.weights.get("bias_hh"))
        blocks = [(of_x[k : k + width], of_h[k : k + width]) for k in range(0, len(of_x), width)]
        both = [[a + b for a, b in zip(*block, strict=True)] for block in blocks]
        if self.kind == "LSTM":
            i, f, o = (
                self._gate(name, t, [_sigmoid(v) for v in both[k]]) for k, name in ((0, "i"), (1, "f"), (3, "o"))
            )
            g = self._gate("g", t, [math.tanh(v) for v in both[2]])
            c = self._state("c", t, [f[u] * c[u] + i[u] * g[u] for u in range(width)])
            h = [o[u] * math.tanh(c[u]) for u in range(width)]
            if "weight_hr" in self.weights:
                h = _affine(self.weights["weight_hr"], h, None)
        elif self.kind == "GRU":
            r, z = (self._gate(name, t, [_sigmoid(v) for v in both[k]]) for k, name in ((0, "r"), (1, "z")))
            from_x, from_h = blocks[2]
            n = self._gate("n", t, [math.tanh(from_x[u] + r[u] * from_h[u]) for u in range(width)])
            h = [(1 - z[u]) * n[u] + z[u] * h[u] for u in range(width)]
        else:
            h = [math.tanh(v) for v in both[0]]
        return self._state("h", t, h), c

    def _gate(self, name: str, t: int, values: Vector) -> Vector:
        for gate, layer, direction, step, unit, value in self.changes.clamps:
            if (gate, layer, direction) == (name, *self.place) and step in (None, t):
                values = [value if unit in (None, u) else v for u, v in enumerate(values)]
        self.numbers.setdefault(name, {})[t] = values
        return values

    def _state(self, name: str, t: int, values: Vector) -> Vector:
        values = [self.changes.states.get((name, *self.place, t, u), v) for u, v in enumerate(values)]
        self.numbers.setdefault(name, {})[t] = values
        return values


def recompute(layer: Any, x: list[Vector], changes: Changes = NOTHING) -> dict[tuple[int, str], Direction]:
    """Run all layers and directions over the valid steps of one sample."""
    tensors = {name: value.double().tolist() for name, value in layer.state_dict().items()}
    kind = type(layer).__name__
    directions = ("forward", "reverse")[: 1 + layer.bidirectional]
    found: dict[tuple[int, str], Direction] = {}
    for k in range(layer.num_layers):
        outputs = []
        for direction in directions:
            ending = f"_l{k}" + ("_reverse" if direction == "reverse" else "")
            own = {n.removesuffix(ending): v for n, v in tensors.items() if n.endswith(ending)}
            found[k, direction] = Direction(kind, own, (k, direction), changes)
            outputs.append(found[k, direction].run(x))
        x = [[*chain.from_iterable(output[t] for output in outputs)] for t in range(len(x))]
    return found


def _affine(weight: list[Vector], vector: Vector, bias: Vector | None) -> Vector:
    return [
        sum(w * v for w, v in zip(row, vector, strict=True)) + (bias[k] if bias else 0.0)
        for k, row in enumerate(weight)
    ]


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
