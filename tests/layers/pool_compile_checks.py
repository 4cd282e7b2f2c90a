"""Pooling under torch.compile, whole, lengths unread. test_pool.py runs this file where nothing wraps functions."""

import pytest
import torch

from unrolled.layers.pool_modules import Pool

T, N, Y = 7, 5, 6


@pytest.fixture(autouse=True)
def _forgotten():
    """Compiled anew in each test, and nothing of it kept for another."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("how", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_compiled_whole_for_any_lengths_and_sizes(how, batch_first):
    head = Pool(how, Y, batch_first=batch_first, bidirectional=True, dtype=torch.float64)
    compiled = torch.compile(head, fullgraph=True, backend="aot_eager", dynamic=True)
    for steps, lengths in ((T, [3, 7, 0, 1, 7]), (T, [1, 0, 2, 3, 7]), (T + 4, [11, 2, 1])):
        x = torch.randn(steps, len(lengths), Y, dtype=torch.float64)
        x = x.transpose(0, 1) if batch_first else x
        for given in (torch.tensor(lengths), None):
            torch.testing.assert_close(compiled(x, given), head(x, given), rtol=1e-12, atol=1e-12)
    long = torch.full((3,), T + 9)
    torch.testing.assert_close(compiled(x, long), head(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", ["last", "mean", "max", "attention"])
def test_exported_with_lengths_as_an_input(how):
    head = Pool(how, Y, dtype=torch.float64)
    x, lengths = torch.randn(T, N, Y, dtype=torch.float64), torch.tensor([3, 7, 0, 1, 7])
    sizes = ({0: torch.export.Dim("time"), 1: torch.export.Dim("batch")}, {0: torch.export.Dim("batch")})
    exported = torch.export.export(head, (x, lengths), dynamic_shapes=sizes).module()
    other = torch.randn(T + 4, 3, Y, dtype=torch.float64)
    for given in ((x, lengths), (other, torch.tensor([11, 0, 2]))):
        torch.testing.assert_close(exported(*given), head(*given), rtol=1e-12, atol=1e-12)
