"""Which column names the series, which is the time and which the target: given, known by name, or the only one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow.compute as pc

from unrolled.data.arrow import is_number, is_text
from unrolled.data.times import looks_like_times
from unrolled.data.values import read_numbers
from unrolled.errors import Problems, did_you_mean

Role = Literal["id", "time", "target"]

# Names by role, the surest first. Two names from one line cannot be told apart, and are asked about.
_KNOWN: dict[Role, tuple[tuple[str, ...], ...]] = {
    "id": (("unique_id",), ("item_id",), ("series_id", "ts_id"), ("series", "id")),
    "time": (
        ("ds",),
        ("timestamp",),
        ("datetime", "date_time"),
        ("date", "time"),
    ),
    "target": (("y",), ("target",), ("value", "values")),
}
# Names of numbers that are times if nothing else is; beside a date they are but parts of it.
_PARTS_OF_TIME = ("year", "quarter", "month", "week", "day", "hour", "period", "t", "step")
# What pandas calls the row numbers that it has written to a file, and then read from one.
_ROW_NUMBERS = re.compile(r"(Unnamed: \d+)?$")
_WORDS: dict[Role, str] = {"id": "the id", "time": "the time", "target": "the target"}


@dataclass(frozen=True)
class Columns:
    """The column of each role, None where there is none or it is in doubt, and those left over.

    Attributes:
        id: The name of the column of ids.
        time: That of the times.
        target: That of the numbers to forecast.
        unclear: The roles for which a problem was noted.
        unused: The other columns.
    """

    id: str | None
    time: str | None
    target: str | None
    unclear: frozenset[Role] = frozenset()
    unused: tuple[str, ...] = ()

    @property
    def found(self) -> list[str]:
        """The columns to read, each once."""
        return [name for name in dict.fromkeys((self.id, self.time, self.target)) if name is not None]


@dataclass
class _Search:
    """A table's first rows, which of its columns have a role so far, and which may have one in doubt."""

    head: Any
    problems: Problems
    chosen: dict[Role, str] = field(default_factory=dict)
    unclear: dict[Role, list[str]] = field(default_factory=dict)

    @property
    def free(self) -> list[str]:
        taken = {*self.chosen.values(), *itertools.chain(*self.unclear.values())}
        return [name for name in self.head.column_names if name not in taken]


def find_columns(head: Any, given: dict[Role, str | None], problems: Problems) -> Columns:
    """Return the columns of a table by role; a table without an id column is one series.

    Args:
        head: An Arrow table of the first rows.
        given: The names that the user has given, None for the others.
        problems: Where those that are wrong or in doubt are noted.
    """
    search = _Search(head, problems)
    for role, name in given.items():
        if name is not None:
            _take_given(search, role, name)
    for role in ("id", "time", "target"):
        if given[role] is None:
            _take_known(search, role)
    for role in ("time", "target"):
        if role not in search.chosen and role not in search.unclear:
            _take_fitting(search, role)
    chosen = search.chosen
    names = (chosen.get("id"), chosen.get("time"), chosen.get("target"))
    return Columns(*names, frozenset(search.unclear), tuple(search.free))


def _take_given(search: _Search, role: Role, name: str) -> None:
    names = search.head.column_names
    if name not in names:
        near = did_you_mean(name, names)
        _doubt(search, role, f"There is no column {name!r}, given as {role}_col.{near} {_listed(names)}")
    elif name in search.chosen.values():
        _doubt(search, role, f"Column {name!r} is given as {role}_col and for another role as well.")
    else:
        search.chosen[role] = name


def _take_known(search: _Search, role: Role) -> None:
    for known in _KNOWN[role]:
        found = [name for name in search.free if name.strip().lower() in known]
        if len(found) > 1:
            _ask(search, role, found)
        if found:
            if len(found) == 1:
                search.chosen[role] = found[0]
            return


def _take_fitting(search: _Search, role: Role) -> None:
    fits = looks_like_times if role == "time" else _looks_like_numbers
    parts = [name for name in search.free if name.strip().lower() in _PARTS_OF_TIME]
    never = [] if role == "time" else [*parts, *filter(_ROW_NUMBERS.match, search.free)]
    found = [name for name in search.free if name not in never and fits(search.head[name])]
    if role == "time" and not found:
        found = parts
    if len(found) == 1:
        search.chosen[role] = found[0]
    elif found:
        _ask(search, role, found)
    else:
        kind = "dates" if role == "time" else "numbers"
        listed = _listed(search.head.column_names)
        _doubt(
            search,
            role,
            f"No column is {_WORDS[role]}: none is named so, and no other one holds {kind}. "
            f"{listed} {_how_to_say(role, '...')}",
        )


def _doubt(search: _Search, role: Role, problem: str, candidates: Sequence[str] = ()) -> None:
    search.unclear[role] = list(candidates)
    search.problems.add(problem)


def _ask(search: _Search, role: Role, candidates: list[str]) -> None:
    question = f"{_or(candidates)} may be {_WORDS[role]}. {_how_to_say(role, candidates[0])}"
    _doubt(search, role, question, candidates)


def _looks_like_numbers(column: Any) -> bool:
    if column.null_count == len(column) or looks_like_times(column):
        return False
    problems = Problems()
    if is_text(column.type):
        read_numbers(column, "", lambda rows: [""] * len(rows), problems)
    return bool(is_number(column.type) or is_text(column.type)) and not problems


def _how_to_say(role: Role, name: str) -> str:
    shown = name if name == "..." else repr(name)
    return f"Say which: {role}_col={shown} (on the command line --{role}-col)."


def _listed(names: list[str]) -> str:
    return f"The columns are {', '.join(map(repr, names))}."


def _or(names: list[str]) -> str:
    return " or ".join(map(repr, names))


def likely_id(head: Any, names: tuple[str, ...]) -> str | None:
    """Return the first of `names` whose text values repeat, as the names of series would; None if none does."""
    for name in names:
        column = head[name]
        if is_text(column.type) and 1 < pc.count_distinct(column).as_py() < len(column):
            return name
    return None
