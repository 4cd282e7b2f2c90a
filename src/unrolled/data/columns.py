"""Which column names the series, which is the time and which the target: given, known by name, or the only one.

Covariates, and several targets, are only ever given.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow.compute as pc

from unrolled.data.arrow import is_number, is_text
from unrolled.data.covariates import Kind
from unrolled.data.times import looks_like_times
from unrolled.data.values import read_numbers
from unrolled.errors import Problems, did_you_mean

Role = Literal["id", "time", "target"]
ROLES: tuple[Role, ...] = ("id", "time", "target")
Given = Mapping[Role, str | Sequence[str] | None]

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
        targets: Those of the numbers to forecast.
        covariates: Those of the covariates that are there, and what is known of each when.
        unclear: The roles for which a problem was noted.
        unused: The other columns.
    """

    id: str | None
    time: str | None
    targets: tuple[str, ...]
    covariates: Mapping[str, Kind] = field(default_factory=dict)
    unclear: frozenset[Role] = frozenset()
    unused: tuple[str, ...] = ()

    @property
    def found(self) -> list[str]:
        """The columns to read, each once."""
        names = (self.id, self.time, *self.targets, *self.covariates)
        return [name for name in dict.fromkeys(names) if name is not None]


@dataclass
class _Search:
    """A table's first rows, which of its columns have a role so far, and which may have one in doubt."""

    head: Any
    problems: Problems
    chosen: dict[Role, tuple[str, ...]] = field(default_factory=dict)
    covariates: dict[str, Kind] = field(default_factory=dict)
    unclear: dict[Role, list[str]] = field(default_factory=dict)

    @property
    def taken(self) -> set[str]:
        return {*itertools.chain(*self.chosen.values(), *self.unclear.values())}

    @property
    def free(self) -> list[str]:
        return [name for name in self.head.column_names if name not in self.taken and name not in self.covariates]

    def free_for(self, role: Role) -> list[str]:
        """Return the columns that may have a role: what names the series may be a static covariate as well."""
        static = [name for name in self.covariates if self.covariates[name] == "static" and name not in self.taken]
        return self.free + static if role == "id" else self.free


def find_columns(
    head: Any,
    given: Given,
    problems: Problems,
    covariates: Mapping[str, Kind] | None = None,
    roles: Sequence[Role] = ROLES,
) -> Columns:
    """Return the columns of a table by role; a table without an id column is one series.

    Args:
        head: An Arrow table of the first rows.
        given: The names that the user has given, None for the others; of targets several.
        problems: Where those that are wrong or in doubt are noted.
        covariates: The names of those that the user has given.
        roles: Those to be found.
    """
    search = _Search(head, problems)
    for role in roles:
        names = given[role]
        for name in () if names is None else (names,) if isinstance(names, str) else names:
            _take_given(search, role, name)
    for name, kind in (covariates or {}).items():
        _take_covariate(search, name, kind)
    for role in roles:
        if given[role] is None:
            _take_known(search, role)
    for role in roles:
        if role != "id" and role not in search.chosen and role not in search.unclear:
            _take_fitting(search, role)
    ids, times = (search.chosen.get(role, ()) for role in ("id", "time"))
    return Columns(
        id=ids[0] if ids else None,
        time=times[0] if times else None,
        targets=search.chosen.get("target", ()),
        covariates=search.covariates,
        unclear=frozenset(search.unclear),
        unused=tuple(search.free),
    )


def _take_given(search: _Search, role: Role, name: str) -> None:
    names = search.head.column_names
    if name not in names:
        near = did_you_mean(name, names)
        _doubt(search, role, f"There is no column {name!r}, given as {role}_col.{near} {_listed(names)}")
    elif name in itertools.chain(*search.chosen.values()):
        _doubt(search, role, f"Column {name!r} is given as {role}_col and for another role as well.")
    else:
        search.chosen[role] = (*search.chosen.get(role, ()), name)


def _take_covariate(search: _Search, name: str, kind: Kind) -> None:
    names = search.head.column_names
    role = next((role for role, chosen in search.chosen.items() if name in chosen), None)
    if name not in names:
        near = did_you_mean(name, names)
        search.problems.add(f"There is no column {name!r}, given as a {kind} covariate.{near} {_listed(names)}")
    elif role is not None and (role, kind) != ("id", "static"):
        search.problems.add(f"Column {name!r} is given as {role}_col and as a {kind} covariate; it can't be both.")
    else:
        search.covariates[name] = kind


def _take_known(search: _Search, role: Role) -> None:
    for known in _KNOWN[role]:
        found = [name for name in search.free_for(role) if name.strip().lower() in known]
        if len(found) > 1:
            _ask(search, role, found)
        if found:
            if len(found) == 1:
                search.chosen[role] = (found[0],)
            return


def _take_fitting(search: _Search, role: Role) -> None:
    fits = looks_like_times if role == "time" else _looks_like_numbers
    parts = [name for name in search.free if name.strip().lower() in _PARTS_OF_TIME]
    never = [] if role == "time" else [*parts, *filter(_ROW_NUMBERS.match, search.free)]
    found = [name for name in search.free if name not in never and fits(search.head[name])]
    if role == "time" and not found:
        found = parts
    if len(found) == 1:
        search.chosen[role] = (found[0],)
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
