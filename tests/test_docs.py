"""What the README and the documentation say is what the project does."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import unrolled
from unrolled.data.samples import write_sample
from unrolled.errors import PageAbsentError

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if not {"_made", "examples"} & set(path.parts))
QUICK = "Forecaster(h=52, max_steps=6, val_every=3, hidden_size=4, verbose=False)"

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?", flags=re.DOTALL | re.MULTILINE)
OTHERS = re.compile(r"keras|tensorflow|\btf\b|flax|haste|onnx|neuralforecast|statsforecast|darts|sktime|gluonts")


class Block(NamedTuple):
    """A program of a page, and what the page says that it prints: a block of text right below it, if there is one."""

    code: str
    printed: str


def blocks_of(path: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(path.read_text(encoding="utf-8"))]


def run_block(block: Block, namespace: dict[str, Any], name: str) -> None:
    """Run it, and hold what it prints to what the page says, "..." being anything."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # Only the READMEs' training is made short; every other word runs as it stands.
        try:
            exec(compile(block.code.replace("Forecaster(h=52)", QUICK), name, "exec"), namespace)
        except PageAbsentError as absent:
            pytest.skip(str(absent))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if block.printed and not doctest.OutputChecker().check_output(block.printed, printed.getvalue(), flags):
        pytest.fail(f"{name} says that it prints\n{block.printed}\nand prints\n{printed.getvalue()}", pytrace=False)


BLOCKS = [block.code for block in blocks_of(READMES[0])]
# The tutorial's are run, with their pictures, by test_tutorial.py.
PROGRAMS = [path for path in PAGES if blocks_of(path) and path.parent.name != "tutorial"]


@pytest.fixture
def demo_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with what `make demo` leaves there for programs to read."""
    monkeypatch.chdir(tmp_path)
    write_sample("co2", tmp_path / "out" / "demo" / "co2.csv")


def test_the_readme_opens_with_what_it_is_the_commands_the_picture_and_an_example() -> None:
    places = [README.index(part) for part in ("make demo", "make test", "![", "```python")]
    assert places == sorted(places)
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 12


@pytest.mark.usefixtures("demo_folder")
@pytest.mark.parametrize("number", range(len(BLOCKS)))
@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_each_of_a_readmes_programs_runs_by_itself(path: Path, number: int) -> None:
    run_block(blocks_of(path)[number], {}, f"{path.name}, block {number}")


@pytest.mark.usefixtures("demo_folder")
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_pages_programs_run_one_after_another_and_print_what_it_says(path: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, block in enumerate(blocks_of(path)):
        run_block(block, namespace, f"{path.relative_to(ROOT)}, block {number}")


@pytest.mark.parametrize("path", [*READMES, *PAGES], ids=lambda path: path.stem)
def test_only_other_libraries_programs_are_shown_without_being_run(path: Path) -> None:
    for kind, code in FENCE.findall(path.read_text(encoding="utf-8")):
        assert kind in ("python", "py", "text", "sh", "json") or kind[:1] == "{", f"a fence of {kind or 'no kind'}"
        if kind == "py":
            assert OTHERS.search(code.lower()), f"this can run, and is to be fenced as python:\n{code}"


def test_the_readmes_links_lead_somewhere() -> None:
    for path in READMES:
        links = re.findall(r"\]\(((?!http)[^)#\s]+)", path.read_text(encoding="utf-8"))
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_commands_exist() -> None:
    from typer.main import get_command

    from unrolled.cli import app

    used = set(re.findall(r"^unrolled (\w+)", README, flags=re.MULTILINE))
    assert used == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_readmes_defaults_are_the_defaults() -> None:
    config = unrolled.Config(h=1)
    for names, defaults in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", README, flags=re.MULTILINE):
        for name, default in zip(re.findall(r"`(\w+)`", names), defaults.split(","), strict=False):
            value = getattr(config, name)
            expected = value if value not in (None, 1) or name == "num_layers" else None
            assert expected is None or default.strip().strip("`").strip('"') == str(value)


def test_the_benchmarks_table_is_the_measured_one() -> None:
    import csv

    with (ROOT / "benchmarks" / "results" / "loop_overhead.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert f"| {row['case']} | {row['bare_ms_per_step']} | {row['overhead_percent_median']} |" in README


def _modules() -> list[str]:
    found = pkgutil.walk_packages(unrolled.__path__, "unrolled.")
    return [module.name for module in found]


@pytest.mark.parametrize("name", _modules())
def test_the_examples_in_docstrings_run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_public_names_all_have_words() -> None:
    for name in unrolled.__all__:
        assert (getattr(unrolled, name).__doc__ or "").strip(), name


def _documented() -> list[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    return re.findall(r"^\.\. auto(?:class|function|exception):: (\S+)$", text, flags=re.MULTILINE)


def _public() -> set[str]:
    """The public names, with those of the rooms that are public themselves; of the errors, what they are in use."""
    rooms = {name for name in unrolled.__all__ if hasattr(getattr(unrolled, name), "__path__")}
    found = {f"unrolled.{name}" for name in unrolled.__all__ if name not in rooms}
    for room in rooms:
        module = getattr(unrolled, room)
        stub = re.findall(
            r"^from \S+ import \w+ as (\w+)$", Path(module.__file__).read_text(encoding="utf-8"), re.MULTILINE
        )
        found |= {f"unrolled.{room}.{name}" for name in stub if name not in ("Initialiser", "Scheme")}
    return found


def test_the_reference_has_every_public_name_once() -> None:
    documented = _documented()
    assert len(documented) == len(set(documented))
    assert sorted(_public() - set(documented)) == []


def test_what_the_reference_names_is_there_and_has_words() -> None:
    for name in _documented():
        module, _, last = name.rpartition(".")
        assert (getattr(importlib.import_module(module), last).__doc__ or "").strip(), name


def test_the_make_targets_are_listed() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    assert targets is not None
    assert re.findall(r"^([a-z-]+):.*## ", text, flags=re.MULTILINE) == targets[1].split()
