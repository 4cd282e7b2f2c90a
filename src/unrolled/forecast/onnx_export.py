"""The whole forecaster as one ONNX file: from values as they are in the table to the forecast in their units.

What is exported is the code that `predict` runs: scaling, filling of gaps, the networks of an ensemble and their
median, intervals, transform and units are all inside.

Shapes: N series, T steps given, W steps that a network reads, h horizon, C targets read together, R = N C rows, K
covariates, Q outputs per step, L quantiles.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.data.covariates import Column
from unrolled.errors import ConfigError, KernelError, Problems
from unrolled.files import drafted_file
from unrolled.forecast.batch import by_row, fill_forward, scaled
from unrolled.forecast.features import input_names, layout_of
from unrolled.forecast.fitted import Fitted, Member, median_of, window
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.intervals import check_levels, conformal
from unrolled.forecast.losses import Loss, SpreadLoss, loss_of
from unrolled.forecast.scaling import OF_SERIES, location_and_scale
from unrolled.forecast.transforms import LARGEST, Transform

OPSET: Final = 18

SCHEMA: Final = "unrolled-forecaster-onnx/1"

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What makes a terminal change colours."""


def export(
    fitted: Fitted,
    path: str | os.PathLike[str],
    level: Sequence[float] | None = None,
    quantiles: Sequence[float] | None = None,
) -> None:
    """Write a forecaster as an ONNX file, whole or not at all; see `Forecaster.to_onnx`.

    Raises:
        ConfigError: the exporter is not installed, the file can't be written, or names everything of the forecaster
            that can't be exported.
    """
    whole = _Whole(fitted, _shares(fitted, level, quantiles)).eval()
    # The draft comes first: that a file can't be written is told before the export, which takes a while.
    with drafted_file(path) as draft:
        program = _exported(whole)
        program.model.metadata_props.update(_facts(fitted, whole))
        program.save(draft, external_data=False)


def _exported(whole: _Whole) -> torch.onnx.ONNXProgram:
    """Return the module as PyTorch's exporter translates it."""
    given = whole.example()
    with _quietly():
        try:
            program = torch.onnx.export(
                whole,
                tuple(given.values()),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=list(given),
                output_names=whole.output_names,
                dynamic_shapes={"given": tuple(_AXES[name] for name in given)},
                custom_translation_table={torch.ops.aten.cummax.default: _running_maximum},
            )
        except Exception as failed:
            raise ConfigError(f"This forecaster can't be exported to ONNX: {_reason(failed)}") from failed
    assert program is not None
    return program


def _shares(fitted: Fitted, level: Sequence[float] | None, quantiles: Sequence[float] | None) -> tuple[float, ...]:
    """Return the quantiles that are given out, having refused what can't be exported."""
    problems, config = Problems(), fitted.config
    lacking = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    problems.check(
        not lacking, f"An export needs {' and '.join(lacking)}; the extra has them: pip install 'unrolled[onnx]'."
    )
    problems.check(
        not fitted.network.draws_samples,
        f"network={config.network!r} forecasts by drawing samples, which would be others in every runtime of ONNX; "
        "'steps', 'segments' and 'seq2seq' can be exported.",
    )
    shares = check_levels(level, config, fitted.errors, quantiles).shares
    told = conformal(config) or config.loss in _CLOSED
    problems.check(
        told or not shares,
        f"The quantiles of loss={config.loss!r} are searched for step by step, which no ONNX graph does. Leave level "
        "and quantiles out for the forecast alone, or use loss='normal' or loss='quantile'.",
    )
    problems.raise_as(ConfigError, "This forecaster can't be exported to ONNX:")
    return config.quantiles if level is None and quantiles is None and config.loss == "quantile" else shares


_CLOSED: Final = ("quantile", "normal")
"""Losses whose quantiles have a formula."""


class _Whole(nn.Module):
    """A forecaster as a function of tensors alone."""

    def __init__(self, fitted: Fitted, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.fitted, self.quantiles = fitted, tuple(quantiles)
        self.layout = layout_of(fitted.features, fitted.config)
        self.members = nn.ModuleList(_Reader(fitted, member) for member in fitted.members)
        self.output_names = ["forecast", *(["quantiles"] if self.quantiles else [])]
        self.by_errors = conformal(fitted.config)

    def example(self) -> dict[str, Tensor]:
        """Return inputs of three series, by name, in their order."""
        count, steps = 3, self.fitted.longest_window + 5
        draw = torch.Generator().manual_seed(0)
        channels = (self.layout.channels,) if self.layout.channels > 1 else ()
        past = torch.rand(count, steps, *channels, generator=draw, dtype=torch.float64) + 1
        past[0, -2] = float("nan")
        given = {"past": past}
        for name, columns, rows in (
            ("past_covariates", self.layout.past, (count, steps)),
            ("known_covariates", self.layout.known, (count, steps + self.fitted.config.h)),
            ("static_covariates", self.layout.static, (count,)),
        ):
            if columns:
                given[name] = torch.ones(*rows, len(columns), dtype=torch.float64)
        return given

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Return the forecast, and quantiles where there are any."""
        named = dict(zip(self._input_names(), given, strict=True))
        past = named.pop("past")
        values_RT = past if past.dim() == 2 else by_row(past)
        values_RT = forward(self.fitted.transform, values_RT)
        said = [member(values_RT, named) for member in self.members]
        point_Rh = median_of([one.point_Rh for one in said])
        parts = [point_Rh, *([self._quantiles(said, point_Rh)] if self.quantiles else [])]
        return tuple(self._as_given(inverse(self.fitted.transform, part)) for part in parts)

    def _input_names(self) -> list[str]:
        kinds = {"past_covariates": self.layout.past, "known_covariates": self.layout.known}
        kinds |= {"static_covariates": self.layout.static}
        return ["past", *(name for name, columns in kinds.items() if columns)]

    def _quantiles(self, said: Sequence[_Said], point_Rh: Tensor) -> Tensor:
        if not self.by_errors:
            return median_of([one.quantiles(self.quantiles) for one in said])
        assert self.fitted.errors is not None, "levels are checked"
        shifts_hL = np.stack([self.fitted.errors.shift(share) for share in self.quantiles], axis=1)
        return point_Rh[..., None] + torch.from_numpy(shifts_hL) * said[0].scale_R1[..., None]

    def _as_given(self, rows: Tensor) -> Tensor:
        """Return rows as the past was given: the targets of an item along an axis of their own."""
        if self.layout.channels == 1:
            return rows
        return torch.unflatten(rows, 0, (-1, self.layout.channels)).transpose(1, 2)


@dataclass(frozen=True)
class _Said:
    """What one network says, in the transformed units; `said.Said` in tensors."""

    loss: Loss
    outputs_RhQ: Tensor
    location_R1: Tensor
    scale_R1: Tensor

    @property
    def point_Rh(self) -> Tensor:
        return self.loss.point(self.outputs_RhQ).double() * self.scale_R1 + self.location_R1

    def quantiles(self, shares: Sequence[float]) -> Tensor:
        assert isinstance(self.loss, SpreadLoss), "levels are checked"
        found_RhL = self.loss.quantiles(self.outputs_RhQ, self.scale_R1, shares)
        return found_RhL.double() * self.scale_R1[..., None] + self.location_R1[..., None]


class _Reader(nn.Module):
    """One network, and how it reads the values: the last of them, in its scale."""

    def __init__(self, fitted: Fitted, member: Member) -> None:
        super().__init__()
        self.network = copy.deepcopy(member.network).cpu().eval()
        self.config, self.features, self.loss = member.config, fitted.features, loss_of(member.config)
        self.channels = layout_of(fitted.features, member.config).channels

    def forward(self, values_RT: Tensor, covariates: dict[str, Tensor]) -> _Said:
        """Return what the network says of the ends of the series."""
        steps, scaling = window(self.config), self.config.scaling
        whole = location_and_scale("standard", values_RT, ~values_RT.isnan()) if scaling in OF_SERIES else None
        measure = partial(location_and_scale, scaling, series=whole)
        last_R1 = _last_seen(values_RT[..., None], values_RT.shape[1])[..., 0].nan_to_num(0.0)
        past_NWF, location_R1, scale_R1 = scaled(_last(values_RT, steps), last_R1, steps, self.channels, measure)
        inputs = Inputs(past_NWF, *self._covariates(past_NWF, covariates))
        return _Said(self.loss, self.network(inputs), location_R1, scale_R1)

    def _covariates(self, past_NWF: Tensor, given: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        steps, h = window(self.config), self.config.h
        nothing_NWK = past_NWF.new_zeros(past_NWF.shape[0], steps + h, 0)
        past, known, static = nothing_NWK[:, :steps], nothing_NWK, nothing_NWK[:, 0]
        if "past_covariates" in given:
            past = self._read(_filled(given["past_covariates"], steps), self.features.of_kind("past"))
        if "known_covariates" in given:
            known = self._read(_filled(given["known_covariates"], steps + h), self.features.of_kind("future"))
        if "static_covariates" in given:
            static = self._read(given["static_covariates"], self.features.of_kind("static"))
        return past, known, static

    def _read(self, given: Tensor, columns: Sequence[Column]) -> Tensor:
        """Return columns as the network reads them; those after `columns` are of the calendar, and stay."""
        made = given.shape[-1] - len(columns)
        location = [0.0 if one.categories is not None else one.location for one in columns] + [0.0] * made
        scale = [1.0 if one.categories is not None else one.scale for one in columns] + [1.0] * made
        return ((given - given.new_tensor(location)) / given.new_tensor(scale)).nan_to_num(0.0).float()


def _last(values: Tensor, steps: int) -> Tensor:
    """Return the last steps: so many, whatever there are of them."""
    return values.narrow(1, values.shape[1] - steps, steps)


def _last_seen(values_NTK: Tensor, end: Any) -> Tensor:
    """Return (N, 1, K) the last value before the step `end` that is not NaN; NaN where there is none."""
    steps_T1 = torch.arange(1, values_NTK.shape[1] + 1)[:, None]
    seen_NTK = ~values_NTK.isnan() & (steps_T1 <= end)
    return values_NTK.gather(1, (seen_NTK * steps_T1).argmax(1, keepdim=True)).where(
        seen_NTK.any(1, keepdim=True), torch.nan
    )


def _filled(values_NTK: Tensor, steps: int) -> Tensor:
    """Return the last steps with each NaN replaced by the last value before it, where there is any."""
    before_N1K = _last_seen(values_NTK, values_NTK.shape[1] - steps)
    tail_NWK = _last(values_NTK, steps)
    seen_NWK = ~tail_NWK.isnan()
    rows, seen = (part.transpose(1, 2).flatten(0, 1) for part in (tail_NWK, seen_NWK))
    filled = torch.unflatten(fill_forward(rows, seen), 0, (-1, values_NTK.shape[2])).transpose(1, 2)
    return torch.where(seen_NWK.cumsum(1) > 0, filled, before_N1K)


def forward(transform: Transform, values: Tensor) -> Tensor:
    """`Transform.forward` of tensors."""
    if transform.name == "none":
        return values
    if transform.name == "log":
        return torch.log1p(values.where(values > -1, torch.nan))
    logs = values.where(values > 0, torch.nan).log()
    return logs if transform.exponent == 0 else torch.expm1(transform.exponent * logs) / transform.exponent


def inverse(transform: Transform, values: Tensor) -> Tensor:
    """`Transform.inverse` of tensors."""
    most = float(np.log(LARGEST))
    if transform.name == "none":
        return values
    if transform.name == "log":
        return torch.expm1(values.clamp(max=most))
    if transform.exponent == 0:
        return values.clamp(max=most).exp()
    return (torch.log1p((transform.exponent * values).clamp(min=-1)) / transform.exponent).clamp(max=most).exp()


_AXES: Final = {
    "past": {0: "N", 1: "T"},
    "past_covariates": {0: "N", 1: "T"},
    "known_covariates": {0: "N", 1: "T + h"},
    "static_covariates": {0: "N"},
}
"""Which axes of the inputs are of any size."""


def _running_maximum(values: Any, dim: int) -> tuple[Any, Any]:
    """`torch.cummax` in ONNX, which has none: the larger of each value and the one 1, 2, 4, ... places before it.

    Without the places of the maxima, which nothing here asks for.
    """
    from onnxscript import opset18

    op: Any = opset18

    def cut(begin: int, end: int) -> Any:
        begins, ends, axes = (op.Constant(value_ints=[number]) for number in (begin, end, dim))
        return op.Slice(values, begins, ends, axes)

    size, back = values.shape[dim], 1
    while back < size:
        values = op.Concat(cut(0, back), op.Max(cut(back, size), cut(0, size - back)), axis=dim)
        back *= 2
    return values, values


def _facts(fitted: Fitted, whole: _Whole) -> dict[str, str]:
    """Return what the file says of itself: texts, of which all but the first are JSON."""
    names, config = input_names(fitted.features), fitted.config
    return {
        "schema": SCHEMA,
        "settings": json.dumps(config.to_json()),
        "input_size": json.dumps(fitted.longest_window),
        "frequency": json.dumps(fitted.freq.to_json()),
        "targets": json.dumps(list(fitted.features.channels) if whole.layout.channels > 1 else []),
        "quantiles": json.dumps(list(whole.quantiles)),
        "covariates": json.dumps({"past": names.past, "known": names.known, "static": names.static}),
        "categories": json.dumps({c.name: c.categories for c in fitted.features.columns if c.categories is not None}),
        "made_with": json.dumps({"unrolled": version("unrolled"), "torch": str(torch.__version__)}),
    }


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's talk of its own workings from the user."""
    talker = logging.getLogger("torch.onnx")
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        talker.setLevel(level)


def _reason(failed: BaseException) -> str:
    """Return why, in the words of the layer that could not be exported, or the first of the exporter's own."""
    cause: BaseException | None = failed
    while cause is not None:
        if isinstance(cause, KernelError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    words = _COLOURS.sub("", str(failed)).strip()
    return f"PyTorch's exporter says: {words.splitlines()[0] if words else type(failed).__name__}"
