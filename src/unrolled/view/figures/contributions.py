"""The picture of what each step wrote that is still there at the end.

Shapes: T = time, H = hidden units.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from unrolled.errors import ConfigError
from unrolled.trace import Analysis, Array
from unrolled.view.drawing import charts, draw
from unrolled.view.drawing.canvas import Box, Canvas, text_width
from unrolled.view.drawing.charts import FOOT, percent
from unrolled.view.drawing.draw import ValueScale
from unrolled.view.figures.gates import place
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, TITLE, Picture, house_style

MOST: Final = 0.8  # of the whole: how much the title speaks of
_LINE_HEIGHT: Final = 64.0
_GAP: Final = 12.0
_NARROW: Final = 18.0  # width of a single state's column
_SIGN: Final = 24.0  # room for a plus or an equals sign


class Written(NamedTuple):
    """What is drawn of the state `letter`: what each step wrote (T, H) and what is left of the first state (H)."""

    letter: str
    steps: Array
    first: Array
    length: int
    axis: str

    @property
    def final(self) -> Array:
        """(H): the sum of everything."""
        total: Array = self.steps.sum(0) + self.first
        return total

    @property
    def shares(self) -> tuple[float, Array]:
        """How much of everything that survives is of the first state, and of each step (T)."""
        first, steps = np.abs(self.first).sum(), np.abs(self.steps).sum(1)
        whole = float(first + steps.sum()) or 1.0
        return float(first) / whole, steps / whole


def draw_contributions(
    analysis: Analysis, *, kind: str, length: int, sample: int, layer: int, direction: str, name: str, width: float
) -> Picture:
    """Draw the parts of one sample's final state.

    Args:
        analysis: What `contributions` found.
        kind: "LSTM", "GRU", …
        length: Valid steps of the sample.
        sample: Which sample.
        layer: Which layer.
        direction: Which direction.
        name: The layer's name inside its model.
        width: Of the picture, in inches.

    Raises:
        ConfigError: The final state is not finite.
    """
    written = _written(analysis, length, sample, layer, direction)
    if not np.isfinite(written.final).all():
        raise ConfigError(
            f"contributions: the final {written.letter} of sample {sample} is not a finite number, so nothing adds up "
            "to it. Look for NaN or infinity in the input or the weights."
        )
    with house_style():
        canvas = Canvas(width)
        box = _columns(canvas, written, direction == "reverse")
        _curve(canvas, Box(box.left, box.top + _GAP, box.right, box.top + _GAP + _LINE_HEIGHT), written)
        letter = written.letter
        bars = [
            ("what is left of each step", _scales(written)[0]),
            (f"{letter} at first and last", _scales(written)[1]),
        ]
        charts.colour_bars(canvas, box.bottom - FOOT - 6, bars)
        return canvas.finish(_title(written, direction), _note(written, kind, sample, layer, direction, name))


def _written(analysis: Analysis, length: int, sample: int, layer: int, direction: str) -> Written:
    found = {part.of: part.values for part in analysis.parts if (part.layer, part.direction) == (layer, direction)}
    letter = next(of for of in found if not of.endswith("_0"))
    steps, first = found[letter], found[f"{letter}_0"]
    return Written(letter, steps.values[:, sample], first.values[sample], length, steps.axes[-1])


def _columns(canvas: Canvas, written: Written, reverse: bool) -> Box:
    """Draw the first state, a heat map of what each step wrote, and their sum; return where the heat map lies.

    In the reverse direction the last step read is step 0, and the sum stands on the left.
    """
    of_steps, scale = _scales(written)
    steps, units = written.steps.shape
    left, tall = canvas.left + charts.units_room(units) + 8, float(np.clip(11 * units, 44, 150))
    right = canvas.right - 8
    ends = Box(left, -tall, left + _NARROW, 0), Box(right - _NARROW, -tall, right, 0)
    box = Box(ends[0].right + _SIGN, -tall, ends[1].left - _SIGN, 0)
    columns = [(written.first, f"{written.letter}_0", "+"), (written.final, f"{written.letter}_n", "=")]
    for end, (values, name, sign) in zip(ends, reversed(columns) if reverse else columns, strict=True):
        axes = charts.heat(canvas, end, values[None], scale)
        axes.set_label(name)
        if end is ends[0]:
            charts.label_units(canvas, axes, end, units, written.axis)
        canvas.text(end.x, end.bottom - 9, f"`{name}`")
        canvas.text(
            (end.right + box.left) / 2 if end is ends[0] else (end.left + box.right) / 2, box.y, sign, size=TITLE
        )
    middle = charts.heat(canvas, box, written.steps, of_steps, written.length)
    middle.set_label("steps")
    charts.label_steps(canvas, middle, box, steps)
    return box


def _scales(written: Written) -> tuple[ValueScale, ValueScale]:
    """The colours of what each step wrote, and those of the sums, which are larger."""
    return draw.signed(written.steps), draw.signed(written.first, written.final)


def _curve(canvas: Canvas, box: Box, written: Written) -> None:
    """Draw each step's share of everything that survives."""
    _, shares = written.shares
    steps = len(shares)
    most = float(shares.max()) or 1.0
    axes = charts.bare_chart(canvas, box, (-0.5, steps - 0.5), (0, 1.08 * most), frame=False)
    axes.set_label("shares")
    colour = CELL if written.letter == "c" else HIDDEN
    at = np.arange(written.length)
    look: dict[str, Any] = {"color": colour, "linewidth": 1.2 * canvas.scale, "markersize": 3 * canvas.scale}
    axes.plot(at, shares[: written.length], "o-" if steps <= 60 else "-", clip_on=False, **look)
    if written.length < steps:
        charts.hatch(canvas, axes, written.length, steps, 1.08 * most, bottom=0)
    labels = ["0 %", percent(most)]
    charts.set_ticks(canvas, axes, "y", [0, most], labels)
    wide = max(map(text_width, labels))
    canvas.cover(Box(box.left - wide - 6, box.bottom - 5, box.right, box.top + 5))
    canvas.text(box.left, box.top + 12, "share of each step in what is left at the end", ha="left", colour=FAINT_INK)


def _title(written: Written, direction: str) -> str:
    first, shares = written.shares
    letter = written.letter
    if written.length == 0:
        return f"This sample has no step: {letter} is what it was at first"
    in_order = shares[: written.length][:: 1 if direction == "reverse" else -1]
    count = int(np.searchsorted(np.cumsum(in_order), MOST - 1e-12)) + 1
    if count >= written.length:
        reach = (
            f"All {written.length:,} steps still count at the end" if written.length > 1 else "One step wrote it all"
        )
        return f"{reach}: {percent(first)} of {letter} is from before the first" if first >= 0.005 else reach
    side = "first" if direction == "reverse" else "last"
    whole = f"{percent(float(in_order[:count].sum()))} of what {letter} holds at the end"
    return f"{whole} was written in the {side} {_steps(count)} of {written.length:,}"


def _steps(count: int) -> str:
    return "step" if count == 1 else f"{count} steps"


def _note(written: Written, kind: str, sample: int, layer: int, direction: str, name: str) -> str:
    first, _ = written.shares
    before = f" {percent(first)} is from before the first step, `{written.letter}_0`." if first > 0 else ""
    padding = " Padding is hatched." if written.length < len(written.steps) else ""
    where = place(kind, name, layer, direction)
    return f"{where}, sample {sample}. Shares are of absolute values, summed over the units.{before}{padding}"
