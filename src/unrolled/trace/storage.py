"""The parts of the trace format: a checked JSON document and arrays in base64. See docs/formats.md."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final

import numpy as np

from unrolled.errors import ArtifactError
from unrolled.trace.named_array import Array, NamedArray

FORMAT: Final = "unrolled-trace"
VERSION: Final = 1
SCHEMA: Final = f"{FORMAT}/{VERSION}"

_DTYPES: Final = ("<f2", "<f4", "<f8", "<i8", "|b1")
T = TypeVar("T")


def encode_array(array: NamedArray) -> dict[str, Any]:
    """Describe an array as JSON: axis names, dtype, shape, and its bytes little-endian in base64."""
    little = np.ascontiguousarray(array.values, dtype=array.values.dtype.newbyteorder("<"))
    return {
        "axes": list(array.axes),
        "dtype": little.dtype.str,
        "shape": list(array.shape),
        "data": base64.b64encode(little.tobytes()).decode("ascii"),
    }


@final
@dataclass(frozen=True)
class Node:
    """A place in a document; every read names the place and the source when it fails."""

    value: Any
    source: str
    path: str = ""

    def fail(self, why: str) -> ArtifactError:
        """The error for this place."""
        place = f" at {self.path}" if self.path else ""
        return ArtifactError(f"{self.source} is a damaged {FORMAT} document:{place} {why}.")

    def __getitem__(self, key: str) -> Node:
        """The entry of that name."""
        entries = self.as_a(dict)
        if key not in entries:
            raise self.fail(f"the entry {key!r} is missing")
        return Node(entries[key], self.source, f"{self.path}.{key}".lstrip("."))

    def __iter__(self) -> Iterator[Node]:
        """The items of a list."""
        for k, item in enumerate(self.as_a(list)):
            yield Node(item, self.source, f"{self.path}[{k}]")

    def items(self) -> Iterator[tuple[str, Node]]:
        """The entries by name."""
        for key in self.as_a(dict):
            yield key, self[key]

    def as_a(self, kind: type[T]) -> T:
        """The value, which must be of that type."""
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            raise self.fail(f"expected a {kind.__name__}, found {type(self.value).__name__}")
        return self.value

    def as_array(self) -> NamedArray:
        """The array that `encode_array` wrote."""
        shape = tuple(node.as_a(int) for node in self["shape"])
        axes = tuple(node.as_a(str) for node in self["axes"])
        dtype = self["dtype"].as_a(str)
        if dtype not in _DTYPES:
            raise self.fail(f"dtype {dtype!r} is none of {', '.join(_DTYPES)}")
        if len(axes) != len(shape) or min(shape, default=0) < 0:
            raise self.fail(f"axes {axes} and shape {shape} do not belong together")
        return NamedArray(_decode(self, dtype, shape), axes)


def open_document(text: str | bytes, source: str) -> Node:
    """Parse a document and check what it claims to be."""
    try:
        root = Node(json.loads(text), source)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{source} is not a trace: it is not readable as JSON ({error}).") from error
    schema = root.value.get("schema") if isinstance(root.value, dict) else None
    name, _, version = schema.partition("/") if isinstance(schema, str) else ("", "", "")
    if name != FORMAT:
        raise ArtifactError(f'{source} is not a trace: its "schema" is {schema!r}, not "{SCHEMA}".')
    if not version.isdecimal() or int(version) < 1:
        raise root.fail(f"the schema's version {version!r} is not a number")
    if int(version) > VERSION:
        raise ArtifactError(
            f"{source} is {schema}, written by a newer unrolled; this one reads {SCHEMA}. Upgrade unrolled."
        )
    return root


def _decode(node: Node, dtype: str, shape: tuple[int, ...]) -> Array:
    try:
        data = base64.b64decode(node["data"].as_a(str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise node.fail(f"the data is not base64 ({error})") from error
    wanted = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if len(data) != wanted:
        raise node.fail(f"shape {shape} of {dtype} needs {wanted} bytes, found {len(data)}")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()
