from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

import unrolled.layers as ours

torch.set_num_threads(1)

Pair = tuple[nn.Module, nn.Module]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def flat(value: Any) -> list[Tensor]:
    """Every tensor of nested tuples; of a PackedSequence, its data."""
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, Tensor):
        return [value]
    return [] if value is None else [tensor for item in value for tensor in flat(item)]


@pytest.fixture
def pair() -> Callable[..., Pair]:
    """Make torch.nn's layer and ours with the same numbers."""

    def make(kind: str, *args: Any, kernel: str = "auto", **kwargs: Any) -> Pair:
        kwargs = {"dtype": torch.float64} | kwargs
        theirs = getattr(nn, kind)(*args, **kwargs)
        mine = getattr(ours, kind)(*args, **kwargs, kernel=kernel)
        mine.load_state_dict(theirs.state_dict(), strict=True)
        return theirs, mine

    return make


@pytest.fixture
def assert_same() -> Callable[..., None]:
    """Compare two calls: results, and the gradient of every leaf and parameter."""

    def check(
        theirs: nn.Module, their_out: Any, mine: nn.Module, my_out: Any, leaves: Any = (), tol: float = 1e-12
    ) -> None:
        expected, found = flat(their_out), flat(my_out)
        assert [t.shape for t in expected] == [t.shape for t in found]
        for e, f in zip(expected, found, strict=True):
            torch.testing.assert_close(f, e, rtol=tol, atol=tol)
        wanted = [torch.randn_like(t) for t in expected]
        for results, model, of in ((expected, theirs, "torch"), (found, mine, "ours")):
            inputs = [*flat(leaves), *model.parameters()]
            got = torch.autograd.grad(
                results, inputs, wanted, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            if of == "torch":
                their_grads = got
        for e, f in zip(their_grads, got, strict=True):
            torch.testing.assert_close(f, e, rtol=tol * 10, atol=tol * 10)

    return check


@pytest.fixture
def states() -> Callable[..., Any]:
    """Random initial states for a torch.nn layer, as leaves."""

    def make(layer: Any, batch: int | None) -> Any:
        rows = layer.num_layers * (2 if layer.bidirectional else 1)
        n = () if batch is None else (batch,)

        def draw(width: int) -> Tensor:
            return torch.randn(rows, *n, width, dtype=layer.weight_ih_l0.dtype, requires_grad=True)

        if layer.mode != "LSTM":
            return draw(layer.hidden_size)
        return draw(layer.proj_size or layer.hidden_size), draw(layer.hidden_size)

    return make
