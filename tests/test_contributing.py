"""What CONTRIBUTING.md and the issue forms name is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_every_path_in_the_checklists_is_there() -> None:
    named = {name.rstrip(":,") for name in re.findall(r"`([\w./]+/[\w./]*|[A-Z]+\.md)`", TEXT)}
    assert len(named) > 40
    assert [name for name in sorted(named) if "NAME" not in name and not (ROOT / name).exists()] == []


def test_every_target_is_in_the_makefile() -> None:
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"^make ([\w-]+)", TEXT, flags=re.MULTILINE)) <= rules


def test_every_name_in_code_is_in_the_file_beside_it() -> None:
    for name, path in [
        ("_SHOWN", "layers/recurrent.py"),
        ("KERNELS", "kernels/registry.py"),
        ("Problems", "errors.py"),
        ("class Sample", "data/samples.py"),
    ]:
        assert name in (ROOT / "src" / "unrolled" / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_is_one(path: Path) -> None:
    form: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert form == {"blank_issues_enabled": False}
        return
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids)) >= 3
    assert all(field["attributes"]["label"] for field in fields)
    assert {field["type"] for field in form["body"]} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_there_are_forms_for_bugs_features_and_questions() -> None:
    assert {path.stem for path in FORMS} == {"bug", "config", "feature", "question"}
