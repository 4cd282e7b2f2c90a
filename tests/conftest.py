from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """The tests' networks are too small for two threads, which on a busy machine wait for each other."""
    import torch

    torch.set_num_threads(1)
