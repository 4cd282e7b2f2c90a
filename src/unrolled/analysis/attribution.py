"""Which inputs an answer rests on: occlusion and integrated gradients, for every step and feature.

Shapes: T = time, N = batch, F = features.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.analysis.running import subject_of, untouched
from unrolled.analysis.targets import Question, Target, ask
from unrolled.errors import ConfigError, DtypeError
from unrolled.trace import Analysis, Array, NamedArray, PartValues


def occlusion(model: nn.Module, x: Any, lengths: Any = None, target: Target = None, baseline: float = 0.0) -> Analysis:
    """By how much each sequence's answer falls when one number of its input is covered.

    One run for each step and feature: the answer as it is, less the answer with x[n, t, f] replaced by `baseline`.
    What two numbers say together, covering one of them does not show. Source: Zeiler & Fergus (2014), "Visualizing and
    understanding convolutional networks", with a window of one number.

    Args:
        model: One of unrolled's recurrent layers, one of torch.nn's LSTM, GRU or RNN, or any module that contains some.
        x: (N, T, F) or (T, N, F), as the model reads it, or (T, F); or token ids without the axis F.
        lengths: Valid steps of each sequence, as for `record`.
        target: What is explained: an index into each sequence's answer, a tuple of them where that has several axes,
            or a function that makes N numbers of what the model returns. Default: the sum of each sequence's answer.
        baseline: What a number is replaced by; for token ids an id. Default: 0.

    Returns:
        Of "x": ("batch", "time", "feature"), without "feature" for token ids.

    Raises:
        ConfigError: No recurrent layer, no argument for lengths, or a target that doesn't fit the answer.
        ShapeError, DtypeError: x is no such tensor, or the model can't run on it.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import occlusion
        >>> lstm = unrolled.LSTM(3, 4, batch_first=True)
        >>> occlusion(lstm, torch.randn(2, 9, 3), target=(-1, 0)).find("x").values  # of output[:, -1, 0]
        NamedArray(batch=2, time=9, feature=3; float32)
    """
    subject = subject_of("occlusion", model, lengths)
    question = ask(subject, x, target)
    if question.tokens and not float(baseline).is_integer():
        raise ConfigError(f"occlusion: x holds token ids, so that baseline must be one too; got {baseline!r}.")
    with untouched(subject.model), torch.no_grad():
        falls = _falls(question, baseline)
    return Analysis("occlusion", (_part(question.as_NTF(falls)),), {"baseline": baseline})


def integrated_gradients(
    model: nn.Module,
    x: Any,
    lengths: Any = None,
    target: Target = None,
    baseline: float = 0.0,
    steps: int = 50,
    method: str = "gausslegendre",
) -> Analysis:
    """Each input number's share in how far a sequence's answer is from its answer to a baseline.

    (x − x') times the mean gradient along the straight line from the baseline x' to x. The shares add up to the
    difference of the two answers, as far as the sum over `steps` stands for the integral: the completeness gap says
    how far. Trust shares that are well above it only, and compare baselines: an all-zero input is one that a model may
    never have seen. Source: Sundararajan, Taly & Yan (2017), "Axiomatic attribution for deep networks". Computed by
    Captum, which is optional: `pip install "unrolled[analysis]"`.

    Args:
        model: One of unrolled's recurrent layers, one of torch.nn's LSTM, GRU or RNN, or any module that contains some.
        x: (N, T, F) or (T, N, F), as the model reads it, or (T, F).
        lengths: Valid steps of each sequence, as for `record`.
        target: As for `occlusion`.
        baseline: The number that x' is filled with. Default: 0.
        steps: Points on the line.
        method: Captum's name of the rule by which they are chosen: "gausslegendre", the default, "riemann_middle",
            "riemann_left", "riemann_right" or "riemann_trapezoid".

    Returns:
        Of "x": ("batch", "time", "feature"); `facts["completeness_gap"]` is the largest gap of a sequence,
        `facts["largest_change"]` the largest difference that was to be explained.

    Raises:
        ConfigError: Captum is not installed, or the answer has no gradients; else as for `occlusion`.
        ShapeError, DtypeError: As for `occlusion`, and for token ids, which have no gradient.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import integrated_gradients
        >>> lstm = unrolled.LSTM(3, 4, batch_first=True)
        >>> found = integrated_gradients(lstm, torch.randn(2, 9, 3), target=(-1, 0))
        >>> found.find("x").values, found.facts["completeness_gap"] < 1e-4
        (NamedArray(batch=2, time=9, feature=3; float32), True)
    """
    captum = _captum()
    _check_line(steps, method)
    subject = subject_of("integrated_gradients", model, lengths)
    question = ask(subject, x, target)
    if question.tokens:
        raise DtypeError(
            f"integrated_gradients needs numbers that can change a little; x holds token ids ({x.dtype}). Use "
            "occlusion, or pass the embeddings to the part of the model that follows them."
        )
    with untouched(subject.model), _gradients_through_cudnn():
        shares, gaps_N, changes_N = _along_line(captum, question, baseline, steps, method)
    facts = {"completeness_gap": _largest(gaps_N), "largest_change": _largest(changes_N)}
    return Analysis("integrated_gradients", (_part(question.as_NTF(shares)),), facts | {"baseline": baseline})


def _falls(question: Question, baseline: float) -> Tensor:
    x = question.x
    before_N = question.numbers(x)
    falls = torch.zeros(x.shape, dtype=before_N.dtype, device=before_N.device)
    for place in _places(question):
        covered = x.clone()
        covered[place] = int(baseline) if question.tokens else baseline
        falls[place] = before_N - question.numbers(covered)
    return falls


def _places(question: Question) -> Iterator[tuple[Any, ...]]:
    """An index into x for each step and feature, of all sequences at once."""
    sizes = [slice(None) if axis == question.batch_axis else size for axis, size in enumerate(question.x.shape)]
    for place in np.ndindex(*(size for size in sizes if not isinstance(size, slice))):
        rest = iter(place)
        yield tuple(size if isinstance(size, slice) else next(rest) for size in sizes)


_METHODS = ("gausslegendre", "riemann_middle", "riemann_left", "riemann_right", "riemann_trapezoid")


def _check_line(steps: int, method: str) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"integrated_gradients needs a whole number of steps, at least 1; got steps={steps!r}.")
    if method not in _METHODS:
        raise ConfigError(f"integrated_gradients expected method to be one of {', '.join(_METHODS)}; got {method!r}.")


def _along_line(
    captum: Any, question: Question, baseline: float, steps: int, method: str
) -> tuple[Tensor, Tensor, Tensor]:
    """The shares, as x lies, and for each sequence the gap and the change."""
    x = question.x.detach()
    start = torch.full_like(x, baseline)
    # To Captum the whole batch is one example and the sum of its numbers the answer: sequences keep their places and
    # lengths. A sequence's number depends on that sequence alone, and so its shares are the same in the sum.
    whole = captum.IntegratedGradients(lambda examples: question.slope(examples[0]).reshape(1))
    shares = whole.attribute(
        x[None].clone().requires_grad_(), start[None], n_steps=steps, method=method, internal_batch_size=1
    )[0]
    with torch.no_grad():
        change_N = question.numbers(x) - question.numbers(start)
    axes = [axis for axis in range(x.dim()) if axis != question.batch_axis]
    return shares.detach(), (shares.detach().sum(axes).reshape(-1) - change_N), change_N


def _captum() -> Any:
    try:
        return importlib.import_module("captum.attr")
    except ImportError as error:
        raise ConfigError(
            'integrated_gradients is computed by Captum, which is not installed. Run pip install "unrolled[analysis]", '
            "or use occlusion, which needs nothing else."
        ) from error


@contextmanager
def _gradients_through_cudnn() -> Iterator[None]:
    """CuDNN gives no gradients of torch.nn's recurrent layers in evaluation; PyTorch's own kernels do."""
    with torch.backends.cudnn.flags(enabled=False):
        yield


def _largest(values_N: Tensor) -> float:
    return float(values_N.detach().abs().max())


def _part(values_NTF: Array) -> PartValues:
    axes = ("batch", "time", "feature")[: values_NTF.ndim]
    return PartValues(None, None, "x", NamedArray(values_NTF, axes))
