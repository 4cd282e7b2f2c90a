"""Which inputs an answer came from, by the best method that the model's size allows.

Shapes: T = time, N = batch, F = features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from unrolled import analysis
from unrolled.analysis.running import subject_of, untouched
from unrolled.analysis.targets import ask
from unrolled.trace import Analysis, NamedArray, PartValues, Recorded

NAME: Final = "attribution"

MOST_PRODUCTS: Final = 100e9
"""Multiplications that may be spent on an attribution: some seconds on a laptop."""

STEPS: Final = 50
"""Of integrated gradients: a forward and a backward each."""

TAKES: Final[Mapping[str, str]] = {
    "integrated gradients": f"{STEPS} forward and backward passes",
    "occlusion": "a forward pass for each step and feature",
}


class Cost(NamedTuple):
    """What one forward pass takes, and how many inputs a sample has."""

    products: float
    inputs: int

    @classmethod
    def of(cls, recorded: tuple[Recorded, ...]) -> Cost:
        """Read off the recorded layers: each step of each sample multiplies by every weight."""
        products = 0.0
        for each in recorded:
            steps, batch, _ = each.trace.parts[0]["inputs"].shape
            weights = sum(array.values.size for part in each.layer.weights for array in part.arrays.values())
            products += float(steps) * batch * weights
        steps, _, features = recorded[0].trace.parts[0]["inputs"].shape
        return cls(products, steps * features)


def attribution(model: nn.Module, x: Tensor, lengths: Any, cost: Cost) -> Analysis:
    """Share the sum of the model's answer out over its inputs.

    Integrated gradients where Captum is installed, else occlusion; where that would take too long, one backward pass:
    gradient × input. The facts say which, and why it was not a better one.
    """
    method, why = _choose(cost)
    found = _METHODS[method](model, x, lengths)
    facts = dict(found.facts) | {"method": method} | ({"why": why} if why else {})
    return replace(found, name=NAME, facts=facts)


def _choose(cost: Cost) -> tuple[str, str]:
    """The method, and why it is not a better one."""
    method, passes, why = "integrated gradients", 3 * STEPS, ""
    if find_spec("captum") is None:
        method, passes, why = "occlusion", cost.inputs, "Captum is not installed (pip install 'unrolled[analysis]')"
    if passes * cost.products <= MOST_PRODUCTS:
        return method, why
    return "gradient times input", f"{method} takes {TAKES[method]}, too many for a model and batch of this size"


def _gradient_times_input(model: nn.Module, x: Tensor, lengths: Any) -> Analysis:
    """The answer's slope at x, carried on to 0; Shrikumar et al. (2016), "Not just a black box"."""
    subject = subject_of("explore", model, lengths)
    question = ask(subject, x, None)
    # CuDNN gives no gradients of torch.nn's recurrent layers in evaluation.
    with untouched(subject.model), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        given = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(question.slope(given), given)
    values = NamedArray(question.as_NTF(gradient * given.detach()), ("batch", "time", "feature"))
    return Analysis(NAME, (PartValues(None, None, "x", values),))


_METHODS: Final[Mapping[str, Callable[[nn.Module, Tensor, Any], Analysis]]] = {
    "integrated gradients": lambda model, x, lengths: analysis.integrated_gradients(model, x, lengths, steps=STEPS),
    "occlusion": lambda model, x, lengths: analysis.occlusion(model, x, lengths),
    "gradient times input": _gradient_times_input,
}
