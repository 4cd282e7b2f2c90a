"""An initialiser that reads its values from a CSV or NPY file; nothing in either is ever executed."""
# ruff: noqa: N801 — named as the other initialisers are.

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import ConfigError, DataError, ShapeError, did_you_mean
from unrolled.init.base import Initialiser

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_SHOWN: Final = 3
_MAGIC: Final = {
    b"PK\x03\x04": "an archive of several arrays (NPZ, or a PyTorch file). Save one array with numpy.save",
    b"\x80": "a pickle, which could run code and is never opened. Save the array with numpy.save",
}
"""How files that are often taken for NPY begin, and what they are."""


@final
@dataclass(frozen=True)
class from_file(Initialiser):
    """Fills with the numbers of a file, which must have the tensor's own shape.

    A CSV file has one line a row of the matrix and no header; values are separated by commas, semicolons, tabs or
    spaces, lines that begin with # are left out. One line or one column fills a vector. An NPY file holds one array of
    numbers, as `numpy.save` writes it. Gate blocks and axes must lie as ours do: `weight_ih` is (B·H, F).

    Args:
        path: A file that ends in .csv or .npy. It is read anew at every call.

    Raises:
        ConfigError: The file's name ends in something else.
        DataError: At a call: the file is not there, can't be read, or holds something other than finite numbers.
        ShapeError: At a call: the file's array has another shape than the tensor.

    Example:
        >>> import os, pathlib
        >>> import torch
        >>> from unrolled import init
        >>> _ = pathlib.Path("w.csv").write_text(f"1, 2, 3{os.linesep}4, 5, 6")
        >>> init.from_file("w.csv")(torch.empty(2, 3))
        tensor([[1., 2., 3.],
                [4., 5., 6.]])
    """

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if self._path.suffix.lower() not in (".csv", ".npy"):
            raise ConfigError(
                f"{self._path.name}: initial values are read from .csv and .npy files, "
                f"not {self._path.suffix or 'without a suffix'}. "
                "Save them with numpy.save, or numpy.savetxt(..., delimiter=',')."
            )

    @property
    def _path(self) -> Path:
        return Path(self.path)

    def _fill(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        _check_there(self._path)
        is_text = self._path.suffix.lower() == ".csv"
        array = _read_csv(self._path) if is_text else _open_npy(self._path)
        if is_text and tensor.dim() == 1 and 1 in array.shape:
            array = array.reshape(-1)
        if array.shape != tuple(tensor.shape):
            raise ShapeError(_shape_problem(self._path.name, array.shape, tuple(tensor.shape)))
        values = torch.from_numpy(np.array(array, dtype=np.float64)).to(tensor.dtype)
        _check_finite(self._path.name, values)
        tensor.copy_(values)


def _check_there(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of one .csv or .npy file.")
    if not path.exists():
        if not path.parent.is_dir():
            raise DataError(f"There is no file {path}, nor a folder {path.parent}.")
        near = did_you_mean(path.name, sorted(child.name for child in path.parent.iterdir()), likeness=0.75)
        raise DataError(f"There is no file {path.name!r} in {path.parent.resolve()}.{near}")


def _shape_problem(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    hint = ""
    if found == wanted[::-1]:
        hint = " Is it transposed? Keras keeps kernels as (inputs, gates·units), PyTorch the other way: save array.T."
    return f"{name} holds an array {found}; the tensor is {wanted}.{hint}"


def _check_finite(name: str, values: Tensor) -> None:
    bad = (~torch.isfinite(values)).nonzero()
    if len(bad):
        first = tuple(bad[0].tolist())
        raise DataError(
            f"{name} holds {len(bad)} value(s) that are not finite in {values.dtype}; the first is at {first}: "
            f"{values[first].item()}."
        )


def _read_csv(path: Path) -> Array:
    lines = [(number, line) for number, line in enumerate(_text_of(path).splitlines(), 1) if _has_values(line)]
    if not lines:
        raise DataError(f"{path.name} holds no numbers.")
    separator = next((mark for mark in ";\t," if mark in lines[0][1]), None)
    problems: list[str] = []
    rows = [_row(number, line.strip().split(separator), problems) for number, line in lines]
    problems += [
        f"line {number} has {len(row)} value(s), line {lines[0][0]} has {len(rows[0])}."
        for (number, _), row in zip(lines, rows, strict=True)
        if len(row) != len(rows[0])
    ]
    if problems:
        more = [f"{len(problems) - _SHOWN} more problem(s)."] if len(problems) > _SHOWN else []
        raise DataError(*problems[:_SHOWN], *more, heading=f"{path.name} is no matrix of numbers")
    return np.array(rows, dtype=np.float64)


def _has_values(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _row(number: int, values: list[str], problems: list[str]) -> list[float]:
    """Read one line's values; note the first that is no number."""
    numbers: list[float] = [0.0] * len(values)
    for k, value in enumerate(values):
        try:
            numbers[k] = float(value)
        except ValueError:
            hint = " The file must have no header." if number == 1 else ""
            hint = " Numbers are written with a decimal point." if value.strip().replace(",", "", 1).isdigit() else hint
            problems.append(f"line {number}, value {k + 1} is {value.strip()!r}, which is no number.{hint}")
            break
    return numbers


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text. Save it anew as CSV in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path.name} can't be read: {error}.") from error


def _open_npy(path: Path) -> Array:
    """Open an NPY file without reading its values, so that a wrong shape costs no memory."""
    start = _start_of(path)
    if start != b"\x93NUMPY":
        kind = next((what for mark, what in _MAGIC.items() if start.startswith(mark)), None)
        raise DataError(f"{path.name} is no NPY file{f' but {kind}' if kind else ''}.")
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of a damaged header NumPy lets through whatever Python's tokenizer says
        raise DataError(f"{path.name} is damaged, or holds Python objects, which are never opened: {error}") from error
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path.name} holds {array.dtype}; initial values are real numbers.")
    return array


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(6)
    except OSError as error:
        raise DataError(f"{path.name} can't be read: {error}.") from error
