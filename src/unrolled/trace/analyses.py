"""What an analysis found, and what follows a recurrent layer, as numpy arrays with named axes.

Pictures lay these numbers over a trace; `unrolled.analysis` works them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from unrolled.trace.named_array import NamedArray

HeadKind: TypeAlias = Literal["Linear", "ReLU", "Tanh", "Sigmoid"]


@final
@dataclass(frozen=True, eq=False)
class PartValues:
    """Numbers about one direction of one layer, or about the model's input.

    Attributes:
        layer: Which layer, from 0; None for the input.
        direction: "forward" or "reverse"; None for the input.
        of: The gate or state they are about: "f", "h", "c", "c_0"; "x" for the input.
        values: The numbers, with axes among "time", "batch", "hidden", "projection", "feature", "end". Time runs
            forward, for the reverse direction too; at padded steps everything is 0.
        name: The recurrent layer's name inside the model, "" when it is the model or there is no model.
    """

    layer: int | None
    direction: str | None
    of: str
    values: NamedArray
    name: str = ""

    def __repr__(self) -> str:
        place = "input" if self.layer is None else f"layer {self.layer}, {self.direction}"
        return f"{self.name + ': ' if self.name else ''}{place}, {self.of}: {self.values!r}"


@final
@dataclass(frozen=True, eq=False)
class Analysis:
    """What one analysis found.

    Attributes:
        name: Which one: "saturation", "memory", "contributions", "gradient_flow", …
        parts: Its numbers, part by part.
        facts: What else is to be known, such as {"completeness_gap": 1e-4}.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import saturation
        >>> saturation(unrolled.GRU(3, 4).trace(torch.randn(9, 2, 3)))
        saturation: low=0.1, high=0.9
          layer 0, forward, r: NamedArray(end=2, hidden=4; float64)
          layer 0, forward, z: NamedArray(end=2, hidden=4; float64)
    """

    name: str
    parts: tuple[PartValues, ...]
    facts: Mapping[str, float | str] = field(default_factory=dict)

    def find(self, of: str, layer: int | None = None, direction: str | None = None, name: str = "") -> PartValues:
        """The first part about that gate or state; where they are given, of that layer, direction and name.

        Raises:
            KeyError: There is none; the message lists those that there are.
        """
        for part in self.parts:
            here = layer in (None, part.layer) and direction in (None, part.direction) and name in ("", part.name)
            if here and part.of == of:
                return part
        there = "; ".join(map(repr, self.parts)) or "nothing"
        raise KeyError(f"{self.name} has nothing about {of!r} there; it has {there}.")

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return "\n".join([f"{self.name}: {facts}" if facts else self.name, *(f"  {part!r}" for part in self.parts)])


@final
@dataclass(frozen=True, eq=False)
class HeadLayer:
    """One step of a head: a dense layer with its weight (output, input) and bias (output), or a nonlinearity."""

    kind: HeadKind
    weight: NamedArray | None = None
    bias: NamedArray | None = None


@final
@dataclass(frozen=True, eq=False)
class Head:
    """What follows a recurrent layer and makes the model's answer.

    Attributes:
        reads: What of the recurrent layer it reads, as code: "output", "output[:, -1]", "h_n[-1]", …
        layers: What it does with that, in order.
        output: The model's answer on the batch it was found with.
    """

    reads: str
    layers: tuple[HeadLayer, ...]
    output: NamedArray
