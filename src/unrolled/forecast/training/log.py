"""How a training went and ended, for people and for the saved model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Stopped = Literal["finished", "early", "interrupted", "diverged"]


@dataclass(frozen=True)
class Setback:
    """A number that was none in a training: what it was, at which step, and to which step the training went back."""

    what: Literal["loss", "gradient", "validation loss"]
    step: int
    back_to: int


@dataclass(frozen=True)
class TrainingLog:
    """How a training ended.

    stopped: "finished" (max_steps), "early" (no more improvement), "interrupted" (Ctrl-C) or
    "diverged" (there were numbers that were none, again and again). The weights kept are those of `best_step`.
    best_loss: on the validation windows; infinite where there were none.
    setbacks: each time that the training went back to its last good weights and halved the rate.
    """

    steps: int
    best_step: int
    best_loss: float
    stopped: Stopped
    setbacks: tuple[Setback, ...] = ()

    def sentence(self) -> str:
        """Say how it ended, and what happened on the way."""
        kept = f"the weights of step {self.best_step} are kept"
        ending = {
            "finished": f"Training did all {self.steps} steps; {kept}.",
            "early": f"Training stopped at step {self.steps}, since validation no longer improved; {kept}.",
            "interrupted": f"Training was interrupted at step {self.steps}; {kept}, the best so far.",
            "diverged": f"Training diverged at step {self.steps}; {kept}. Try a lower learning_rate.",
        }[self.stopped]
        return f"{ending} {self._of_setbacks()}" if self.setbacks else ending

    def _of_setbacks(self) -> str:
        """Name the last one, and count those before it."""
        last = self.setbacks[-1]
        times = f"{len(self.setbacks)} times, the last one: the" if len(self.setbacks) > 1 else "The"
        said = f"{last.what} was not a number at step {last.step}; went back to step {last.back_to} and halved the rate"
        return f"{times} {said}."

    def to_json(self) -> dict[str, Any]:
        """Return the log as plain JSON types."""
        return asdict(self) | {
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "setbacks": [asdict(one) for one in self.setbacks],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TrainingLog:
        """Return the log that `to_json` wrote; one of before there were setbacks has none."""
        best = content["best_loss"]
        setbacks = tuple(Setback(**one) for one in content.get("setbacks", ()))
        return cls(**{**content, "best_loss": math.inf if best is None else best, "setbacks": setbacks})
