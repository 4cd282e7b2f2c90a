"""Figures of batches and series: the cube, a ragged batch packed, windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from unrolled.errors import ConfigError, Problems, ShapeError
from unrolled.view.drawing.canvas import sized
from unrolled.view.drawing.given import (
    check_choice,
    check_count,
    check_lengths,
    check_names,
    check_width,
    nested,
    numbers,
)
from unrolled.view.figures import data_cube as data_cube_figure
from unrolled.view.figures import packing as packing_figure
from unrolled.view.figures import windows as windows_figure
from unrolled.view.style import Picture


def data_cube(
    x: Any,
    names: Mapping[str, Any] | None = None,
    lengths: Any = None,
    batch_first: bool = True,
    show: Literal["cube", "slices", "batch_first"] = "cube",
    width: float | None = None,
) -> Picture:
    """Draw a batch: samples × steps × features.

    Args:
        x: (N, T, F), or (T, N, F) where not `batch_first`; a tensor, an array or nested lists.
        names: Your names: {"batch": cities, "time": dates, "feature": measurements}, each optional. Where "time" is a
            list of lists, each sample has its own, such as the words of its sentence; a shorter one is padded.
        lengths: Valid steps of each sample; the others are padding, drawn hatched.
        batch_first: Which layout `x` has.
        show: "cube", beside the table that one step is; "slices", along each axis; "batch_first", the two layouts.
        width: In inches; default 9.

    Raises:
        ShapeError, ConfigError: `x` has not three axes, or names, lengths or choices don't fit it.

    Example:
        >>> import numpy as np
        >>> from unrolled import figures
        >>> names = {"batch": ["Oslo", "Rome"], "feature": ["°C", "mm", "hPa"]}
        >>> picture = figures.data_cube(np.zeros((2, 5, 3)), names)
    """
    problems = Problems()
    check_width(width, problems)
    check_choice(show, "show", data_cube_figure.SHOWS, problems)
    values = numbers(x, "x", problems)
    layout = "(N=batch, T=time, F=features)" if batch_first else "(T=time, N=batch, F=features)"
    if values is None:
        problems.raise_as(ConfigError)
    elif values.ndim != 3 or 0 in values.shape:
        problems.add(
            f"data_cube expected x {layout} because batch_first={batch_first}, every size at least 1; got "
            f"{tuple(values.shape)}.{_missing_axis(values.ndim)}"
        )
        problems.raise_as(ShapeError)
    assert values is not None
    values_NTF = values if batch_first else values.swapaxes(0, 1)
    n, t, f = values_NTF.shape
    tokens = _tokens(names, n, t, problems)
    if tokens and lengths is None:
        lengths = [len(row) for row in tokens]
    plain = {axis: given for axis, given in names.items() if axis != "time"} if names and tokens else names
    named = check_names(plain, {"batch": n, "time": t, "feature": f}, problems)
    lengths_N = check_lengths(lengths, n, t, problems)
    problems.raise_as(ConfigError)
    padded = tuple((*row, *("",) * (t - len(row))) for row in tokens)
    batch = data_cube_figure.Batch(values_NTF, named, padded, lengths_N, batch_first)
    return data_cube_figure.data_cube(batch, show, width)


def _missing_axis(axes: int) -> str:
    hints = {
        1: " One series of one feature? Pass x.reshape(1, -1, 1).",
        2: " One sample? Pass x[None]. One feature? Pass x[:, :, None].",
    }
    return hints.get(axes, "")


def _tokens(names: Any, samples: int, steps: int, problems: Problems) -> tuple[tuple[str, ...], ...]:
    """Return each sample's own names along time, where there are such."""
    if not nested(names):
        return ()
    rows = tuple(tuple(map(str, row)) for row in names["time"])
    good = problems.check(
        len(rows) == samples, f"`names['time']` needs one list for each of the N={samples} samples; got {len(rows)}."
    )
    long = [len(row) for row in rows if len(row) > steps]
    good &= problems.check(not long, f"`names['time']` has lists of {long[:3]} names; `x` has T={steps} steps.")
    return rows if good else ()


def packing(
    x: Any, lengths: Any, total_length: int | None = None, batch_first: bool = True, *, width: float | None = None
) -> Picture:
    """Draw a ragged batch padded, packed by PyTorch, and padded back.

    Args:
        x: (N, T, F), or (T, N, F) where not `batch_first`; (N, T) of token ids too.
        lengths: Valid steps of each sample, at least 1, in any order.
        total_length: How many steps it is padded back to; by default the longest sample's.
        batch_first: Which layout `x` has.
        width: In inches; default 9.

    Raises:
        ShapeError, ConfigError: Shapes, lengths or `total_length` don't fit each other.

    Example:
        >>> import torch
        >>> from unrolled import figures
        >>> picture = figures.packing(torch.randn(4, 7, 3), [3, 7, 2, 5], total_length=7)
    """
    problems = Problems()
    check_width(width, problems)
    values = numbers(x, "x", problems)
    problems.raise_as(ConfigError)
    assert values is not None
    if values.ndim not in (2, 3) or 0 in values.shape:
        layout = "(N, T, F) or (N, T)" if batch_first else "(T, N, F) or (T, N)"
        raise ShapeError(f"packing expected x {layout}, every size at least 1; got {tuple(values.shape)}.")
    samples, steps = values.shape[:2] if batch_first else values.shape[1::-1]
    found = check_lengths(lengths, samples, steps, problems)
    if lengths is None:
        problems.add("packing needs `lengths`, the valid steps of each sample: that is what it packs by.")
    elif found is not None:
        empty = int((found < 1).sum())
        problems.check(empty == 0, f"pack_padded_sequence takes no empty sequences. Leave the {empty} of length 0 out.")
        longest = int(found.max())
        if total_length is not None and check_count(total_length, "total_length", problems):
            problems.check(
                total_length >= longest,
                f"`total_length` is at least the longest sample's {longest:,} steps; got {total_length:,}.",
            )
    problems.raise_as(ConfigError)
    features = values.shape[2] if values.ndim == 3 else 1
    return packing_figure.draw_packing(_packed(found, steps, total_length, batch_first, features), width=sized(width))


def _packed(
    lengths: Any, steps: int, total_length: int | None, batch_first: bool, features: int
) -> packing_figure.Packed:
    """Let PyTorch pack a batch in which each step holds its own indices, and pad it back."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    counts = torch.as_tensor(lengths.astype("int64"))
    grid = torch.meshgrid(torch.arange(len(counts)), torch.arange(steps), indexing="ij")
    packed = pack_padded_sequence(torch.stack(grid, -1), counts, batch_first=True, enforce_sorted=False)
    back, _ = pad_packed_sequence(packed, batch_first=True, total_length=total_length)
    assert packed.sorted_indices is not None
    return packing_figure.Packed(
        lengths=tuple(counts.tolist()),
        steps=steps,
        order=tuple(packed.sorted_indices.tolist()),
        batch_sizes=tuple(packed.batch_sizes.tolist()),
        rows=tuple((sample, step) for sample, step in packed.data.tolist()),
        steps_back=int(back.shape[1]),
        total_length=total_length,
        batch_first=batch_first,
        features=features,
    )


def windows(
    series: Any, input_size: int, h: int, step: int = 1, batch_size: int = 4, *, width: float | None = None
) -> Picture:
    """Draw a series cut into overlapping windows, each an input and its target, and the first batch of them.

    Args:
        series: (L) values, or (L, F): a tensor, an array, a pandas or polars column, or a list.
        input_size: Steps of each input.
        h: Steps of each target, which follow the input.
        step: From the start of a window to that of the next.
        batch_size: How many windows a batch has.
        width: In inches; default 9.

    Raises:
        ConfigError: The series has other axes, or is too short for a window; a number is wrong.

    Example:
        >>> from unrolled import figures
        >>> picture = figures.windows([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], input_size=4, h=2)
    """
    problems = Problems()
    check_width(width, problems)
    values = numbers(series, "series", problems)
    counts = {"input_size": input_size, "h": h, "step": step, "batch_size": batch_size}
    good = [check_count(value, name, problems) for name, value in counts.items()]
    if values is not None and (values.ndim not in (1, 2) or 0 in values.shape):
        problems.add(f"`series` has to be (L=steps) or (L=steps, F=features), not empty; got {tuple(values.shape)}.")
    elif values is not None and all(good) and len(values) < input_size + h:
        problems.add(
            f"A window takes input_size + h = {input_size} + {h} = {input_size + h} steps, and the series has "
            f"{len(values)}. Choose a smaller `input_size` or `h`."
        )
    problems.raise_as(ConfigError)
    assert values is not None
    cut = windows_figure.Cut(values.reshape(len(values), -1), int(input_size), int(h), int(step), int(batch_size))
    return windows_figure.windows(cut, width)
