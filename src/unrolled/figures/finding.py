"""Finding the recurrent layer that a figure is of, and running it; PyTorch is imported only where that is needed."""

from __future__ import annotations

from typing import Any

from unrolled.errors import ConfigError
from unrolled.trace import Recurrent, Trace
from unrolled.view.drawing import choices


def traced(verb: str, model: Any, x: Any, lengths: Any, name: str | None) -> tuple[Trace, str]:
    """Return a saved trace as it is, or what a model's recurrent layer does with x; and that layer's name."""
    if isinstance(model, Trace):
        given = [word for word, value in (("x", x), ("lengths", lengths), ("name", name)) if value is not None]
        if given:
            raise ConfigError(f"{verb}: a Trace has its numbers already. Leave {' and '.join(given)} out.")
        return model, ""
    if x is None:
        raise ConfigError(f"{verb} draws what a model does with `x`. Give x, or a saved Trace in the model's place.")
    from unrolled.analysis import record

    recorded = record(model, x, lengths)
    chosen = recorded[choices.chosen_name([one.layer.name for one in recorded], name)]
    return chosen.trace, chosen.layer.name


def described(verb: str, layer: Any, name: str | None, runs: bool = False) -> Recurrent:
    """Describe a recurrent layer, or that of a model with such a name; `runs`: any will do, the model is run later."""
    import torch

    from unrolled.analysis import describe
    from unrolled.analysis.layers_inside import required_layers

    if not isinstance(layer, torch.nn.Module):
        describe(layer)  # says what it is instead
    found = required_layers(verb, layer)
    names = list(found.values())
    wanted = None if runs or name is None else name.partition(" (call")[0]
    return describe(list(found)[choices.chosen_name(names, wanted)], names[choices.chosen_name(names, wanted)])
