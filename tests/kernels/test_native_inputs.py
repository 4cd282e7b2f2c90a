"""The native kernel on inputs of any layout, and where only some derivatives are wanted or only some results used."""

import pytest
import torch

from problems import KINDS, Sizes, assert_close, cells, problem, results, solve
from unrolled.kernels import native_calls
from unrolled.kernels.native_calls import Wanted
from unrolled.kernels.native_kernel import NativeKernel
from unrolled.kernels.reference import ReferenceKernel

pytestmark = [pytest.mark.needs_native, pytest.mark.usefixtures("poisoned")]

NATIVE, REFERENCE = NativeKernel(), ReferenceKernel()
SIZES = Sizes(6, 5, 7, 19)
LENGTHS = [None, [3, 0, 6, 1, 5]]


@pytest.fixture
def wanted(monkeypatch):
    """What each backward pass was asked for."""
    asked = []
    original = native_calls.backward

    def spy(*args):
        asked.append(args[-1])
        return original(*args)

    monkeypatch.setattr(native_calls, "backward", spy)
    return asked


def only(given, *names):
    """The same problem where these leaves alone want a derivative."""
    for name, leaf in given.leaves().items():
        leaf.requires_grad_(name in names)
    return given


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=["dense", "ragged"])
@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["x"], Wanted(x=True, state=False, weights=False)),
        (["h_0"], Wanted(x=False, state=True, weights=False)),
        (["weight_hh"], Wanted(x=False, state=False, weights=True)),
        (["bias_hh"], Wanted(x=False, state=False, weights=True)),
        (["x", "bias_ih"], Wanted(x=True, state=False, weights=True)),
        (["h_0", "weight_ih"], Wanted(x=False, state=True, weights=True)),
    ],
    ids=str,
)
def test_only_wanted_derivatives_are_computed(kind, lengths, names, asked, wanted):
    given = only(problem(cells(19)[kind], SIZES, lengths), *names)
    for recompute in (False, True):
        found = solve(NATIVE, given, recompute=recompute)
        assert_close(found, solve(REFERENCE, given), 1e-10)
        assert {name for name in found if name.startswith("d_")} == {f"d_{name}" for name in names}
    assert wanted == [asked, asked]


def test_the_cell_state_alone_can_want_a_derivative(wanted):
    given = only(problem(cells(19)["LSTM"], SIZES), "c_0")
    assert_close(solve(NATIVE, given), solve(REFERENCE, given), 1e-10)
    assert wanted == [Wanted(x=False, state=True, weights=False)]


def test_nothing_is_kept_where_nothing_wants_a_derivative(wanted):
    given = only(problem(cells(19)["LSTM"], SIZES))
    for value in results(NATIVE, given).values():
        assert not value.requires_grad
    assert wanted == []


USES = {
    "output": lambda r: r["output"].where(r["output"].isfinite(), 0).pow(2).sum(),
    "sum of the output": lambda r: r["output"].sum(),
    "h_n": lambda r: r["h_n"].pow(2).sum(),
    "sum of h_n": lambda r: r["h_n"].sum(),
    "last step": lambda r: r["output"][-1].pow(2).sum(),
    "every second unit": lambda r: r["output"][..., ::2].sum(),
    "every second step": lambda r: r["output"][::2].sum(),
    "batch-first copy": lambda r: r["output"].transpose(0, 1).contiguous().pow(2).sum(),
    "mean over time": lambda r: r["output"].mean(0).pow(2).sum(),
    "one number": lambda r: r["output"][2, 1, 0],
    "last state": lambda r: list(r.values())[-1].pow(2).sum(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=["dense", "ragged"])
@pytest.mark.parametrize("use", USES)
def test_any_part_of_the_results_can_be_used(kind, lengths, use):
    given = problem(cells(19)[kind], SIZES, lengths)
    leaves = given.leaves()
    found, expected = (
        torch.autograd.grad(
            USES[use](results(kernel, given)), list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        for kernel in (NATIVE, REFERENCE)
    )
    assert_close(*(dict(zip(leaves, each, strict=True)) for each in (found, expected)), 1e-10)


def spread(tensor, dim, gap):
    """A tensor's numbers in memory with NaN in between, `gap` elements apart along an axis."""
    dim %= tensor.dim()
    between = [torch.full_like(tensor, float("nan"))] * (gap - 1)
    wide = torch.stack([tensor, *between], dim + 1).flatten(dim, dim + 1)
    return wide[(slice(None),) * dim + (slice(None, None, gap),)]


LAYOUTS = {
    "batch first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "features first": lambda x: x.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "time last": lambda x: x.permute(1, 2, 0).contiguous().permute(2, 0, 1),
    "every second feature": lambda x: spread(x, 2, 2),
    "every third step": lambda x: spread(x, 0, 3),
    "every second sequence": lambda x: spread(x, 1, 2),
    "part of wider features": lambda x: torch.cat([x, torch.full_like(x, float("nan"))], dim=2)[..., : x.shape[2]],
    "one sequence for all": lambda x: x[:, :1].expand_as(x),
    "one step for all": lambda x: x[:1].expand_as(x),
    "one feature for all": lambda x: x[..., :1].expand_as(x),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_the_input(kind, ragged, layout):
    for sizes in (SIZES, Sizes(4, 3, 1, 8), Sizes(1, 4, 3, 5), Sizes(4, 1, 3, 5)):
        lengths = [(3, 0, 4, 1, 2)[n % 5] % (sizes.steps + 1) for n in range(sizes.batch)] if ragged else None
        given = problem(cells(sizes.hidden)[kind], sizes, lengths)
        leaf = given.x.detach().where(given.x.isfinite(), 0).requires_grad_()
        arranged = given._replace(x=LAYOUTS[layout](leaf))
        found, expected = (solve_to(kernel, arranged, leaf, reverse=ragged) for kernel in (NATIVE, REFERENCE))
        assert_close(found, expected, 1e-10, str(sizes))


def solve_to(kernel, given, leaf, **options):
    """As `solve`, with the derivatives of a leaf that x was made of."""
    found = results(kernel, given, **options)
    d_output = given.d_results[0].where(given.d_results[0].isfinite(), 0)
    leaves = {"x": leaf, **{n: t for n, t in given.leaves().items() if n != "x"}}
    derivatives = torch.autograd.grad(list(found.values()), list(leaves.values()), [d_output, *given.d_results[1:]])
    return {n: v.detach() for n, v in found.items()} | dict(zip(leaves, derivatives, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=["dense", "ragged"])
@pytest.mark.parametrize("dim", [0, -1])
def test_any_layout_of_states_weights_and_derivatives(kind, lengths, dim):
    given = problem(cells(19)[kind], SIZES, lengths)
    expected = solve(NATIVE, given)
    spaced = given.mapped(lambda tensor: spread(tensor.detach(), dim, 2).requires_grad_(tensor.requires_grad))
    assert not spaced.weights.weight_ih.is_contiguous()
    assert not spaced.state[0].is_contiguous()
    assert_close(solve(NATIVE, spaced), expected, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_transposed_weights_and_shared_states(kind):
    given = problem(cells(19)[kind], SIZES)
    weights = type(given.weights)(
        *(w if w is None or w.dim() < 2 else w.detach().t().contiguous().t().requires_grad_() for w in given.weights)
    )
    state = tuple(s.detach()[:1].expand_as(s).requires_grad_() for s in given.state)
    arranged = given._replace(weights=weights, state=state)
    assert_close(solve(NATIVE, arranged), solve(REFERENCE, arranged), 1e-10)


def test_inputs_are_left_as_they_are():
    for kind in KINDS:
        given = problem(cells(19)[kind], SIZES, LENGTHS[1])
        before = {name: leaf.detach().clone() for name, leaf in given.leaves().items()}
        solve(NATIVE, given)
        for name, leaf in given.leaves().items():
            torch.testing.assert_close(leaf.detach(), before[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_lies_in_memory_as_the_input_does(kind):
    given = problem(cells(19)[kind], SIZES)
    for batch_first in (False, True):
        x = given.x.detach()
        x = x.transpose(0, 1).contiguous().transpose(0, 1) if batch_first else x
        output = results(NATIVE, given._replace(x=x))["output"]
        assert output.transpose(0, 1).is_contiguous() == batch_first
