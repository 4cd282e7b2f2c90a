"""The examples in the docstrings run as they stand."""

import doctest
import importlib

import pytest

MODULES = [
    *(f"unrolled.layers.{name}" for name in ("lstm", "gru", "rnn", "swap", "info")),
    "unrolled.trace.named_array",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
