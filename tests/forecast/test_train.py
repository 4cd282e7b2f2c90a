from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from makers import QUICK, panel_of, waves
from unrolled.data.windows import held_out, training_windows, validation_windows
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.fitted import fit_panel, gatherer, resolve
from unrolled.forecast.losses import loss_function
from unrolled.forecast.networks import build
from unrolled.forecast.training.loop import batches, clip_gradient, train, validation_batch, validation_loss


def _silent(step: int, loss: float, best: float) -> None:
    pass


def _parts(**settings):
    panel = panel_of(waves())
    config = resolve(Config(h=5, input_size=10, **QUICK | settings), panel)
    held = held_out(panel.lengths, 10, 5, config.val_size)
    gather = gatherer(panel, config)
    source = batches(training_windows(panel, 10, 5, held), gather, config)
    torch.manual_seed(config.seed)
    return build(config), source, validation_batch(validation_windows(panel, 5, held), gather, config), config


def _loss(network, validation: Batch | None, config: Config) -> float:
    assert validation is not None
    return validation_loss(network, validation, loss_function(config))


def test_training_lowers_the_loss_and_keeps_the_best_weights() -> None:
    network, source, validation, config = _parts(max_steps=200, hidden_size=32, learning_rate=1e-2)
    before = _loss(network, validation, config)
    log = train(network, source, validation, config, _silent)
    after = _loss(network, validation, config)
    assert after < 0.7 * before
    assert after == pytest.approx(log.best_loss, rel=1e-6)


def test_training_stops_when_validation_no_longer_improves() -> None:
    network, source, validation, config = _parts(max_steps=10_000, learning_rate=1e-9, patience=3, val_every=10)
    first_weight = next(network.parameters())

    def spoil(step: int, loss: float, best: float) -> None:
        if step > 10:  # the weights only get worse after the first look
            first_weight.data.add_(1.0)

    log = train(network, source, validation, config, spoil)
    assert log.stopped == "early"
    assert log.best_step == 10
    assert log.steps == 10 + 3 * 10


def test_ctrl_c_keeps_the_best_weights_so_far_and_says_so() -> None:
    network, source, validation, config = _parts(max_steps=100, learning_rate=1e-2)

    def interrupted(source: Iterator[Batch]) -> Iterator[Batch]:
        for number, batch in enumerate(source):
            if number == 25:
                raise KeyboardInterrupt
            yield batch

    log = train(network, interrupted(source), validation, config, _silent)
    assert (log.stopped, log.steps) == ("interrupted", 25)
    assert log.best_step in (10, 20)
    assert _loss(network, validation, config) == pytest.approx(log.best_loss, rel=1e-6)
    assert f"interrupted at step 25; the weights of step {log.best_step} are kept" in log.sentence()


def test_ctrl_c_before_the_first_look_keeps_the_weights_as_they_are() -> None:
    network, source, validation, config = _parts()

    def stop(step: int, loss: float, best: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    log = train(network, source, validation, config, stop)
    assert (log.stopped, log.steps, log.best_step) == ("interrupted", 3, 3)


def test_a_diverging_training_ends_with_the_last_good_weights() -> None:
    network, source, validation, config = _parts(max_steps=100)

    def break_it(step: int, loss: float, best: float) -> None:
        if step == 15:
            next(network.parameters()).data.fill_(math.nan)

    log = train(network, source, validation, config, break_it)
    assert (log.stopped, log.steps, log.best_step) == ("diverged", 20, 10)
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_without_validation_every_step_is_done_and_the_last_weights_kept() -> None:
    network, source, validation, config = _parts(val_size=0)
    log = train(network, source, validation, config, _silent)
    assert validation is None
    assert (log.stopped, log.steps, log.best_step) == ("finished", 30, 30)


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_one_seed_gives_the_same_numbers(decoder: str, dropout: float) -> None:
    panel = panel_of(waves())
    config = Config(h=5, input_size=10, decoder=decoder, dropout=dropout, **QUICK | {"hidden_size": [8, 8]})
    first, second = fit_panel(panel, config, _silent), fit_panel(panel, config, _silent)
    assert np.array_equal(first.forecast(panel).values, second.forecast(panel).values)
    assert first.log == second.log


def test_another_seed_gives_other_numbers() -> None:
    panel = panel_of(waves())
    forecasts = [
        fit_panel(panel, Config(h=5, input_size=10, seed=seed, **QUICK), _silent).forecast(panel).values
        for seed in (1, 2)
    ]
    assert not np.array_equal(*forecasts)


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit_panel(panel_of(waves()), Config(h=5, input_size=10, **QUICK), _silent)
    assert torch.equal(torch.rand(3), expected)


def test_missing_points_change_nothing_in_training() -> None:
    """A value that is masked may be anything: it is neither read as a target nor as an input."""
    values = waves(1, 80)[0]
    gappy = values.copy()
    gappy[20:25] = np.nan
    config = Config(h=5, input_size=10, **QUICK)
    fitted = fit_panel(panel_of([gappy]), config, _silent)
    assert np.isfinite(fitted.forecast(panel_of([gappy])).values).all()
    assert math.isfinite(fitted.log.best_loss)


def test_the_gradient_is_clipped() -> None:
    norms = []
    for clip in (1e-3, None):
        network, source, validation, config = _parts(gradient_clip=clip, max_steps=1)
        train(network, source, validation, config, _silent)
        norms.append(sum(p.grad.square().sum() for p in network.parameters() if p.grad is not None).sqrt().item())
    assert norms[0] == pytest.approx(1e-3, rel=1e-3)
    assert norms[1] > 1e-2


def test_validation_with_nothing_to_look_at_is_none_at_all() -> None:
    series = waves()
    for values in series:
        values[-10:] = float("nan")
    panel = panel_of(series)
    fitted = fit_panel(panel, Config(h=5, input_size=10, val_size=10, **QUICK | {"max_steps": 100}), _silent)
    assert (fitted.log.steps, fitted.log.best_step) == (100, 100)  # not the weights that were looked at first
    assert fitted.errors is None


@pytest.mark.parametrize("largest", [0.5, 1e3])
def test_clipping_does_what_torchs_does(largest: float) -> None:
    ours, theirs = (torch.nn.Linear(4, 3).double() for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(7, 4, dtype=torch.float64)
    for layer in (ours, theirs):
        (3 * layer(x)).square().sum().backward()
    clip_gradient(list(ours.parameters()), largest)
    torch.nn.utils.clip_grad_norm_(theirs.parameters(), largest)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.grad is not None
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=0)
