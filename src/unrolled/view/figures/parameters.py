"""The picture of a layer's parameters: which argument sizes which block, and how many numbers that makes.

Letters: F = input_size, H = hidden_size, L = num_layers, D = directions, P = proj_size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from unrolled.trace import NamedArray, PartWeights, Recurrent
from unrolled.view.drawing import draw
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, text_width, wrap
from unrolled.view.drawing.draw import THICK, THIN
from unrolled.view.figures.parameter_terms import Sizes, Term, arithmetic, sizes_of, terms_of
from unrolled.view.style import FAINT_INK, GATES, HIDDEN, INK, INPUT, PAPER, SMALL, WEIGHT, Picture, house_style

LEAST: Final = 11.0  # points: the least height of a gate's band, which has its letter beside it
TALLEST: Final = (44.0, 32.0, 22.0, 18.0, 14.0)  # and the greatest, of one row, two, three … and more
WIDEST: Final = 110.0
SMALLEST_CELL, LARGEST_CELL = 3.5, 11.0
LAYERS_DRAWN: Final = 3  # of more, the first two and the last
_LINE: Final = LEADING * SMALL
_GAP: Final = 16.0
_KEY_WIDTH: Final = 262.0
_GATE_ROOM: Final = 18.0  # left of the first block, for the gates' letters


@final
@dataclass(frozen=True)
class Sides:
    """How long a side of so many numbers is drawn: so many points for each, or 0 for a logarithmic length."""

    points_each: float
    largest: int
    longest: float

    def __call__(self, count: int) -> float:
        """In points."""
        if self.points_each:
            return self.points_each * count
        return LEAST + (self.longest - LEAST) * math.log(count) / math.log(max(2, self.largest))


class Row(NamedTuple):
    """One direction of one layer: its arrays, their sizes, and what they add up to."""

    part: PartWeights
    sizes: Sizes
    terms: list[Term]
    gates: str

    @property
    def suffix(self) -> str:
        """What the names of its parameters end in."""
        return f"_l{self.part.layer}{'_reverse' if self.part.direction == 'reverse' else ''}"


class Block(NamedTuple):
    """One parameter as it is drawn: in `bands` bands (the gates'), each so many points tall."""

    name: str
    array: NamedArray
    bands: int
    width: float
    height: float
    words: tuple[str, str]

    @property
    def slot(self) -> float:
        """How wide it is with its words."""
        return max(self.width, text_width(self.name, mono=True), *(text_width(line) for line in self.words))


def draw_parameters(layer: Recurrent, *, total: int, width: float) -> Picture:
    """Draw the weight blocks of every direction of every layer, layer 0 at the foot.

    Args:
        layer: What `describe` says of it.
        total: How many parameters the module itself counts.
        width: Of the picture, in inches.
    """
    rows = [_row(layer, part) for part in layer.weights if part.arrays]
    with house_style():
        canvas = Canvas(width)
        room = canvas.right - canvas.left
        beside = room > 2 * _KEY_WIDTH + 40
        bottom = _draw_rows(canvas, rows, room - (_KEY_WIDTH + 30 if beside else 0))
        left, top = (canvas.right - _KEY_WIDTH, 0.0) if beside else (canvas.left, bottom - 8)
        _key(canvas, layer, rows, total, left, top)
        return canvas.finish(_title(layer, total), _note(rows))


def _row(layer: Recurrent, part: PartWeights) -> Row:
    sizes = sizes_of(layer, part)
    gates = {4: "ifgo", 3: "rzn", 1: "h"}.get(sizes.gates, "")
    coupled = sizes.gates == 3 and layer.settings.get("coupled_gates")
    return Row(part, sizes, terms_of(layer, part), "fgo" if coupled else gates)


# --- blocks -------------------------------------------------------------------------------------------------------


def _drawn(rows: list[Row]) -> list[Row]:
    """The rows of the layers that are drawn, from the top down: the last layer first, forward before reverse."""
    layers = sorted({row.part.layer for row in rows})
    shown = [layers[k] for k in reversed(draw.slots(len(layers), 1.0, LAYERS_DRAWN).shown)]
    return [row for layer in shown for row in rows if row.part.layer == layer]


def _sides(drawn: list[Row]) -> Sides:
    """To scale where a single number can still be seen, otherwise logarithmic."""
    blocks = [(row, array) for row in drawn for array in row.part.arrays.values()]
    tall = [_band(row, array) for row, array in blocks]
    wide = [_columns(array) for _, array in blocks]
    tallest = TALLEST[min(len(drawn), len(TALLEST)) - 1]
    each = min(LARGEST_CELL, tallest / max(tall), WIDEST / max(wide))
    to_scale = each >= SMALLEST_CELL and each * min(row.sizes.hidden.number for row in drawn) >= LEAST
    return Sides(each if to_scale else 0.0, max(tall + wide), tallest)


def _bands(row: Row, array: NamedArray) -> int:
    """Into how many gates' bands the rows of a parameter fall."""
    return row.sizes.gates if array.axes[0] == "gate_hidden" else array.shape[0] if array.axes[0] == "gate" else 1


def _band(row: Row, array: NamedArray) -> int:
    return int(array.shape[0]) // _bands(row, array)


def _columns(array: NamedArray) -> int:
    return 1 if len(array.shape) == 1 else int(array.shape[1])


def _blocks(row: Row, sides: Sides) -> list[Block]:
    found = []
    for name, array in row.part.arrays.items():
        bands, letters = _bands(row, array), row.sizes.of(name, array)
        tall, wide = bands * sides(_band(row, array)), sides(_columns(array))
        words = " × ".join(letters), " × ".join(f"{size:,}" for size in array.shape)
        found.append(Block(name, array, bands, wide, tall, words))
    return found


def _draw_rows(canvas: Canvas, rows: list[Row], room: float) -> float:
    """Draw the layers' blocks; return where they end."""
    drawn = _drawn(rows)
    sides, left_out = _sides(drawn), len({row.part.layer for row in rows}) - len({row.part.layer for row in drawn})
    top = 0.0
    for k, row in enumerate(drawn):
        if left_out and k and row.part.layer != drawn[k - 1].part.layer == drawn[0].part.layer:
            top = _gap(canvas, top, left_out, row.part.layer)
        top = _draw_row(canvas, row, sides, top, room) - 12
    return top + 12


def _gap(canvas: Canvas, top: float, left_out: int, like: int) -> float:
    dots = draw.ellipsis(canvas, canvas.left + 4, top - 4, left_out, vertical=True)
    words = f"layer{'s' if left_out > 1 else ''} of the same sizes as layer {like}"
    canvas.text(dots.right + 6, top - 4, words, ha="left", colour=FAINT_INK)
    return top - 22


def _draw_row(canvas: Canvas, row: Row, sides: Sides, top: float, room: float) -> float:
    name = canvas.text(canvas.left, top - 6, f"layer {row.part.layer}, {row.part.direction}", ha="left", bold=True)
    canvas.text(name.right + 8, top - 6, f"names end in `{row.suffix}`", ha="left", colour=FAINT_INK)
    top -= 16
    for line in _lines(_blocks(row, sides), room - _GATE_ROOM):
        top = _draw_line(canvas, row, line, top)
    sums = canvas.lines(canvas.left, top - 2, arithmetic(row.terms), width=room, ha="left")
    return sums.bottom - 2


def _lines(blocks: list[Block], room: float) -> list[list[Block]]:
    """Break the blocks into lines no wider than the room."""
    lines: list[list[Block]] = [[]]
    for block in blocks:
        if lines[-1] and sum(b.slot + _GAP for b in lines[-1]) + block.slot > room:
            lines.append([])
        lines[-1].append(block)
    return lines


def _draw_line(canvas: Canvas, row: Row, blocks: list[Block], top: float) -> float:
    left = canvas.left + _GATE_ROOM
    head, tallest = top - _LINE - 4, max(block.height for block in blocks)
    for k, block in enumerate(blocks):
        canvas.text(left, top - _LINE / 2, block.name, ha="left", mono=True)
        box = Box(left, head - 4 - block.height, left + block.width, head - 4)
        _draw_block(canvas, row, block, box)
        if k == 0 and block.bands == len(row.gates) > 1:
            _letters(canvas, row.gates, box)
        for number, words in enumerate(block.words):
            y = box.bottom - 4 - _LINE * (number + 0.5)
            canvas.text(left, y, words, ha="left", colour=FAINT_INK if number else INK)
        left += block.slot + _GAP
    return head - 4 - tallest - 2 * _LINE - 8


def _draw_block(canvas: Canvas, row: Row, block: Block, box: Box) -> None:
    """Draw a weight block in its gates' colours, and above it whom its columns meet: x or h."""
    tall = box.height / block.bands
    for k in range(block.bands):
        face = draw.tint(GATES[row.gates[k]] if block.bands == len(row.gates) > 1 else WEIGHT, 0.35)
        band = Box(box.left, box.top - (k + 1) * tall, box.right, box.top - k * tall)
        canvas.add(Rectangle((band.left, band.bottom), band.width, tall, facecolor=face, linewidth=0, zorder=2), band)
        if k:
            draw.path(canvas, [(box.left, band.top), (box.right, band.top)], WEIGHT, width=THIN, head=False)
    _grid_lines(canvas, box, len(block.array.values), _columns(block.array))
    draw.outline(canvas, box, WEIGHT, THICK)
    if block.name in ("weight_ih", "weight_hh", "weight_hr"):
        colour = INPUT if (block.name, row.part.layer) == ("weight_ih", 0) else HIDDEN
        draw.path(canvas, [(box.left, box.top + 3), (box.right, box.top + 3)], colour, width=2.2, head=False)


def _grid_lines(canvas: Canvas, box: Box, rows: int, columns: int) -> None:
    """Draw the cells of a block, where they are large enough to be told apart."""
    if min(box.height / rows, box.width / columns) < SMALLEST_CELL:
        return
    across = [[(box.left, y), (box.right, y)] for y in np.linspace(box.bottom, box.top, rows + 1)]
    upward = [[(x, box.bottom), (x, box.top)] for x in np.linspace(box.left, box.right, columns + 1)]
    canvas.add(LineCollection(across + upward, colors=PAPER, linewidths=0.5 * canvas.scale, zorder=2.5), box)


def _letters(canvas: Canvas, gates: str, box: Box) -> None:
    """Write the gates' letters left of their bands."""
    tall = box.height / len(gates)
    for k, letter in enumerate(gates):
        y = box.top - (k + 0.5) * tall
        colour = GATES[letter]
        draw.path(
            canvas, [(box.left - 5, y + tall / 2 - 1), (box.left - 5, y - tall / 2 + 1)], colour, width=3, head=False
        )
        canvas.text(box.left - 9, y, letter, ha="right", bold=True)


# --- words --------------------------------------------------------------------------------------------------------


def _key(canvas: Canvas, layer: Recurrent, rows: list[Row], total: int, left: float, top: float) -> float:
    """Say what each argument sizes, and add up; return where the words end."""
    room = canvas.right - left
    y = top
    for head, words in [*_arguments(layer, rows), _sum(rows, total)]:
        canvas.text(left, y - 6, head, ha="left", bold=not head.startswith("`"))
        box = canvas.lines(left + 10, y - _LINE - 1, wrap(words, room - 10), ha="left", colour=FAINT_INK)
        y = box.bottom - 6
    return y


def _arguments(layer: Recurrent, rows: list[Row]) -> list[tuple[str, str]]:
    """Each argument with its value, and what it sizes."""
    settings, gates = layer.settings, rows[0].gates
    two = any(row.part.direction == "reverse" for row in rows)
    layers = max(row.part.layer for row in rows) + 1
    each = f"once for each gate: {', '.join(gates)}" if len(gates) > 1 else "once"
    found = [
        (f"`input_size={rows[0].sizes.input.number}`", "F: the columns of `weight_ih_l0`, what one step of x holds"),
        (f"`hidden_size={_plain(settings.get('hidden_size', rows[0].sizes.hidden.number))}`",
         f"H: the rows of the blocks, {each}; and the columns of `weight_hh`"),
        (f"`num_layers={layers}`", _of_layers(rows, layers)),
        (f"`bidirectional={two}`",
         "D=2: a second set of everything, `_reverse`" if two else "D=1: one set of everything a layer"),
    ]  # fmt: skip
    if "bias" in settings:
        bias = "two biases for every gate and unit, as cuDNN has them" if settings["bias"] else "no biases"
        found.append((f"`bias={settings['bias']}`", bias))
    if "proj_size" in settings and layer.kind == "LSTM":
        size = settings["proj_size"]
        words = "P: `weight_hr` brings h from H down to P" if size else "no `weight_hr`: h has H units, as c has"
        found.append((f"`proj_size={size}`", words))
    return found


def _of_layers(rows: list[Row], layers: int) -> str:
    if layers == 1:
        return "L: no layer reads another"
    second = next(row for row in rows if row.part.layer == 1)
    letters, count = second.sizes.input
    equal = "" if letters == str(count) else f"{letters} = "
    return f"L: sets lying on each other; layer 1 reads the {equal}{count} features of layer 0"


def _plain(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple | list) else str(value)


def _sum(rows: list[Row], total: int) -> tuple[str, str]:
    counts = [sum(term.total for term in row.terms) for row in rows]
    parts = [f"{count:,}" for count in counts] if len(counts) <= draw.MOST_DRAWN else [_grouped(counts)]
    if total > sum(counts):
        parts.append(f"{total - sum(counts):,} of learned initial states and the like")
    added = " + ".join(parts) + (", of which shared ones count once," if total < sum(counts) else "")
    equal = f"{added} = " if added != f"{total:,}" else ""
    return f"{total:,} numbers", f"{equal}{total:,}, as `sum(p.numel() for p in layer.parameters())` says"


def _grouped(counts: list[int]) -> str:
    """Write many counts: "2·200 + 12·340"."""
    distinct = list(dict.fromkeys(counts))
    return " + ".join(f"{counts.count(c)}·{c:,}" for c in distinct)


def _title(layer: Recurrent, total: int) -> str:
    name = f" {layer.name}" if layer.name else ""
    return f"The {layer.kind}{name} learns {total:,} numbers, and no size among them depends on the number of steps"


def _note(rows: list[Row]) -> str:
    sides = _sides(_drawn(rows))
    if sides.points_each:
        return (
            "Blocks are drawn to scale, each cell one number. The bar above a block says what its columns meet: x or h."
        )
    return (
        f"Sides grow with the logarithm of their size, so that 1 beside {sides.largest:,} can be seen. "
        "The bar above a block says what its columns meet: x or h."
    )
