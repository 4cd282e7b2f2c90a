"""The arrows of the design, read off the source: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unrolled

SOURCE = Path(unrolled.__file__).parent

ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "cells": {"errors"},
    "kernels": {"errors", "cells"},
    "init": {"errors"},
    "layers": {"errors", "cells", "init", "kernels", "trace"},
    "convert": {"errors", "cells", "layers"},
    "trace": {"errors"},
    "data": {"errors"},
    "forecast": {"errors", "files", "data", "layers", "trace", "view"},
    "view": {"errors", "trace", "forecast"},  # of forecast the result alone: see below
    "analysis": {"errors", "cells", "kernels", "layers", "trace"},
    "figures": {"errors", "trace", "analysis", "view", "forecast"},
    "explorer": {"errors", "files", "trace", "analysis", "layers", "forecast", "data", "view"},
    "cli": {"errors", "files", "data", "layers", "forecast", "view", "trace", "cli_settings", "explorer"},
    "cli_settings": {"errors", "forecast"},
    "__init__": set(),
}
NEVER_TORCH = {"trace", "view", "data", "errors", "files", "cli", "cli_settings"}


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imports(path: Path, type_checking_too: bool) -> set[str]:
    """Return the dotted names that a file imports, relative ones made absolute."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set() if type_checking_too else _only_for_types(tree)
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ["unrolled", *path.relative_to(SOURCE).parts[:-1]]
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def _only_for_types(tree: ast.Module) -> set[int]:
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {id(inner) for block in blocks for statement in block.body for inner in ast.walk(statement)}


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrows(path: Path) -> None:
    room = _room(path)
    used = {name.split(".")[1] for name in _imports(path, False) if name.startswith("unrolled.")}
    rooms = {name for name in used if (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()}
    assert rooms - {room} <= ALLOWED[room]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_that_need_no_torch_never_import_it(path: Path) -> None:
    if _room(path) in NEVER_TORCH:
        assert not {name for name in _imports(path, True) if name.split(".")[0] == "torch"}


@pytest.mark.parametrize("path", [path for path in FILES if _room(path) == "view"], ids=lambda path: path.name)
def test_view_knows_nothing_of_forecast_but_its_plain_result(path: Path) -> None:
    used = {name for name in _imports(path, True) if name.startswith("unrolled.forecast")}
    assert all(name.startswith("unrolled.forecast.result") for name in used)


def test_the_arrows_name_every_room() -> None:
    assert {_room(path) for path in FILES} == set(ALLOWED)


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import unrolled", ("torch", "pandas", "matplotlib", "narwhals")),
        ("from unrolled.cli import main; main(['--help'])", ("torch", "pandas", "matplotlib")),
        ("from unrolled.cli import main; main(['forecast', '--help'])", ("torch", "pandas", "matplotlib")),
        ("import unrolled.figures", ("torch", "pandas")),
        ("import unrolled.data.table", ("torch", "pandas", "matplotlib")),
        ("from unrolled import Forecaster", ("pandas", "matplotlib", "utilsforecast")),
    ],
)
def test_imports_stay_light(code: str, unwanted: tuple[str, ...]) -> None:
    found = f"print([module for module in {unwanted!r} if module in sys.modules])"
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n{found}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_init_file_holds_logic() -> None:
    for path in SOURCE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign) for node in body), path
