"""The native kernels under torch.compile and torch.export: one operator a layer and direction, and equal numbers."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.export import Dim

import unrolled.layers as ours
from unrolled.kernels.native_calls import BLOCKS

pytestmark = [pytest.mark.needs_native, pytest.mark.usefixtures("unchecked")]

KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]


def layer_of(kind, options):
    return getattr(ours, kind)(3, 5, 2, bidirectional=True, batch_first=True, kernel="native", **options)


def operators(graph):
    """The native forward operators in a graph, by name."""
    names = [f"unrolled.{name}.default" for name in BLOCKS]
    return [str(node.target) for node in graph.nodes if str(node.target) in names]


SIZES = {"fixed": None, "dynamic": ({0: Dim("batch"), 1: Dim("time")},)}


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=str)
@pytest.mark.parametrize("sizes", SIZES)
def test_an_exported_layer_has_one_operator_a_layer_and_direction_and_runs(kind, options, sizes):
    layer = layer_of(kind, options).eval()
    x = torch.randn(4, 6, 3)
    exported = torch.export.export(layer, (x,), dynamic_shapes=SIZES[sizes])
    name = kind.lower() if kind != "RNN" else f"rnn_{options.get('nonlinearity', 'tanh')}"
    assert operators(exported.graph) == [f"unrolled.{name}.default"] * 4
    for given in [x] if sizes == "fixed" else [x, torch.randn(7, 9, 3), torch.randn(1, 1, 3)]:
        found, expected = exported.module()(given), layer(given)
        assert torch.equal(found[0], expected[0])
        last = [each[1] if isinstance(each[1], tuple) else (each[1],) for each in (found, expected)]
        assert all(torch.equal(a, b) for a, b in zip(*last, strict=True))


def test_an_exported_layer_is_saved_and_loaded(tmp_path):
    layer = layer_of("GRU", {}).eval()
    x = torch.randn(4, 6, 3)
    torch.export.save(torch.export.export(layer, (x,)), tmp_path / "layer.pt2")
    loaded = torch.export.load(tmp_path / "layer.pt2")
    assert torch.equal(loaded.module()(x)[0], layer(x)[0])


def test_the_compile_checks_pass():
    """In a process of its own: torch.compile can't see through the tests' checks of types and shapes."""
    checks = Path(__file__).with_name("compile_checks.py")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-o",
        "addopts=--import-mode=importlib --strict-markers",
        str(checks),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
