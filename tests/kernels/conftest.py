from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have NaN wherever a native kernel has not written yet: in its workspaces, and in what it writes into."""
    from unrolled.kernels import native_calls
    from unrolled.kernels.native_library import library

    def with_nan(allocate: Callable[..., Any]) -> Callable[..., Any]:
        def allocate_nan(*args: Any) -> Any:
            made = allocate(*args)
            for tensor in made:
                if type(tensor) is torch.Tensor:
                    tensor.fill_(float("nan"))
            return made

        return allocate_nan

    for name in ("allocate", "allocate_derivatives"):
        monkeypatch.setattr(native_calls, name, with_nan(getattr(native_calls, name)))
    library().poison(True)
    yield
    library().poison(False)


@pytest.fixture
def instruction_sets() -> Iterator[Iterator[str]]:
    """Choose one instruction set after the other, of those that this processor has; afterwards the first choice."""
    from unrolled.kernels.native_library import library

    native = library()
    before = native.isa()

    def each() -> Iterator[str]:
        for name in native.supported():
            assert native.set_isa(name)
            assert native.isa() == name
            yield name

    yield each()
    native.set_isa(before)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Set the number of threads; afterwards the one of before."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
