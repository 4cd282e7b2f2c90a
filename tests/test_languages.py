"""The README and the tutorial say the same in English and in Chinese: same headings, code, pictures and links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGLISH = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorial").glob("[1-9]_*[a-z].md"))]
ENGLISH = [path for path in ENGLISH if not path.name.endswith(".zh.md")]

CHINESE_SIGN = "[\u4e00-\u9fff]"
BLOCK = re.compile(r"^```.*?^```$", flags=re.DOTALL | re.MULTILINE)

each_pair = pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.stem)


def chinese(path: Path) -> Path:
    return path.with_suffix(".zh.md")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path) -> list[str]:
    return BLOCK.findall(text_of(path))


def prose(path: Path) -> str:
    return BLOCK.sub("", text_of(path))


def headings(path: Path) -> list[tuple[str, str]]:
    """The level of each heading, and its number if it has one."""
    return re.findall(r"^(#+) (\d+\.)?", prose(path), flags=re.MULTILINE)


def pictures(path: Path) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)\s]+)", prose(path))


def links(path: Path) -> list[str]:
    """Where links lead, in any order: sentences are built differently. Each language links to its own pages.

    The link to the other language is left out: it has a test of its own.
    """
    found = re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s#]+)", prose(path))
    own = re.sub(r"(\.zh)?\.md$", ".md", path.name)
    return sorted({link.replace(".zh.md", ".md") for link in found} - {own})


def labels(path: Path) -> list[str]:
    return re.findall(r"^\(([\w-]+)\)=$", prose(path), flags=re.MULTILINE)


def table_shapes(path: Path) -> list[int]:
    """How many cells each row of each table has; a bar in code or behind a backslash parts no cells."""
    return [re.sub(r"`[^`]*`|\\\|", "", row).count("|") - 1 for row in rows(path)]


def table_numbers(path: Path) -> list[list[str]]:
    return [re.findall(r"\d+(?:\.\d+)?", row) for row in rows(path)]


def rows(path: Path) -> list[str]:
    return re.findall(r"^\|.*\|$", prose(path), flags=re.MULTILINE)


def test_the_readme_and_the_five_chapters_are_there_in_both() -> None:
    assert [path.stem for path in ENGLISH] == ["README", "1_time", "2_cube", "3_states", "4_ragged", "5_forecasting"]
    twins = [ROOT / "README.zh.md", *sorted((ROOT / "docs" / "tutorial").glob("*.zh.md"))]
    assert twins == [chinese(path) for path in ENGLISH]


@each_pair
@pytest.mark.parametrize(
    "part", [headings, blocks, pictures, links, labels, table_shapes, table_numbers], ids=lambda part: part.__name__
)
def test_both_languages_have_the_same(path: Path, part) -> None:
    assert part(chinese(path)) == part(path)


@each_pair
def test_each_language_links_to_the_other(path: Path) -> None:
    assert f"]({chinese(path).name})" in text_of(path)
    assert f"]({path.name})" in text_of(chinese(path))


@each_pair
def test_the_chinese_is_chinese(path: Path) -> None:
    by_hand = re.sub(r"<!-- (\w+) -->.*?<!-- end \1 -->", "", prose(chinese(path)), flags=re.DOTALL)
    paragraphs = [part for part in by_hand.split("\n\n") if re.match(r"\w", part)]
    assert paragraphs
    assert [part for part in paragraphs if not re.search(CHINESE_SIGN, part)] == []


@each_pair
def test_chinese_and_latin_words_have_a_space_between_them(path: Path) -> None:
    words = re.sub(r"\]\([^)]*\)", "]", prose(chinese(path)))  # where a link leads is no word
    assert re.findall(rf"\S*{CHINESE_SIGN}[A-Za-z0-9`]\S*", words) == []
    assert re.findall(rf"\S*[A-Za-z0-9`%]{CHINESE_SIGN}\S*", words) == []


@each_pair
def test_chinese_sentences_have_wide_punctuation(path: Path) -> None:
    assert re.findall(rf"\S*{CHINESE_SIGN}[,;:!?.](?!\w)\S*", prose(chinese(path))) == []
