"""CSV and Parquet files as sources of columns; see `sources.Source`."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from unrolled.data.arrow import coded, is_text, plain
from unrolled.data.frames import Library
from unrolled.data.wording import counted, first_few
from unrolled.errors import DataError, did_you_mean

_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_PARQUET = (".parquet", ".pq")
_HEAD = 1_000


def file_kind(path: str | os.PathLike[str]) -> Literal["text", "parquet"]:
    """Return which kind of file a path leads to.

    Raises:
        DataError: It is of neither kind, or is not there.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(_not_found(path))
    if path.is_dir() or path.name.lower().endswith(_PARQUET):
        return "parquet"
    if not path.name.lower().endswith(_TEXT):
        raise DataError(
            f"{path.name}: files are read by their suffix, and {path.suffix or 'no suffix'!r} is not known. "
            f"Known are {', '.join(_TEXT + _PARQUET)}, and folders of Parquet files."
        )
    return "text"


def _not_found(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no file {path}, nor a folder {folder}."
    # Endings alone make file names alike, so that it takes more for one to be meant.
    near = did_you_mean(path.name, sorted(child.name for child in folder.iterdir()), likeness=0.75)
    return f"There is no file {path.name!r} in {folder.resolve()}.{near}"


class CsvFile:
    """A text file of columns separated by commas, semicolons or tabs, its first line their names.

    A column is whole numbers if every value is written as one ("7", but not "007"); otherwise it is text,
    for its reader to judge, so that ids stay as they are written.
    """

    library: Library = "pandas"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.name = self._path.name
        self._not_utf8 = f"{self.name} is not UTF-8 text. Save it anew as CSV in UTF-8."
        self._separator = _separator(self._first_line())
        self._table = self._read()
        self.head = self._table.slice(0, _HEAD)

    def read(self, names: list[str]) -> dict[str, Any]:
        """Return the columns of these names."""
        return {name: self._table[name] for name in names}

    def where(self, rows: np.ndarray) -> list[str]:
        """Return the lines of the file on which `rows` start, the header being line 1."""
        # Blank lines are no rows, and a quoted value may span several: only the file itself knows.
        records = itertools.islice(self._records(), int(rows.max()) + 2) if len(rows) else iter(())
        lines = [line for line, _ in records][1:]
        return [f"line {lines[row]}" for row in rows]

    def dtype(self, name: str) -> str:
        """Return "": a file has no library's types."""
        return ""

    def _first_line(self) -> str:
        try:
            with self._open() as file:
                line = next((line for line in file if line.strip()), "")
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError):
            line = "\0"
        if "\0" in line:
            raise DataError(self._not_utf8)
        if not line:
            raise DataError(f"{self.name} is empty.")
        return line

    def _open(self) -> io.TextIOBase:
        opener = gzip.open if self.name.lower().endswith(".gz") else open
        return opener(self._path, "rt", encoding="utf-8-sig", newline="")

    def _read(self) -> Any:
        _, names = next(self._records())
        convert = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        )
        parse = pa_csv.ParseOptions(delimiter=self._separator, newlines_in_values=True)
        try:
            table = pa_csv.read_csv(self._path, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            raise DataError(self._broken_rows(len(names), error)) from None
        columns = zip([name.strip() for name in names], table.columns, strict=True)
        # Spreadsheets end each line with separators for columns that were once there.
        kept = [(name, column) for name, column in columns if name or column.null_count < len(column)]
        self._check_names([name for name, _ in kept])
        return pa.table({name: _whole_numbers_or_text(column) for name, column in kept})

    def _check_names(self, names: list[str]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{self.name}: the first line names {', '.join(map(repr, twice))} more than once.")
        if not any(letter.isalpha() for name in names for letter in name):
            raise DataError(f"{self.name}: the first line has values. Add a line of column names before it.")

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each record that is not blank with the line on which it starts."""
        with self._open() as file:
            reader = csv.reader(file, delimiter=self._separator)
            start = 1
            try:
                for record in reader:
                    if record:
                        yield start, record
                    start = reader.line_num + 1
            except csv.Error as error:
                why = f"{error}. Is a quote opened there and never closed?"
                raise DataError(f"{self.name} cannot be read as CSV from line {start} on: {why}") from None

    def _broken_rows(self, width: int, error: Exception) -> str:
        try:
            broken = [(line, len(record)) for line, record in self._records() if len(record) != width]
        except UnicodeDecodeError:
            return self._not_utf8
        if not broken:
            return f"{self.name} cannot be read as CSV: {error}"
        shown = first_few([f"line {line} has {count}" for line, count in broken[:3]], len(broken))
        return f"{self.name}: the first line names {counted(width, 'column')}, but {shown}."


def _separator(header: str) -> str:
    """Return which of , ; and tab parts the names of the header most often."""
    return max(",;\t", key=header.count)


def _whole_numbers_or_text(texts: Any) -> Any:
    """Return the column as integers if none would be written differently, else as it is."""
    texts = pc.utf8_trim_whitespace(texts)
    if texts.null_count == len(texts) or not _all_whole(texts.slice(0, _HEAD)) or not _all_whole(texts):
        return texts
    return texts.cast(pa.int64())


def _all_whole(texts: Any) -> bool:
    # 18 digits at most, which int64 always holds.
    return pc.all(pc.match_substring_regex(texts, r"^(0|-?[1-9]\d{0,17})$"), min_count=0).as_py() is True


class ParquetFiles:
    """A Parquet file, or a folder of them. Only the columns that are asked for are read."""

    library: Library = "pandas"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import pyarrow.dataset as pa_dataset

        self.name = Path(path).name
        files = _parquet_files(Path(path))
        base = str(path) if Path(path).is_dir() else None
        options = {"partitioning": "hive", "partition_base_dir": base}
        try:
            self._dataset = pa_dataset.dataset(files, format="parquet", **options)
            texts = [field.name for field in self._dataset.schema if is_text(field.type)]
            if texts:
                # Each distinct text of a file is read once: ten million rows of ids are but numbers of theirs.
                coding = pa_dataset.ParquetFileFormat(dictionary_columns=texts)
                self._dataset = pa_dataset.dataset(files, format=coding, **options)
            self.head = _plain_table(self._dataset.head(_HEAD))
        except pa.ArrowException as error:
            raise DataError(f"{self.name} is no Parquet file, or a damaged one.") from error

    def read(self, names: list[str]) -> dict[str, Any]:
        """Return the columns of these names, texts as categories."""
        try:
            table = self._dataset.to_table(columns=names)
        except pa.ArrowException as error:
            raise DataError(f"{self.name} cannot be read as Parquet: {error}") from None
        return {name: coded(table[name]) for name in names}

    def where(self, rows: np.ndarray) -> list[str]:
        """Return rows counted from 0, as a frame read from the files would."""
        return [f"row {row}" for row in rows]

    def dtype(self, name: str) -> str:
        """Return "": a file has no library's types."""
        return ""


def _plain_table(table: Any) -> Any:
    return pa.table({name: plain(table[name]) for name in table.column_names})


def _parquet_files(path: Path) -> list[str]:
    if path.is_file():
        if path.stat().st_size == 0:
            raise DataError(f"{path.name} is empty.")
        return [str(path)]
    files = sorted(str(file) for suffix in _PARQUET for file in path.rglob(f"*{suffix}"))
    if not files:
        raise DataError(f"The folder {path} holds no Parquet files ({' or '.join(_PARQUET)}).")
    return files
