"""`explore`: from a model and a batch, or a forecaster and a table, to one HTML page."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from unrolled.errors import ConfigError, DtypeError, PageAbsentError, Problems
from unrolled.explorer.explorer import Document, Explorer
from unrolled.explorer.forecaster import forecaster_page
from unrolled.explorer.model import cut, networks_of
from unrolled.explorer.names import check_names
from unrolled.files import write_whole
from unrolled.forecast.forecaster import Forecaster
from unrolled.trace import Trace
from unrolled.view.page.document import PageFacts, PageNetwork, page_document
from unrolled.view.page.html import page_html, refuse_absence, tour_document


def explore(
    model_or_forecaster: Any = None,
    x: Any = None,
    lengths: Any = None,
    names: Any = None,
    out: str | os.PathLike[str] | None = "explorer.html",
) -> Explorer:
    """Write one HTML page that shows a model's own numbers on a batch: look, follow, change.

    The page opens from disk and makes no network request. It shows the batch as a cube, the layers folded and over
    time, one step as a network, one unit over time, and one number as its sum; it computes what follows when a number
    is changed. Above 64 units, 512 steps or 64 samples it shows so many, evenly spaced, and says so.

    Args:
        model_or_forecaster: One of unrolled's recurrent layers, of torch.nn's LSTM, GRU or RNN, any module that has
            some inside, or a fitted `Forecaster`. Default: the small model that ships with unrolled, on which the
            page's guided tour runs. A model runs as in `eval()` and is left as it was.
        x: What the model is called with, such as (T, N, F), or (N, T, F) with `batch_first=True`. For a forecaster: a
            table, whose series' last windows are shown. Default for a forecaster: the series that it was fitted on.
        lengths: Valid steps of each sample of a padded batch, as our layers take them.
        names: The user's own names by axis, {"batch": [...], "time": [...], "feature": [...]}, or some of these. A
            forecaster brings its own: ids, dates, and what its features are.
        out: The file to write; None writes none.

    Returns:
        An `Explorer`: in a notebook the page itself, printed what is in it; `.open()` opens the browser.

    Raises:
        ConfigError: Lists everything that is wrong with the names, or says what does not go together.
        ShapeError, DtypeError: The model can't run on x; `analysis.record` says why.
        PageAbsentError: This installation has no page; it says what to run.

    Example:
        >>> import torch
        >>> import unrolled
        >>> model = torch.nn.GRU(3, 5, batch_first=True)
        >>> names = {"feature": ["sun", "wind", "rain"]}
        >>> page = unrolled.explore(model, torch.randn(4, 7, 3), names=names, out=None)  # doctest: +SKIP
    """
    refuse_absence()
    document, notes = _document(model_or_forecaster, x, lengths, names)
    html = page_html(document)
    path = None if out is None else Path(out)
    if path is not None:
        write_whole(path, html)
    return Explorer(path, document, html, tuple(notes))


def write_page(model: Forecaster, path: Path) -> str:
    """Write the page of a fitted forecaster; return "", or in a sentence why there is none.

    Raises:
        NotFittedError: As `explore` does.
    """
    try:
        explore(model, out=path)
    except PageAbsentError as error:
        return f"{path.name} was left out. {error}"
    return ""


def _document(subject: Any, x: Any, lengths: Any, names: Any) -> tuple[Document, list[str]]:
    if subject is None:
        _refuse(x=x, lengths=lengths, names=names, why="without a model or a forecaster the page shows unrolled's own")
        return tour_document(), []
    if isinstance(subject, Forecaster):
        _refuse(lengths=lengths, names=names, why="a forecaster brings its own")
        page = forecaster_page(subject, x)
        facts = PageFacts(page.title, "forecaster", _made_with(), page.names)
        return page_document([page.network], facts), page.notes
    return _document_of_model(subject, x, lengths, names)


def _document_of_model(model: Any, x: Any, lengths: Any, names: Any) -> tuple[Document, list[str]]:
    if not isinstance(model, nn.Module):
        given = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise DtypeError(
            f"explore expected a model, that is a torch.nn.Module, or a fitted unrolled.Forecaster; got {given}."
            f"{_instead(model)}"
        )
    if x is None:
        raise ConfigError(f"explore needs a batch to run {type(model).__name__} on: explore(model, x).")
    subject = cut(model, x, lengths)
    networks, notes = networks_of(subject)
    checked = check_names(names, _sizes(networks[0]))
    facts = PageFacts(type(model).__name__, "model", _made_with(), checked)
    return page_document(networks, facts), notes


def _instead(given: Any) -> str:
    if isinstance(given, str | os.PathLike):
        return " A saved forecaster is loaded first: unrolled.Forecaster.load(folder)."
    if isinstance(given, Trace):
        return " A trace has a run's numbers, but no weights to compute with: give the model and x."
    return ""


def _sizes(network: PageNetwork) -> dict[str, int]:
    steps, batch, features = network.recorded.trace.parts[0]["inputs"].shape
    return {"batch": network.samples.size if network.samples else batch, "time": steps, "feature": features}


def _refuse(why: str, **given: Any) -> None:
    problems = Problems()
    for name, value in given.items():
        problems.check(value is None, f"explore takes no {name} here: {why}.")
    problems.raise_as(ConfigError)


def _made_with() -> dict[str, str]:
    return {"unrolled": version("unrolled"), "torch": version("torch")}
