"""Ensembles: networks of different seeds and windows, whose forecasts' median is the forecast.

Windows of different lengths err differently, so that their median errs less than that of seeds alone (as found for
N-BEATS by Oreshkin et al. 2020, who take medians over windows of 2 to 7 horizons).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.data.windows import held_out
from unrolled.forecast.config import Config
from unrolled.forecast.training.log import TrainingLog

WINDOWS = (1.0, 0.5, 1.5, 2.0)
"""Lengths of the networks' windows in turn, in parts of the first one's."""


def ensemble_configs(config: Config, lengths: NDArray[np.int64], open_window: bool) -> tuple[Config, ...]:
    """Return the settings of each network of an ensemble: seeds one after another, and windows in turn.

    Args:
        config: resolved settings; the first network's.
        lengths: (S,) of the series. No window is longer than these allow: none costs a series its held-out points, or
            the training more than half of its windows.
        open_window: whether the window was left to us; if not, all have the one that was asked for.
    """
    shares = WINDOWS if open_window else WINDOWS[:1]
    return tuple(
        dataclasses.replace(
            config, seed=config.seed + number, input_size=_window(config, lengths, shares[number % len(shares)])
        )
        for number in range(config.ensemble)
    )


def _window(config: Config, lengths: NDArray[np.int64], share: float) -> int:
    """Return this share of the settings' window, in whole segments; or that window where the series are too short."""
    first = config.input_size
    assert first is not None, "settings are resolved before use"
    if share == 1:  # as it is, in whole segments or not: a network reads any window
        return first
    piece = config.segment or 1 if config.network == "segments" else 1
    asked = max(piece, round(share * first / piece) * piece)
    return asked if asked <= first or _allows(config, lengths, first, asked) else first


def _allows(config: Config, lengths: NDArray[np.int64], first: int, asked: int) -> bool:
    held, kept = (held_out(lengths, size, config.h, config.val_size) for size in (first, asked))
    before, after = (np.maximum(lengths - held - size - config.h + 1, 0).sum() for size in (first, asked))
    return bool((held == kept).all() and 2 * after >= before)


def described(configs: Sequence[Config]) -> tuple[str, ...]:
    """Say which windows and seeds the networks have, in a sentence where there are several."""
    if len(configs) == 1:
        return ()
    windows = ", ".join(str(one.input_size) for one in configs)
    seeds = f"seeds {configs[0].seed} to {configs[-1].seed}"
    return (
        f"ensemble={len(configs)}: networks with windows of {windows} steps, {seeds}; the forecast is their median",
    )


def ending(logs: Sequence[TrainingLog], planned: int) -> str:
    """Say how the training of all networks ended; of an ensemble those that did not end well by themselves."""
    if planned == 1:
        return logs[0].sentence()
    sentences = [f"Network {number}: {log.sentence()}" for number, log in enumerate(logs, start=1)]
    if len(logs) < planned:
        kept = "1 network is" if len(logs) == 1 else f"{len(logs)} networks are"
        sentences.append(f"Training was interrupted: {kept} kept of the {planned} that were asked for.")
    return "\n".join(sentences)


def ended_badly(logs: Sequence[TrainingLog], planned: int) -> bool:
    """Whether someone who sees no report should be told all the same."""
    return len(logs) < planned or any(log.stopped in ("interrupted", "diverged") or log.setbacks for log in logs)
