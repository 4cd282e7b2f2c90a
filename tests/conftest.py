from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="where tests/layers/test_device.py runs, such as cuda")
    parser.addoption("--overwrite", action="store_true", help="store what the golden files are compared with anew")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_native: skipped, with the reason, where there are no native kernels")
    if config.getoption("--device") == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise pytest.UsageError("--device cuda: this PyTorch sees no CUDA device.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_native") is not None:
        from unrolled.kernels.native_library import absence

        if reason := absence():
            pytest.skip(reason)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """The tests' networks are too small for two threads, which on a busy machine wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def overwrite(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be stored anew."""
    return bool(request.config.getoption("--overwrite"))


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the tests' own checks of types and shapes: wrong ones are to reach ours, and a compiler's are symbols."""
    from jaxtyping import config

    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
