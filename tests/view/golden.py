"""How figures are looked at by tests: against stored drawings, and for words that overlap or are cut off."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from unrolled.view.style import house_style

FOLDER = Path(__file__).parents[1] / "golden" / "figures"
WIDTHS = (5.0, 9.4, 16.7)  # inches: 480, 900 and 1600 pixels at 96 to the inch
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def check_golden(figure: Figure, name: str, overwrite: bool) -> None:
    """Compare a figure with tests/golden/figures/NAME.svg; `pytest --overwrite` stores it instead.

    Numbers may differ by 0.05 points, everything else not at all.
    """
    path, drawn = FOLDER / f"{name}.svg", svg(figure)
    if overwrite:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert path.exists(), f"{path} is missing: look at the figure, then run pytest --overwrite."
    stored = path.read_text(encoding="utf-8")
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", stored), (
        f"{name} is drawn otherwise: look, then pytest --overwrite."
    )
    pairs = zip(NUMBER.findall(drawn), NUMBER.findall(stored), strict=True)
    moved = [(a, b) for a, b in pairs if abs(float(a) - float(b)) > 0.05]
    assert not moved, f"{name}: {len(moved)} numbers moved, such as {moved[:3]}; look, then pytest --overwrite."


def svg(figure: Figure) -> str:
    """The figure as SVG, its words as words, without what changes from day to day or release to release."""
    target = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    # Names of faces depend on which are installed, and clip paths are named by hashes of coordinates.
    text = re.sub(r"font: ([^;\"]*?)px [^;\"]*", r"font: \1px", text)
    names: dict[str, str] = {}
    return re.sub(r"\b[pmhC][0-9a-f]{9,}\b", lambda found: names.setdefault(found.group(), f"id{len(names)}"), text)


def words(figure: Figure) -> str:
    """Everything that is written in a figure, in the order in which it was drawn."""
    return "\n".join(text.get_text() for text, _ in _texts(figure))


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """List the pairs of texts that lie on each other by more than half a point."""
    texts = _texts(figure)
    slack = 0.5 * figure.dpi / 72
    boxes = [(text.get_text(), box.padded(-slack)) for text, box in texts if min(box.width, box.height) > 2 * slack]
    return [
        (a, b) for number, (a, first) in enumerate(boxes) for b, second in boxes[number + 1 :] if first.overlaps(second)
    ]


def cut_off(figure: Figure) -> list[str]:
    """List the texts that reach beyond the figure."""
    width, height = figure.get_size_inches() * figure.dpi
    inside = Bbox([[-0.5, -0.5], [width + 0.5, height + 0.5]])
    return [
        text.get_text()
        for text, box in _texts(figure)
        if not (inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1))
    ]


def smallest(figure: Figure) -> float:
    """The size of the smallest text, in points of the drawing before a wide sheet magnifies it."""
    return min(text.get_fontsize() for text, _ in _texts(figure))


def _texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """The texts that are drawn, each with its box; not those of ticks outside the axes' limits."""
    canvas = FigureCanvasAgg(figure)
    with house_style():
        canvas.draw()
        return _boxes(figure, canvas)


def _boxes(figure: Figure, canvas: FigureCanvasAgg) -> list[tuple[Text, Bbox]]:
    undrawn = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            undrawn |= {t.label1 for t in axis.get_major_ticks() if not low <= t.get_loc() <= high}
            undrawn |= (
                set() if axes.axison else {label for t in axis.get_major_ticks() for label in (t.label1, t.label2)}
            )
    found = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in undrawn]
    return [(text, text.get_window_extent(canvas.get_renderer())) for text in found]
