"""Ours against what other libraries computed, from the files that `tests/interop/make_golden.py` makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from unrolled import convert
from unrolled.convert.onnx_read import read_node

FOLDER = Path(__file__).parents[1] / "golden" / "convert"


def read(library):
    """Every case's arrays by name, and how ours is made."""
    with safe_open(FOLDER / f"{library}.safetensors", "np") as file:
        calls = {name: json.loads(call) for name, call in file.metadata().items()}
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    shared = {key: value for key, value in arrays.items() if "|" not in key}
    return {
        name: (call, shared | {key.split("|")[1]: v for key, v in arrays.items() if key.split("|")[0] == name})
        for name, call in calls.items()
    }


def weights_of(case):
    return {key.removeprefix("w/"): value for key, value in case.items() if key.startswith("w/")}


def tree_of(weights):
    tree = {}
    for path, value in weights.items():
        *parents, name = path.split("/")
        inner = tree
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return tree


def listed(weights):
    return [weights[str(k)] for k in range(len(weights))]


READERS = {
    "keras": (convert.from_keras, listed),
    "tf1": (convert.from_tf1, lambda weights: weights),
    "flax": (convert.from_flax, tree_of),
}
GOLDEN = {library: read(library) for library in (*READERS, "onnx")}


@pytest.mark.parametrize(("library", "name"), [(lib, name) for lib in READERS for name in sorted(GOLDEN[lib])])
def test_golden(library, name):
    call, case = GOLDEN[library][name]
    convert_from, arrange = READERS[library]
    ours = convert_from(arrange(weights_of(case)), **call)
    with torch.no_grad():
        output, final = ours(torch.from_numpy(case["x"]), lengths=case["lengths"].tolist())
    h_n = final[0] if isinstance(final, tuple) else final
    np.testing.assert_allclose(output, case["output"], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(h_n, case["h"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(GOLDEN["onnx"]))
def test_golden_onnx(name):
    call, case = GOLDEN["onnx"][name]
    node = read_node("golden", call["kind"], call["attributes"], weights_of(case))
    with torch.no_grad():
        found = node(torch.from_numpy(case["X"]))
    for mine, slot in zip(found, ("Y", "Y_h", "Y_c"), strict=False):
        # ONNX Runtime computes in float32, and its exponentials are its own.
        np.testing.assert_allclose(mine, case[slot], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("library", GOLDEN)
def test_the_files_are_small(library):
    assert (FOLDER / f"{library}.safetensors").stat().st_size < 20_000
