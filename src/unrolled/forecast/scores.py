"""Scores of a backtest, and what they say in plain words.

The metrics are utilsforecast's (MAE, RMSE, MASE, sMAPE, coverage), per series and cutoff, then averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel
from unrolled.forecast.intervals import Bands, Quantiles, tail_quantiles

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

METRICS = ("MAE", "RMSE", "MASE", "sMAPE")


@dataclass(frozen=True)
class Scores:
    """Averages over series and cutoffs.

    by_model: metric by model and metric name. MAE and RMSE are in the units of the data, sMAPE is in
        per cent (0 to 200, as in the M4 competition), MASE is in units of the seasonal naive
        forecast's mean error over the past. NaN where a metric does not exist, such as MASE for a
        constant past.
    coverage: share in per cent of the observed values inside the model's band, by level.
    quantile_loss: of the model's quantiles and its bands' ends: twice the pinball loss, over the size of the values,
        all series together (the weighted quantile loss of Salinas et al. 2020; of many quantiles about the CRPS).
        NaN without any, or where all values are 0.
    points: how many observed values were compared.
    """

    model: str
    by_model: dict[str, dict[str, float]]
    coverage: dict[float, float]
    points: int
    season: int
    quantile_loss: float = math.nan

    def verdict(self) -> str:
        """Say in one sentence how the model stands against the seasonal naive forecast."""
        metric, ours, naive = self._duel()
        seasonal = self.season > 1
        name = "seasonal naive" if seasonal else "naive (no season is known)"
        if not (math.isfinite(ours) and math.isfinite(naive)):
            return f"{self.model} can't be compared with {name}: nothing was observed after the cutoffs."
        figures = f"{metric} {ours:.3g} against {naive:.3g}"
        if ours >= naive:
            better = "SeasonalNaive" if seasonal else "Naive"
            return f"{self.model} is worse than {name} here: {figures}. Prefer {better}, or change the settings."
        return f"{self.model} beats {name}: {figures}, {100 * (1 - ours / naive):.0f} % less."

    def headline(self) -> str:
        """Say the same in the few words that a picture has room for; empty where there is nothing to compare."""
        _, ours, naive = self._duel()
        if not (math.isfinite(ours) and math.isfinite(naive) and naive > 0):
            return ""
        difference = 100 * (ours / naive - 1)
        where = "below" if difference < 0 else "above"
        return f"error was {abs(difference):.0f} % {where} {'seasonal ' * (self.season > 1)}naive's"

    def _duel(self) -> tuple[str, float, float]:
        """Return the metric that decides, the model's value and the seasonal naive forecast's."""
        metric = "MASE" if math.isfinite(self.by_model[self.model]["MASE"]) else "MAE"
        return metric, self.by_model[self.model][metric], self.by_model["SeasonalNaive"][metric]

    def covered(self) -> str:
        """Say how many of the values came to lie in each band; empty where there is nothing to say."""
        known = {level: share for level, share in self.coverage.items() if math.isfinite(share)}
        return "; ".join(f"{share:.0f} % of the values lie in the {level:g} % band" for level, share in known.items())

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain JSON types; what does not exist is null."""
        table = {model: {name: _or_null(value) for name, value in row.items()} for model, row in self.by_model.items()}
        coverage = {f"{level:g}": _or_null(share) for level, share in self.coverage.items()}
        return {
            "metrics": table,
            "coverage": coverage,
            "quantile_loss": _or_null(self.quantile_loss),
            "points": self.points,
            "season": self.season,
            "verdict": self.verdict(),
        }


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def score_window(
    past: Panel,
    actual_Sh: FloatArray,
    forecasts: Mapping[str, FloatArray],
    bands: Bands,
    model: str,
    season: int,
    quantiles: Quantiles | None = None,
) -> Scores:
    """Score all (S, h) forecasts of one cutoff on the values that were observed."""
    frame = _comparison(actual_Sh, forecasts, bands, model)
    train = _long_frame(past)
    if frame.empty:
        nothing = dict.fromkeys(METRICS, math.nan)
        return Scores(model, dict.fromkeys(forecasts, nothing), dict.fromkeys(bands, math.nan), 0, season)
    by_model = _by_model(frame, train, list(forecasts), season)
    spread = _quantile_loss(actual_Sh, bands, quantiles or {})
    return Scores(model, by_model, _coverage(frame, bands, model), len(frame), season, spread)


def _quantile_loss(actual_Sh: FloatArray, bands: Bands, quantiles: Quantiles) -> float:
    ends = {share: end for level, both in bands.items() for share, end in zip(tail_quantiles(level), both, strict=True)}
    size = np.nansum(np.abs(actual_Sh))
    if not (ends or quantiles) or size == 0:
        return math.nan
    errors = ((share, actual_Sh - found_Sh) for share, found_Sh in (ends | quantiles).items())
    costs = [np.nansum(np.maximum(share * error, (share - 1) * error)) for share, error in errors]
    return float(2 * np.mean(costs) / size)


def average(scores: Sequence[Scores]) -> Scores:
    """Average the cutoffs, leaving out those where a metric does not exist."""
    first = scores[0]
    by_model = {
        model: {metric: _mean([one.by_model[model][metric] for one in scores]) for metric in row}
        for model, row in first.by_model.items()
    }
    coverage = {level: _mean([one.coverage[level] for one in scores]) for level in first.coverage}
    spread = _mean([one.quantile_loss for one in scores])
    return Scores(first.model, by_model, coverage, sum(one.points for one in scores), first.season, spread)


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan


def _comparison(actual_Sh: FloatArray, forecasts: Mapping[str, FloatArray], bands: Bands, model: str) -> pd.DataFrame:
    """Return a long frame of the observed points; series by number, which is lighter than by id."""
    import pandas as pd

    series_Sh = np.broadcast_to(np.arange(len(actual_Sh))[:, None], actual_Sh.shape)
    step_Sh = np.broadcast_to(np.arange(actual_Sh.shape[1]), actual_Sh.shape)
    columns = {"unique_id": series_Sh, "ds": step_Sh, "y": actual_Sh, **forecasts, **band_columns(bands, model)}
    frame = pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
    return frame[frame["y"].notna()]


def band_columns(bands: Bands, model: str, quantiles: Quantiles | None = None) -> dict[str, FloatArray]:
    """Return bands and quantiles by their column names: MODEL-lo-80, MODEL-hi-80, ..., MODEL-ql0.1, ..."""
    columns = {}
    for level, (low, high) in bands.items():
        columns[f"{model}-lo-{level:g}"] = low
        columns[f"{model}-hi-{level:g}"] = high
    return columns | {f"{model}-ql{share:g}": found for share, found in (quantiles or {}).items()}


def _long_frame(past: Panel) -> pd.DataFrame:
    import pandas as pd

    series = np.repeat(np.arange(len(past)), past.lengths)
    return pd.DataFrame({"unique_id": series, "ds": np.arange(len(series)), "y": past.values})


def _by_model(frame: pd.DataFrame, train: pd.DataFrame, models: list[str], season: int) -> dict[str, dict[str, float]]:
    from utilsforecast import losses
    from utilsforecast.evaluation import evaluate

    metrics: list[Any] = [losses.mae, losses.rmse, partial(losses.mase, seasonality=season), losses.smape]
    table = evaluate(frame, metrics=metrics, models=models, train_df=train).set_index("metric")
    # utilsforecast's sMAPE runs from 0 to 1; the field's, and M4's, from 0 to 200.
    factor = {"sMAPE": 200.0}
    return {
        model: {
            name: factor.get(name, 1.0) * _mean(table.loc[[name.lower()], model].to_numpy(float)) for name in METRICS
        }
        for model in models
    }


def _coverage(frame: pd.DataFrame, bands: Bands, model: str) -> dict[float, float]:
    from utilsforecast.losses import coverage

    # Its level only names the columns, so one like 97.5 passes as well.
    return {
        level: 100 * _mean(coverage(frame, [model], level=f"{level:g}")[model].to_numpy(float))  # type: ignore[arg-type]
        for level in bands
    }
