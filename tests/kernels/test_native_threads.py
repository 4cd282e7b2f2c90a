"""The native kernel and threads: Python's own, its own, those that a fork takes away; and UNROLLED_ISA."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from problems import KINDS, Sizes, assert_close, cells, lengths_of, problem, results, solve
from unrolled.kernels import native_calls
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.native_library import ISA_VARIABLE, library

pytestmark = pytest.mark.needs_native

NATIVE = NativeKernel()


def test_python_threads_get_the_numbers_of_one_alone():
    sizes = [Sizes(5, 40, 3, 17), Sizes(9, 3, 20, 65), Sizes(2, 120, 1, 8), Sizes(30, 2, 9, 33)]
    problems = [problem(cells(size.hidden)[kind], size) for kind in ("LSTM", "GRU") for size in sizes]
    expected = [solve(NATIVE, given) for given in problems]
    wrong = []

    def work(shift):
        for k in range(len(problems)):
            at = (k + shift) % len(problems)
            for name, value in solve(NATIVE, problems[at]).items():
                if not torch.equal(value, expected[at][name]):
                    wrong.append((at, name))

    workers = [threading.Thread(target=work, args=(shift,)) for shift in range(len(problems))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.fixture
def long_call(monkeypatch):
    """A forward pass of a good while, called without PyTorch, which releases the interpreter's lock here and there."""
    given = problem(cells(256)["LSTM"], Sizes(100, 64, 64, 256), dtype=torch.float32)
    calls = []

    class Spy:
        def forward(self, *arguments):
            calls.append(arguments)

        def __getattr__(self, name):
            return getattr(library(), name)

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(native_calls, "library", Spy)
        made = results(NATIVE, given)
    yield lambda: library().forward(*calls[0])
    assert made["output"].isfinite().all()  # and all that it writes into has been kept until now


def test_other_python_threads_run_during_a_call(long_call):
    """One that held the interpreter's lock would go first: only whoever gives it up lets another thread run."""
    order = []
    go = threading.Event()

    def other():
        go.wait()
        order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody is made to give it up
    try:
        go.set()
        for _ in range(10):
            long_call()
        order.append("this")
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert order == ["other", "this"]


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [Sizes(6, 7, 5, 20), Sizes(3, 200, 17, 65), Sizes(9, 2, 3, 130)], ids=str)
@pytest.mark.parametrize("ragged", [False, True])
def test_the_number_of_threads_changes_nothing_but_the_last_bits(kind, sizes, ragged, threads):
    """Fewer than five sequences in step add up in another order, and so do the sums over the threads' sequences."""
    lengths = lengths_of(sizes.steps, sizes.batch) if ragged else None
    given = problem(cells(sizes.hidden)[kind], sizes, lengths)
    threads(1)
    expected = solve(NATIVE, given)
    for n_threads in (2, 3, 8):
        threads(n_threads)
        found = solve(NATIVE, given)
        assert_close(found, expected, 1e-12, f"with {n_threads} threads")
        if sizes.batch // n_threads >= 5 and not ragged:
            for name in ("output", "h_n", "c_n"):
                if name in expected:
                    assert torch.equal(found[name], expected[name]), f"{name} with {n_threads} threads"


def python(program, **environment):
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
        check=False,
    )


FORK = """
import os, torch, unrolled
torch.set_num_threads(2)
layer = unrolled.LSTM(3, 20, kernel="native")
x = torch.randn(5, 64, 3)
output, _ = layer(x)
output.sum().backward()
child = os.fork()
if child == 0:
    again, _ = layer(x)
    again.sum().backward()
    os._exit(0 if torch.equal(output, again) else 1)
_, status = os.waitpid(child, 0)
again, _ = layer(x)
assert torch.equal(output, again)
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_runs_on():
    done = python(FORK)
    assert done.stdout.strip() == "0", done.stderr


TELL = """
from unrolled.kernels.native_library import library
print(library().isa())
"""


def test_the_environment_chooses_the_instruction_set():
    name = library().supported()[-1]  # the one that it wouldn't choose itself, where there are several
    done = python(TELL, **{ISA_VARIABLE: name})
    assert done.stdout.strip() == name, done.stderr


def test_an_instruction_set_that_there_is_not_is_an_error_that_names_the_others():
    done = python(TELL, **{ISA_VARIABLE: "avx9000"})
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    supported = ", ".join(library().supported())
    assert last.startswith("unrolled.errors.ConfigError")
    assert last.endswith(f"UNROLLED_ISA must be one of {supported} on this processor; got 'avx9000'.")


def test_choosing_an_unknown_instruction_set_changes_nothing():
    before = library().isa()
    assert not library().set_isa("avx9000")
    assert library().isa() == before
