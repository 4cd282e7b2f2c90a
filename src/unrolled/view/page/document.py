"""The page document "unrolled-page/1": what the explorer shows of a model, as JSON. See docs/formats.md.

Shapes: T = time, N = batch, F = features, H = hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np

from unrolled.trace import Analysis, DirectionTrace, Head, NamedArray, PartValues, Recorded
from unrolled.trace.storage import encode_array
from unrolled.trace.trace import FinalState
from unrolled.view.page.computes import why_not_computed
from unrolled.view.page.sampling import (
    BYTES,
    HEAD_SHARE,
    INPUTS_SHARE,
    MOST_NAMES,
    SMALL,
    WEIGHTS_SHARE,
    Samples,
    choose,
)

SCHEMA: Final = "unrolled-page/1"

Document: TypeAlias = dict[str, Any]
Purpose: TypeAlias = Literal["model", "forecaster", "tour"]


@final
@dataclass(frozen=True)
class Feedback:
    """How a forecaster feeds its forecasts back: for `steps` in all, that `output` with `constants` beside it."""

    steps: int
    output: int
    constants: tuple[float, ...]


@final
@dataclass(frozen=True, eq=False)
class PageHead:
    """A head as the page tells of it.

    Attributes:
        head: What it reads and does.
        feedback: Where each answer is the next step's input; else None.
        unscale: Location and scale, each (batch): what the user sees is answer · scale + location.
        labels: Names of the answer's numbers, in the order of its axes after the batch.
    """

    head: Head
    feedback: Feedback | None = None
    unscale: tuple[NamedArray, NamedArray] | None = None
    labels: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class PageNetwork:
    """One recurrent layer and everything that the page shows of it.

    Attributes:
        recorded: The layer and its trace.
        head: What follows it; None where that is nothing the page knows.
        analyses: To be laid over the drawings.
        samples: Which samples of the user's batch were recorded; None for all.
    """

    recorded: Recorded
    head: PageHead | None = None
    analyses: tuple[Analysis, ...] = ()
    samples: Samples | None = None


@final
@dataclass(frozen=True)
class PageFacts:
    """What the page says of the whole: its title, purpose, the versions, and the user's names of the axes."""

    title: str
    purpose: Purpose
    made_with: Mapping[str, str]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)


def page_document(networks: Sequence[PageNetwork], facts: PageFacts) -> Document:
    """Return the page document, in plain JSON types, as much of it as fits into the page.

    Args:
        networks: Each recurrent layer of the model, in the order in which they ran.
        facts: Of the whole.
    """
    share = BYTES // len(networks)
    written = [_Network(network, share).document() for network in networks]
    return {
        "schema": SCHEMA,
        "title": facts.title,
        "made_with": dict(facts.made_with),
        "purpose": facts.purpose,
        "names": {axis: _names(names, written[0]["shown"][axis]) for axis, names in facts.names.items()},
        "networks": written,
    }


@final
class _Network:
    """Writes one network, having decided what fits."""

    def __init__(self, network: PageNetwork, spare: float) -> None:
        self.layer, self.trace = network.recorded.layer, network.recorded.trace
        self.analyses = network.analyses
        inputs = self.trace.parts[0]["inputs"].values
        batch = inputs.shape[1]
        weights = 4 * sum(array.values.size for part in self.layer.weights for array in part.arrays.values())
        head, answer = _bytes_of_head(network.head, batch)
        self.head = network.head if head + answer <= HEAD_SHARE * spare else None
        self.has_weights = weights <= WEIGHTS_SHARE * spare
        self.has_inputs = inputs.nbytes / batch <= INPUTS_SHARE * spare
        whole: list[float] = [4 * inputs[:, 0].size] if self.has_inputs else []
        whole += [
            4 * a.values[0].size for part in self.trace.parts for a in _initial(part).values() if self.has_weights
        ]
        whole += [answer] if self.head else []
        left = spare - (weights if self.has_weights else 0) - (head if self.head else 0)
        self.shown = choose(self.trace, sum(whole), left)
        self.samples = network.samples or Samples(batch, np.arange(batch))
        self.wide = inputs.dtype == np.float64 and self._stays_small(weights)

    def document(self) -> Document:
        """The network as JSON."""
        shown, inputs = self.shown, self.trace.parts[0]["inputs"]
        steps, _, features = inputs.shape
        return {
            "name": self.layer.name,
            "source": self.layer.source,
            "sizes": {"batch": self.samples.size, "time": steps, "feature": features},
            "shown": {
                "batch": self.samples.indices[shown.batch].tolist(),
                "time": shown.time.tolist(),
                "feature": shown.feature.tolist(),
                "hidden": [units.tolist() for units in shown.hidden],
            },
            "trace": self._trace(),
            "weights": self._weights(),
            "inputs": self._of_shown_samples(_batch_first(inputs)) if self.has_inputs else None,
            "initial": [self._initial(part) for part in self.trace.parts] if self.has_weights else [],
            "computes": why_not_computed(self.layer, self.trace, self.has_weights, self.has_inputs),
            "head": self._head(self.head) if self.head else None,
            "analyses": [
                self._analysis(found, part) for found in self.analyses for part in found.parts if self._is_of_it(part)
            ],
        }

    def _stays_small(self, weights: int) -> bool:
        """Whether all arrays in float64 take few bytes; `weights` counts those of float32."""
        shown = sum(
            self.shown.keep(array, part.layer).values.size
            for part in self.trace.parts
            for array in part.arrays.values()
        )
        return 2 * (4 * shown + self.has_weights * weights) <= SMALL

    def _encode(self, array: NamedArray) -> Document:
        """Write an array: floats as float32, except where the trace is of float64 and small."""
        values = array.values
        if values.dtype.kind == "f":
            values = values.astype(np.float64 if self.wide else np.float32)
        return encode_array(replace(array, values=values))

    def _shown(self, array: NamedArray, layer: int | None) -> Document:
        return self._encode(self.shown.keep(array, layer))

    def _trace(self) -> Document:
        trace = self.trace
        last = trace.parts[-1].layer
        return {
            "schema": "unrolled-trace/1",
            "kind": trace.kind,
            "settings": dict(trace.settings),
            "batched": trace.batched,
            "lengths": encode_array(self.shown.keep(trace.lengths, None)),
            "parts": [
                _part(part, {name: self._shown(array, part.layer) for name, array in part.arrays.items()})
                for part in trace.parts
            ],
            # A layer after the last one would read this output.
            "output": self._shown(trace.output, last + 1) | {"places": trace.output_places()},
            "finals": {name: self._final(state) for name, state in trace.finals.items()},
        }

    def _final(self, state: FinalState) -> Document:
        arrays = state if isinstance(state, tuple) else (state,)
        places = [self.trace.state_place(k) for k in range(len(self.trace.parts))]
        return {
            "per_layer": isinstance(state, tuple),
            "arrays": [self._shown(array, layer) for layer, array in enumerate(arrays)],
            "places": [
                {"layer": p.layer, "direction": p.direction, "steps": p.steps[self.shown.batch].tolist()}
                for p in places
            ],
        }

    def _weights(self) -> list[Document]:
        if not self.has_weights:
            return []
        return [
            _part(part, {name: self._encode(array) for name, array in part.arrays.items()})
            for part in self.layer.weights
        ]

    def _of_shown_samples(self, array: NamedArray) -> Document:
        """An array whose first axis is the batch, otherwise whole."""
        return self._encode(replace(array, values=array.values[self.shown.batch]))

    def _initial(self, part: DirectionTrace) -> Document:
        return _part(part, {name: self._of_shown_samples(array) for name, array in _initial(part).items()})

    def _head(self, head: PageHead) -> Document:
        return {
            "reads": head.head.reads,
            "layers": [self._head_layer(layer) for layer in head.head.layers],
            "output": self._of_shown_samples(_batch_first(head.head.output)),
            "feedback": _feedback(head.feedback),
            "unscale": self._unscale(head.unscale),
            "labels": list(head.labels),
        }

    def _head_layer(self, layer: Any) -> Document:
        if layer.weight is None:
            return {"kind": layer.kind}
        bias = None if layer.bias is None else self._encode(layer.bias)
        return {"kind": layer.kind, "weight": self._encode(layer.weight), "bias": bias}

    def _unscale(self, unscale: tuple[NamedArray, NamedArray] | None) -> Document | None:
        """Written in float64: a level of a million with a spread of one keeps its digits."""
        if unscale is None:
            return None
        location, scale = (encode_array(self.shown.keep(array, None)) for array in unscale)
        return {"location": location, "scale": scale}

    def _is_of_it(self, part: PartValues) -> bool:
        return part.name in ("", self.layer.name)

    def _analysis(self, found: Analysis, part: PartValues) -> Document:
        return {
            "name": found.name,
            "layer": part.layer,
            "direction": part.direction,
            "of": part.of,
            "array": self._shown(part.values, part.layer),
            "facts": {name: fact if _is_plain(fact) else str(fact) for name, fact in found.facts.items()},
        }


def _is_plain(fact: object) -> bool:
    """Whether JSON has such a value: it has no NaN."""
    return isinstance(fact, str) or (isinstance(fact, int | float) and math.isfinite(fact))


def _names(names: Sequence[str], shown: Sequence[int]) -> list[str]:
    """All names; of very many those that are shown, the others empty."""
    if len(names) <= MOST_NAMES:
        return list(names)
    kept = set(shown)
    return [name if index in kept else "" for index, name in enumerate(names)]


def _bytes_of_head(head: PageHead | None, batch: int) -> tuple[float, float]:
    """Bytes in float32 of a head's weights, and of each sample's answer."""
    if head is None:
        return 0, 0
    weights = [array for layer in head.head.layers for array in (layer.weight, layer.bias) if array]
    return 4 * sum(array.values.size for array in weights), 4 * head.head.output.values.size / batch


def _part(part: Any, arrays: Mapping[str, Document]) -> Document:
    return {"layer": part.layer, "direction": part.direction, "arrays": dict(arrays)}


def _initial(part: DirectionTrace) -> dict[str, NamedArray]:
    return {name: array for name, array in part.arrays.items() if name.endswith("_0")}


def _batch_first(answer: NamedArray) -> NamedArray:
    """The answer with its batch in front; one of size 1 where there was none."""
    if "batch" not in answer.axes:
        return NamedArray(answer.values[None], ("batch", *answer.axes))
    place = answer.axes.index("batch")
    axes = ("batch", *(axis for axis in answer.axes if axis != "batch"))
    return NamedArray(np.moveaxis(answer.values, place, 0), axes)


def _feedback(feedback: Feedback | None) -> Document | None:
    if feedback is None:
        return None
    return {"steps": feedback.steps, "output": feedback.output, "constants": list(feedback.constants)}
