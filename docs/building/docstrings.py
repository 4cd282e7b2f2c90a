"""Docstrings as this project writes them, for Sphinx: fields of a class are lists without a heading."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any, Final

_FIELD: Final = re.compile(r"(\w+(?:, \w+)*): \S")
_HEADINGS: Final = {"LayerOptions": "Args:"}


def with_headings(lines: list[str], heading: str = "Attributes:") -> list[str]:
    """Put a heading above each paragraph that is a list of "name: words", further lines of which are indented."""
    found: list[str] = []
    for blank, paragraph in groupby(lines, key=lambda line: not line.strip()):
        whole = list(paragraph)
        if not blank and _is_list(whole):
            whole = [heading, *(f"    {line}" for line in whole)]
        found += whole
    return found


def _is_list(paragraph: list[str]) -> bool:
    return bool(_FIELD.match(paragraph[0])) and all(line[0] == " " or _FIELD.match(line) for line in paragraph)


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what in ("class", "exception"):
        lines[:] = with_headings(lines, _HEADINGS.get(name.rpartition(".")[2], "Attributes:"))


def setup(app: Any) -> dict[str, bool]:
    """Come before napoleon, which reads the headings."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
