"""Kernels on their own: derivatives of the reference, agreement, and the registry's reasons."""

import pytest
import torch

from unrolled.cells import Cell, GRUEquations, LSTMEquations, RNNEquations
from unrolled.errors import ConfigError, KernelError
from unrolled.kernels import KERNELS, Call, Ragged, choose, explain, kernel_names
from unrolled.kernels.kernel import Options
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.native_library import absence
from unrolled.kernels.reference import ReferenceKernel
from unrolled.kernels.torch_kernel import TorchKernel

CELLS = [
    LSTMEquations(3),
    LSTMEquations(3, proj_size=2),
    LSTMEquations(3, bias=False),
    GRUEquations(3),
    GRUEquations(3, bias=False),
    RNNEquations(3),
    RNNEquations(3, nonlinearity="relu"),
]
LENGTHS = [None, [4, 1, 3], [0, 4, 2]]


def problem(cell, features=2, steps=4, batch=3):
    def draw(*shape):
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    shapes = cell.parameter_shapes(features)
    names = cell.weights_type._fields
    return (
        draw(steps, batch, features),
        tuple(draw(batch, width) for width in cell.state_sizes),
        [draw(*shapes[name]) if name in shapes else None for name in names],
    )


def runner(kernel, cell, lengths, reverse, states):
    """The kernel as a plain function of its tensors."""
    ragged = None if lengths is None else Ragged.of(lengths, 4, torch.device("cpu"))

    def run(x, *tensors):
        given = iter(tensors[states:])
        fields = cell.weights_type._fields
        shapes = cell.parameter_shapes(2)
        weights = cell.weights_type(*(next(given) if name in shapes else None for name in fields))
        result = kernel.run(cell, x, tensors[:states], weights, ragged=ragged, reverse=reverse)
        return result.output, *result.state

    return run


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("reverse", [True, False])
def test_gradcheck_of_the_reference(cell, lengths, reverse):
    x, state, weights = problem(cell)
    tensors = (x, *state, *(w for w in weights if w is not None))
    assert torch.autograd.gradcheck(runner(ReferenceKernel(), cell, lengths, reverse, len(state)), tensors)


@pytest.mark.parametrize("cell", [CELLS[0], CELLS[1], CELLS[3], CELLS[5]], ids=str)
def test_gradgradcheck_of_the_reference(cell):
    x, state, weights = problem(cell)
    tensors = (x, *state, *(w for w in weights if w is not None))
    run = runner(ReferenceKernel(), cell, [0, 4, 2], True, len(state))
    assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("lengths", [*LENGTHS, [4, 4, 4], [1, 1, 1], [0, 0, 0]], ids=str)
@pytest.mark.parametrize("reverse", [True, False])
def test_all_kernels_agree_with_every_gradient(cell, lengths, reverse):
    x, state, weights = problem(cell)
    tensors = (x, *state, *(w for w in weights if w is not None))
    described = call(cell, ragged=lengths is not None, empty_rows=lengths is not None and 0 in lengths)
    results = []
    for kernel in able(described):
        torch.manual_seed(1)
        found = runner(kernel, cell, lengths, reverse, len(state))(*tensors)
        cotangents = [torch.randn_like(f) for f in found]
        results.append((*found, *torch.autograd.grad(found, tensors, cotangents, materialize_grads=True)))
    *others, reference = results
    for other in others:
        for a, b in zip(other, reference, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_the_kernels_that_agree_are_all_three():
    names = [kernel.name for kernel in able(call())]
    assert names == (["torch", "reference"] if absence() else ["native", "torch", "reference"])


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_reverse_is_forward_on_the_reversed(cell):
    x, state, weights = problem(cell)
    weights = cell.weights_type(*weights)
    for kernel in able(call(cell)):
        backward = kernel.run(cell, x, state, weights, reverse=True)
        forward = kernel.run(cell, x.flip(0), state, weights)
        torch.testing.assert_close(backward.output.flip(0), forward.output, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_record_has_every_gate_and_state_of_every_step(cell):
    x, state, weights = problem(cell)
    ragged, options = Ragged.of([4, 0, 2], 4, x.device), Options(record=True)
    run = ReferenceKernel().run(cell, x, state, cell.weights_type(*weights), ragged=ragged, options=options)
    names = {f"{gate}_pre" for gate in cell.gates} | set(cell.gates) | set(cell.states)
    assert set(run.record) == names
    assert torch.equal(run.record["h"], run.output)
    for values in run.record.values():
        assert values.shape[:2] == (4, 3)
        assert values[2:, 2].abs().max() == 0
        assert values[:, 1].abs().max() == 0


def call(cell=CELLS[0], **changes):
    return Call(cell, time=4, batch=3, features=2, dtype=torch.float32, device="cpu")._replace(**changes)


def able(described):
    """The kernels that can run a call; the reference is the last."""
    return [kernel for kernel in KERNELS if kernel.verdict(described) == "yes"]


class Other(Cell):
    name, gates, states, weights_type = "Other", (), ("h",), tuple
    hidden_size = 3

    @property
    def state_sizes(self):
        return (3,)

    def parameter_shapes(self, input_size):
        return {}

    def step(self, x_NF, state, weights):
        return state, {}

    def __repr__(self):
        return "Other()"


PACKING = "PyTorch cannot pack sequences of length 0"


@pytest.mark.parametrize(
    ("changes", "native", "torchs"),
    [
        ({}, "yes", "yes"),
        ({"ragged": True}, "yes", "yes"),
        ({"needs_grad": True}, "yes", "yes"),
        ({"batch": 0}, "yes", "yes"),
        ({"ragged": True, "empty_rows": True}, "yes", PACKING),
        ({"ragged": True, "batch": 0}, "yes", PACKING),
        ({"wants_gates": True}, "yes", "PyTorch's routine does not give out its gates"),
        ({"dtype": torch.float64}, "yes", "yes"),
        ({"dtype": torch.float16}, "it computes in float32 and float64; the input is torch.float16", "yes"),
        ({"device": "cuda"}, "it runs on the CPU; the input is on cuda", "yes"),
        ({"cell": Other()}, "there is no native code for Other", "PyTorch has no routine for Other"),
    ],
)
def test_reasons(changes, native, torchs):
    described = call(**changes)
    verdicts = explain(described)
    assert verdicts == {"native": absence() or native, "torch": torchs, "reference": "yes"}
    assert list(verdicts) == ["native", "torch", "reference"]
    assert choose(described).name == next(name for name, verdict in verdicts.items() if verdict == "yes")
    for name, verdict in verdicts.items():
        if verdict == "yes":
            assert choose(described, name).name == name
            continue
        with pytest.raises(KernelError) as caught:
            choose(described, name)
        assert f": {verdict}. Pass kernel='auto'" in str(caught.value)


def test_by_name():
    assert isinstance(choose(call(), "reference"), ReferenceKernel)
    assert isinstance(choose(call(), "torch"), TorchKernel)
    if not absence():
        assert isinstance(choose(call(), "native"), NativeKernel)
    assert kernel_names() == ("auto", "native", "torch", "reference")
    with pytest.raises(ConfigError, match=r"Did you mean 'reference'\?"):
        choose(call(), "referense")


def test_positions_of_valid_steps_are_those_of_a_packed_sequence():
    lengths = [2, 5, 0, 5, 1]
    ragged = Ragged.of(lengths, 6, torch.device("cpu"))
    index = torch.arange(6 * 5, dtype=torch.float64).reshape(6, 5)
    full = torch.tensor([1, 3, 0, 4])
    packed = torch.nn.utils.rnn.pack_padded_sequence(index[:, full], torch.tensor([5, 5, 2, 1]))
    assert ragged.packed_P.tolist() == packed.data.tolist()
    assert ragged.batch_sizes.tolist() == [4, 3, 2, 2, 2]
    assert ragged.order_N[ragged.rank_N].tolist() == list(range(5))
    steps = [(position // 5, position % 5) for position in ragged.packed_reverse_P.tolist()]
    own = [[t for t, n in steps if n == sample] for sample in range(5)]
    assert own == [[1, 0], [4, 3, 2, 1, 0], [], [4, 3, 2, 1, 0], [0]]
    assert Ragged.of([6, 6], 6, torch.device("cpu")) is None
