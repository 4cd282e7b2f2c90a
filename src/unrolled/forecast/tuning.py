"""A search for settings: trainings with different ones, compared on cutoffs inside the data that training may see.

The search is Optuna's: the tree-structured Parzen estimator (Bergstra et al. 2011) proposes settings, and a training
that is worse than the median of those before it at the same cutoff is given up (Golovin et al. 2017).
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final, Literal

from unrolled.data.panel import Panel
from unrolled.errors import ConfigError, DataError, Problems, UnrolledError, did_you_mean
from unrolled.forecast.backtest import Plan, backtest
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import Fitted, PointsNeeded, resolve
from unrolled.forecast.fitting import fit_panel
from unrolled.forecast.progress import Reporter, reporter
from unrolled.forecast.reading import panel_to_train
from unrolled.forecast.training.fingerprint import differences, fingerprint
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.watch import Look

State = Literal["done", "worse", "stopped", "failed"]

Space = Mapping[str, Sequence[Any]]
"""By the name of a setting a list of values to choose from, or a tuple (lowest, highest) of numbers."""

TOGETHER: Final = 4
"""So many trials are done before any is given up: a median of fewer says little."""


@dataclass(frozen=True)
class Trial:
    """One training with settings that were tried.

    state: "done"; "worse", given up after a cutoff where it was worse than the median; "stopped", when the time was
        over or by Ctrl-C; "failed", with the reason in `why`.
    score: the mean over the cutoffs of `Tuned.metric`; NaN where it is not done.
    """

    number: int
    settings: dict[str, Any]
    state: State
    score: float
    scores: tuple[float, ...]
    seconds: float
    why: str = ""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    settings: the best ones: what `Forecaster(**settings)` is made of, to be fitted on all of the data.
    tried: the best of the settings that were searched.
    score: theirs, and of the defaults, which are always the first to be tried: `default_score`.
    metric: "MASE"; or "MAE" of data without a change from one season to the next to measure errors in.
    trials: all of them, in order.
    notes: what there is to say of the search, in sentences.
    """

    settings: dict[str, Any]
    tried: dict[str, Any]
    score: float
    default_score: float
    metric: str
    trials: tuple[Trial, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """The best settings."""
        return Config.from_settings(self.settings)

    def forecaster(self) -> Any:
        """Return a `Forecaster` of the best settings, not yet fitted."""
        from unrolled.forecast.forecaster import Forecaster

        return Forecaster(**self.settings)

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each trial, of plain types: number, state, score, seconds, then the settings."""
        return [
            {"trial": one.number, "state": one.state, "score": one.score, "seconds": one.seconds, **one.settings}
            for one in self.trials
        ]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON types; what does not exist is null."""
        rows = [row | {"score": _or_null(row["score"])} for row in self.table()]
        return {
            "settings": self.config.to_json(),
            "tried": self.tried,
            "metric": self.metric,
            "score": _or_null(self.score),
            "default_score": _or_null(self.default_score),
            "seconds": self.seconds,
            "trials": rows,
            "notes": list(self.notes),
        }

    def verdict(self) -> str:
        """Say in a sentence what was found."""
        done = sum(one.state == "done" for one in self.trials)
        if not done:
            return "No trial was finished; the settings are the defaults. Give a larger time_budget."
        what = ", ".join(f"{name}={value!r}" for name, value in self.tried.items())
        gain = f", {100 * (1 - self.score / self.default_score):.0f} % below the defaults'" if self._gains() else ""
        return f"Best of {done} finished trials: {what or 'the defaults'}, with {self.metric} {self.score:.4g}{gain}."

    def _gains(self) -> bool:
        return math.isfinite(self.default_score) and self.score < self.default_score


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def tune(
    source: Any,
    h: int,
    *,
    time_budget: float | None = 600,
    trials: int | None = None,
    space: Space | None = None,
    n_windows: int = 2,
    storage: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Tuned:
    """Search for settings that forecast a table best.

    Each trial is trained anew before every one of `n_windows` cutoffs, one horizon apart, at the end of the data, and
    scored by its mean MASE after them. The first trial is the defaults. Whoever wants to know how well the winner
    does on data that the search has not seen holds those back: `tune(train)`, then `cross_validation` on all.

    Needs Optuna, the extra "tune".

    Args:
        source: as for `Forecaster.fit`.
        h: the horizon.
        time_budget: seconds after which the search ends, a training that is under way with it; None for no limit.
        trials: how many there are at most; None for as many as there is time for.
        space: settings to search, by name: a list of values to choose from, or a tuple (lowest, highest). Default:
            what matters most and `settings` leave open, such as learning_rate, hidden_size and input_size.
        n_windows: cutoffs.
        storage: file that keeps the trials: a search that is given the same one goes on where that ended.
        settings: as for `Forecaster`; what is given is not searched.

    Returns:
        A `Tuned`: the best settings, and a table of the trials. Ctrl-C ends the search with the best so far.

    Raises:
        DataError, ConfigError: list everything wrong with the table or the arguments, before any training starts.

    Example:
        >>> import numpy as np, pandas as pd
        >>> import unrolled
        >>> df = pd.DataFrame({"ds": range(120), "y": np.sin(np.arange(120) / 5)})
        >>> found = unrolled.tune(df, h=4, trials=2, max_steps=4, space={"hidden_size": [4, 8]})
        >>> model = found.forecaster().fit(df)
    """
    base = Config.from_settings({"h": h} | settings)
    _check(time_budget, trials, n_windows, space)
    plan = Plan(n_windows, h, True)
    kept_back = next(plan.kept_back(h))
    panel = plan.testable(panel_to_train(source, base, PointsNeeded(base, kept_back)), base)
    plan.check(panel, base)
    if space is None:
        space = default_space(base, resolve(base, panel.drop_last(kept_back)).config, panel, kept_back)
    searched = dict(space)
    _check_space(base, searched)
    with reporter(base.verbose) as report:
        search = _Search(panel, {"h": h} | settings, base, searched, plan, report, time_budget)
        return search.run(trials, storage)


def default_space(base: Config, defaults: Config, panel: Panel, kept_back: int) -> dict[str, Sequence[Any]]:
    """Return what is searched of the settings that were left open, around what `auto` chooses.

    Args:
        base: the settings as they were given.
        defaults: the same with nothing left open.
        panel: the series.
        kept_back: points that are unknown at the first cutoff.
    """
    rate, units = defaults.learning_rate or 1e-2, defaults.hidden_size
    space: dict[str, Sequence[Any]] = {}
    if base.network == "auto" and (defaults.season or 1) > 1 and base.input_size is None:
        space["network"] = ["steps", "segments"]
    if base.scaling == "auto" and defaults.scaling != "mean":  # which is that of counts, and the only one
        space["scaling"] = ["standard", "robust", "last", "last_series"]
    if base.learning_rate is None:
        space["learning_rate"] = (rate / 5, rate * 5)
    if base.hidden_size is None and isinstance(units, int):
        space["hidden_size"] = [units // 2, units, 2 * units]
    if base.input_size is None:
        space["input_size"] = _windows(defaults, panel, kept_back)
    if base.num_layers == 1 and not isinstance(base.hidden_size, tuple) and not isinstance(base.cell, tuple):
        space["num_layers"] = [1, 2]
    if base.dropout is None:
        space["dropout"] = sorted({0.0, 0.1, 0.3, defaults.dropout or 0.0})
    return {name: values for name, values in space.items() if len(values) > 1}


def _windows(defaults: Config, panel: Panel, kept_back: int) -> list[int]:
    """Return windows of half to twice the default one, as far as half of the longest series holds them."""
    first = defaults.input_size or 1
    room = (int(panel.lengths.max()) - kept_back - defaults.h) // 2
    piece = defaults.segment or 1 if defaults.network == "segments" else 1
    sizes = {max(piece, round(first * share / piece) * piece) for share in (0.5, 1.0, 1.5, 2.0)}
    return sorted(size for size in sizes if size == first or size <= room)


def _check(time_budget: Any, trials: Any, n_windows: Any, space: Any) -> None:
    problems = Problems()
    problems.check(
        find_spec("optuna") is not None, "tune needs Optuna, which the extra installs: pip install 'unrolled[tune]'."
    )
    right = time_budget is None or (_is_number(time_budget) and time_budget > 0)
    problems.check(right, f"time_budget is a number of seconds above 0, or None for no limit; got {time_budget!r}.")
    right = trials is None or (isinstance(trials, int) and not isinstance(trials, bool) and trials >= 1)
    problems.check(right, f"trials is a whole number of at least 1, or None for no limit; got {trials!r}.")
    problems.check(
        trials is not None or time_budget is not None,
        "time_budget and trials are both None, and the search would never end. Give one of them.",
    )
    right = isinstance(n_windows, int) and not isinstance(n_windows, bool) and n_windows >= 1
    problems.check(right, f"n_windows is a whole number of at least 1; got {n_windows!r}.")
    right = space is None or (isinstance(space, Mapping) and len(space) > 0)
    problems.check(right, f"space is a dict of settings to search, such as {{'hidden_size': [32, 64]}}; got {space!r}.")
    problems.raise_as(ConfigError, "This search can't be run:")


def _check_space(base: Config, space: Space) -> None:
    """Refuse names that are no settings, values that no Forecaster takes, and those of which there is no choice."""
    problems = Problems()
    names = {one.name for one in dataclasses.fields(Config)}
    for name, values in space.items():
        if not isinstance(name, str) or name not in names or name == "h":
            hint = did_you_mean(str(name), names)
            problems.add(f"space: {name!r} is no setting that can be searched.{hint}")
        elif (
            not isinstance(values, list | tuple) or not values or (isinstance(values, tuple) and not _is_range(values))
        ):
            problems.add(
                f"space: {name} is a list of values to choose from, or a tuple (lowest, highest) of two numbers; "
                f"got {values!r}."
            )
        else:
            _check_values(base, name, values, problems)
    problems.raise_as(ConfigError, "This search can't be run:")


def _check_values(base: Config, name: str, values: Sequence[Any], problems: Problems) -> None:
    for value in values:
        try:
            dataclasses.replace(base, **{name: value})
        except ConfigError as wrong:
            for problem in wrong.problems:
                problems.add(f"space: {problem}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_range(values: tuple[Any, ...]) -> bool:
    return len(values) == 2 and all(_is_number(value) for value in values) and values[0] < values[1]


class _OutOfTime(Exception):  # noqa: N818  # not an error: how a training hears that the time is over
    """The time is over."""


@dataclass
class _Deadline:
    """Ends a training when the time is over; see `Watcher`."""

    at: float

    def begin(self, config: Config, number: int, first_step: int) -> None:
        """Look at the clock."""
        self.step(0, 0.0, 0.0)

    def step(self, step: int, loss: float, best: float) -> None:
        """Look at the clock."""
        if time.monotonic() >= self.at:
            raise _OutOfTime

    def look(self, look: Look) -> None:
        """Go on."""

    def end(self, log: TrainingLog) -> None:
        """Hand an interruption on, which a training takes for an ending like the others."""
        if log.stopped == "interrupted":
            raise KeyboardInterrupt


@dataclass
class _Search:
    """One search: its trials write what they find into `found`."""

    panel: Panel
    given: dict[str, Any]
    base: Config
    space: dict[str, Sequence[Any]]
    plan: Plan
    report: Reporter
    time_budget: float | None
    found: list[Trial] = field(default_factory=list)
    metric: str = "MASE"

    def run(self, trials: int | None, storage: str | os.PathLike[str] | None) -> Tuned:
        """Try settings until the trials or the time are over."""
        import optuna

        begun = time.monotonic()
        deadline = _Deadline(math.inf if self.time_budget is None else begun + self.time_budget)
        with _quietly():
            study = self._study(storage)
            self._take_up(study)
            left = None if trials is None else max(0, trials - len(self.found))
            ended = ""
            try:
                if left != 0:
                    study.optimize(
                        lambda trial: self._objective(trial, deadline),
                        n_trials=left,
                        catch=EXPECTED,
                        callbacks=[lambda study, _: study.stop() if time.monotonic() >= deadline.at else None],
                    )
            except KeyboardInterrupt:
                ended = "The search was interrupted; the best so far is kept."
            except optuna.exceptions.StorageInternalError as wrong:
                raise ConfigError(f"{storage} can't be written: {wrong}. Give another place for the trials.") from None
        return self._result(time.monotonic() - begun, (ended,) if ended else ())

    def _study(self, storage: str | os.PathLike[str] | None) -> Any:
        import optuna

        kept = None
        if storage is not None:
            from optuna.storages.journal import JournalFileBackend, JournalStorage

            kept = JournalStorage(JournalFileBackend(os.fspath(storage)))
        study = optuna.create_study(
            storage=kept,
            study_name="unrolled",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=self.base.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=TOGETHER),
        )
        # The trials that are there already were drawn from the same generator.
        if study.trials:
            study.sampler = optuna.samplers.TPESampler(seed=self.base.seed + len(study.trials))
        return study

    def _take_up(self, study: Any) -> None:
        """Read the trials that a storage has kept; refuse those of another search."""
        of = fingerprint(dataclasses.replace(self.base, verbose=None), self.panel, None)
        of = json.loads(json.dumps(of | {"space": self.space, "n_windows": self.plan.n_windows}))
        if not study.trials:
            study.set_user_attr("of", of)
            return
        kept = study.user_attrs.get("of", {"settings": {}, "data": {"series": 0, "points": 0}, "start": None})
        problems = differences(kept, of)
        problems.check(kept.get("space") == of["space"], "the space that is searched was another.")
        problems.check(kept.get("n_windows") == of["n_windows"], "n_windows was another.")
        problems.raise_as(ConfigError, "The storage holds the trials of another search. Give another file:")
        self.found += [Trial(**_as_kept(one.user_attrs["trial"])) for one in study.trials if "trial" in one.user_attrs]
        self.metric = study.user_attrs.get("metric", self.metric)

    def _objective(self, trial: Any, deadline: _Deadline) -> float:
        """Train before each cutoff, and keep what came of it."""
        import optuna

        begun, scores, settings = time.monotonic(), list[float](), self._suggested(trial)

        def keep(state: State, why: str = "") -> None:
            seconds = round(time.monotonic() - begun, 3)
            self._keep(trial, Trial(trial.number, settings, state, _mean(scores), tuple(scores), seconds, why))

        try:
            config = dataclasses.replace(self.base, **settings, ensemble=1)
            for number, kept_back in enumerate(self.plan.kept_back(config.h)):
                if number and trial.should_prune():
                    raise optuna.TrialPruned
                scores.append(self._score(self.panel.drop_last(kept_back - config.h), config, deadline, trial))
                trial.report(_mean(scores), number)
        except optuna.TrialPruned:
            keep("worse")
            raise
        except _OutOfTime:
            keep("stopped")
            raise optuna.TrialPruned from None
        except KeyboardInterrupt:
            keep("stopped")
            raise
        except EXPECTED as wrong:
            keep("failed", str(wrong))
            raise
        keep("done")
        return _mean(scores)

    def _keep(self, trial: Any, one: Trial) -> None:
        if one.state != "done":
            one = dataclasses.replace(one, score=math.nan)
        self.found.append(one)
        self.report.say(_line(one, self.metric))
        trial.set_user_attr("trial", dataclasses.asdict(one) | {"score": _or_null(one.score)})

    def _score(self, panel: Panel, config: Config, deadline: _Deadline, trial: Any) -> float:
        """Return the error after the last cutoff of `panel`, having trained on what was before it."""

        def train(known: Panel, _name: str) -> Fitted:
            return fit_panel(known, config, deadline)

        found = backtest(panel, config, Plan(1, config.h, False), None, train).scores.by_model[config.name]
        if not self.found and not math.isfinite(found["MASE"]):
            self.metric = "MAE"
            trial.study.set_user_attr("metric", self.metric)
        if not math.isfinite(found[self.metric]):
            raise DataError(f"There is no {self.metric} to compare by: nothing was observed after a cutoff.")
        return found[self.metric]

    def _suggested(self, trial: Any) -> dict[str, Any]:
        """Return the settings of a trial; none, which are the defaults, as long as these were not tried to an end."""
        if not any(one.state != "stopped" and not one.settings for one in self.found):
            return {}
        return {name: _suggestion(trial, name, values) for name, values in self.space.items()}

    def _result(self, seconds: float, notes: tuple[str, ...]) -> Tuned:
        done = [one for one in self.found if one.state == "done"]
        if self.found and all(one.state == "failed" for one in self.found):
            raise ConfigError(f"All {len(self.found)} trials failed, the first because: {self.found[0].why}")
        best = min(done, key=lambda one: one.score, default=None)
        tried = {} if best is None else best.settings
        return Tuned(
            settings=self.given | tried,
            tried=tried,
            score=math.nan if best is None else best.score,
            default_score=next((one.score for one in done if not one.settings), math.nan),
            metric=self.metric,
            trials=tuple(self.found),
            seconds=round(seconds, 3),
            notes=notes,
        )


EXPECTED: Final = (UnrolledError, ArithmeticError)
"""What settings that don't fit the data may raise; anything else is a mistake of ours, and ends the search."""


def _mean(scores: Sequence[float]) -> float:
    return math.fsum(scores) / len(scores) if scores else math.nan


def _as_kept(content: dict[str, Any]) -> dict[str, Any]:
    score = math.nan if content["score"] is None else content["score"]
    return content | {"scores": tuple(content["scores"]), "score": score}


def _line(trial: Trial, metric: str) -> str:
    what = ", ".join(f"{name}={value!r}" for name, value in trial.settings.items()) or "the defaults"
    ending = {
        "done": f"{metric} {trial.score:.4g}",
        "worse": "worse than the median, given up",
        "stopped": "stopped",
        "failed": f"failed: {trial.why}",
    }
    return f"Trial {trial.number}: {what}: {ending[trial.state]}."


def _suggestion(trial: Any, name: str, values: Sequence[Any]) -> Any:
    """Ask for one value: of a range a number, of a list a place in it, in order where the values have one."""
    if isinstance(values, tuple):
        low, high = values
        wide = low > 0 and high / low >= 10
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, log=wide)
        return trial.suggest_float(name, low, high, log=wide)
    if len(values) == 1:
        return values[0]
    if all(_is_number(value) for value in values):
        return sorted(values)[trial.suggest_int(name, 0, len(values) - 1)]
    return values[trial.suggest_categorical(name, list(range(len(values))))]


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Optuna's own account of its doings from the user; ours is in the result."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
