"""What helps Sphinx: links, docstrings, the order of the gallery, the page of the command line."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import unrolled

ROOT = Path(__file__).parents[1]
BUILDING = ROOT / "docs" / "building"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("[a sine](../../examples/sine.py).", "[a sine](/examples/sine.rst)."),
        ("see the [README](../README.md)", "see the {download}`README <../README.md>`"),
        ("[中文](../../README.zh.md)", "{download}`中文 <../../README.zh.md>`"),
        ("[formats](../formats.md), [a test](../tests/test_files.py)", None),
        ("[elsewhere](https://example.org/README.md)", None),
    ],
)
def test_links_out_of_the_docs(written: str, read: str | None) -> None:
    for_the_site = runpy.run_path(str(BUILDING / "links.py"))["for_the_site"]
    assert for_the_site(written) == (written if read is None else read)


@pytest.mark.parametrize(("page", "language"), [("tutorial/1_time.zh", "zh-CN"), ("tutorial/1_time", "en")])
def test_pages_say_their_language(page: str, language: str) -> None:
    context = {"language": "en"}
    runpy.run_path(str(ROOT / "docs" / "conf.py"))["say_language"](None, page, "page.html", context, None)
    assert context == {"language": language}


def test_fields_get_a_heading_and_other_paragraphs_none() -> None:
    with_headings = runpy.run_path(str(BUILDING / "docstrings.py"))["with_headings"]
    lines = [
        "What it is: a sentence",
        "of two lines.",
        "",
        "first, second: two of them.",
        "third: another",
        "    of two.",
    ]
    assert with_headings(lines) == [
        *lines[:3],
        "Attributes:",
        "    first, second: two of them.",
        "    third: another",
        "        of two.",
    ]


def test_the_gallery_has_the_examples_in_the_order_in_which_they_teach() -> None:
    building = runpy.run_path(str(BUILDING / "examples.py"))
    files = [path.name for path in (ROOT / "examples").glob("*.py")]
    found = [Path(name).stem for name in sorted(files, key=building["place"])]
    assert found == list(building["ORDER"])


def test_the_page_of_the_command_line_has_every_command_and_setting(tmp_path: Path) -> None:
    from typer.main import get_command

    from unrolled.cli import app

    runpy.run_path(str(BUILDING / "command_line.py"))["write_page"](tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    settings = page.partition("## Settings\n")[2]
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        section = page.partition(f"## unrolled {name}\n")[2].partition("\n## ")[0]
        assert command.help in section.replace("`", "")
        for option in command.params:
            shown = option.name.upper() if option.param_type_name == "argument" else option.opts[0]
            assert f"`{shown}" in (settings if option.rich_help_panel else section)
    assert str(unrolled.Config(h=1).batch_size) in page
