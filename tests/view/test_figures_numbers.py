"""The numbers in the figures of layers are those of the layers, worked out here by other means."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import unrolled
from unrolled import figures
from unrolled.errors import ConfigError, DtypeError, ShapeError
from view.golden import words


def made(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*args, **kwargs).double()


def batch(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def chart(figure: Any, label: str) -> Any:
    """The axes of that label."""
    (axes,) = [axes for axes in figure.axes if axes.get_label() == label]
    return axes


def heat_values(axes: Any) -> Any:
    """The numbers behind a heat map's colours (time, unit), masked where nothing is drawn."""
    drawn = axes.images[0].get_array() if axes.images else axes.collections[0].get_array()
    return np.ma.asarray(drawn).T


def lstm_by_hand(layer: torch.nn.LSTM, x_TF: torch.Tensor) -> dict[str, np.ndarray]:
    """One forward layer, step by step, from its weights."""
    h = c = torch.zeros(layer.hidden_size, dtype=x_TF.dtype)
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in "ifgoch"}
    for x_F in x_TF:
        sums = layer.weight_ih_l0 @ x_F + layer.bias_ih_l0 + layer.weight_hh_l0 @ h + layer.bias_hh_l0
        i, f, g, o = sums.chunk(4)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        for name, value in zip("ifgoch", (i, f, g, o, c, h), strict=True):
            kept[name].append(value.detach())
    return {name: torch.stack(values).numpy() for name, values in kept.items()}


# --- gates --------------------------------------------------------------------------------------------------------


def test_gates_are_those_of_the_equations_and_padding_is_not_coloured() -> None:
    layer, x = made(torch.nn.LSTM, 3, 5), batch(8, 2, 3)
    figure = figures.gates(layer, x, lengths=[8, 6], sample=1)
    expected = lstm_by_hand(layer, x[:6, 1])
    for name in "ifgoch":
        drawn = heat_values(chart(figure, name))
        assert np.allclose(drawn[:6], expected[name], atol=1e-12)
        assert drawn[6:].mask.all()
        assert len([patch for patch in chart(figure, name).patches if patch.get_hatch()]) == 1


def test_the_title_of_gates_tells_how_much_is_kept() -> None:
    layer, x = made(torch.nn.LSTM, 3, 5), batch(8, 2, 3)
    kept = lstm_by_hand(layer, x[:, 0])["f"]
    title = words(figures.gates(layer, x, width=16)).replace("\n", " ")
    most, least = kept.mean(0).argmax(), kept.mean(0).argmin()
    assert f"{100 * kept.mean():.0f} % of the memory is kept" in title
    assert f"unit {most} keeps the most ({100 * kept.mean(0)[most]:.0f} %)" in title
    assert f"unit {least} the least" in title


def test_gates_of_a_saved_trace_are_drawn_without_pytorch(tmp_path: Any) -> None:
    import subprocess
    import sys

    path = tmp_path / "trace.json"
    made(unrolled.LSTM, 3, 4).trace(batch(6, 2, 3)).save(path)
    code = (
        "import sys; from unrolled import Trace, figures; trace = Trace.load(sys.argv[1]); "
        "figures.gates(trace, sample=1); figures.states(trace); figures.cell(trace); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("kind", "letters"), [("LSTM", "ifgoch"), ("GRU", "rznh"), ("RNN", "h"), ("SLSTM", "ifgochnm")]
)
def test_each_kind_shows_its_own_gates_and_states(kind: str, letters: str) -> None:
    figure = figures.gates(made(getattr(unrolled, kind), 3, 4), batch(6, 2, 3))
    assert [axes.get_label() for axes in figure.axes if len(axes.get_label()) == 1] == list(letters)


# --- memory, contributions, gradients -----------------------------------------------------------------------------


def test_memory_is_sorted_and_is_the_rate_of_forgetting() -> None:
    layer, x = made(torch.nn.LSTM, 3, 5), batch(8, 1, 3)
    f = lstm_by_hand(layer, x[:, 0])["f"]
    expected = -1 / np.log(np.prod(f, axis=0) ** (1 / 8))
    figure = figures.memory(layer, x)
    (dots,) = [line for line in chart(figure, "0 forward").lines if line.get_label() == "memory"]
    assert np.allclose(dots.get_xdata(), np.sort(expected)[::-1])
    ticks = [label.get_text() for label in chart(figure, "0 forward").get_yticklabels()]
    assert ticks == [f"unit {unit}" for unit in np.argsort(-expected)]
    assert f"Unit {expected.argmax()} remembers for {expected.max():.2g} steps" in words(figure)


def test_contributions_are_what_a_pulse_at_each_step_leaves() -> None:
    layer, x = made(torch.nn.LSTM, 3, 4), batch(7, 1, 3)
    by_hand = lstm_by_hand(layer, x[:, 0])
    left = np.array([by_hand["i"][t] * by_hand["g"][t] * np.prod(by_hand["f"][t + 1 :], axis=0) for t in range(7)])
    figure = figures.contributions(layer, x)
    assert np.allclose(heat_values(chart(figure, "steps")), left)
    assert np.allclose(heat_values(chart(figure, "c_n"))[0], by_hand["c"][-1])
    assert np.allclose(heat_values(chart(figure, "c_0"))[0], 0)
    shares = np.abs(left).sum(1) / np.abs(left).sum()
    assert np.allclose(chart(figure, "shares").lines[0].get_ydata(), shares)
    count = next(n for n in range(1, 8) if shares[-n:].sum() >= 0.8)
    assert f"{100 * shares[-count:].sum():.0f} % of what c holds at the end" in words(figure)


def test_contributions_that_are_not_finite_are_refused_in_words() -> None:
    x = torch.randn(2, 7, 3)
    x[1, 4] = float("nan")
    layer = torch.nn.LSTM(3, 5, batch_first=True)
    figures.contributions(layer, x, sample=0)
    with pytest.raises(ConfigError, match="the final c of sample 1 is not a finite number"):
        figures.contributions(layer, x, sample=1)


def test_contributions_of_the_reverse_direction_are_read_from_the_end() -> None:
    layer, x = made(torch.nn.GRU, 3, 4, bidirectional=True), batch(7, 2, 3)
    figure = figures.contributions(layer, x, lengths=[7, 5], sample=1, direction="reverse")
    _, h_n = layer(torch.nn.utils.rnn.pack_padded_sequence(x, [7, 5]))
    assert np.allclose(heat_values(chart(figure, "h_n"))[0], h_n[1, 1].detach())
    assert heat_values(chart(figure, "steps"))[5:].mask.all()
    left, right = (chart(figure, name).get_position().x0 for name in ("h_n", "h_0"))
    assert left < right


def test_gradients_are_those_of_finite_differences() -> None:
    layer, x = made(torch.nn.RNN, 2, 3), batch(5, 1, 2)
    figure = figures.gradient_flow(layer, x, loss=lambda result: result[0][-1].sum())

    def from_state(h: torch.Tensor, step: int) -> float:
        for t in range(step + 1, 5):
            h = torch.tanh(layer.weight_ih_l0 @ x[t, 0] + layer.bias_ih_l0 + layer.weight_hh_l0 @ h + layer.bias_hh_l0)
        return float(h.sum().detach())

    with torch.no_grad():
        states = layer(x)[0][:, 0]
    norms = []
    for step in range(5):
        nudges = [1e-6 * row for row in torch.eye(3, dtype=torch.float64)]
        slopes = [(from_state(states[step] + e, step) - from_state(states[step] - e, step)) / 2e-6 for e in nudges]
        norms.append(float(np.linalg.norm(slopes)))
    drawn = chart(figure, "h forward").lines[0].get_ydata()
    assert np.allclose(drawn, norms, rtol=1e-6)


def test_the_mean_gradient_is_over_the_samples_that_reach_a_step() -> None:
    layer, x = made(unrolled.GRU, 2, 3), batch(5, 2, 2)
    drawn = [
        chart(figures.gradient_flow(layer, x, [5, 3], sample=sample), "h forward").lines[0].get_ydata()
        for sample in (None, 0, 1)
    ]
    assert np.allclose(drawn[0][:3], (drawn[1][:3] + drawn[2][:3]) / 2)
    assert np.allclose(drawn[0][3:], drawn[1][3:])
    assert np.isnan(drawn[2][3:]).all()


# --- parameters ---------------------------------------------------------------------------------------------------

COUNTED: dict[str, Callable[[], Any]] = {
    "lstm": lambda: torch.nn.LSTM(3, 5),
    "stacked": lambda: torch.nn.LSTM(3, 5, num_layers=4, bidirectional=True),
    "projected": lambda: torch.nn.LSTM(7, 50, 3, proj_size=10, bidirectional=True),
    "no bias": lambda: torch.nn.GRU(3, 5, bias=False),
    "rnn": lambda: torch.nn.RNN(1, 1),
    "widths": lambda: unrolled.LSTM(3, [4, 12, 6], bidirectional=True),
    "options": lambda: unrolled.LSTM(3, 4, peephole=True, layer_norm=True),
    "coupled": lambda: unrolled.LSTM(3, 4, coupled_gates=True, peephole=True),
    "heads": lambda: unrolled.SLSTM(3, 6, num_heads=2),
    "learned": lambda: unrolled.LSTM(3, 4, initial_state="learned"),
}


@pytest.mark.parametrize("name", COUNTED)
def test_the_arithmetic_of_the_parameters_comes_out(name: str) -> None:
    layer = COUNTED[name]()
    text = words(figures.parameters(layer, width=16))
    total = sum(parameter.numel() for parameter in layer.parameters())
    assert f"learns {total:,} numbers" in text
    sums = re.findall(r"^[^=\n]*[FHP][^=\n]* = ([0-9·+() ]+) = ([\d,]+)$", text, flags=re.MULTILINE)
    assert sums
    for numbers, result in sums:
        assert eval(numbers.replace("·", "*")) == int(result.replace(",", ""))
    said = next(line for line in text.splitlines() if line.endswith(f"{total:,}, as")).removesuffix(f"{total:,}, as")
    added = re.sub(r" of [a-z ]+", "", said).strip(" =").replace("·", "*").replace(",", "")
    assert not added or eval(added) == total


def test_the_letters_of_the_parameters_stand_for_the_layers_sizes() -> None:
    text = words(figures.parameters(torch.nn.LSTM(3, 5, 2, bidirectional=True), width=9))
    assert "4·H·(F + H) + 8·H = 4·5·(3 + 5) + 8·5 = 200" in text
    assert "4·H·(2·H + H) + 8·H = 4·5·(10 + 5) + 8·5 = 340" in text
    assert "4·H × 2·H" in text
    projected = words(figures.parameters(torch.nn.LSTM(3, 5, 2, proj_size=2), width=9))
    assert "4·H·(P + P) + 8·H + P·H = 4·5·(2 + 2) + 8·5 + 2·5 = 130" in projected


# --- states -------------------------------------------------------------------------------------------------------

READ = re.compile(r"^(h_n|c_n|output|states)\[")


@pytest.mark.parametrize(
    "layer",
    [
        made(torch.nn.LSTM, 3, 5, 2, bidirectional=True, batch_first=True),
        made(torch.nn.GRU, 3, 5, 2),
        made(torch.nn.LSTM, 3, 9, proj_size=2, bidirectional=True),
        made(unrolled.LSTM, 3, [4, 6], bidirectional=True),
        made(unrolled.RNN, 3, 4, batch_first=True),
    ],
    ids=["lstm", "gru", "projected", "widths", "rnn"],
)
@pytest.mark.parametrize("lengths", [None, [7, 4, 2]])
def test_the_codes_of_the_states_give_equal_numbers(layer: Any, lengths: list[int] | None) -> None:
    x = batch(3, 7, 3) if layer.batch_first else batch(7, 3, 3)
    given = x if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(x, lengths, layer.batch_first)
    output, finals = layer(given)
    if lengths is not None:
        output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, layer.batch_first)
    h_n, c_n = finals if isinstance(finals, tuple) and len(finals) == 2 and layer.mode == "LSTM" else (finals, None)
    text = words(figures.states(layer, x, lengths, width=16)).splitlines()
    there = {"output": output, "h_n": h_n, "c_n": c_n}
    pairs = [
        (text[k], text[k + 2])
        for k in range(len(text) - 2)
        if READ.match(text[k]) and text[k + 1] == "the same numbers as"
    ]
    assert len(pairs) == (2 if layer.bidirectional else 1)
    for final, step in pairs:
        assert torch.equal(eval(final, {}, there), eval(step, {}, there))
    last = re.findall(r"^output\[(?:\d+, )?-1(?:, \d+)?\]$", "\n".join(text), flags=re.MULTILINE)
    assert len(last) == (lengths is not None)
    for code in last:
        assert not eval(code, {}, there).any()


def test_a_stacks_states_are_named_as_it_gives_them() -> None:
    stack = unrolled.Stack([made(unrolled.LSTMCell, 3, 4), made(unrolled.GRUCell, 4, 6)])
    x = batch(7, 3, 3)
    output, states = stack(x)
    text = words(figures.states(stack, x)).splitlines()
    assert {"states[0][0]", "states[0][1]", "states[1]"} <= set(text)
    assert torch.equal(states[1][0], output[6, 0])
    assert "states[1][0]" in text


# --- packing ------------------------------------------------------------------------------------------------------


def test_packing_shows_what_pytorch_makes() -> None:
    lengths = [3, 6, 2, 5]
    text = words(figures.packing(batch(4, 7, 3), lengths, total_length=9, width=16)).splitlines()
    sizes = [sum(length > step for length in lengths) for step in range(6)]
    at = text.index("batch_sizes")
    assert text[at - 6 : at] == [str(size) for size in sizes]
    order = sorted(range(4), key=lambda sample: -lengths[sample])
    rows = [f"{sample},{step}" for step in range(6) for sample in order if lengths[sample] > step]
    first = text.index("data")
    assert [word for word in text[first:] if re.fullmatch(r"\d,\d", word)] == rows
    assert "N=4 · T=9 · F=3" in text
    assert text.count("0,0") == 4


def test_packing_says_indices_in_the_layout_in_use() -> None:
    text = words(figures.packing(batch(7, 2, 3), [7, 3], batch_first=False)).splitlines()
    assert "6,0" in text
    assert "0,6" not in text
    assert "T=7 · N=2 · F=3" in text


# --- cell ---------------------------------------------------------------------------------------------------------


def test_the_cells_numbers_are_those_of_the_equations() -> None:
    layer, x = made(torch.nn.LSTM, 3, 5), batch(8, 2, 3)
    values = lstm_by_hand(layer, x[:, 1])
    text = words(figures.cell(layer, x, sample=1, step=4, unit=2, width=9)).splitlines()
    i, f, g, c = (values[name][4, 2] for name in "ifgc")
    shown = [f"{v:.2f}".replace("-", "−") for v in (f, values["c"][3, 2], i, g, c)]
    bracketed = [f"({v})" if v.startswith("−") else v for v in shown]
    assert f"= {bracketed[0]}·{bracketed[1]} + {bracketed[2]}·{bracketed[3]} = {shown[4]}" in text
    for name in "ifgoch":
        for value in values[name][4]:
            assert f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00") in text
    assert f"Step 4: unit 2 keeps {100 * f:.0f} % of its memory" in "\n".join(text)


def test_the_cell_of_a_gru_mixes_the_old_and_the_new() -> None:
    layer, x = made(unrolled.GRU, 3, 5), batch(8, 2, 3)
    part = layer.trace(x)[0, "forward"]
    z, n, before, after = part["z"][4, 0, 1], part["n"][4, 0, 1], part["h"][3, 0, 1], part["h"][4, 0, 1]
    assert abs((1 - z) * n + z * before - after) < 1e-12
    text = words(figures.cell(layer, x, step=4, unit=1))
    assert f"= {after:.2f}".replace("-", "−") in text
    assert f"keeps {100 * z:.0f} % of its state" in text


def test_the_cell_of_the_reverse_direction_comes_from_the_later_step() -> None:
    layer, x = made(unrolled.RNN, 3, 2, bidirectional=True), batch(8, 1, 3)
    h = layer.trace(x)[0, "reverse"]["h"]
    text = words(figures.cell(layer, x, step=4, direction="reverse")).splitlines()
    at = text.index("hₜ₊₁")
    assert {f"{v:.2f}".replace("-", "−") for v in h[5, 0]} <= set(text[:at])


def test_the_last_valid_step_is_the_default() -> None:
    layer, x = made(unrolled.LSTM, 3, 2), batch(8, 2, 3)
    assert "Step 5:" in words(figures.cell(layer, x, [8, 6], sample=1))


# --- models, and what is wrong ------------------------------------------------------------------------------------


class TwoLayers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = made(torch.nn.LSTM, 3, 4), made(torch.nn.GRU, 4, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.decoder(self.encoder(x)[0])[0]
        return output


OF_MODELS = ("states", "cell", "gates", "memory", "contributions", "gradient_flow")


@pytest.mark.parametrize("name", OF_MODELS)
def test_a_models_layer_is_chosen_by_its_name(name: str) -> None:
    figure, model, x = getattr(figures, name), TwoLayers(), batch(6, 2, 3)
    assert "encoder" in words(figure(model, x))
    assert "decoder" in words(figure(model, x, name="decoder"))
    with pytest.raises(ConfigError, match=r"'decoderr'.*'encoder', 'decoder'.*Did you mean 'decoder'"):
        figure(model, x, name="decoderr")


def test_the_parameters_of_a_models_layer_are_chosen_by_name() -> None:
    assert "The LSTM encoder learns" in words(figures.parameters(TwoLayers()))
    assert "The GRU decoder learns" in words(figures.parameters(TwoLayers(), "decoder"))


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "layer": (lambda: figures.gates(LSTM, X, layer_index=2), ConfigError, "`layer_index`.*there are 1 layers; got 2"),
    "direction": (lambda: figures.gates(LSTM, X, direction="reverse"), ConfigError, "no direction 'reverse'"),
    "misspelt": (lambda: figures.gates(LSTM, X, direction="backward"), ConfigError, "'forward' or 'reverse'"),
    "sample": (lambda: figures.contributions(LSTM, X, sample=5), ConfigError, "`sample`.*there are 2 samples"),
    "width": (lambda: figures.memory(LSTM, X, width=1), ConfigError, "`width` is in inches"),
    "several": (lambda: figures.gates(LSTM, X, sample=5, layer_index=3), ConfigError, "(?s)layer_index.*sample"),
    "padding": (lambda: figures.cell(LSTM, X, [8, 5], sample=1, step=6), ConfigError, "Step 6 of sample 1 is padding"),
    "unit": (lambda: figures.cell(LSTM, X, unit=9), ConfigError, "`unit`.*there are 4 units"),
    "empty": (lambda: figures.cell(LSTM, X, [8, 0], sample=1), ConfigError, "Sample 1 has no valid step"),
    "no x": (lambda: figures.gates(LSTM), ConfigError, "Give x, or a saved Trace"),
    "trace and x": (lambda: figures.gates(LSTM.trace(X), X), ConfigError, "Leave x out"),
    "trace": (lambda: figures.gradient_flow(LSTM.trace(X), X), ConfigError, "needs the live model"),
    "no gate": (lambda: figures.memory(unrolled.RNN(3, 4), X.float()), ConfigError, "RNN"),
    "no model": (lambda: figures.parameters("lstm"), DtypeError, "got str"),
    "no layer": (lambda: figures.parameters(torch.nn.Linear(3, 4)), ConfigError, "Linear has none"),
    "shape": (lambda: figures.packing(batch(4), [1]), ShapeError, r"packing expected x \(N, T, F\)"),
    "lengths": (lambda: figures.packing(batch(2, 7, 3), [3]), ConfigError, "one for each of the N=2"),
    "none": (lambda: figures.packing(batch(2, 7, 3), None), ConfigError, "needs `lengths`"),
    "zero": (lambda: figures.packing(batch(2, 7, 3), [3, 0]), ConfigError, "no empty sequences"),
    "total": (lambda: figures.packing(batch(2, 7, 3), [3, 5], 4), ConfigError, "at least the longest sample's 5"),
}
LSTM, X = made(unrolled.LSTM, 3, 4), batch(8, 2, 3)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str) -> None:
    call, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        call()


def test_nothing_is_changed_by_being_drawn() -> None:
    model = TwoLayers().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    figures.gates(model, batch(6, 2, 3))
    figures.gradient_flow(model, batch(6, 2, 3))
    assert model.training
    assert model.encoder.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_one_sequence_without_a_batch_axis_is_drawn() -> None:
    layer, x = made(unrolled.LSTM, 3, 4, bidirectional=True), batch(7, 3)
    output, (h_n, _) = layer(x)
    text = words(figures.states(layer, x)).splitlines()
    assert {"h_n[0]", "output[t]", "output[6, :4]"} <= set(text)
    assert torch.equal(h_n[0], output[6, :4])
    figures.gates(layer, x)
    figures.cell(layer, x)
