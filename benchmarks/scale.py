"""What large tables take: the memory of a fit above its data, and the time until the first steps of training.

Each case runs in a process of its own. held_mib is its resident memory before the fit, above_mib how far the peak rises
above that, as the kernel counts: a pandas table is held before, what is read of a file (panel_mib) comes on top.
Prints a table and writes results/scale.csv. Run it: python benchmarks/scale.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from unrolled.data.panel import Panel

SERIES, LENGTH = 10_000, 1_000
STEPS = 10
COVARIATES = ("promo", "region")


def table() -> pa.Table:
    """Return ten million rows: ids as text, hours as timestamps, values with a season, two covariates."""
    draw = np.random.default_rng(0)
    hours = np.datetime64("2024-01-01", "us") + np.arange(LENGTH) * np.timedelta64(1, "h")
    season = np.sin(np.arange(LENGTH) * 2 * np.pi / 24)
    values = draw.normal(size=(SERIES, LENGTH)) + season + np.arange(SERIES)[:, None]
    regions = pa.array([f"region {k % 7}" for k in range(SERIES)])
    each = np.repeat(np.arange(SERIES), LENGTH)
    return pa.table(
        {
            "unique_id": pa.array([f"shop number {k:05}" for k in range(SERIES)]).take(each),
            "ds": np.tile(hours, SERIES),
            "y": values.ravel(),
            "promo": draw.integers(0, 2, SERIES * LENGTH),
            "region": regions.take(each),
        }
    )


def resident(what: str) -> float:
    """Return this process's memory in MiB: VmRSS is what it holds, VmHWM the most that it held."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


def fit(case: str, path: Path) -> dict[str, float]:
    """Fit for a few steps, in this process; return seconds and MiB."""
    begin = time.perf_counter()
    from unrolled import Forecaster

    imported = time.perf_counter()
    settings = {"past_covariates": ["promo"], "static_covariates": ["region"]} if "covariates" in case else {}
    model = Forecaster(h=24, max_steps=STEPS, val_every=STEPS, verbose=False, **settings)
    source = path if "file" in case else pq.read_table(path).to_pandas()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    held = resident("VmRSS")
    start = time.perf_counter()
    panel = model.read(source)
    read = time.perf_counter()
    model.fit(panel)
    done = time.perf_counter()
    return {
        "import_s": imported - begin,
        "read_s": read - start,
        "fit_s": done - read,
        "held_mib": held,
        "above_mib": resident("VmHWM") - held,
        "panel_mib": sum(one.nbytes for one in arrays_of(panel)) / 2**20,
    }


def arrays_of(panel: Panel) -> list[np.ndarray]:
    """Return all that a panel holds: the data, once they have been read."""
    covariates = panel.covariates.values.values() if panel.covariates else ()
    return [panel.values, panel.times, panel.offsets, panel.ids, *covariates]


def main() -> None:
    """Measure every case, each in a process of its own."""
    from measure import write

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ten_million.parquet"
        pq.write_table(table(), path)
        for case in ("pandas table", "parquet file", "parquet file with covariates"):
            command = [sys.executable, __file__, case, str(path)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append({"case": case, "rows": SERIES * LENGTH, "series": SERIES, "steps": STEPS})
            rows[-1] |= {name: round(value, 2) for name, value in found.items()}
            print(rows[-1], flush=True)
    print(f"Written to {write('scale', rows)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(fit(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
