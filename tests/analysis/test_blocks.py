"""`blocks`: the parts of any model in the order they ran, with shapes, and names for the axes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unrolled.layers as ours
from analysis.models import Decoder, Encoder, Running, Tokens
from analysis.test_record import assert_unchanged, snapshot, used_model
from unrolled.analysis import blocks
from unrolled.errors import ConfigError, ShapeError
from unrolled.trace import Block

IMAGE = ("batch", "channel", "height", "width")
BATCH_FIRST, TIME_FIRST = ("batch", "time", "feature"), ("time", "batch", "feature")


def rows(found: tuple[Block, ...]) -> list[tuple[Any, ...]]:
    return [(block.role, block.kind, block.shape, block.axes, block.note) for block in found]


def test_a_convolutional_network() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, (3, 5), stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.AdaptiveAvgPool2d((2, 1)),
        nn.Flatten(),
        nn.Linear(16, 10),
        nn.Softmax(1),
    )
    plain = ("batch", "feature")
    assert rows(blocks(model, torch.randn(4, 3, 33, 33))) == [
        ("input", "Tensor", (4, 3, 33, 33), IMAGE, ""),
        ("convolution", "Conv2d", (4, 8, 17, 16), IMAGE, "3 × 5, stride 2, padding 1"),
        ("normalisation", "BatchNorm2d", (4, 8, 17, 16), IMAGE, ""),
        ("activation", "ReLU", (4, 8, 17, 16), IMAGE, ""),
        ("pooling", "MaxPool2d", (4, 8, 8, 8), IMAGE, "2 × 2"),
        ("dropout", "Dropout", (4, 8, 8, 8), IMAGE, "p = 0.25"),
        ("pooling", "AdaptiveAvgPool2d", (4, 8, 2, 1), IMAGE, "to 2 × 1"),
        ("flatten", "Flatten", (4, 16), plain, ""),
        ("dense", "Linear", (4, 10), plain, ""),
        ("activation", "Softmax", (4, 10), plain, ""),
    ]
    assert [b.parameters for b in blocks(model, torch.randn(1, 3, 33, 33))] == [0, 368, 16, 0, 0, 0, 0, 0, 170, 0]


def test_a_dense_network_and_one_sample_without_a_batch() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1, bias=False))
    found = blocks(model, torch.randn(6, 3))
    assert [(b.name, b.shape, b.axes, b.parameters) for b in found] == [
        ("", (6, 3), ("batch", "feature"), 0),
        ("0", (6, 4), ("batch", "feature"), 16),
        ("1", (6, 4), ("batch", "feature"), 0),
        ("2", (6, 1), ("batch", "feature"), 4),
    ]
    assert blocks(model, torch.randn(3))[-1].axes == ("feature",)
    assert blocks(nn.Conv2d(3, 2, 3), torch.randn(3, 8, 8))[1].axes == IMAGE[1:]


def test_convolution_over_time_and_in_volumes() -> None:
    model = nn.Sequential(nn.Conv1d(3, 8, 3, stride=2, dilation=2), nn.AvgPool1d(2))
    assert rows(blocks(model, torch.randn(4, 3, 32)))[1:] == [
        ("convolution", "Conv1d", (4, 8, 14), ("batch", "channel", "time"), "3 wide, stride 2, dilation 2"),
        ("pooling", "AvgPool1d", (4, 8, 7), ("batch", "channel", "time"), "2 wide"),
    ]
    volume = blocks(nn.MaxPool3d(2), torch.randn(4, 3, 8, 8, 8))
    assert [b.axes for b in volume] == [("batch", "channel", "depth", "height", "width")] * 2


@pytest.mark.parametrize("source", [nn, ours], ids=["torch", "ours"])
def test_sequences_follow_batch_first(source: Any) -> None:
    ids = torch.randint(0, 11, (5, 2))
    model = nn.Sequential(nn.Embedding(11, 3), source.LSTM(3, 4, 2, bidirectional=True))
    assert rows(blocks(model, ids)) == [
        ("input", "Tensor", (5, 2), ("time", "batch"), ""),
        ("embedding", "Embedding", (5, 2, 3), TIME_FIRST, "11 entries"),
        ("recurrent", "LSTM", (5, 2, 8), TIME_FIRST, "2 layers, bidirectional"),
    ]
    found = blocks(Tokens(source.RNN(3, 4, batch_first=True)), ids)
    assert [b.axes for b in found] == [("batch", "time"), BATCH_FIRST, BATCH_FIRST, ("batch", "feature")]
    assert blocks(source.GRU(3, 4), torch.randn(5, 3))[1].axes == ("time", "feature")
    layer = source.GRU(3, 4, batch_first=True)
    assert blocks(layer, torch.randn(2, 5, 3), [5, 1])[1] == Block(
        "recurrent", "GRU", "", (2, 5, 4), BATCH_FIRST, sum(p.numel() for p in layer.parameters())
    )


@pytest.mark.parametrize("batch_first", [True, False])
def test_packed_listed_and_nested_sequences_have_the_padded_shape(batch_first: bool) -> None:
    sequences = [torch.randn(n, 3) for n in (2, 5)]
    layer = ours.GRU(3, 4, batch_first=batch_first)
    for x in (
        nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False),
        sequences,
        torch.nested.nested_tensor(sequences, layout=torch.jagged),
    ):
        given, made = blocks(layer, x)
        assert (given.shape, made.shape) == (((2, 5, 3), (2, 5, 4)) if batch_first else ((5, 2, 3), (5, 2, 4)))
        assert given.axes == made.axes == (BATCH_FIRST if batch_first else TIME_FIRST)
        assert given.note


def test_parts_that_run_again_and_again() -> None:
    found = blocks(Decoder(20), torch.randn(2, 6, 3))
    assert [b.name for b in found] == ["", "encoder", *["decoder", "head"] * 8]
    assert found[4].note == "same weights again"
    assert [b.note for b in found[-2:]] == ["runs 20 times"] * 2


def test_a_part_is_what_nothing_else_runs_in() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stack = ours.Stack([Running(), ours.GRUCell(3, 4)], batch_first=True)
            self.attention, self.pool = attention, ours.Pool("mean")

        def forward(self, x: Any) -> Any:
            output, _ = self.stack(x)
            return self.pool(self.attention(output, output, output)[0])

    found = blocks(Model(), torch.randn(2, 5, 3))
    assert [(b.role, b.name) for b in found] == [
        ("input", ""),
        ("recurrent", "stack"),
        ("other", "attention"),
        ("pooling", "pool"),
    ]


def test_lengths_are_passed_on_and_the_model_is_left_as_it_was() -> None:
    model = Encoder(ours.GRU(3, 4, batch_first=True), lambda parts, output, h_n: parts[0](h_n[-1]), nn.Linear(4, 1))
    assert [b.shape for b in blocks(model, torch.randn(2, 5, 3), [5, 3])][-2:] == [(2, 5, 4), (2, 1)]
    used, x = used_model(nn), torch.randn(4, 6, 3)
    before = snapshot(used)
    blocks(used, x)
    assert_unchanged(before, snapshot(used))
    with pytest.raises(ConfigError, match="has no argument `lengths`"):
        blocks(nn.Sequential(nn.GRU(3, 4)), x, [1])
    with pytest.raises(ShapeError, match=r"blocks ran the model on x.*its part '0' \(Linear\) failed"):
        blocks(nn.Sequential(nn.Linear(5, 4)), x)
