"""The backward equations of docs/math, line by line, against PyTorch's differentiation of the forward ones.

Shapes: T = time, N = batch, F = features, H = hidden units, S = size of h. Everything here is (N, ·), so that the
derivative by a matrix sums over the batch too: `outer(a, b)` is Σ_N a bᵀ.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells import GRUEquations, LSTMEquations, RNNEquations, SLSTMEquations

T, N, F, H = 6, 3, 4, 6
EPS = 1e-5

Grads = dict[str, Tensor]


def outer(a: Tensor, b: Tensor) -> Tensor:
    return a.T @ b


def stack(*gates: Tensor) -> Tensor:
    return torch.cat(gates, dim=-1)


def within(values: Tensor, bound: float | None) -> Tensor:
    return torch.ones_like(values) if bound is None else (values.abs() <= bound).to(values)


def normalised(a: Tensor) -> tuple[Tensor, Tensor]:
    """A vector normalised, and r."""
    r = 1 / (a.var(dim=-1, keepdim=True, unbiased=False) + EPS).sqrt()
    return r * (a - a.mean(dim=-1, keepdim=True)), r


def through_norm(asked: Tensor, tilde: Tensor, r: Tensor) -> Tensor:
    """N(∂ã; ã, r) of docs/math/lstm.md."""
    return r * (asked - asked.mean(-1, keepdim=True) - tilde * (asked * tilde).mean(-1, keepdim=True))


class Run:
    """A forward pass by the equations, kept step by step, with everything that a loss may be differentiated by."""

    def __init__(self, cell, first=None) -> None:
        torch.manual_seed(0)
        draw = lambda *shape: torch.randn(*shape, dtype=torch.float64)  # noqa: E731
        self.cell = cell
        self.x = draw(T, N, F).requires_grad_()
        self.weights = {name: (draw(*shape) / 2).requires_grad_() for name, shape in cell.parameter_shapes(F).items()}
        self.first = [s.requires_grad_() for s in (first or [draw(N, size) for size in cell.state_sizes])]
        self.states, self.gates = [tuple(self.first)], []
        named = cell.weights_type(**self.weights)
        for x_t in self.x:
            state, gates = cell.step(x_t, self.states[-1], named)
            self.states.append(state)
            self.gates.append(gates)
        self.asked_h = draw(T, N, cell.output_size)  # what the output asks at each step
        self.asked_last = [draw(N, size) for size in cell.state_sizes]  # what is asked of the returned states

    def by_autograd(self, scale=None) -> Grads:
        """Derivatives of a loss of all outputs and the last states."""
        last = self.states[-1] if scale is None else scale(self.states[-1])
        loss = sum((asked * state[0]).sum() for asked, state in zip(self.asked_h, self.states[1:], strict=True))
        loss = loss + sum((asked * state).sum() for asked, state in zip(self.asked_last, last, strict=False))
        names = ["x", *self.weights, *(f"{s}_0" for s in self.cell.states)]
        found = torch.autograd.grad(loss, [self.x, *self.weights.values(), *self.first], allow_unused=True)
        return {name: g if g is not None else torch.zeros(()) for name, g in zip(names, found, strict=True)}


def check(found: Grads, expected: Grads) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        bound = 1e-11 * float(value.abs().max().clamp(min=1))
        torch.testing.assert_close(found[name], value, rtol=0, atol=bound, msg=lambda text, n=name: f"{n}: {text}")


class LSTMBackward:
    """docs/math/lstm.md: "Backward" and what its options change in it."""

    def __init__(self, run: Run) -> None:
        self.run, self.cell = run, run.cell
        self.w = {name: p.detach() for name, p in run.weights.items()}
        self.grads = {name: torch.zeros_like(p) for name, p in self.w.items()} | {"x": torch.zeros_like(run.x)}
        self.peephole = self.w.get("weight_peephole")

    def __call__(self) -> Grads:
        dh, dc = self.run.asked_last
        for t in reversed(range(T)):
            do_pre, asked_c = self.of_h(t, dh + self.run.asked_h[t])
            dpre, dc = self.of_c(t, do_pre, dc + asked_c)
            dh = self.of_sums(t, dpre)
        return self.grads | {"h_0": dh, "c_0": dc}

    def of_h(self, t: int, dh: Tensor) -> tuple[Tensor, Tensor]:
        """From what is asked of h_t to ∂o_pre, and to what that asks of c_t."""
        w, cell, c, o = self.w, self.cell, self.run.states[t + 1][1].detach(), self.run.gates[t]["o"].detach()
        c_tilde, r_c = normalised(c) if cell.layer_norm else (c, None)
        u = w["norm_c"] * c_tilde + w["norm_c_bias"] if cell.layer_norm else c
        dm = dh
        if cell.proj_size:
            self.grads["weight_hr"] += outer(dh, o * torch.tanh(u))
            dm = dh @ w["weight_hr"]
        du = dm * o * (1 - torch.tanh(u) ** 2)
        do_pre = self._bounded(t, -1, dm * torch.tanh(u) * o * (1 - o))
        if cell.layer_norm:
            self.grads["norm_c"] += (du * c_tilde).sum(0)
            self.grads["norm_c_bias"] += du.sum(0)
            du = through_norm(w["norm_c"] * du, c_tilde, r_c)
        if self.peephole is not None:
            self.grads["weight_peephole"][-1] += (do_pre * c).sum(0)
            du = du + do_pre * self.peephole[-1]
        return do_pre, du

    def of_c(self, t: int, do_pre: Tensor, dc: Tensor) -> tuple[Tensor, Tensor]:
        """From what is asked of c_t to all of ∂pre_t, and to what is asked of c_{t−1}."""
        c0, k, coupled = self.run.states[t][1].detach(), _values(self.run.gates[t]), self.cell.coupled_gates
        i, f, g = k["i"], k["f"], k["g"]
        dc = dc * within(f * c0 + i * g, self.cell.cell_clip)
        df_pre = dc * (c0 - g if coupled else c0) * f * (1 - f)
        early = [df_pre] if coupled else [dc * g * i * (1 - i), df_pre]  # those that see c_{t−1}
        early = [self._bounded(t, row, d) for row, d in enumerate(early)]
        dg_pre = self._bounded(t, len(early), dc * i * (1 - g**2))
        before = dc * f
        for row, d in enumerate(early) if self.peephole is not None else ():
            self.grads["weight_peephole"][row] += (d * c0).sum(0)
            before = before + d * self.peephole[row]
        return stack(*early, dg_pre, do_pre), before

    def of_sums(self, t: int, dpre: Tensor) -> Tensor:
        """From ∂pre_t to x_t, the weights, and to what is asked of h_{t−1}."""
        w, x, h0 = self.w, self.run.x[t].detach(), self.run.states[t][0].detach()
        da_x = da_h = dpre
        if self.cell.layer_norm:
            da_x = self._of_norm("norm_ih", linear(x, w["weight_ih"]), dpre)
            da_h = self._of_norm("norm_hh", linear(h0, w["weight_hh"]), dpre)
        self.grads["x"][t] = da_x @ w["weight_ih"]
        self.grads["weight_ih"] += outer(da_x, x)
        self.grads["weight_hh"] += outer(da_h, h0)
        for bias in ("bias_ih", "bias_hh"):
            self.grads[bias] += dpre.sum(0)
        return da_h @ w["weight_hh"]

    def _of_norm(self, gain: str, product: Tensor, dpre: Tensor) -> Tensor:
        tilde, r = normalised(product)
        self.grads[gain] += (dpre * tilde).sum(0)
        return through_norm(self.w[gain] * dpre, tilde, r)

    def _bounded(self, t: int, row: int, asked: Tensor) -> Tensor:
        bound = self.cell.preactivation_clip
        return asked if bound is None else asked * within(_sums(self.run, t)[row], bound)


def _detached(states):
    return [tuple(s.detach() for s in state) for state in states]


def _values(gates) -> Grads:
    return {name: value.detach() for name, value in gates.items()}


def _sums(run: Run, t: int) -> tuple[Tensor, ...]:
    """The gates' sums of x and h, before peepholes and bounds; for cells without layer normalisation."""
    w, h0 = run.weights, run.states[t][0]
    whole = linear(run.x[t], w["weight_ih"], w["bias_ih"]) + linear(h0, w["weight_hh"], w["bias_hh"])
    return whole.detach().chunk(run.cell.blocks, dim=-1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"proj_size": 2},
        {"peephole": True},
        {"layer_norm": True},
        {"layer_norm": True, "peephole": True, "proj_size": 2},
        {"coupled_gates": True},
        {"coupled_gates": True, "peephole": True},
        {"cell_clip": 0.5},
        {"cell_clip": 0.5, "peephole": True},
        {"preactivation_clip": 0.7},
        {"preactivation_clip": 0.7, "coupled_gates": True},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_an_lstms_backward_equations(options) -> None:
    run = Run(LSTMEquations(H, **options))
    check(LSTMBackward(run)(), run.by_autograd())


def gru_backward(run: Run) -> Grads:
    cell, w = run.cell, {name: p.detach() for name, p in run.weights.items()}
    grads = {name: torch.zeros_like(p) for name, p in w.items()} | {"x": torch.zeros_like(run.x)}
    (dh,) = run.asked_last
    w_hr, w_hz, w_hn = w["weight_hh"].chunk(3)
    for t in reversed(range(T)):
        x, (h0,), k = run.x[t].detach(), *_detached([run.states[t]]), _values(run.gates[t])
        r, z, n = k["r"], k["z"], k["n"]
        dh = dh + run.asked_h[t]
        dn_pre = dh * (1 - z) * (1 - n**2)
        dz_pre = dh * (h0 - n) * z * (1 - z)
        if cell.reset_after:
            dr_pre = dn_pre * linear(h0, w_hn, w["bias_hh"][2 * H :]) * r * (1 - r)
            to_h = stack(dr_pre, dz_pre, dn_pre * r)
            before = to_h @ w["weight_hh"] + dh * z
            grads["weight_hh"] += outer(to_h, h0)
        else:
            q = dn_pre @ w_hn
            dr_pre = q * h0 * r * (1 - r)
            to_h = stack(dr_pre, dz_pre, dn_pre)
            before = dr_pre @ w_hr + dz_pre @ w_hz + q * r + dh * z
            grads["weight_hh"] += torch.cat([outer(dr_pre, h0), outer(dz_pre, h0), outer(dn_pre, r * h0)])
        dpre = stack(dr_pre, dz_pre, dn_pre)
        grads["x"][t] = dpre @ w["weight_ih"]
        grads["weight_ih"] += outer(dpre, x)
        grads["bias_ih"] += dpre.sum(0)
        grads["bias_hh"] += to_h.sum(0)
        dh = before
    return grads | {"h_0": dh}


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_grus_backward_equations(reset_after) -> None:
    run = Run(GRUEquations(H, reset_after=reset_after))
    check(gru_backward(run), run.by_autograd())


def rnn_backward(run: Run) -> Grads:
    cell, w = run.cell, {name: p.detach() for name, p in run.weights.items()}
    grads = {name: torch.zeros_like(p) for name, p in w.items()} | {"x": torch.zeros_like(run.x)}
    (dh,) = run.asked_last
    for t in reversed(range(T)):
        (h0,), (h,) = _detached(run.states[t : t + 2])
        dh = dh + run.asked_h[t]
        dpre = dh * (1 - h**2) if cell.nonlinearity == "tanh" else dh * (h > 0)
        if cell.preactivation_clip is not None:
            dpre = dpre * within(_sums(run, t)[0], cell.preactivation_clip)
        grads["x"][t] = dpre @ w["weight_ih"]
        grads["weight_ih"] += outer(dpre, run.x[t].detach())
        grads["weight_hh"] += outer(dpre, h0)
        for bias in ("bias_ih", "bias_hh"):
            grads[bias] += dpre.sum(0)
        dh = dpre @ w["weight_hh"]
    return grads | {"h_0": dh}


@pytest.mark.parametrize("options", [{}, {"nonlinearity": "relu"}, {"preactivation_clip": 0.7}], ids=str)
def test_an_rnns_backward_equations(options) -> None:
    run = Run(RNNEquations(H, **options))
    check(rnn_backward(run), run.by_autograd())


def slstm_backward(run: Run) -> Grads:
    cell, w = run.cell, {name: p.detach() for name, p in run.weights.items()}
    grads = {name: torch.zeros_like(p) for name, p in w.items()} | {"x": torch.zeros_like(run.x)}
    size = H // cell.num_heads
    recurrent = w["weight_hh"].view(4, cell.num_heads, size, size)
    asked_c, asked_n = run.asked_last[1:3]
    scale = run.states[-1][3].detach().exp()
    dh, dc, dn = run.asked_last[0], asked_c * scale, asked_n * scale
    for t in reversed(range(T)):
        (h0, c0, n0, _), (h, c, n, _) = _detached(run.states[t : t + 2])
        k = _values(run.gates[t])
        i, f, g, o = k["i"], k["f"], k["g"], k["o"]
        dh = dh + run.asked_h[t]
        dc = dc + dh * o / n
        dn = dn - dh * h / n
        do_pre = dh * (c / n) * o * (1 - o)
        dg_pre = dc * i * (1 - g**2)
        di_pre = (dc * g + dn) * i
        dl = (dc * c0 + dn * n0) * f
        df_pre = dl if cell.forget_gate == "exp" else dl * (1 - torch.sigmoid(k["f_pre"]))
        dc, dn = dc * f, dn * f
        dpre = stack(di_pre, df_pre, dg_pre, do_pre)
        by_head = dpre.view(N, 4, cell.num_heads, size)
        grads["x"][t] = dpre @ w["weight_ih"]
        grads["weight_ih"] += outer(dpre, run.x[t].detach())
        of_heads = torch.einsum("ngdo,ndk->gdok", by_head, h0.view(N, cell.num_heads, size))
        grads["weight_hh"] += of_heads.reshape(4 * H, size)
        for bias in ("bias_ih", "bias_hh"):
            grads[bias] += dpre.sum(0)
        dh = torch.einsum("ngdo,gdok->ndk", by_head, recurrent).reshape(N, H)
    return grads | {"h_0": dh, "c_0": dc, "n_0": dn, "m_0": torch.where(run.first[2] == 0, 0, dl).detach()}


@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
@pytest.mark.parametrize("num_heads", [1, 3])
def test_an_slstms_backward_equations(forget_gate, num_heads) -> None:
    torch.manual_seed(1)
    first = [torch.randn(N, H, dtype=torch.float64) for _ in range(4)]
    first[2] = first[2].exp()  # a normaliser is greater than zero
    run = Run(SLSTMEquations(H, forget_gate=forget_gate, num_heads=num_heads), first)
    # The loss reads h, and c and n with their scale.
    expected = run.by_autograd(lambda s: (s[0], s[1] * s[3].exp(), s[2] * s[3].exp()))
    check(slstm_backward(run), expected)


def test_an_slstms_backward_equations_from_zeros() -> None:
    run = Run(SLSTMEquations(H), [torch.zeros(N, H, dtype=torch.float64) for _ in range(4)])
    expected = run.by_autograd(lambda s: (s[0], s[1] * s[3].exp(), s[2] * s[3].exp()))
    found = slstm_backward(run)
    # From an empty state c_0 and n_0 are not differentiated by: nothing could be told from them.
    for name in ("h_0", "x", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "m_0"):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-9)
