"""The recurrent layers inside a model: ours, and torch.nn's through one of ours on the very same parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, Final, NamedTuple, TypeAlias

from torch import nn

from unrolled.errors import ConfigError, DtypeError
from unrolled.layers import GRU, LSTM, RNN, Stack
from unrolled.layers.recurrent import RecurrentLayer

Layer: TypeAlias = RecurrentLayer | Stack

MOST_CALLS: Final = 8
"""Of a layer that one run calls again and again, such as a decoder's, so many calls are looked at."""

_OURS: Final[dict[type[nn.RNNBase], type[RecurrentLayer]]] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}
_BUILT_WITH: Final = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional")


class LayerCall(NamedTuple):
    """What a recurrent layer was called with."""

    x: Any
    hx: Any = None
    lengths: Any = None

    @classmethod
    def of(cls, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> LayerCall:
        """Read a call, whose input `torch.nn` names otherwise."""
        first = "x" if isinstance(module, RecurrentLayer | Stack) else "input"
        given = dict(zip((first, "hx", "lengths"), args, strict=False)) | dict(kwargs)
        return cls(given.pop(first), **given)


class CallNames:
    """Names the calls of a model's layers as they come: "decoder", "decoder (call 2)" and so on."""

    def __init__(self, layers: Mapping[nn.Module, str], most: float = MOST_CALLS) -> None:
        self._layers, self._most = layers, most
        self._counts = dict.fromkeys(layers, 0)

    def next(self, module: nn.Module) -> str | None:
        """The next call's name; None when the module is no recurrent layer, or was called often enough."""
        if module not in self._layers or self._counts[module] >= self._most:
            return None
        self._counts[module] += 1
        count, name = self._counts[module], self._layers[module]
        return name if count == 1 else f"{name} (call {count})".strip()


def layers_inside(model: nn.Module) -> dict[nn.Module, str]:
    """The outermost recurrent layers of a model, with their names; "" for the model itself."""
    if is_recurrent(model):
        return {model: ""}
    found: dict[nn.Module, str] = {}
    for name, module in model.named_modules():
        if is_recurrent(module) and not any(name.startswith(f"{outer}.") for outer in found.values()):
            found[module] = name.replace("._orig_mod", "")  # which torch.compile puts in between
    return found


def required_layers(verb: str, model: nn.Module) -> dict[nn.Module, str]:
    """As `layers_inside`, for those who can do nothing without one."""
    if found := layers_inside(model):
        return found
    raise ConfigError(
        f"{verb} looks into recurrent layers, and {type(model).__name__} has none of unrolled's (LSTM, GRU, RNN, "
        "SLSTM, Stack) and none of torch.nn's (LSTM, GRU, RNN). Layers with a forward of their own don't count."
    )


def require_calls(verb: str, layers: Mapping[nn.Module, str], calls: Sized) -> None:
    """Refuse a run in which no layer was called."""
    if not calls:
        names = ", ".join(repr(name) for name in layers.values())
        raise ConfigError(
            f"{verb} found the recurrent layers {names}, but none of them was called when the model ran on x. Only "
            "calls layer(x) are seen, not layer.forward(x), layer.stream() or what a compiled or copied model does."
        )


def is_recurrent(module: object) -> bool:
    """Whether this is a recurrent layer that a trace can be had of."""
    return isinstance(module, RecurrentLayer | Stack) or torch_kind(module) is not None


def torch_kind(module: object) -> type[nn.RNNBase] | None:
    """Which of `torch.nn`'s layers this is, parametrised ones too; None where it may compute something else."""
    for kind in _OURS:
        if isinstance(module, kind) and type(module).forward is kind.forward and "forward" not in vars(module):
            return kind
    return None


def as_ours(module: object) -> Layer:
    """The layer itself, or for one of `torch.nn` one of ours that computes with the very same tensors."""
    if isinstance(module, RecurrentLayer | Stack):
        return module
    kind = torch_kind(module)
    if kind is None or not isinstance(module, nn.RNNBase):
        raise DtypeError(
            f"Expected one of unrolled's recurrent layers, or torch.nn's LSTM, GRU or RNN; got {type(module).__name__}."
        )
    return _twin(_OURS[kind], module)


def _twin(ours: Any, theirs: Any) -> Layer:
    arguments = {name: getattr(theirs, name) for name in _BUILT_WITH}
    arguments |= {"proj_size": theirs.proj_size} if theirs.proj_size else {}
    arguments |= {"nonlinearity": theirs.nonlinearity} if ours is RNN else {}
    layer: Layer = ours(**arguments, device="meta")
    # What torch.nn computes with, which for parametrised weights are no parameters of its own.
    for name, weight in zip(theirs._flat_weights_names, theirs._flat_weights, strict=True):
        if isinstance(weight, nn.Parameter):
            layer._parameters[name] = weight
        else:
            del layer._parameters[name]
            vars(layer)[name] = weight
    layer.dropout, layer.training = float(theirs.dropout), theirs.training
    return layer
