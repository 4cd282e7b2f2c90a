"""A weather table becomes the cube (N, T, F)
==========================================

A table has a row for each city and date. A tree model takes such rows as they are, a matrix (N, F) without any time; an
LSTM takes whole sequences, a cube (N, T, F): sequences, steps, features. The program makes one of the other, and shows
what ``batch_first`` means: which axis comes first, while no number moves. The weather is made by the rule in
``weather_table``, not measured.

Run it: ``python examples/data_cube.py [folder]``
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import unrolled
from unrolled import figures

CITIES = {"Beijing": (21, 4, 0.2), "Cairo": (27, 3, 0.0), "Lima": (19, 1, 0.1), "Oslo": (12, 4, 0.4)}
FEATURES = ["°C", "mm", "hPa"]


def weather_table(days: int = 7, seed: int = 0) -> pd.DataFrame:
    """City, date and three numbers, in no order.

    Each city has its mean temperature, how far days stray from it, and its chance of rain. The pressure of a day keeps
    seven tenths of the day before; it rains more, and is colder, when it is low.
    """
    draw, rows = np.random.default_rng(seed), []
    for city, (mean, spread, chance) in CITIES.items():
        pressure = 1013.0
        for date in pd.date_range("2025-05-01", periods=days):
            pressure = 1013 + 0.7 * (pressure - 1013) + draw.normal(0, 4)
            degrees = mean + spread * draw.normal() + 0.3 * (pressure - 1013)
            rain = draw.gamma(2, 3) if draw.random() < chance - 0.05 * (pressure - 1013) else 0.0
            rows.append((city, date, round(degrees, 1), round(rain, 1), round(pressure, 1)))
    return pd.DataFrame(rows, columns=["city", "date", *FEATURES]).sample(frac=1, random_state=seed)


def main(folder: Path) -> dict[str, np.ndarray | torch.Tensor]:
    table = weather_table()
    n, t, f = table["city"].nunique(), table["date"].nunique(), len(FEATURES)
    print(f"The table has {len(table)} rows, in no order:\n{table.head(3).to_string(index=False)}\n")

    day = table[table["date"] == table["date"].min()].sort_values("city")
    matrix = day[FEATURES].to_numpy()
    cube = table.sort_values(["city", "date"])[FEATURES].to_numpy().reshape(n, t, f)
    lags = cube.reshape(n, t * f)
    print(f"A tree model's matrix, one day of each city: (N, F) = {matrix.shape}")
    print(f"The same with all days, time hidden in the columns: (N, T·F) = {lags.shape}")
    print(f"The cube, with time as an axis of its own: (N, T, F) = {cube.shape}")

    x = torch.tensor((cube - cube.mean((0, 1))) / cube.std((0, 1)), dtype=torch.float32)
    time_first = x.transpose(0, 1)
    print(f"batch_first=True:  x {tuple(x.shape)}, standardised; x[0] is all days of {sorted(CITIES)[0]}")
    print(f"batch_first=False: x.transpose(0, 1) {tuple(time_first.shape)}, x[0] is the first day of all cities")
    print("x.reshape(T, N, F) has that shape too, but mixes cities:", not torch.equal(x.reshape(t, n, f), time_first))

    torch.manual_seed(0)
    lstm = unrolled.LSTM(f, 5, batch_first=True)
    other = unrolled.LSTM(f, 5)
    other.load_state_dict(lstm.state_dict())
    output, _ = lstm(x)
    output_of_other, _ = other(time_first)
    print("The LSTM's outputs are the same either way:", torch.equal(output, output_of_other.transpose(0, 1)))

    names = {"batch": sorted(CITIES), "time": [f"{day} May" for day in range(1, t + 1)], "feature": FEATURES}
    folder.mkdir(parents=True, exist_ok=True)
    figures.data_cube(x, names).savefig(folder / "data_cube.png", dpi=144)
    figures.data_cube(x, names, show="batch_first").savefig(folder / "data_cube_batch_first.png", dpi=144)
    print(f"Pictures: {folder / 'data_cube.png'}, {folder / 'data_cube_batch_first.png'}")
    return {"table": table, "matrix": matrix, "lags": lags, "cube": cube, "output": output, "other": output_of_other}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
