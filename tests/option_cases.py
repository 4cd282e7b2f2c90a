"""Layers with every option crossed with every other: all pairs in few cases, and any combination by hypothesis.

Shapes: T = time, N = batch, F = input features.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

import unrolled.layers as ours
from loops import Disturbance
from unrolled.layers.noise import draw_noise, drop_weights

Factors = dict[str, tuple[Any, ...]]

_OFF_ON = (False, True)
_COMMON: Factors = {
    "stack": ("one", "widths", "two", "residual"),
    "bidirectional": _OFF_ON,
    "batch_first": _OFF_ON,
    "bias": (True, False),
    "dropout": (0.0, 0.5),
    "recurrent_dropout": (0.0, 0.4),
    "weight_drop": (0.0, 0.3),
    "start": ("zeros", "given", "learned", "input"),
    "recompute": _OFF_ON,
    "ragged": _OFF_ON,
    "training": (True, False),
}
_ELEMENTWISE: Factors = {"preactivation_clip": (None, 0.7), "zoneout": (0.0, 0.3)}
_GATED: Factors = {
    "activation": ("tanh", "softsign", torch.sin),
    "recurrent_activation": ("sigmoid", "hard_sigmoid"),
}
FACTORS: dict[str, Factors] = {
    "LSTM": _COMMON
    | _ELEMENTWISE
    | _GATED
    | {
        "zoneout": (0.0, 0.3, (0.5, 0.0)),
        "proj_size": (0, 2),
        "peephole": _OFF_ON,
        "layer_norm": _OFF_ON,
        "coupled_gates": _OFF_ON,
        "cell_clip": (None, 0.3),
    },
    "GRU": _COMMON | _ELEMENTWISE | _GATED | {"reset_after": (True, False)},
    "RNN": _COMMON | _ELEMENTWISE | {"nonlinearity": ("tanh", "relu", "elu", torch.sin)},
    "SLSTM": _COMMON | {"start": ("zeros", "given", "learned"), "num_heads": (1, 2), "forget_gate": ("sigmoid", "exp")},
}
"""Every option of each layer, with the values that are crossed; `start` stands for hx and `initial_state`."""

_NOT_OPTIONS = ("stack", "start", "ragged", "training")


def allowed(row: dict[str, Any]) -> bool:
    """Whether a layer is offered all of this at once; rows may be incomplete."""
    alone = row.get("stack") == "one" and row.get("dropout")  # a layer warns that dropout would do nothing
    chain = row.get("start") == "input" and row.get("proj_size")  # its chain for h has the width of c
    return not alone and not chain


@dataclass(frozen=True)
class Case:
    """One combination: a layer's options, and how it is called."""

    kind: str
    row: tuple[tuple[str, Any], ...]
    steps: int = 4
    batch: int = 3
    features: int = 3
    seed: int = 0

    def __getitem__(self, name: str) -> Any:
        return dict(self.row)[name]

    def replace(self, **changes: Any) -> Case:
        """Another combination."""
        row = tuple((dict(self.row) | changes).items())
        return Case(self.kind, row, self.steps, self.batch, self.features, self.seed)

    @property
    def widths(self) -> int | list[int]:
        """One width a layer, odd, unless two heads share them."""
        heads = 2 if dict(self.row).get("num_heads") == 2 else 1
        return {"one": 3 * heads, "widths": [3 * heads, 5 * heads]}.get(self["stack"], 3 * heads)

    def layer(self, **changes: Any) -> Any:
        """The layer, every parameter of it drawn, also those that begin as 0 or 1."""
        torch.manual_seed(self.seed)
        options = {k: v for k, v in self.row if k not in _NOT_OPTIONS} | {"dtype": torch.float64}
        if self["stack"] in ("two", "residual"):
            options |= {"num_layers": 2, "residual": self["stack"] == "residual"}
        options |= {"initial_state": self._initial_state()} if self["start"] in ("learned", "input") else {}
        layer = getattr(ours, self.kind)(self.features, self.widths, **options | changes)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.normal_(0, 0.6)
        return layer.train(self["training"])

    def _initial_state(self) -> Any:
        if self["start"] == "learned":
            return "learned"
        widths = self.widths if isinstance(self.widths, list) else [self.widths] * (1 if self["stack"] == "one" else 2)
        states = 2 if self.kind == "LSTM" else 1
        sizes = (self.features, widths, states, self["bidirectional"], self["bias"])
        return ours.InitialStateFromInput(*sizes, dtype=torch.float64)

    def lengths(self) -> list[int] | None:
        """A full sequence and shorter ones, down to empty; None when not ragged."""
        return [max(0, self.steps - 2 * n) for n in range(self.batch)] if self["ragged"] else None

    def x(self) -> Tensor:
        """The input, as the layer wants it."""
        torch.manual_seed(self.seed + 1)
        x = torch.randn(self.steps, self.batch, self.features, dtype=torch.float64)
        return (x.transpose(0, 1).contiguous() if self["batch_first"] else x).requires_grad_()

    def hx(self, layer: Any) -> Any:
        """Initial states for `start="given"`, None otherwise; an sLSTM's normaliser is greater than 0."""
        if self["start"] != "given":
            return None
        torch.manual_seed(self.seed + 2)
        states = []
        for s, name in enumerate(layer.spec().states):
            drawn = [torch.randn(shape, dtype=torch.float64) for shape in layer.spec().state_shapes(s, self.batch)]
            drawn = [(d.abs() + 0.5 if name == "n" else d).requires_grad_() for d in drawn]
            states.append(tuple(drawn) if layer.spec().per_layer else drawn[0])
        return tuple(states) if len(states) > 1 else states[0]


def rows_with_all_pairs(kind: str) -> list[dict[str, Any]]:
    """Few rows in which each two values of two options stand together, but for pairs that are not allowed."""
    draw, factors = random.Random(0), FACTORS[kind]
    missing = set(pairs(kind))
    rows = []
    while missing:
        (a, i), (b, j) = min(missing)  # a row for it, and of several such the one that has most of the others
        fixed = {a: factors[a][i], b: factors[b][j]}
        tries = [{k: draw.choice(v) for k, v in factors.items()} | fixed for _ in range(60)]
        best = max(filter(allowed, tries), key=lambda row: len(missing & set(pairs_in(kind, row))))
        missing -= set(pairs_in(kind, best))
        rows.append(best)
    return rows


def pairs(kind: str) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """Every two values, by their places, of every two options that are allowed together."""
    for (a, first), (b, second) in itertools.combinations(sorted(FACTORS[kind].items()), 2):
        for i, j in itertools.product(range(len(first)), range(len(second))):
            if allowed({a: first[i], b: second[j]}):
                yield (a, i), (b, j)


def pairs_in(kind: str, row: dict[str, Any]) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """The pairs that stand together in a row."""
    yield from itertools.combinations([(name, FACTORS[kind][name].index(row[name])) for name in sorted(row)], 2)


CROSSED = [
    Case(kind, tuple(row.items()), seed=number)
    for kind in FACTORS
    for number, row in enumerate(rows_with_all_pairs(kind))
]


@st.composite
def any_cases(draw: st.DrawFn) -> Case:
    """Any combination of options that a layer is offered, and small sizes."""
    kind = draw(st.sampled_from(list(FACTORS)))
    options = {name: st.sampled_from(values) for name, values in FACTORS[kind].items()}
    row = draw(st.fixed_dictionaries(options).filter(allowed))
    sizes = [draw(st.integers(1, most)) for most in (5, 4, 3)]
    return Case(kind, tuple(row.items()), *sizes, seed=draw(st.integers(0, 99)))


def crossed(examples: int = 8) -> Any:
    """Have a test of one `case` run on all pairs of options, and on some combinations that hypothesis draws."""

    def decorate(test: Any) -> Any:
        test = given(case=any_cases())(test)
        for case in CROSSED:
            test = example(case=case)(test)
        return settings(max_examples=examples, deadline=None, derandomize=True, database=None)(test)

    return decorate


def drawn(layer: Any, steps: int, batch: int) -> list[list[Disturbance]]:
    """What a training call draws from here on, in its order: dropped weights first, then each direction's noise."""
    spec = layer.spec()
    like = torch.empty(steps, batch, 0, dtype=torch.float64)
    weights = layer.weights()
    if layer.weight_drop and layer.training:
        weights = [[drop_weights(w, layer.weight_drop) for w in sides] for sides in weights]
    noise = [[draw_noise(spec, cell, like) for _ in range(spec.directions)] for cell in spec.cells]
    return [[_disturbance(*side) for side in zip(*sides, strict=True)] for sides in zip(noise, weights, strict=True)]


def _disturbance(noise: Any, weights: Any) -> Disturbance:
    return Disturbance(_array(noise.h_mask), [_array(hold) for hold in noise.hold], _array(weights.weight_hh))


def _array(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, Tensor) else value


def leaves_of(value: Any) -> list[Tensor]:
    """Every tensor of nested tuples and lists."""
    if isinstance(value, Tensor):
        return [value]
    return [] if value is None else [leaf for item in value for leaf in leaves_of(item)]
