"""How long the explorer page takes to open from disk, in headless Chromium: until its first view is painted.

Needs the page in this installation, Chromium, and what tests/web fetches. Prints a table and writes
results/explorer_opening.csv. Run it: python benchmarks/explorer_opening.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

from measure import spread, write

import unrolled
from browser import absence, drive

RUNS = 9
CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "LSTM, H=5, T=7, N=4": (lambda: nn.LSTM(3, 5, batch_first=True), (4, 7, 3)),
    "GRU, H=64, T=96, N=32": (lambda: nn.GRU(8, 64, batch_first=True), (32, 96, 8)),
    "LSTM, H=512, T=1000, N=4": (lambda: nn.LSTM(8, 512, batch_first=True), (4, 1000, 8)),
    "LSTM, 2 layers, H=512, T=1000, N=4": (lambda: nn.LSTM(8, 512, 2, batch_first=True), (4, 1000, 8)),
}


def measure(make: Any, shape: tuple[int, ...], folder: Path) -> dict[str, object]:
    """Write a page and open it again and again, each time in a browser of its own."""
    torch.manual_seed(0)
    page = folder / "page.html"
    unrolled.explore(make(), torch.randn(shape), out=page)
    seconds = [drive(page, {"drawnAfter": 1}).results[0] / 1000 for _ in range(RUNS)]
    return {
        "file_mb": round(page.stat().st_size / 1e6, 2),
        **{f"s_{k}": round(v, 3) for k, v in spread(seconds).items()},
    }


def main() -> None:
    """Measure every case."""
    if reason := absence():
        sys.exit(reason)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case, (make, shape) in CASES.items():
            rows.append({"case": case, **measure(make, shape, Path(folder))})
            print(rows[-1], flush=True)
    print(f"Written to {write('explorer_opening', rows)}")


if __name__ == "__main__":
    main()
