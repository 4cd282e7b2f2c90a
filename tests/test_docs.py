"""What the README says is what the project does."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import unrolled
from unrolled.data.samples import write_sample

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
QUICK = "Forecaster(h=52, max_steps=6, val_every=3, hidden_size=4, verbose=False)"


def test_the_readme_opens_with_what_it_is_the_commands_the_picture_and_an_example() -> None:
    places = [README.index(part) for part in ("make demo", "make test", "![", "```python")]
    assert places == sorted(places)
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 12


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_readmes_python_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sample("co2", tmp_path / "out" / "demo" / "co2.csv")
    # Only the training is made short; every other word runs as it stands.
    code = BLOCKS[number].replace("Forecaster(h=52)", QUICK)
    exec(compile(code, f"README block {number}", "exec"), {})


def test_the_readmes_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(((?!http)[^)#\s]+)", README)
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
