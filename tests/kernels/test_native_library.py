from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pytest

from unrolled.kernels import native_library
from unrolled.kernels.native_library import absence, load

NATIVE = "unrolled.kernels._native"
ABSENT = "unrolled.kernels._native_absent"


@pytest.fixture
def fresh() -> Iterator[None]:
    native_library._attempt.cache_clear()
    yield
    native_library._attempt.cache_clear()


def test_it_is_loaded_or_there_is_a_reason() -> None:
    assert (load() is None) == (absence() != "")


@pytest.mark.usefixtures("fresh")
def test_what_was_compiled_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = ModuleType(NATIVE)
    monkeypatch.delenv(native_library.ISA_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, NATIVE, compiled)
    assert load() is compiled
    assert absence() == ""


@pytest.mark.usefixtures("fresh")
def test_the_reason_kept_by_the_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ModuleType(ABSENT)
    kept.REASON = "no working C++ compiler was found"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, NATIVE, None)  # as if there were no such module
    monkeypatch.setitem(sys.modules, ABSENT, kept)
    assert load() is None
    assert absence() == "unrolled was installed without its native kernels: no working C++ compiler was found"


@pytest.mark.usefixtures("fresh")
def test_source_that_was_never_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NATIVE, None)
    monkeypatch.setitem(sys.modules, ABSENT, None)
    assert load() is None
    assert "pip install" in absence()


@pytest.mark.usefixtures("fresh")
def test_a_module_that_cannot_be_loaded_is_a_reason_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, NATIVE, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    assert load() is None
    assert absence() == "unrolled's native kernels were compiled but cannot be loaded: version `GLIBC_2.99' not found"


class Unloadable(MetaPathFinder):
    """Fails on the compiled module as the dynamic linker does."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == NATIVE:
            raise ImportError("version `GLIBC_2.99' not found")
