"""The forecaster: a table in; a trained network, its backtest, a forecast and a picture out."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

import numpy as np

from unrolled.data.joining import joined_panel
from unrolled.data.panel import Panel
from unrolled.errors import NotFittedError
from unrolled.forecast import artifact
from unrolled.forecast.backtest import Backtest, Plan, backtest
from unrolled.forecast.config import Config
from unrolled.forecast.ensemble import ended_badly, ending
from unrolled.forecast.features import unknown_ahead
from unrolled.forecast.fitted import Fitted, Forecast, LastWindows, PointsNeeded, channels_together
from unrolled.forecast.fitting import fit_panel
from unrolled.forecast.frames import as_frame, backtest_columns, forecast_columns, sample_columns
from unrolled.forecast.intervals import refuse_levels
from unrolled.forecast.picturing import picture_of
from unrolled.forecast.progress import Reporter, reporter
from unrolled.forecast.reading import panel_to_add, panel_to_forecast, panel_to_train, refuse_other_series
from unrolled.forecast.result import ForecastResult
from unrolled.forecast.said import refuse_samples
from unrolled.forecast.scores import Scores
from unrolled.forecast.streaming import ForecastStream
from unrolled.forecast.training.checkpoint import Checkpoints, checkpoints_in
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.logs import Log, opened
from unrolled.forecast.training.watch import Watcher, Watchers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from unrolled import Explorer

P = ParamSpec("P")

Table = Any
"""A pandas, polars or pyarrow table, a path to a CSV or Parquet file, or a Panel read from one."""


def _settings_of(config: Callable[P, Any]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a constructor the parameters of `config`, so that they are written down once."""

    def decorate(init: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = list(inspect.signature(config).parameters.values())
        init.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
        return cast("Callable[Concatenate[Any, P], None]", init)

    return decorate


class Forecaster:
    """Trains a recurrent network on a table of series and forecasts what comes next.

    Its arguments are the settings of `unrolled.Config`; only the horizon `h` must be given.

    >>> import numpy as np, pandas as pd
    >>> from unrolled import Forecaster
    >>> df = pd.DataFrame({"ds": range(200), "y": np.sin(np.arange(200) / 5)})
    >>> model = Forecaster(h=10, max_steps=50, hidden_size=8).fit(df)
    >>> model.predict(level=[80]).columns.tolist()
    ['unique_id', 'ds', 'LSTM', 'LSTM-lo-80', 'LSTM-hi-80']

    Raises:
        ConfigError: names every wrong setting.
    """

    @_settings_of(Config)
    def __init__(self, *args: Any, **settings: Any) -> None:
        if len(args) > 1:
            raise TypeError(f"Forecaster takes h, and settings by name; got {len(args)} arguments without a name.")
        if args and "h" in settings:
            raise TypeError(f"Forecaster got h twice: {args[0]!r} and h={settings['h']!r}.")
        self._given = Config.from_settings({"h": args[0]} | settings if args else settings)
        self._fitted: Fitted | None = None
        self._panel: Panel | None = None  # what was trained on
        self._shown: Panel | None = None  # what a picture shows: the series last forecast or backtested
        self._backtest: Backtest | None = None
        self._forecast: Forecast | None = None

    @property
    def config(self) -> Config:
        """The settings; once fitted, with nothing left open."""
        return self._given if self._fitted is None else self._fitted.config

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the table, and what was chosen for it and why, in plain words."""
        chosen = self._fitted.reasons if self._fitted is not None else ()
        return (*(self._shown.notes if self._shown is not None else ()), *chosen)

    @property
    def log(self) -> TrainingLog:
        """How the training ended."""
        return self._need_fitted().log

    @property
    def backtest(self) -> Backtest | None:
        """What the last `cross_validation` had forecast, as arrays; None before there was one."""
        return self._backtest

    @property
    def scores(self) -> Scores:
        """The scores of the last backtest."""
        if self._backtest is None:
            raise NotFittedError("There is no backtest yet: call cross_validation(df) first.")
        return self._backtest.scores

    def fit(
        self,
        source: Table,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        checkpoint_every: float = 60.0,
        warm_start: bool = False,
        log: Log = None,
    ) -> Forecaster:
        """Train on every series of a table.

        Args:
            source: a pandas, polars or pyarrow table, or a path to a CSV or Parquet file.
            checkpoint: a folder from which a fit that was killed goes on. It is left when the fit is done; resumed
                once more it gives the finished networks at once. Nothing else in it is touched.
            resume: go on from what is in the folder; the weights are in the end the very ones of a fit that was never
                killed. With nothing in it yet the fit starts anew, so that one program can be started again blindly.
                False starts anew in any case.
            checkpoint_every: seconds between two checkpoints.
            warm_start: go on from the trained weights, with what was learnt of covariates and all settings as they
                are. The weights kept are never worse on the validation windows than those before.
            log: where to write how the training goes: a path gets a JSON line for every look at the validation
                windows; "tensorboard:FOLDER" and "mlflow:ADDRESS" need the extra of that name. Or a list of several.

        Returns:
            The forecaster itself.

        Raises:
            DataError: lists everything wrong with the table, before any training starts.
            ConfigError: resumed with other settings or data than the checkpoint's, or a log that can't be written.
            ArtifactError: the checkpoint's folder is something else, can't be written, or is damaged as a whole.
            NotFittedError: warm_start with nothing trained yet.
        """
        start = self._need_fitted() if warm_start else None
        checkpoints = checkpoints_in(checkpoint, checkpoint_every, resume)
        panel = self.read(source)
        if start is not None:
            refuse_other_series(panel, start)
        with reporter(self._given.verbose) as report, opened(log, resume) as logs:
            _say_notes(report, source, panel)
            self._fitted = self._train(report, panel, "fit", logs, checkpoints, start)
        self._panel, self._shown, self._forecast = panel, panel, None
        return self

    def predict(
        self,
        source: Table | None = None,
        level: Sequence[float] | None = None,
        *,
        quantiles: Sequence[float] | None = None,
        future: Table | None = None,
    ) -> Any:
        """Forecast the h steps after the end of every series.

        Args:
            source: series to forecast; default: those of `fit`. Others than those of `fit` are fine, at
                the same frequency. Give whole series: scaling="series" and "last_series" take the spread of all of it.
            level: intervals wanted, in per cent, such as [80, 95].
            quantiles: quantiles wanted, such as [0.1, 0.9], which are the ends of level 80.
            future: table of the future covariates: a row for each series and each of the h times to come.

        Returns:
            A table of the input's kind: unique_id, ds, with several targets target, then the forecast under the
            cell's name (LSTM), each level's ends (LSTM-lo-80, LSTM-hi-80) and each quantile (LSTM-ql0.1).

        Raises:
            DataError: lists everything wrong with the table.
            ConfigError: a level or quantile that can't be given.
            NotFittedError: nothing was fitted, or a loaded model was given no table.
        """
        fitted = self._need_fitted()
        panel = self._to_forecast(source, fitted, future)
        forecast = fitted.forecast(panel, level, quantiles)
        self._shown, self._forecast = panel, forecast
        return as_frame(panel, forecast_columns(panel, forecast, self.config.name))

    def update(self, source: Table) -> Forecaster:
        """Take in new data of the series that `predict` forecasts, or new series; the network stays as it is.

        New rows go after those known of their series, whatever lies between counts as missing; where a time is known
        already a new value takes the place of the old one, and a new row without a value does not. Series that the
        table does not name stay as they are; those of new ids are forecast from now on. A loaded model, which holds
        no series, forecasts those of the table.

        Args:
            source: as for `fit`; a single row is enough.

        Returns:
            The forecaster itself: `model.update(df).predict()`.

        Raises:
            DataError: lists everything wrong with the table, such as times between those of the series' steps.
            NotFittedError: nothing was fitted.
        """
        fitted = self._need_fitted()
        new = panel_to_add(source, self._given, fitted)
        panel = new if self._panel is None else joined_panel(self._panel, new)
        self._panel, self._shown, self._forecast = panel, panel, None
        return self

    def cross_validation(
        self,
        source: Table,
        n_windows: int = 4,
        step_size: int | None = None,
        refit: bool | int = False,
        level: Sequence[float] | None = None,
        train_size: int | None = None,
        quantiles: Sequence[float] | None = None,
    ) -> Any:
        """Forecast as if at `n_windows` earlier times, beside the baselines; scores are in `scores`.

        Leaves what `fit` trained untouched.

        Args:
            source: as for `fit`.
            n_windows: how many cutoffs; the last one leaves exactly h points to compare with.
            step_size: steps between two cutoffs. Default: h, so that no point is forecast twice.
            refit: False trains once, before the first cutoff; True at every cutoff; a number n at every
                n-th cutoff.
            level: intervals wanted, in per cent.
            train_size: at each cutoff only the last so many points are known, to training and to forecasts: a
                window that slides. Default: all points before the cutoff, a window that expands.
            quantiles: quantiles wanted, such as [0.1, 0.9].

        Returns:
            A table of the input's kind, a row for each observed point: unique_id, ds, with several targets target,
            then cutoff, y, the model, its intervals, Naive, SeasonalNaive, Drift. Series of which nothing is known
            before the first cutoff are left out; `notes` name them.

        Raises:
            DataError, ConfigError: list everything wrong with the table or the arguments.
        """
        config = self._given
        plan = Plan(n_windows, config.h if step_size is None else step_size, refit, train_size)
        refuse_levels(level, config, quantiles)
        panel = plan.testable(self.read(source, next(plan.kept_back(config.h)), train_size), config)
        with reporter(config.verbose) as report:
            _say_notes(report, source, panel)
            self._backtest = backtest(panel, config, plan, level, functools.partial(self._train, report), quantiles)
            if panel is not source:
                report.say(self.scores.verdict())
        if self._forecast is None:
            self._shown = panel
        return as_frame(panel, backtest_columns(panel, self._backtest))

    def sample(
        self, source: Table | None = None, n: int = 100, seed: int | None = None, *, future: Table | None = None
    ) -> Any:
        """Draw what may come: samples of the h steps after the end of every series.

        Of network="deepar" they are paths, whose steps hang together; of other networks with a distribution for a
        loss, the values of each step are drawn for themselves. Quantiles of many samples are those of `predict`.

        Args:
            source: as for `predict`.
            n: samples of each series.
            seed: the same seed gives the same samples; default: the settings' seed.
            future: as for `predict`.

        Returns:
            A table of the input's kind: unique_id, ds, with several targets target, then sample (0 to n - 1), value.

        Raises:
            DataError: lists everything wrong with the table.
            ConfigError: the loss tells no distribution, or n or seed is no such number.
            NotFittedError: nothing was fitted, or a loaded model was given no table.

        >>> import numpy as np, pandas as pd
        >>> from unrolled import Forecaster
        >>> df = pd.DataFrame({"ds": range(200), "y": np.sin(np.arange(200) / 5)})
        >>> model = Forecaster(h=10, max_steps=20, hidden_size=8, loss="student_t", verbose=False).fit(df)
        >>> samples = model.sample(n=3)
        >>> samples.columns.tolist(), len(samples)
        (['unique_id', 'ds', 'sample', 'value'], 30)
        """
        fitted = self._need_fitted()
        refuse_samples(fitted.config, n, seed)
        panel = self._to_forecast(source, fitted, future)
        drawn = fitted.sample(panel, n, fitted.config.seed if seed is None else seed)
        return as_frame(panel, sample_columns(panel, drawn))

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the history, the last backtest if there is one, and the forecast with its bands.

        Args:
            path: also write the picture there, as PNG, SVG or PDF by its ending.

        Returns:
            The matplotlib figure: at most 12 series, the rest counted.
        """
        from unrolled.view.figures.forecast import forecast

        figure = forecast(self.result())
        if path is not None:
            figure.savefig(path)
        return figure

    def result(self) -> ForecastResult:
        """Return what `plot` draws, as plain numpy arrays."""
        panel = self._shown or self._need_panel()
        fitted, tested = self._fitted, self._backtest is not None
        # A backtest alone is a picture too, where nobody has said what is known of the future.
        if (
            fitted
            and self._forecast is None
            and not (tested and unknown_ahead(panel, fitted.features, fitted.config.h))
        ):
            self._shown, self._forecast = panel, fitted.forecast(panel)
        return picture_of(panel, self.config, self._forecast, self._backtest)

    def last_windows(
        self, source: Table | None = None, most: int | None = None, future: Table | None = None
    ) -> LastWindows:
        """Return what the network reads to forecast what comes next: the last window of every series.

        Args:
            source: as for `predict`. Default: the series last forecast, with what was known of their horizon.
            most: of more series than that, so many evenly spaced ones. Default: all. Targets that are read together
                are one window, by the number of the first.
            future: as for `predict`.

        Raises:
            DataError: lists everything wrong with the table.
            NotFittedError: nothing was fitted, or a loaded model was given no table.
        """
        fitted = self._need_fitted()
        last = self._shown if self._forecast is not None and source is None and future is None else None
        panel = self._to_forecast(source, fitted, future) if last is None else last
        together = channels_together(panel, fitted.config)
        windows = len(panel) // together
        count = windows if most is None else min(most, windows)
        return fitted.last_windows(panel, together * np.linspace(0, windows - 1, count).round().astype(np.int64))

    def explain(
        self,
        source: Table | None = None,
        out: str | os.PathLike[str] | None = "explorer.html",
        future: Table | None = None,
    ) -> Explorer:
        """Write the explorer page of the forecast: what the network reads, what happens inside, what comes of it.

        Args:
            source: series to forecast, as for `predict`.
            out: the file to write; None writes none.
            future: as for `predict`.

        Returns:
            An `Explorer`: in a notebook the page itself; `.open()` opens the browser; its notes say what of the
            network the page leaves out.

        Raises:
            DataError: lists everything wrong with the table.
            NotFittedError: nothing was fitted, or a loaded model was given no table.
            PageAbsentError: this installation has no page; it says what to run.
        """
        from unrolled import explore  # by its public name: the explorer stands on the forecaster

        return explore(self, self._to_forecast(source, self._need_fitted(), future), out=out)

    def stream(self, source: Table | None = None, future: Table | None = None) -> ForecastStream:
        """Begin a stream, which takes each new observation and gives the forecast that follows from it.

        Args:
            source: the series up to now, as for `predict`. Default: those of `fit`.
            future: what is known of the h steps after them, as for `predict`.

        Raises:
            DataError: lists everything wrong with the table.
            NotFittedError: nothing was fitted, or a loaded model was given no table.
        """
        fitted = self._need_fitted()
        return ForecastStream(fitted, self._to_forecast(source, fitted, future))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the trained model as a folder: config.json, weights.safetensors, card.md.

        Raises:
            ArtifactError: the path exists and is something other than a saved model.
            NotFittedError: there is nothing to save yet.
        """
        artifact.save(self._need_fitted(), folder)

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        level: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
    ) -> None:
        """Write the whole forecaster as an ONNX file: values as they are in, the forecast in their units out.

        Inputs, in float64, NaN where missing; N series of T steps, the same for all, at least `input_size`:

        - past: (N, T) values; (N, T, C) where C targets are read together.
        - past_covariates: (N, T, P), where there are any.
        - known_covariates: (N, T + h, K), where there are any: of the past and of the horizon.
        - static_covariates: (N, S), where there are any.

        Numbers are given as in the table; a category is its place, counted from 1, among those that the file names,
        or 0 for another. Features of the calendar are given as the network reads them, such as "hour sine". Of
        scaling="series" and "last_series" the past is the whole series.

        Outputs: forecast (N, h) and, where there are some, quantiles (N, h, L); with C targets (N, h, C) and
        (N, h, C, L). `metadata_props` of the file say the rest: settings, quantiles, covariates, categories.

        Args:
            path: the file to write.
            level: intervals whose ends are given out as quantiles, in per cent.
            quantiles: quantiles that are given out. With neither, those that were learnt by loss="quantile".

        Raises:
            ConfigError: names everything that can't be exported, and why.
            NotFittedError: there is nothing to export yet.
        """
        from unrolled.forecast.onnx_export import export

        export(self._need_fitted(), path, level, quantiles)

    def to_gluonts(self, quantiles: Sequence[float] | None = None) -> Any:
        """Return the forecaster as a predictor of GluonTS, for its evaluators.

        It forecasts the entries of a data set of series without covariates of their own, at the model's frequency; a
        model with features of the calendar makes them of the entries' times. Each of its forecasts is a
        `QuantileForecast`, with the forecast itself as its mean, and the median among its quantiles. Needs the extra
        "gluonts", which takes pandas 2.

        Args:
            quantiles: those that forecasts hold. Default: what loss="quantile" learnt, else the deciles.

        Raises:
            ConfigError: names everything of the forecaster that such a data set doesn't have.
            NotFittedError: nothing was fitted.

        Example:
            >>> predictor = model.to_gluonts()  # doctest: +SKIP
            >>> forecasts, truth = make_evaluation_predictions(dataset, predictor)  # doctest: +SKIP
        """
        from unrolled.forecast.gluonts_predictor import predictor

        return predictor(self._need_fitted(), quantiles)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], device: str | None = None) -> Forecaster:
        """Read a model that `save` wrote. No code in the folder is ever run.

        Args:
            folder: the saved model, of this version or an earlier one.
            device: where it is to compute; default: where it was trained, or the CPU where that is not here.

        Raises:
            ArtifactError: says which file is missing, damaged, foreign or newer.
            ConfigError: the device can't be used here.
        """
        fitted = artifact.load(folder, device)
        model = cls.__new__(cls)
        model._given, model._fitted = fitted.config, fitted
        model._panel = model._shown = model._backtest = model._forecast = None
        return model

    def __repr__(self) -> str:
        state = "fitted" if self._fitted is not None else "not fitted"
        config = self.config
        return f"Forecaster({config.name}, h={config.h}, input_size={config.input_size}, {state})"

    def read(self, source: Table, kept_back: int = 0, train_size: int | None = None) -> Panel:
        """Read and check a table by the settings, to be given to several calls.

        Args:
            source: as for `fit`.
            kept_back: points at the end that training will not see, for a backtest.
            train_size: the number of points before those that it will see; default: all.

        Raises:
            DataError: lists everything wrong with the table.
        """
        return panel_to_train(source, self._given, PointsNeeded(self._given, kept_back, train_size))

    def _to_forecast(self, source: Table | None, fitted: Fitted, future: Table | None = None) -> Panel:
        """Return the series of a table, or those of `fit`, with what is known of the horizon."""
        return panel_to_forecast(self._need_panel() if source is None else source, self._given, fitted, future)

    def _train(
        self,
        report: Reporter,
        panel: Panel,
        name: str,
        logs: Sequence[Watcher] = (),
        checkpoints: Checkpoints | None = None,
        start: Fitted | None = None,
    ) -> Fitted:
        """Train, showing how far it is under this name, and say how it ended."""
        watchers = Watchers((report.watcher(name), *logs))
        fitted = fit_panel(panel, self._given, watchers, checkpoints, start)
        for reason in fitted.reasons:
            report.say_once(reason)
        planned = self._given.ensemble if start is None else len(start.members)
        ended = [member.log for member in fitted.members]
        if ended_badly(ended, planned) and report.console is None:
            warnings.warn(ending(ended, planned), stacklevel=3)
        report.say(ending(ended, planned))
        return fitted

    def _need_fitted(self) -> Fitted:
        if self._fitted is None:
            raise NotFittedError("The model is not trained yet: call fit(df) first.")
        return self._fitted

    def _need_panel(self) -> Panel:
        if self._panel is None:
            self._need_fitted()
            raise NotFittedError(
                "A loaded model does not hold the series it was trained on: pass a table of those to forecast, "
                "as in predict(df) or explore(model, df)."
            )
        return self._panel


def _say_notes(report: Reporter, source: Table, panel: Panel) -> None:
    """Tell what was found in a table; whoever gives a panel has read it, and its notes, before."""
    for note in panel.notes if panel is not source else ():
        report.say(note)
