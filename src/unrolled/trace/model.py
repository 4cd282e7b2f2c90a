"""What pictures know of a model besides a trace: its recurrent layers with their weights, its blocks with their shapes.

Shapes: B = gates, H = hidden units, F = features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from unrolled.trace.named_array import NamedArray
from unrolled.trace.trace import Trace

Role: TypeAlias = Literal[
    "input",
    "embedding",
    "dense",
    "convolution",
    "pooling",
    "normalisation",
    "activation",
    "dropout",
    "flatten",
    "recurrent",
    "other",
]
"""What a block is drawn as."""


@final
@dataclass(frozen=True, eq=False)
class PartWeights:
    """The parameters of one direction of one layer, such as "weight_ih" (gate_hidden, feature)."""

    layer: int
    direction: str
    arrays: Mapping[str, NamedArray]

    def __getitem__(self, name: str) -> NamedArray:
        """The parameter of that name, without the suffix of its layer."""
        return self.arrays[name]


@final
@dataclass(frozen=True, eq=False)
class Recurrent:
    """A recurrent layer: what it is, and its weights in the order of a trace's parts.

    Attributes:
        name: Its name inside the model, "" when it is the model.
        source: Where its class comes from: "unrolled.LSTM", "torch.nn.GRU".
        kind: "LSTM", "GRU", "RNN" or "SLSTM".
        settings: Its arguments by name, as in `Trace.settings`.
        weights: One `PartWeights` for each direction of each layer.
    """

    name: str
    source: str
    kind: str
    settings: Mapping[str, object]
    weights: tuple[PartWeights, ...]


@final
@dataclass(frozen=True, eq=False)
class Recorded:
    """One recurrent layer of a model, and what happened inside it in one call of the model."""

    layer: Recurrent
    trace: Trace


@final
@dataclass(frozen=True)
class Block:
    """One step of a model's computation, with the shape of what comes out of it.

    Attributes:
        role: What it is drawn as.
        kind: The class's name, such as "Conv2d".
        name: Its name inside the model.
        shape: Sizes of its output, batch included.
        axes: A name for each of them, such as ("batch", "time", "feature").
        parameters: How many numbers it learns.
        note: What else matters, in a few words: "3 × 3, stride 2".
    """

    role: Role
    kind: str
    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    parameters: int
    note: str = ""
