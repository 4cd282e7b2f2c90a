"""The picture of a ragged batch: padded, packed, and padded back.

Shapes: N = batch, T = time, P = all valid steps of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, final

from unrolled.view.drawing import draw
from unrolled.view.drawing.canvas import LEADING, Box, Canvas, text_width
from unrolled.view.drawing.draw import Slots
from unrolled.view.style import FAINT_INK, INK, LINE, SMALL, Picture, house_style

SAMPLE_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
FLAT_DRAWN: Final = 40  # rows of `data` drawn in full; of more the first and the last
_TALL: Final = 16.0
_LINE: Final = LEADING * SMALL


@final
@dataclass(frozen=True)
class Packed:
    """What PyTorch made of a ragged batch.

    Attributes:
        lengths: Valid steps of each sample (N).
        steps: Of the padded batch (T).
        order: `sorted_indices` (N): the longest sample first.
        batch_sizes: How many samples still run at each step.
        rows: For each row of `data` (P) the sample and the step that it came from.
        steps_back: Of the batch that was padded back.
        total_length: As it was given.
        batch_first: Whether the padded batch is (N, T, F) rather than (T, N, F).
        features: Of each step (F).
    """

    lengths: tuple[int, ...]
    steps: int
    order: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    rows: tuple[tuple[int, int], ...]
    steps_back: int
    total_length: int | None
    batch_first: bool
    features: int

    @property
    def samples(self) -> int:
        """N."""
        return len(self.lengths)

    def index(self, sample: int, step: int) -> str:
        """Where a step of a sample stands in the padded batch: "1,3"."""
        return f"{sample},{step}" if self.batch_first else f"{step},{sample}"

    def sizes(self, steps: int) -> str:
        """The padded batch's sizes, in the layout in use."""
        axes, shape = ("batch", "time", "feature"), (self.samples, steps, self.features)
        order = (0, 1, 2) if self.batch_first else (1, 0, 2)
        return draw.size_label([axes[k] for k in order], [shape[k] for k in order])


class Panel(NamedTuple):
    """A grid of samples over steps: its heading, its rows' samples, its columns, and what is below it."""

    heading: str
    words: str
    rows: tuple[int, ...]
    line: Slots
    columns: Slots
    below: tuple[str, ...]
    hatched: bool


def draw_packing(packed: Packed, *, width: float) -> Picture:
    """Draw the padded batch, the packed one as steps and as rows of `data`, and the batch padded back."""
    with house_style():
        canvas = Canvas(width)
        wide = max(text_width(packed.index(n, t), mono=True) for n, t in packed.rows) + 6
        panels = [_padded(packed, wide), _steps(packed, wide), _back(packed, wide)]
        bottom = _place(canvas, packed, panels)
        bottom = _data(canvas, packed, bottom - 18, wide)
        _codes(canvas, packed, bottom - 12)
        return canvas.finish(_title(packed), _note(packed))


# --- the three grids ----------------------------------------------------------------------------------------------


def _padded(packed: Packed, wide: float) -> Panel:
    rows, columns = draw.slots(packed.samples, _TALL, gap=_TALL), draw.slots(packed.steps, wide)
    words = "`x`, padded"
    return Panel(words, packed.sizes(packed.steps), tuple(range(packed.samples)), rows, columns, (), True)


def _steps(packed: Packed, wide: float) -> Panel:
    rows, columns = draw.slots(packed.samples, _TALL, gap=_TALL), draw.slots(len(packed.batch_sizes), wide)
    below = tuple(f"{size:,}" for size in packed.batch_sizes)
    return Panel("packed: the longest first, no padding", "`batch_sizes`", packed.order, rows, columns, below, False)


def _back(packed: Packed, wide: float) -> Panel:
    rows, columns = draw.slots(packed.samples, _TALL, gap=_TALL), draw.slots(packed.steps_back, wide)
    given = "" if packed.total_length is None else f", `total_length={packed.total_length}`"
    words = f"padded back{given}"
    return Panel(words, packed.sizes(packed.steps_back), tuple(range(packed.samples)), rows, columns, (), True)


def _place(canvas: Canvas, packed: Packed, panels: list[Panel]) -> float:
    """Draw the panels side by side while there is room, in rows; return where the last row ends."""
    left, top, bottom = canvas.left, 0.0, 0.0
    for k, panel in enumerate(panels):
        wide = _panel_width(packed, panel)
        if k and left + 40 + wide > canvas.right:
            left, top = canvas.left, bottom - 16
        elif k:
            middle = top - 2 * _LINE - panel.line.length / 2
            draw.arrow(canvas, (left + 10, middle), (left + 30, middle), INK)
            left += 40
        bottom = min(bottom, _draw_panel(canvas, packed, panel, left, top))
        left += wide
    return bottom


def _names_width(packed: Packed) -> float:
    return text_width(f"sample {packed.samples - 1}") + 6


def _panel_width(packed: Packed, panel: Panel) -> float:
    return max(_names_width(packed) + panel.columns.length, text_width(panel.heading, bold=True))


def _draw_panel(canvas: Canvas, packed: Packed, panel: Panel, left: float, top: float) -> float:
    canvas.text(left, top - _LINE / 2, panel.heading, ha="left", bold=True)
    at = left + _names_width(packed)
    head = top - 2 * _LINE
    for r, row in enumerate(panel.line.shown):
        y = head - panel.line.middle(r)
        sample = panel.rows[row]
        canvas.text(at - 6, y, f"sample {sample}", ha="right")
        for c, step in enumerate(panel.columns.shown):
            box = Box(
                at + panel.columns.start(c),
                y - _TALL / 2,
                at + panel.columns.start(c) + panel.columns.pitch,
                y + _TALL / 2,
            )
            _cell(canvas, packed, box, sample, step, panel.hatched)
    _gaps(canvas, panel, at, head)
    return _below(canvas, panel, left, at, head - panel.line.length)


def _cell(canvas: Canvas, packed: Packed, box: Box, sample: int, step: int, hatched: bool, text: bool = True) -> None:
    corners = [(box.left, box.bottom), (box.right, box.bottom), (box.right, box.top), (box.left, box.top)]
    if step >= packed.lengths[sample]:
        if hatched:
            draw.hatch(canvas, [corners], box)
        return
    colour = SAMPLE_COLOURS[sample % len(SAMPLE_COLOURS)]
    draw.cells(canvas, [corners], [draw.tint(colour, 0.3)], box, colour)
    if text:
        canvas.text(box.x, box.y, packed.index(sample, step), mono=True)


def _gaps(canvas: Canvas, panel: Panel, at: float, head: float) -> None:
    if panel.columns.gap:
        draw.ellipsis(canvas, at + panel.columns.gap_middle, head - panel.line.length / 2, panel.columns.left_out)
    if panel.line.gap:
        draw.ellipsis(canvas, at - 26, head - panel.line.gap_middle, panel.line.left_out, vertical=True)


def _below(canvas: Canvas, panel: Panel, left: float, at: float, bottom: float) -> float:
    """Write the steps, or how many samples still run at each of them, and what these numbers are."""
    y = bottom - 4 - _LINE / 2
    for c, step in enumerate(panel.columns.shown):
        words = panel.below[step] if panel.below else str(step)
        canvas.text(at + panel.columns.middle(c), y, words)
    if panel.below:
        canvas.text(at + panel.columns.length / 2, y - _LINE, panel.words, colour=INK)
        return y - 1.5 * _LINE
    canvas.text(at + panel.columns.length / 2, y - _LINE, "time step", colour=FAINT_INK)
    canvas.text(at + panel.columns.length / 2, y - 2 * _LINE, panel.words, colour=FAINT_INK)
    return y - 2.5 * _LINE


# --- the rows of data ---------------------------------------------------------------------------------------------


def _data(canvas: Canvas, packed: Packed, top: float, wide: float) -> float:
    """Draw `data` as it lies in memory, a group for each step; return where it ends."""
    count = len(packed.rows)
    name = canvas.text(canvas.left, top - _LINE / 2, "`data`", ha="left")
    words = "as it lies in memory: step after step"
    canvas.text(
        name.right + 8,
        name.y,
        f"{words} {draw.size_label(('P', 'feature'), (count, packed.features))}",
        ha="left",
        colour=FAINT_INK,
    )
    steps = draw.slots(len(packed.batch_sizes), 1.0)
    groups = _groups(packed)
    shown = [
        k
        for k in steps.shown
        if sum(len(groups[j]) for j in steps.shown if j <= k) <= FLAT_DRAWN or k == steps.shown[-1]
    ]
    return _draw_groups(canvas, packed, [(k, groups[k]) for k in shown], top - 1.6 * _LINE, wide)


def _groups(packed: Packed) -> list[list[tuple[int, int]]]:
    """The rows of `data` step by step."""
    found: list[list[tuple[int, int]]] = []
    start = 0
    for size in packed.batch_sizes:
        found.append(list(packed.rows[start : start + size]))
        start += size
    return found


def _draw_groups(
    canvas: Canvas, packed: Packed, groups: list[tuple[int, list[tuple[int, int]]]], top: float, wide: float
) -> float:
    left, y, before = canvas.left, top - _TALL / 2, -1
    for step, rows in groups:
        line = draw.slots(len(rows), wide, gap=26)
        ellipsis = 34.0 if step > before + 1 else 0.0
        if left > canvas.left and left + ellipsis + line.length > canvas.right:
            left, y = canvas.left, y - _TALL - 2 * _LINE
        if ellipsis:
            draw.ellipsis(canvas, left + 12, y, sum(packed.batch_sizes[before + 1 : step]))
            left += ellipsis
        for k, index in enumerate(line.shown):
            box = Box(left + line.start(k), y - _TALL / 2, left + line.start(k) + wide, y + _TALL / 2)
            _cell(canvas, packed, box, *rows[index], hatched=False)
        if line.gap:
            draw.ellipsis(canvas, left + line.gap_middle, y, line.left_out)
        _bracket(canvas, left, left + line.length, y - _TALL / 2 - 3, f"step {step}")
        left, before = left + max(line.length, text_width(f"step {step}")) + 8, step
    return y - _TALL / 2 - 3 - 1.6 * _LINE


def _bracket(canvas: Canvas, left: float, right: float, y: float, words: str) -> None:
    draw.path(canvas, [(left + 1, y), (left + 1, y - 3), (right - 1, y - 3), (right - 1, y)], LINE, head=False)
    canvas.text(max((left + right) / 2, left + text_width(words) / 2), y - 5 - _LINE / 2, words, colour=FAINT_INK)


# --- words --------------------------------------------------------------------------------------------------------


def _codes(canvas: Canvas, packed: Packed, top: float) -> None:
    """Write the code of the way in and of the way out."""
    first = f"batch_first={packed.batch_first}"
    given = "" if packed.total_length is None else f", total_length={packed.total_length}"
    y = top
    for words, code in (
        ("in", f"packed = pack_padded_sequence(x, lengths, {first}, enforce_sorted=False)"),
        ("out", f"x, lengths = pad_packed_sequence(packed, {first}{given})"),
    ):
        canvas.text(canvas.left, y - _LINE / 2, words, ha="left", colour=FAINT_INK)
        box = _code_lines(canvas, canvas.left + 24, y, code, canvas.right)
        y = box - 4


def _code_lines(canvas: Canvas, left: float, top: float, code: str, right: float) -> float:
    """Write code, broken after a comma where it is too long; return where it ends."""
    lines = [""]
    for piece in code.replace(", ", ", \n").split("\n"):
        if lines[-1] and text_width(lines[-1] + piece, mono=True) > right - left:
            lines.append("    ")
        lines[-1] += piece
    for k, line in enumerate(lines):
        canvas.text(
            left + text_width("    ", mono=True) * line.startswith(" "),
            top - _LINE * (k + 0.5),
            line.strip(),
            ha="left",
            mono=True,
        )
    return top - _LINE * len(lines)


def _title(packed: Packed) -> str:
    valid, whole = len(packed.rows), packed.samples * packed.steps
    first, last = packed.batch_sizes[0], packed.batch_sizes[-1]
    if valid == whole:
        return f"Without padding, packing only sorts: {_count(first, 'sample')} at every step"
    dropped = f"Packing drops the {whole - valid:,} padded of {whole:,} steps"
    return f"{dropped}: {_count(first, 'sample')} at first, {last:,} at the end"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _note(packed: Packed) -> str:
    back = ""
    if packed.steps_back != max(packed.lengths):
        back = (
            f" Without `total_length` the way back would give T={max(packed.lengths)} steps, as the longest sample has."
        )
    elif packed.total_length is None and packed.steps_back < packed.steps:
        back = f" Give `total_length={packed.steps}` to get the T={packed.steps} steps of `x` back."
    return f"A cell's numbers are its indices in `x`; `sorted_indices` is {_brief(packed.order)}.{back}"


def _brief(values: tuple[int, ...]) -> str:
    text = [str(v) for v in values]
    shown = text if len(text) <= draw.MOST_DRAWN else [*text[:3], "…", text[-1]]
    return f"[{', '.join(shown)}]"
