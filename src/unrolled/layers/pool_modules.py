"""Pooling as a module, and the parameters of attention.

Shapes: T = time, N = batch, Y = features of the layer's output, A = units of the attention's hidden layer.
"""

from __future__ import annotations

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ConfigError, ShapeError
from unrolled.layers.findings import Findings, check_like
from unrolled.layers.pool import Scorer, pool
from unrolled.layers.pool_checks import check_head, check_size


@final
class AdditiveScore(nn.Module):
    """Scores each step by w · tanh(W h + b), for attention that needs no query.

    The additive score of Bahdanau et al. (2015), "Neural machine translation by jointly learning to align and
    translate", with a learned vector w in the query's place: Yang et al. (2016), "Hierarchical attention networks for
    document classification", eq. 5–6. Parameters: `hidden.weight` W (A, Y), `hidden.bias` b (A,), `score.weight`
    w (1, A). The score has no bias: softmax would not see it.

    Args:
        size: Features of each step (Y); those of both directions together.
        attention_size: Hidden units (A). Default: Y, as in Yang et al.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.

    Raises:
        ConfigError: A size is not greater than zero.
        ShapeError, DtypeError: At a call: steps of another size, dtype or device than the parameters'.

    Example:
        >>> import torch
        >>> from unrolled import AdditiveScore
        >>> AdditiveScore(50)(torch.randn(96, 32, 50)).shape
        torch.Size([96, 32])
    """

    def __init__(
        self, size: int, attention_size: int | None = None, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        found = Findings()
        check_size(found, "size", size)
        if attention_size is not None:
            check_size(found, "attention_size", attention_size)
        found.finish(ConfigError, "AdditiveScore(...)")
        self.hidden = nn.Linear(size, attention_size or size, device=device, dtype=dtype)
        self.score = nn.Linear(attention_size or size, 1, bias=False, device=device, dtype=dtype)

    def forward(self, steps: Float[Tensor, "*TN Y"]) -> Float[Tensor, "*TN"]:
        """Score each step; see the class."""
        found = Findings()
        size = self.hidden.in_features
        found.check(
            steps.shape[-1] == size,
            f"AdditiveScore expected steps of Y={size} features; got {tuple(steps.shape)}. "
            "A bidirectional layer puts out twice its hidden_size.",
        )
        check_like(found, "AdditiveScore", "the layer's output", steps, self.hidden.weight)
        found.finish(ShapeError, "AdditiveScore cannot score these steps")
        score: Tensor = self.score(torch.tanh(self.hidden(steps)))
        return score.squeeze(-1)


@final
class Pool(nn.Module):
    """`pool` as a module, which for "attention" holds the scorer's parameters.

    Args:
        how: "last", "mean", "max" or "attention"; see `pool`.
        size: Features of the layer's output (Y), those of both directions together. "attention" needs it, unless it is
            given a scorer; where it is given, every output must have it.
        attention_size: Hidden units of the `AdditiveScore`, for "attention" alone. Default: Y.
        batch_first: As of the layer. Default: False.
        bidirectional: As of the layer. Default: False.
        scorer: A module of the user's own in the place of `AdditiveScore`, for "attention" alone.
        device: Where the parameters are made.
        dtype: Of what type the parameters are.

    Raises:
        ConfigError: Options are wrong or do not go together; the message lists all that are.

    Example:
        >>> import torch
        >>> from unrolled import Pool
        >>> head = Pool("attention", 50, batch_first=True)
        >>> head(torch.randn(32, 96, 50), lengths=[7] * 32).shape
        torch.Size([32, 50])
    """

    def __init__(
        self,
        how: str,
        size: int | None = None,
        *,
        attention_size: int | None = None,
        batch_first: bool = False,
        bidirectional: bool = False,
        scorer: Scorer | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_head(how, size, attention_size, scorer)
        self.how = how
        self.size = size
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        makes_one = how == "attention" and scorer is None and size is not None
        self.scorer = AdditiveScore(size or 0, attention_size, device, dtype) if makes_one else scorer

    def forward(self, output: Any, lengths: Any = None, return_weights: bool = False) -> Any:
        """Pool one batch; arguments, results and errors are those of `pool`."""
        shape = _shape_of(output)
        if self.size is not None and shape and shape[-1] != self.size:
            raise ShapeError(
                f"Pool was made for Y={self.size} features; got {shape}. "
                "A bidirectional layer puts out twice its hidden_size."
            )
        return pool(  # type: ignore[call-overload]  # each overload is for one value of return_weights
            output,
            lengths,
            self.how,
            batch_first=self.batch_first,
            bidirectional=self.bidirectional,
            scorer=self.scorer,
            return_weights=return_weights,
        )

    def extra_repr(self) -> str:
        """Every argument that is not at its default."""
        flags = [name for name in ("batch_first", "bidirectional") if getattr(self, name)]
        size = [] if self.size is None else [str(self.size)]
        return ", ".join([repr(self.how), *size, *(f"{flag}=True" for flag in flags)])


def _shape_of(output: Any) -> tuple[int, ...]:
    """The shape whose last size are the features, where there is one."""
    first = output.data if isinstance(output, PackedSequence) else output
    first = first[0] if isinstance(first, list) and first else first
    return tuple(first.shape) if isinstance(first, Tensor) else ()
