"""A cell's options on the command line, typed as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from unrolled.cli_settings import FILE, _config
from unrolled.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "cell"),
    [
        ("GRU", "GRU"),
        ('{"type": "LSTM", "peephole": true}', {"type": "LSTM", "peephole": True}),
        ('["GRU", "LSTM"]', ("GRU", "LSTM")),
    ],
)
def test_a_cell_is_a_name_or_json(typed: str, cell: Any) -> None:
    assert _config({"h": 3, "cell": typed, FILE: None}).cell == cell


def test_what_is_no_json_is_said() -> None:
    with pytest.raises(ConfigError, match=r"--cell is a name, or JSON such as .* is neither"):
        _config({"h": 3, "cell": "{'type': 'LSTM'}", FILE: None})
