"""`trace`: its numbers against the forward pass and against NumPy alone; the module left as it was."""

import json

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled.layers as ours
from unrolled.trace import Trace

KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]
LENGTHS = [4, 7, 0]


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def one_step(layer, w, x, h, c):
    """One step of any cell in NumPy, from the textbook, gate by gate."""
    rows = layer.hidden_size
    names = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}[layer.kind]

    def block(side, v):
        sums = (w[f"weight_{side}"] @ v + w[f"bias_{side}"]).reshape(-1, rows)
        return dict(zip(names, sums, strict=True))

    wx, wh = block("ih", x), block("hh", h)
    v = {f"{g}_pre": wx[g] + wh[g] for g in names}
    if layer.kind == "RNN":
        h = np.tanh(v["h_pre"]) if layer.nonlinearity == "tanh" else np.maximum(v["h_pre"], 0)
    elif layer.kind == "GRU":
        v["r"], v["z"] = sigmoid(v["r_pre"]), sigmoid(v["z_pre"])
        v["n_pre"] = wx["n"] + v["r"] * wh["n"]
        v["n"] = np.tanh(v["n_pre"])
        h = (1 - v["z"]) * v["n"] + v["z"] * h
    else:
        v |= {g: (np.tanh if g == "g" else sigmoid)(v[f"{g}_pre"]) for g in names}
        c = v["f"] * c + v["i"] * v["g"]
        h = v["o"] * np.tanh(c)
        h = w["weight_hr"] @ h if layer.proj_size else h
        v["c"] = c
    return v | {"h": h}, h, c


def numpy_run(layer, x, lengths):
    """Whole layer in NumPy: {(layer, direction): {name: (T, N, ·)}}, time-major x."""
    steps, batch, _ = x.shape
    found = {}
    for k in range(layer.num_layers):
        for d, suffix in enumerate(["", "_reverse"]):
            w = {
                name.split("_l")[0]: p.detach().numpy()
                for name, p in layer.named_parameters()
                if name.endswith(f"_l{k}{suffix}")
            }
            arrays = {}
            for n in range(batch):
                h, c = np.zeros(layer.proj_size or layer.hidden_size), np.zeros(layer.hidden_size)
                order = range(lengths[n])
                for t in reversed(order) if d else order:
                    values, h, c = one_step(layer, w, x[t, n], h, c)
                    for name, value in values.items():
                        arrays.setdefault(name, np.zeros((steps, batch, len(value))))[t, n] = value
            found[k, ("forward", "reverse")[d]] = arrays
        x = np.concatenate([found[k, d]["h"] for d in ("forward", "reverse")], -1)
    return found, x


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join([kind[0], *kind[1]]))
def layer(request):
    kind, extra = request.param
    return getattr(ours, kind)(4, 5, 2, bidirectional=True, batch_first=True, dtype=torch.float64, **extra)


def test_every_number_against_numpy(layer):
    x = torch.randn(3, 7, 4, dtype=torch.float64)
    trace = layer.trace(x, lengths=LENGTHS)
    expected, output = numpy_run(layer, x.transpose(0, 1).numpy(), LENGTHS)
    for place, arrays in expected.items():
        states = {"c_0", "h_0"} if layer.kind == "LSTM" else {"h_0"}
        assert set(trace[place].arrays) == set(arrays) | {"inputs"} | states
        for name, values in arrays.items():
            np.testing.assert_allclose(trace[place][name].values, values, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(trace.output.values, output.swapaxes(0, 1), rtol=1e-12, atol=1e-13)


def test_the_same_as_the_forward_pass(layer):
    x = torch.randn(3, 7, 4, dtype=torch.float64)
    output, last = layer(x, lengths=LENGTHS)
    trace = layer.trace(x, lengths=LENGTHS)
    np.testing.assert_allclose(trace.output.values, output.detach(), rtol=1e-12, atol=1e-13)
    last = last if isinstance(last, tuple) else (last,)
    for name, state in zip(trace.finals, last, strict=True):
        np.testing.assert_allclose(trace.finals[name].values, state.detach(), rtol=1e-12, atol=1e-13)


def test_each_row_of_the_final_states_is_where_it_says(layer):
    trace = layer.trace(torch.randn(3, 7, 4, dtype=torch.float64), lengths=LENGTHS)
    for k in range(4):
        place = trace.state_place(k)
        assert (place.layer, place.direction) == (k // 2, ("forward", "reverse")[k % 2])
        part = trace[place.layer, place.direction]
        for n, step in enumerate(place.steps):
            for name, final in trace.finals.items():
                state = name[0]
                where = part[f"{state}_0"][n] if step < 0 else part[state][step, n]
                np.testing.assert_array_equal(final[k, n], where)


def test_each_feature_of_the_output_is_where_it_says(layer):
    trace = layer.trace(torch.randn(3, 7, 4, dtype=torch.float64), lengths=LENGTHS)
    for feature in range(trace.output.shape[-1]):
        layer_index, direction, unit = trace.output_place(feature)
        source = trace[layer_index, direction]["h"][..., unit]
        np.testing.assert_array_equal(trace.output[..., feature], source.T)
    assert trace.output_place(-1) == trace.output_place(trace.output.shape[-1] - 1)
    with pytest.raises(IndexError):
        trace.output_place(trace.output.shape[-1])


def test_inputs_of_the_second_layer_are_the_first_ones_outputs(layer):
    trace = layer.trace(torch.randn(3, 7, 4, dtype=torch.float64), lengths=LENGTHS)
    both = np.concatenate([trace[0, d]["h"].values for d in trace.directions], -1)
    for direction in trace.directions:
        np.testing.assert_array_equal(trace[1, direction]["inputs"].values, both)


def test_the_module_is_left_alone():
    layer = ours.LSTM(4, 5, 2, dropout=0.9, kernel="torch").train()
    layer.register_forward_hook(lambda *_: pytest.fail("a hook ran"))
    x = torch.randn(7, 3, 4, requires_grad=True)
    torch.manual_seed(3)
    generator = torch.get_rng_state()
    before = dict(vars(layer))
    traces = [layer.trace(x, lengths=[0, 7, 2]) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), generator)
    assert vars(layer) == before
    assert layer.training
    assert x.grad is None
    np.testing.assert_array_equal(traces[0].output.values, traces[1].output.values)
    np.testing.assert_allclose(
        traces[0].output.values, layer.eval().trace(x, lengths=[0, 7, 2]).output.values, rtol=0, atol=0
    )


def test_arrays_do_not_share_memory_with_the_model():
    layer = ours.GRU(4, 5)
    x = torch.randn(7, 3, 4)
    h_0 = torch.zeros(1, 3, 5)
    trace = layer.trace(x, h_0)
    x.fill_(9), h_0.fill_(9)
    assert trace[0, "forward"]["inputs"].values.max() < 9
    assert trace[0, "forward"]["h_0"].values.max() == 0


@pytest.mark.parametrize("batch_first", [True, False])
def test_axes_follow_the_user_outside_and_never_inside(batch_first):
    layer = ours.LSTM(4, 5, bidirectional=True, batch_first=batch_first, proj_size=2)
    trace = layer.trace(torch.randn(*((3, 7, 4) if batch_first else (7, 3, 4))))
    assert trace.output.axes == (("batch", "time") if batch_first else ("time", "batch")) + ("feature",)
    assert trace[0, "reverse"]["i_pre"].sizes == {"time": 7, "batch": 3, "hidden": 5}
    assert trace[0, "reverse"]["h"].axes == ("time", "batch", "projection")
    assert trace.h_n.axes == ("layer_direction", "batch", "projection")
    assert trace.c_n.sizes == {"layer_direction": 2, "batch": 3, "hidden": 5}
    assert trace.settings["batch_first"] is batch_first


def test_one_sequence():
    layer = ours.GRU(4, 5, 2)
    x = torch.randn(7, 4)
    trace = layer.trace(x)
    assert not trace.batched
    assert trace.output.sizes == {"time": 7, "feature": 5}
    assert trace.h_n.sizes == {"layer_direction": 2, "hidden": 5}
    np.testing.assert_allclose(trace.output.values, layer(x)[0].detach(), rtol=1e-5, atol=1e-6)
    with pytest.raises(KeyError):
        _ = trace.c_n


def test_a_packed_sequence_is_traced_in_its_own_order():
    layer = ours.LSTM(4, 5, batch_first=True)
    x = torch.randn(3, 7, 4)
    packed = pack_padded_sequence(x, [2, 7, 5], batch_first=True, enforce_sorted=False)
    h_0 = (torch.randn(1, 3, 5), torch.randn(1, 3, 5))
    a, b = layer.trace(packed, h_0), layer.trace(x, h_0, [2, 7, 5])
    assert a.lengths.values.tolist() == [2, 7, 5]
    np.testing.assert_array_equal(a.output.values, b.output.values)
    np.testing.assert_array_equal(a.c_n.values, b.c_n.values)


def test_a_width_per_layer_and_bfloat16():
    layer = ours.LSTM(4, [5, 6], bidirectional=True, dtype=torch.bfloat16)
    trace = layer.trace(torch.randn(7, 3, 4).bfloat16())
    assert [h.sizes for h in trace.h_n] == [{"direction": 2, "batch": 3, "hidden": w} for w in (5, 6)]
    assert trace.output.values.dtype == np.float32
    again = Trace.from_json(trace.to_json())
    assert again.settings == trace.settings
    assert [h.shape for h in again.h_n] == [h.shape for h in trace.h_n]


def test_json_round_trip_keeps_every_bit(layer, tmp_path):
    trace = layer.trace(torch.randn(3, 7, 4, dtype=torch.float64), lengths=LENGTHS)
    trace.save(tmp_path / "trace.json")
    again = Trace.load(tmp_path / "trace.json")
    assert repr(again) == repr(trace)
    assert again.settings == trace.settings
    for a, b in zip(again.parts, trace.parts, strict=True):
        assert (a.layer, a.direction, list(a.arrays)) == (b.layer, b.direction, list(b.arrays))
        for name in a.arrays:
            assert a[name].values.tobytes() == b[name].values.tobytes()
    document = json.loads(trace.to_json())
    assert document["schema"] == "unrolled-trace/1"
    assert document["output"]["places"][1]["direction"] == "reverse"
    assert document["finals"]["h_n"]["places"][0]["steps"] == [3, 6, -1]
    assert document["finals"]["h_n"]["places"][1]["steps"] == [0, 0, -1]


def test_a_place_that_there_is_not():
    with pytest.raises(KeyError, match=r"\(1, 'forward'\) is no place in this trace; it has \(0, 'forward'\)\."):
        ours.GRU(4, 5).trace(torch.randn(7, 4))[1, "forward"]


def test_repr_lists_arrays_with_their_axes(layer):
    text = repr(layer.trace(torch.randn(3, 7, 4, dtype=torch.float64), lengths=LENGTHS))
    assert text.startswith(f"Trace of {layer.kind}, lengths [4, 7, 0]")
    assert "layer 1, reverse:" in text
    assert "NamedArray(time=7, batch=3, hidden=5; float64)" in text


@pytest.mark.parametrize("kind", [ours.LSTM, ours.GRU, ours.RNN])
def test_a_batch_without_sequences(kind):
    trace = kind(3, 4, bidirectional=True).trace(torch.randn(5, 0, 3))
    assert trace.output.shape == (5, 0, 8)
    assert {part["h"].shape for part in trace.parts} == {(5, 0, 4)}
