from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unrolled
from browser import absence

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say once and in words what was left out where there is no browser or no page."""
    here = [item for item in items if HERE in item.path.parents]
    if here and (reason := absence()):
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the model that ships with unrolled."""
    path: Path = tmp_path_factory.mktemp("tour") / "tour.html"
    unrolled.explore(out=path)
    return path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the page of a model."""

    def page_of(*args: Any, **keywords: Any) -> Path:
        path = tmp_path / "page.html"
        unrolled.explore(*args, out=path, **keywords)
        return path

    return page_of
