"""Sunspots: a cycle of about eleven years
========================================

The sunspot number of each year from 1700 to 2008. The cycle is no season: some are longer and higher than others, so
that the value of eleven years ago is a poor forecast. An LSTM that reads the last 33 years is trained on what was
known in 1953, forecasts five times eleven years beside it and other simple forecasts, then goes on from 2008. With
``transform="log"`` no band falls below -1; without it bands of such numbers reach far below zero.

Run it: ``python examples/sunspots.py [folder]``
"""

import sys
from pathlib import Path

from unrolled import Forecaster
from unrolled.data.samples import write_sample
from unrolled.forecast.scores import Scores


def main(folder: Path) -> Scores:
    write_sample("sunspots", folder / "sunspots.csv")  # or: unrolled sample sunspots -o sunspots.csv
    model = Forecaster(h=11, input_size=33, season=11, transform="log", network="steps", hidden_size=32, max_steps=300)
    model.cross_validation(folder / "sunspots.csv", n_windows=5, level=[80])
    print(f"{'':13}  MAE  RMSE")
    for name, score in model.scores.by_model.items():
        print(f"{name:13} {score['MAE']:4.1f}  {score['RMSE']:4.1f}")
    print(model.scores.verdict())
    print(model.scores.covered())

    forecast = model.fit(folder / "sunspots.csv").predict(level=[80])
    peak = forecast.loc[forecast["LSTM"].idxmax()]
    print(f"The next peak is expected in {peak['ds']:%Y}: {peak['LSTM']:.0f} sunspots.")
    model.plot(folder / "sunspots.png")
    print(f"Picture: {folder / 'sunspots.png'}")
    return model.scores


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
