from __future__ import annotations

import pytest
import torch

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.networks import build


def _batch(n: int = 3, t: int = 6, h: int = 4) -> Batch:
    torch.manual_seed(0)
    one = torch.ones(n, 1, dtype=torch.float64)
    return Batch(torch.randn(n, t, 2), torch.randn(n, h, 2), 0 * one, one)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("hidden_size", [5, (5, 3)])
@pytest.mark.parametrize("loss", ["mae", "quantile"])
def test_every_network_gives_a_number_per_window_step_and_output(cell, decoder, hidden_size, loss) -> None:
    config = Config(4, cell=cell, decoder=decoder, hidden_size=hidden_size, loss=loss)
    network, batch = build(config), _batch()
    outputs = len(config.quantiles) if loss == "quantile" else 1
    assert network(batch.past_NTF).shape == (3, 4, outputs)
    assert network.teach(batch).shape == (3, 4, outputs)


def test_recursive_decoding_is_teacher_forcing_on_its_own_forecasts() -> None:
    network, batch = build(Config(4, decoder="recursive", hidden_size=5)), _batch()
    free = network(batch.past_NTF)
    fed = torch.cat([free, torch.ones_like(free)], dim=2)
    own = Batch(batch.past_NTF, fed, batch.location_N1, batch.scale_N1)
    torch.testing.assert_close(network.teach(own), free)


def test_recursive_quantiles_feed_back_the_median() -> None:
    config = Config(3, decoder="recursive", loss="quantile", quantiles=(0.1, 0.5, 0.9), hidden_size=5)
    network, batch = build(config), _batch(h=3)
    free = network(batch.past_NTF)
    fed = torch.stack([free[..., 1], torch.ones_like(free[..., 1])], dim=2)
    own = Batch(batch.past_NTF, fed, batch.location_N1, batch.scale_N1)
    torch.testing.assert_close(network.teach(own), free)


def test_the_future_is_never_seen_by_a_direct_network() -> None:
    network, batch = build(Config(4, hidden_size=5)), _batch()
    other = Batch(batch.past_NTF, 9 * batch.future_NhF, batch.location_N1, batch.scale_N1)
    assert torch.equal(network.teach(batch), network.teach(other))
