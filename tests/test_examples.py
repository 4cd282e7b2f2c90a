"""Each example runs as it stands, is short, and shows what it says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


def test_sine_is_continued_to_within_a_thousandth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sine = runpy.run_path(str(FOLDER / "sine.py"))
    assert sine["main"](tmp_path) < 1e-3
    assert (tmp_path / "sine.png").stat().st_size > 10_000
    assert "Test MSE over 40 recursive steps" in capsys.readouterr().out


def test_a_replaced_model_has_the_same_losses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(FOLDER / "speed_up_my_model.py"))
    before, after = example["main"](tmp_path)
    assert after == pytest.approx(before, abs=5e-3)
    assert before[-1] < 0.6 < before[0]
    assert (tmp_path / "speed_up_my_model.png").stat().st_size > 10_000
    assert "unrolled: loss" in capsys.readouterr().out
