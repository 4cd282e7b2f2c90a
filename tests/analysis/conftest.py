from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded_and_exact() -> Iterator[None]:
    """The same numbers each time, in float64 unless a test says otherwise."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
