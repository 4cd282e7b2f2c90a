"""The training loop: a plain function, for one worker with its share of the windows.

Everything random is drawn from the seed; nothing global is left changed.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.losses import Loss, loss_of
from unrolled.forecast.networks import Network
from unrolled.forecast.training.log import Setback, Stopped, TrainingLog
from unrolled.forecast.training.rate import rate_at
from unrolled.forecast.training.state import (
    Best,
    Snapshot,
    State,
    Tensors,
    copied,
    generator_states,
    moments,
    set_generator_states,
    set_moments,
)
from unrolled.forecast.training.watch import UNWATCHED, Look, Watcher

MOST_SETBACKS = 5
"""A training goes back to good weights this many times, at a rate a 32nd of the first in the end; then it gives up."""

Keep = Callable[[Callable[[], State]], None]
"""Called after a step with what gives the training's state, which costs a copy of all weights."""


def train(
    network: Network,
    source: Iterator[Batch],
    validation: Batch | None,
    config: Config,
    watcher: Watcher = UNWATCHED,
    state: State | None = None,
    keep: Keep | None = None,
    judge_first: bool = False,
) -> TrainingLog:
    """Train `network` in place and leave the best weights in it.

    A loss or gradient that is not a number is not learnt from: the training goes back to the weights of its last look
    at the validation windows, halves the rate and goes on with other batches.

    Args:
        network: trained in place, on the device its parameters are on.
        source: an endless supply of batches; when `state` is given, those after the `state.drawn` first.
        validation: decides which weights are best and when to stop; without it all steps are done
            and the last weights are kept.
        config: loss, optimiser, number of steps, patience.
        watcher: told of every step and look.
        state: where to go on, as `keep` was given it: all steps are then those of a training that never stopped.
        keep: called after every step but the last.
        judge_first: whether the weights as they come are among those of which the best are kept.

    Returns:
        How it ended. Ctrl-C is an ending like the others: the best weights so far are kept.
    """
    loop = _Loop(network, validation, config, watcher)
    stopped: Stopped = "interrupted"
    try:
        if state is not None:
            loop.restore(state)
        elif judge_first:
            loop.look(None)
        while loop.ended is None:
            loss = loop.step(next(source))
            watcher.step(loop.steps, loss, loop.best.loss)
            if keep is not None and loop.ended is None:
                keep(loop.state)
        stopped = loop.ended
    except KeyboardInterrupt:
        pass
    return loop.close(stopped)


class _Loop:
    """One training between its steps."""

    def __init__(self, network: Network, validation: Batch | None, config: Config, watcher: Watcher) -> None:
        self.network, self.validation, self.config, self.watcher = network.train(), validation, config, watcher
        assert config.learning_rate is not None, "settings are resolved before use"
        assert config.max_steps is not None, "settings are resolved before use"
        assert config.val_every is not None, "settings are resolved before use"
        self.peak, self.max_steps, self.val_every = config.learning_rate, config.max_steps, config.val_every
        self.loss = loss_of(config)
        self.parameters: list[Tensor] = list(network.parameters())
        self.device = self.parameters[0].device
        self.average = _Average(network, config.average) if config.average else None
        self.optimiser = torch.optim.AdamW(self.parameters, lr=self.peak, weight_decay=config.weight_decay, fused=True)
        self.started = time.monotonic()
        self.steps, self.drawn, self.rate = 0, 0, self.peak
        self.best, self.setbacks = Best(), tuple[Setback, ...]()
        self.good = self._snapshot()
        self.ended: Literal["finished", "early", "diverged"] | None = None

    @property
    def judged(self) -> Network:
        """The network that validation looks at and that is kept: the average where there is one."""
        return self.network if self.average is None else self.average.network

    def step(self, batch: Batch) -> float:
        """Do one optimiser step, look at the validation windows when it is time; return the loss."""
        self._set_rate()
        loss = self.loss(self.network.teach(batch), batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm, value = clip_gradient(self.parameters, self.config.gradient_clip or math.inf), loss.item()
        self.drawn += 1
        if not math.isfinite(value) or not math.isfinite(norm):
            self._go_back("gradient" if math.isfinite(value) else "loss", self.steps + 1)
            return value
        self.optimiser.step()
        self.steps += 1
        if self.average is not None:
            self.average.update(self.parameters, self.steps)
        if self.steps % self.val_every == 0 or self.steps == self.max_steps:
            self.look(value)
        if self.ended is None and self.steps >= self.max_steps:
            self.ended = "finished"
        return value

    def _set_rate(self) -> None:
        self.rate = rate_at(self.steps, self.peak, self.max_steps) / 2 ** len(self.setbacks)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate

    def look(self, loss: float | None) -> None:
        """Judge the weights on the validation windows; remember them as good, and as best where they are."""
        found = None
        if self.validation is not None:
            found = validation_loss(self._ready_to_judge(), self.validation, self.loss)
            self.network.train()
            if not math.isfinite(found):
                self._go_back("validation loss", self.steps)
                return
            self._judge(found)
        self.good = self._snapshot()
        self.watcher.look(Look(self.steps, loss, found, self.rate, time.monotonic() - self.started))

    def _ready_to_judge(self) -> Network:
        if self.average is not None:
            self.average.copy_buffers(self.network)
        return self.judged.eval()

    def _judge(self, found: float) -> None:
        if found < self.best.loss:
            self.best = Best(found, self.steps, copied(self.judged.state_dict()))
        elif self.steps - self.best.step >= self.config.patience * self.val_every:
            self.ended = "early"

    def _go_back(self, what: Literal["loss", "gradient", "validation loss"], step: int) -> None:
        """Give up the steps since the last good weights, and halve the rate; the batches go on."""
        if len(self.setbacks) == MOST_SETBACKS:
            self.ended = "diverged"
        else:
            self.setbacks = (*self.setbacks, Setback(what, step, self.good.steps))
        self._put_back(self.good)

    def _snapshot(self) -> Snapshot:
        average = {} if self.average is None else copied(self.average.network.state_dict())
        return Snapshot(self.steps, copied(self.network.state_dict()), average, moments(self.optimiser))

    def _put_back(self, snapshot: Snapshot) -> None:
        self.steps = snapshot.steps
        self.network.load_state_dict(snapshot.weights)
        if self.average is not None:
            self.average.network.load_state_dict(snapshot.average)
        set_moments(self.optimiser, snapshot.optimiser)

    def state(self) -> State:
        """Return all that it takes to go on from here."""
        # At a look the two are one; copying it again would be for nothing.
        now = self.good if self.good.steps == self.steps else self._snapshot()
        return State(now, self.good, self.best, self.drawn, self.setbacks, generator_states(self.device))

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self._put_back(state.now)
        self.good, self.best, self.drawn, self.setbacks = state.good, state.best, state.drawn, state.setbacks
        set_generator_states(state.generators, self.device)

    def close(self, stopped: Stopped) -> TrainingLog:
        """Put the best weights into the network."""
        best = self.best
        kept: Tensors = self.judged.state_dict() if best.weights is None else best.weights
        self.network.load_state_dict(kept)
        self.network.eval()
        step = self.steps if best.weights is None else best.step
        return TrainingLog(self.steps, step, best.loss, stopped, self.setbacks)


class _Average:
    """A running average of a network's weights (Polyak & Juditsky 1992), in a network of its own.

    share: of the average so far that each step keeps, once there are many; the first steps, of weights by chance,
    are forgotten sooner.
    """

    def __init__(self, network: Network, share: float) -> None:
        self.network, self.share = copy.deepcopy(network).eval(), share
        self.parameters: list[Tensor] = list(self.network.parameters())

    @torch.no_grad()
    def update(self, parameters: list[Tensor], steps: int) -> None:
        """Take in the weights after so many steps."""
        share = min(self.share, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self.parameters, parameters, 1 - share)

    @torch.no_grad()
    def copy_buffers(self, network: Network) -> None:
        """Take over what a network knows besides its parameters."""
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(other)


def clip_gradient(parameters: Sequence[Tensor], largest: float) -> float:
    """Scale all gradients together so that their joint norm is at most `largest`; return what it was.

    What `torch.nn.utils.clip_grad_norm_` does, in a quarter of its time: for a small network that is a
    twentieth of the whole step.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.cat([gradient.view(-1) for gradient in gradients])))
    if norm > largest:
        torch._foreach_mul_(gradients, largest / norm)
    return norm


@torch.inference_mode()
def validation_loss(network: Network, batch: Batch, loss: Loss) -> float:
    """Return the loss of the network's own forecasts, decoded as in prediction."""
    return float(loss(network.assess(batch), batch))
