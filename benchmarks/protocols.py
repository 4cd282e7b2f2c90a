"""The data that accuracy and speed are measured on, and how their protocols score.

M4 Hourly (414 series, 48 steps ahead) and ETTh1 (7 channels) are not shipped with the project: `--data DIR` says where
the files lie. Their README there, and the papers, have the protocols. Nothing of `unrolled` is imported here, since the
interpreters of other libraries read the data with this module too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATA = Path(__file__).parents[2] / "shared" / "data"

M4_HORIZON, SEASON = 48, 24
NAIVE2_SMAPE, NAIVE2_MASE = 18.383, 2.395  # what OWA measures in
TRAIN_END, VALIDATION_END, TEST_END = 8640, 11520, 14400  # rows of ETTh1: 12, 4 and 4 months of 30 days


def m4_hourly(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test part as long tables: unique_id, ds, y. The dates are made up, the hours not."""
    train, test = (_wide(folder / f"M4-Hourly-{part}.csv") for part in ("train", "test"))
    lengths = [len(values) for values in train.values()]
    return _long(train, [0] * len(train)), _long(test, lengths)


def _wide(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the values of each row by its id; they end where the cells are empty."""
    table = pd.read_csv(path, index_col=0)
    return {str(name): row[~np.isnan(row)] for name, row in zip(table.index, table.to_numpy(float), strict=True)}


def _long(series: dict[str, NDArray[np.float64]], starts: Sequence[int]) -> pd.DataFrame:
    lengths = [len(values) for values in series.values()]
    hours = np.concatenate([start + np.arange(n) for start, n in zip(starts, lengths, strict=True)])
    times = np.datetime64("2000-01-01", "s") + hours.astype("timedelta64[h]")
    return pd.DataFrame(
        {"unique_id": np.repeat(list(series), lengths), "ds": times, "y": np.concatenate(list(series.values()))}
    )


def keep_back(table: pd.DataFrame, last: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table without the last points of every series, and those points."""
    left = table.groupby("unique_id").cumcount(ascending=False)
    return table[left >= last], table[left < last]


def m4_scores(train: pd.DataFrame, truth: pd.DataFrame, forecast: pd.DataFrame, column: str) -> dict[str, float]:
    """Return MASE, sMAPE and OWA, averaged over the series; `train` gives MASE its unit."""
    from utilsforecast.losses import mase, smape

    frame = truth.merge(forecast[["unique_id", "ds", column]], on=["unique_id", "ds"], validate="one_to_one")
    if len(frame) != len(truth) or frame[column].isna().any():
        raise ValueError(f"{len(truth)} points were to be forecast; {frame[column].notna().sum()} were.")
    mean_mase = mase(frame, [column], seasonality=SEASON, train_df=train)[column].mean()
    mean_smape = 200 * smape(frame, [column])[column].mean()
    owa = (mean_smape / NAIVE2_SMAPE + mean_mase / NAIVE2_MASE) / 2
    return {"MASE": float(mean_mase), "sMAPE": float(mean_smape), "OWA": float(owa)}


def seasonal_naive(train: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the last day of every series again and again."""
    days = [one["y"].to_numpy()[-SEASON:] for _, one in train.groupby("unique_id", sort=False)]
    ahead = np.concatenate([np.resize(day, M4_HORIZON) for day in days])
    return truth[["unique_id", "ds"]].assign(SeasonalNaive=ahead)


def etth1(folder: Path, rows: int = TEST_END) -> pd.DataFrame:
    """Return the first rows of all 7 channels, z-scored by their training rows, as a long table: unique_id, ds, y."""
    wide = pd.read_csv(folder / "ETTh1.csv", index_col="date", parse_dates=True)
    train = wide.iloc[:TRAIN_END]
    scores = (wide.iloc[:rows] - train.mean()) / train.std(ddof=0)
    return scores.melt(ignore_index=False, var_name="unique_id", value_name="y").reset_index(names="ds")
