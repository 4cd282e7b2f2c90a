"""Everything that a training needs to go on: as tensors and plain numbers, for memory and for a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from unrolled.forecast.training.log import Setback

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Snapshot:
    """The numbers that training changes, after so many steps.

    average: the running average of the weights; empty without one. optimiser: its moments, as `NUMBER.NAME`.
    """

    steps: int
    weights: Tensors
    average: Tensors
    optimiser: Tensors


@dataclass(frozen=True)
class Best:
    """The weights that did best on the validation windows, if there were any yet."""

    loss: float = math.inf
    step: int = 0
    weights: Tensors | None = None


@dataclass(frozen=True)
class State:
    """A training between two steps.

    now: where it is. good: where it goes back to when a number is none; `now` itself where it is of the same step.
    drawn: batches taken from the source, those of steps that were not kept among them. generators: the states of
    PyTorch's, which dropout draws from.
    """

    now: Snapshot
    good: Snapshot
    best: Best
    drawn: int
    setbacks: tuple[Setback, ...]
    generators: Tensors

    def tensors(self) -> Tensors:
        """Return all tensors by name; `from_parts` undoes it."""
        parts = {
            "now.": _tensors_of(self.now),
            "good.": {} if self.good is self.now else _tensors_of(self.good),
            "best.": self.best.weights or {},
            "generators.": self.generators,
        }
        return joined(parts)

    def to_json(self) -> dict[str, Any]:
        """Return all but the tensors, as plain JSON types."""
        return {
            "steps": self.now.steps,
            "good_steps": self.good.steps,
            "best": None if self.best.weights is None else {"loss": self.best.loss, "step": self.best.step},
            "drawn": self.drawn,
            "setbacks": [asdict(one) for one in self.setbacks],
        }

    @classmethod
    def from_parts(cls, content: Mapping[str, Any], tensors: Tensors) -> State:
        """Return the state whose parts `to_json` and `tensors` gave."""
        best, now = content["best"], _snapshot(content["steps"], under("now.", tensors))
        apart = content["good_steps"] != content["steps"]
        return cls(
            now=now,
            good=_snapshot(content["good_steps"], under("good.", tensors)) if apart else now,
            best=Best() if best is None else Best(best["loss"], best["step"], under("best.", tensors)),
            drawn=content["drawn"],
            setbacks=tuple(Setback(**one) for one in content["setbacks"]),
            generators=under("generators.", tensors),
        )


def _tensors_of(snapshot: Snapshot) -> Tensors:
    return joined({f"{name}.": getattr(snapshot, name) for name in ("weights", "average", "optimiser")})


def _snapshot(steps: int, tensors: Tensors) -> Snapshot:
    return Snapshot(steps, *(under(f"{name}.", tensors) for name in ("weights", "average", "optimiser")))


def joined(parts: Mapping[str, Tensors]) -> Tensors:
    """Return the tensors of several parts as one, each name after its part's prefix."""
    return {prefix + name: tensor for prefix, tensors in parts.items() for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """Return the tensors whose names begin so, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def copied(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return copies that no step changes."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def moments(optimiser: torch.optim.Optimizer) -> Tensors:
    """Return copies of what an optimiser knows of each parameter, as `NUMBER.NAME`."""
    found = optimiser.state_dict()["state"]
    return {f"{number}.{name}": tensor.clone() for number, one in found.items() for name, tensor in one.items()}


def set_moments(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Give an optimiser back what `moments` took from it."""
    state: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor.clone()
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def generator_states(device: torch.device) -> Tensors:
    """Return the states of PyTorch's generators that a training on `device` draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generator_states(states: Tensors, device: torch.device) -> None:
    """Give PyTorch's generators these states back."""
    setters: dict[str, Callable[[Tensor], None]] = {
        "cpu": torch.set_rng_state,
        "cuda": lambda state: torch.cuda.set_rng_state(state, device),
    }
    for name, state in states.items():
        setters[name](state.cpu())
