"""Links out of docs/, which work as they stand where the repository is browsed, for the built pages.

A program in examples/ becomes its page in the gallery, a text such as the README a download. Other files are downloads
by MyST's own rule.
"""

from __future__ import annotations

import re
from typing import Any, Final

_EXAMPLE: Final = re.compile(r"\]\((?:\.\./)+examples/(\w+)\.py\)")
_TEXT: Final = re.compile(r"\[([^\]`]+)\]\(((?:\.\./)+[A-Z]+(?:\.zh)?\.md)\)")


def for_the_site(text: str) -> str:
    """Return a page's source with such links as Sphinx wants them."""
    return _TEXT.sub(r"{download}`\1 <\2>`", _EXAMPLE.sub(r"](/examples/\1.rst)", text))


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = for_the_site(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Change sources as they are read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
