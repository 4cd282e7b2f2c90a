"""What `explore` returns: the page, where it is, and what is in it in words."""

from __future__ import annotations

import tempfile
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from unrolled.view.page.html import as_frame

HEIGHT: Final = 760
"""Pixels that the page takes in a notebook."""

Document = dict[str, Any]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Explorer:
    """One HTML page that shows a model's own numbers on a batch; a notebook shows it in place.

    Attributes:
        path: The file that was written; None where none was asked for.
        document: What the page holds, "unrolled-page/1" as plain JSON types; docs/formats.md describes it.
        html: The page itself, one text.
        notes: What was left out or done more cheaply because of the model's size, as sentences.
    """

    path: Path | None
    document: Document
    html: str
    notes: tuple[str, ...] = ()

    def open(self) -> None:
        """Open the page in the browser; without a file of its own, from a temporary one."""
        path = self.path
        if path is None:
            path = Path(tempfile.mkdtemp(prefix="unrolled-")) / "explorer.html"
            path.write_text(self.html, encoding="utf-8")
        webbrowser.open(path.resolve().as_uri())

    def __repr__(self) -> str:
        lines = [f"Explorer: {self.document['title']}"]
        for network in self.document["networks"]:
            lines += _network_lines(network)
        lines += [f"  {note}" for note in self.notes]
        size = f"{len(self.html.encode()) / 1e6:.1f} MB"
        return "\n".join([*lines, f"  {self.path} ({size})" if self.path else f"  not written to a file ({size})"])

    def _repr_html_(self) -> str:
        return as_frame(self.html, HEIGHT)


def _network_lines(network: Document) -> list[str]:
    name = f"{network['name']}: " if network["name"] else ""
    sizes = network["sizes"]
    layers = len(network["shown"]["hidden"])
    stacked = (f"{layers} layers" if layers > 1 else "1 layer") + ", both directions" * _both_ways(network)
    lines = [
        f"  {name}{network['source']}, {stacked}, "
        f"N={sizes['batch']:,} · T={sizes['time']:,} · F={sizes['feature']:,} · H={_hidden(network)}"
    ]
    if head := network["head"]:
        steps = " → ".join(_head_layer(layer) for layer in head["layers"])
        lines.append(f"    head: {head['reads']}{' → ' if steps else ''}{steps}")
    if names := dict.fromkeys(found["name"] for found in network["analyses"]):
        lines.append(f"    analyses: {', '.join(names)}")
    lines.append(f"    {network['computes'] or 'The page computes it: change a number, and the rest follows.'}")
    return [*lines, *(f"    {text}" for text in _sampled(network))]


def _both_ways(network: Document) -> bool:
    return any(part["direction"] == "reverse" for part in network["trace"]["parts"])


def _hidden(network: Document) -> str:
    size = network["trace"]["settings"].get("hidden_size")
    return " → ".join(map(str, size)) if isinstance(size, list | tuple) else str(size)


def _head_layer(layer: Document) -> str:
    if "weight" not in layer:
        return str(layer["kind"])
    outputs, inputs = layer["weight"]["shape"]
    return f"{layer['kind']}({inputs}, {outputs})"


def _sampled(network: Document) -> list[str]:
    """Say which axes are not shown whole."""
    shown, sizes = network["shown"], network["sizes"]
    parts = [
        f"{len(shown[axis]):,} of {sizes[axis]:,} {plural}"
        for axis, plural in (("batch", "samples"), ("time", "steps"), ("feature", "features"))
        if len(shown[axis]) < sizes[axis]
    ]
    widest = max(shown["hidden"], key=lambda units: units[-1] if units else 0)
    if widest and len(widest) <= widest[-1]:
        parts.append(f"{len(widest):,} of {widest[-1] + 1:,} units")
    return [f"Shown, evenly spaced: {', '.join(parts)}."] if parts else []
