"""Stateful runs: one step or one chunk at a time, with the numbers of the whole run.

Shapes: T = time, N = batch, F = input features, Y = output features, K = steps between two cuts of the graph.
Row n of a batch is one sequence; it counts its own valid steps, whatever the others do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import dropout

from unrolled.layers.lengths import read_lengths
from unrolled.layers.stream_checks import (
    Streamed,
    check_batch,
    check_chunk,
    check_kept,
    check_one_step,
    check_stream,
    read_rows,
)
from unrolled.layers.trees import leaves_by_path, map_leaves, rows_where, tree_of


@final
class Stream:
    """A run of a layer that is given its sequences piece by piece; `layer.stream()` makes one.

    Outputs, states and gradients are those of one call with the whole sequences. Sequences begin as in such a call:
    from zeros, learned states, or what an `initial_state` module makes of the first step. What a call in training
    draws once a sequence (masks of `recurrent_dropout` and `weight_drop`) is drawn once and kept until `reset()`. The
    layer's hooks do not run.

    By default the graph is kept whole, because anything else would change gradients unasked; in training it then grows
    until `detach()`, or is cut every K steps of each sequence with `truncate=K`, inside a chunk too. Under
    `torch.no_grad()` there is none.

    Args:
        layer: LSTM, GRU, RNN, SLSTM or Stack, in one direction. It is not copied: new weights count at once.
        truncate: K, or None for never. Default: None.

    Raises:
        ConfigError: The layer is bidirectional, or `truncate` is no whole number greater than zero.

    Example:
        >>> import torch
        >>> import unrolled
        >>> lstm = unrolled.LSTM(7, 50)
        >>> x = torch.randn(96, 32, 7)  # 96 steps of 32 sequences
        >>> stream = lstm.stream()
        >>> first, last = stream(x[:90]), [stream.step(x_t) for x_t in x[90:]]
        >>> torch.allclose(torch.cat([first, torch.stack(last)]), lstm(x)[0], atol=1e-6)
        True
        >>> h, c = stream.state
        >>> h.shape
        torch.Size([1, 32, 50])
    """

    def __init__(self, layer: Streamed, truncate: int | None = None) -> None:
        check_stream(layer, truncate)
        self.layer = layer
        self.truncate = truncate
        self._state: Any = None
        self._steps = torch.zeros(0, dtype=torch.int64)  # CPU: what decides how to go on is never waited for
        self._begun = torch.zeros(0, dtype=torch.bool)
        self.reset()

    def step(self, x: Float[Tensor, "*N F"]) -> Float[Tensor, "*N Y"]:
        """Run one step: x (N, F), or (F) for one sequence without a batch axis.

        Raises:
            ShapeError, DtypeError, KernelError: As a call of the layer does, or the batch is not the stream's.
        """
        check_one_step(x)
        axis = self._time_axis(x.dim() + 1)
        output: Tensor = self(x.unsqueeze(axis)).squeeze(axis)
        return output

    def __call__(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Run a chunk.

        Args:
            x: (T, N, F), or (N, T, F) with the layer's `batch_first`; (T, F) for one sequence.
            lengths: Valid steps of each sequence in this chunk, as in a call of the layer; 0 where one has none.

        Returns:
            The output, as of a call of the layer; the state is in `stream.state`.

        Raises:
            ShapeError, DtypeError, KernelError: As a call of the layer does, or the batch is not the stream's.
        """
        check_chunk(x)
        self.layer._stream_check(x, lengths)
        axis = self._time_axis(x.dim())
        time, batch = x.shape[axis], 1 if x.dim() == 2 else x.shape[1 - axis]
        self._open(batch, x.dim() == 3)
        taken_N = torch.tensor([time] * batch if lengths is None else read_lengths(lengths), dtype=torch.int64)
        self._begin_rows(x, lengths, taken_N)
        starts = self._cuts(taken_N)
        pieces = [
            self._piece(x.narrow(axis, start, end - start), lengths is not None, taken_N, start)
            for start, end in zip(starts, [*starts[1:], time], strict=True)
        ]
        self._steps = self._steps + taken_N
        self._begun = self._begun | (taken_N > 0)
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, axis)

    @property
    def state(self) -> Any:
        """The state after the last step, in the form of the layer's hx; None before the first.

        Setting it begins all sequences anew from there, of another batch if need be.
        """
        return self._state

    @state.setter
    def state(self, hx: Any) -> None:
        self.reset()
        self._state = hx

    @property
    def steps(self) -> Int64[Tensor, "N"]:
        """How many valid steps of each sequence were taken, on the CPU; empty before the first chunk."""
        return self._steps.clone()

    def reset(self, rows: Any = None) -> None:
        """Begin sequences anew.

        Args:
            rows: Which of the batch: indices, or a mask (N) of bools. By default all; the batch may then be another.

        Raises:
            ShapeError: `rows` are not of the stream's batch.
        """
        if rows is None:
            self._state = None
            self._batched: bool | None = None  # None until the first chunk
            self._begun = torch.zeros(0, dtype=torch.bool)
            self._steps = torch.zeros(0, dtype=torch.int64)
            self._masks: dict[str, Tensor] = {}
            return
        anew_N = read_rows(rows, len(self._steps))
        self._begun, self._steps = self._begun & ~anew_N, self._steps.masked_fill(anew_N, 0)
        for name in filter(_OF_ROWS, self._masks):
            drawn = dropout(torch.ones_like(self._masks[name]), self.layer.recurrent_dropout)
            self._masks = self._masks | {name: rows_where(anew_N, drawn, self._masks[name], 0)}

    def detach(self) -> None:
        """Cut the graph here: no gradient reaches the steps before."""
        self._state = map_leaves(Tensor.detach, self._state)

    def clone(self) -> Stream:
        """Return a second stream of the same layer that goes on from here by itself; gradients flow through both."""
        other = Stream(self.layer, self.truncate)
        vars(other).update(vars(self) | {"_state": map_leaves(Tensor.clone, self._state)})
        return other

    def state_dict(self) -> dict[str, Tensor]:
        """Return all but the layer's own parameters, tensors by name, as detached copies; {} before the first step."""
        kept = leaves_by_path("state", self._state) | {f"mask.{name}": mask for name, mask in self._masks.items()}
        if self._batched is not None:
            kept |= {"steps": self._steps, "begun": self._begun, "batched": torch.tensor(self._batched)}
        return {name: tensor.detach().clone() for name, tensor in kept.items()}

    def load_state_dict(self, kept: Mapping[str, Tensor]) -> None:
        """Go on where another stream was when it gave `kept`; tensors are copied to the layer's device.

        Named tuples of tensors that a module of one's own carries come back as plain tuples.

        Raises:
            ConfigError: `kept` is not what `state_dict` gave. Whether states fit the layer shows at the next step.
        """
        check_kept(self.layer, kept)
        self.reset()
        own = next(iter(self.layer.parameters()), None)
        copies = {name: tensor.detach().clone() for name, tensor in kept.items()}
        placed = copies if own is None else {n: t.to(own.device) for n, t in copies.items() if "." in n or n == "state"}
        if any(name.partition(".")[0] == "state" for name in placed):
            self._state = self.layer._stream_form(tree_of("state", placed))
        self._masks = {name.removeprefix("mask."): t for name, t in placed.items() if name.startswith("mask.")}
        if "steps" in copies:
            self._steps, self._begun = copies["steps"].cpu(), copies["begun"].cpu()
            self._batched = bool(copies["batched"])

    def __repr__(self) -> str:
        truncate = "" if self.truncate is None else f", truncate={self.truncate}"
        at = "at its beginning" if self._batched is None else f"N={len(self._steps)}, steps {_range(self._steps)}"
        return f"Stream({self.layer.kind}{truncate}; {at})"

    def _time_axis(self, dims: int) -> int:
        return 1 if dims == 3 and self.layer.batch_first else 0

    def _open(self, batch: int, batched: bool) -> None:
        """Learn the batch from the first chunk, and refuse another one from then on."""
        if self._batched is None:
            self._batched = batched
            self._begun = torch.full((batch,), self._state is not None)
            self._steps = torch.zeros(batch, dtype=torch.int64)
        else:
            check_batch((len(self._steps), self._batched), (batch, batched))

    def _begin_rows(self, x: Tensor, lengths: Any, taken_N: Tensor) -> None:
        """Give sequences that take their first step what a call without hx starts from."""
        if self.layer.training and not self._masks:
            self._masks = self.layer._stream_masks(x)
        new_N = ~self._begun & (taken_N > 0)
        if self._state is None or not new_N.any():
            return
        if new_N.all():
            self._state = None
        else:
            self._state = rows_where(new_N, self.layer._stream_start(x, lengths), self._state, self.layer.rows_axis)

    def _piece(self, x: Tensor, is_ragged: bool, taken_N: Tensor, start: int) -> Tensor:
        """Run from one cut to the next."""
        self._cut(taken_N, start)
        lengths_N = (taken_N - start).clamp(0, x.shape[self._time_axis(x.dim())]) if is_ragged else None
        output: Tensor
        output, self._state = self.layer._run(x, self._state, lengths_N, self._masks)
        return output

    def _cuts(self, taken_N: Tensor) -> list[int]:
        """The steps of a chunk before which some sequence's graph is cut, and 0."""
        if self.truncate is None or not torch.is_grad_enabled():
            return [0]
        rows = set(zip((-self._steps % self.truncate).tolist(), taken_N.tolist(), strict=True))
        return sorted({0}.union(*(range(first, taken, self.truncate) for first, taken in rows)))

    def _cut(self, taken_N: Tensor, start: int) -> None:
        """Detach the sequences that have taken a multiple of K steps and now take another."""
        if self.truncate is None or self._state is None or not torch.is_grad_enabled():
            return
        at_N = self._steps + start
        due_N = (at_N % self.truncate == 0) & (at_N > 0) & (start < taken_N)
        if due_N.all():
            self.detach()
        elif due_N.any():
            self._state = rows_where(due_N, map_leaves(Tensor.detach, self._state), self._state, self.layer.rows_axis)


_OF_ROWS: Final = re.compile("h_").match
"""Masks that each sequence has its own of."""


def _range(steps_N: Tensor) -> str:
    counts = steps_N.tolist()
    low, high = min(counts, default=0), max(counts, default=0)
    return str(low) if low == high else f"{low} to {high}"
