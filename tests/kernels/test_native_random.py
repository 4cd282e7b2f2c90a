"""Random sizes, lengths and options of the native kernel against the reference."""

import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from problems import KINDS, Sizes, assert_close, cells, problem, solve
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.native_library import library
from unrolled.kernels.reference import ReferenceKernel

EXAMPLES = int(os.environ.get("UNROLLED_EXAMPLES", "150"))  # fewer under .ci/sanitizers

pytestmark = [pytest.mark.needs_native, pytest.mark.usefixtures("poisoned")]


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(KINDS),
    sizes=st.builds(Sizes, st.integers(1, 12), st.integers(1, 40), st.integers(1, 40), st.integers(1, 70)),
    bias=st.booleans(),
    options=st.fixed_dictionaries({"reverse": st.booleans(), "recompute": st.booleans()}),
    ragged=st.booleans(),
    n_threads=st.integers(1, 3),
    data=st.data(),
)
def test_random_sizes_and_lengths(instruction_sets, threads, kind, sizes, bias, options, ragged, n_threads, data):
    torch.manual_seed(0)
    one_length = st.integers(0, sizes.steps)
    lengths = data.draw(st.lists(one_length, min_size=sizes.batch, max_size=sizes.batch)) if ragged else None
    library().set_isa(data.draw(st.sampled_from(library().supported())))
    threads(n_threads)
    drawn = problem(cells(sizes.hidden, bias)[kind], sizes, lengths)
    expected = solve(ReferenceKernel(), drawn, reverse=options["reverse"])
    assert_close(solve(NativeKernel(), drawn, **options), expected, 1e-10)
