"""Numbers that are none in a training: it goes back to its last good weights, halves the rate, and says so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from makers import QUICK, panel_of, wave_frame, waves
from training_parts import Stepped, training_parts
from unrolled import Forecaster
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.fitting import fit_panel
from unrolled.forecast.losses.base import Loss
from unrolled.forecast.training.log import Setback, TrainingLog
from unrolled.forecast.training.loop import MOST_SETBACKS, train, validation_loss
from unrolled.forecast.training.rate import rate_at


def _poisoned(source: Iterator[Batch], *bad: int) -> Iterator[Batch]:
    """Put a number that is none into the batches of these numbers, counted from 1."""
    for number, batch in enumerate(source, start=1):
        inputs = batch.inputs
        if number in bad:
            inputs = inputs._replace(past_NTF=torch.full_like(inputs.past_NTF, math.nan))
        yield dataclasses.replace(batch, inputs=inputs)


def test_a_loss_that_is_no_number_sends_the_training_back_at_half_the_rate() -> None:
    network, source, validation, config = training_parts(max_steps=40)
    watcher = Stepped()
    log = train(network, _poisoned(source, 26), validation, config, watcher)
    assert log.setbacks == (Setback("loss", 26, 20),)
    assert (log.steps, log.stopped) == (40, "finished")
    assert watcher.steps == [*range(1, 26), *range(20, 41)]
    assert [look.step for look in watcher.looks] == [10, 20, 30, 40]
    rates = [rate_at(step - 1, config.learning_rate or 0, 40) for step in (10, 20, 30, 40)]
    assert [look.rate for look in watcher.looks] == pytest.approx([rates[0], rates[1], rates[2] / 2, rates[3] / 2])
    assert log.sentence() == (
        f"Training did all 40 steps; the weights of step {log.best_step} are kept. The loss was not a number at step "
        "26; went back to step 20 and halved the rate."
    )


def test_going_back_is_training_from_there_on_the_batches_that_follow() -> None:
    """The same weights, bit for bit, as of a training that knew: 20 steps, then at half the rate with batches 27 on."""
    network, source, validation, config = training_parts(max_steps=40, average=0.9)
    train(network, _poisoned(source, 26), validation, config)
    other, source, validation, config = training_parts(max_steps=40, average=0.9)
    taken = [batch for _, batch in zip(range(60), source, strict=False)]
    kept = []
    train(other, iter([*taken[:20]] + [taken[20]] * 40), validation, config, keep=lambda state: kept.append(state()))
    at_20 = next(state for state in kept if state.now.steps == 20)
    state = dataclasses.replace(at_20, setbacks=(Setback("loss", 26, 20),))
    train(other, iter(taken[26:]), validation, config, state=state)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_gradient_that_is_no_number_is_not_stepped_along() -> None:
    network, source, validation, config = training_parts()
    first = next(network.parameters())
    calls = []

    def spoil(gradient: Tensor) -> Tensor:
        calls.append(None)
        return gradient * math.nan if len(calls) == 15 else gradient

    first.register_hook(spoil)
    log = train(network, source, validation, config)
    assert log.setbacks == (Setback("gradient", 15, 10),)
    assert log.steps == 30
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("val_size", [None, 0])
def test_weights_that_are_no_numbers_are_never_kept(val_size: int | None) -> None:
    network, source, validation, config = training_parts(val_size=val_size)
    spoilt = []

    def spoil(step: int) -> None:
        if step == 15 and not spoilt:
            spoilt.append(next(network.parameters()).data.fill_(math.nan))

    log = train(network, source, validation, config, Stepped(spoil))
    assert log.setbacks == (Setback("loss", 16, 10),)
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_a_validation_loss_that_is_no_number_sends_it_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def sometimes(network: torch.nn.Module, batch: Batch, loss: Loss) -> float:
        looks.append(None)
        return math.inf if len(looks) == 2 else validation_loss(network, batch, loss)

    monkeypatch.setattr("unrolled.forecast.training.loop.validation_loss", sometimes)
    network, source, validation, config = training_parts()
    log = train(network, source, validation, config)
    assert log.setbacks == (Setback("validation loss", 20, 10),)
    assert "The validation loss was not a number at step 20; went back to step 10" in log.sentence()
    assert (log.steps, len(looks)) == (30, 4)


@pytest.mark.parametrize("val_size", [None, 0])
def test_after_too_many_it_ends_with_the_last_good_weights(val_size: int | None) -> None:
    network, source, validation, config = training_parts(val_size=val_size)
    good: list[Tensor] = []

    def note(step: int) -> None:
        if step == 10:
            good[:] = [parameter.detach().clone() for parameter in network.parameters()]

    log = train(network, _poisoned(source, *range(16, 200)), validation, config, Stepped(note))
    assert (log.steps, log.best_step, log.stopped) == (10, 10, "diverged")
    assert [one.step for one in log.setbacks] == [16, *[11] * (MOST_SETBACKS - 1)]
    assert all(torch.equal(a, b) for a, b in zip(good, network.parameters(), strict=True))
    assert log.sentence() == (
        "Training diverged at step 10; the weights of step 10 are kept. Try a lower learning_rate. 5 times, the last "
        "one: the loss was not a number at step 11; went back to step 10 and halved the rate."
    )


def test_a_real_blow_up_is_survived_and_said() -> None:
    settings = QUICK | {"h": 5, "input_size": 12, "loss": "mse", "learning_rate": 1e25, "gradient_clip": None}
    with pytest.warns(UserWarning, match=r"was not a number at step \d+; went back to step \d+ and halved the rate"):
        model = Forecaster(**settings).fit(wave_frame(2, 80))
    assert model.log.setbacks
    assert np.isfinite(model.predict().LSTM).all()


def test_going_back_gives_the_same_numbers_twice() -> None:
    config = Config(h=5, input_size=10, loss="mse", learning_rate=1e25, gradient_clip=None, **QUICK)
    first, second = (fit_panel(panel_of(waves()), config) for _ in range(2))
    assert first.log == second.log
    assert first.log.setbacks
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name])


def test_a_log_goes_to_json_and_back() -> None:
    log = TrainingLog(30, 20, 0.5, "finished", (Setback("gradient", 12, 10),))
    assert TrainingLog.from_json(log.to_json()) == log
    without = TrainingLog(30, 30, math.inf, "finished")
    assert without.to_json()["best_loss"] is None
    assert TrainingLog.from_json(without.to_json()) == without
