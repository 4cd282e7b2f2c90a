"""The page around the document: what is put into it can end or begin nothing, and its absence is explained."""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from unrolled.errors import ArtifactError, PageAbsentError
from unrolled.view.page import html as page_html
from unrolled.view.page.html import as_frame

BUILT = """<!doctype html><html lang="en"><head><meta charset="utf-8" /><title>unrolled</title>
<script type="module">const title = "<title>x</title>";</script></head><body><div id="app"></div>
<script type="application/json" id="unrolled-page"></script>
<script type="application/json" id="unrolled-tour">
</script></body></html>"""

NASTY = ["</script><script>alert(1)</script>", "<!-- <script>", "\u2028\u2029", "&amp; \\ \" '", "巴黎", "\\1 \\g<0>"]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A build of the page in place of the installed one."""
    module: Any = ModuleType("unrolled.view._page_build")
    module.ABSENCE, module.__file__ = "", str(tmp_path / "_page_build.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "page.html").write_text(BUILT, encoding="utf-8")
    monkeypatch.setattr(page_html, "tour_document", lambda: {"title": "tour"})
    return module


def scripts(page: str) -> dict[str, Any]:
    """The documents as a browser finds them: a script's text ends at the first "</script"."""
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script', page, flags=re.DOTALL)
    return {name: json.loads(text) for name, text in found}


@pytest.mark.parametrize("text", NASTY)
def test_whatever_the_names_are_they_come_back_and_end_nothing(build: Any, text: str) -> None:
    document = {"title": text, "names": {"batch": [text]}}
    page = page_html.page_html(document)
    assert scripts(page) == {"unrolled-page": document, "unrolled-tour": {"title": "tour"}}
    assert page.count("</script>") == BUILT.count("</script>")
    assert f"<title>{html.escape(text)}</title>" in page
    body = page.partition('id="unrolled-page">')[2].partition("</script>")[0]
    assert body.isascii()
    assert "<" not in body


def test_the_page_may_load_nothing(build: Any) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page_html.page_html({"title": ""}))
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert not re.search(r"https?:|\*|'self'|connect-src", policy[1])


def test_numbers_that_json_lacks_are_no_page(build: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        page_html.page_html({"title": "", "value": float("nan")})


def test_without_a_built_page_it_says_why_and_what_to_run(build: Any) -> None:
    build.ABSENCE = "Node 18.2.0 is too old"
    with pytest.raises(PageAbsentError, match=r"Node 18\.2\.0 is too old\..*Node 20\.19 or newer.*pip install"):
        page_html.page_html({"title": ""})


def test_a_source_that_was_never_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_html, "_BUILD", "unrolled.view.nowhere")
    with pytest.raises(PageAbsentError, match="pip install, which has not been run on this source"):
        page_html.refuse_absence()


@pytest.mark.parametrize("spoilt", [BUILT.replace("unrolled-tour", "tour"), BUILT * 2, ""])
def test_a_damaged_page_is_told(build: Any, spoilt: str) -> None:
    Path(build.__file__).with_name("page.html").write_text(spoilt, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"page\.html in this installation of unrolled is damaged.*Install"):
        page_html.page_html({"title": ""})


def test_a_frame_holds_the_page_as_it_is() -> None:
    page = '<p class="a">x & y</p><script>"</script>'
    frame = as_frame(page, 500)
    found = re.fullmatch(r'<iframe title="unrolled explorer" style="([^"]*)" srcdoc="([^"]*)"></iframe>', frame)
    assert found is not None
    assert "height: 500px" in found[1]
    assert html.unescape(found[2]) == page
