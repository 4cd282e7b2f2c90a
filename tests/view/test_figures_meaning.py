"""What the figures of models, batches and series say: numbers, counts, codes, and what is wrong with a call."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch
from torch import Tensor, nn

import unrolled
from unrolled import figures
from unrolled.analysis import find_head, record
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.trace import Trace
from unrolled.view.drawing.draw import number, signed, slots
from unrolled.view.figures.head import levels_of, read_of
from unrolled.view.figures.windows import Cut
from view.golden import words
from view.test_figures_shapes import HEADS, LAYERS, SERIES, values


def title(figure: Any) -> str:
    size = max(text.get_fontsize() for text in figure.axes[0].texts)
    return " ".join(text.get_text() for text in figure.axes[0].texts if text.get_fontsize() == size)


@pytest.mark.parametrize("count", [1, 6, 7, 8, 1000])
def test_more_than_seven_are_three_an_ellipsis_and_the_last(count: int) -> None:
    line = slots(count, 10.0)
    shown = tuple(range(count)) if count <= 7 else (0, 1, 2, count - 1)
    assert line.shown == shown
    assert line.left_out == count - len(shown)
    assert line.length == line.start(len(shown) - 1) + 10.0
    assert [line.start(k + 1) - line.start(k) for k in range(len(shown) - 1)][:2] == [10.0] * min(2, len(shown) - 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.424, "0.42"), (-0.001, "0.00"), (9.996, "10.0"), (-123.4, "−123"), (31_400, "3e4"), (np.nan, "nan")],
)
def test_numbers_are_written_short(value: float, text: str) -> None:
    assert number(value) == text


def test_signed_colours_are_centred_on_zero() -> None:
    scale = signed(np.array([-1.0, 3.0, np.nan]))
    assert (scale.low, scale.high) == (-3.0, 3.0)
    assert min(scale(0.0)) > 0.95
    assert signed(np.zeros(3)).high == 1.0


def test_the_cube_shows_the_numbers_and_names_of_the_batch() -> None:
    x = np.arange(24.0).reshape(2, 4, 3)
    names = {"batch": ["Oslo", "Rome"], "time": ["Mon", "Tue", "Wed", "Thu"], "feature": ["a", "b", "c"]}
    said = words(figures.data_cube(x, names)).split("\n")
    assert all(name in said for row in names.values() for name in row)
    assert all(number(value) in said for value in x[0].ravel())  # the front face
    assert all(number(value) in said for value in x[:, 0].ravel())  # the table of the first step
    assert "N=2 · T=4 · F=3" in said
    turned = words(figures.data_cube(x.swapaxes(0, 1), names, batch_first=False)).split("\n")
    assert "T=4 · N=2 · F=3" in turned
    assert [w for w in turned if w in said] == [w for w in turned if "T=4 · N=2" not in w and w != "x[0]"]


def test_padding_is_never_written_or_coloured() -> None:
    x = np.full((2, 3, 1), 7.0)
    x[0, 2] = 5.0
    assert "5.00" in words(figures.data_cube(x))
    assert "5.00" not in words(figures.data_cube(x, lengths=[2, 3]))


@pytest.mark.parametrize("show", ["cube", "slices"])
def test_shorter_sentences_are_padded(show: Any) -> None:
    said = words(figures.data_cube(np.zeros((2, 3, 4)), {"time": [["a", "b", "c"], ["d"]]}, show=show))
    assert "padding" in said


def test_weights_are_drawn_once_and_tethered_to_every_copy() -> None:
    layer, x, _ = LAYERS["lstm"]
    figure = figures.unrolled(layer, x)
    said = words(figure).split("\n")
    assert said.count("weight_ih_l0") == said.count("weight_hh_l0") == 1
    assert said.count("LSTM") == 7
    assert "same weights × 7" in said
    dots = [patch for patch in figure.axes[0].patches if getattr(patch, "radius", 0) == 1.6]
    assert len(dots) == 7
    assert title(figure) == "One network, used 7 times"


def test_a_padded_sample_has_a_copy_for_each_valid_step_alone() -> None:
    layer, x, lengths = LAYERS["both"]
    said = words(figures.unrolled(layer, x, lengths, sample=2)).split("\n")
    assert said.count("LSTM") == 4 * 2
    assert "+5" in said
    assert {f"h_n[{k}]" for k in range(4)} <= set(said)


def test_unrolled_numbers_are_those_of_the_layer() -> None:
    layer, x, _ = LAYERS["lstm"]
    said = words(figures.unrolled(layer, x, sample=1)).split("\n")
    with torch.no_grad():
        output, _ = layer(x)
    assert all(number(float(v)) in said for v in [*x[:, 1].ravel(), *output[:, 1].ravel()])


def test_a_saved_trace_is_drawn_without_torch(tmp_path: Any) -> None:
    layer, x, lengths = LAYERS["both"]
    path = tmp_path / "trace.json"
    (recorded,) = record(layer, x, lengths)
    recorded.trace.save(path)
    program = (
        "import sys\nfrom unrolled import figures\nfrom unrolled.trace import Trace\n"
        f"figures.unrolled_network(Trace.load({str(path)!r})).savefig({str(tmp_path / 'a.png')!r})\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    with_model = words(figures.unrolled_network(layer, x, lengths))
    assert words(figures.unrolled_network(Trace.load(path))) == with_model


def test_a_network_counts_what_it_learns_once() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, 2))
    figure = figures.network(model, torch.zeros(8, 4))
    assert title(figure) == f"4 numbers go in, 2 come out: the model learns {4 * 4 + 4 + 4 * 2 + 2} parameters"


def test_a_dense_net_has_a_circle_for_each_unit_and_a_line_for_each_weight() -> None:
    figure = figures.network(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), torch.zeros(2, 4))
    circles = [patch for patch in figure.axes[0].patches if getattr(patch, "radius", 0) == 7.0]
    assert len(circles) == 4 + 6 + 3
    assert [len(lines.get_segments()) for lines in figure.axes[0].collections if hasattr(lines, "get_segments")] == [
        4 * 6,
        6 * 3,
    ]


@pytest.mark.parametrize("case", HEADS)
@pytest.mark.parametrize("sample", [0, -1])
def test_a_heads_numbers_lead_to_the_models_answer(case: str, sample: int) -> None:
    model, x, lengths = HEADS[case]
    recorded = record(model, x, lengths)
    head = find_head(model, x, recorded, lengths)
    assert head is not None
    trace = recorded[-1].trace
    chosen = sample % len(trace.lengths.values)
    levels = levels_of(trace, head, read_of(trace, head.reads, chosen), chosen)
    answer = head.output.values
    if "batch" in head.output.axes:
        answer = np.moveaxis(answer, head.output.axes.index("batch"), 0)[chosen]
    answer = answer.reshape(-1, answer.shape[-1])[-1]  # of a head that reads every step, the last one's
    np.testing.assert_allclose(levels[-1].values, answer, rtol=1e-12, atol=1e-12)


def test_a_head_that_reads_a_step_left_out_of_the_drawing_leads_from_the_ellipsis() -> None:
    class EveryStep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = unrolled.LSTM(3, 4, batch_first=True)
            self.dense = nn.Linear(4, 1)

        def forward(self, x: Tensor, lengths: Any) -> Tensor:
            out: Tensor = self.dense(self.lstm(x, lengths=lengths)[0])
            return out

    drawn = figures.head(EveryStep(), torch.zeros(1, 40, 3), [30])
    (arrow,) = [patch for patch in drawn.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    places = [{t.get_position()[0] for t in drawn.axes[0].texts if t.get_text() == step} for step in ("2", "39")]
    before, after = map(max, places)  # a feature is called 2 too, further left
    assert before + 20 < arrow._posA_posB[0][0] < after - 10


def test_windows_are_those_of_the_series() -> None:
    series = np.random.default_rng(0).normal(size=(50, 2))
    cut = Cut(series, 7, 3, 4, 2)
    starts = [start for start in range(50) if start % 4 == 0 and start + 10 <= 50]
    assert cut.count == len(starts)
    for window, start in enumerate(starts):
        np.testing.assert_array_equal(cut.inputs(window), series[start : start + 7])
        np.testing.assert_array_equal(cut.targets(window), series[start + 7 : start + 10])
    assert title(figures.windows(series, 7, 3, 4, 2)).startswith("One series, 11 windows")


@pytest.mark.parametrize(
    ("series", "over"), [(range(10), ""), (range(11), "last step is"), (range(12), "last 2 steps")]
)
def test_steps_that_are_in_no_window_are_told(series: range, over: str) -> None:
    said = words(figures.windows(list(series), 4, 2, step=4))
    assert (over in said) if over else ("in no window" not in said)


LSTM = nn.LSTM(3, 4)
CALLS: list[tuple[Callable[[], Any], type[Exception], list[str]]] = [
    (lambda: figures.data_cube(np.zeros((4, 7))), ShapeError, ["(4, 7)", "x[:, :, None]"]),
    (lambda: figures.data_cube(np.zeros((0, 7, 3))), ShapeError, ["(0, 7, 3)"]),
    (lambda: figures.data_cube([["a"]]), ConfigError, ["real numbers"]),
    (lambda: figures.data_cube(np.zeros((4, 7, 3)), show="slice"), ConfigError, ["'slice'", "Did you mean 'slices'?"]),
    (
        lambda: figures.data_cube(np.zeros((2, 7, 3)), {"batch": ["a"], "feature": "abc", "tim": []}, [9, 1], width=1),
        ConfigError,
        ["one name for each of 2", "list of names", "Did you mean 'time'?", "T=7", "got [9]", "480 pixels"],
    ),
    (lambda: figures.data_cube(np.zeros((2, 3, 3)), {"time": [["a"] * 4]}), ConfigError, ["N=2", "[4] names"]),
    (lambda: figures.data_cube(np.zeros((2, 3, 3)), lengths=[1.5, 2]), ConfigError, ["whole numbers"]),
    (lambda: figures.windows([1.0] * 5, 4, 3), ConfigError, ["4 + 3 = 7", "has 5"]),
    (
        lambda: figures.windows(np.zeros((2, 2, 2)), 0, 1.5, step=-1),
        ConfigError,
        ["input_size", "`h`", "`step`", "(2, 2, 2)"],
    ),
    (lambda: figures.folded("LSTM"), DtypeError, ["got str"]),
    (lambda: figures.folded(nn.Linear(3, 3)), ConfigError, ["recurrent"]),
    (lambda: figures.folded(LSTM, width="9"), ConfigError, ["width"]),
    (lambda: figures.unrolled(LSTM, values(7, 2, 3).float(), sample=2), ConfigError, ["sample", "got 2"]),
    (lambda: figures.unrolled(LSTM, values(7, 2, 3).float(), [7, 0], sample=1), ConfigError, ["no valid step"]),
    (lambda: figures.unrolled(LSTM, values(7, 2, 5).float()), ShapeError, ["F=3"]),
    (lambda: figures.unrolled(LSTM, values(7, 2, 3).float(), steps=0), ConfigError, ["at least 1", "without `x`"]),
    (lambda: figures.unrolled(LSTM, lengths=[1]), ConfigError, ["Give x too"]),
    (lambda: figures.unrolled(LSTM, name="rnn"), ConfigError, ["'rnn'"]),
    (lambda: figures.unrolled_network(LSTM, values(7, 2, 3).float(), width=0), ConfigError, ["width"]),
    (lambda: figures.unrolled(record(LSTM, values(7, 2, 3).float())[0].trace), ConfigError, ["weights"]),
    (lambda: figures.network(LSTM, values(7, 2, 5).float()), ShapeError, ["5"]),
    (lambda: figures.network(nn.Linear(3, 3), torch.zeros(2, 3), [1, 2]), ConfigError, ["lengths"]),
    (lambda: figures.head(LSTM, values(7, 2, 3).float()), ConfigError, ["the layer itself"]),
    (lambda: figures.head(nn.Linear(3, 3), torch.zeros(2, 3)), ConfigError, ["recurrent"]),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("number_of_call", range(len(CALLS)))
def test_what_is_wrong_with_a_call_is_said_at_once(number_of_call: int) -> None:
    call, kind, parts = CALLS[number_of_call]
    with pytest.raises(kind) as caught:
        call()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_head_of_another_kind_is_told_of() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output = self.rnn(x)[0]
            return (output * output).softmax(-1)

    with pytest.raises(ConfigError, match="head found no way from 'rnn'"):
        figures.head(Gated(), values(7, 2, 3).float())


def test_a_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    figures.network(model, torch.randn(8, 3))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_is_written_the_same_each_time(ending: str) -> None:
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
    written = []
    for _ in range(2):
        target = io.BytesIO()
        figures.windows(**SERIES["season"]).savefig(target, format=ending, metadata=metadata)
        written.append(target.getvalue())
    assert written[0] == written[1]
    assert len(written[0]) > 5000


def test_ours_and_torchs_layers_look_the_same() -> None:
    theirs = nn.LSTM(3, 4)
    ours = unrolled.LSTM(3, 4)
    ours.load_state_dict(theirs.state_dict())
    x = values(6, 2, 3).float()
    for figure in (figures.unrolled, figures.unrolled_network):
        assert words(figure(ours, x)) == words(figure(theirs, x))
