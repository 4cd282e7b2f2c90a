"""`record`: what happened inside every recurrent layer of a model in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from unrolled.analysis.describing import describe
from unrolled.analysis.layers_inside import (
    CallNames,
    LayerCall,
    as_ours,
    is_recurrent,
    require_calls,
    required_layers,
)
from unrolled.analysis.running import Subject, original, run, subject_of, untouched
from unrolled.trace import Recorded, Recurrent


def record(model: nn.Module, x: Any, lengths: Any = None) -> tuple[Recorded, ...]:
    """Run a model once and keep what happened inside each of its recurrent layers.

    The model runs as in `eval()` without gradients, and is afterwards what it was: parameters, buffers, training
    flags, hooks, and PyTorch's random generators. Each call of a recurrent layer is traced with what the model gave
    it: input, initial states, lengths or PackedSequence.

    Args:
        model: One of unrolled's recurrent layers, one of torch.nn's LSTM, GRU or RNN, or any module that contains some.
        x: What the model is called with: a tensor (token ids too), a PackedSequence, …
        lengths: Valid steps of each sequence, as our layers take them. A layer given directly takes them, torch.nn's
            too; a larger model is called with `lengths=` where its forward has such an argument.

    Returns:
        One `Recorded` (`layer` and `trace`) for each call of a layer, in the order of the calls. Of a layer that is
        called again and again, as in a decoder's loop, the first 8: named "decoder", "decoder (call 2)", …

    Raises:
        ConfigError: There is no recurrent layer, or the model has no argument for lengths.
        ShapeError, DtypeError: The model can't run on x; the message says which of its parts failed and why.

    Example:
        >>> import torch
        >>> from unrolled.analysis import record
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GRU(4, 5, batch_first=True))
        >>> (recorded,) = record(model, torch.randn(2, 9, 3))
        >>> recorded.layer.name, recorded.layer.source
        ('1', 'torch.nn.GRU')
        >>> recorded.trace[0, "forward"]["z"]
        NamedArray(time=9, batch=2, hidden=5; float32)
    """
    subject = subject_of("record", model, lengths)
    with untouched(subject.model), torch.no_grad():
        if is_recurrent(subject.model):
            return (Recorded(describe(original(model)), as_ours(subject.model).trace(x, lengths=lengths)),)
        return _record_inside(subject, x)


def _record_inside(subject: Subject, x: Any) -> tuple[Recorded, ...]:
    layers = required_layers("record", subject.model)
    names, about = CallNames(layers), dict[nn.Module, Recurrent]()
    found: list[Recorded] = []

    def before(_name: str, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if (name := names.next(module)) is not None:
            about[module] = about.get(module) or describe(module)
            # At once, before anything can write into what the layer was given.
            trace = as_ours(module).trace(*LayerCall.of(module, args, kwargs))
            found.append(Recorded(replace(about[module], name=name), trace))

    run(subject, x, before)
    require_calls("record", layers, found)
    return tuple(found)
