"""Every error that a user can cause: what was wrong, what was given, what to do.

All of them derive from `UnrolledError` and from the built-in type a caller would expect to catch.
One call reports all of its problems at once: collect them in a `Problems`, then raise once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnrolledError(Exception):
    """Base of all errors meant for users; `problems` holds each one as a sentence."""

    def __init__(self, *problems: str, heading: str = "") -> None:
        self.problems = problems
        self.heading = heading
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1 and not self.heading:
            return self.problems[0]
        if not self.heading:  # nothing that a list would stand below
            return "\n".join(self.problems)
        return "\n".join([self.heading, *(f"  - {problem}" for problem in self.problems)])


class ConfigError(UnrolledError, ValueError):
    """A setting is wrong."""


class DataError(UnrolledError, ValueError):
    """A table cannot be used as it is."""


class ShapeError(UnrolledError, ValueError):
    """A tensor does not have the shape, size or layout that a layer needs."""


class DtypeError(UnrolledError, TypeError):
    """A tensor or argument has the wrong type."""


class KernelError(UnrolledError, ValueError):
    """A kernel chosen by name cannot run this call."""


class ArtifactError(UnrolledError, ValueError):
    """A saved model is damaged, incomplete or from another version."""


class NotFittedError(UnrolledError, RuntimeError):
    """A forecast was asked of a model that has not been trained."""


class PageAbsentError(UnrolledError, RuntimeError):
    """The explorer page was asked for, and this installation was made without it."""


class Problems:
    """Collects what is wrong with one call, to be raised together."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, problem: str) -> None:
        """Note one problem, as a full sentence."""
        self._found.append(problem)

    def check(self, condition: bool, problem: str) -> bool:
        """Note `problem` unless `condition` holds; return the condition."""
        if not condition:
            self.add(problem)
        return condition

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_as(self, error: type[UnrolledError], heading: str = "") -> None:
        """Raise everything found as one `error`; do nothing when all is well."""
        if self._found:
            raise error(*self._found, heading=heading)


def did_you_mean(word: str, options: Iterable[str], likeness: float = 0.6) -> str:
    """Return " Did you mean 'x'?" for the nearest option, or the empty string where none is as like as that."""
    by_lower = {option.lower(): option for option in options}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
