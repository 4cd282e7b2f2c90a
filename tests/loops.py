"""The layers again, from the papers, in NumPy: one layer, one direction, one sequence and one step at a time.

Nothing here is shared with `unrolled`: every gate has a matrix of its own, an sLSTM's heads are one block-diagonal
matrix and its exponentials are taken as they are. A layer is read through its attributes and its `state_dict`.

Shapes: T = time, N = batch, F = input features, H = hidden units, S = width of the output, B = gate blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

Array = np.ndarray
Parameters = dict[str, Array]
States = list[list[list[Array]]]
"""`states[layer][direction][state]`, each (N, ·)."""

EPSILON = 1e-5  # added to the variance, as torch.nn.LayerNorm does; the paper has none


class Disturbance(NamedTuple):
    """What one direction drew: a mask on h (N, S), holds of each state (T, N, ·) or a rate, and dropped weights."""

    h_mask: Array | None = None
    hold: Sequence[Any] = ()
    weight_hh: Array | None = None


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# As the ONNX operators LSTM, GRU and RNN list them, with the default constants of the operators of these names.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(0, x),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "affine": lambda x: 1.0 * x + 0.0,
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "thresholded_relu": lambda x: np.where(x > 1.0, x, 0.0),
    "scaled_tanh": lambda x: 1.0 * np.tanh(1.0 * x),
    "hard_sigmoid": lambda x: np.minimum(np.maximum(0.2 * x + 0.5, 0), 1),
    "elu": lambda x: np.where(x >= 0, x, 1.0 * (np.exp(np.minimum(x, 0)) - 1)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
}


def _function(activation: Any) -> Callable[[Array], Array]:
    if isinstance(activation, str):
        return ACTIVATIONS[activation]
    return lambda x: activation(torch.from_numpy(np.asarray(x))).numpy()


def _clip(x: Array, bound: float | None) -> Array:
    return x if bound is None else np.minimum(np.maximum(x, -bound), bound)


def _normalise(a: Array, gain: Array, shift: Array | None) -> Array:
    """Ba et al. (2016), equations 3 and 4."""
    mean = a.sum() / a.size
    deviation = np.sqrt(((a - mean) ** 2).sum() / a.size + EPSILON)
    return gain * (a - mean) / deviation + (0 if shift is None else shift)


def _block(p: Parameters, name: str, k: int, size: int) -> Any:
    return p[name][k * size : (k + 1) * size] if name in p else 0.0


def _sums(p: Parameters, gates: str, size: int, x_F: Array, h_S: Array) -> tuple[Parameters, Parameters]:
    """What each gate is told by x and by h."""
    of_x = {g: _block(p, "weight_ih", k, size) @ x_F + _block(p, "bias_ih", k, size) for k, g in enumerate(gates)}
    of_h = {g: _block(p, "weight_hh", k, size) @ h_S + _block(p, "bias_hh", k, size) for k, g in enumerate(gates)}
    return of_x, of_h


def _normalised_sums(p: Parameters, gates: str, size: int, x_F: Array, h_S: Array) -> tuple[Parameters, Parameters]:
    """Ba et al. (2016), equation 20: each product is normalised over all gates together."""
    both = []
    for side, v in (("ih", x_F), ("hh", h_S)):
        whole = _normalise(p[f"weight_{side}"] @ v, p[f"norm_{side}"], p.get(f"bias_{side}"))
        both.append({g: whole[k * size : (k + 1) * size] for k, g in enumerate(gates)})
    return both[0], both[1]


def lstm_step(p: Parameters, o: Any, x_F: Array, state: list[Array], seen_S: Array) -> list[Array]:
    """Hochreiter & Schmidhuber (1997) with Gers & Schmidhuber's peepholes; `seen_S` is the h that the weights see."""
    _, c = state
    gates = "fgo" if o.coupled_gates else "ifgo"
    of_x, of_h = (_normalised_sums if o.layer_norm else _sums)(p, gates, len(c), x_F, seen_S)
    peeps = gates.replace("g", "")
    look = {g: p["weight_peephole"][k] if o.peephole else 0.0 for k, g in enumerate(peeps)}
    sigma, phi, bound = _function(o.recurrent_activation), _function(o.activation), o.preactivation_clip
    f = sigma(_clip(of_x["f"] + of_h["f"] + look["f"] * c, bound))
    i = 1 - f if o.coupled_gates else sigma(_clip(of_x["i"] + of_h["i"] + look["i"] * c, bound))
    g = phi(_clip(of_x["g"] + of_h["g"], bound))
    c = _clip(f * c + i * g, o.cell_clip)
    out = sigma(_clip(of_x["o"] + of_h["o"] + look["o"] * c, bound))
    shown = _normalise(c, p["norm_c"], p.get("norm_c_bias")) if o.layer_norm else c
    h = out * phi(shown)
    return [p["weight_hr"] @ h if "weight_hr" in p else h, c]


def gru_step(p: Parameters, o: Any, x_F: Array, state: list[Array], seen_H: Array) -> list[Array]:
    """Cho et al. (2014); `reset_after` is cuDNN's variant."""
    (h,) = state
    size, bound = len(h), o.preactivation_clip
    of_x, of_h = _sums(p, "rzn", size, x_F, seen_H)
    sigma, phi = _function(o.recurrent_activation), _function(o.activation)
    r = sigma(_clip(of_x["r"] + of_h["r"], bound))
    z = sigma(_clip(of_x["z"] + of_h["z"], bound))
    if o.reset_after:
        of_past = r * of_h["n"]
    else:
        of_past = _block(p, "weight_hh", 2, size) @ (r * seen_H) + _block(p, "bias_hh", 2, size)
    return [z * h + (1 - z) * phi(_clip(of_x["n"] + of_past, bound))]


def rnn_step(p: Parameters, o: Any, x_F: Array, state: list[Array], seen_H: Array) -> list[Array]:
    """Elman (1990)."""
    of_x, of_h = _sums(p, "h", len(state[0]), x_F, seen_H)
    return [_function(o.nonlinearity)(_clip(of_x["h"] + of_h["h"], o.preactivation_clip))]


def slstm_step(p: Parameters, o: Any, x_F: Array, state: list[Array], seen_H: Array) -> list[Array]:
    """Beck et al. (2024), equations 8 to 14: no stabiliser, so that c and n are what they are called."""
    _, c, n = state
    size, head = len(c), len(c) // o.num_heads
    gates: Parameters = {}
    for k, gate in enumerate("ifzo"):
        whole = np.zeros((size, size))
        for d in range(o.num_heads):
            units = slice(d * head, (d + 1) * head)
            whole[units, units] = _block(p, "weight_hh", k, size)[units]
        past = whole @ seen_H + _block(p, "bias_hh", k, size)
        gates[gate] = _block(p, "weight_ih", k, size) @ x_F + _block(p, "bias_ih", k, size) + past
    i = np.exp(gates["i"])
    f = np.exp(gates["f"]) if o.forget_gate == "exp" else sigmoid(gates["f"])
    c = f * c + i * np.tanh(gates["z"])
    n = f * n + i
    return [sigmoid(gates["o"]) * c / n, c, n]


STEPS: dict[str, Callable[..., list[Array]]] = {
    "LSTM": lstm_step,
    "GRU": gru_step,
    "RNN": rnn_step,
    "SLSTM": slstm_step,
}


def unscaled(states: Sequence[Array]) -> list[Array]:
    """An sLSTM's states without the stabiliser, which its naive equations do not have; others as they are."""
    if len(states) < 4:
        return list(states)
    h, c, n, m = states
    return [h, c * np.exp(m), n * np.exp(m)]


def parameters_of(layer: Any, k: int, d: int) -> Parameters:
    """The parameters of one direction of one layer, by the cell's names."""
    suffix = f"_l{k}" + ("_reverse" if d else "")
    names = [n for n in layer.state_dict() if n.endswith(suffix) and "." not in n]
    return {name.removesuffix(suffix): layer.state_dict()[name].numpy() for name in names}


def run(
    layer: Any,
    x_TNF: Array,
    lengths: Sequence[int] | None = None,
    first: States | None = None,
    noise: Sequence[Sequence[Disturbance]] | None = None,
) -> tuple[Array, States]:
    """Run a layer without dropout between layers: its output (T, N, ·), and the states after each sequence's end."""
    lengths = [len(x_TNF)] * x_TNF.shape[1] if lengths is None else lengths
    first = first_states(layer, x_TNF, lengths) if first is None else first
    finals: States = []
    for k in range(layer.num_layers):
        sides = []
        for d in range(2 if layer.bidirectional else 1):
            what = Disturbance() if noise is None else noise[k][d]
            sides.append(_run_direction(layer, (k, d), x_TNF, lengths, unscaled(first[k][d]), what))
        finals.append([last for _, last in sides])
        output = np.concatenate([out for out, _ in sides], axis=-1)
        if layer.residual and k > 0 and output.shape == x_TNF.shape:
            output = output + _without_padding(x_TNF, lengths)
        x_TNF = output
    return x_TNF, finals


def _run_direction(
    layer: Any, place: tuple[int, int], x_TNF: Array, lengths: Sequence[int], first: list[Array], noise: Disturbance
) -> tuple[Array, list[Array]]:
    p = parameters_of(layer, *place)
    if noise.weight_hh is not None:
        p["weight_hh"] = noise.weight_hh
    output = np.zeros((*x_TNF.shape[:2], first[0].shape[1]))
    last = [s.copy() for s in first]
    for n, length in enumerate(lengths):
        state = [s[n] for s in first]
        for t in reversed(range(length)) if place[1] else range(length):
            seen = state[0] if noise.h_mask is None else state[0] * noise.h_mask[n]
            new = STEPS[layer.kind](p, layer, x_TNF[t, n], state, seen)
            state = _zone_out(new, state, noise.hold, t, n)
            output[t, n] = state[0]
        for s, value in zip(last, state, strict=True):
            s[n] = value
    return output, last


def _zone_out(new: list[Array], old: list[Array], hold: Sequence[Any], t: int, n: int) -> list[Array]:
    """Krueger et al. (2017); a rate in place of what was drawn is its expectation."""
    if not hold:
        return new
    held = [0.0 if d is None else d if np.isscalar(d) else d[t, n].astype(np.float64) for d in hold]
    return [d * o + (1 - d) * s for d, o, s in zip(held, old, new, strict=True)]


def _without_padding(x_TNF: Array, lengths: Sequence[int]) -> Array:
    x_TNF = x_TNF.copy()
    for n, length in enumerate(lengths):
        x_TNF[length:, n] = 0
    return x_TNF


def first_states(layer: Any, x_TNF: Array, lengths: Sequence[int]) -> States:
    """Zeros, learned states, or chains of tanh of the first input."""
    directions = 2 if layer.bidirectional else 1
    chosen = layer.initial_state
    if not isinstance(chosen, str) and hasattr(chosen, "chains"):
        return _from_input(layer, x_TNF, lengths, directions)
    own = {} if isinstance(chosen, str) else {k: v.numpy() for k, v in chosen.state_dict().items()}
    names = {"LSTM": "hc", "SLSTM": "hcnm"}.get(layer.kind, "h")
    widths = layer.hidden_size if isinstance(layer.hidden_size, tuple) else [layer.hidden_size] * layer.num_layers
    states: States = []
    for k, width in enumerate(widths):
        states.append([])
        for suffix in ("", "_reverse")[:directions]:
            sizes = {name: layer.proj_size or width if name == "h" else width for name in names}
            # An sLSTM's normaliser is 1 where the other states are learned.
            plain = {name: np.full(size, float(bool(own) and name == "n")) for name, size in sizes.items()}
            row = [own.get(f"{name}_l{k}{suffix}", plain[name]) for name in names]
            states[k].append([np.tile(value, (x_TNF.shape[1], 1)) for value in row])
    return states


def _from_input(layer: Any, x_TNF: Array, lengths: Sequence[int], directions: int) -> States:
    weights = {name: w.numpy() for name, w in layer.initial_state.state_dict().items()}
    count = layer.initial_state.states
    states: States = [[[] for _ in range(directions)] for _ in range(layer.num_layers)]
    for d in range(directions):
        begin = [(length - 1) if d else 0 for length in lengths]
        rows = [x_TNF[t, n] if lengths[n] else 0 * x_TNF[0, n] for n, t in enumerate(begin)]
        for s in range(count):
            value = np.stack(rows)
            for k in range(layer.num_layers):
                link = f"chains.{d * count + s}.{k}"
                value = np.tanh(value @ weights[f"{link}.weight"].T + weights.get(f"{link}.bias", 0.0))
                states[k][d].append(value)
    return states
