"""The other libraries, imported without their warnings; a test that needs an absent one is skipped."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def peer(name: str) -> Any:
    """Import a library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip(name, exc_type=ImportError)
        if name == "jax":
            module.config.update("jax_enable_x64", True)
    return module
