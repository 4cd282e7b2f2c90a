"""Occlusion against a loop that covers one number at a time; integrated gradients against the sum written out."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unrolled.layers as ours
from analysis.models import Encoder, Tokens, make
from analysis.test_record import assert_unchanged, snapshot, used_model
from unrolled.analysis import integrated_gradients, occlusion
from unrolled.errors import ConfigError, DtypeError, ShapeError

LENGTHS = [4, 6, 1]


class TimeMajor(nn.Module):
    """A time-major layer inside a model that takes its batch first or second."""

    def __init__(self, turns: bool, source: Any = nn) -> None:
        super().__init__()
        self.turns, self.layer, self.head = turns, source.GRU(2, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x.transpose(0, 1) if self.turns else x)[1][-1])


def answer(result: Any) -> Tensor:
    return result[0] if isinstance(result, tuple) else result


def covered_one_by_one(call: Any, x_NTF: Tensor, baseline: float) -> np.ndarray:
    """`call` makes N numbers of an x with its batch first."""
    falls = np.zeros(x_NTF.shape)
    with torch.no_grad():
        for place in np.ndindex(*x_NTF.shape):
            covered = x_NTF.clone()
            covered[place] = baseline
            falls[place] = (call(x_NTF) - call(covered))[place[0]]
    return falls


def case_of(name: str) -> tuple[nn.Module, Tensor, dict[str, Any], Any]:
    """A model, x with its batch first, how it is explained, and the same as a function of x."""
    x = torch.randn(3, 6, 2)
    if name == "layer":
        layer = make(("LSTM", {}), 2, 4, batch_first=True, bidirectional=True)
        return layer, x, {}, lambda v: answer(layer(v)).sum((1, 2))
    if name == "layer, lengths, index":
        layer = make(("LSTM", {}), 2, 4, batch_first=True)
        return layer, x, {"lengths": LENGTHS, "target": (-1, 2)}, lambda v: layer(v, lengths=LENGTHS)[0][:, -1, 2]
    if name == "torch's layer, lengths, function":
        theirs, mine = make(("GRU", {}), 2, 4, source=nn, batch_first=True), make(("GRU", {}), 2, 4, batch_first=True)
        mine.load_state_dict(theirs.state_dict())
        target = lambda result: result[1][-1, :, 1] * 3  # noqa: E731
        return theirs, x, {"lengths": LENGTHS, "target": target}, lambda v: target(mine(v, lengths=LENGTHS))
    if name == "model, lengths":
        layer = make(("LSTM", {}), 2, 4, batch_first=True)
        read = lambda parts, output, states: parts[0](states[0][-1])  # noqa: E731
        model = Encoder(layer, read, nn.Linear(4, 2), features=2).eval()
        return model, x, {"lengths": LENGTHS, "target": 1}, lambda v: model(v, LENGTHS)[:, 1]
    turns = name == "model that turns"
    model = TimeMajor(turns).eval()
    return model, x, {"target": 0}, lambda v: model(v if turns else v.transpose(0, 1))[:, 0]


CASES = [
    "layer",
    "layer, lengths, index",
    "torch's layer, lengths, function",
    "model, lengths",
    "model that turns",
    "time-major model",
]


def as_user_gives(name: str, x: Tensor) -> Tensor:
    return x.transpose(0, 1).contiguous() if name == "time-major model" else x


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_occlusion_covers_one_number_at_a_time(name: str, baseline: float) -> None:
    model, x, asked, call = case_of(name)
    found = occlusion(model, as_user_gives(name, x), baseline=baseline, **asked)
    (part,) = found.parts
    assert (part.of, part.layer, part.values.axes) == ("x", None, ("batch", "time", "feature"))
    np.testing.assert_allclose(part.values.values, covered_one_by_one(call, x, baseline), rtol=1e-10, atol=1e-13)


def test_occlusion_of_tokens_and_of_a_single_sequence() -> None:
    model, ids = Tokens(ours.GRU(3, 4, batch_first=True)).eval(), torch.randint(1, 11, (3, 5))
    found = occlusion(model, ids, [5, 2, 4], target=1, baseline=0).find("x").values
    assert found.axes == ("batch", "time")
    falls = covered_one_by_one(lambda v: model(v, [5, 2, 4])[:, 1], ids, 0)
    np.testing.assert_allclose(found.values, falls, rtol=1e-12, atol=1e-14)
    layer, x = make(("RNN", {}), 2, 4), torch.randn(5, 2)
    alone = occlusion(layer, x).find("x").values
    assert alone.sizes == {"batch": 1, "time": 5, "feature": 2}
    falls = covered_one_by_one(lambda v: layer(v[0])[0].sum()[None], x[None], 0.0)
    np.testing.assert_allclose(alone.values, falls, rtol=1e-10, atol=1e-13)


def test_as_many_sequences_as_steps() -> None:
    for turns in (True, False):
        model, x = TimeMajor(turns).eval(), torch.randn(3, 3, 2)
        found = occlusion(model, x if turns else x.transpose(0, 1), target=1).find("x").values.values
        falls = covered_one_by_one(lambda v, m=model, t=turns: m(v if t else v.transpose(0, 1))[:, 1], x, 0.0)
        np.testing.assert_allclose(found, falls, rtol=1e-12, atol=1e-14)


def written_out(call: Any, x: Tensor, baseline: float, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(x − x')·Σ w ∂F/∂x(x' + α(x − x')), sequence by sequence."""
    start = torch.full_like(x, baseline)
    total = torch.zeros_like(x)
    for alpha, weight in zip(points, weights, strict=True):
        between = (start + alpha * (x - start)).requires_grad_()
        for n in range(len(x)):
            total[n] += weight * torch.autograd.grad(call(between)[n], between)[0][n]
    return ((x - start) * total).numpy()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", ["gausslegendre", "riemann_middle"])
def test_integrated_gradients_against_the_sum_written_out(name: str, method: str) -> None:
    pytest.importorskip("captum")
    model, x, asked, call = case_of(name)
    found = integrated_gradients(model, as_user_gives(name, x), baseline=0.3, steps=12, method=method, **asked)
    if method == "gausslegendre":
        points, weights = np.polynomial.legendre.leggauss(12)
        points, weights = (points + 1) / 2, weights / 2
    else:
        points, weights = (np.arange(12) + 0.5) / 12, np.full(12, 1 / 12)
    # Captum rounds the weights to float32.
    expected = written_out(call, x, 0.3, points, weights.astype(np.float32).astype(np.float64))
    shares = found.find("x").values
    np.testing.assert_allclose(shares.values, expected, rtol=1e-10, atol=1e-13)
    with torch.no_grad():
        change = (call(x) - call(torch.full_like(x, 0.3))).numpy()
    gaps = np.abs(expected.sum((1, 2)) - change)
    assert found.facts["completeness_gap"] == pytest.approx(gaps.max(), rel=1e-6, abs=1e-12)
    assert found.facts["largest_change"] == pytest.approx(np.abs(change).max(), rel=1e-12)


def test_more_steps_close_the_gap() -> None:
    pytest.importorskip("captum")
    model, x, asked, _ = case_of("layer")
    coarse, fine = (integrated_gradients(model, x, steps=n, **asked).facts["completeness_gap"] for n in (2, 40))
    assert isinstance(coarse, float) and isinstance(fine, float)  # noqa: PT018
    assert fine < 1e-5 < coarse


@pytest.mark.parametrize("verb", [occlusion, integrated_gradients])
def test_the_model_is_left_as_it_was(verb: Any) -> None:
    pytest.importorskip("captum")
    for source in (nn, ours):
        model, x = used_model(source), torch.randn(4, 6, 3)
        before = snapshot(model)
        verb(model, x)
        assert_unchanged(before, snapshot(model))
        assert x.grad is None
        assert not x.requires_grad


@pytest.mark.parametrize("verb", [occlusion, integrated_gradients])
def test_errors_teach(verb: Any) -> None:
    pytest.importorskip("captum")
    layer, x = ours.GRU(2, 4, batch_first=True), torch.randn(3, 6, 2)
    name = verb.__name__
    with pytest.raises(DtypeError, match=f"{name} changes x step by step.*PackedSequence"):
        verb(layer, nn.utils.rnn.pack_sequence([x[0]]))
    with pytest.raises(ShapeError, match=r"expected x to be sequences .*got Tensor \(3, 6, 2, 2\)"):
        verb(Flattens(), torch.randn(3, 6, 2, 2))
    with pytest.raises(ConfigError, match=r"one index for each axis .*shape \(6, 4\); got target=2"):
        verb(layer, x, target=2)
    with pytest.raises(ConfigError, match=r"got target=\(6, 0\)"):
        verb(layer, x, target=(6, 0))
    with pytest.raises(ConfigError, match=r"expected target\(result\) to be 3 numbers, .*got a tensor \(3, 6, 4\)"):
        verb(layer, x, target=lambda result: result[0])
    with pytest.raises(ConfigError, match="has none of unrolled's"):
        verb(nn.Linear(2, 4), x)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0].sum()

    with pytest.raises(ShapeError, match=r"an answer with a batch axis of 3; the model returned \(\)"):
        verb(Whole(), x)


class Flattens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = ours.GRU(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(2))[0]


def test_tokens_have_no_gradients_and_settings_are_checked() -> None:
    pytest.importorskip("captum")
    model, ids = Tokens(ours.GRU(3, 4, batch_first=True)), torch.randint(0, 11, (3, 5))
    with pytest.raises(DtypeError, match=r"token ids \(torch.int64\)\. Use occlusion"):
        integrated_gradients(model, ids)
    with pytest.raises(ConfigError, match=r"baseline must be one too; got 0\.5"):
        occlusion(model, ids, baseline=0.5)
    layer, x = ours.GRU(2, 4), torch.randn(5, 3, 2)
    with pytest.raises(ConfigError, match="at least 1; got steps=0"):
        integrated_gradients(layer, x, steps=0)
    with pytest.raises(ConfigError, match=r"method to be one of gausslegendre, .*got 'simpson'"):
        integrated_gradients(layer, x, method="simpson")


def test_without_captum_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "captum"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(ConfigError, match=r'pip install "unrolled\[analysis\]".*occlusion'):
        integrated_gradients(ours.GRU(2, 4), torch.randn(5, 3, 2))


def test_answers_without_gradients_and_inputs_without_numbers() -> None:
    pytest.importorskip("captum")

    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = ours.GRU(2, 4, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0][:, -1].argmax(-1)

    with pytest.raises(ConfigError, match="integrated_gradients needs gradients, and the model's answer has none"):
        integrated_gradients(Chooses(), torch.randn(3, 6, 2))
    with pytest.raises(ShapeError, match=r"x holds no number: Tensor \(0, 6, 2\)"):
        integrated_gradients(ours.GRU(2, 4, batch_first=True), torch.randn(0, 6, 2))
