"""Where a final state and a step of `output` are to be found, as code to paste.

Letters: n = sample, t = step, k = row of `h_n`.
"""

from __future__ import annotations

from unrolled.trace import Trace


def final_code(trace: Trace, part: int, state: str, sample: int | None = None) -> str:
    """Return the code of one part's final state: "h_n[2]", or of one sample's row of it "h_n[2, 1]"."""
    if trace.kind == "Stack":
        return _entry_code(trace, part, state) + ("" if sample is None or not trace.batched else f"[{sample}]")
    row = f", {sample}" if sample is not None and trace.batched else ""
    if isinstance(trace.finals[f"{state}_n"], tuple):
        here = trace.parts[part]
        return f"{state}_n[{here.layer}][{trace.directions.index(here.direction)}{row}]"
    return f"{state}_n[{part}{row}]"


def entry_code(layer: int, direction: int | None, state: int | None) -> str:
    """Return the code of a final state of a Stack: of a pair's direction, of one of several states, where given."""
    return "states" + "".join(f"[{place}]" for place in (layer, direction, state) if place is not None)


def _entry_code(trace: Trace, part: int, state: str) -> str:
    here = trace.parts[part]
    pair = sum(other.layer == here.layer for other in trace.parts) > 1
    states = [name for name in "hcnm" if f"{name}_0" in here.arrays]
    return entry_code(
        here.layer, int(here.direction == "reverse") if pair else None, states.index(state) if len(states) > 1 else None
    )


def output_code(trace: Trace, sample: int | str, step: int | str, units: tuple[int, int] | None = None) -> str:
    """Return the code of one step of `output`, `batch_first` respected; of some of its units where they are given."""
    places = [str(step)]
    if trace.batched:
        places.insert(0 if trace.settings["batch_first"] else 1, str(sample))
    if units is not None and units != (0, trace.output.shape[-1]):
        places.append(_slice(*units, trace.output.shape[-1]))
    return f"output[{', '.join(places)}]"


def _slice(first: int, last: int, size: int) -> str:
    return f"{first or ''}:{last if last < size else ''}"
