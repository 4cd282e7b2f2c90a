"""What the charts share: heat maps of units over time, colour bars with their range, axes with names and sizes.

Shapes: T = time, U = whatever runs vertically, mostly hidden units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from unrolled.trace import Array
from unrolled.view.drawing import draw
from unrolled.view.drawing.canvas import Box, Canvas, Side, text_width
from unrolled.view.drawing.draw import ValueScale
from unrolled.view.style import CELL, FAINT_INK, HIDDEN, INK, LABEL, LINE, MONO, PAPER, SANS, SMALL

VECTOR_CELLS: Final = 400  # a heat map of more cells is one image
FOOT: Final = 27.0  # room below a chart for its ticks and the axis' name
BAR_ROW: Final = 16.0  # from one row of colour bars to the next

_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

STATE_COLOURS: Final = {"h": HIDDEN, "c": CELL}


# --- values as colours --------------------------------------------------------------------------------------------


def unit_scale(*values: Array) -> ValueScale:
    """Colours for gates: 0 to 1; of another range where a gate of another nonlinearity leaves that."""
    low, high = _range(values)
    if low < 0:
        return draw.signed(*values)
    return draw.UNIT if high <= 1 else ValueScale(0.0, high, draw.UNIT.colours)


def _range(values: Iterable[Array]) -> tuple[float, float]:
    finite = np.concatenate([np.zeros(1), *(v[np.isfinite(v)].ravel() for v in map(np.asarray, values))])
    return float(finite.min()), float(finite.max())


def number_text(value: float) -> str:
    """Write a number in a sentence, two of its digits: "0.39", "3.2", "270", "90,000"."""
    size = abs(value)
    if not np.isfinite(value) or value == 0:
        return "0" if value == 0 else draw.number(value)
    if size >= 1e6 or size < 1e-3:
        return _as_power(value)
    rounded = float(f"{value:.1e}")
    return f"{rounded:,.{max(0, 1 - int(np.floor(np.log10(abs(rounded)))))}f}".replace("-", "−")


def _as_power(value: float) -> str:
    """Write a number far from 1 in a sentence: "10⁸", "3·10⁻⁷"."""
    mantissa, exponent = f"{value:.0e}".split("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}·{power}".replace("-", "−")


def scientific(value: float) -> str:
    """Write a number far from 1: "3e−7"."""
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def percent(share: float) -> str:
    """Write a share in whole percents, but nothing that exists as 0 %."""
    return "less than 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %".replace("-", "−")


def colour_bars(canvas: Canvas, top: float, scales: Sequence[tuple[str, ValueScale]]) -> float:
    """Draw one bar for each kind of value, side by side while there is room; return where they end."""
    left, y = canvas.left, top - BAR_ROW / 2
    for label, scale in scales:
        wide = text_width(label) + text_width(draw.number(scale.low)) + text_width(draw.number(scale.high)) + 86
        if left > canvas.left and left + wide > canvas.right:
            left, y = canvas.left, y - BAR_ROW
        left = draw.colour_bar(canvas, left, y, scale, label).right + 20
    return y - BAR_ROW / 2


# --- axes ---------------------------------------------------------------------------------------------------------


def bare_chart(
    canvas: Canvas, box: Box, x: tuple[float, float], y: tuple[float, float], *, log: str = "", frame: bool = True
) -> Axes:
    """Axes over `box` with these limits and no ticks; `log` names those that are logarithmic: "x", "y"."""
    axes = canvas.chart(box)
    axes.set(xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear")
    axes.set(xlim=x, ylim=y, facecolor="none", zorder=-1)  # under the words that the canvas holds
    for which in ("x", "y"):
        set_ticks(canvas, axes, which, [], [])
    for side, spine in axes.spines.items():
        spine.set(visible=frame or side in ("left", "bottom"), linewidth=0.6 * canvas.scale, color=FAINT_INK)
    return axes


def set_ticks(canvas: Canvas, axes: Axes, which: str, places: Sequence[float], labels: Sequence[str]) -> None:
    """Put these ticks and no others on the axis `which`, "x" or "y"."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([], minor=True)
    axis.set_ticks(list(places), list(labels), parse_math=False)
    look: dict[str, Any] = {"length": 2.5 * canvas.scale, "width": 0.6 * canvas.scale, "pad": 2 * canvas.scale}
    axis.set_tick_params(which="major", labelsize=SMALL * canvas.scale, color=FAINT_INK, labelcolor=INK, **look)
    for label in axis.get_ticklabels():
        label.set_fontfamily(SANS)


def label_steps(canvas: Canvas, axes: Axes, box: Box, steps: int, words: str = "time step") -> None:
    """Write the steps below a chart, as many as fit, and the axis' name and size."""
    widest = text_width(str(steps - 1))
    places = spread(steps, box.width, widest + 8)
    set_ticks(canvas, axes, "x", places, [str(k) for k in places])
    canvas.cover(Box(box.left - widest / 2, box.bottom - 16, box.right, box.bottom))
    canvas.text(box.x, box.bottom - 21, f"{words} `T={steps:,}`", colour=FAINT_INK)


def label_units(canvas: Canvas, axes: Axes, box: Box, units: int, axis: str = "hidden", name: bool = True) -> None:
    """Write the units left of a chart, as many as fit, and the axis' name and size."""
    places = spread(units, box.height, 11)
    set_ticks(canvas, axes, "y", places, [str(k) for k in places])
    left = box.left - units_room(units)
    canvas.cover(Box(left, box.bottom, box.left, box.top))
    if name:
        side_text(canvas, left + 5, box.y, f"unit `{draw.axis_letter(axis)}={units:,}`")


def units_room(units: int) -> float:
    """How much room `label_units` needs left of a chart."""
    return text_width(str(units - 1)) + 18


def beside(canvas: Canvas, x: float, y: float, text: str, ha: Side = "left") -> Box:
    """Write a number beside its dot, over whatever lines pass there."""
    box = canvas.text(x, y, text, ha=ha)
    look: dict[str, Any] = {"facecolor": PAPER, "linewidth": 0, "zorder": 5}
    return canvas.add(Rectangle((box.left - 1, box.bottom), box.width + 2, box.height, **look), box)


def side_text(canvas: Canvas, x: float, y: float, text: str) -> Box:
    """Write one line upwards, around (x, y); words between backticks are monospaced."""
    look: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor", "ha": "left", "va": "center_baseline"}
    look |= {"fontsize": SMALL * canvas.scale, "color": FAINT_INK, "parse_math": False}
    wide = text_width(text)
    at = y - wide / 2
    for k, run in enumerate(text.split("`")):
        mono = k % 2 == 1
        if run.strip():
            canvas.axes.text(x, at, run.strip(), family=MONO if mono else SANS, **look)
        at += text_width(run, mono=mono)
    return canvas.cover(Box(x - 5, y - wide / 2, x + 5, y + wide / 2))


def spread(count: int, room: float, each: float) -> list[int]:
    """Round indices from 0 below `count`: as many as fit where each takes so much of the room."""
    step = next(s for s in _round_steps() if count * each <= room * s or s >= count)
    return list(range(0, count, step))


def _round_steps() -> Iterator[int]:
    return (digit * 10**power for power in range(12) for digit in (1, 2, 5))


def decades(low: float, high: float, room: float, each: float) -> list[float]:
    """Powers of ten from `low` to `high`, as many as fit where each takes so much of the room."""
    first, last = int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9))
    if last <= first:  # less than two powers of ten: round numbers between them
        return [v for v in _round_numbers(first - 1, last + 1) if low <= v <= high]
    step = max(1, int(np.ceil((last - first + 1) * each / room)))
    return [10.0**k for k in range(first, last + 1, step)]


def _round_numbers(first: int, last: int) -> list[float]:
    return [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]


def power_text(value: float) -> str:
    """Write a tick of a logarithmic axis: "0.01", "10,000", "1e−7"."""
    return f"{value:,.10g}".rstrip(".") if 1e-3 <= value < 1e6 else scientific(value)


# --- heat maps ----------------------------------------------------------------------------------------------------


def heat(canvas: Canvas, box: Box, values_TU: Array, scale: ValueScale, length: int | None = None) -> Axes:
    """Draw values over time, unit 0 at the top; steps from `length` on are padding, hatched."""
    steps, units = values_TU.shape
    axes = bare_chart(canvas, box, (-0.5, steps - 0.5), (units - 0.5, -0.5))
    shown_TU = np.ma.masked_invalid(values_TU)
    if length is not None and length < steps:
        shown_TU[length:] = np.ma.masked
        hatch(canvas, axes, length, steps, units)
    look: dict[str, Any] = {"cmap": matplotlib.colormaps[scale.colours], "norm": Normalize(scale.low, scale.high)}
    if steps * units <= VECTOR_CELLS:
        edges = np.arange(steps + 1) - 0.5, np.arange(units + 1) - 0.5
        axes.pcolormesh(*edges, shown_TU.T, edgecolors=PAPER, linewidth=0.5 * canvas.scale, **look)
    else:
        axes.imshow(shown_TU.T, extent=(-0.5, steps - 0.5, units - 0.5, -0.5), aspect="auto", **look)
    return axes


def matrix(canvas: Canvas, box: Box, values_RC: Array, scale: ValueScale) -> Axes:
    """Draw a matrix, row 0 at the top, filling `box`: with lines between the cells where they are few and large."""
    rows, columns = values_RC.shape
    axes = bare_chart(canvas, box, (0, columns), (rows, 0))
    look: dict[str, Any] = {"cmap": matplotlib.colormaps[scale.colours], "norm": Normalize(scale.low, scale.high)}
    if values_RC.size <= VECTOR_CELLS:
        line = 0.4 if min(box.width / columns, box.height / rows) >= 4 else 0.0
        edges = np.arange(columns + 1), np.arange(rows + 1)
        colour = PAPER if line else "face"
        axes.pcolormesh(*edges, values_RC, edgecolors=colour, linewidth=(line or 0.2) * canvas.scale, **look)
    else:
        axes.imshow(values_RC, extent=(0, columns, rows, 0), aspect="auto", **look)
    return axes


def hatch(canvas: Canvas, axes: Axes, first: int, steps: int, top: float, bottom: float = -0.5) -> None:
    """Hatch the padding of a chart, from `bottom` to `top`: everything from step `first` on."""
    look: dict[str, Any] = {"facecolor": PAPER, "edgecolor": LINE, "hatch": "/////", "linewidth": 0, "zorder": 0.5}
    axes.add_patch(Rectangle((first - 0.5, bottom), steps - first, top - bottom, **look))


def badge(canvas: Canvas, left: float, y: float, letter: str, gate: bool) -> Box:
    """Draw a gate's circle, or a state's rounded row, with its letter; return where it lies."""
    size = 14.0
    box = Box(left, y - size / 2, left + size, y + size / 2)
    if gate:
        return draw.gate(canvas, box.x, box.y, letter, radius=size / 2)
    draw.state(canvas, box.grow(0.5), STATE_COLOURS.get(letter, FAINT_INK))
    canvas.text(box.x, box.y, letter, size=LABEL, bold=True)
    return box
