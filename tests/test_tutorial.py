"""Each chapter's code runs, prints what the chapter quotes, and draws the pictures that it shows."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorial"
PICTURES = runpy.run_path(str(FOLDER / "pictures.py"))
CHAPTERS: list[Path] = PICTURES["CHAPTERS"]
TRAINS = "5_forecasting"  # what training ends with differs a little from processor to processor

NUMBER = re.compile(r"\d+\.\d+")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_chapter_prints_what_it_quotes_and_draws_what_it_shows(chapter: Path, tmp_path: Path) -> None:
    printed = PICTURES["run"](chapter, tmp_path)
    quoted = [block.prints for block in PICTURES["blocks_of"](chapter)]
    if chapter.stem == TRAINS:
        for found, expected in zip(numbers(printed), numbers(quoted), strict=True):
            assert found == pytest.approx(expected, rel=0.2)
        printed, quoted = without_numbers(printed), without_numbers(quoted)
    assert printed == quoted
    shown = re.findall(r"!\[[^\]]*\]\(\.\./_made/([^)]+)\)", chapter.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(path.name for path in tmp_path.glob("*.png"))
    assert all((tmp_path / name).stat().st_size > 10_000 for name in shown)


def numbers(texts: list[str]) -> list[float]:
    return [float(number) for text in texts for number in NUMBER.findall(text)]


def without_numbers(texts: list[str]) -> list[str]:
    return [NUMBER.sub("#", text) for text in texts]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_chapter_can_be_read_at_one_sitting(chapter: Path) -> None:
    assert 80 <= len(chapter.read_text(encoding="utf-8").splitlines()) <= 190


def test_the_pictures_alone_are_put_into_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PICTURES["main"].__globals__, "CHAPTERS", CHAPTERS[:1])
    made = PICTURES["main"](tmp_path / "made")
    assert [path.name for path in made] == ["time_cell.png", "time_unrolled.png", "time_windows.png"]
    assert sorted((tmp_path / "made").iterdir()) == made
