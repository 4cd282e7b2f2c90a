"""The page's own tests, of its layout and arithmetic, and its types: run here, so that one command runs everything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from browser import fetched

SOURCES = Path(__file__).parents[2] / "src/unrolled/view/web"


@pytest.fixture(scope="module")
def sources() -> Path:
    """Where npm runs, with what it needs."""
    if shutil.which("npm") is None:
        pytest.skip("The explorer page's own tests were left out, because npm is not on the path (it comes with Node).")
    if not fetched(SOURCES):
        pytest.skip(
            f"The explorer page's own tests were left out, because npm could not fetch their tools in {SOURCES}."
        )
    return SOURCES


@pytest.mark.parametrize("script", ["test", "check"])
def test_npm_is_content(script: str, sources: Path) -> None:
    done = subprocess.run(["npm", "run", script], cwd=sources, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
