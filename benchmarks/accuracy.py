"""How accurate the forecaster is as it comes, beside what others published on the same data and protocol.

    python benchmarks/accuracy.py m4-hourly [--ensemble 5]
    python benchmarks/accuracy.py etth1 [--horizon 96]        # window 720; etth1-96: window 96

Nothing is set but the horizon and, for ETTh1, the protocol's window and the length of its validation part. It trains on
the training part, forecasts the test part, prints our row beside the published ones and keeps it in
results/accuracy.csv. With --validation it sees nothing of the test part: it trains on less, and scores on the end of
the training part (M4) or on the validation part (ETTh1); settings are chosen by that alone. `--set NAME=VALUE` tries
a setting. The rows of these two are printed and not kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from measure import keep
from protocols import (
    DATA,
    M4_HORIZON,
    TEST_END,
    TRAIN_END,
    VALIDATION_END,
    etth1,
    keep_back,
    m4_hourly,
    m4_scores,
    seasonal_naive,
)

from unrolled import Forecaster
from unrolled.data.panel import Panel
from unrolled.forecast.fitted import Fitted

WIDTH = 120  # of a table that is not printed on a terminal
METRICS = ("MASE", "sMAPE", "OWA", "MSE", "MAE")

M4_PUBLISHED: dict[str, dict[str, float]] = {
    "seasonal naive": {"MASE": 1.193, "sMAPE": 13.912, "OWA": 0.627},
    "neuralforecast LSTM, as it comes": {"MASE": 1.339, "training s": 332},
    "DeepAR (GIFT-Eval)": {"MASE": 3.53},
    "M4's RNN benchmark": {"MASE": 3.048, "OWA": 1.036},
    "ES-RNN, an ensemble": {"MASE": 0.893, "OWA": 0.440},
    "FFORMA, an ensemble": {"MASE": 0.819, "OWA": 0.484},
    "TiRex, pretrained": {"MASE": 0.722},
}
HORIZONS = (96, 192, 336, 720)
SEGRNN = {
    720: {96: (0.351, 0.392), 192: (0.392, 0.414), 336: (0.423, 0.433), 720: (0.466, 0.472)},
    96: {96: (0.368, 0.395), 192: (0.408, 0.419), 336: (0.444, 0.440), 720: (0.446, 0.457)},
}

Row = dict[str, Any]
Cut = tuple[pd.DataFrame, pd.DataFrame]
"""What is known, and what came: long tables of all series."""


def train(table: pd.DataFrame, settings: Mapping[str, Any]) -> tuple[Forecaster, Row]:
    """Train, and return the model with what its row says of the training."""
    started = time.perf_counter()
    model = Forecaster(**settings).fit(table)
    seconds = time.perf_counter() - started
    return model, {"network": model.config.network, "steps": model.log.steps, "training s": round(seconds, 1)}


def m4_cuts(folder: Path, validation: bool) -> list[Cut]:
    """Return what is known at each cut and the 48 steps after it: the test part; for validation the two cuts before."""
    known, truth = m4_hourly(folder)
    if not validation:
        return [(known, truth)]
    later = keep_back(known, M4_HORIZON)
    return [keep_back(later[0], M4_HORIZON), later]


def m4_row(cuts: Sequence[Cut], settings: Mapping[str, Any]) -> Row:
    """Train once, on what is known at the first cut; forecast at each, average the scores."""
    model, row = train(cuts[0][0], {"h": M4_HORIZON} | settings)
    started = time.perf_counter()
    forecasts = [model.predict(past) for past, _ in cuts]
    row["prediction s"] = round((time.perf_counter() - started) / len(cuts), 2)
    return row | m4_average(cuts, forecasts, model.config.name)


def m4_average(cuts: Sequence[Cut], forecasts: Sequence[pd.DataFrame], column: str) -> dict[str, float]:
    """Return the scores, averaged over the cuts."""
    found = [m4_scores(*cut, forecast, column) for cut, forecast in zip(cuts, forecasts, strict=True)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def etth1_row(folder: Path, h: int, window: int, settings: Mapping[str, Any], validation: bool) -> Row:
    """Train on the training part, the validation part stopping it; score every window of the test part.

    For validation: train on the training part alone and score every window of the validation part.
    """
    until, end = (TRAIN_END, VALIDATION_END) if validation else (VALIDATION_END, TEST_END)
    part: Row = {} if validation else {"val_size": VALIDATION_END - TRAIN_END}
    model, row = train(etth1(folder, until), {"h": h, "input_size": window} | part | settings)
    panel = model.read(etth1(folder, end))
    started = time.perf_counter()
    errors = np.concatenate(list(rolling_errors(model._fitted, panel, until)))
    row["prediction s"] = round(time.perf_counter() - started, 2)
    return row | {"MSE": float(np.square(errors).mean()), "MAE": float(np.abs(errors).mean()), "windows": len(errors)}


def rolling_errors(fitted: Fitted, panel: Panel, begin: int) -> Iterator[np.ndarray]:
    """Yield the (S, h) errors at every cutoff from row `begin` on; at each nothing is known of what comes after it."""
    h, length = fitted.config.h, int(panel.lengths.min())
    for cutoff in range(begin, length - h + 1):
        truth = panel.values[panel.offsets[:-1, None] + cutoff + np.arange(h)]
        yield fitted.forecast(panel.drop_last(length - cutoff)).values - truth


def show(title: str, columns: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one table; a figure that nobody published is left empty."""
    table = Table("", *columns, title=title, title_justify="left")
    for name, row in rows.items():
        figures = {column: f"{value:.3f}" if column in METRICS else str(value) for column, value in row.items()}
        bold = "bold" if "unrolled" in name else ""
        table.add_row(name, *(figures.get(column, "") for column in columns), style=bold)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def run_m4(options: argparse.Namespace, settings: Row) -> list[Row]:
    cuts = m4_cuts(options.data, options.validation)
    naive = m4_average(cuts, [seasonal_naive(*cut) for cut in cuts], "SeasonalNaive")
    row = m4_row(cuts, settings)
    columns = ["MASE", "sMAPE", "OWA", "training s", "prediction s", "network", "steps"]
    rows = {"seasonal naive, computed here": naive, **M4_PUBLISHED, name_of(options): row}
    show(title_of("M4 Hourly", options), columns, rows)
    return [{"h": M4_HORIZON, **row}]


def run_etth1(options: argparse.Namespace, settings: Row) -> list[Row]:
    window = 96 if options.dataset == "etth1-96" else 720
    found: list[Row] = []
    rows: dict[str, Row] = {}
    for h in [options.horizon] if options.horizon else HORIZONS:
        row = etth1_row(options.data, h, window, settings, options.validation)
        found.append({"h": h, **row})
        rows[f"SegRNN {h}"] = dict(zip(("MSE", "MAE"), SEGRNN[window][h], strict=True))
        rows[f"{name_of(options)} {h}"] = row
        print(found[-1], flush=True)
    if not options.horizon:
        rows["SegRNN, average"] = dict(zip(("MSE", "MAE"), np.mean(list(SEGRNN[window].values()), axis=0), strict=True))
        rows[f"{name_of(options)}, average"] = {name: np.mean([one[name] for one in found]) for name in ("MSE", "MAE")}
    columns = ["MSE", "MAE", "training s", "prediction s", "network", "steps", "windows"]
    show(title_of(f"ETTh1, window {window}", options), columns, rows)
    return found


def name_of(options: argparse.Namespace) -> str:
    return f"unrolled, ensemble of {options.ensemble}" if options.ensemble > 1 else "unrolled"


def title_of(data: str, options: argparse.Namespace) -> str:
    return f"{data}: validation; published figures are of the test part" if options.validation else f"{data}: test part"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=("m4-hourly", "etth1", "etth1-96"))
    parser.add_argument("--ensemble", type=int, default=1, help="networks whose forecasts' median is ours")
    parser.add_argument("--horizon", type=int, choices=HORIZONS, help="of ETTh1 this horizon alone")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the files (default: %(default)s)")
    parser.add_argument("--validation", action="store_true", help="see and score nothing of the test part")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting to try")
    return parser.parse_args()


def settings_of(options: argparse.Namespace) -> Row:
    """Return the settings that were named: values as JSON, or else as text."""
    settings: Row = {"ensemble": options.ensemble, "verbose": False}
    for name, _, value in (one.partition("=") for one in options.set):
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def main() -> None:
    options = parse()
    run = run_m4 if options.dataset == "m4-hourly" else run_etth1
    rows = run(options, settings_of(options))
    if options.validation or options.set:
        return
    told = [{"data": options.dataset, "ensemble": options.ensemble} | row for row in rows]
    print(keep("accuracy", told, ("data", "ensemble", "h")))


if __name__ == "__main__":
    main()
