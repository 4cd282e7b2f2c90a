"""`replace` and `restore`: a model's `torch.nn` recurrent layers for ours and back, on the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from torch import nn

from unrolled.errors import DtypeError
from unrolled.layers.gru import GRU, GRUCell
from unrolled.layers.lstm import LSTM, LSTMCell
from unrolled.layers.rnn import RNN, RNNCell

_OURS: Final[dict[type[nn.Module], type[nn.Module]]] = {
    nn.LSTM: LSTM,
    nn.GRU: GRU,
    nn.RNN: RNN,
    nn.LSTMCell: LSTMCell,
    nn.GRUCell: GRUCell,
    nn.RNNCell: RNNCell,
}
_THEIRS: Final = {ours: theirs for theirs, ours in _OURS.items()}
_BUILT_WITH: Final = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional")
_FROM_TORCH: Final = "_replaced_from_torch"


def replace(model: nn.Module) -> nn.Module:
    """Swap every `torch.nn` LSTM, GRU, RNN and their cells inside `model` for ours.

    The new layers hold the very same parameter objects, so optimisers and `state_dict` go on as before; the
    training flag and hooks move along. Subclasses and layers whose weights are parametrised are left alone:
    their forward may be something else.

    Args:
        model: Changed in place; may itself be such a layer, which cannot be.

    Returns:
        `model`, or the new layer when `model` is itself one.

    Raises:
        DtypeError: `model` is no `torch.nn.Module`.

    Example:
        >>> import torch
        >>> import unrolled
        >>> model = torch.nn.Sequential(torch.nn.LSTM(7, 50))
        >>> unrolled.replace(model)
        Sequential(
          (0): LSTM(7, 50)
        )
        >>> type(model[0]).__module__.partition(".")[0]
        'unrolled'
    """
    _check_model("replace", model)
    return _swap(model, _to_ours, {})


def restore(model: nn.Module) -> nn.Module:
    """Undo `replace`: put `torch.nn` layers back, on the parameters as they are now.

    Layers that were ours from the start stay.

    Args:
        model: Changed in place; may itself be such a layer, which cannot be.

    Returns:
        `model`, or the `torch.nn` layer when `model` is itself a replaced one.

    Raises:
        DtypeError: `model` is no `torch.nn.Module`.

    Example:
        >>> import torch
        >>> import unrolled
        >>> layer = unrolled.replace(torch.nn.GRU(7, 50))
        >>> isinstance(unrolled.restore(layer), torch.nn.GRU)
        True
    """
    _check_model("restore", model)
    return _swap(model, _to_theirs, {})


def _check_model(verb: str, model: object) -> None:
    if not isinstance(model, nn.Module):
        given = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise DtypeError(f"{verb} expected a model, that is a torch.nn.Module; got {given}.")


def _swap(module: nn.Module, convert: Callable[[nn.Module], nn.Module], done: dict[nn.Module, nn.Module]) -> nn.Module:
    """Convert a tree; a module that occurs twice is converted once and stays shared."""
    if module not in done:
        done[module] = convert(module)
        for name, child in module._modules.items():
            if child is not None and (new := _swap(child, convert, done)) is not child:
                module._modules[name] = new
    return done[module]


def _to_ours(old: nn.Module) -> nn.Module:
    if type(old) not in _OURS:
        return old
    new = _build(_OURS[type(old)], old)
    if new._parameters.keys() != old._parameters.keys():
        return old
    setattr(new, _FROM_TORCH, True)
    return _carry(old, new)


def _to_theirs(old: nn.Module) -> nn.Module:
    if type(old) not in _THEIRS or not getattr(old, _FROM_TORCH, False):
        return old
    return _carry(old, _build(_THEIRS[type(old)], old))


def _build(kind: type[nn.Module], old: nn.Module) -> nn.Module:
    """Make a layer like `old` without memory, and without a draw from the random generator."""
    arguments: dict[str, Any] = {name: getattr(old, name) for name in _BUILT_WITH if hasattr(old, name)}
    if getattr(old, "proj_size", 0):
        arguments["proj_size"] = old.proj_size
    if hasattr(old, "nonlinearity"):
        arguments["nonlinearity"] = old.nonlinearity
    return kind(**arguments, device="meta")


def _carry(old: nn.Module, new: nn.Module) -> nn.Module:
    if hasattr(old, "dropout"):
        # Set rather than passed: the constructor's warning was given when the user made the layer.
        new.dropout = old.dropout
    for name, parameter in old._parameters.items():
        setattr(new, name, parameter)
    for name, value in vars(old).items():
        if "_hook" in name:
            # The same dictionaries, so that the handles that the user holds still remove.
            vars(new)[name] = value
    new.training = old.training
    return new
