"""What ten thousand series of a thousand points cost: until training starts, and in memory beside the data.

From a Parquet file of ten million rows: seconds to read it and to do the first training step. From it, and from a
pandas table of the same: the most memory that a training of a hundred steps and a forecast of all series take, above
what the process had before, which holds the imports and that table. Each in a process of its own. Prints a table and
writes results/large_data.csv. Run it: python benchmarks/large_data.py [--series 10000] [--points 1000]; on Linux alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))

from measure import write

STEPS = 100
CASES = ("a Parquet file", "a pandas table")


def make(path: Path, series: int, points: int) -> None:
    """Write noisy days and weeks of many series, one after another."""
    draw = np.random.default_rng(0)
    names = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(series, dtype=np.int32), points), [f"series {number}" for number in range(series)]
    ).cast(pa.string())
    hours = np.arange(points)
    times = np.tile(np.datetime64("2020-01-01", "us") + hours.astype("timedelta64[h]"), series)
    wave = np.sin(2 * np.pi * hours / 24) + 0.5 * np.sin(2 * np.pi * hours / 168)
    values = 10 + wave + 0.1 * draw.normal(size=(series, points))
    pq.write_table(pa.table({"unique_id": names, "ds": times, "y": values.ravel()}), path)


def memory(which: str) -> float:
    """Return this process's memory, in MiB: "VmRSS" now, "VmHWM" the most since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


def work(case: str, path: Path) -> dict[str, Any]:
    """Read, train, forecast; return the seconds and MiB of each."""
    import pandas as pd

    from unrolled import Forecaster

    source: Any = pd.read_parquet(path) if case == "a pandas table" else path
    Forecaster(h=24, max_steps=1, verbose=False).fit(pd.DataFrame({"ds": range(200), "y": range(200)}))  # all imports
    Path("/proc/self/clear_refs").write_text("5")  # the most memory is counted from here
    before, started = memory("VmRSS"), time.perf_counter()
    model = Forecaster(h=24, max_steps=1, verbose=False)
    panel = model.read(source)
    read = time.perf_counter()
    model.fit(panel)
    begun = time.perf_counter()
    model = Forecaster(h=24, max_steps=STEPS, verbose=False).fit(panel)
    fitted = time.perf_counter()
    model.predict()
    ended = time.perf_counter()
    seconds = {"read": read - started, "first step": begun - read, "fit": fitted - begun, "predict": ended - fitted}
    sizes = {"panel": (panel.values.nbytes + panel.times.nbytes) / 2**20, "above": memory("VmHWM") - before}
    return {f"{k} s": round(v, 2) for k, v in seconds.items()} | {f"{k} MiB": round(v) for k, v in sizes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1_000)
    parser.add_argument("--work", nargs=2, metavar=("CASE", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work[0], Path(options.work[1]))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.parquet"
        make(path, options.series, options.points)
        for case in CASES:
            command = [sys.executable, __file__, "--work", case, str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            rows.append({"data": case, "series": options.series, "points": options.points, **json.loads(done.stdout)})
            print(rows[-1], flush=True)
    print(write("large_data", rows))


if __name__ == "__main__":
    main()
