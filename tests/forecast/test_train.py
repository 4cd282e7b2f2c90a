from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from makers import QUICK, panel_of, waves
from training_parts import Stepped, training_parts
from unrolled.data.windows import training_windows
from unrolled.forecast.batch import Batch, Gatherer
from unrolled.forecast.config import Config
from unrolled.forecast.fitting import fit_panel
from unrolled.forecast.losses import loss_of
from unrolled.forecast.networks import Network
from unrolled.forecast.training import draw
from unrolled.forecast.training.loop import clip_gradient, train, validation_loss
from unrolled.forecast.training.rate import rate_at


def _loss(network, validation: Batch | None, config: Config) -> float:
    assert validation is not None
    return validation_loss(network, validation, loss_of(config))


def test_training_lowers_the_loss_and_keeps_the_best_weights() -> None:
    network, source, validation, config = training_parts(max_steps=200, hidden_size=32, learning_rate=1e-2)
    before = _loss(network, validation, config)
    log = train(network, source, validation, config)
    after = _loss(network, validation, config)
    assert after < 0.7 * before
    assert after == pytest.approx(log.best_loss, rel=1e-6)


def test_training_stops_when_validation_no_longer_improves() -> None:
    network, source, validation, config = training_parts(max_steps=10_000, learning_rate=1e-9, patience=3, val_every=10)
    first_weight = next(network.parameters())

    def spoil(step: int) -> None:
        if step > 10:  # the weights only get worse after the first look
            first_weight.data.add_(1.0)

    log = train(network, source, validation, config, Stepped(spoil))
    assert log.stopped == "early"
    assert log.best_step == 10
    assert log.steps == 10 + 3 * 10


def test_ctrl_c_keeps_the_best_weights_so_far_and_says_so() -> None:
    network, source, validation, config = training_parts(max_steps=100, learning_rate=1e-2)

    def interrupted(source: Iterator[Batch]) -> Iterator[Batch]:
        for number, batch in enumerate(source):
            if number == 25:
                raise KeyboardInterrupt
            yield batch

    log = train(network, interrupted(source), validation, config)
    assert (log.stopped, log.steps) == ("interrupted", 25)
    assert log.best_step in (10, 20)
    assert _loss(network, validation, config) == pytest.approx(log.best_loss, rel=1e-6)
    assert f"interrupted at step 25; the weights of step {log.best_step} are kept" in log.sentence()


def test_ctrl_c_before_the_first_look_keeps_the_weights_as_they_are() -> None:
    network, source, validation, config = training_parts()

    def stop(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    log = train(network, source, validation, config, Stepped(stop))
    assert (log.stopped, log.steps, log.best_step) == ("interrupted", 3, 3)


def test_without_validation_every_step_is_done_and_the_last_weights_kept() -> None:
    network, source, validation, config = training_parts(val_size=0)
    log = train(network, source, validation, config)
    assert validation is None
    assert (log.stopped, log.steps, log.best_step) == ("finished", 30, 30)


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_one_seed_gives_the_same_numbers(decoder: str, dropout: float) -> None:
    panel = panel_of(waves())
    config = Config(h=5, input_size=10, decoder=decoder, dropout=dropout, **QUICK | {"hidden_size": [8, 8]})
    first, second = fit_panel(panel, config), fit_panel(panel, config)
    assert np.array_equal(first.forecast(panel).values, second.forecast(panel).values)
    assert first.log == second.log


def test_another_seed_gives_other_numbers() -> None:
    panel = panel_of(waves())
    forecasts = [
        fit_panel(panel, Config(h=5, input_size=10, seed=seed, **QUICK)).forecast(panel).values for seed in (1, 2)
    ]
    assert not np.array_equal(*forecasts)


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit_panel(panel_of(waves()), Config(h=5, input_size=10, **QUICK))
    assert torch.equal(torch.rand(3), expected)


def test_missing_points_change_nothing_in_training() -> None:
    """A value that is masked may be anything: it is neither read as a target nor as an input."""
    values = waves(1, 80)[0]
    gappy = values.copy()
    gappy[20:25] = np.nan
    config = Config(h=5, input_size=10, **QUICK)
    fitted = fit_panel(panel_of([gappy]), config)
    assert np.isfinite(fitted.forecast(panel_of([gappy])).values).all()
    assert math.isfinite(fitted.log.best_loss)


def test_the_gradient_is_clipped() -> None:
    norms = []
    for clip in (1e-3, None):
        network, source, validation, config = training_parts(gradient_clip=clip, max_steps=1)
        train(network, source, validation, config)
        norms.append(sum(p.grad.square().sum() for p in network.parameters() if p.grad is not None).sqrt().item())
    assert norms[0] == pytest.approx(1e-3, rel=1e-3)
    assert norms[1] > 1e-2


def test_validation_with_nothing_to_look_at_is_none_at_all() -> None:
    series = waves()
    for values in series:
        values[-10:] = float("nan")
    panel = panel_of(series)
    fitted = fit_panel(panel, Config(h=5, input_size=10, val_size=10, **QUICK | {"max_steps": 100}))
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


def test_the_rate_rises_over_a_fiftieth_of_the_steps_then_falls_to_zero() -> None:
    rates = [rate_at(step, 0.1, 500) for step in range(500)]
    rise = [(step + 1) / 10 if step < 10 else 1.0 for step in range(500)]
    assert rates == pytest.approx([0.1 * up * (1 + math.cos(math.pi * s / 500)) / 2 for s, up in enumerate(rise)])
    assert rate_at(0, 0.1, 1) == 0.1


def _weights(network: Network) -> list[np.ndarray]:
    return [parameter.detach().numpy().copy() for parameter in network.parameters()]


def test_the_average_is_that_of_all_weights_so_far_and_it_is_what_is_judged_and_kept() -> None:
    network, source, validation, config = training_parts(average=0.8, val_every=20, max_steps=60)
    running = _weights(network)
    judged = []

    def follow(step: int) -> None:
        share = min(0.8, (1 + step) / (10 + step))
        for mean, now in zip(running, _weights(network), strict=True):
            mean *= share
            mean += (1 - share) * now
        if step % 20 == 0:
            judged.append([mean.copy() for mean in running])

    watcher = Stepped(follow)
    log = train(network, source, validation, config, watcher)
    kept = judged[log.best_step // 20 - 1]
    for expected, found in zip(kept, _weights(network), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert [look.validation for look in watcher.looks][log.best_step // 20 - 1] == log.best_loss
    assert _loss(network, validation, config) == pytest.approx(log.best_loss, rel=1e-6)


def test_without_validation_the_average_of_the_end_is_kept() -> None:
    network, source, _, config = training_parts(average=0.9, val_size=0)
    last: list[np.ndarray] = []
    train(network, source, None, config, Stepped(lambda step: last.__setitem__(slice(None), _weights(network))))
    assert any(not np.array_equal(mean, now) for mean, now in zip(_weights(network), last, strict=True))


def test_weight_decay_shrinks_the_weights_apart_from_the_gradient() -> None:
    """AdamW (Loshchilov & Hutter 2019): each step takes rate * decay * weight off, whatever the gradient is."""
    found = []
    for decay in (0.0, 0.5):
        network, source, _, config = training_parts(weight_decay=decay, max_steps=1, learning_rate=0.1)
        before = _weights(network)
        train(network, source, None, config)
        found.append((before, _weights(network)))
    (before, plain), (_, decayed) = found
    for first, without, with_ in zip(before, plain, decayed, strict=True):
        np.testing.assert_allclose(without - with_, 0.1 * 0.5 * first, rtol=1e-3, atol=1e-6)


def test_a_watcher_hears_of_every_step_and_look() -> None:
    network, source, validation, config = training_parts()
    watcher = Stepped()
    log = train(network, source, validation, config, watcher)
    assert watcher.steps == list(range(1, 31))
    assert [look.step for look in watcher.looks] == [10, 20, 30]
    assert log.best_loss == min(look.validation or math.inf for look in watcher.looks)
    assert [look.rate for look in watcher.looks] == [
        rate_at(s - 1, config.learning_rate or 0, 30) for s in (10, 20, 30)
    ]


@pytest.mark.parametrize(("channels", "most"), [(1, 8), (3, 4), (20, 4)])
def test_long_windows_of_many_targets_are_gathered_a_few_at_a_time(
    channels: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "WINDOWS_AT_ONCE", 8)
    monkeypatch.setattr(draw, "POINTS_AT_ONCE", 8 * 12)
    panel, config = panel_of([np.arange(40.0)] * 20), Config(h=2, input_size=10, batch_size=4)
    gathered: list[int] = []

    class Counted(Gatherer):
        def __call__(self, series: np.ndarray, positions: np.ndarray, h: int) -> Batch:
            gathered.append(len(series))
            return super().__call__(series, positions, h)

    gather = Counted(torch.from_numpy(panel.values), torch.from_numpy(panel.offsets), 10, 2, channels=channels)
    windows = training_windows(panel, 10, 2, np.zeros(20, dtype=np.int64)).each(20)
    source = draw.batches(windows, gather, config)
    drawn = [next(source) for _ in range(3)]
    assert [len(one.inputs.past_NTF) for one in drawn] == [4, 4, 4]
    assert set(gathered) == {most}
    np.testing.assert_array_equal(next(draw.batches(windows, gather, config, first=2)).future_NhF, drawn[2].future_NhF)
