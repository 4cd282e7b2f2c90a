"""A saved model: a folder of config.json, weights.safetensors and card.md. Nothing in it can run code.

The format is described in docs/formats.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled.data.covariates import Features
from unrolled.data.frequency import Frequency
from unrolled.errors import ArtifactError, Problems, UnrolledError
from unrolled.files import drafted_folder, survivor
from unrolled.forecast.config import Config
from unrolled.forecast.features import layout_of
from unrolled.forecast.fitted import Fitted, Member
from unrolled.forecast.intervals import HeldOutErrors, conformal
from unrolled.forecast.networks import Network, build
from unrolled.forecast.sealed import Format, sealed, unsealed
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.training.state import Tensors, joined, under
from unrolled.forecast.transforms import Transform

FORMAT = Format("unrolled-forecaster", "a saved forecaster", newest=2, sealed_since=2)

CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "card.md"
_ERRORS = "held_out_errors"
_NETWORK = "network."


def save(fitted: Fitted, folder: str | os.PathLike[str]) -> None:
    """Write `fitted` as a folder, whole or not at all; an older model there is replaced.

    Raises:
        ArtifactError: the path exists and is something other than a saved model, or can't be written.
    """
    refuse_to_replace(Path(folder))
    text, tensors = sealed(FORMAT, _description(fitted), _tensors(fitted))
    with drafted_folder(folder, ArtifactError) as draft:
        (draft / WEIGHTS).write_bytes(tensors)
        (draft / CONFIG).write_text(text, encoding="utf-8")
        (draft / CARD).write_text(card(fitted), encoding="utf-8")


def refuse_to_replace(target: Path) -> None:
    """Refuse to write a model where there is something other than a saved model.

    Raises:
        ArtifactError: the path exists and is something other than a saved model.
    """
    if os.path.lexists(target) and not _looks_like_model(target):
        raise ArtifactError(f"{target} exists and is not a saved model. Give a new folder's name.")


def _looks_like_model(folder: Path) -> bool:
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {CONFIG, WEIGHTS, CARD}


def _tensors(fitted: Fitted) -> Tensors:
    parts = {f"{_NETWORK}{n}.": member.network.state_dict() for n, member in enumerate(fitted.members)}
    errors = {} if fitted.errors is None else {_ERRORS: torch.from_numpy(fitted.errors.errors)}
    return joined(parts) | errors


def _description(fitted: Fitted) -> dict[str, Any]:
    return {
        "frequency": fitted.freq.to_json(),
        "features": fitted.features.to_json(),
        "transform": fitted.transform.to_json(),
        "chosen": list(fitted.reasons),
        "networks": [
            {"settings": member.config.to_json(), "training": member.log.to_json()} for member in fitted.members
        ],
    }


def card(fitted: Fitted) -> str:
    """Return a short description of the model for people."""
    config, ensemble = fitted.config, len(fitted.members)
    parameters = sum(p.numel() for p in fitted.network.parameters())
    several = f"The median of {ensemble} networks; of the first: " if ensemble > 1 else ""
    trained = "\n".join(f"- Training: {member.log.sentence()}{_validation(member)}" for member in fitted.members)
    return f"""# {config.name} forecaster

Forecasts the next {config.h} steps of {fitted.freq.name} series from their last {fitted.longest_window}.

- Network: {several}{config.network}, {config.name}, hidden_size {config.hidden_size}, {parameters:,} parameters.
- Scaling: {config.scaling}. Loss: {config.loss}. Season: {config.season}.
{trained}
- Intervals: {_intervals(fitted)}.

Use it:

    from unrolled import Forecaster
    model = Forecaster.load("this folder")
    model.predict("table.csv", level=[80])
"""


def _intervals(fitted: Fitted) -> str:
    if not conformal(fitted.config):
        return f"the network's own, learnt with loss={fitted.config.loss!r}"
    return "none: no points were held out" if fitted.errors is None else "conformal, from held-out errors"


def _validation(member: Member) -> str:
    return f" Validation loss {member.log.best_loss:.4g}." if member.log.best_loss < float("inf") else ""


def load(folder: str | os.PathLike[str], device: str | None = None) -> Fitted:
    """Read a folder that `save` wrote, this version's or the one before.

    Args:
        folder: the saved model.
        device: where it is to compute from now on; default: where it was trained, or the CPU where that is not here.

    Raises:
        ArtifactError: says which file is missing, damaged, foreign or newer, and what to do.
        ConfigError: the device can't be used here.
    """
    if device is not None:
        Config(h=1, device=device)  # refuses what is none
    path = survivor(folder)
    if not path.is_dir():
        raise ArtifactError(f"{path} is no folder. A saved model is a folder with {CONFIG}, {WEIGHTS} and {CARD}.")
    number, description, tensors = unsealed(FORMAT, path / CONFIG, path / WEIGHTS)
    try:
        return _rebuild(*_of_today(number, description, tensors), device)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError, UnrolledError) as wrong:
        raise ArtifactError(
            f"{path / CONFIG} and {WEIGHTS} beside it don't describe one model: {_reason(wrong)}. Save it again."
        ) from wrong


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, UnrolledError) and not wrong.heading:
        return "; ".join(problem.rstrip(".") for problem in wrong.problems)
    return f"{wrong} is missing" if isinstance(wrong, KeyError) else str(wrong).rstrip(".")


def _of_today(number: int, description: dict[str, Any], tensors: Tensors) -> tuple[dict[str, Any], Tensors]:
    """Return what schema 1 described in the words of schema 2: one network of steps, and nothing but its values."""
    if number > 1:
        return description, tensors
    added = {"network": "steps", "average": 0.0}
    today = {
        "frequency": description["frequency"],
        "features": Features().to_json(),
        "transform": Transform().to_json(),
        "chosen": [],
        "networks": [{"settings": description["settings"] | added, "training": description["training"]}],
    }
    renamed = {name.replace(_NETWORK, f"{_NETWORK}0.", 1): tensor for name, tensor in tensors.items()}
    return today, renamed


def _rebuild(description: Mapping[str, Any], tensors: Tensors, device: str | None) -> Fitted:
    features = Features.from_json(description["features"])
    members = tuple(
        _rebuild_member(one, features, under(f"{_NETWORK}{number}.", tensors), device)
        for number, one in enumerate(description["networks"])
    )
    if not members:
        raise ArtifactError("there is no network in it")
    errors = _errors(tensors[_ERRORS], members[0].config.h) if _ERRORS in tensors else None
    freq, transform = Frequency.from_json(description["frequency"]), Transform.from_json(description["transform"])
    return Fitted(members, freq, features, transform, errors, tuple(description["chosen"]))


def _errors(errors_Mh: Tensor, h: int) -> HeldOutErrors:
    if errors_Mh.dtype != torch.float64 or errors_Mh.dim() != 2 or errors_Mh.shape[1] != h:
        raise ArtifactError(f"{_ERRORS} is {_kind(errors_Mh)}, and should be (windows, {h}) float64")
    return HeldOutErrors(errors_Mh.numpy())


def _rebuild_member(description: Mapping[str, Any], features: Features, weights: Tensors, device: str | None) -> Member:
    settings = description["settings"]
    config = Config.from_settings(settings | {"device": device or _here(settings.get("device", "cpu"))})
    with torch.random.fork_rng(devices=[]):
        network = build(config, layout_of(features, config))
    _check_weights(network, weights)
    network.load_state_dict(weights)
    return Member(config, network.eval(), TrainingLog.from_json(description["training"]))


def _here(device: str) -> str:
    """Return the device that a model was trained on, or the CPU where this machine has no such one."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        return "cpu"
    return device


def _check_weights(network: Network, weights: Tensors) -> None:
    """Refuse weights that are not those of the network, or no numbers.

    Raises:
        ArtifactError: names all of them.
    """
    problems, needed = Problems(), network.state_dict()
    for name in sorted(needed.keys() | weights.keys()):
        if name not in weights or name not in needed:
            problems.add(f"{name} is {'missing' if name in needed else 'no weight of this network'}")
        elif _kind(weights[name]) != _kind(needed[name]):
            problems.add(f"{name} is {_kind(weights[name])}, and of this network {_kind(needed[name])}")
        else:
            problems.check(
                bool(weights[name].isfinite().all()), f"{name} holds numbers that are none (NaN or infinite)"
            )
    problems.raise_as(ArtifactError)


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
