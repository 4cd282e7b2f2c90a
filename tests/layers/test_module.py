"""What makes it a drop-in module: parameters, draws, state_dict, copies, repr, conversion."""

import copy
import io
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import unrolled.layers as ours

CASES = [
    ("LSTM", (4, 5, 2), {"bidirectional": True, "proj_size": 3}),
    ("LSTM", (4, 5), {"bias": False, "batch_first": True}),
    ("GRU", (4, 5, 3), {"bidirectional": True}),
    ("RNN", (4, 5, 2), {"dropout": 0.25}),
    ("RNN", (4, 5, 2, "relu"), {}),
    ("LSTMCell", (4, 5), {}),
    ("GRUCell", (4, 5), {"bias": False}),
    ("RNNCell", (4, 5, True, "relu"), {}),
]


@pytest.mark.parametrize(("kind", "args", "kwargs"), CASES)
def test_same_seed_same_parameters_in_the_same_order(kind, args, kwargs):
    torch.manual_seed(5)
    theirs = getattr(nn, kind)(*args, **kwargs)
    torch.manual_seed(5)
    mine = getattr(ours, kind)(*args, **kwargs)
    assert torch.rand(1) == torch.rand(1, generator=_after(theirs))
    for (a, p), (b, q) in zip(theirs.named_parameters(), mine.named_parameters(), strict=True):
        assert a == b
        assert torch.equal(p, q)


def _after(theirs: nn.Module) -> torch.Generator:
    """A generator as torch's stands after drawing these parameters."""
    generator = torch.Generator().manual_seed(5)
    for parameter in theirs.parameters():
        torch.empty_like(parameter).uniform_(generator=generator)
    return generator


@pytest.mark.parametrize(("kind", "args", "kwargs"), CASES)
def test_state_dict_moves_both_ways(kind, args, kwargs):
    theirs, mine = getattr(nn, kind)(*args, **kwargs), getattr(ours, kind)(*args, **kwargs)
    mine.load_state_dict(theirs.state_dict(), strict=True)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    mine.reset_parameters()
    theirs.load_state_dict(mine.state_dict(), strict=True)
    for p, q in zip(theirs.parameters(), mine.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize(("kind", "args", "kwargs"), CASES)
def test_repr_is_torchs(kind, args, kwargs):
    theirs, mine = getattr(nn, kind)(*args, **kwargs), getattr(ours, kind)(*args, **kwargs)
    extra = ", nonlinearity=relu" if kind == "RNN" and "relu" in args else ""
    assert repr(mine) == repr(theirs)[:-1] + extra + ")"


def test_repr_names_a_kernel_that_was_chosen():
    assert repr(ours.LSTM(4, 5, kernel="reference")) == "LSTM(4, 5, kernel=reference)"
    assert repr(ours.LSTMCell(4, 5, kernel="torch")) == "LSTMCell(4, 5, kernel=torch)"


def test_attributes_of_torch():
    theirs = nn.LSTM(4, 5, 2, bidirectional=True, proj_size=3)
    mine = ours.replace(theirs)
    names = "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size mode training"
    assert all(getattr(mine, name) == getattr(theirs, name) for name in names.split())
    mine.flatten_parameters()
    for a, b in zip(mine.all_weights, theirs.all_weights, strict=True):
        assert all(p is q for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize(("kind", "args", "kwargs"), CASES)
def test_copies_compute_the_same_on_their_own_parameters(kind, args, kwargs):
    mine = getattr(ours, kind)(*args, **kwargs).eval()
    x = torch.randn(3, 4) if kind.endswith("Cell") else torch.randn(6, 3, 4)
    saved = io.BytesIO()
    torch.save(mine.state_dict(), saved)
    saved.seek(0)
    fresh = getattr(ours, kind)(*args, **kwargs).eval()
    fresh.load_state_dict(torch.load(saved, weights_only=True))
    whole = io.BytesIO()
    torch.save(mine, whole)
    whole.seek(0)
    for other in (copy.deepcopy(mine), fresh, torch.load(whole, weights_only=False)):
        assert torch.equal(other(x)[0], mine(x)[0])
        assert other.weight_ih is not mine.weight_ih if kind.endswith("Cell") else True
        next(other.parameters()).data.zero_()
        assert not torch.equal(other(x)[0], mine(x)[0])


def test_to_another_dtype():
    layer = ours.LSTM(4, 5).to(torch.float64)
    assert layer(torch.randn(6, 3, 4, dtype=torch.float64))[0].dtype == torch.float64


def test_functional_and_parametrised_weights_are_used():
    layer = ours.GRU(4, 5)
    x = torch.randn(6, 3, 4)
    zeros = {name: torch.zeros_like(p) for name, p in layer.named_parameters()}
    assert torch.func.functional_call(layer, zeros, (x,))[0].abs().sum() == 0
    before = layer(x)[0]
    parametrizations.weight_norm(layer, "weight_ih_l0")
    torch.testing.assert_close(layer(x)[0], before)
    layer.parametrizations.weight_ih_l0.original0.data.mul_(2)
    assert not torch.allclose(layer(x)[0], before)


def test_a_dropout_that_does_nothing_warns_at_the_callers_line():
    with pytest.warns(UserWarning, match=r"dropout=0\.5 acts between layers"):
        ours.LSTM(4, 5, dropout=0.5)
    # In a process of its own: the checks of shapes under pytest put frames of theirs in between.
    code = "import unrolled.layers as u\nu.LSTM(4, 5, dropout=0.5)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("<string>:2: UserWarning: dropout=0.5")


def test_training_lowers_the_loss_as_with_torch(pair):
    losses = []
    for layer in pair("LSTM", 2, 3):
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
        x = torch.sin(torch.arange(40, dtype=torch.float64)).reshape(10, 2, 2)
        for _ in range(20):
            loss = (layer(x)[0][..., 0] - x[..., 1]).pow(2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_threads_share_a_layer():
    layer = ours.LSTM(4, 5, 2, bidirectional=True)
    x = torch.randn(8, 3, 4)
    lengths = [[8, 8, 8], [1, 5, 8], [0, 3, 2], [2, 2, 2]]
    expected = [layer(x, lengths=n)[0] for n in lengths]
    found: dict[int, list[bool]] = {k: [] for k in range(4)}

    def work(k: int) -> None:
        for _ in range(10):
            found[k].append(torch.equal(layer(x, lengths=lengths[k])[0], expected[k]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [True] * 10 for k in range(4)}
