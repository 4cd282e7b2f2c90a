"""The main job: a table in; backtest, trained model, forecast and picture out, in one folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.data.panel import Panel
from unrolled.errors import ConfigError
from unrolled.forecast import artifact
from unrolled.forecast.backtest import Backtest, Plan
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import refuse_scarce_levels, resolve
from unrolled.forecast.forecaster import Forecaster
from unrolled.forecast.intervals import conformal, refuse_levels
from unrolled.forecast.output import write_json, written_together
from unrolled.forecast.scores import METRICS, Scores

if TYPE_CHECKING:
    from rich.console import Console

PageWriter = Callable[[Forecaster, Path], str]
"""Writes an explorer page to a path; returns "", or in a sentence why there is none."""

EXPLORER = "explorer.html"
DEFAULT_WINDOWS = 4
MODEL = "model"


@dataclass(frozen=True)
class Report:
    """What a run found and wrote: `notes` on the table, `remarks` on the run itself."""

    out: Path
    files: tuple[str, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    scores: Scores | None
    config: Config

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return {
            "out": str(self.out),
            "files": list(self.files),
            "notes": [*self.notes, *self.remarks],
            "settings": self.config.to_json(),
            **(self.scores.to_json() if self.scores else {"metrics": None}),
        }

    def print_to(self, console: Console) -> None:
        """Print the scores as a table, the verdict, and where the files are."""
        for remark in self.remarks:
            console.print(remark, markup=False)
        if self.scores is not None:
            console.print(_table(self.scores))
            console.print(self.scores.verdict(), markup=False)
            if covered := self.scores.covered():
                console.print(f"Of the backtest, {covered}.", markup=False)
        console.print(f"Written to {self.out}{os.sep}: {', '.join(self.files)}", markup=False, soft_wrap=True)


def _table(scores: Scores) -> Any:
    from rich.table import Table

    table = Table("backtest", *METRICS, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for model, row in scores.by_model.items():
        table.add_row(model, *(f"{row[metric]:.4g}" for metric in METRICS))
    return table


@dataclass(frozen=True)
class Job:
    """One run over one table.

    windows: cutoffs of the backtest; default: 4, or as many as the shortest series has room for.
    future: a table of the future covariates over the horizon, for the forecast.
    checkpoint: a folder from which a training that was killed goes on when the job is run again.
    write_page: writes the explorer page of what was trained; without it a forecast has none.
    The other fields are those of `Forecaster.cross_validation`.
    """

    source: str | os.PathLike[str]
    config: Config
    out: str | os.PathLike[str]
    level: Sequence[float] | None = None
    windows: int | None = None
    step_size: int | None = None
    refit: bool | int = False
    train_size: int | None = None
    future: str | os.PathLike[str] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    log: str | None = None
    write_page: PageWriter | None = None

    def run_backtest(self) -> Report:
        """Backtest and write backtest.csv, metrics.json, backtest.png and .svg, config.json.

        Raises:
            DataError, ConfigError: list everything wrong, before any training starts.
        """
        panel = self.panel
        with written_together(self.out) as draft:
            model = Forecaster(**_settings(self.config))
            self._backtest(model, panel, self.windows or max(1, self._room(panel)), draft)
            _write_figures(draft, "backtest", model)
            return self._record(draft, model, panel, ())

    def run_forecast(self) -> Report:
        """Backtest, train on everything, forecast; write the backtest's files, forecast.csv, model/, explorer.html.

        Where the series are too short for any backtest it is left out, and a note says so; so is the page where
        this installation has none.

        Raises:
            DataError, ConfigError: list everything wrong, before any training starts.
            ArtifactError: the place for model/ holds something other than a saved model.
        """
        artifact.refuse_to_replace(Path(self.out) / MODEL)
        self._refuse_unknown_future()
        panel = self.panel
        refuse_scarce_levels(panel, self.config, self.level)
        windows = self.windows or self._room(panel)
        with written_together(self.out) as draft:
            model = Forecaster(**_settings(self.config))
            if windows:
                self._backtest(model, panel, windows, draft)
            model.fit(panel, checkpoint=self.checkpoint, resume=self.checkpoint is not None, log=self.log)
            model.predict(level=self.level, future=self.future).to_csv(draft / "forecast.csv", index=False)
            model.save(draft / MODEL)
            _write_figures(draft, "forecast", model)
            short = (
                "" if windows else f"There was no backtest: the series are too short for one with h={self.config.h}."
            )
            no_page = self.write_page(model, draft / EXPLORER) if self.write_page else ""
            return self._record(draft, model, panel, tuple(filter(None, (short, no_page))))

    def _refuse_unknown_future(self) -> None:
        """Refuse, before any training, to forecast with covariates of a future that nobody tells."""
        if self.config.future_covariates and self.future is None:
            named = ", ".join(map(repr, self.config.future_covariates))
            raise ConfigError(
                f"{named} must be known over the horizon: give a table of the next {self.config.h} steps of every "
                "series as future (on the command line --future FILE)."
            )

    @cached_property
    def panel(self) -> Panel:
        """The table, read once and checked for the backtest that was asked for.

        Raises:
            DataError, ConfigError: list everything wrong with the table or the settings.
        """
        refuse_levels(self.level, self.config)
        plan = Plan(1 if self.windows is None else self.windows, self._step, self.refit, self.train_size)
        kept_back = next(plan.kept_back(self.config.h)) if self.windows else 0
        return Forecaster(**_settings(self.config)).read(self.source, kept_back, self.train_size)

    def _room(self, panel: Panel) -> int:
        """Return how many cutoffs the series have room for, at most the default number."""
        h, lengths = self.config.h, panel.lengths
        needed = (resolve(self.config, panel).config.input_size or 1) + h
        long_enough = lengths[lengths >= needed + h]  # the others are forecast, though not trained on
        if not len(long_enough):
            return 0
        spare = int(long_enough.min()) - needed - h
        if self.level and conformal(self.config) and self.config.input_size is not None:
            # Some series must hold a horizon out for the intervals; a default window leaves that room of itself.
            spare = min(spare, int(lengths.max()) - needed - 2 * h)
        return min(DEFAULT_WINDOWS, spare // self._step + 1) if spare >= 0 else 0

    @property
    def _step(self) -> int:
        return self.config.h if self.step_size is None else self.step_size

    def _backtest(self, model: Forecaster, panel: Panel, windows: int, draft: Path) -> None:
        table = model.cross_validation(panel, windows, self.step_size, self.refit, self.level, self.train_size)
        table.to_csv(draft / "backtest.csv", index=False)

    def _record(self, draft: Path, model: Forecaster, panel: Panel, remarks: tuple[str, ...]) -> Report:
        """Write metrics.json and config.json; return the report."""
        backtest = model.backtest
        scores = backtest.scores if backtest else None
        write_json(draft / "metrics.json", scores.to_json() if scores else {"metrics": None})
        write_json(draft / "config.json", self._description(model, backtest))
        files = tuple(sorted(path.name + "/" * path.is_dir() for path in draft.iterdir()))
        return Report(Path(self.out), files, panel.notes, remarks, scores, model.config)

    def _description(self, model: Forecaster, backtest: Backtest | None) -> dict[str, Any]:
        return {
            "source": os.fspath(self.source),
            "settings": model.config.to_json(),
            "level": list(self.level or []),
            "backtest": {
                "windows": len(backtest.cutoffs) if backtest else 0,
                "step_size": self._step,
                "refit": self.refit,
                "train_size": self.train_size,
            },
            "made_with": {"unrolled": version("unrolled"), "torch": version("torch")},
        }


def _settings(config: Config) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _write_figures(draft: Path, name: str, model: Forecaster) -> None:
    figure = model.plot()
    for ending in ("png", "svg"):
        figure.savefig(draft / f"{name}.{ending}")
