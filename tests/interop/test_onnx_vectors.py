"""ONNX's own published vectors for its recurrent nodes, through `from_onnx`."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest
import torch

from interop.peers import peer
from unrolled import convert

onnx = peer("onnx")
peer("onnx.backend.test.case.node")
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]


def _cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("lstm", "gru", "rnn"):
            importlib.import_module(f"onnx.backend.test.case.node.{kind}")
        # Asked for one kind, it gives every case whose module has been imported.
        cases = importlib.import_module("onnx.backend.test.case.node").collect_testcases("LSTM")
    return {case.name: case for case in cases}


CASES = _cases()


def test_all_of_them_are_here():
    kinds = [case.model.graph.node[0].op_type for case in CASES.values()]
    assert all(kinds.count(kind) >= 4 for kind in ("LSTM", "GRU", "RNN"))


@pytest.mark.parametrize("name", CASES)
def test_published_vectors(name):
    case = CASES[name]
    graph = case.model.graph
    (node,) = graph.node
    for inputs, outputs in case.data_sets:
        values = dict(zip((value.name for value in graph.input), inputs, strict=True))
        ours = convert.from_onnx(case.model, inputs=values)
        with torch.no_grad():
            found = dict(zip(node.output, ours(torch.from_numpy(values[node.input[0]])), strict=False))
        expected = dict(zip((value.name for value in graph.output), outputs, strict=True))
        for output, value in expected.items():
            assert found[output].shape == value.shape
            np.testing.assert_allclose(found[output], value, rtol=1e-5, atol=1e-6)
