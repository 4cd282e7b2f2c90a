"""Files and folders written whole or not at all: a draft beside the place, put on the disk, then one rename.

Whatever stops a program, a full disk, Ctrl-C, kill -9, loss of power: what was there before, or the new, is there
whole. A folder can't be replaced in one step; between the two renames that it takes, what was there stands beside it
under the name that `survivor` knows.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unrolled.errors import ConfigError, UnrolledError

DRAFT = ".unrolled-"
"""How the names of drafts begin; one that stands about was left by a program that was killed."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MODE_OF_A_FILE, _MODE_OF_A_FOLDER = 0o644, 0o755  # tempfile keeps others out; what is written is for anyone


@contextmanager
def drafted_file(path: str | os.PathLike[str], error: type[UnrolledError] = ConfigError) -> Iterator[Path]:
    """Give the path of an empty draft; when all went well it takes the place of `path`.

    Args:
        path: the file to write; folders above it are made.
        error: what to raise.

    Raises:
        UnrolledError: `error`, where the file can't be written, or a folder stands there.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise error(f"{path} is a folder; give the name of a file to write.")
    with explained(path, error), folder_made(target.parent):
        handle, name = tempfile.mkstemp(prefix=DRAFT, suffix=target.suffix, dir=target.parent)
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
            draft.chmod(_MODE_OF_A_FILE)
            _put_on_disk(draft)
            os.replace(draft, target)
            _put_name_on_disk(target)
        finally:
            draft.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes | str, error: type[UnrolledError] = ConfigError) -> None:
    """Write a file, whole or not at all; text as UTF-8.

    Raises:
        UnrolledError: `error`, where the file can't be written, or a folder stands there.
    """
    with drafted_file(path, error) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def drafted_folder(path: str | os.PathLike[str], error: type[UnrolledError] = ConfigError) -> Iterator[Path]:
    """Give an empty draft folder; when all went well it takes the place of `path`, and of all that was in it.

    Raises:
        UnrolledError: `error`, where the folder can't be written.
    """
    target = Path(os.path.realpath(path))
    with explained(path, error), folder_made(target.parent):
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=target.parent))
        try:
            yield draft
            draft.chmod(_MODE_OF_A_FOLDER)
            for item in (*draft.rglob("*"), draft):
                _put_on_disk(item)
            move_into_place(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def move_into_place(source: Path, target: Path) -> None:
    """Rename a file or a folder to `target`, in the place of what of its kind is there."""
    aside = _aside(target)
    if target.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(target, aside)
        try:
            os.rename(source, target)
        except OSError:
            os.rename(aside, target)
            raise
    else:
        os.replace(source, target)
    _put_name_on_disk(target)
    shutil.rmtree(aside, ignore_errors=True)


def survivor(path: str | os.PathLike[str]) -> Path:
    """Return where a folder is: beside `path` where a program was killed while it replaced it, else `path`."""
    target = Path(os.path.realpath(path))
    return _aside(target) if _aside(target).is_dir() and not target.exists() else Path(path)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.before")


@contextmanager
def folder_made(path: Path) -> Iterator[None]:
    """Make a folder and those above it; when anything goes wrong, remove those that were not there before."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for one in missing:
            if one.is_dir() and not any(one.iterdir()):
                one.rmdir()
        raise


@contextmanager
def explained(path: str | os.PathLike[str], error: type[UnrolledError], full_alone: bool = False) -> Iterator[None]:
    """Say in one error of ours that `path` can't be written, why, and what to do.

    full_alone: only where there is no room; other errors of the system pass through.
    """
    try:
        yield
    except OSError as wrong:
        if full_alone and wrong.errno not in _NO_ROOM:
            raise
        raise error(f"{path} can't be written: {wrong.strerror or wrong}. {_advice(wrong)}") from None


def _advice(wrong: OSError) -> str:
    if wrong.errno in _NO_ROOM:
        return "Make room there, or give another place; what was there before is as it was."
    return "Give another place to write to."


def _put_on_disk(path: Path) -> None:
    """Wait until what was written is on the disk, so that a rename never arrives there before it."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and keeps the order by itself
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_name_on_disk(path: Path) -> None:
    """Wait until the disk knows of a rename, where it can say so; what was renamed is in place either way."""
    with suppress(OSError):
        _put_on_disk(path.parent)
