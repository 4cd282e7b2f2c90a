"""How far a change travels: gradients of the loss, and of a layer's last state, with respect to each step's state.

A gradient is the whole one, by every way through which a state acts: that of c_t goes through h_t too.
Shapes: T = time, N = batch, S = width of a state, K = projections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from unrolled.analysis.layers_inside import require_calls, required_layers
from unrolled.analysis.running import Subject, answer_of, run, subject_of, untouched
from unrolled.analysis.stepwise import Place, Steps, Tap, opened
from unrolled.cells import Cell, State
from unrolled.errors import ConfigError
from unrolled.layers.tracing import to_numpy
from unrolled.trace import Analysis, NamedArray, PartValues

_STATES: Final = ("h", "c")
"""The states that are looked at; an SLSTM's normaliser and stabiliser are no memory of their own."""


def gradient_flow(
    model: nn.Module, x: Any, lengths: Any = None, loss: Callable[[Any], Tensor] | None = None
) -> Analysis:
    """How strongly the loss reacts to each step's states: ‖∂L/∂h_t‖ and ‖∂L/∂c_t‖, from one backward pass.

    Norms that fall towards early steps are vanishing gradients, norms that rise exploding ones. Source: Pascanu,
    Mikolov & Bengio (2013), "On the difficulty of training recurrent neural networks", whose ∂E/∂x_t these are.

    The model runs as in `eval()`, its recurrent layers step by step, and is left as it was, its `.grad` too.

    Args:
        model: One of unrolled's recurrent layers, one of torch.nn's LSTM, GRU or RNN, or any module that contains some.
        x: What the model is called with.
        lengths: Valid steps of each sequence, as for `record`.
        loss: Makes one number of what the model returns. Default: the sum of its answer, the first tensor returned.

    Returns:
        For each direction of each layer, of "h" and, where there is one, of "c": ("time", "batch"), the Euclidean norms
        over the units; 0 at padded steps. With several layers in a model each has its `name`, as in `record`. Of a
        stack's modules of one's own, whose states are their own, there is nothing.

    Raises:
        ConfigError: No recurrent layer, no argument for lengths, or a loss that is no single number or doesn't depend
            on the layers.
        ShapeError, DtypeError: The model can't run on x.

    Example:
        >>> import torch
        >>> from unrolled.analysis import gradient_flow
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LSTM(4, 5))
        >>> target = torch.zeros(9, 2, 5)
        >>> loss = lambda result: torch.nn.functional.mse_loss(result[0], target)
        >>> gradient_flow(model, torch.randn(9, 2, 3), loss=loss)
        gradient_flow
          1: layer 0, forward, h: NamedArray(time=9, batch=2; float32)
          1: layer 0, forward, c: NamedArray(time=9, batch=2; float32)
    """
    subject = subject_of("gradient_flow", model, lengths)
    states = _States()
    with untouched(subject.model), torch.enable_grad():
        value = loss_of("gradient_flow", _run_opened(subject, x, states), loss)
        if not value.requires_grad:
            raise ConfigError(
                "gradient_flow: the loss does not depend on the recurrent layers, or the model or the loss computes it "
                "from detached numbers, under torch.no_grad() or torch.inference_mode(). Leave gradients on."
            )
        gradients = states.gradients(value, list(states.last))
    parts = [_part(place, of, g_TNS.norm(dim=-1)) for (place, of), g_TNS in gradients.items()]
    return Analysis("gradient_flow", tuple(parts))


def sensitivity(model: nn.Module, x: Any, lengths: Any = None, projections: int | None = 8, seed: int = 0) -> Analysis:
    """How strongly a layer's last state reacts to each step's: ‖∂h_T/∂h_t‖, estimated by random projections.

    Frobenius norms of the Jacobians within one direction of one layer: h_T is what it ends with, after the last step
    it reads. K random orthonormal directions q are projected on, and the estimate is √(S/K · Σ ‖qᵀ ∂h_T/∂h_t‖²), each
    term from one backward pass that serves all t. Its square is unbiased; with K = S it is exact. Sources: Pascanu,
    Mikolov & Bengio (2013), "On the difficulty of training recurrent neural networks", for the Jacobians, and
    Hutchinson (1990), "A stochastic estimator of the trace of the influence matrix", for the estimate.

    Args:
        model: As for `gradient_flow`.
        x: What the model is called with.
        lengths: Valid steps of each sequence, as for `record`.
        projections: K, so many backward passes a direction; where a state is no wider, it is exact. None: always exact.
        seed: Of the directions that are drawn. PyTorch's own generator is left alone.

    Returns:
        For each direction of each layer, of "h" and, where there is one, of "c" (‖∂h_T/∂c_t‖): ("time", "batch"); 0 at
        padded steps.

    Raises:
        ConfigError: As for `gradient_flow`, or `projections` is no whole number greater than zero.
        ShapeError, DtypeError: The model can't run on x.

    Example:
        >>> import torch
        >>> import unrolled
        >>> from unrolled.analysis import sensitivity
        >>> found = sensitivity(unrolled.GRU(3, 4), torch.randn(9, 2, 3), projections=None)
        >>> found.find("h").values, round(float(found.find("h").values[-1, 0]), 3)  # ∂h_T/∂h_T is I, of norm √4
        (NamedArray(time=9, batch=2; float32), 2.0)
    """
    if projections is not None and (isinstance(projections, bool) or not isinstance(projections, int)):
        raise ConfigError(f"sensitivity expected projections to be a whole number or None; got {projections!r}.")
    if projections is not None and projections < 1:
        raise ConfigError(f"sensitivity needs at least one projection; got projections={projections}.")
    subject = subject_of("sensitivity", model, lengths)
    states, generator = _States(), torch.Generator().manual_seed(seed)
    with untouched(subject.model), torch.enable_grad():
        _run_opened(subject, x, states)
        parts = [part for place in states.last for part in _sensitivity_of(place, states, projections, generator)]
    return Analysis("sensitivity", tuple(parts), {"projections": "all" if projections is None else projections})


def loss_of(verb: str, result: Any, loss: Callable[[Any], Tensor] | None) -> Tensor:
    """The loss of a model's result: one number."""
    if loss is None:
        return answer_of(verb, result).sum()
    if not callable(loss):
        raise ConfigError(f"{verb} expected loss to be a function of what the model returns; got {loss!r}.")
    value = loss(result)
    if not isinstance(value, Tensor) or value.numel() != 1:
        given = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(f"{verb} expected loss(result) to be one number, a tensor without axes; got {given}.")
    return value.reshape(())


def _run_opened(subject: Subject, x: Any, tap: _States) -> Any:
    """Run the model, its recurrent layers step by step."""
    layers = required_layers(subject.verb, subject.model)
    with opened(layers, tap):
        result = run(subject, x)
    require_calls(subject.verb, layers, tap.last)
    return result


class _States(Tap):
    """Keeps every state after each step, in a graph that all of them are part of."""

    def __init__(self) -> None:
        self.last: dict[Place, Tensor] = {}
        self._names: dict[Place, tuple[str, ...]] = {}
        self._kept: dict[Place, dict[int, State]] = {}

    def begin(self, steps: Steps) -> Cell[Any]:
        """Make room."""
        self._names[steps.place], self._kept[steps.place] = steps.cell.states, {}
        return steps.cell

    def start(self, place: Place, first: State) -> State:
        """Have a graph even where neither parameters nor x ask for one."""
        return tuple(state + torch.zeros_like(state).requires_grad_() for state in first)

    def step(self, place: Place, t: int, new: State) -> State:
        """Keep the states."""
        self._kept[place][t] = new
        return new

    def end(self, place: Place, last: State) -> None:
        """Keep h."""
        self.last[place] = last[0]

    def of(self, place: Place) -> dict[str, list[Tensor]]:
        """One direction's states by their names, in the order of time."""
        kept = [self._kept[place][t] for t in sorted(self._kept[place])]
        names = enumerate(self._names[place])
        return {name: [states[k] for states in kept] for k, name in names if name in _STATES}

    def gradients(self, value: Tensor, places: list[Place]) -> dict[tuple[Place, str], Tensor]:
        """Of one number, with respect to each state (T, N, S); the graph is kept."""
        states = {(place, name): steps for place in places for name, steps in self.of(place).items()}
        flat = [state for steps in states.values() for state in steps]
        found = iter(torch.autograd.grad(value, flat, retain_graph=True, allow_unused=True, materialize_grads=True))
        return {key: torch.stack([next(found) for _ in steps]) for key, steps in states.items()}


def _sensitivity_of(
    place: Place, states: _States, projections: int | None, generator: torch.Generator
) -> Iterator[PartValues]:
    last_NS = states.last[place]
    width = last_NS.shape[-1]
    directions_SK = _directions(width, min(projections or width, width), generator).to(last_NS)
    squares: dict[str, Tensor] = {}
    for q_S in directions_SK.unbind(1):
        for (_, name), g_TNS in states.gradients((last_NS @ q_S).sum(), [place]).items():
            squares[name] = squares.get(name, 0) + g_TNS.square().sum(-1)
    scale = width / directions_SK.shape[1]
    yield from (_part(place, name, (scale * square_TN).sqrt()) for name, square_TN in squares.items())


def _directions(width: int, count: int, generator: torch.Generator) -> Tensor:
    """Orthonormal columns (S, K) of a uniformly random subspace; all of the basis where K = S."""
    if count == width:
        return torch.eye(width, dtype=torch.float64)
    drawn_SK = torch.randn(width, count, generator=generator, dtype=torch.float64)
    basis_SK: Tensor = torch.linalg.qr(drawn_SK).Q
    return basis_SK


def _part(place: Place, of: str, values_TN: Tensor) -> PartValues:
    values = NamedArray(to_numpy(values_TN), ("time", "batch"))
    return PartValues(place.layer, place.direction, of, values, place.name)
