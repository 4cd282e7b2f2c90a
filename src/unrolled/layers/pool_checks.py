"""The checks on one call of `pool`, all problems at once.

Shapes: T = time, N = batch, Y = features of the layer's output.
"""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ConfigError, ShapeError, did_you_mean
from unrolled.layers.findings import Findings, describe
from unrolled.layers.lengths import check_lengths, count_of

HOWS: Final = ("last", "mean", "max", "attention")


def form_of(output: Any) -> str:
    """Say what an output is that carries its own lengths; "" for a plain tensor."""
    if isinstance(output, PackedSequence):
        return "a PackedSequence"
    if isinstance(output, list):
        return "a list of sequences"
    return "a nested tensor" if isinstance(output, Tensor) and output.is_nested else ""


def check_pooling(output: Any, lengths: Any, how: Any, scorer: Any, return_weights: bool) -> None:
    """Raise what is wrong with the options, or with what kind of thing the output is."""
    found = Findings()
    _check_options(found, how, scorer, return_weights)
    found.finish(ConfigError, "pool(...)")
    form = form_of(output)
    if not form and not isinstance(output, Tensor):
        # A tuple of sequences would be taken for one: an unbatched layer's (output, h_n) looks just like it.
        hint = " Is it all that the layer returns? Pass its first item." if isinstance(output, tuple) else ""
        found.add_type(
            f"pool expected a layer's output, a tensor, PackedSequence or list; got {describe(output)}.{hint}"
        )
    elif form and lengths is not None:
        check_lengths(found, "pool", lengths, 0, None, form)
    found.finish(ShapeError, "pool cannot run this call")


def check_padded(output: Tensor, lengths: Any, batch_first: bool, bidirectional: bool, form: str) -> None:
    """Raise everything that is wrong with a tensor and its lengths; `form` is what it was padded from, if not given."""
    found = Findings()
    shape = tuple(output.shape)
    wanted = f"pool expected {form}, each (T=time, Y=features)" if form else _expected(batch_first)
    got = f"got {shape} when padded" if form else f"got {shape}"
    if not output.is_floating_point():
        found.add_type(f"{wanted}, of floating-point numbers; {got} of {output.dtype}.")
    if bidirectional and shape and shape[-1] % 2:
        found.add(
            f"bidirectional=True wants as many features from the one direction as from the other; "
            f"{got}, whose Y={shape[-1]} is odd."
        )
    if len(shape) not in ((3,) if form else (2, 3)):
        found.add(f"{wanted}; {got}, which has {len(shape)} axes.")
    else:
        time, batch = _sizes(found, output, lengths, batch_first)
        found.check(time > 0, f"{wanted} with at least one time step; {got}.")
        check_lengths(found, "pool", lengths, time, batch)
    found.finish(ShapeError, "pool cannot run this call")


def check_head(how: Any, size: Any, attention_size: Any, scorer: Any) -> None:
    """Raise everything that is wrong with the arguments of `Pool`."""
    found = Findings()
    if size is not None:
        check_size(found, "size", size)
    if how == "attention" and scorer is None:
        found.check(size is not None, "how='attention' needs size, the features of the layer's output (Y).")
        if attention_size is not None:
            check_size(found, "attention_size", attention_size)
    else:
        _check_options(found, how, scorer, False)
        found.check(attention_size is None, "attention_size is of the AdditiveScore that how='attention' makes.")
    found.finish(ConfigError, "Pool(...)")


def check_size(found: Findings, name: str, size: Any) -> None:
    """Note a size that is no whole number above zero."""
    if not isinstance(size, int) or isinstance(size, bool):
        found.add_type(f"{name} must be an int; got {size!r} ({type(size).__name__}).")
    else:
        found.check(size > 0, f"{name} must be greater than zero; got {size}.")


def _check_options(found: Findings, how: Any, scorer: Any, return_weights: bool) -> None:
    if how not in HOWS:
        near = did_you_mean(how, HOWS) if isinstance(how, str) else ""
        found.add(f"how must be 'last', 'mean', 'max' or 'attention'; got {how!r}.{near}")
    elif how == "attention":
        found.check(callable(scorer), f"how='attention' needs scorer=AdditiveScore(Y), a module; got {scorer!r}.")
    else:
        found.check(scorer is None, f"scorer is for how='attention'; with how={how!r} no step has a score.")
        found.check(not return_weights, f"return_weights is for how='attention'; how={how!r} has no weights.")


def _expected(batch_first: bool) -> str:
    axes = "N=batch, T=time" if batch_first else "T=time, N=batch"
    return f"pool expected output ({axes}, Y=features) because batch_first={batch_first}"


def _sizes(found: Findings, output: Tensor, lengths: Any, batch_first: bool) -> tuple[int, int | None]:
    """Tell time and batch, None for unbatched; note and undo an exchange that the number of lengths gives away."""
    if output.dim() == 2:
        return output.shape[0], None
    time, batch = (output.shape[1], output.shape[0]) if batch_first else (output.shape[0], output.shape[1])
    if batch == time or count_of(lengths) != time:
        return time, batch
    found.add(
        f"{_expected(batch_first)}; got {tuple(output.shape)}, while lengths is for a batch of {time}. "
        f"Is the {'time' if batch_first else 'batch'} axis first? "
        f"Pass batch_first={not batch_first}, or output.transpose(0, 1)."
    )
    return batch, time
