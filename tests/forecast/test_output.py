from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.errors import ConfigError
from unrolled.forecast.output import write_json, written_together


def _fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_files_appear_together_and_replace_only_their_namesakes(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    _fill(out, old="kept", both="old")
    _fill(out / "model", stale="gone")
    with written_together(out) as draft:
        _fill(draft, both="new", fresh="new")
        _fill(draft / "model", config="new")
    assert {p.name: p.read_text() for p in out.iterdir() if p.is_file()} == {
        "old": "kept",
        "both": "new",
        "fresh": "new",
    }
    assert [p.name for p in (out / "model").iterdir()] == ["config"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_when_anything_goes_wrong_the_folder_is_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    _fill(out, both="old")

    def write_and_stop() -> None:
        with written_together(out) as draft:
            _fill(draft, both="new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert (out / "both").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="is a file"), written_together(tmp_path / "out"):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="can't be written: Not a directory"),
        written_together(tmp_path / "file" / "in" / "out"),
    ):
        pass


def test_json_refuses_what_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})


def test_a_folder_in_the_place_of_a_file_is_left_alone(tmp_path: Path) -> None:
    _fill(tmp_path / "out" / "report", precious="kept")

    def write() -> None:
        with written_together(tmp_path / "out") as draft:
            _fill(draft, first="new", report="new")

    with pytest.raises(ConfigError, match="report is a folder"):
        write()
    assert (tmp_path / "out" / "report" / "precious").read_text() == "kept"
    assert not (tmp_path / "out" / "first").exists()
