"""The training loop: a plain function, for one worker with its share of the windows.

Everything random is drawn from the seed; nothing global is left changed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from unrolled.data.windows import Windows
from unrolled.forecast.batch import Batch, Gatherer
from unrolled.forecast.config import Config
from unrolled.forecast.losses import Loss, loss_of
from unrolled.forecast.networks import Network

VALIDATION_BATCHES = 2
"""Validation looks at this many batches of windows at most, evenly spaced: a few per cent of the steps' cost."""

WINDOWS_AT_ONCE = 2048
"""Windows are gathered for several steps at a time, since one large gather costs little more than a small one."""

OnStep = Callable[[int, float, float], None]
"""Told the step, the training loss and the best validation loss so far."""


@dataclass(frozen=True)
class TrainingLog:
    """How a training ended.

    stopped: "finished" (max_steps), "early" (no more improvement), "interrupted" (Ctrl-C) or
    "diverged" (the validation loss was no longer a number). The weights kept are those of `best_step`.
    """

    steps: int
    best_step: int
    best_loss: float
    stopped: Literal["finished", "early", "interrupted", "diverged"]

    def sentence(self) -> str:
        """Say how it ended."""
        kept = f"the weights of step {self.best_step} are kept"
        return {
            "finished": f"Training did all {self.steps} steps; {kept}.",
            "early": f"Training stopped at step {self.steps}, since validation no longer improved; {kept}.",
            "interrupted": f"Training was interrupted at step {self.steps}; {kept}, the best so far.",
            "diverged": f"Training diverged at step {self.steps}; {kept}. Try a lower learning_rate.",
        }[self.stopped]

    def to_json(self) -> dict[str, Any]:
        """Return the log as plain JSON types."""
        return asdict(self) | {"best_loss": self.best_loss if math.isfinite(self.best_loss) else None}


def batches(windows: Windows, gather: Gatherer, config: Config, first_step: int = 0) -> Iterator[Batch]:
    """Draw batches of windows for ever, each window equally likely, from the settings' seed.

    Every stretch of steps draws from a generator of its own, so that a training resumed at `first_step` sees the
    windows that it would have seen.
    """
    size = config.batch_size
    at_once = max(1, WINDOWS_AT_ONCE // size)
    stretch, skipped = divmod(first_step, at_once)
    while True:
        draw = np.random.default_rng([config.seed, stretch])
        many = gather(*windows.locate(draw.integers(0, len(windows), at_once * size)), config.h)
        yield from itertools.islice(many.split(size), skipped, None)
        stretch, skipped = stretch + 1, 0


def validation_batch(windows: Windows, gather: Gatherer, config: Config) -> Batch | None:
    """Return the windows that validation looks at, or None when no series could spare any with a value to look at."""
    numbers = windows.spread(VALIDATION_BATCHES * config.batch_size)
    if not len(numbers):
        return None
    batch = gather(*windows.locate(numbers), config.h)
    # A loss over nothing is 0, which would make the first weights looked at the best for ever.
    return batch if batch.observed_Rh.any() else None


def train(
    network: Network, source: Iterator[Batch], validation: Batch | None, config: Config, on_step: OnStep
) -> TrainingLog:
    """Train `network` in place and leave the best weights in it.

    Args:
        network: trained in place, on the device its parameters are on.
        source: an endless supply of batches.
        validation: decides which weights are best and when to stop; without it all steps are done
            and the last weights are kept.
        config: loss, optimiser, number of steps, patience.
        on_step: called after every step.

    Returns:
        How it ended. Ctrl-C is an ending like the others: the best weights so far are kept.
    """
    loop = _Loop(network, validation, config, loss_of(config))
    stopped: Literal["finished", "early", "interrupted", "diverged"] = "finished"
    try:
        for batch in source:
            loss = loop.step(batch)
            on_step(loop.steps, loss, loop.best.loss)
            if loop.ended:
                stopped = loop.ended
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
    return loop.close(stopped)


@dataclass
class _Best:
    """The best weights so far."""

    loss: float = math.inf
    step: int = 0
    weights: dict[str, Tensor] | None = None


class _Loop:
    """The state of one training between its steps."""

    def __init__(self, network: Network, validation: Batch | None, config: Config, loss: Loss) -> None:
        self.network, self.validation, self.config, self.loss = network, validation, config, loss
        self.parameters = list(network.parameters())
        assert config.learning_rate is not None, "settings are resolved before use"
        assert config.max_steps is not None, "settings are resolved before use"
        self.peak, self.max_steps = config.learning_rate, config.max_steps
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=self.peak, weight_decay=config.weight_decay, fused=True
        )
        self.best, self.steps = _Best(), 0
        network.train()
        self.ended: Literal["finished", "early", "diverged"] | None = None

    def step(self, batch: Batch) -> float:
        """Do one optimiser step, look at the validation windows when it is time; return the loss."""
        self._set_rate()
        loss = self.loss(self.network.teach(batch), batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.gradient_clip is not None:
            clip_gradient(self.parameters, self.config.gradient_clip)
        self.optimiser.step()
        self.steps += 1
        if self.steps % self.config.val_every == 0 or self.steps == self.max_steps:
            self._look()
        if self.ended is None and self.steps >= self.max_steps:
            self.ended = "finished"
        return loss.item()

    def _set_rate(self) -> None:
        """Lower the rate along a half cosine from its peak to zero."""
        share_done = self.steps / self.max_steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.peak * 0.5 * (1 + math.cos(math.pi * share_done))

    def _look(self) -> None:
        if self.validation is None:
            return
        loss = validation_loss(self.network.eval(), self.validation, self.loss)
        self.network.train()
        if loss < self.best.loss:
            weights = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
            self.best = _Best(loss, self.steps, weights)
        elif not math.isfinite(loss):
            self.ended = "diverged"
        elif self.steps - self.best.step >= self.config.patience * self.config.val_every:
            self.ended = "early"

    def close(self, stopped: Literal["finished", "early", "interrupted", "diverged"]) -> TrainingLog:
        """Put the best weights into the network."""
        if self.best.weights is not None:
            self.network.load_state_dict(self.best.weights)
        best_step = self.best.step if self.best.weights is not None else self.steps
        self.network.eval()
        return TrainingLog(self.steps, best_step, self.best.loss, stopped)


def clip_gradient(parameters: Sequence[Tensor], largest: float) -> None:
    """Scale all gradients together so that their joint norm is at most `largest`.

    What `torch.nn.utils.clip_grad_norm_` does, in a quarter of its time: for a small network that is a
    twentieth of the whole step.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.cat([gradient.view(-1) for gradient in gradients])).item()
    if norm > largest:
        torch._foreach_mul_(gradients, largest / norm)


@torch.inference_mode()
def validation_loss(network: Network, batch: Batch, loss: Loss) -> float:
    """Return the loss of the network's own forecasts, decoded as in prediction."""
    return float(loss(network.assess(batch), batch))
