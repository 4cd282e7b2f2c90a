"""The tables of features: what they link to is there, and the short one says what the long one says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LONG = (DOCS / "features.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHORT = README.partition("<!-- features -->")[2].partition("<!-- end features -->")[0]

Link = tuple[str, str, str | None]
_LINK = re.compile(r"""\[([^\]]*)\]\(([^)\s]+)(?:\s+"([^"]*)")?\)""")


def links(text: str) -> list[Link]:
    """The text, target and title of each link into the project."""
    return [(t, target, title or None) for t, target, title in _LINK.findall(text) if not target.startswith("http")]


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each row of the table by its feature, without its head."""
    table = [line for line in text.splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert set(split[1]) == {"---"}
    found = {row[0]: row[1:] for row in [split[0], *split[2:]]}
    assert len(found) == len(split) - 1, "a feature stands in the table twice"
    return found


@cache
def functions(path: Path) -> frozenset[str]:
    """The names of a file's functions, read without running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def heading_anchors(text: str) -> set[str]:
    """The anchors of a page's headings."""
    return {
        "#" + re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    }


@pytest.mark.parametrize(("text", "folder"), [(LONG, DOCS), (SHORT, ROOT)], ids=["long", "short"])
def test_links_lead_to_files_and_to_tests_in_them(text: str, folder: Path) -> None:
    missing = []
    for _, target, title in links(text):
        path = (folder / target).resolve()
        if target.startswith("#"):
            assert target in heading_anchors(text)
        elif not path.is_file():
            missing.append(target)
        elif path.suffix == ".py" and title not in functions(path):
            missing.append(f"{target}: {title}")
    assert missing == []


@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
def test_each_of_our_cells_names_a_test(text: str) -> None:
    table = rows(text)
    ours = table.pop("")
    assert ours[0] == "unrolled"
    assert all(len(cells) == len(ours) and all(cells) for cells in table.values())
    for feature, (cell, *others) in table.items():
        assert links(cell), feature
        assert all((title or "").startswith("test_") and "tests/" in target for _, target, title in links(cell)), (
            feature
        )
        assert not any(links(other) for other in others), feature


def test_the_short_tables_rows_are_rows_of_the_long_one() -> None:
    """The short one is for the README, hence its links from the root, and it has no footnotes."""
    short, whole = rows(SHORT), rows(LONG)
    assert len(short) - 1 == 12
    for feature, cells in short.items():
        assert cells == [re.sub(r"\[\^\w+\]", "", c).replace("](../tests/", "](tests/") for c in whole[feature]], (
            feature
        )


def test_each_footnote_is_there_and_is_used() -> None:
    defined = re.findall(r"^\[\^(\w+)\]:", LONG, flags=re.MULTILINE)
    used = re.findall(r"\[\^(\w+)\](?!:)", LONG)
    assert sorted(defined) == sorted(set(used))
    assert len(defined) == len(set(defined))
    assert "[^" not in SHORT
