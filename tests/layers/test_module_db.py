"""PyTorch's own inputs for its recurrent modules (`module_db`), through theirs and ours with the same weights."""

from typing import Any

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from unrolled.errors import UnrolledError

pytest.importorskip("expecttest", reason="PyTorch's module_db imports expecttest")

KINDS = ["RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"]
KERNELS = ["auto", "torch", "reference"]


def info_of(kind: str) -> Any:
    from torch.testing._internal.common_modules import module_db

    (info,) = (info for info in module_db if info.module_cls is getattr(nn, kind))
    return info


def samples(kind: str, training: bool) -> list[Any]:
    info = info_of(kind)
    arguments = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
    return list(info.module_inputs_func(info, **arguments))


def wrong_samples(kind: str) -> list[Any]:
    info = info_of(kind)
    arguments = {"device": "cpu", "dtype": torch.float64, "requires_grad": False, "training": True}
    return [each.module_error_input for each in info.module_error_inputs_func(info, **arguments)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_gives_the_same_results_and_gradients(assert_same, kind, training, kernel):
    given_samples = samples(kind, training)
    assert given_samples
    for sample in given_samples:
        made, given = sample.constructor_input, sample.forward_input
        options = {"dtype": torch.float64, **made.kwargs}
        theirs = getattr(nn, kind)(*made.args, **options).train(training)
        mine = getattr(ours, kind)(*made.args, **options, kernel=kernel).train(training)
        mine.load_state_dict(theirs.state_dict(), strict=True)
        expected, found = theirs(*given.args, **given.kwargs), mine(*given.args, **given.kwargs)
        assert_same(theirs, expected, mine, found, (given.args, list(given.kwargs.values())))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
def test_what_torch_refuses_is_refused_with_an_error_of_ours(kind):
    wrong = wrong_samples(kind)
    assert wrong
    for sample in wrong:
        made, given = sample.constructor_input, sample.forward_input
        with pytest.raises(UnrolledError, match=r"expected|must be|parameters are"):
            getattr(ours, kind)(*made.args, **made.kwargs)(*given.args, **given.kwargs)
