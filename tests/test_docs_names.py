"""The names that pages use are there: what is said of the code goes stale when a name changes."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import unrolled

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "_made" not in p.parts)]
DOTTED = re.compile(r"(?<![\w.\"'/-])unrolled((?:\.[A-Za-z]\w*)+)(?![\w-])")


def is_there(dotted: str) -> bool:
    """Whether `unrolled.a.b` is a module or an attribute of one."""
    found: Any = unrolled
    path = "unrolled"
    for name in dotted.strip(".").split("."):
        path = f"{path}.{name}"
        if hasattr(found, name):
            found = getattr(found, name)
            continue
        try:
            found = importlib.import_module(path)
        except ModuleNotFoundError:
            return False
    return True


def test_what_is_not_there_is_found_out() -> None:
    assert is_there(".figures.gates")
    assert is_there(".cells.lstm.LSTMEquations")
    assert not is_there(".figures.gaits")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_dotted_name_leads_somewhere(path: Path) -> None:
    named = set(DOTTED.findall(path.read_text(encoding="utf-8")))
    assert [f"unrolled{name}" for name in sorted(named) if not is_there(name)] == []


def arguments_in_table(page: str) -> set[str]:
    """What stands as `name=` in the second column, which is ours."""
    text = (ROOT / "docs" / "coming_from" / f"{page}.md").read_text(encoding="utf-8")
    ours = [row.split(" | ")[1] for row in re.findall(r"^\| .*\|$", text, flags=re.MULTILINE)]
    return {name for cell in ours for name in re.findall(r"\b([a-z]\w*)=", cell)}


def arguments_of(calls: Iterable[Callable[..., Any]]) -> set[str]:
    return {name for call in calls for name in inspect.signature(call).parameters}


@pytest.mark.parametrize("page", ["neuralforecast", "darts"])
def test_every_setting_of_a_forecaster_in_the_tables_is_one(page: str) -> None:
    methods = [method for _, method in inspect.getmembers(unrolled.Forecaster, inspect.isfunction)]
    named = arguments_in_table(page)
    assert len(named) > 8
    assert named - arguments_of([unrolled.Config, unrolled.tune, *methods]) == set()


@pytest.mark.parametrize("page", ["torch", "keras", "tf1"])
def test_every_argument_of_a_layer_in_the_tables_is_one(page: str) -> None:
    layers = [unrolled.LSTM, unrolled.GRU, unrolled.Stack, unrolled.LSTM.forward, unrolled.LSTM.stream]
    named = arguments_in_table(page)
    assert len(named) > 3
    assert (
        named - arguments_of([*layers, unrolled.pool, unrolled.pad]) - set(unrolled.LayerOptions.__annotations__)
        == set()
    )
