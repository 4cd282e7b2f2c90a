"""The classical first LSTM program: a sine
========================================

Windows of 40 points of sin(2 pi x / 40) go in, the next point comes out; fed back 40 times, the network draws a whole
period that it has never seen.

Run it: ``python examples/sine.py [folder]``
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled import Forecaster

PERIOD = 40


def main(folder: Path) -> float:
    x = np.arange(800)
    series = pd.DataFrame({"ds": x, "y": np.sin(2 * np.pi * x / PERIOD)})
    known, truth = series[:-PERIOD], series[-PERIOD:]

    started = time.perf_counter()
    model = Forecaster(h=PERIOD, input_size=PERIOD, hidden_size=50, decoder="recursive", loss="mse", max_steps=300)
    forecast = model.fit(known).predict()
    seconds = time.perf_counter() - started

    error = float(np.mean((forecast["LSTM"].to_numpy() - truth["y"].to_numpy()) ** 2))
    print(f"{model.log.sentence()}")
    print(f"Test MSE over {PERIOD} recursive steps: {error:.1e}, after {seconds:.1f} s.")
    draw(known, truth, forecast, folder / "sine.png")
    return error


def draw(known: pd.DataFrame, truth: pd.DataFrame, forecast: pd.DataFrame, path: Path) -> None:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(known["ds"][-2 * PERIOD :], known["y"][-2 * PERIOD :], color="#222222", label="known")
    axes.plot(truth["ds"], truth["y"], color="#222222", linewidth=5, alpha=0.25, label="truth, held out")
    axes.plot(forecast["ds"], forecast["LSTM"], color="#D55E00", label="forecast, one step fed back 40 times")
    axes.set_title("An LSTM continues a sine that it has seen 19 times", loc="left")
    axes.set_xlabel("x")
    axes.set_ylabel("sin(2π x / 40)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=144)
    print(f"Picture: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
