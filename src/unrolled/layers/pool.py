"""From one vector a step to one vector a sequence: the heads that people put on top of a recurrent layer.

Shapes: T = time, N = batch, Y = features of the layer's output.
Inside, everything is time-major: x (T, N, Y).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias, overload

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ShapeError
from unrolled.layers.pool_checks import check_padded, check_pooling, form_of
from unrolled.layers.sequences import pad

How: TypeAlias = Literal["last", "mean", "max", "attention"]

Output: TypeAlias = Float[Tensor, "*TN Y"] | PackedSequence | list[Tensor]

Scorer: TypeAlias = Callable[[Tensor], Tensor]
"""From steps (..., Y) to their scores (...) or (..., 1): an `AdditiveScore`, or any module of the user's own."""


@overload
def pool(
    output: Output,
    lengths: Any = None,
    how: How = "last",
    *,
    batch_first: bool = False,
    bidirectional: bool = False,
    scorer: Scorer | None = None,
    return_weights: Literal[False] = False,
) -> Float[Tensor, "*N Y"]: ...


@overload
def pool(
    output: Output,
    lengths: Any = None,
    how: How = "last",
    *,
    batch_first: bool = False,
    bidirectional: bool = False,
    scorer: Scorer | None = None,
    return_weights: Literal[True],
) -> tuple[Float[Tensor, "*N Y"], Float[Tensor, "*TN"]]: ...


def pool(
    output: Any,
    lengths: Any = None,
    how: Any = "last",
    *,
    batch_first: bool = False,
    bidirectional: bool = False,
    scorer: Any = None,
    return_weights: bool = False,
) -> Any:
    """Make one vector of each sequence's valid steps; padding reaches neither the result nor a gradient.

    Args:
        output: What a layer puts out: (T, N, Y), or (N, T, Y) with `batch_first`; (T, Y) for one sequence; a
            PackedSequence, a list of sequences or a jagged nested tensor.
        lengths: Valid steps of each sequence of a padded batch: a list or an int tensor, in any order. A sequence of
            length 0 gives zeros. By default all steps are valid.
        how: "last" takes the last valid step. "mean" and "max" are taken over the valid steps, feature by feature.
            "attention" is Σ_t α_t h_t with α = softmax over the valid steps of `scorer(h_t)`. Default: "last".
        batch_first: Whether output is (N, T, Y). Default: False.
        bidirectional: Whether the second half of the features was read backwards, as that of a bidirectional layer:
            its last step is step 0, and "last" takes it there. It changes none of the others. Default: False.
        scorer: What gives each step its score, for "attention" alone: an `AdditiveScore`, or any callable from
            (..., Y) to (...) or (..., 1). It is called once, with zeros in the padding.
        return_weights: Whether to return α as well, for "attention" alone; it is 0 in the padding. Default: False.

    Returns:
        (N, Y), or (Y,) for one sequence; with `return_weights` also α, (T, N), or (N, T) with `batch_first`, or (T,).

    Raises:
        ConfigError: Options are wrong or do not go together.
        ShapeError: Shapes or lengths do not fit; the message lists all problems of the call.
        DtypeError: Only types or dtypes do not fit.

    Example:
        >>> import torch
        >>> import unrolled.layers as layers
        >>> from unrolled import pool
        >>> from unrolled import AdditiveScore
        >>> gru = layers.GRU(7, 50, batch_first=True, bidirectional=True)
        >>> output, h_n = gru(torch.randn(32, 96, 7), lengths=[96] * 31 + [5])
        >>> last = pool(output, [96] * 31 + [5], "last", batch_first=True, bidirectional=True)
        >>> bool((last == torch.cat([h_n[0], h_n[1]], dim=-1)).all())
        True
        >>> score = AdditiveScore(100)
        >>> _, alpha = pool(output, None, "attention", batch_first=True, scorer=score, return_weights=True)
        >>> alpha.shape
        torch.Size([32, 96])
    """
    check_pooling(output, lengths, how, scorer, return_weights)
    single = isinstance(output, Tensor) and output.dim() == 2
    steps = _open(output, lengths, batch_first, bidirectional)
    pooled, weights_TN = _POOLS[how](steps, bidirectional, scorer)
    pooled_NY = torch.where((steps.lengths > 0)[:, None], pooled, 0.0)
    result = pooled_NY[0] if single else pooled_NY
    if weights_TN is None or not return_weights:
        return result
    return result, (weights_TN[:, 0] if single else weights_TN.T if batch_first else weights_TN)


class _Steps(NamedTuple):
    """The output inside: time-major, with everybody's length."""

    x: Float[Tensor, "T N Y"]
    lengths: Int64[Tensor, "N"]

    @property
    def valid_TN(self) -> Bool[Tensor, "T N"]:
        """True at valid steps."""
        return torch.arange(self.x.shape[0], device=self.x.device)[:, None] < self.lengths

    @property
    def clean(self) -> Float[Tensor, "T N Y"]:
        """Zero in the padding. A selection, not a product: 0 · NaN would be NaN, here and in the gradient."""
        return torch.where(self.valid_TN[..., None], self.x, 0.0)


def _open(output: Any, lengths: Any, batch_first: bool, bidirectional: bool) -> _Steps:
    if form := form_of(output):
        output, lengths = pad(output)
        batch_first = False
    # A compiler can't look at the values of lengths; those that don't fit are then taken as the nearest that do.
    if not torch.compiler.is_compiling():
        check_padded(output, lengths, batch_first, bidirectional, form)
    if output.dim() == 2:
        output = output.unsqueeze(1)
    elif batch_first:
        output = output.transpose(0, 1)
    if lengths is None:
        lengths = torch.full((output.shape[1],), output.shape[0], device=output.device)
    return _Steps(output, torch.as_tensor(lengths, device=output.device).to(torch.int64).clamp(0, output.shape[0]))


_Pooled: TypeAlias = tuple[Tensor, Tensor | None]
"""What each way gives: (N, Y), where the rows of empty sequences may hold anything; and α (T, N), where it has one."""


def _last(steps: _Steps, bidirectional: bool, scorer: Scorer | None) -> _Pooled:
    x_TNY = steps.x
    at_N = (steps.lengths - 1).clamp(0, x_TNY.shape[0] - 1)
    last_NY = x_TNY[at_N, torch.arange(x_TNY.shape[1], device=x_TNY.device)]
    if bidirectional:
        half = x_TNY.shape[-1] // 2
        last_NY = torch.cat([last_NY[:, :half], x_TNY[0, :, half:]], dim=-1)
    return last_NY, None


def _mean(steps: _Steps, bidirectional: bool, scorer: Scorer | None) -> _Pooled:
    # Summed wide: a long sequence's sum may be more than the largest half.
    wide = torch.float32 if steps.x.dtype.itemsize < 4 else steps.x.dtype
    total_NY = steps.clean.sum(0, dtype=wide)
    return (total_NY / steps.lengths.clamp(min=1)[:, None]).to(steps.x.dtype), None


def _max(steps: _Steps, bidirectional: bool, scorer: Scorer | None) -> _Pooled:
    return steps.x.masked_fill(~steps.valid_TN[..., None], -torch.inf).amax(0), None


def _attention(steps: _Steps, bidirectional: bool, scorer: Scorer | None) -> _Pooled:
    assert scorer is not None
    clean_TNY, valid_TN = steps.clean, steps.valid_TN
    scores_TN = _scores(scorer(clean_TNY), clean_TNY)
    # The padding of a sequence with no valid step stays in: softmax of nothing but −∞ would be NaN.
    left_out = ~valid_TN & (steps.lengths > 0)
    weights_TN = torch.softmax(scores_TN.masked_fill(left_out, -torch.inf), dim=0)
    weights_TN = torch.where(valid_TN, weights_TN, 0.0).to(clean_TNY.dtype)
    return (weights_TN[..., None] * clean_TNY).sum(0), weights_TN


_POOLS: Final = {"last": _last, "mean": _mean, "max": _max, "attention": _attention}


def _scores(scores: Any, x_TNY: Tensor) -> Tensor:
    shape = x_TNY.shape[:2]
    if not isinstance(scores, Tensor) or scores.shape not in (shape, (*shape, 1)):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ShapeError(
            f"scorer must give one score a step: of steps {tuple(x_TNY.shape)}, that is (T=time, N=batch, Y), "
            f"{tuple(shape)} or {(*shape, 1)}; got {got}."
        )
    return scores.reshape(shape)
