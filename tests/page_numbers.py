"""A page document read back by hand, for the tests: base64 to numbers, without the project's own reader."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

DTYPES = {"<f4": np.float32, "<f8": np.float64, "<i8": np.int64, "|b1": np.bool_}


def numbers(array: dict[str, Any]) -> np.ndarray:
    """The values of an array document."""
    return np.frombuffer(base64.b64decode(array["data"]), DTYPES[array["dtype"]]).reshape(array["shape"])


def bytes_of(document: Any) -> int:
    """Bytes of all array data inside a document, in base64."""
    if isinstance(document, dict):
        return len(document["data"]) if "data" in document else sum(map(bytes_of, document.values()))
    return sum(map(bytes_of, document)) if isinstance(document, list) else 0
