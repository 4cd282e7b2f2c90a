"""The native kernel where memory runs out: an error that Python can catch, and the process goes on."""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.needs_native,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a limit of its memory"),
]

# Sequences of one step with 100 000 features, windows of one array: what the threads ask for is large, all else small.
# There are more blocks of sequences than threads.
PREPARE = """
import resource
import torch, unrolled
from unrolled.kernels.native_library import library

x = torch.randn(100_249).mul_(0.01).unfold(0, 100_000, 1)[None]
layer = unrolled.LSTM(100_000, 3, kernel="native")
reference = torch.nn.LSTM(100_000, 3)
reference.load_state_dict(layer.state_dict())

def run(layer, batch=250):
    with torch.no_grad():
        return layer(x[:, :batch])[0]

def loss(layer):
    return layer(x)[0].square().sum()

def train(layer):
    layer.zero_grad()
    loss(layer).backward()
    return [parameter.grad.clone() for parameter in layer.parameters()]

def in_use():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def out_of_memory(call, *arguments, room=48):
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use() + (room << 20), unlimited[1]))
    try:
        call(*arguments)
    except MemoryError:
        return True
    finally:
        resource.setrlimit(resource.RLIMIT_AS, unlimited)
    return False

torch.set_num_threads(2)
torch.ones(1_000_000).exp()  # the pool's threads, which OpenMP must be able to make
"""

NO_THREAD_HAS_ENOUGH = """
run(layer, 5)
assert out_of_memory(run, layer)
"""

ONLY_THE_CALLING_THREAD_HAS = """
torch.set_num_threads(1)
run(layer)
torch.set_num_threads(2)
assert out_of_memory(run, layer)
"""

ONLY_THE_CALLING_THREAD_HAS_GOING_BACK = """
torch.set_num_threads(1)
train(layer)
y = loss(layer)
torch.set_num_threads(2)
assert out_of_memory(y.backward)
"""

GO_ON = """
for found, expected in zip([run(layer), *train(layer)], [run(reference), *train(reference)], strict=True):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * expected.abs().max().item())
print("went on")
"""

KEPT = """
lent = [library().lend_float32(50 << 18) for _ in range(4)]
del lent
assert not out_of_memory(library().lend_float32, 120 << 18, room=1)
assert out_of_memory(library().lend_float32, 300 << 18, room=1)
print("went on")
"""


# glibc would otherwise serve a thread from what it has reserved for it, 64 MiB, or from what was freed.
NOTHING_IN_RESERVE = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "1048576"}


def python(program):
    """Run a program in a process of its own."""
    environment = os.environ | NOTHING_IN_RESERVE
    command = [sys.executable, "-c", PREPARE + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)


@pytest.mark.parametrize(
    "call",
    [NO_THREAD_HAS_ENOUGH, ONLY_THE_CALLING_THREAD_HAS, ONLY_THE_CALLING_THREAD_HAS_GOING_BACK],
    ids=["no thread has enough", "only the calling thread has", "only the calling thread has, going back"],
)
def test_memory_that_runs_out_is_an_error_and_the_next_call_is_right(call):
    done = python(call + GO_ON)
    assert done.stdout == "went on\n", done.stderr


def test_memory_that_came_back_is_freed_before_a_call_fails():
    done = python(KEPT)
    assert done.stdout == "went on\n", done.stderr
