"""The compiled module of native kernels, where this installation has it, and the reason where it has not.

It is compiled when unrolled is installed. An installation that could not compile it leaves the module
`unrolled.kernels._native_absent` in its place, whose REASON says why: see CMakeLists.txt.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final

import torch  # first: both then share the OpenMP runtime that PyTorch loads, and so one pool of threads

from unrolled.errors import ConfigError

_MODULE: Final = "unrolled.kernels._native"
_ABSENCE: Final = "unrolled.kernels._native_absent"

ISA_VARIABLE: Final = "UNROLLED_ISA"
"""The environment variable that forces an instruction set, such as avx2."""


def load() -> ModuleType | None:
    """Return the compiled module, or None where `absence` has a reason."""
    return _attempt()[0]


def absence() -> str:
    """Return why the compiled module cannot be used; "" when it can."""
    return _attempt()[1]


# Otherwise torch.compile would look into the import itself.
torch.compiler.assume_constant_result(absence)  # type: ignore[no-untyped-call]


def library() -> ModuleType:
    """Return the compiled module, which the caller knows to be there."""
    module = load()
    assert module is not None, absence()
    return module


def native_state() -> str:
    """Return the instruction set that the kernels use, or why there are none."""
    return absence() or str(library().isa())


@cache
def _attempt() -> tuple[ModuleType | None, str]:
    try:
        return _choose_isa(import_module(_MODULE)), ""
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == _MODULE:
            return None, f"unrolled was installed without its native kernels: {_recorded_reason()}"
        return None, f"unrolled's native kernels were compiled but cannot be loaded: {error}"


def _choose_isa(module: ModuleType) -> ModuleType:
    """Obey the environment's UNROLLED_ISA; without it, the module has chosen the fastest instruction set."""
    asked = os.environ.get(ISA_VARIABLE)
    if asked and not module.set_isa(asked):
        raise ConfigError(
            f"{ISA_VARIABLE} must be one of {', '.join(module.supported())} on this processor; got {asked!r}."
        )
    return module


def _recorded_reason() -> str:
    try:
        return str(import_module(_ABSENCE).REASON)
    except ModuleNotFoundError:
        return "they are compiled by pip install, which has not been run on this source"
