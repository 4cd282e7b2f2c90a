"""Stack: against torch.nn's cells and modules of one's own in plain loops over single sequences."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

import unrolled.layers as ours
from own_cells import Leaky, Summing
from unrolled.errors import ConfigError, ShapeError
from unrolled.trace import Trace

D = torch.float64
KERNELS = ["reference", "torch"]
X = torch.zeros(6, 5, 3)


def loop(cell, x_TF, state, reverse=False):
    """Run a cell over one sequence with a batch axis of 1, as anyone would write it; the state last."""
    outputs = []
    if state is None and hasattr(cell, "initial_state"):
        state = cell.initial_state(1)
    for x in x_TF.flip(0) if reverse else x_TF:
        if isinstance(cell, nn.RNNCellBase):
            state = cell(x.unsqueeze(0), state)
            h = state[0] if isinstance(state, tuple) else state
        else:
            h, state = cell(x.unsqueeze(0), state)
        outputs.append(h[0])
    output = torch.stack(outputs)
    return output.flip(0) if reverse else output, state


def by_hand(entries, x_TF, hx=None):
    """A stack over one sequence; states with a batch axis of 1."""
    states = []
    for k, entry in enumerate(entries):
        first = None if hx is None else hx[k]
        if isinstance(entry, tuple):
            pair = first or (None, None)
            made = [loop(cell, x_TF, pair[d], d == 1) for d, cell in enumerate(entry)]
            x_TF = torch.cat([output for output, _ in made], -1)
            states.append(tuple(state for _, state in made))
        else:
            x_TF, state = loop(entry, x_TF, first)
            states.append(state)
    return x_TF, states


def flat(tree) -> list[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return [tree]
    return [leaf for part in tree for leaf in flat(part)]


def row(tree, n):
    if isinstance(tree, torch.Tensor):
        return tree[n : n + 1]
    parts = [row(part, n) for part in tree]
    return parts if isinstance(tree, list) else type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


def assert_close(found, expected):
    assert len(flat(found)) == len(flat(expected))
    for f, e in zip(flat(found), flat(expected), strict=True):
        torch.testing.assert_close(f, e, rtol=1e-11, atol=1e-12)


def entries_of(name):
    return {
        "torch": lambda: [nn.LSTMCell(3, 4, dtype=D), nn.GRUCell(4, 5, dtype=D), nn.RNNCell(5, 2, dtype=D)],
        "relu": lambda: [nn.RNNCell(3, 4, nonlinearity="relu", dtype=D), nn.LSTMCell(4, 4, bias=False, dtype=D)],
        "pairs": lambda: [
            (nn.LSTMCell(3, 4, dtype=D), nn.GRUCell(3, 2, dtype=D)),
            nn.GRUCell(6, 5, dtype=D),
            (Leaky(5, 3), Leaky(5, 2)),
        ],
        "own": lambda: [Leaky(3, 4), Summing(), nn.LSTMCell(4, 3, dtype=D)],
    }[name]()


MIXES = ["torch", "relu", "pairs", "own"]


@pytest.mark.parametrize("kernel", ["auto", "reference"])
@pytest.mark.parametrize("mix", MIXES)
def test_whole_sequences_against_a_loop(mix, kernel):
    cells = entries_of(mix)
    stack = ours.Stack(cells, kernel=kernel)
    x = torch.randn(6, 2, 3, dtype=D, requires_grad=True)
    output, states = stack(x)
    alone = [by_hand(cells, x[:, n]) for n in range(2)]
    assert_close(output, torch.stack([y for y, _ in alone], 1))
    for n, (_, state) in enumerate(alone):
        assert_close(row(states, n), state)
    leaves = [x, *stack.parameters()]
    found = torch.autograd.grad(output.pow(2).sum() + sum(s.sum() for s in flat(states)), leaves)
    loss = sum(y.pow(2).sum() + sum(s.sum() for s in flat(state)) for y, state in alone)
    assert_close(found, torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("mix", MIXES)
def test_ragged_with_poisoned_padding_is_each_sequence_alone(mix):
    cells = entries_of(mix)
    stack = ours.Stack(cells, batch_first=True)
    lengths = [3, 7, 1, 0]
    clean = torch.randn(4, 7, 3, dtype=D)
    x = clean.clone()
    for n, length in enumerate(lengths):
        x[n, length:] = float("nan")
    x.requires_grad_()
    output, states = stack(x, lengths=lengths)
    leaves = [x, *stack.parameters()]
    found = torch.autograd.grad(output.pow(2).sum() + sum(s.sum() for s in flat(states)), leaves)
    loss = torch.zeros((), dtype=D)
    for n, length in enumerate(lengths):
        assert torch.equal(output[n, length:], torch.zeros_like(output[n, length:]))
        if length:
            y, state = by_hand(cells, x[n, :length])
            assert_close(output[n, :length], y)
            assert_close(row(states, n), state)
            loss = loss + y.pow(2).sum() + sum(s.sum() for s in flat(state))
    assert all(torch.isfinite(s).all() for s in flat(states))
    assert_close(found, torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("mix", MIXES)
def test_states_go_in_and_come_out_in_every_form_of_input(mix):
    cells = entries_of(mix)
    stack = ours.Stack(cells)
    sequences = [torch.randn(n, 3, dtype=D) for n in (2, 5, 4)]
    _, hx = stack(torch.randn(2, 3, 3, dtype=D))
    alone = [by_hand(cells, s, row(hx, n)) for n, s in enumerate(sequences)]
    padded, lengths = ours.pad(sequences)

    def check(outputs, states):
        for n, (y, state) in enumerate(alone):
            assert_close(outputs[n], y)
            assert_close(row(states, n), state)

    output, states = stack(padded, hx, lengths)
    check(ours.unpad(output, lengths), states)
    packed, states = stack(pack_sequence(sequences, enforce_sorted=False), hx)
    check(ours.unpad(*pad_packed_sequence(packed)), states)
    check(*stack(sequences, hx))
    nested, states = stack(torch.nested.nested_tensor(sequences, layout=torch.jagged), hx)
    check(nested.unbind(), states)


@pytest.mark.parametrize("mix", MIXES)
def test_one_sequence_without_a_batch_axis(mix):
    cells = entries_of(mix)
    stack = ours.Stack(cells, batch_first=True)
    x = torch.randn(6, 3, dtype=D)
    _, batched = stack(torch.randn(1, 2, 3, dtype=D))
    _, hx = stack(torch.randn(2, 3, dtype=D))
    assert [s.shape for s in flat(hx)] == [s.shape[1:] for s in flat(batched)]
    output, states = stack(x, hx)
    expected, last = stack(x.unsqueeze(0), [_batched(entry) for entry in hx])
    assert_close(output, expected[0])
    assert_close([_batched(state) for state in states], last)


def _batched(tree):
    if isinstance(tree, torch.Tensor):
        return tree.unsqueeze(0)
    parts = [_batched(part) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


@pytest.mark.parametrize("kernel", KERNELS)
def test_equal_to_the_layers_of_the_same_cells(kernel):
    cells = [(ours.LSTMCell(3, 4, dtype=D), ours.LSTMCell(3, 4, dtype=D)) for _ in range(1)]
    cells += [(ours.LSTMCell(8, 4, dtype=D), ours.LSTMCell(8, 4, dtype=D))]
    stack = ours.Stack(cells, kernel=kernel)
    layer = nn.LSTM(3, 4, 2, bidirectional=True, dtype=D)
    names = {"0.0": "_l0", "0.1": "_l0_reverse", "1.0": "_l1", "1.1": "_l1_reverse"}
    state = stack.state_dict()
    layer.load_state_dict({f"{p}{end}": state[f"cells.{at}.{p}"] for at, end in names.items() for p in _PARAMETERS})
    x = torch.randn(6, 5, 3, dtype=D)
    output, states = stack(x)
    expected, (h_n, c_n) = layer(x)
    assert_close(output, expected)
    assert_close(states, [tuple((h_n[2 * k + d], c_n[2 * k + d]) for d in (0, 1)) for k in (0, 1)])


_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.mark.needs_native
def test_our_cells_run_natively():
    stack = ours.Stack([nn.LSTMCell(3, 4, dtype=D), ours.GRUCell(4, 5, dtype=D)], kernel="native")
    x = torch.randn(6, 5, 3, dtype=D)
    expected, states = ours.Stack(list(stack.cells), kernel="reference")(x, lengths=[6, 2, 3, 6, 1])
    assert_close(stack(x, lengths=[6, 2, 3, 6, 1]), (expected, states))


CELLS = [
    ("LSTM", {"peephole": True, "layer_norm": True, "coupled_gates": True, "cell_clip": 1.0}),
    ("GRU", {"reset_after": False, "preactivation_clip": 2.0}),
    ("RNN", {"nonlinearity": "softsign"}),
    ("SLSTM", {"num_heads": 2}),
]


@pytest.mark.parametrize(("kind", "options"), CELLS)
def test_cells_with_options_are_their_layers(kind, options):
    layer = getattr(ours, kind)(3, 4, dtype=D, bidirectional=True, **options)
    cells = [getattr(ours, f"{kind}Cell")(3, 4, dtype=D, **options) for _ in range(2)]
    for cell, end in zip(cells, ("_l0", "_l0_reverse"), strict=True):
        own = {n.removesuffix(end): p for n, p in layer.state_dict().items() if n.endswith(end)}
        cell.load_state_dict(own)
    x = torch.randn(6, 3, 3, dtype=D)
    output, states = ours.Stack([tuple(cells)])(x, lengths=[2, 6, 4])
    expected, last = layer(x, lengths=[2, 6, 4])
    assert_close(output, expected)
    last = last if isinstance(last, tuple) else (last,)
    pair = states[0] if len(last) > 1 else [(state,) for state in states[0]]
    assert_close(pair, [tuple(state[d] for state in last) for d in (0, 1)])


@pytest.mark.parametrize("options", [{"dropout": 0.4}, {"recurrent_dropout": 0.3}, {"zoneout": (0.2, 0.1)}])
@pytest.mark.parametrize("training", [True, False])
def test_noise_is_the_layers_own_for_the_same_seed(options, training):
    layer = ours.LSTM(4, 4, 3, dtype=D, residual=True, kernel="reference", **options).train(training)
    cells = [ours.LSTMCell(4, 4, dtype=D) for _ in range(3)]
    for k, cell in enumerate(cells):
        cell.load_state_dict({p: getattr(layer, f"{p}_l{k}") for p in _PARAMETERS})
    stack = ours.Stack(cells, residual=True, kernel="reference", **options).train(training)
    x = torch.randn(6, 3, 4, dtype=D)
    results = []
    for module in (layer, stack):
        torch.manual_seed(3)
        results.append(module(x, lengths=[6, 2, 4])[0])
    assert_close(*results)
    assert torch.equal(results[1], stack(x, lengths=[6, 2, 4])[0]) is not training


def test_one_zoneout_pair_for_cells_with_and_without_c():
    gru = ours.GRU(4, 4, dtype=D, zoneout=0.3).eval()
    cell = ours.GRUCell(4, 4, dtype=D)
    cell.load_state_dict({p: getattr(gru, f"{p}_l0") for p in _PARAMETERS})
    lstm = ours.LSTMCell(4, 4, dtype=D)
    stack = ours.Stack([cell, lstm], zoneout=(0.3, 0.1)).eval()
    x = torch.randn(5, 2, 4, dtype=D)
    assert_close(stack(x)[1][0], gru(x)[1][0])


def test_sharing_keeps_one_parameter_and_adds_the_gradients():
    cell = nn.GRUCell(4, 4, dtype=D)
    stack = ours.Stack([cell, cell], share=True)
    assert len(list(stack.parameters())) == 4
    assert stack.state_dict()["cells.0.weight_ih"] is not None
    apart = ours.Stack([cell, copy.deepcopy(cell)])
    x = torch.randn(5, 3, 4, dtype=D)
    assert_close(stack(x), apart(x))
    stack(x)[0].pow(2).sum().backward()
    shared = cell.weight_hh.grad.clone()
    cell.weight_hh.grad = None
    apart(x)[0].pow(2).sum().backward()
    assert_close(shared, sum(c.weight_hh.grad for c in apart.cells))


def test_torch_cells_stay_the_users_own_parametrised_ones_too():
    cell = nn.LSTMCell(3, 4, dtype=D)
    stack = ours.Stack([cell])
    assert stack.cells[0] is cell
    assert list(stack.state_dict()) == [f"cells.0.{name}" for name in _PARAMETERS]
    nn.utils.parametrizations.weight_norm(cell, "weight_hh")
    x = torch.randn(5, 2, 3, dtype=D)
    output, _ = stack(x)
    assert_close(output[:, 0], loop(cell, x[:, 0], None)[0])
    again = ours.Stack([cell])
    assert_close(again(x)[0], output)
    output.sum().backward()
    assert cell.parametrizations.weight_hh.original1.grad.abs().sum() > 0


def test_a_subclass_with_a_forward_of_its_own_is_the_users_module():
    class Doubled(nn.GRUCell):
        def forward(self, x, state=None):
            h = super().forward(x, state)
            return 2 * h, h

    cell = Doubled(3, 4, dtype=D)
    x = torch.randn(5, 2, 3, dtype=D)
    plain = nn.GRU(3, 4, dtype=D)
    plain.load_state_dict({f"{name}_l0": p for name, p in cell.state_dict().items()})
    assert_close(ours.Stack([cell])(x), (2 * plain(x)[0], [plain(x)[1][0]]))


def test_an_entry_of_hx_may_be_left_to_the_layer():
    cells = entries_of("own")
    stack = ours.Stack(cells)
    x = torch.randn(4, 2, 3, dtype=D)
    _, states = stack(x)
    output, _ = stack(x, [None, None, states[2]])
    for n in range(2):
        expected, _ = by_hand(cells, x[:, n], [None, None, row(states[2], n)])
        assert_close(output[:, n], expected)


def test_a_growing_state_of_ones_own():
    class Remembers(nn.Module):
        def forward(self, x, state):
            state = x.unsqueeze(1) if state is None else torch.cat([state, x.unsqueeze(1)], 1)
            return state.mean(1), state

    x = torch.randn(5, 2, 3, dtype=D)
    stack = ours.Stack([Remembers()])
    output, [memory] = stack(x)
    assert_close(output[-1], x.mean(0))
    assert memory.shape == (2, 5, 3)
    with pytest.raises(ShapeError, match="need a state that keeps its form"):
        stack(x, lengths=[5, 2])


# ---- initial states


def test_learned_states_begin_every_sequence():
    stack = ours.Stack([(nn.LSTMCell(3, 4, dtype=D), nn.GRUCell(3, 2, dtype=D)), nn.GRUCell(6, 5, dtype=D)],
                       initial_state="learned")  # fmt: skip
    learned = {n: p for n, p in stack.named_parameters() if n.startswith("initial_state")}
    assert [tuple(p.shape) for p in learned.values()] == [(4,), (4,), (2,), (5,)]
    with torch.no_grad():
        for parameter in learned.values():
            parameter.normal_()
    h, c, h_back, h_last = (p.unsqueeze(0) for p in learned.values())
    x = torch.randn(4, 2, 3, dtype=D)
    output, _ = stack(x)
    cells = [tuple(stack.cells[0]), stack.cells[1]]
    expected, _ = by_hand(cells, x[:, 1], [((h, c), h_back), h_last])
    assert_close(output[:, 1], expected)
    output.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in learned.values())
    stack.reset_parameters()
    assert all(not p.any() for p in learned.values())


def test_initial_states_from_the_input():
    start = ours.InitialStateFromInput(3, [4, 4, 6], dtype=D)
    cells = [nn.LSTMCell(3, 4, dtype=D), ours.LSTMCell(4, 4, peephole=True, dtype=D), nn.LSTMCell(4, 6, dtype=D)]
    stack = ours.Stack(cells, initial_state=start)
    x = torch.randn(5, 2, 3, dtype=D)
    made = [directions[0] for directions in start(x)]
    assert_close(stack(x), stack(x, made))
    h = torch.tanh(x[0] @ start.chains[0][0].weight.T)
    assert_close(made[1][0], torch.tanh(h @ start.chains[0][1].weight.T))


@pytest.mark.parametrize(
    ("cells", "made", "says"),
    [
        (lambda: [nn.LSTMCell(3, 4), nn.GRUCell(4, 4)], (3, [4, 4]),
         "InitialStateFromInput makes 2 state(s) for each layer; cells[1] (GRUCell) carries 1 (h). It is for cells "
         "that all carry as many: for others write a module that returns [[states of a direction]] for each layer, or "
         "take initial_state='learned'."),
        (lambda: [nn.LSTMCell(3, 4)], (3, [5]),
         "InitialStateFromInput makes states of width 5 where cells[0] (LSTMCell) carries h, c of (4, 4)."),
        (lambda: [nn.LSTMCell(3, 4)], (3, [4, 4]), "makes states for 2 layers; the Stack has 1."),
        (lambda: [(nn.LSTMCell(3, 4), nn.LSTMCell(3, 4))], (3, [4]),
         "makes states for 1 direction(s) of each layer; cells[0][0] (LSTMCell) is one of 2."),
        (lambda: [Leaky(3, 4)], (3, [4]),
         "initial_state=InitialStateFromInput makes states for cells whose states are known; cells[0] (Leaky) has its "
         "own. Give that module a method initial_state(batch), and leave initial_state out."),
    ],
)  # fmt: skip
def test_initial_states_that_do_not_fit(cells, made, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        ours.Stack(cells(), initial_state=ours.InitialStateFromInput(*made))


def test_what_a_module_of_initial_states_returned_is_checked():
    class Wrong(nn.Module):
        def forward(self, x, lengths):
            return [[(x.new_zeros(2, 5),)]]

    with pytest.raises(ShapeError, match=re.escape("must be [[[(2, 4)]]]; it returned [[[(2, 5)]]].")):
        ours.Stack([nn.GRUCell(3, 4)], initial_state=Wrong())(torch.zeros(5, 2, 3))


# ---- the rest of a module's life


def test_trace_has_the_numbers_of_the_call():
    cells = [nn.LSTMCell(3, 4, dtype=D), (nn.GRUCell(4, 2, dtype=D), Leaky(4, 3))]
    stack = ours.Stack(cells, dropout=0.5, batch_first=True).eval()
    x = torch.randn(2, 5, 3, dtype=D)
    output, [(h, c), (h_gru, _)] = stack(x, lengths=[5, 2])
    trace = stack.trace(x, lengths=[5, 2])
    assert_close(torch.tensor(trace.output.values), output)
    assert [part.direction for part in trace.parts] == ["forward", "forward", "reverse"]
    assert_close([torch.tensor(array.values) for array in trace.h_n[:2]], [h, h_gru])
    assert_close(torch.tensor(trace.c_n[0].values), c)
    assert_close(torch.tensor(trace.h_n[2].values), output[:, 0, 2:])
    assert_close(torch.tensor(trace[1, "reverse"]["h"].values), output[..., 2:].transpose(0, 1))
    assert "i_pre" in trace[0, "forward"].arrays
    assert set(trace[1, "reverse"].arrays) == {"inputs", "h"}
    place = trace.output_place(3)
    assert (place.layer, place.direction, place.unit) == (1, "reverse", 1)
    again = Trace.from_json(trace.to_json())
    assert again.settings["cells"] == trace.settings["cells"]
    single = stack.trace(x[0])
    assert single.h_n[0].axes == ("hidden",)


def test_trace_of_a_module_in_training_is_refused():
    with pytest.raises(ConfigError, match=re.escape("cells[0] (Leaky) is in training. Call stack.eval().")):
        ours.Stack([Leaky(3, 4)]).trace(X.double())


def test_repr_and_copies():
    stack = ours.Stack([nn.LSTMCell(3, 4), nn.GRUCell(4, 4)], dropout=0.1, zoneout=0.2)
    assert "dropout=0.1, zoneout=0.2" in repr(stack)
    assert "(1): GRUCell(4, 4)" in repr(stack)
    twin = copy.deepcopy(stack).eval()
    assert_close(twin(X), stack.eval()(X))


def test_the_compile_checks_pass():
    """In a process of its own: torch.compile can't see through the tests' checks of types and shapes."""
    checks = Path(__file__).with_name("stack_compile_checks.py")
    options = ["-q", "-o", "addopts=--import-mode=importlib --strict-markers", str(checks)]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


def test_everything_follows_the_device():
    """On the meta device, where anything made elsewhere would not fit."""
    cells = [nn.LSTMCell(3, 4), (nn.GRUCell(4, 2), Summing4()), nn.RNNCell(6, 2)]
    stack = ours.Stack(cells).to("meta")
    x = torch.zeros(5, 2, 3, device="meta")
    for given in ((x,), (x, None, torch.tensor([5, 2], device="meta"))):
        output, states = stack(*given)
        assert {t.device.type for t in flat([output, states])} == {"meta"}
    assert stack(x, states)[0].shape == (5, 2, 2)


class Summing4(nn.Module):
    def forward(self, x, state):
        state = x if state is None else state + x
        return state, state


def test_replace_and_restore_reach_its_cells():
    stack = ours.Stack([nn.LSTMCell(3, 4, dtype=D), nn.GRUCell(4, 2, dtype=D)])
    x = torch.randn(5, 2, 3, dtype=D)
    expected, names = stack(x), list(stack.state_dict())
    ours.replace(stack)
    assert isinstance(stack.cells[0], ours.LSTMCell)
    assert list(stack.state_dict()) == names
    assert_close(stack(x), expected)
    ours.restore(stack)
    assert type(stack.cells[0]) is nn.LSTMCell
    assert_close(stack(x), expected)


def test_gradcheck():
    stack = ours.Stack([nn.LSTMCell(2, 2, dtype=D), (Leaky(2, 2), nn.GRUCell(2, 1, dtype=D))])
    x = torch.randn(3, 2, 2, dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: flat(stack(x, lengths=[3, 2])), x)
