"""Files and folders written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unrolled.errors import ArtifactError, ConfigError
from unrolled.files import DRAFT, drafted_file, drafted_folder, folder_made, move_into_place, survivor, write_whole


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "c.txt", "größer")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "größer".encode()
    assert (tmp_path / "a" / "b" / "c.txt").stat().st_mode & 0o777 == 0o644
    write_whole(tmp_path / "a" / "b" / "c.txt", b"other")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"other"


@pytest.mark.parametrize("drafted", [drafted_file, drafted_folder])
def test_when_anything_goes_wrong_nothing_is_left_and_no_folder_was_made(drafted, tmp_path: Path) -> None:
    def write_and_stop() -> None:
        with drafted(tmp_path / "a" / "b" / "c") as draft:
            (draft / "x" if draft.is_dir() else draft).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "x").mkdir()

    def stop() -> None:
        with folder_made(tmp_path / "a" / "b" / "c"):
            (tmp_path / "a" / "b" / "precious").write_text("by someone else, meanwhile")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "precious", "x"]


@pytest.mark.parametrize("error", [ConfigError, ArtifactError])
def test_what_the_system_refuses_is_said_in_one_sentence(error: type[ConfigError], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(error) as caught:
        write_whole(tmp_path / "file" / "in" / "it", "x", error)
    assert str(caught.value) == (
        f"{tmp_path}/file/in/it can't be written: Not a directory. Give another place to write to."
    )
    with pytest.raises(error) as caught:
        write_whole(tmp_path, "x", error)
    assert str(caught.value) == f"{tmp_path} is a folder; give the name of a file to write."


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_folder_takes_the_place_of_all_that_was_in_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").write_text("x")
    with drafted_folder(tmp_path / "f") as draft:
        assert draft.parent == tmp_path
        assert draft.name.startswith(DRAFT)
        (draft / "new").write_text("y")
    assert [path.name for path in tmp_path.rglob("*")] == ["f", "new"]
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o755


def test_between_the_two_renames_the_old_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("f", "draft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").write_text(name)
    real, calls = os.rename, []

    def stopped(source: Path, target: Path) -> None:
        calls.append(None)
        if len(calls) == 2:
            raise SystemExit  # which stands for a kill: nothing is put back
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", stopped)
        with pytest.raises(SystemExit):
            move_into_place(tmp_path / "draft", tmp_path / "f")
    assert not (tmp_path / "f").exists()
    assert (survivor(tmp_path / "f") / "inside").read_text() == "f"
    with drafted_folder(tmp_path / "f") as draft:
        (draft / "inside").write_text("third")
    assert survivor(tmp_path / "f") == tmp_path / "f"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft", "f"]


def test_where_the_second_rename_fails_the_first_is_undone(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "inside").write_text("old")
    with pytest.raises(FileNotFoundError):
        move_into_place(tmp_path / "no draft", tmp_path / "f")
    assert (tmp_path / "f" / "inside").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
