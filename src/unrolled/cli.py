"""The command line: `unrolled forecast | backtest | predict | tune | explore | sample | info`.

PyTorch is imported by the commands that compute, so that `--help` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from unrolled.cli_settings import command, given_of
from unrolled.errors import ConfigError
from unrolled.forecast.config import Config

if TYPE_CHECKING:
    from unrolled.forecast.forecaster import Forecaster
    from unrolled.forecast.job import Job, Report

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help"]},
)


def _tell_version(asked: bool) -> bool:
    if asked:
        print(f"unrolled {version('unrolled')}")
        raise typer.Exit
    return asked


@app.callback()
def unrolled(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Recurrent networks you can see through: from a table to a forecast in one command."""


Data = Annotated[Path, typer.Argument(help="CSV or Parquet file, a row per series and time.", show_default=False)]
Level = Annotated[list[float] | None, typer.Option(help="Interval in per cent; may be given several times.")]
Quantiles = Annotated[list[float] | None, typer.Option(help="Quantile, such as 0.1; may be given several times.")]
Windows = Annotated[int | None, typer.Option(help="Cutoffs of the backtest. Default: 4, as far as the series reach.")]
StepSize = Annotated[int | None, typer.Option(help="Steps between two cutoffs. Default: the horizon.")]
Refit = Annotated[int, typer.Option(help="Train anew at every so many cutoffs; 0 trains once, before the first.")]
TrainSize = Annotated[int | None, typer.Option(help="Points known before each cutoff. Default: all.")]
Future = Annotated[Path | None, typer.Option(help="CSV or Parquet file of the future covariates over the horizon.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Folder from which a training that was killed goes on.")]
LogTo = Annotated[str | None, typer.Option(help="JSON lines file, tensorboard:FOLDER or mlflow:ADDRESS.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
@command
def forecast(
    data: Data,
    config: Config,
    out: Out = Path("out"),
    level: Level = None,
    windows: Windows = None,
    step_size: StepSize = None,
    refit: Refit = 0,
    train_size: TrainSize = None,
    future: Future = None,
    checkpoint: Checkpoint = None,
    log: LogTo = None,
    as_json: AsJson = False,
) -> None:
    """Backtest, train on everything, forecast and draw; write all of it to a folder."""
    from unrolled.forecast.job import Job

    job = Job(
        data,
        _quiet(config, as_json),
        out,
        level,
        windows,
        step_size,
        refit,
        train_size,
        future=future,
        checkpoint=checkpoint,
        log=log,
        write_page=_write_page,
    )
    _tell_notes(job, as_json)
    _tell(job.run_forecast(), as_json)


@app.command()
@command
def backtest(
    data: Data,
    config: Config,
    out: Out = Path("out"),
    level: Level = None,
    windows: Windows = None,
    step_size: StepSize = None,
    refit: Refit = 0,
    train_size: TrainSize = None,
    as_json: AsJson = False,
) -> None:
    """Forecast as if at earlier times, compare with what came and with the baselines; write it to a folder."""
    from unrolled.forecast.job import Job

    job = Job(data, _quiet(config, as_json), out, level, windows, step_size, refit, train_size)
    _tell_notes(job, as_json)
    _tell(job.run_backtest(), as_json)


@app.command()
@command
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model.", show_default=False)],
    data: Data,
    level: Level = None,
    quantiles: Quantiles = None,
    future: Future = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write; default: print it.")] = None,
) -> None:
    """Forecast new data with a saved model."""
    from unrolled.forecast.forecaster import Forecaster

    table = Forecaster.load(model).predict(data, level=level or [], quantiles=quantiles, future=future)
    if out is None:
        table.to_csv(sys.stdout, index=False)
    else:
        from unrolled.files import drafted_file

        with drafted_file(out) as draft:
            table.to_csv(draft, index=False)


@app.command()
@command
def tune(
    data: Data,
    config: Config,
    out: Out = Path("out"),
    time_budget: Annotated[float, typer.Option(help="Seconds after which the search ends.")] = 600.0,
    trials: Annotated[int | None, typer.Option(help="Trials at most. Default: as many as there is time for.")] = None,
    windows: Annotated[int, typer.Option(help="Cutoffs at which each trial is scored.")] = 2,
    storage: Annotated[Path | None, typer.Option(help="File of a search that is to go on another time.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search for better settings than the defaults; write tuned.json, which forecast --settings takes."""
    from unrolled.forecast.output import write_json, written_together
    from unrolled.forecast.tuning import tune as search

    settings = given_of(_quiet(config, as_json))
    found = search(data, time_budget=time_budget, trials=trials, n_windows=windows, storage=storage, **settings)
    with written_together(out) as draft:
        write_json(draft / "tuned.json", found.to_json())
    if as_json:
        print(json.dumps(found.to_json()))
    else:
        print(*found.notes, found.verdict(), f"Written to {out / 'tuned.json'}", sep="\n")


@app.command()
@command
def explore(
    model: Annotated[Path | None, typer.Argument(help="Folder of a saved model.", show_default=False)] = None,
    data: Annotated[Path | None, typer.Argument(help="CSV or Parquet file to show it on.", show_default=False)] = None,
    future: Future = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path("explorer.html"),
) -> None:
    """Write a page on which a saved model's own numbers are seen and changed; without a model, a small one's."""
    from unrolled.explorer import explore as write
    from unrolled.forecast.forecaster import Forecaster

    if model is not None and data is None:
        raise ConfigError("A saved model does not hold the series it was trained on: unrolled explore MODEL DATA.")
    if model is None:
        print(write(out=out))
        return
    forecaster = Forecaster.load(model)
    forecaster.predict(data, future=future)
    print(write(forecaster, out=out))


@app.command()
@command
def sample(
    name: Annotated[str, typer.Argument(help="sunspots, co2 or sine.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write; default: print it.")] = None,
) -> None:
    """Write one of the series that ship with unrolled, as a table to try it on."""
    from unrolled.data.samples import sample_csv, write_sample

    if out is None:
        print(sample_csv(name), end="")
    else:
        write_sample(name, out)


@app.command()
@command
def info(
    cell: Annotated[Literal["LSTM", "GRU", "RNN"], typer.Option(help="Kind of layer.")] = "LSTM",
    features: Annotated[int, typer.Option(min=1, help="Features of the input (F).")] = 1,
    hidden_size: Annotated[int, typer.Option(min=1, help="Units of the layer (H).")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Sequences in the batch (N).")] = 32,
    time: Annotated[int, typer.Option(min=1, help="Steps of the longest sequence (T).")] = 96,
    ragged: Annotated[bool, typer.Option("--ragged", help="Sequences of different lengths.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show versions and, for a layer and an input, which kernel runs it and why the others don't."""
    from unrolled.layers.info import info_of_sizes

    found = info_of_sizes(cell, features, hidden_size, batch, time, ragged)
    print(json.dumps(found.to_json()) if as_json else found)


def _write_page(model: Forecaster, path: Path) -> str:
    from unrolled.explorer import write_page

    return write_page(model, path)


def _quiet(config: Config, as_json: bool) -> Config:
    return dataclasses.replace(config, verbose=False) if as_json else config


def _tell_notes(job: Job, as_json: bool) -> None:
    """Print what was found in the table, before the training that it may be worth stopping for."""
    for note in () if as_json else job.panel.notes:
        print(note, flush=True)


def _tell(report: Report, as_json: bool) -> None:
    """Print the report, for people or for scripts."""
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        from rich.console import Console

        report.print_to(Console(highlight=False))


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line."""
    # On a busy machine PyTorch's threads wait for each other by spinning and take the processor from whoever they
    # wait for; a short spin, then sleep, lets two trainings share a machine.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    return app(arguments)
