"""The page itself: the built HTML of this installation, with the documents put into it.

It is built when unrolled is installed, and lies beside the module `unrolled.view._page_build`, whose ABSENCE is "", or
says why an installation could not build it: see cmake/page.cmake.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from unrolled.errors import ArtifactError, PageAbsentError

_BUILD: Final = "unrolled.view._page_build"
_PAGE: Final = "page.html"
_TOUR: Final = Path(__file__).parents[1] / "tour.json"
_NEVER_BUILT: Final = "the page is built by pip install, which has not been run on this source"

_POLICY: Final = (
    """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; """
    """style-src 'unsafe-inline'; img-src data: blob:; font-src data:" />"""
)
"""What the browser lets the page load: nothing but what it holds itself."""


def page_html(document: Mapping[str, Any]) -> str:
    """Return the whole page: one HTML text with the document and the tour's in it.

    Raises:
        PageAbsentError: This installation has no built page; it says what to run.
    """
    page = built_page()
    page = _once(page, r"<title>unrolled</title>", f"{_POLICY}<title>{html.escape(str(document['title']))}</title>")
    page = _fill(page, "unrolled-page", _json_for_script(document))
    return _fill(page, "unrolled-tour", _json_for_script(tour_document()))


def tour_document() -> dict[str, Any]:
    """Return the document of the small model that ships with unrolled."""
    document: dict[str, Any] = json.loads(_TOUR.read_text(encoding="utf-8"))
    return document


def page_absence() -> str:
    """Return why this installation has no page; "" when it has one."""
    build = _build()
    return _NEVER_BUILT if build is None else str(build.ABSENCE)


def as_frame(page: str, height: int) -> str:
    """Return the page as an HTML element that a notebook shows in place, `height` pixels high."""
    style = f"width: 100%; height: {height}px; border: 0"
    return f'<iframe title="unrolled explorer" style="{style}" srcdoc="{html.escape(page)}"></iframe>'


def refuse_absence() -> None:
    """Say what to run where this installation has no page.

    Raises:
        PageAbsentError: It has none.
    """
    if reason := page_absence():
        raise PageAbsentError(
            f"This installation of unrolled has no explorer page: {reason}. The page is built with Node 20.19 or newer "
            "when unrolled is installed: install Node, then unrolled again (in a source checkout: pip install .)."
        )


def built_page() -> str:
    """Return the page of this installation, without any documents in it.

    Raises:
        PageAbsentError: It has none.
    """
    refuse_absence()
    build = _build()
    assert build is not None, "its absence was refused"
    assert build.__file__ is not None, "it is an ordinary file"
    return Path(build.__file__).with_name(_PAGE).read_text(encoding="utf-8")


def _build() -> ModuleType | None:
    """What the installation left beside the page: found by name, as an editable one has two folders."""
    try:
        return import_module(_BUILD)
    except ModuleNotFoundError:
        return None


def _json_for_script(document: Mapping[str, Any]) -> str:
    """Write JSON that ends no script and begins no comment: every "<" escaped, and all that is not ASCII."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _fill(page: str, place: str, text: str) -> str:
    opening = rf'<script type="application/json" id="{place}">'
    return _once(page, rf"{opening}\s*</script>", f"{opening}{text}</script>")


def _once(page: str, pattern: str, replacement: str) -> str:
    places = len(re.findall(pattern, page))
    if places != 1:
        raise ArtifactError(
            f"{_PAGE} in this installation of unrolled is damaged: {pattern} occurs {places} times in it, not once. "
            "Install unrolled again."
        )
    return re.sub(pattern, lambda _: replacement, page)
