"""From a panel to a trained forecaster: what the settings leave open is chosen, then each network trained in turn."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from unrolled.data.covariates import Features
from unrolled.data.panel import Panel
from unrolled.data.windows import training_windows, validation_windows
from unrolled.forecast.config import Config
from unrolled.forecast.ensemble import described, ensemble_configs
from unrolled.forecast.features import layout_of, learn_features
from unrolled.forecast.fitted import (
    Fitted,
    Gatherers,
    Member,
    PointsNeeded,
    held_out_errors,
    held_out_points,
    resolve,
    window,
)
from unrolled.forecast.losses.targets import refuse_targets
from unrolled.forecast.networks import Network, build
from unrolled.forecast.training.checkpoint import Checkpoints, Finished, Progress
from unrolled.forecast.training.draw import batches, validation_batch
from unrolled.forecast.training.fingerprint import fingerprint
from unrolled.forecast.training.loop import train
from unrolled.forecast.training.state import State, Tensors, copied, joined
from unrolled.forecast.training.watch import UNWATCHED, Watcher
from unrolled.forecast.transforms import Transform, learn_transform


def fit_panel(
    panel: Panel,
    config: Config,
    watcher: Watcher = UNWATCHED,
    checkpoints: Checkpoints | None = None,
    start: Fitted | None = None,
) -> Fitted:
    """Train a network, or an ensemble of them, on every window of `panel` that the settings allow.

    Args:
        panel: the series.
        config: settings; with `start` its own are used instead.
        watcher: told of every step of every network.
        checkpoints: where to go on from, and what to keep on the way.
        start: networks whose weights the training starts from; what they know of covariates and values stays.

    Returns:
        The trained networks. Ctrl-C keeps those of an ensemble that were done, or of the first one its best weights.
    """
    if start is None:
        PointsNeeded(config).check(panel)
        choice = resolve(config, panel)
        configs = ensemble_configs(choice.config, panel.lengths, open_window=config.input_size is None)
        features, transform = learn_features(panel, choice.config), learn_transform(panel, choice.config)
        reasons = (*choice.reasons, *described(configs))
    else:
        PointsNeeded(dataclasses.replace(start.config, input_size=start.longest_window)).check(panel)
        configs = tuple(member.config for member in start.members)
        features, transform, reasons = start.features, start.transform, start.reasons
    refuse_targets(panel, configs[0])
    work = _Work(panel, features, transform, watcher, checkpoints, start)
    members = work.members(configs)
    errors = held_out_errors(members, panel, features, transform)
    return Fitted(members, panel.freq, features, transform, errors, reasons)


@dataclass(frozen=True)
class _Work:
    """All that the trainings of an ensemble's networks share."""

    panel: Panel
    features: Features
    transform: Transform
    watcher: Watcher
    checkpoints: Checkpoints | None
    start: Fitted | None

    def members(self, configs: Sequence[Config]) -> tuple[Member, ...]:
        """Train each network that no checkpoint has done; interrupted, return those that are done, as the ensemble."""
        progress = self._begin(configs[0])
        members = [self._rebuilt(*one) for one in zip(configs, progress.finished, strict=False)]
        try:
            for number in range(len(members), len(configs)):
                state = progress.state if number == len(progress.finished) else None
                member = self._train(configs[number], number, state, members)
                interrupted = member.log.stopped == "interrupted"
                if not (interrupted and members):
                    members.append(member)
                if interrupted:
                    break
                if self.checkpoints is not None:
                    self.checkpoints.keep(_finished(members))
        except KeyboardInterrupt:
            if not members:
                raise
        counted = len(members)
        return tuple(
            dataclasses.replace(one, config=dataclasses.replace(one.config, ensemble=counted)) for one in members
        )

    def _begin(self, config: Config) -> Progress:
        if self.checkpoints is None:
            return Progress()
        return self.checkpoints.begin(fingerprint(config, self.panel, self._first_weights()))

    def _first_weights(self) -> Tensors | None:
        if self.start is None:
            return None
        return joined({f"{n}.": member.network.state_dict() for n, member in enumerate(self.start.members)})

    def _rebuilt(self, config: Config, done: Finished) -> Member:
        with _seeded(config):
            network = build(config, layout_of(self.features, config))
        network.load_state_dict(done.weights)
        return Member(config, network.eval(), done.log)

    def _train(self, config: Config, number: int, state: State | None, before: Sequence[Member]) -> Member:
        gather, held = self._gatherers(config), held_out_points(self.panel, config)
        windows = training_windows(self.panel, window(config), config.h, held).each(gather.channels)
        judged = validation_windows(self.panel, config.h, held).each(gather.channels)
        validation = validation_batch(judged, gather, config)
        keep = functools.partial(self.checkpoints.keep, _finished(before)) if self.checkpoints else None
        with _seeded(config):
            network = self._fresh(config, number)
            self.watcher.begin(config, number, 0 if state is None else state.now.steps)
            source = batches(windows, gather, config, 0 if state is None else state.drawn)
            log = train(
                network, source, validation, config, self.watcher, state, keep, judge_first=self.start is not None
            )
        self.watcher.end(log)
        return Member(config, network, log)

    @functools.cached_property
    def _gatherers(self) -> Gatherers:
        return Gatherers(self.panel, self.features, self.transform)

    def _fresh(self, config: Config, number: int) -> Network:
        network = build(config, layout_of(self.features, config))
        if self.start is not None:
            network.load_state_dict(self.start.members[number].network.state_dict())
        return network


def _finished(members: Sequence[Member]) -> list[Finished]:
    return [Finished(copied(member.network.state_dict()), member.log) for member in members]


@contextmanager
def _seeded(config: Config) -> Iterator[None]:
    """Draw from PyTorch's generators by the settings' seed, and leave them as they were."""
    device = torch.device(config.device)
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        torch.manual_seed(config.seed)
        yield
