"""The Chinese README beside the English one: measured tables, links, and the way Chinese is set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (ROOT.joinpath(name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
PROSE = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", "", CHINESE, flags=re.DOTALL)
HAN = "[\u4e00-\u9fff]"


def tables(text: str) -> dict[str, str]:
    """What stands between <!-- NAME --> and <!-- end NAME -->, by name."""
    return {m[1]: m[2] for m in re.finditer(r"<!-- (\w+) -->(.*?)<!-- end \1 -->", text, flags=re.DOTALL)}


def links(text: str) -> list[str]:
    """Where the text leads, the other language's README and titles left out."""
    return [target for target in re.findall(r"\]\(([^)\s]+)", text) if not target.startswith("README")]


def test_measured_tables_are_the_same_in_both() -> None:
    english, chinese = tables(ENGLISH), tables(CHINESE)
    assert list(english) == list(chinese)
    assert {"features", "layer_speed", "loop_overhead"} <= english.keys()
    for name in english.keys() - {"features"}:
        assert chinese[name] == english[name], f"copy the table {name} of README.md into README.zh.md"


def test_both_lead_to_the_same_places() -> None:
    assert sorted(links(CHINESE)) == sorted(links(ENGLISH))
    assert "](README.md)" in CHINESE
    assert [target for target in links(CHINESE) if not (ROOT / target).exists() and "://" not in target] == []


def test_the_tables_of_features_have_the_same_rows_and_columns() -> None:
    shapes = [
        [line.count(" | ") for line in tables(text)["features"].splitlines() if line.startswith("| ")]
        for text in (ENGLISH, CHINESE)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (f"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}", "no space between Chinese and Latin"),
        (f"{HAN}[,;:!?()]|[,;:!?()]{HAN}", "half-width punctuation beside Chinese"),
        (f"{HAN}\n{HAN}", "a line break inside a sentence, which is shown as a space"),
    ],
)
def test_chinese_is_set_as_chinese(wrong: str, why: str) -> None:
    assert re.findall(wrong, PROSE) == [], why
