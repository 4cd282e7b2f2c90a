"""The lanes of a recurrent layer: one for each direction of each of its layers, as pictures over time need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from unrolled.trace import PartWeights, Recurrent, Trace
from unrolled.view.figures.final_codes import entry_code

STATES: Final[Mapping[str, tuple[str, ...]]] = {"LSTM": ("h", "c"), "SLSTM": ("h", "c", "n", "m")}
"""What each kind hands on from step to step; of all others h alone."""

BLOCKS: Final = ("weight_ih", "weight_hh", "weight_hr")


@final
@dataclass(frozen=True)
class Lane:
    """One direction of one layer.

    Attributes:
        layer: Which layer.
        direction: "forward" or "reverse".
        row: Its row in `h_n` and `c_n`.
        kind: "LSTM", "GRU", …
        states: What it hands on: "h", and "c" where there is one.
        weights: Name, rows and columns of each of its weight blocks.
        projected: Whether h is narrower than c, so that their units are not the same.
        own_rows: Whether `h_n` has a tensor for each layer instead of one for all.
        stacked: Whether it is a cell of a Stack, whose states are a list with an entry a layer.
    """

    layer: int
    direction: str
    row: int
    kind: str
    states: tuple[str, ...]
    weights: tuple[tuple[str, int, int], ...]
    projected: bool
    own_rows: bool
    stacked: bool

    @property
    def reverse(self) -> bool:
        """Whether it runs from the last step to the first."""
        return self.direction == "reverse"

    def final(self, state: str, directions: int) -> str:
        """Return the code of its final state: "h_n[1]"; with a tensor for each layer "h_n[0][1]"."""
        if self.stacked:
            pair = int(self.reverse) if directions > 1 else None
            return entry_code(self.layer, pair, self.states.index(state) if len(self.states) > 1 else None)
        return f"{state}_n[{self.layer}][{self.row % directions}]" if self.own_rows else f"{state}_n[{self.row}]"


def lanes_of(layer: Recurrent) -> list[list[Lane]]:
    """Return the lanes, layer by layer, the forward one first."""
    found: dict[int, list[Lane]] = {}
    own_rows, stacked = isinstance(layer.settings.get("hidden_size"), tuple), layer.kind == "Stack"
    projected = bool(layer.settings.get("proj_size")) or "proj_size=" in str(layer.settings.get("cells"))
    for row, part in enumerate(layer.weights):
        kind = _kind(layer, part.layer)
        suffix = f"_l{part.layer}" + ("_reverse" if part.direction == "reverse" else "")
        shapes = {name: part[name].shape for name in BLOCKS if name in part.arrays}
        blocks = tuple((name + suffix, shape[0], shape[1]) for name, shape in shapes.items())
        states = STATES.get(kind, ("h",))
        lane = Lane(part.layer, part.direction, row, kind, states, blocks, projected, own_rows, stacked)
        found.setdefault(part.layer, []).append(lane)
    return list(found.values())


def lanes_of_trace(trace: Trace) -> list[list[Lane]]:
    """Return the lanes that a trace tells of, without their weights."""
    weights = tuple(PartWeights(part.layer, part.direction, {}) for part in trace.parts)
    return lanes_of(Recurrent("", "", trace.kind, trace.settings, weights))


def _kind(layer: Recurrent, number: int) -> str:
    """Return what a layer is; in a stack each is of its own kind."""
    cells = layer.settings.get("cells")
    if not isinstance(cells, tuple):
        return layer.kind
    return str(cells[number]).partition("(")[0].removesuffix("Cell")


def width_of(part: PartWeights) -> int:
    """Return the width of a lane's h."""
    if "weight_hr" in part.arrays:
        return part["weight_hr"].shape[0]
    return part["weight_hh"].shape[1] * part["weight_ih"].shape[0] // part["weight_hh"].shape[0]
