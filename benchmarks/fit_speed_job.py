"""One job of fit_speed.py, in a process and an interpreter of its own: a contestant trains and forecasts M4 Hourly.

    PYTHON fit_speed_job.py CONTESTANT TASK DATA RESULT [--steps N] [--seed N]

"paced" trains at equal window, widths, batch size, loss and number of steps; "whole" trains with the library's own
defaults, but for the steps where they are given. What it found goes to the file RESULT, as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

SIZES = {"window": 144, "hidden": 128, "layers": 2, "batch": 128}  # neuralforecast's own defaults
WARM_UP, PREDICTIONS = 10, 5


Predict = Callable[[], Any]
"""Returns the forecast of all series: a table with unique_id, ds and one column more."""

Fit = Callable[[Any, int, int | None, bool, int], Predict]
"""Trains on a long table: its horizon, steps (None: the library's own number), whether at equal settings, seed."""


def unrolled() -> Fit:
    """Import ours."""
    from unrolled import Forecaster

    layers: dict[str, Any] = {"network": "steps", "hidden_size": SIZES["hidden"], "num_layers": SIZES["layers"]}
    training = {"loss": "mae", "learning_rate": 1e-3, "batch_size": SIZES["batch"], "val_size": 0}
    sizes = layers | training | {"input_size": SIZES["window"]}

    def fit(table: Any, h: int, steps: int | None, equal: bool, seed: int) -> Predict:
        model = Forecaster(h=h, max_steps=steps, seed=seed, verbose=False, **(sizes if equal else {}))
        return model.fit(table).predict

    return fit


def neuralforecast() -> Fit:
    """Import its LSTM, whose defaults are the equal settings; its decoder is two dense layers at each step ahead."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    layers = {"encoder_hidden_size": SIZES["hidden"], "encoder_n_layers": SIZES["layers"]}
    sizes = layers | {"input_size": SIZES["window"], "windows_batch_size": SIZES["batch"], "learning_rate": 1e-3}
    quiet = {"enable_progress_bar": False, "logger": False, "enable_model_summary": False}

    def fit(table: Any, h: int, steps: int | None, equal: bool, seed: int) -> Predict:
        given = {} if steps is None else {"max_steps": steps}
        network = LSTM(h=h, random_seed=seed, **(sizes if equal else {}), **given, **quiet)
        model = NeuralForecast(models=[network], freq="h")
        model.fit(table)
        return model.predict

    return fit


def darts() -> Fit:
    """Import its BlockRNNModel; in float32 and with RevIN, the nearest that it has to scaling each window."""
    import pandas as pd
    import torch
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    layers = {"model": "LSTM", "hidden_dim": SIZES["hidden"], "n_rnn_layers": SIZES["layers"]}
    training = {"loss_fn": torch.nn.L1Loss(), "batch_size": SIZES["batch"], "use_reversible_instance_norm": True}
    sizes = layers | training | {"input_chunk_length": SIZES["window"]}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}

    def fit(table: Any, h: int, steps: int | None, equal: bool, seed: int) -> Predict:
        read = TimeSeries.from_group_dataframe(table, "unique_id", "ds", "y", drop_group_cols="unique_id")
        names, series = table["unique_id"].unique(), [one.astype("float32") for one in read]
        trainer = {"max_steps": steps, **quiet}
        model = BlockRNNModel(output_chunk_length=h, random_state=seed, pl_trainer_kwargs=trainer, **sizes)
        model.fit(series)

        def predict() -> Any:
            ahead = model.predict(n=h, series=series, batch_size=1024, verbose=False)
            frames = [one.to_dataframe().rename_axis("ds").reset_index() for one in ahead]
            return pd.concat([frame.assign(unique_id=name) for name, frame in zip(names, frames, strict=True)])

        return predict

    return fit


CONTESTANTS: dict[str, Callable[[], Fit]] = {
    "unrolled": unrolled,
    "neuralforecast": neuralforecast,
    "darts": darts,
}


def timed(call: Any, *args: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = call(*args)
    return time.perf_counter() - started, result


def paced(fit: Fit, table: Any, h: int, options: argparse.Namespace) -> tuple[dict[str, Any], Predict]:
    """Return the seconds of a training step: of the steps that a longer training has beyond a short one.

    What a library does on its first training alone, such as importing more of itself, is done before.
    """
    fit(table, h, 1, True, options.seed)
    short, _ = timed(fit, table, h, WARM_UP, True, options.seed)
    long, predict = timed(fit, table, h, WARM_UP + options.steps, True, options.seed)
    return {"start s": short, "step s": (long - short) / options.steps}, predict


def whole(fit: Fit, table: Any, h: int, options: argparse.Namespace) -> tuple[dict[str, Any], Predict]:
    """Return the seconds of a whole training, from the table on."""
    seconds, predict = timed(fit, table, h, options.steps, False, options.seed)
    return {"fit s": seconds}, predict


def most_memory() -> float:
    """Return the most memory that this process has had, in MiB; on Linux alone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("task", choices=("paced", "whole"))
    parser.add_argument("data", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    options = parse()
    warnings.simplefilter("ignore")
    import_seconds, fit = timed(CONTESTANTS[options.contestant])
    logging.disable(logging.WARNING)
    import torch
    from protocols import M4_HORIZON, m4_hourly

    table, _ = m4_hourly(options.data)
    found, predict = (paced if options.task == "paced" else whole)(fit, table, M4_HORIZON, options)
    seconds, forecasts = zip(*(timed(predict) for _ in range(PREDICTIONS)), strict=True)
    found |= {"predict s": seconds, "import s": import_seconds, "memory MiB": most_memory()}
    found |= {"version": version(options.contestant), "torch": torch.__version__, "threads": torch.get_num_threads()}
    points = forecasts[-1].astype({"ds": "datetime64[s]"}).astype({"ds": "str"})
    options.result.write_text(json.dumps({**found, "forecast": points.to_dict("list")}))


if __name__ == "__main__":
    main()
