"""What every benchmark needs: medians with their spread, a CSV that says where it was made."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the 20th and the 80th percentile."""
    low, middle, high = np.percentile(values, [20, 50, 80])
    return {"median": float(middle), "p20": float(low), "p80": float(high)}


def machine() -> dict[str, str | int]:
    """Return what a figure depends on: processor, threads, versions, day."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "date": date.today().isoformat(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows, each with the machine it was measured on, to results/NAME.csv."""
    return _write(name, [{**row, **machine()} for row in rows])


def keep(name: str, rows: Sequence[Mapping[str, object]], keys: Sequence[str]) -> Path:
    """Write rows to results/NAME.csv as `write` does, in place of those with the same keys; the others stay."""
    path = RESULTS / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") if path.exists() else nullcontext([]) as file:
        before = list(csv.DictReader(file))
    new = {tuple(str(row[key]) for key in keys) for row in rows}
    others = [row for row in before if tuple(row[key] for key in keys) not in new]
    return _write(name, [*others, *({**row, **machine()} for row in rows)])


def _write(name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    path = RESULTS / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    columns = dict.fromkeys(column for row in rows for column in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def show_in_readme(name: str, rows: Sequence[Mapping[str, object]], headings: Mapping[str, str]) -> None:
    """Put a table of the rows between the comments <!-- NAME --> and <!-- end NAME --> of README.md and README.zh.md.

    headings: the columns to show, and what to call them.
    """
    lines = [f"| {' | '.join(headings.values())} |", "|" + "---|" * len(headings)]
    lines += [f"| {' | '.join(str(row[column]) for column in headings)} |" for row in rows]
    facts = machine()
    lines += ["", f"{facts['processor']}, {facts['threads']} threads, torch {facts['torch']}, {facts['date']}."]
    start, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
    for path in (RESULTS.parents[1] / "README.md", RESULTS.parents[1] / "README.zh.md"):
        before, _, rest = path.read_text(encoding="utf-8").partition(start)
        after = rest.partition(end)[2]
        path.write_text(before + start + "\n" + "\n".join(lines) + "\n\n" + end + after, encoding="utf-8")
