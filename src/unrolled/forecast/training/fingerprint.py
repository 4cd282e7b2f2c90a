"""What a training is of: its settings and its data, so that a checkpoint is never mistaken for another's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.data.panel import Panel
from unrolled.errors import Problems
from unrolled.forecast.config import Config
from unrolled.forecast.training.state import Tensors

_SAYS_NOTHING = ("verbose",)
"""Settings that no number depends on."""


def fingerprint(config: Config, panel: Panel, start: Tensors | None) -> dict[str, Any]:
    """Return as plain JSON types what the numbers of a training depend on.

    Args:
        config: resolved settings, of an ensemble the first network's.
        panel: what is trained on.
        start: the weights that the training starts from; None for fresh ones.
    """
    settings = {name: value for name, value in config.to_json().items() if name not in _SAYS_NOTHING}
    data = {"series": len(panel), "points": len(panel.values), "sha256": _digest(panel)}
    return {"settings": settings, "data": data, "start": None if start is None else _digest_of(start)}


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Problems:
    """Return in sentences what is not the same."""
    problems = Problems()
    for name in sorted(here["settings"].keys() | there["settings"].keys()):
        was, is_ = there["settings"].get(name), here["settings"].get(name)
        problems.check(was == is_, f"{name} was {was!r} there and is {is_!r} now.")
    if there["data"] != here["data"]:
        was, is_ = _sizes(there["data"]), _sizes(here["data"])
        other = ", but other ids, times, values or covariates" if was == is_ else ""
        problems.add(f"the data were {was} there and are {is_} now{other}.")
    if there["start"] != here["start"]:
        problems.add("the weights that training starts from are others: see warm_start.")
    return problems


def _sizes(data: Mapping[str, Any]) -> str:
    return f"{data['series']:,} series of {data['points']:,} points"


def _digest(panel: Panel) -> str:
    found = hashlib.sha256(repr((panel.freq, panel.channels)).encode())
    for array in (panel.values, panel.offsets, panel.times, panel.ids, *_covariates(panel)):
        _add(found, array)
    return found.hexdigest()


def _covariates(panel: Panel) -> list[np.ndarray]:
    kept = panel.covariates
    if kept is None:
        return []
    names = [f"{name} {kept.kinds[name]} {kept.words.get(name, ())}" for name in sorted(kept.kinds)]
    return [np.array(names), *(part[name] for part in (kept.values, kept.ahead) for name in sorted(part))]


def _add(found: Any, array: np.ndarray) -> None:
    found.update(f"{array.dtype.kind}{array.shape}".encode())
    if array.dtype.kind in "OUS":
        found.update("\0".join(map(str, array.ravel())).encode())
    else:
        found.update(np.ascontiguousarray(array).view(np.uint8) if array.size else b"")


def _digest_of(tensors: Tensors) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        _add(found, tensors[name].cpu().numpy())
    return found.hexdigest()
