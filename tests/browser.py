"""The explorer page in a real Chromium: tests/web/drive.mjs is told what to do, and prints what it saw."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.view.page.html import page_absence

FOLDER = Path(__file__).parent / "web"
VARIABLE = "UNROLLED_CHROMIUM"


@dataclass(frozen=True)
class Seen:
    """What a run of the driver gave: a result for each action, errors of the page, and every address it asked for."""

    results: list[Any]
    errors: list[str]
    requests: list[str]
    url: str


def drive(page: Path, *actions: dict[str, Any], **settings: Any) -> Seen:
    """Open a page and do one action after the other."""
    job = {"executable": chromium(), "page": str(page.resolve()), "actions": actions, **settings}
    done = subprocess.run(
        ["node", str(FOLDER / "drive.mjs")], input=json.dumps(job), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Seen(**json.loads(done.stdout))


def chromium() -> str | None:
    """The browser: what the environment names, or else what is on the path."""
    named = os.environ.get(VARIABLE)
    return named or next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@functools.cache
def absence() -> str:
    """Say in a sentence why the page cannot be tested here; "" where it can."""
    left_out = "The explorer page was not tested in a browser, because"
    if reason := page_absence():
        return f"{left_out} this installation was built without it: {reason}."
    if chromium() is None:
        return f"{left_out} there is no chromium or google-chrome on the path, and {VARIABLE} names none."
    if shutil.which("npm") is None:
        return f"{left_out} npm, which fetches what drives the browser, is not on the path."
    return "" if fetched(FOLDER) else f"{left_out} npm could not fetch what drives the browser (npm ci in {FOLDER})."


def fetched(folder: Path) -> bool:
    """Fetch the packages of an npm project as its lockfile says, unless they are there."""
    lockfile, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    with alone(f"fetch-{folder.name}"):
        if installed.exists() and installed.stat().st_mtime >= lockfile.stat().st_mtime:
            return True
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let no other process of the tests do the same thing at the same time."""
    with (Path(tempfile.gettempdir()) / f"unrolled-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
