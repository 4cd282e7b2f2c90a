"""Pooling against loops in NumPy, one sequence at a time; and deaf to what the padding holds."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import unrolled.layers as ours
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.layers.findings import Findings
from unrolled.layers.pool import pool
from unrolled.layers.pool_checks import check_size
from unrolled.layers.pool_modules import AdditiveScore, Pool

HOWS = ["last", "mean", "max", "attention"]
T, N, Y = 7, 5, 6
LENGTHS = [3, 7, 0, 1, 7]


def scorer(size=Y, hidden=None):
    return AdditiveScore(size, hidden, dtype=torch.float64)


def options(how):
    return {"scorer": scorer()} if how == "attention" else {}


def drawn(*shape, **kwargs):
    return torch.randn(shape, dtype=torch.float64, **kwargs)


def weights_by_loop(steps, score):
    """α of one sequence's valid steps (T_n, Y), by the equations of docs/math/pooling.md."""
    W, b, w = (p.detach().numpy() for p in (score.hidden.weight, score.hidden.bias, score.score.weight[0]))
    e = np.exp([w @ np.tanh(W @ h + b) for h in steps])
    return e / e.sum()


def pooled_by_loop(how, steps, bidirectional=False, score=None):
    """One sequence's vector, from nothing but its valid steps (T_n, Y)."""
    if len(steps) == 0:
        return np.zeros(steps.shape[1])
    if how == "last":
        half = steps.shape[1] // 2
        return np.concatenate([steps[-1, :half], steps[0, half:]]) if bidirectional else steps[-1]
    if how == "attention":
        return sum(a * h for a, h in zip(weights_by_loop(steps, score), steps, strict=True))
    return steps.mean(axis=0) if how == "mean" else steps.max(axis=0)


def assert_equal_to_loops(found, how, x_TNY, lengths, bidirectional=False, score=None):
    array = x_TNY.detach().numpy()
    expected = [pooled_by_loop(how, array[:n, k], bidirectional, score) for k, n in enumerate(lengths)]
    np.testing.assert_allclose(found.detach().numpy(), np.stack(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_lengths_equal_loops(how, bidirectional, batch_first, data):
    steps = data.draw(st.integers(1, 9))
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=1, max_size=6))
    x = drawn(steps, len(lengths), Y)
    own = options(how)
    given_x = x.transpose(0, 1) if batch_first else x
    found = pool(given_x, lengths, how, batch_first=batch_first, bidirectional=bidirectional, **own)
    assert_equal_to_loops(found, how, x, lengths, bidirectional, own.get("scorer"))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    "lengths",
    [LENGTHS, tuple(LENGTHS), torch.tensor(LENGTHS), torch.tensor(LENGTHS).to(torch.uint8), np.array(LENGTHS)],
)
def test_every_kind_of_lengths(how, lengths):
    x, own = drawn(T, N, Y), options(how)
    assert_equal_to_loops(pool(x, lengths, how, **own), how, x, LENGTHS, score=own.get("scorer"))


@pytest.mark.parametrize("how", HOWS)
def test_without_lengths_all_steps_are_valid(how):
    x, own = drawn(T, N, Y), options(how)
    assert_equal_to_loops(pool(x, how=how, **own), how, x, [T] * N, score=own.get("scorer"))
    alone = pool(x[:, 2], None, how, **own)
    assert alone.shape == (Y,)
    torch.testing.assert_close(alone, pool(x, None, how, **own)[2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("form", ["packed", "list", "nested"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_outputs_that_carry_their_lengths(how, form, batch_first):
    lengths = [3, 7, 2, 1, 7]
    x, own = drawn(T, N, Y), options(how)
    sequences = [x[:n, k] for k, n in enumerate(lengths)]
    output = {
        "packed": lambda: pack_sequence(sequences, enforce_sorted=False),
        "list": lambda: sequences,
        "nested": lambda: torch.nested.as_nested_tensor(sequences, layout=torch.jagged),
    }[form]()
    found = pool(output, how=how, batch_first=batch_first, **own)
    assert_equal_to_loops(found, how, x, lengths, score=own.get("scorer"))


@pytest.mark.parametrize("form", ["padded", "packed", "list", "single"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_attention_weights(form, batch_first):
    lengths = [3, 7, 2, 1, 7]
    x, score = drawn(T, N, Y), scorer(hidden=4)
    sequences = [x[:n, k] for k, n in enumerate(lengths)]
    if form == "single":
        found, alpha = pool(x[:, 1], how="attention", scorer=score, batch_first=batch_first, return_weights=True)
        assert found.shape == (Y,)
        np.testing.assert_allclose(alpha.detach(), weights_by_loop(x[:, 1].numpy(), score), rtol=1e-12, atol=1e-12)
        return
    output = {"padded": x.transpose(0, 1) if batch_first else x, "list": sequences}.get(form)
    output = pack_sequence(sequences, enforce_sorted=False) if form == "packed" else output
    given_lengths = lengths if form == "padded" else None
    _, alpha = pool(output, given_lengths, "attention", scorer=score, batch_first=batch_first, return_weights=True)
    assert alpha.shape == ((N, T) if batch_first else (T, N))
    for row, sequence in zip(alpha if batch_first else alpha.T, sequences, strict=True):
        expected = weights_by_loop(sequence.numpy(), score)
        np.testing.assert_allclose(row[: len(sequence)].detach(), expected, rtol=1e-12, atol=1e-12)
        assert not row[len(sequence) :].any()


def test_a_sequence_without_steps_has_no_weights():
    x = drawn(T, N, Y)
    _, alpha = pool(x, LENGTHS, "attention", scorer=scorer(), return_weights=True)
    assert alpha.sum(0).tolist() == pytest.approx([1.0, 1.0, 0.0, 1.0, 1.0], abs=1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_is_the_layers_final_state(kind, bidirectional):
    layer = getattr(ours, kind)(3, 4, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    lengths = [3, 7, 2, 1, 7]
    output, hx = layer(drawn(T, N, 3), lengths=lengths)
    h_n = hx[0] if kind == "LSTM" else hx
    found = pool(output, lengths, bidirectional=bidirectional)
    assert torch.equal(found, torch.cat(list(h_n[-2:] if bidirectional else h_n[-1:]), dim=-1))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients(how, bidirectional):
    x, own = drawn(4, 3, 4, requires_grad=True), {}
    inputs = [x]
    if how == "attention":
        own = {"scorer": scorer(4, 3)}
        inputs += list(own["scorer"].parameters())

    def run(*_):
        return pool(x, [2, 4, 0], how, bidirectional=bidirectional, **own)

    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_reaches_no_result_and_no_gradient(how, poison, bidirectional):
    clean, own = drawn(T, N, Y), options(how)
    own["bidirectional"] = bidirectional
    wanted, results = drawn(N, Y), []
    for fill in (0.0, poison):
        x = clean.clone()
        for k, n in enumerate(LENGTHS):
            x[n:, k] = fill
        x.requires_grad_()
        found = pool(x, LENGTHS, how, **own)
        leaves = [x, *(own["scorer"].parameters() if how == "attention" else ())]
        results.append([found, *torch.autograd.grad(found, leaves, wanted)])
    for with_zeros, with_poison in zip(*results, strict=True):
        assert with_poison.isfinite().all()
        assert torch.equal(with_zeros, with_poison)
    found, to_x = results[1][:2]
    assert not found[2].any()
    for k, n in enumerate(LENGTHS):
        assert not to_x[n:, k].any()
        assert n == 0 or to_x[:n, k].any()


@pytest.mark.parametrize("how", HOWS)
def test_nothing_but_empty_sequences(how):
    x = torch.full((T, 2, Y), torch.nan, dtype=torch.float64, requires_grad=True)
    found = pool(x, [0, 0], how, **options(how))
    found.sum().backward()
    assert not found.any()
    assert not x.grad.any()


@pytest.mark.parametrize("how", HOWS)
def test_an_empty_batch(how):
    assert pool(drawn(T, 0, Y), [], how, **options(how)).shape == (0, Y)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("device", ["meta", *(["cuda"] if torch.cuda.is_available() else [])])
def test_everything_follows_the_outputs_device(how, device):
    head = Pool(how, Y, bidirectional=True, device=device)
    x = torch.ones(T, N, Y, device=device)
    for lengths in (LENGTHS, torch.tensor(LENGTHS), None):
        assert head(x, lengths).device.type == device
    assert head(x[:, 0]).device.type == device
    assert head([x[:3, 0], x[:3, 1]]).device.type == device


def test_equal_maxima_share_the_gradient():
    x = torch.tensor([[1.0, 2.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    pool(x, how="max").sum().backward()
    assert x.grad.tolist() == [[0.5, 0.5], [0.5, 0.0], [0.0, 0.5]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_mean_of_a_long_sequence_in_a_narrow_type(dtype):
    x = torch.full((3000, 2, 1), 100.0, dtype=dtype)
    found = pool(x, [3000, 1500], "mean")
    assert found.dtype == dtype
    assert found.tolist() == [[100.0], [100.0]]


@pytest.mark.parametrize("score", [lambda h: h[..., 0], lambda h: h[..., :1], torch.nn.Linear(Y, 1).double()])
def test_a_scorer_of_the_users_own(score):
    x = drawn(T, N, Y)
    _, alpha = pool(x, LENGTHS, "attention", scorer=score, return_weights=True)
    expected = torch.softmax(score(x[:3, :1]).reshape(3), dim=0)
    torch.testing.assert_close(alpha[:3, 0], expected, rtol=1e-12, atol=1e-12)


def test_the_compile_checks_pass():
    """In a process of its own: torch.compile can't see through the tests' checks of types and shapes."""
    checks = Path(__file__).with_name("pool_compile_checks.py")
    options = ["-q", "-o", "addopts=--import-mode=importlib --strict-markers", str(checks)]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout


@pytest.mark.parametrize("how", HOWS)
def test_the_module_is_the_function(how):
    head = Pool(how, Y, batch_first=True, dtype=torch.float64)
    x = drawn(N, T, Y)
    expected = pool(x, LENGTHS, how, batch_first=True, scorer=head.scorer)
    assert torch.equal(head(x, LENGTHS), expected)
    names = ["scorer.hidden.weight", "scorer.hidden.bias", "scorer.score.weight"] if how == "attention" else []
    assert list(head.state_dict()) == names
    with pytest.raises(ShapeError, match=re.escape("Pool was made for Y=6 features; got (5, 7, 3).")):
        head(x[..., :3], LENGTHS)


def test_the_modules_words_and_sizes():
    assert repr(Pool("mean")) == "Pool('mean')"
    assert (
        repr(Pool("last", 6, batch_first=True, bidirectional=True))
        == "Pool('last', 6, batch_first=True, bidirectional=True)"
    )
    head = Pool("attention", 6, attention_size=3, dtype=torch.float64)
    assert head.scorer.hidden.weight.shape == (3, 6)
    own = torch.nn.Linear(6, 1)
    assert Pool("attention", scorer=own).scorer is own
    found, alpha = head(drawn(T, N, 6), LENGTHS, return_weights=True)
    assert (found.shape, alpha.shape) == ((N, 6), (T, N))
    with pytest.raises(ShapeError, match="Pool was made for Y=6 features"):
        head([drawn(3, 5)])
    with pytest.raises(ShapeError, match="Pool was made for Y=6 features"):
        head(pack_sequence([drawn(3, 5)]))


def test_attention_learns_to_find_the_marked_step():
    """The answer stands at one step of each sequence, which a mark tells apart: the mean can't single it out."""
    torch.manual_seed(1)
    marks = torch.arange(64) % 10
    x = torch.randn(10, 64, 2)
    x[..., 1] = torch.nn.functional.one_hot(marks, 10).T.float()
    answer, head = x[marks, torch.arange(64), 0], Pool("attention", 2, attention_size=8)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (head(x)[:, 0] - answer).square().mean()
        loss.backward()
        optimiser.step()
    _, alpha = head(x, return_weights=True)
    assert (alpha.argmax(0) == marks).all()
    assert loss < 0.01 * answer.var()


ONES = torch.ones(T, N, Y)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: pool(ONES, how="meen"), ConfigError,
         "how must be 'last', 'mean', 'max' or 'attention'; got 'meen'. Did you mean 'mean'?"),
        (lambda: pool(ONES, how=None), ConfigError, "got None."),
        (lambda: pool(ONES, how="attention"), ConfigError,
         "how='attention' needs scorer=AdditiveScore(Y), a module; got None."),
        (lambda: pool(ONES, how="mean", scorer=scorer()), ConfigError,
         "scorer is for how='attention'; with how='mean' no step has a score."),
        (lambda: pool(ONES, how="max", return_weights=True), ConfigError,
         "return_weights is for how='attention'; how='max' has no weights."),
        (lambda: pool((ONES, ONES)), DtypeError,
         "got a tuple of 2. Is it all that the layer returns? Pass its first item."),
        (lambda: pool(np.ones((T, N, Y))), DtypeError,
         "pool expected a layer's output, a tensor, PackedSequence or list; got ndarray (7, 5, 6) of float64."),
        (lambda: pool(ONES.long()), DtypeError, "of floating-point numbers; got (7, 5, 6) of torch.int64."),
        (lambda: pool(ONES[0, 0]), ShapeError,
         "pool expected output (T=time, N=batch, Y=features) because batch_first=False; got (6,), which has 1 axes."),
        (lambda: pool(ONES[:0]), ShapeError, "with at least one time step; got (0, 5, 6)."),
        (lambda: pool(ONES, LENGTHS, batch_first=True), ShapeError,
         "got (7, 5, 6), while lengths is for a batch of 5. Is the time axis first? Pass batch_first=False"),
        (lambda: pool(ONES.transpose(0, 1), LENGTHS), ShapeError, "Is the batch axis first? Pass batch_first=True"),
        (lambda: pool(ONES, [3] * 4), ShapeError, "pool expected 5 lengths, one a sequence of the batch; got 4."),
        (lambda: pool(ONES, [8, 1, 1, 1, -1]), ShapeError,
         "pool expected lengths from 0 to T=7, the input's time steps; got lengths[0]=8, lengths[4]=-1."),
        (lambda: pool(ONES, torch.ones(5)), DtypeError, "pool expected lengths as 5 whole numbers"),
        (lambda: pool(ONES[:, 0], [7]), ShapeError, "lengths is for a batch"),
        (lambda: pool(pack_sequence([ONES[:, 0]]), [7]), ShapeError, "a PackedSequence already has its lengths."),
        (lambda: pool([ONES[:, 0]], [7]), ShapeError, "a list of sequences already has its lengths."),
        (lambda: pool([]), ShapeError, "got an empty list"),
        (lambda: pool(pack_sequence([ONES[:, 0, 0]])), ShapeError,
         "pool expected a PackedSequence, each (T=time, Y=features); got (7, 1) when padded, which has 2 axes."),
        (lambda: pool([ONES]), ShapeError, "pool expected a list of sequences, each (T=time, Y=features)"),
        (lambda: pool([ONES[:0, 0]]), ShapeError, "with at least one time step; got (0, 1, 6) when padded."),
        (lambda: pool(ONES[..., :5], bidirectional=True), ShapeError, "got (7, 5, 5), whose Y=5 is odd."),
        (lambda: pool(ONES, how="attention", scorer=AdditiveScore(3)), ShapeError,
         "AdditiveScore expected steps of Y=3 features; got (7, 5, 6). A bidirectional layer puts out twice"),
        (lambda: pool(ONES, how="attention", scorer=scorer()), DtypeError,
         "AdditiveScore's parameters are torch.float64; the layer's output is torch.float32."),
        (lambda: pool(ONES, how="attention", scorer=lambda h: h), ShapeError,
         "scorer must give one score a step: of steps (7, 5, 6), that is (T=time, N=batch, Y), (7, 5) or (7, 5, 1); "
         "got (7, 5, 6)."),
        (lambda: pool(ONES, how="attention", scorer=lambda h: 1.0), ShapeError, "got float."),
        (lambda: Pool("sum"), ConfigError, "how must be 'last', 'mean', 'max' or 'attention'; got 'sum'."),
        (lambda: Pool("attention"), ConfigError, "how='attention' needs size, the features of the layer's output (Y)."),
        (lambda: Pool("attention", 0), ConfigError, "size must be greater than zero; got 0."),
        (lambda: Pool("mean", -1), ConfigError, "size must be greater than zero; got -1."),
        (lambda: Pool("mean", attention_size=3), ConfigError, "attention_size is of the AdditiveScore"),
        (lambda: Pool("attention", 6, scorer=scorer(), attention_size=3), ConfigError, "attention_size is of the"),
        (lambda: Pool("last", scorer=scorer()), ConfigError, "scorer is for how='attention'"),
        (lambda: AdditiveScore(0), ConfigError, "size must be greater than zero; got 0."),
        (lambda: AdditiveScore(3, 0), ConfigError, "attention_size must be greater than zero; got 0."),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, says):
    with pytest.raises(error, match=re.escape(says)) as caught:
        call()
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("call", "count"),
    [
        (lambda: pool(ONES, how="mean", scorer=scorer(), return_weights=True), 2),
        (lambda: pool(ONES[..., :5].long(), [9] * 4, bidirectional=True), 3),
        (lambda: pool(ONES.transpose(0, 1), [9] * 5), 2),
        (lambda: Pool("attention", 0, attention_size=0), 2),
        (lambda: AdditiveScore(0, 0), 2),
        (lambda: AdditiveScore(3)(ONES.double()), 2),
    ],
)
def test_all_problems_at_once(call, count):
    with pytest.raises((ConfigError, ShapeError)) as caught:
        call()
    assert len(caught.value.problems) == count


def test_a_size_of_another_type():
    found = Findings()
    check_size(found, "size", 2.5)
    check_size(found, "size", True)
    with pytest.raises(DtypeError, match=r"size must be an int; got 2\.5 \(float\)"):
        found.finish(ConfigError, "Pool(...)")


def test_a_packed_sequence_is_left_as_it_was():
    packed = pack_sequence([drawn(3, Y), drawn(2, Y)])
    before = packed.data.clone()
    pool(packed, how="max")
    assert isinstance(packed, PackedSequence)
    assert torch.equal(packed.data, before)
