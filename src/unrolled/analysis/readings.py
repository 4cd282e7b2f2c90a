"""What a head may read of a recurrent layer's result: the usual ways, as code with the numbers they give.

Shapes: T = time, N = batch, Y = features of the output, S = width of a state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from unrolled.trace import Trace

_ROUNDING: Final = 8
"""By how many of the type's last places two ways of summing may differ."""


class Reading(NamedTuple):
    """One way to read a result.

    code: As the user would write it.
    value: What it gives.
    source: Whose memory an index would share: "output", "h_n" or "c_n".
    summed: Whether the numbers are sums, which may be rounded otherwise where they are worked out otherwise.
    """

    code: str
    value: Tensor
    source: str
    summed: bool = False

    def gave(self, value: Tensor) -> bool:
        """Whether these are the numbers."""
        if value.shape != self.value.shape or value.dtype != self.value.dtype:
            return False
        if not self.summed:
            return torch.equal(value, self.value)
        places = _ROUNDING * torch.finfo(value.dtype).eps
        return torch.allclose(value, self.value, rtol=places, atol=places)


class Result(NamedTuple):
    """What a recurrent layer gave: copies of `output`, padded, and of the states that can be indexed.

    memory: What the copies were made of, by the names in `Reading.source`.
    """

    output: Tensor
    states: dict[str, Tensor]
    memory: dict[str, Tensor]
    lengths: Tensor
    batch_first: bool
    both_directions: bool

    @classmethod
    def of(cls, result: Any, trace: Trace) -> Result | None:
        """Read it; None where it is of no form that has a usual way of reading."""
        output, finals = result
        if isinstance(output, PackedSequence):
            output = pad_packed_sequence(output, trace.settings["batch_first"])[0]
        if not isinstance(output, Tensor) or output.is_nested:
            return None
        states = _states(finals, trace.kind)
        lengths = torch.as_tensor(trace.lengths.values, device=output.device)
        copies = {name: state.clone() for name, state in states.items()}
        memory = {"output": output} | states
        return cls(
            output.clone(), copies, memory, lengths, trace.settings["batch_first"], trace.settings["bidirectional"]
        )

    @property
    def batched(self) -> bool:
        """Whether there is a batch axis."""
        return self.output.dim() == 3

    def shares_memory(self, value: Tensor, reading: Reading) -> bool:
        """Whether `value` looks into the very memory that the reading looks into."""
        return value.untyped_storage().data_ptr() == self.memory[reading.source].untyped_storage().data_ptr()


def _states(finals: Any, kind: str) -> dict[str, Tensor]:
    """The final states by their names; where layers have widths of their own, those of the last layer."""
    if kind == "Stack":
        return {}
    pairs = zip(("h_n", "c_n"), finals if kind in ("LSTM", "SLSTM") else (finals,), strict=False)
    return dict((name, s) if isinstance(s, Tensor) else (f"{name}[-1]", s[-1]) for name, s in pairs)


def reading_of(value: Tensor, memory: Tensor, result: Result) -> Reading | None:
    """Which of the usual ways gave `value`, a copy of what lies in `memory`.

    Where several give the same numbers, one into whose memory `value` looks; else the simplest, which comes first in
    `readings`: of a forward layer on full sequences `output[:, -1]` and `h_n[-1]` are the same.
    """
    found = [reading for reading in readings(result) if reading.gave(value)]
    return next((r for r in found if result.shares_memory(memory, r)), found[0] if found else None)


def readings(result: Result) -> Iterator[Reading]:
    """The usual ways, the simplest first."""
    yield Reading("output", result.output, "output")
    yield from _steps(result)
    yield from _of_states(result)
    if result.batched:
        yield from _last_valid(result)
        yield from _over_time(result)
        yield from _rearranged(result)


def _steps(result: Result) -> Iterator[Reading]:
    output, first = result.output, result.batched and result.batch_first
    for code in ("-1", "-1:", "0", "0:1"):
        index = slice(*(int(p) if p else None for p in code.split(":"))) if ":" in code else int(code)
        value = output[:, index] if first else output[index]
        yield Reading(f"output[:, {code}]" if first else f"output[{code}]", value, "output")


def _of_states(result: Result) -> Iterator[Reading]:
    for name, state in result.states.items():
        yield Reading(f"{name}[-1]", state[-1], name)
        if result.both_directions:
            axis = state.dim() - 2
            yield Reading(
                f"torch.cat([{name}[-2], {name}[-1]], dim={axis})", torch.cat([state[-2], state[-1]], -1), name
            )
            yield Reading(
                f"torch.cat([{name}[-1], {name}[-2]], dim={axis})", torch.cat([state[-1], state[-2]], -1), name
            )
            yield Reading(f"{name}[-2] + {name}[-1]", state[-2] + state[-1], name, summed=True)
            yield Reading(f"({name}[-2] + {name}[-1]) / 2", (state[-2] + state[-1]) / 2, name, summed=True)
        yield from (Reading(f"{name}[{k}]", state[k], name) for k in range(len(state) - 1))
        yield Reading(name, state, name)
        if state.dim() == 3:
            yield Reading(f"{name}.transpose(0, 1)", state.transpose(0, 1), name)
            yield Reading(f"{name}.transpose(0, 1).flatten(1)", state.transpose(0, 1).flatten(1), name)


def _last_valid(result: Result) -> Iterator[Reading]:
    output, last = result.output, (result.lengths - 1).clamp(min=0)
    rows = torch.arange(len(last), device=output.device)
    if result.batch_first:
        yield Reading("output[torch.arange(N), lengths - 1]", output[rows, last], "output")
    else:
        yield Reading("output[lengths - 1, torch.arange(N)]", output[last, rows], "output")


def _over_time(result: Result) -> Iterator[Reading]:
    output, time = result.output, 1 if result.batch_first else 0
    total = output.sum(time)
    counts = result.lengths.clamp(min=1)[:, None].to(output.dtype)
    yield Reading(f"output.mean(dim={time})", output.mean(time), "output", summed=True)
    yield Reading(f"output.amax(dim={time})", output.amax(time), "output")
    yield Reading(f"output.sum(dim={time})", total, "output", summed=True)
    yield Reading(f"output.sum(dim={time}) / lengths[:, None]", total / counts, "output", summed=True)


def _rearranged(result: Result) -> Iterator[Reading]:
    output = result.output
    yield Reading("output.transpose(0, 1)", output.transpose(0, 1), "output")
    if result.batch_first:
        yield Reading("output.flatten(1)", output.flatten(1), "output")
    yield Reading("output.flatten(0, 1)", output.flatten(0, 1), "output")
    yield Reading("output.transpose(1, 2)", output.transpose(1, 2), "output")
