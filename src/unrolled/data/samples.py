"""Small data sets to try things on. `sample_files/README.md` says whose the numbers are."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from unrolled.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Sample:
    """A data set.

    Attributes:
        name: What it is called.
        about: What it shows.
    """

    name: str
    about: str


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample("sunspots", "sunspots of each year, 1700 to 2008: a cycle of about eleven years"),
        Sample("co2", "carbon dioxide over Mauna Loa in ppm, weekly, 1958 to 2001: a season, and gaps"),
        Sample("sine", "a sine of period 40, 800 steps: what a network should learn without fail"),
    )
}
"""The samples by name."""


def sample_columns(name: str) -> dict[str, list[str]]:
    """Return the columns `unique_id, ds, y` of a sample as they are written to a file.

    A value that was not observed is empty text.

    Raises:
        DataError: There is no such sample.

    Example:
        >>> from unrolled.data.samples import sample_columns
        >>> sample_columns("sine")["ds"][:3]
        ['0', '1', '2']
    """
    if name not in SAMPLES:
        listed = ", ".join(SAMPLES)
        raise DataError(f"There is no sample {name!r}.{did_you_mean(name, SAMPLES)} The samples are {listed}.")
    return _sine() if name == "sine" else _stored(name)


def sample_csv(name: str) -> str:
    """Return a sample as the text of a CSV file.

    Raises:
        DataError: There is no such sample.
    """
    columns = sample_columns(name)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def write_sample(name: str, path: str | os.PathLike[str]) -> None:
    """Write a sample to a CSV file with the columns `unique_id, ds, y`, making its folder if need be.

    Raises:
        DataError: There is no such sample.
    """
    text = sample_csv(name)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8", newline="")


def _sine() -> dict[str, list[str]]:
    steps = np.arange(800)
    values = np.sin(2 * np.pi * steps / 40)
    ds, y = [str(step) for step in steps], [f"{value:.12g}" for value in values]
    return {"unique_id": ["sine"] * len(steps), "ds": ds, "y": y}


def _stored(name: str) -> dict[str, list[str]]:
    text = files("unrolled.data").joinpath("sample_files", f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    return {column: list(values) for column, values in zip(header, zip(*rows, strict=True), strict=True)}
