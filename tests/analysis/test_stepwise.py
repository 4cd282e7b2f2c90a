"""A layer run step by step gives what its forward gives, whatever its options, and gets its forward back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from analysis.models import KINDS, Decoder, Running, make, names_of
from option_cases import CROSSED, Case, leaves_of
from unrolled.analysis.layers_inside import layers_inside
from unrolled.analysis.stepwise import Place, Steps, Tap, opened


def assert_same(found: Any, expected: Any) -> None:
    a, b = leaves_of(found), leaves_of(expected)
    assert [t.shape for t in a] == [t.shape for t in b]
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


class Counting(Tap):
    """Notes the places and steps that it is told of."""

    def __init__(self) -> None:
        self.begun: list[tuple[Place, list[int]]] = []
        self.stepped: list[tuple[Place, int]] = []
        self.ended: list[Place] = []

    def begin(self, steps: Steps) -> Any:
        self.begun.append((steps.place, list(steps.order)))
        return steps.cell

    def step(self, place: Place, t: int, new: Any) -> Any:
        self.stepped.append((place, t))
        return new

    def end(self, place: Place, last: Any) -> None:
        self.ended.append(place)


@pytest.mark.parametrize("case", CROSSED, ids=lambda case: f"{case.kind}-{case.seed}")
def test_every_option(case: Case) -> None:
    case = case.replace(training=False)
    layer, x = case.layer(), case.x()
    expected = layer(x, case.hx(layer), case.lengths())
    with opened({layer: ""}, tap := Counting()):
        found = layer(x, case.hx(layer), case.lengths())
    assert_same(found, expected)
    assert_same(layer(x, case.hx(layer), case.lengths()), expected)
    assert tap.stepped == [(place, t) for place, order in tap.begun for t in order]
    assert tap.ended == [place for place, _ in tap.begun]


@pytest.mark.parametrize("case", KINDS, ids=names_of)
@pytest.mark.parametrize("form", ["padded", "packed", "single"])
def test_torchs_layers_in_every_form(case: Any, form: str) -> None:
    layer = make(case, 3, 4, 2, source=nn, bidirectional=True, batch_first=True)
    sequences = [torch.randn(n, 3) for n in (5, 2, 4)]
    x: Any = torch.randn(3, 5, 3)
    if form == "packed":
        x = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    elif form == "single":
        x = sequences[0]
    output, states = layer(x)
    with opened({layer: ""}, Tap()):
        found, last = layer(x)
        assert_same(layer(x, states)[0], layer.forward(x, hx=states)[0])
    assert_same(last, states)
    assert_same(found.data if form == "packed" else found, output.data if form == "packed" else output)
    assert "forward" not in vars(layer)


def test_a_stack_with_modules_of_ones_own() -> None:
    stack = ours.Stack([(ours.LSTMCell(3, 4), nn.GRUCell(3, 2)), Running(), ours.GRUCell(6, 6)], residual=True).eval()
    x, lengths = torch.randn(5, 3, 3), [5, 2, 1]
    expected = stack(x, None, lengths)
    with opened({stack: "stack"}, tap := Counting()):
        assert_same(stack(x, None, lengths), expected)
    places = [Place("stack", 0, "forward"), Place("stack", 0, "reverse"), Place("stack", 2, "forward")]
    assert [place for place, _ in tap.begun] == places


def test_only_the_first_calls_are_tapped_and_a_forward_of_ones_own_comes_back() -> None:
    model, x = Decoder(12), torch.randn(2, 5, 3)
    expected = model(x)
    own = model.head.forward
    with opened(layers_inside(model), tap := Counting()):
        assert_same(model(x), expected)
    assert [place.name for place in tap.ended][-2:] == ["decoder (call 7)", "decoder (call 8)"]
    assert model.head.forward == own
    layer = ours.GRU(3, 4)
    layer.forward = forward = lambda *args: None  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError), opened({layer: ""}, Tap()):
        raise ZeroDivisionError
    assert vars(layer)["forward"] is forward
