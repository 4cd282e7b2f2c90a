"""Gaps: weeks that were never measured
=====================================

The CO2 over Mauna Loa, week by week. Nothing is filled in by hand: a row that is not there and a row without a value
are the same to a forecaster, which neither trains on what is missing nor is scored by it. Here a quarter of all weeks
is taken out, and a whole spring; then the last year is forecast from all weeks, and from those that are left.

Run it: ``python examples/co2_gaps.py [folder]``
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled import Forecaster
from unrolled.data.samples import write_sample

H = 52


def main(folder: Path) -> tuple[bool, dict[str, float]]:
    write_sample("co2", folder / "co2.csv")  # or: unrolled sample co2 -o co2.csv
    whole = pd.read_csv(folder / "co2.csv", parse_dates=["ds"])
    known, truth = whole[:-H], whole[-H:]
    lost = np.random.default_rng(0).random(len(known)) < 0.25
    lost |= known["ds"].between("1999-03-01", "1999-05-31").to_numpy()
    print(f"{len(known):,} weeks, of which {known['y'].isna().sum()} were never measured; {lost.sum()} are taken out")

    forecasts, errors = {}, {}
    for name, table in {"all weeks": known, "what is left": known[~lost]}.items():
        model = Forecaster(h=H, input_size=4 * H, hidden_size=48, max_steps=150).fit(table)
        forecasts[name] = model.predict()
        errors[name] = float(np.nanmean(np.abs(forecasts[name]["LSTM"].to_numpy() - truth["y"].to_numpy())))
        print(f"forecast from {name}: off by {errors[name]:.2f} ppm on average")
    without_values = known.assign(y=known["y"].mask(lost))
    same = model.predict(without_values)["LSTM"].equals(forecasts["what is left"]["LSTM"])
    print(f"rows without a value give the same forecast as no rows: {same}")
    draw(known[~lost], truth, forecasts, folder / "co2_gaps.png")
    return same, errors


def draw(left: pd.DataFrame, truth: pd.DataFrame, forecasts: dict[str, pd.DataFrame], path: Path) -> None:
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    recent = left[left["ds"] > "1997-12-31"]
    axes.plot(recent["ds"], recent["y"], ".", color="#222222", markersize=4, label="weeks that are left")
    axes.plot(truth["ds"], truth["y"], color="#222222", linewidth=5, alpha=0.25, label="truth, held out")
    for (name, forecast), style in zip(forecasts.items(), ("--", "-"), strict=True):
        axes.plot(forecast["ds"], forecast["LSTM"], style, color="#D55E00", label=f"forecast from {name}")
    spring = pd.Timestamp("1999-03-01"), pd.Timestamp("1999-05-31")
    axes.axvspan(*spring, facecolor="none", edgecolor="#BBBBBB", hatch="////", linewidth=0, label="spring taken out")
    axes.set_title("A quarter of the weeks and a whole spring are missing; the season is still there", loc="left")
    axes.set_ylabel("CO2, ppm")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=144)
    print(f"Picture: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
