"""What is wrong with one call, wrong values and wrong types together."""

from __future__ import annotations

from unrolled.errors import DtypeError, Problems, UnrolledError


class Findings(Problems):
    """Problems of values and of types, raised as one error of the more telling kind."""

    def __init__(self) -> None:
        super().__init__()
        self._types = 0

    def add_type(self, problem: str) -> None:
        """Note a problem of type, dtype or device."""
        self._types += 1
        self.add(problem)

    def finish(self, error: type[UnrolledError], subject: str) -> None:
        """Raise all that was found: as `DtypeError` when nothing but types is wrong, else as `error`."""
        many = len(self._found) > 1
        heading = f"{subject}: {len(self._found)} problems" if many else ""
        self.raise_as(DtypeError if self._types == len(self._found) else error, heading)
