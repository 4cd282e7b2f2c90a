"""A layer as data: what its checks, its time loop, its trace and its explanations read.

Shapes: L = layers, D = directions, N = batch, S = width of a state.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from unrolled.cells import Cell

Shape: TypeAlias = tuple[int, ...]


class Spec(NamedTuple):
    """One recurrent layer module as it stands at the time of a call; `zoneout` has a rate for each state, or is ()."""

    kind: str
    input_size: int
    cells: tuple[Cell[Any], ...]
    bidirectional: bool
    batch_first: bool
    per_layer: bool
    kernel: str
    precision: str
    recompute: bool
    training: bool
    dropout: float
    residual: bool
    recurrent_dropout: float
    zoneout: tuple[float, ...]

    @property
    def directions(self) -> int:
        """1, or 2 when bidirectional (D)."""
        return 2 if self.bidirectional else 1

    @property
    def states(self) -> tuple[str, ...]:
        """Names of what the cells carry; none where the cells are no business of the one who asks."""
        return self.cells[0].states if self.cells else ()

    @property
    def noise(self) -> tuple[str, ...]:
        """The arguments that disturb the recurrence of this call."""
        dropped = self.training and self.recurrent_dropout > 0
        return ("recurrent_dropout",) * dropped + ("zoneout",) * bool(self.zoneout)

    def input_sizes(self) -> list[int]:
        """Number of features that each layer reads."""
        return [self.input_size, *(c.output_size * self.directions for c in self.cells[:-1])]

    def state_shapes(self, state: int, batch: int | None) -> list[Shape]:
        """Shapes of one state: a single (L·D, N, S), or one (D, N, S) a layer when widths are a list.

        `batch=None` is unbatched input, whose states have no N.
        """
        n = () if batch is None else (batch,)
        widths = [cell.state_sizes[state] for cell in self.cells]
        if self.per_layer:
            return [(self.directions, *n, width) for width in widths]
        return [(self.directions * len(widths), *n, widths[0])]
