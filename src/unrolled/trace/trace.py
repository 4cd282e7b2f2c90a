"""Trace: what happened inside a layer during one call.

Shapes: T = time, N = batch, F = features, H = hidden units. Inside a part every array is (T, N, ·) and
time runs forward, for the reverse direction too; at padded steps everything is 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, final

import numpy as np

from unrolled.trace.named_array import Array, NamedArray
from unrolled.trace.storage import SCHEMA, Node, encode_array, open_document

DIRECTIONS: Final = ("forward", "reverse")

FinalState: TypeAlias = NamedArray | tuple[NamedArray, ...]
"""`h_n` or `c_n`; a tuple, one array a layer, when layers have widths of their own."""


class StatePlace(NamedTuple):
    """Where a row of `h_n` or `c_n` was taken: after step `steps[n]` of sample n, −1 being before any."""

    layer: int
    direction: str
    steps: Array


class OutputPlace(NamedTuple):
    """Where a feature of `output` comes from."""

    layer: int
    direction: str
    unit: int


@final
@dataclass(frozen=True, eq=False)
class DirectionTrace:
    """One direction of one layer: "inputs", each gate ("i_pre", "i", …), each state ("h", "c", "h_0", …)."""

    layer: int
    direction: str
    arrays: Mapping[str, NamedArray]

    def __getitem__(self, name: str) -> NamedArray:
        """The array of that name."""
        return self.arrays[name]

    def __repr__(self) -> str:
        lines = [f"  {name:8} {array!r}" for name, array in self.arrays.items()]
        return "\n".join([f"layer {self.layer}, {self.direction}:", *lines])


@final
@dataclass(frozen=True, eq=False)
class Trace:
    """Everything that happened in one call of a recurrent layer.

    Attributes:
        kind: "LSTM", "GRU" or "RNN".
        settings: The layer's arguments by name.
        batched: False when the input was one sequence without a batch axis; inside, N is then 1.
        lengths: Valid steps of each sample.
        parts: One `DirectionTrace` for each direction of each layer; `trace[layer, direction]` finds one.
        output: As the user sees it, `batch_first` respected.
        finals: "h_n" and, where there is one, "c_n", as the user sees them.
    """

    kind: str
    settings: Mapping[str, Any]
    batched: bool
    lengths: NamedArray
    parts: tuple[DirectionTrace, ...]
    output: NamedArray
    finals: Mapping[str, FinalState]

    def __getitem__(self, place: tuple[int, str]) -> DirectionTrace:
        """`trace[layer, "forward" | "reverse"]`."""
        for part in self.parts:
            if (part.layer, part.direction) == place:
                return part
        places = ", ".join(str((part.layer, part.direction)) for part in self.parts)
        raise KeyError(f"{place!r} is no place in this trace; it has {places}.")

    @property
    def directions(self) -> tuple[str, ...]:
        """("forward",) or ("forward", "reverse")."""
        return DIRECTIONS[: 2 if self.settings["bidirectional"] else 1]

    @property
    def h_n(self) -> FinalState:
        """The final hidden states."""
        return self.finals["h_n"]

    @property
    def c_n(self) -> FinalState:
        """The final cell states; `KeyError` for cells that have none."""
        return self.finals["c_n"]

    @property
    def valid(self) -> NamedArray:
        """(T, N), True at steps that are not padding."""
        steps = self.parts[0]["inputs"].sizes["time"]
        return NamedArray(np.arange(steps)[:, None] < self.lengths.values, ("time", "batch"))

    def state_place(self, layer_direction: int) -> StatePlace:
        """Where `h_n[k]` and `c_n[k]` were taken; with a width per layer k counts L·D rows all the same."""
        part = self.parts[layer_direction]
        lengths = self.lengths.values
        first = np.where(lengths > 0, 0, -1)
        steps = first if part.direction == "reverse" else lengths - 1
        return StatePlace(part.layer, part.direction, steps)

    def output_place(self, feature: int) -> OutputPlace:
        """Where `output[..., feature]` comes from."""
        last = self.parts[-len(self.directions) :]
        width = last[0]["h"].shape[-1]
        index = range(width * len(last))[feature]
        part = last[index // width]
        return OutputPlace(part.layer, part.direction, index % width)

    def to_json(self) -> str:
        """Write as "unrolled-trace/1"; docs/formats.md describes it."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "kind": self.kind,
                "settings": dict(self.settings),
                "batched": self.batched,
                "lengths": encode_array(self.lengths),
                "parts": [_encode_part(part) for part in self.parts],
                "output": encode_array(self.output) | {"places": self.output_places()},
                "finals": {name: self._encode_final(state) for name, state in self.finals.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "The text") -> Trace:
        """Read what `to_json` wrote.

        Raises:
            ArtifactError: The text is no trace, damaged, or from a newer version; the message says which and
                why, naming `source`.
        """
        root = open_document(text, source)
        settings = {name: _tuples(node.value) for name, node in root["settings"].items()}
        return cls(
            kind=root["kind"].as_a(str),
            settings=settings,
            batched=root["batched"].as_a(bool),
            lengths=root["lengths"].as_array(),
            parts=tuple(_decode_part(node) for node in root["parts"]),
            output=root["output"].as_array(),
            finals={name: _decode_final(node) for name, node in root["finals"].items()},
        )

    def save(self, path: str | Path) -> None:
        """Write `to_json()` to a file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a file that `save` wrote; errors as those of `from_json`."""
        return cls.from_json(Path(path).read_bytes(), source=str(path))

    def __repr__(self) -> str:
        lines = [f"Trace of {self.kind}, lengths {_brief(self.lengths.values.tolist())}"]
        lines += [repr(part) for part in self.parts]
        lines += [f"output     {self.output!r}"]
        lines += [f"{name:10} {state!r}" for name, state in self.finals.items()]
        return "\n".join(lines)

    def output_places(self) -> list[dict[str, Any]]:
        """Where the features of `output` come from, in plain JSON types: a direction fills `count` from `first` on."""
        width = self.parts[-1]["h"].shape[-1]
        return [
            {"layer": part.layer, "direction": part.direction, "first": d * width, "count": width}
            for d, part in enumerate(self.parts[-len(self.directions) :])
        ]

    def _encode_final(self, state: FinalState) -> dict[str, Any]:
        places = [self.state_place(k) for k in range(len(self.parts))]
        return {
            "per_layer": isinstance(state, tuple),
            "arrays": [encode_array(a) for a in (state if isinstance(state, tuple) else (state,))],
            "places": [{"layer": p.layer, "direction": p.direction, "steps": p.steps.tolist()} for p in places],
        }


def _encode_part(part: DirectionTrace) -> dict[str, Any]:
    arrays = {name: encode_array(array) for name, array in part.arrays.items()}
    return {"layer": part.layer, "direction": part.direction, "arrays": arrays}


def _decode_part(node: Node) -> DirectionTrace:
    direction = node["direction"].as_a(str)
    if direction not in DIRECTIONS:
        raise node.fail(f"the direction {direction!r} is neither of {', '.join(DIRECTIONS)}")
    arrays = {name: array.as_array() for name, array in node["arrays"].items()}
    return DirectionTrace(node["layer"].as_a(int), direction, arrays)


def _decode_final(node: Node) -> FinalState:
    arrays = tuple(array.as_array() for array in node["arrays"])
    if node["per_layer"].as_a(bool):
        return arrays
    if len(arrays) != 1:
        raise node.fail(f"expected one array, found {len(arrays)}")
    return arrays[0]


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _brief(values: list[int]) -> str:
    return str(values) if len(values) <= 8 else f"{values[:3]} … {values[-1:]} ({len(values)} samples)"
