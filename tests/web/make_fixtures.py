"""Writes the fixtures of the page's own tests: page documents, and what an edit makes of their numbers.

The expected numbers come from `Loop`, which computes one sample step by step in float64 and shares no code with the
package or the page. Run it with a Python that has PyTorch and unrolled: `python tests/web/make_fixtures.py`.

Shapes: T = time, N = batch, F = features, H = hidden units, S = width of h.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from plain_loop import Edits, Kept, Loop
from torch import Tensor, nn

import unrolled
from unrolled.analysis import describe
from unrolled.trace import Head, HeadLayer, NamedArray, Recorded
from unrolled.view.page.document import Feedback, PageFacts, PageHead, PageNetwork, page_document

FOLDER: Final = Path(__file__).parents[2] / "src/unrolled/view/web/test/fixtures"


def _values(*edits: tuple[dict[str, Any], float]) -> list[dict[str, Any]]:
    return [{"address": address, "value": value} for address, value in edits]


def _x_at(sample: int, step: int, feature: int) -> dict[str, Any]:
    return {"of": "x", "sample": sample, "step": step, "feature": feature}


def _state_at(state: str, sample: int, layer: int, direction: str, step: int | str, unit: int) -> dict[str, Any]:
    at = {"of": "state", "state": state, "sample": sample, "layer": layer}
    return at | {"direction": direction, "step": step, "unit": unit}


def _clamp(layer: int, direction: str, gate: str, unit: int | None, step: int | None, value: float) -> dict[str, Any]:
    return {"layer": layer, "direction": direction, "gate": gate, "unit": unit, "step": step, "value": value}


def _edits(*changed: tuple[dict[str, Any], float], clamps: tuple[dict[str, Any], ...] = ()) -> Edits:
    return {"values": _values(*changed), "clamps": list(clamps)}


NOTHING: Final = _edits()


Read: TypeAlias = Callable[[Tensor, Loop], Tensor]


class _Fixture:
    """One model and batch, its page document, and the cases to be computed."""

    def __init__(self, name: str, layer: Any, x: Tensor, lengths: list[int] | None = None, hx: Any = None):
        self.name, self.layer = name, layer
        self.cases: list[dict[str, Any]] = []
        self.trace = layer.trace(x, hx, lengths)
        with torch.no_grad():
            out = layer(x, hx, lengths)
        self.output, finals = out
        self.finals = finals if isinstance(finals, tuple) and layer.kind == "LSTM" else (finals,)
        self.head: PageHead | None = None
        self.dense: nn.Sequential | None = None
        self.names: dict[str, list[str]] = {}
        self.answer: Callable[[nn.Sequential, Tensor, Loop], list[Any]]

    def with_head(self, reads: str, read: Read, dense: nn.Sequential, answer: Tensor, **more: Any) -> None:
        """`read` takes one sample's output (length, Y) and its loop; `answer` is the whole batch's."""
        layers = tuple(_head_layer(module) for module in dense)
        named = NamedArray(answer.detach().numpy(), ("batch", *("time", "output")[-(answer.dim() - 1) :]))
        self.head = PageHead(Head(reads, layers, named), **more)
        self.dense = dense.double()
        self.answer = lambda dense, output, loop: _dense(dense, read(output, loop))

    def case(self, name: str, sample: int, change: Edits) -> None:
        """One run of the page, and what the loop makes of it; where nothing is changed the trace says that."""
        length = int(self.trace.lengths.values[sample])
        x_TF = torch.from_numpy(self.trace.parts[0]["inputs"].values[:, sample])
        initial = [
            {n.removesuffix("_0"): torch.from_numpy(a.values[sample]) for n, a in part.arrays.items() if "_0" in n}
            for part in self.trace.parts
        ]
        loop = Loop(self.layer, x_TF, length, initial, change)
        output = loop.run()
        if change is NOTHING:
            self._check(sample, output, loop)
        expected = None if change is NOTHING else {part: _after(gates) for part, gates in loop.parts.items()}
        answer = None if self.dense is None else self.answer(self.dense, output, loop)
        self.cases.append({"name": name, "sample": sample, "edits": change, "expected": expected, "answer": answer})

    def _check(self, sample: int, output: Tensor, loop: Loop) -> None:
        """The loop itself is right: it gives what the layer gives."""
        of_sample = self.output if self.output.dim() == 2 else self.output.select(1 - self.layer.batch_first, sample)
        torch.testing.assert_close(output, of_sample[: len(output)].double(), rtol=0, atol=2e-6)
        for part in self.trace.parts:
            for gate, steps in loop.parts[f"{part.layer} {part.direction}"].items():
                for t, value in steps.items():
                    np.testing.assert_allclose(value.numpy(), part[gate].values[t, sample], rtol=0, atol=2e-6)

    def write(self) -> None:
        """Write the page document, the cases, and what the layer's call returned."""
        facts = PageFacts(self.name, "model", {"unrolled": "0", "torch": "0"}, self.names)
        page = page_document([PageNetwork(Recorded(describe(self.layer), self.trace), self.head)], facts)
        returned = {"output": self.output.tolist()} | {
            name: [t.tolist() for t in s] if isinstance(s, tuple) else s.tolist()
            for name, s in zip(("h_n", "c_n"), self.finals, strict=False)
        }
        text = json.dumps({"page": page, "cases": _rounded(self.cases), "returned": _rounded(returned)})
        (FOLDER / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")
        print(self.name, len(text))


def _dense(dense: nn.Sequential, given: Tensor) -> list[Any]:
    with torch.no_grad():
        answer: list[Any] = dense(given).tolist()
    return answer


def _after(gates: Kept) -> dict[str, list[list[float]]]:
    """Each gate after its nonlinearity and each state, step by step."""
    return {gate: [steps[t].tolist() for t in sorted(steps)] for gate, steps in gates.items() if "_" not in gate}


def _rounded(value: Any) -> Any:
    """Thirteen digits, where the tests look at ten."""
    if isinstance(value, float):
        return float(f"{value:.13g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _head_layer(module: nn.Module) -> HeadLayer:
    if not isinstance(module, nn.Linear):
        return HeadLayer(type(module).__name__)  # type: ignore[arg-type]
    weight, bias = (p.detach().numpy() for p in (module.weight, module.bias))
    return HeadLayer("Linear", NamedArray(weight, ("output", "input")), NamedArray(bias, ("output",)))


def _spread(layer: Any) -> Any:
    """Weights large enough that gates differ and clips and bounds are reached."""
    with torch.no_grad():
        for p in layer.parameters():
            p.uniform_(-1.2, 1.2)
    return layer


def _padded(y: Tensor, steps: int) -> Tensor:
    return torch.cat([y, y.new_zeros(steps - len(y), y.shape[1])])


def _lstm() -> None:
    layer = _spread(unrolled.LSTM(2, 3, 2, batch_first=True, bidirectional=True))
    hx = torch.randn(4, 3, 3) / 2, torch.randn(4, 3, 3) / 2
    fixture = _Fixture("lstm", layer, torch.randn(3, 5, 2), [5, 2, 0], hx)
    fixture.names = {"batch": ["Berlin", "Lagos", "Lima"], "feature": ["rain", "wind"]}
    dense = nn.Sequential(nn.Linear(6, 2))
    code = "torch.cat([h_n[-2], h_n[-1]], dim=1)"
    answer = dense(torch.cat([fixture.finals[0][-2], fixture.finals[0][-1]], dim=1))

    def ends(output: Tensor, loop: Loop) -> Tensor:
        return torch.cat([loop.parts["1 forward"]["h"][len(output) - 1], loop.parts["1 reverse"]["h"][0]])

    fixture.with_head(code, ends, dense, answer)
    fixture.case("as it is", 0, NOTHING)
    fixture.case("as it is, short", 1, NOTHING)
    fixture.case("an input", 0, _edits((_x_at(0, 3, 1), 2.5)))
    fixture.case("a state of the reverse direction", 0, _edits((_state_at("c", 0, 0, "reverse", 2, 1), -1.5)))
    first = _state_at("h", 1, 1, "reverse", "start", 0)
    held = _clamp(0, "forward", "f", None, None, 1.0), _clamp(1, "reverse", "o", 2, 1, 0.25)
    fixture.case("an initial state and gates", 1, _edits((first, 0.75), clamps=held))
    fixture.write()


def _gru(after: bool) -> None:
    layer = _spread(unrolled.GRU(3, 4, 2, reset_after=after, dtype=torch.float64))
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    fixture = _Fixture("gru" if after else "gru_before", layer, x, [6, 4])
    dense = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    fixture.with_head("output[-1]", lambda y, _: _padded(y, 6)[-1], dense, dense(fixture.output[-1]))
    fixture.case("as it is", 0, NOTHING)
    fixture.case("as it is, padded", 1, NOTHING)
    fixture.case("an input", 0, _edits((_x_at(0, 2, 0), -1.0)))
    held = (_clamp(0, "forward", "z", 1, None, 0.9), _clamp(0, "forward", "r", None, 3, 0.0))
    fixture.case("gates", 0, _edits(clamps=held))
    fixture.case("a state", 1, _edits((_state_at("h", 1, 0, "forward", 1, 3), 0.5)))
    fixture.write()


def _rnn() -> None:
    layer = _spread(unrolled.RNN(2, 4, nonlinearity="relu", dtype=torch.float64))
    fixture = _Fixture("rnn", layer, torch.randn(5, 2, dtype=torch.float64))
    fixture.case("as it is", 0, NOTHING)
    fixture.case("its only gate", 0, _edits(clamps=(_clamp(0, "forward", "h", 2, 1, 0.5),)))
    fixture.case("an initial state", 0, _edits((_state_at("h", 0, 0, "forward", "start", 0), 1.5)))
    fixture.case("its only gate at all steps", 0, _edits(clamps=(_clamp(0, "forward", "h", 1, None, 0.25),)))
    fixture.write()


def _projected() -> None:
    layer = unrolled.LSTM(
        2, 4, 2, bidirectional=True, proj_size=2, cell_clip=0.4, preactivation_clip=0.8, dtype=torch.float64
    )
    fixture = _Fixture("projected", _spread(layer), torch.randn(4, 2, 2, dtype=torch.float64), [4, 3])
    dense = nn.Sequential(nn.Linear(4, 1), nn.Tanh()).double()
    answer = dense(fixture.output.transpose(0, 1))
    fixture.with_head("output", lambda y, _: _padded(y, 4), dense, answer)
    fixture.case("as it is", 0, NOTHING)
    fixture.case("as it is, padded", 1, NOTHING)
    fixture.case("a projected state", 0, _edits((_state_at("h", 0, 0, "forward", 1, 1), 0.5)))
    fixture.case("a cell state", 1, _edits((_state_at("c", 1, 1, "reverse", 2, 3), 0.3)))
    fixture.write()


def _widths() -> None:
    layer = _spread(unrolled.LSTM(2, [3, 5], bidirectional=True, batch_first=True, peephole=True, dtype=torch.float64))
    fixture = _Fixture("widths", layer, torch.randn(2, 4, 2, dtype=torch.float64), [2, 4])
    fixture.case("as it is", 0, NOTHING)
    fixture.case("as it is, long", 1, NOTHING)
    fixture.case("what the peepholes see", 1, _edits((_state_at("c", 1, 0, "forward", 1, 2), 1.25)))
    fixture.write()


def _coupled() -> None:
    layer = unrolled.LSTM(
        2, 3, coupled_gates=True, peephole=True, bias=False, activation="softsign", dtype=torch.float64,
        recurrent_activation=unrolled.Activation("hard_sigmoid", alpha=0.16),
    )  # fmt: skip
    fixture = _Fixture("coupled", _spread(layer), torch.randn(4, 2, 2, dtype=torch.float64))
    fixture.case("as it is", 1, NOTHING)
    fixture.case("f moves i", 0, _edits(clamps=(_clamp(0, "forward", "f", None, 2, 0.2),)))
    fixture.write()


def _normalised() -> None:
    layer = unrolled.LSTM(4, 4, 3, layer_norm=True, residual=True, dtype=torch.float64)
    fixture = _Fixture("normalised", _spread(layer), torch.randn(4, 2, 4, dtype=torch.float64))
    dense = nn.Sequential(nn.Linear(4, 2)).double()
    fixture.with_head("output.mean(dim=0)", lambda y, _: y.mean(0), dense, dense(fixture.output.mean(0)))
    fixture.case("as it is", 0, NOTHING)
    fixture.case("a state below a residual connection", 1, _edits((_state_at("h", 1, 1, "forward", 1, 2), 0.9)))
    fixture.write()


def _forecaster() -> None:
    layer = _spread(unrolled.LSTM(2, 3, 2, batch_first=True, dtype=torch.float64))
    x = torch.randn(2, 4, 2, dtype=torch.float64)
    x[..., 1] = 1.0
    fixture = _Fixture("forecaster", layer, x)
    dense = nn.Sequential(nn.Linear(3, 3)).double()

    def forecast(x_NTF: Tensor) -> Tensor:
        output, state = layer(x_NTF)
        steps = [dense(output[:, -1:])]
        while len(steps) < 4:
            value = steps[-1][..., 1]
            output, state = layer(torch.stack([value, torch.ones_like(value)], dim=2), state)
            steps.append(dense(output))
        return torch.cat(steps, dim=1)

    fixture.with_head(
        "output[:, -1]", lambda y, _: y[-1], dense, forecast(x), feedback=Feedback(4, 1, (1.0,)),
        unscale=(NamedArray(np.array([100.0, 7.0]), ("batch",)), NamedArray(np.array([10.0, 2.0]), ("batch",))),
    )  # fmt: skip
    fixture.answer = lambda _dense, _output, loop: forecast(loop.x[None])[0].tolist()
    fixture.case("as it is", 1, NOTHING)
    fixture.case("an input", 0, _edits((_x_at(0, 2, 0), 3.0)))
    fixture.write()


def _main() -> None:
    FOLDER.mkdir(exist_ok=True)
    makers = (_lstm, partial(_gru, True), partial(_gru, False), _rnn, _projected, _widths, _coupled, _normalised)
    for make in (*makers, _forecaster):
        torch.manual_seed(7)
        make()


if __name__ == "__main__":
    _main()
