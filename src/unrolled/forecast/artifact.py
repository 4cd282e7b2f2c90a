"""A saved model: a folder of config.json, weights.safetensors and card.md. Nothing in it can run code.

The format is described in docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from unrolled.data.covariates import Features
from unrolled.data.frequency import Frequency
from unrolled.errors import ArtifactError, UnrolledError
from unrolled.forecast.config import Config
from unrolled.forecast.features import layout_of
from unrolled.forecast.fitted import Fitted, Member
from unrolled.forecast.intervals import HeldOutErrors
from unrolled.forecast.networks import build
from unrolled.forecast.training.log import TrainingLog
from unrolled.forecast.transforms import Transform

SCHEMA = "unrolled-forecaster"
SCHEMA_VERSION = 2

CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "card.md"
_ERRORS = "held_out_errors"
_NETWORK = "network."


def save(fitted: Fitted, folder: str | os.PathLike[str]) -> None:
    """Write `fitted` as a folder, whole or not at all; an older model there is replaced.

    Raises:
        ArtifactError: the path exists and is something other than a saved model.
    """
    target = Path(folder)
    refuse_to_replace(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write(fitted, draft)
        draft.chmod(0o755)  # mkdtemp keeps others out; a saved model is an ordinary folder
        if target.exists():
            shutil.rmtree(target)
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def refuse_to_replace(target: Path) -> None:
    """Refuse to write a model where there is something other than a saved model.

    Raises:
        ArtifactError: the path exists and is something other than a saved model.
    """
    if target.exists() and not _looks_like_model(target):
        raise ArtifactError(f"{target} exists and is not a saved model. Give a new folder's name.")


def _looks_like_model(folder: Path) -> bool:
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {CONFIG, WEIGHTS, CARD}


def _write(fitted: Fitted, folder: Path) -> None:
    weights = safetensors.torch.save(_tensors(fitted))
    (folder / WEIGHTS).write_bytes(weights)
    description = _description(fitted) | {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    (folder / CONFIG).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card(fitted), encoding="utf-8")


def _tensors(fitted: Fitted) -> dict[str, Tensor]:
    tensors = {
        f"{_NETWORK}{number}.{name}": tensor.contiguous()
        for number, member in enumerate(fitted.members)
        for name, tensor in member.network.state_dict().items()
    }
    if fitted.errors is not None:
        tensors[_ERRORS] = torch.from_numpy(fitted.errors.errors).contiguous()
    return tensors


def _description(fitted: Fitted) -> dict[str, Any]:
    return {
        "schema": f"{SCHEMA}/{SCHEMA_VERSION}",
        "frequency": fitted.freq.to_json(),
        "features": fitted.features.to_json(),
        "transform": fitted.transform.to_json(),
        "chosen": list(fitted.reasons),
        "networks": [
            {"settings": member.config.to_json(), "training": member.log.to_json()} for member in fitted.members
        ],
        "made_with": {"unrolled": version("unrolled"), "torch": str(torch.__version__)},
    }


def card(fitted: Fitted) -> str:
    """Return a short description of the model for people."""
    config, log = fitted.config, fitted.log
    parameters = sum(p.numel() for p in fitted.network.parameters())
    return f"""# {config.name} forecaster

Forecasts the next {config.h} steps of {fitted.freq.name} series from their last {config.input_size}.

- Network: {config.network}, {config.name}, hidden_size {config.hidden_size}, {parameters:,} parameters.
- Scaling per window: {config.scaling}. Loss: {config.loss}. Season: {config.season}.
- Training: {log.steps} steps; the weights are those of step {log.best_step}, validation loss {log.best_loss:.4g}.
- Intervals: {"learnt quantiles" if config.loss == "quantile" else "conformal, from held-out errors"}.

Use it:

    from unrolled import Forecaster
    model = Forecaster.load("this folder")
    model.predict("table.csv", level=[80])
"""


def load(folder: str | os.PathLike[str]) -> Fitted:
    """Read a folder that `save` wrote.

    Raises:
        ArtifactError: says which file is missing, damaged, foreign or newer, and what to do.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ArtifactError(f"{path} is no folder. A saved model is a folder with {CONFIG}, {WEIGHTS} and {CARD}.")
    description = _read_description(path / CONFIG)
    tensors = _read_weights(path / WEIGHTS, description.get("weights_sha256"))
    try:
        return _rebuild(description, tensors)
    except (KeyError, TypeError, AttributeError, RuntimeError, UnrolledError) as wrong:
        raise ArtifactError(
            f"{path / CONFIG} and {WEIGHTS} beside it don't describe one model: {wrong}. Save it again."
        ) from wrong


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing, so {path.parent} is no complete saved model.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as wrong:
        raise ArtifactError(f"{path} is damaged: {wrong}. Restore it or save the model again.") from None
    schema = description.get("schema") if isinstance(description, dict) else None
    name, _, number = str(schema).partition("/")
    if name != SCHEMA or not number.isdigit():
        raise ArtifactError(f'{path} is not of a saved forecaster: its "schema" is {schema!r}, not "{SCHEMA}/...".')
    if int(number) > SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} was written by a newer unrolled (schema {number}; this one reads up to {SCHEMA_VERSION}). "
            "Install the newer version: pip install --upgrade unrolled."
        )
    assert isinstance(description, dict)
    return description


def _read_weights(path: Path, digest: object) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing, so {path.parent} is no complete saved model.") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ArtifactError(
            f"{path} is damaged or not the file that {CONFIG} was saved with: its checksum differs. Restore it."
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as wrong:
        raise ArtifactError(f"{path} is no safetensors file: {wrong}.") from None


def _rebuild(description: Mapping[str, Any], tensors: dict[str, Tensor]) -> Fitted:
    features = Features.from_json(description["features"])
    members = tuple(
        _rebuild_member(one, features, _under(f"{_NETWORK}{number}.", tensors))
        for number, one in enumerate(description["networks"])
    )
    errors = HeldOutErrors(tensors[_ERRORS].numpy()) if _ERRORS in tensors else None
    freq, transform = Frequency.from_json(description["frequency"]), Transform.from_json(description["transform"])
    return Fitted(members, freq, features, transform, errors, tuple(description["chosen"]))


def _rebuild_member(description: Mapping[str, Any], features: Features, weights: dict[str, Tensor]) -> Member:
    config = Config.from_settings(description["settings"])
    network = build(config, layout_of(features, config))
    network.load_state_dict(weights)
    return Member(config, network.eval(), TrainingLog.from_json(description["training"]))


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
