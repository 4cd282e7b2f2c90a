"""Layers under torch.compile(fullgraph=True) and torch.export: one program, whatever the lengths."""

import subprocess
import sys
from pathlib import Path

import torch

import unrolled.layers as ours


def test_the_compile_checks_pass():
    """In a process of its own: torch.compile can't see through the tests' checks of types and shapes."""
    checks = Path(__file__).with_name("compile_ragged_checks.py")
    plain = "addopts=--import-mode=importlib --strict-markers"
    command = [sys.executable, "-m", "pytest", "-q", "-o", plain, str(checks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_lengths_without_values_need_no_look():
    layer = ours.GRU(2, 3, device="meta")
    output, h_n = layer(torch.empty(5, 4, 2, device="meta"), lengths=torch.empty(4, dtype=torch.int64, device="meta"))
    assert (output.shape, h_n.shape) == ((5, 4, 3), (1, 4, 3))
