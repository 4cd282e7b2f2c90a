"""One network for many series
============================

Forty shops sell by the month: at levels from tens to thousands, each with its own noise, all with the year's season.
One network learns from all of them; what is taken out of each window lets any level share it. It stands beside
networks that saw one shop alone, and forecasts a shop that opened two years ago and was in no training.

Run it: ``python examples/many_series.py [folder]``
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled import Forecaster

SHOPS, MONTHS, H = 40, 72, 12
FIRST = [f"shop {k}" for k in range(8)]  # each of these gets a network of its own, too


def shops() -> pd.DataFrame:
    rng, months = np.random.default_rng(0), pd.date_range("2019-01-01", periods=MONTHS, freq="MS")
    season = 0.35 * np.sin(np.arange(MONTHS) * 2 * np.pi / 12) + 0.3 * (months.month == 12)
    tables = []
    for k in range(SHOPS + 1):
        level, growth = 10 ** rng.uniform(1.5, 3.5), rng.uniform(-0.1, 0.2)
        sales = 1 + season * rng.uniform(0.7, 1.3) + growth * np.arange(MONTHS) / 12 + rng.normal(0, 0.1, MONTHS)
        tables.append(pd.DataFrame({"unique_id": f"shop {k}", "ds": months, "y": level * sales}))
    tables[-1] = tables[-1][-H - 24 :].assign(unique_id="new shop")  # two years known, one to forecast
    return pd.concat(tables)


def main(folder: Path) -> pd.DataFrame:
    table = shops()
    known, truth = table[table["ds"] < "2024"], table[table["ds"] >= "2024"].set_index(["unique_id", "ds"])["y"]
    settings = {"h": H, "network": "steps", "hidden_size": 32, "max_steps": 300}
    shared = Forecaster(**settings).fit(known[known["unique_id"] != "new shop"])
    alone = [Forecaster(**settings).fit(known[known["unique_id"] == shop]).predict() for shop in FIRST]
    year_before = known[known["ds"] >= "2023"].assign(ds=lambda rows: rows["ds"] + pd.DateOffset(years=1))
    forecasts = {
        "one network for all": shared.predict(known),  # the new shop, too
        "its own network": pd.concat(alone),
        "the year before": year_before.rename(columns={"y": "LSTM"}),
    }
    values = pd.DataFrame({name: one.set_index(["unique_id", "ds"])["LSTM"] for name, one in forecasts.items()})
    errors = values.sub(truth, axis=0).abs().groupby("unique_id").mean().div(truth.groupby("unique_id").mean(), axis=0)
    means = {"shops 0 to 7": errors.loc[FIRST].mean(), "new shop": errors.loc["new shop"]}
    means["all 41 shops"] = errors.mean(skipna=False)
    print((100 * pd.DataFrame(means).T).round(1).rename_axis("mean error, %").to_string(na_rep="-"))
    draw(known, truth, values, folder / "many_series.png")
    return errors


def draw(known: pd.DataFrame, truth: pd.Series, values: pd.DataFrame, path: Path) -> None:
    figure = Figure(figsize=(9, 5), layout="constrained")
    for axes, shop in zip(figure.subplots(2, 2).flat, [*FIRST[:3], "new shop"], strict=True):
        past = known[(known["unique_id"] == shop) & (known["ds"] >= "2021")]
        axes.plot(past["ds"], past["y"], color="#222222", label="known")
        axes.plot(truth[shop], color="#222222", linewidth=5, alpha=0.25, label="truth, held out")
        axes.plot(values.loc[shop, "one network for all"], color="#D55E00", label="one network for all shops")
        axes.plot(values.loc[shop, "its own network"], "--", color="#D55E00", label="a network of its own")
        axes.set_title(shop if shop in FIRST else f"{shop}, never trained on", fontsize=9, loc="left")
        axes.set_xticks(pd.date_range("2021", "2025", freq="YS"), range(2021, 2026))
        axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("One network forecasts all shops, and one that it never saw", x=0.02, ha="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=144)
    print(f"Picture: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
