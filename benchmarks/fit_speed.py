"""How fast a forecaster trains and forecasts: ours, neuralforecast's LSTM and darts' BlockRNNModel on M4 Hourly.

Every contestant works in processes of its own, so that imports and memory are its own; they take turns, round and
round, so that a machine that slows down slows all alike. Measured are, at equal window, widths, batch size, loss and
number of steps: seconds of a training step, of the forecast of all 414 series, of the import, and the most memory that
the process had. Then, everything as it comes: the seconds until our forecaster reaches the MASE of the test part
that neuralforecast's LSTM ends with. Ours is trained anew with ever more steps until it does; what counts is that last
training, from the table on. Prints a table, writes results/fit_speed.csv and the README's table.

The other libraries stay out of our environment: each has one of its own, whose interpreter is named.

    python benchmarks/fit_speed.py --peers nf/bin/python darts/bin/python [--rounds 5] [--whole-rounds 3] [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from measure import show_in_readme, spread, write
from protocols import DATA, m4_hourly, m4_scores

JOB = Path(__file__).with_name("fit_speed_job.py")
PEERS = ("neuralforecast", "darts")
STEPS, QUICK_STEPS = 100, 5
LADDER = [25 * 2**n for n in range(8)]  # steps of our trainings, until one reaches the other's MASE
FIGURES = {  # at equal settings: by the name in a job's result what it is called, and the unit it is told in
    "step s": ("a training step, ms", 1e3),
    "predict s": ("forecast of all 414 series, ms", 1e3),
    "import s": ("import, s", 1),
    "memory MiB": ("peak memory, MiB", 1),
}
WHOLE = {
    "fit s": ("as it comes: fit until neuralforecast's MASE, s", 1),
    "MASE": ("as it comes: MASE then", 1),
    "predict s": ("as it comes: forecast of all 414 series, ms", 1e3),
    "memory MiB": ("as it comes: peak memory, MiB", 1),
}

Found = dict[str, Any]


def interpreters(peers: Sequence[str]) -> dict[str, str]:
    """Return the interpreter of each contestant; of others than ours those that can import it."""
    ask = f"import importlib.util as u; print(*(n for n in {PEERS} if u.find_spec(n)))"
    found = {"unrolled": sys.executable}
    for python in peers:
        names = subprocess.run([python, "-c", ask], capture_output=True, check=True, text=True).stdout.split()
        found |= dict.fromkeys(names, python)
    return found


def job(python: str, contestant: str, task: str, data: Path, steps: int | None, seed: int) -> Found:
    """Have a process do one job and return what it found."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "found.json"
        command = [python, str(JOB), contestant, task, str(data), str(result), "--seed", str(seed)]
        command += [] if steps is None else ["--steps", str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            sys.exit(f"{contestant} failed:\n{done.stderr[-2000:]}")
        found: Found = json.loads(result.read_text())
    found["predict s"] = float(np.median(found["predict s"]))
    shown = {name: value for name, value in found.items() if name != "forecast"}
    print(contestant, task, steps or "", shown, flush=True)
    return found


def paced(contestants: Mapping[str, str], options: argparse.Namespace) -> dict[str, list[Found]]:
    """Return what each contestant found in each round."""
    found: dict[str, list[Found]] = {name: [] for name in contestants}
    steps = QUICK_STEPS if options.quick else STEPS
    for number in range(options.rounds):
        for name, python in contestants.items():
            found[name].append(job(python, name, "paced", options.data, steps, number + 1))
    return found


def race(contestants: Mapping[str, str], options: argparse.Namespace) -> Iterator[dict[str, Found]]:
    """Yield, round by round, neuralforecast's whole training and ours that reached its MASE."""
    known, truth = m4_hourly(options.data)

    def run(name: str, steps: int | None, seed: int) -> Found:
        found = job(contestants[name], name, "whole", options.data, steps, seed)
        forecast = pd.DataFrame(found["forecast"]).astype({"ds": "datetime64[s]"})
        column = next(name for name in forecast if name not in ("unique_id", "ds"))
        scores = m4_scores(known, truth, forecast, column)
        print(f"{name}: MASE {scores['MASE']:.4f} after {found['fit s']:.1f} s", flush=True)
        return found | scores

    for seed in range(1, options.whole_rounds + 1):
        theirs = run("neuralforecast", QUICK_STEPS if options.quick else None, seed)
        for steps in LADDER:
            ours = run("unrolled", steps, seed)
            if ours["MASE"] <= theirs["MASE"]:
                yield {"unrolled": ours, "neuralforecast": theirs}
                break
        else:
            print(f"Its MASE was not reached in {LADDER[-1]} steps.")


def rows_of(figure: str, key: str, unit: float, found: Mapping[str, Sequence[Found]]) -> list[dict[str, object]]:
    """Return one row for each contestant: its figure, and how many times ours it is, both over the rounds."""
    values = {name: [unit * one[key] for one in rounds] for name, rounds in found.items()}
    rows = []
    for name, measured in values.items():
        times = spread(np.divide(measured, values["unrolled"]).tolist())
        row: dict[str, object] = {"figure": figure, "contestant": name, "rounds": len(measured)}
        row |= {part: float(f"{value:.4g}") for part, value in spread(measured).items()}
        row |= {f"times_unrolled_{part}": round(value, 2) for part, value in times.items()}
        rows.append(row | {fact: found[name][0][fact] for fact in ("version", "threads")})
    return rows


def readme_rows(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return one line a figure: the contestants beside each other."""
    lines: dict[object, dict[str, object]] = {}
    for row in rows:
        line = lines.setdefault(row["figure"], {"figure": row["figure"], **dict.fromkeys(PEERS, "")})
        ratio = f"{row['times_unrolled_median']} × ({row['times_unrolled_p20']}–{row['times_unrolled_p80']})"
        ours = row["contestant"] == "unrolled"
        line[str(row["contestant"])] = f"**{row['median']}**" if ours else f"{row['median']}, {ratio}"
    return list(lines.values())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="+", default=[], metavar="PYTHON", help="interpreters that have the others")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with M4 Hourly (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each at equal settings")
    parser.add_argument("--whole-rounds", type=int, default=3, help="turns of each as it comes")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs; nothing is written")
    options = parser.parse_args()
    options.data = options.data.resolve()
    return options


def main() -> None:
    options = parse()
    contestants = interpreters(options.peers)
    found = paced(contestants, options)
    rows = [row for key, (figure, unit) in FIGURES.items() for row in rows_of(figure, key, unit, found)]
    if "neuralforecast" in contestants:
        races = list(race(contestants, options))
        whole = {name: [one[name] for one in races] for name in ("unrolled", "neuralforecast")}
        rows += [row for key, (figure, unit) in WHOLE.items() if races for row in rows_of(figure, key, unit, whole)]
    print(pd.DataFrame(rows).to_string(index=False))
    if options.quick:
        return
    print(write("fit_speed", rows))
    headings = {"figure": "M4 Hourly, 414 series", "unrolled": "unrolled"}
    versions = {name: f"{name} {found[name][0]['version']} (times ours, p20–p80)" for name in PEERS if name in found}
    show_in_readme("fit_speed", readme_rows(rows), headings | versions)


if __name__ == "__main__":
    main()
