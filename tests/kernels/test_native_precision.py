"""float32: the native kernel's rounding errors beside those of torch.nn's own routines."""

import pytest
import torch

from problems import KINDS, NORMALISED, Sizes, cells, lengths_of, problem, solve
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.reference import ReferenceKernel
from unrolled.kernels.torch_kernel import TorchKernel

pytestmark = [pytest.mark.needs_native, pytest.mark.usefixtures("poisoned")]

SIZES = [
    Sizes(1, 60, 1, 3),
    Sizes(5, 17, 3, 17),
    Sizes(50, 4, 1, 50),
    Sizes(24, 33, 65, 64),
    Sizes(100, 2, 7, 130),
    Sizes(6, 130, 17, 96),
]
EPSILON = torch.finfo(torch.float32).eps
SLACK = {kind: 4 * EPSILON if kind in NORMALISED else EPSILON for kind in KINDS}
"""Where a row's values nearly agree, normalising magnifies their last bits, and few derivatives may be lucky."""


def relative_errors(found, exact):
    assert list(found) == list(exact)
    return {
        name: ((found[name].double() - value).norm() / value.norm().clamp_min(1e-300)).item()
        for name, value in exact.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("ragged", "reverse"), [(False, False), (True, True)])
def test_errors_are_at_most_four_times_those_of_torch(kind, sizes, ragged, reverse, instruction_sets):
    lengths = [max(1, length) for length in lengths_of(sizes.steps, sizes.batch)] if ragged else None
    given = problem(cells(sizes.hidden)[kind], sizes, lengths, torch.float32)
    exact = solve(ReferenceKernel(), given.to(torch.float64), reverse=reverse)
    # What torch.nn has no routine for is held to PyTorch's operators in the equations' order.
    peer = ReferenceKernel() if given.cell.options else TorchKernel()
    allowed = relative_errors(solve(peer, given, reverse=reverse), exact)
    for isa in instruction_sets:
        for recompute in (False, True):
            found = solve(NativeKernel(), given, reverse=reverse, recompute=recompute)
            for name, error in relative_errors(found, exact).items():
                assert error <= 4 * allowed[name] + SLACK[kind], f"{name}: {error} beside {allowed[name]} with {isa}"
