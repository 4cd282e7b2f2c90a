"""What the Chinese README takes over from the English one as it is: the measured tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (ROOT.joinpath(name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))


def tables(text: str) -> dict[str, str]:
    """What stands between <!-- NAME --> and <!-- end NAME -->, by name."""
    return {m[1]: m[2] for m in re.finditer(r"<!-- (\w+) -->(.*?)<!-- end \1 -->", text, flags=re.DOTALL)}


def test_measured_tables_are_the_same_in_both() -> None:
    english, chinese = tables(ENGLISH), tables(CHINESE)
    assert list(english) == list(chinese)
    assert {"features", "layer_speed", "loop_overhead"} <= english.keys()
    for name in english.keys() - {"features"}:
        assert chinese[name] == english[name], f"copy the table {name} of README.md into README.zh.md"


def test_chinese_lines_are_not_broken_within_a_sentence() -> None:
    prose = re.sub(r"```.*?```", "", CHINESE, flags=re.DOTALL)
    assert re.findall("[\u3000-\uffef]\n[\u3000-\uffef]", prose) == [], "a line break is shown as a space"
