"""One sample through a network, step by step in float64: what the page's numbers are held to.

It shares no code with the package or the page.

Shapes: T = time, F = features, H = hidden units, S = width of h.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

Edits: TypeAlias = dict[str, Any]
"""As the page has them: "values", a list of {"address", "value"}, and "clamps"."""

Kept: TypeAlias = dict[str, dict[int, Tensor]]
"""Each gate and state by its name and step."""

FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softsign": torch.nn.functional.softsign,
    "Activation('hard_sigmoid', alpha=0.16, beta=0.5)": lambda v: torch.clamp(0.16 * v + 0.5, 0, 1),
}


class Loop:
    """One sample through a network, with a user's edits, as plainly as can be."""

    def __init__(self, layer: Any, x_TF: Tensor, length: int, initial: list[dict[str, Tensor]], edits: Edits):
        self.layer, self.settings, self.length, self.edits = layer, layer._settings(), length, edits
        self.weights = {name: value.detach().double() for name, value in layer.named_parameters()}
        self.initial, self.x = initial, x_TF.double().clone()
        for edit in edits["values"]:
            at = edit["address"]
            if at["of"] == "x":
                self.x[at["step"], at["feature"]] = edit["value"]
        self.parts: dict[str, Kept] = {}

    def run(self) -> Tensor:
        """The output (T, Y) of the valid steps; what each part did is in `parts`."""
        y = self.x[: self.length]
        for k in range(self.settings["num_layers"]):
            halves = [self._direction(k, d, y) for d in range(1 + self.settings["bidirectional"])]
            new = torch.cat(halves, dim=1)
            y = new + y if self.settings["residual"] and k and new.shape == y.shape else new
        return y

    def _direction(self, k: int, d: int, x: Tensor) -> Tensor:
        name = ("forward", "reverse")[d]
        row = k * (1 + self.settings["bidirectional"]) + d
        kept: Kept = {}
        self.parts[f"{k} {name}"] = kept
        state = {s: self._set(v.double().clone(), k, name, s, "start") for s, v in self.initial[row].items()}
        for t in range(self.length) if d == 0 else reversed(range(self.length)):
            suffix = f"_l{k}" + ("_reverse" if d else "")
            w = {n.removesuffix(suffix): v for n, v in self.weights.items() if n.endswith(suffix)}
            state = getattr(self, f"_{self.layer.kind.lower()}")(x[t], state, w, partial(self._keep, kept, k, name, t))
        return torch.stack([kept["h"][t] for t in range(self.length)])

    def _keep(self, kept: Kept, layer: int, direction: str, step: int, gate: str, value: Tensor) -> Tensor:
        new = self._set(value.clone(), layer, direction, gate, step)
        kept.setdefault(gate, {})[step] = new
        return new

    def _set(self, value: Tensor, layer: int, direction: str, name: str, step: int | str) -> Tensor:
        for c in self.edits["clamps"]:
            here = (c["layer"], c["direction"], c["gate"]) == (layer, direction, name)
            if here and (c["step"] == step or (c["step"] is None and step != "start")):
                value[slice(None) if c["unit"] is None else c["unit"]] = c["value"]
        for edit in self.edits["values"]:
            at = edit["address"]
            place = tuple(at.get(key) for key in ("of", "layer", "direction", "state", "step"))
            if place == ("state", layer, direction, name, step):
                value[at["unit"]] = edit["value"]
        return value

    def _bounded(self, v: Tensor, name: str) -> Tensor:
        bound = self.settings.get(name)
        return v if bound is None else v.clamp(-bound, bound)

    def _lstm(self, x: Tensor, old: dict[str, Tensor], w: dict[str, Tensor], put: Any) -> dict[str, Tensor]:
        s, zero = self.settings, torch.zeros(1, dtype=torch.float64)
        phi, sigma = FUNCTIONS[s["activation"]], FUNCTIONS[s["recurrent_activation"]]
        names = list("fgo") if s["coupled_gates"] else list("ifgo")
        of_x, of_h = w["weight_ih"] @ x, w["weight_hh"] @ old["h"]
        if s["layer_norm"]:
            of_x, of_h = _normed(of_x) * w["norm_ih"], _normed(of_h) * w["norm_hh"]
        total = of_x + w.get("bias_ih", zero) + of_h + w.get("bias_hh", zero)
        pre: dict[str, Tensor] = dict(zip(names, total.chunk(len(names)), strict=True))
        looks = [gate for gate in names if gate != "g"]

        def see(gate: str, c: Tensor) -> Tensor:
            return w["weight_peephole"][looks.index(gate)] * c if s["peephole"] else zero

        g = put("g", phi(put("g_pre", self._bounded(pre["g"], "preactivation_clip"))))
        f = put("f", sigma(put("f_pre", self._bounded(pre["f"] + see("f", old["c"]), "preactivation_clip"))))
        if s["coupled_gates"]:
            i = put("i", 1 - f)
        else:
            i = put("i", sigma(put("i_pre", self._bounded(pre["i"] + see("i", old["c"]), "preactivation_clip"))))
        c = put("c", self._bounded(f * old["c"] + i * g, "cell_clip"))
        o = put("o", sigma(put("o_pre", self._bounded(pre["o"] + see("o", c), "preactivation_clip"))))
        inner = _normed(c) * w["norm_c"] + w.get("norm_c_bias", zero) if s["layer_norm"] else c
        h = o * phi(inner)
        return {"h": put("h", w["weight_hr"] @ h if s["proj_size"] else h), "c": c}

    def _gru(self, x: Tensor, old: dict[str, Tensor], w: dict[str, Tensor], put: Any) -> dict[str, Tensor]:
        h = old["h"]
        (ir, iz, iv), (hr, hz, hn) = w["weight_ih"].chunk(3), w["weight_hh"].chunk(3)
        (bir, biz, bin_), (bhr, bhz, bhn) = w["bias_ih"].chunk(3), w["bias_hh"].chunk(3)
        r = put("r", torch.sigmoid(put("r_pre", ir @ x + bir + hr @ h + bhr)))
        z = put("z", torch.sigmoid(put("z_pre", iz @ x + biz + hz @ h + bhz)))
        inner = r * (hn @ h + bhn) if self.settings["reset_after"] else hn @ (r * h) + bhn
        n = put("n", torch.tanh(put("n_pre", iv @ x + bin_ + inner)))
        return {"h": put("h", n - z * n + z * h)}

    def _rnn(self, x: Tensor, old: dict[str, Tensor], w: dict[str, Tensor], put: Any) -> dict[str, Tensor]:
        pre = w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ old["h"] + w["bias_hh"]
        return {"h": put("h", FUNCTIONS[self.settings["nonlinearity"]](put("h_pre", pre)))}


def _normed(v: Tensor) -> Tensor:
    return (v - v.mean()) / torch.sqrt(v.var(unbiased=False) + 1e-5)
