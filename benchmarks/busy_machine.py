"""What a short spin of OpenMP's threads buys on a busy machine, and costs on an idle one.

Trains the same small LSTM in one process, then in two at once, with GOMP_SPINCOUNT as it is and as the command
line sets it. Prints milliseconds a step and writes results/busy_machine.csv.
Run it: python benchmarks/busy_machine.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measure import spread, write

STEPS, ROUNDS = 20, 5
TRAINING = f"""
import time, torch
layer, x = torch.nn.LSTM(2, 64, batch_first=True), torch.randn(128, 104, 2)
for step in range({STEPS} + 3):
    if step == 3:
        started = time.perf_counter()
    layer(x)[0][:, -1].sum().backward()
print(1e3 * (time.perf_counter() - started) / {STEPS})
"""


def milliseconds_a_step(processes: int, settings: dict[str, str]) -> list[float]:
    """Train in several processes at once; return each one's time."""
    command, environment = [sys.executable, "-c", TRAINING], os.environ | settings
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return [float(process.communicate()[0]) for process in running]


def main() -> None:
    ways = {"as it is": {}, "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"}}
    times: dict[tuple[str, int], list[float]] = {(name, n): [] for n in (1, 2) for name in ways}
    for _ in range(ROUNDS):
        for name, n in times:
            times[name, n] += milliseconds_a_step(n, ways[name])
    rows = []
    for (name, n), found in times.items():
        figures = {f"ms_per_step_{key}": round(value, 1) for key, value in spread(found).items()}
        rows.append({"spin": name, "processes": n, **figures})
        print(rows[-1])
    print(write("busy_machine", rows))


if __name__ == "__main__":
    main()
