"""`replace` and `restore`: a model's `torch.nn` recurrent layers for ours and back, on the same parameters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
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
_OF_ANY_MODULE: Final = ("_buffers", "_non_persistent_buffers_set", "_modules")
_BUILT_WITH: Final = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional")
_SET_ASIDE: Final = "_set_aside_by_replace"
"""Only on layers that `replace` made: what the user had set under a name that our layers use themselves."""


def replace(model: nn.Module) -> nn.Module:
    """Swap every `torch.nn` LSTM, GRU, RNN and their cells inside `model` for ours.

    The new layers hold the very same parameter objects, so optimisers and `state_dict` go on as before; buffers,
    submodules, hooks with the handles that remove them, the training flag and whatever else was set on a layer
    move along. A layer that is registered in two places stays one layer. Subclasses, layers whose weights are
    parametrised and layers with a `forward` of their own are left alone: they may compute something else.

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
        done[module] = new = convert(module)
        done[new] = new
        for name, child in new._modules.items():
            if child is not None and (swapped := _swap(child, convert, done)) is not child:
                new._modules[name] = swapped
    return done[module]


def _to_ours(old: nn.Module) -> nn.Module:
    if type(old) not in _OURS or "forward" in vars(old):
        return old
    new = _build(_OURS[type(old)], old)
    if not new._parameters.keys() <= old._parameters.keys():
        return old
    added = _added(old)
    aside = {name: added.pop(name) for name in list(added) if hasattr(new, name)}
    vars(new)[_SET_ASIDE] = aside
    return _carry(old, new, added)


def _to_theirs(old: nn.Module) -> nn.Module:
    if type(old) not in _THEIRS or _SET_ASIDE not in vars(old) or "forward" in vars(old):
        return old
    added = _added(old)
    return _carry(old, _build(_THEIRS[type(old)], old), added | added.pop(_SET_ASIDE))


def _build(kind: type[nn.Module], old: nn.Module) -> nn.Module:
    """Make a layer like `old` without memory, and without a draw from the random generator."""
    arguments: dict[str, Any] = {name: getattr(old, name) for name in _BUILT_WITH if hasattr(old, name)}
    if getattr(old, "proj_size", 0):
        arguments["proj_size"] = old.proj_size
    if hasattr(old, "nonlinearity"):
        arguments["nonlinearity"] = old.nonlinearity
    return kind(**arguments, device="meta")


def _added(old: nn.Module) -> dict[str, Any]:
    """What was set on a layer after it was made, beyond parameters, buffers and submodules."""
    made_with = vars(_build(type(old), old))
    return {name: value for name, value in vars(old).items() if name not in made_with}


def _carry(old: nn.Module, new: nn.Module, added: dict[str, Any]) -> nn.Module:
    if hasattr(old, "dropout"):
        # Set rather than passed: the constructor's warning was given when the user made the layer.
        new.dropout = old.dropout
    for name, parameter in old._parameters.items():
        setattr(new, name, parameter)
    for name, value in vars(old).items():
        if "_hook" in name or name in _OF_ANY_MODULE:
            # The same dictionaries, so that the handles that the user holds still remove.
            vars(new)[name] = value
    hooks: Iterable[Any] = new._load_state_dict_pre_hooks.values()
    for hook in hooks:
        if getattr(hook, "with_module", False):
            hook.module = weakref.ref(new)  # PyTorch hands these hooks the layer that they were registered on
    vars(new).update(added)
    new.training = old.training
    return new
