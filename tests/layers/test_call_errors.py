"""Wrong calls, word by word: each says which mistake it probably is, and what it says to write instead does run."""

import numpy as np
import pytest
import torch

import unrolled.layers as ours
from unrolled.errors import DtypeError, ShapeError

LSTM = ours.LSTM(7, 5, 2, batch_first=True, bidirectional=True)  # L·D = 4
GRU = ours.GRU(7, 5, 3)
RNN = ours.RNN(1, 5)


def zeros(*shape):
    return torch.zeros(shape)


X = zeros(8, 9, 7)  # N=8, T=9 for LSTM; T=8, N=9 for GRU
LSTM_INPUT = "LSTM expected input (N=batch, T=time, F=7) because batch_first=True"
LSTM_STATE = "LSTM expected h_0 (4, 8, 5), that is (L·D=layers·directions: 4, N=batch: 8, width: 5)"
GRU_STATE = "GRU expected h_0 (3, 9, 5), that is (L·D=layers·directions: 3, N=batch: 9, width: 5)"


def lstm(h_0):
    return LSTM(X, (h_0, zeros(4, 8, 5)))


INPUTS = [
    # token ids
    (lambda: LSTM(torch.zeros(32, 96, dtype=torch.long)), DtypeError,
     f"{LSTM_INPUT} of torch.float32; got (32, 96) of torch.int64. Are they token ids? "
     "Embed them first: torch.nn.Embedding(number_of_tokens, 7)(x)."),
    (lambda: LSTM(torch.zeros(32, 96, 1, dtype=torch.int32)), DtypeError,
     f"{LSTM_INPUT} of torch.float32; got (32, 96, 1) of torch.int32. Are they token ids? "
     "Embed them first: torch.nn.Embedding(number_of_tokens, 7)(x.squeeze(-1))."),
    (lambda: LSTM(X.long()), DtypeError,
     "LSTM's parameters are torch.float32; input is torch.int64. Convert it, .to(torch.float32)."),
    (lambda: ours.LSTMCell(7, 5)(torch.zeros(8, dtype=torch.long)), DtypeError,
     "LSTMCell expected one step (N=batch, F=7) or (F=7) of torch.float32; got (8,) of torch.int64. Are they token "
     "ids? Embed them first: torch.nn.Embedding(number_of_tokens, 7)(x)."),
    # axes
    (lambda: LSTM(zeros(1, 8, 9, 7)), ShapeError,
     f"{LSTM_INPUT}; got (1, 8, 9, 7), which has 4 axes. Axis 0 has size 1: pass x.squeeze(0)."),
    (lambda: ours.LSTM(12, 5)(zeros(8, 9, 3, 4)), ShapeError,
     "LSTM expected input (T=time, N=batch, F=12) because batch_first=False; got (8, 9, 3, 4), which has 4 axes. "
     "Are the last two axes both features? Pass x.flatten(2), which is (8, 9, 12)."),
    (lambda: LSTM(zeros(2, 3, 9, 7)), ShapeError,
     f"{LSTM_INPUT}; got (2, 3, 9, 7), which has 4 axes. Are two of them batch axes? Pass x.flatten(0, 1)."),
    (lambda: GRU(zeros(9, 2, 3, 7)), ShapeError,
     "GRU expected input (T=time, N=batch, F=7) because batch_first=False; got (9, 2, 3, 7), which has 4 axes. "
     "Are two of them batch axes? Pass x.flatten(1, 2)."),
    # what is no tensor
    (lambda: LSTM(np.zeros((8, 9, 7))), DtypeError,
     "LSTM expected a tensor, a PackedSequence, a list of tensors or a jagged nested tensor; got ndarray (8, 9, 7) of "
     "float64. Pass torch.as_tensor(x, dtype=torch.float32)."),
    (lambda: LSTM("x"), DtypeError,
     "LSTM expected a tensor, a PackedSequence, a list of tensors or a jagged nested tensor; got str. "
     "Pass torch.as_tensor(x)."),
    (lambda: ours.GRUCell(7, 5)(np.zeros((8, 7))), DtypeError,
     "GRUCell expected a tensor; got ndarray (8, 7) of float64. Pass torch.as_tensor(x, dtype=torch.float32)."),
    # lists
    (lambda: LSTM([zeros(3, 7), zeros(3, 6), np.zeros((2, 7)), zeros(7)]), DtypeError,
     "LSTM expected a list of tensors (T=time, F=7), one a sequence; x[1] is (3, 6), x[2] is of type ndarray (2, 7) of "
     "float64, x[3] is (7,)."),
    (lambda: LSTM([zeros(3, 6)] * 12), ShapeError,
     "LSTM expected a list of tensors (T=time, F=7), one a sequence; "
     + ", ".join(f"x[{k}] is (3, 6)" for k in range(10)) + " and 2 more."),
    (lambda: LSTM([]), ShapeError,
     "LSTM expected a list of tensors (T=time, F=7), one a sequence; got an empty list. "
     "Leave batches without sequences out."),
    (lambda: RNN([zeros(3), zeros(2)]), ShapeError,
     "RNN expected a list of tensors (T=time, F=1), one a sequence; x[0] is (3,), x[1] is (2,). "
     "Are they series of single values? Pass [s.unsqueeze(-1) for s in x]."),
    (lambda: LSTM((X, torch.tensor([3, 4]))), ShapeError,
     "LSTM expected a list of tensors (T=time, F=7), one a sequence; x[0] is (8, 9, 7), x[1] is (2,). "
     "Is it a padded batch with its lengths? Pass x[0], lengths=x[1]."),
    (lambda: torch.nn.Sequential(ours.GRU(7, 7), GRU)(X), ShapeError,
     "GRU expected a list of tensors (T=time, F=7), one a sequence; x[0] is (8, 9, 7), x[1] is (1, 9, 7). "
     "Is it another layer's (output, state)? Pass its output, x[0]."),
    (lambda: LSTM([zeros(3, 7).double(), zeros(2, 7).double()]), DtypeError,
     "LSTM's parameters are torch.float32; x[0] is torch.float64. Convert it, .to(torch.float32), or the layer, "
     ".to(torch.float64)."),
    (lambda: LSTM([zeros(3, 7)], lengths=[3]), ShapeError,
     "LSTM: a list of sequences already has its lengths. Leave lengths out."),
    # nested
    (lambda: LSTM(nested(3, 7), lengths=[3]), ShapeError,
     "LSTM: a nested tensor already has its lengths. Leave lengths out."),
    (lambda: LSTM(nested(3, 6)), ShapeError,
     "LSTM expected a jagged nested tensor (N=batch, T=time, F=7); got (2, T, 6)."),
    (lambda: LSTM(nested(3, 7).transpose(1, 2)), ShapeError,
     "LSTM expected a jagged nested tensor (N=batch, T=time, F=7); got (2, 7, T). "
     "Its axis 1 must be the one along which sequences differ."),
    (lambda: RNN(torch.nested.nested_tensor([zeros(3), zeros(2)], layout=torch.jagged)), ShapeError,
     "RNN expected a jagged nested tensor (N=batch, T=time, F=1); got (2, T). Pass x.unsqueeze(-1)."),
    (lambda: LSTM(nested(3, 7).double()), DtypeError,
     "LSTM's parameters are torch.float32; input is torch.float64. Convert it, .to(torch.float32), or the layer, "
     ".to(torch.float64)."),
    # devices
    (lambda: lstm(torch.zeros(4, 8, 5, device="meta")), DtypeError,
     "LSTM's parameters are on cpu; h_0 is on meta. Move it, .to('cpu'), or the layer, .to('meta')."),
    (lambda: ours.LSTMCell(7, 5)(zeros(8, 7).to("meta")), DtypeError,
     "LSTMCell's parameters are on cpu; input is on meta. Move it, .to('cpu'), or the layer, .to('meta')."),
    (lambda: ours.LSTMCell(7, 5)(zeros(7, 8)), ShapeError,
     "LSTMCell expected one step (N=batch, F=7) or (F=7); got (7, 8). Is the feature axis first? Pass x.T."),
    (lambda: ours.RNNCell(1, 5)(zeros(8)), ShapeError,
     "RNNCell expected one step (N=batch, F=1) or (F=1); got (8,). Is it a batch of single values? "
     "Pass x.unsqueeze(-1)."),
]  # fmt: skip


def nested(*shape):
    return torch.nested.nested_tensor([zeros(*shape), zeros(shape[0] + 1, *shape[1:])], layout=torch.jagged)


STATES = [
    # h_n reshaped across layers and directions
    (lambda: lstm(zeros(8, 20)), ShapeError,
     f"{LSTM_STATE}; got (8, 20). Is it h_n reshaped across layers and directions? h_0 has a row for each, (4, 8, 5). "
     "Pass h_n as it was, or h_0.unflatten(1, (4, 5)).transpose(0, 1).contiguous()."),
    (lambda: lstm(zeros(1, 8, 20)), ShapeError,
     f"{LSTM_STATE}; got (1, 8, 20). Is it h_n reshaped across layers and directions? h_0 has a row for each, "
     "(4, 8, 5). Pass h_n as it was, or h_0.reshape(8, 20).unflatten(1, (4, 5)).transpose(0, 1).contiguous()."),
    (lambda: lstm(zeros(2, 8, 10)), ShapeError,
     f"{LSTM_STATE}; got (2, 8, 10). Is it h_n reshaped across layers and directions? h_0 has a row for each, "
     "(4, 8, 5). Pass h_n as it was, or h_0.unflatten(-1, (2, 5)).permute(0, 2, 1, 3).flatten(0, 1)."),
    (lambda: lstm(zeros(2, 2, 8, 5)), ShapeError,
     f"{LSTM_STATE}; got (2, 2, 8, 5). Is it h_n reshaped across layers and directions? h_0 has a row for each, "
     "(4, 8, 5). Pass h_0.flatten(0, 1)."),
    (lambda: GRU(X, zeros(9, 15)), ShapeError,
     f"{GRU_STATE}; got (9, 15). Is it h_n reshaped across layers? h_0 has a row for each, (3, 9, 5). "
     "Pass h_n as it was, or h_0.unflatten(1, (3, 5)).transpose(0, 1).contiguous()."),
    # from a layer with other directions or layers
    (lambda: GRU(X, zeros(6, 9, 5)), ShapeError,
     f"{GRU_STATE}; got (6, 9, 5). The layer has 3 layer(s) and 1 direction(s). Is it from a bidirectional one? "
     "h_0[::2] are its forward states."),
    (lambda: lstm(zeros(2, 8, 5)), ShapeError,
     f"{LSTM_STATE}; got (2, 8, 5). bidirectional=True wants a state for each direction of each layer."),
    # another batch
    (lambda: lstm(zeros(4, 6, 5)), ShapeError,
     f"{LSTM_STATE}; got (4, 6, 5). Is it the state of another batch? That one had 6 sequences, this one has 8. Leave "
     "hx out to begin anew, or make all batches of one size, as with drop_last=True in a DataLoader."),
    (lambda: lstm(zeros(4, 1, 5)), ShapeError,
     f"{LSTM_STATE}; got (4, 1, 5). Is it one state for all sequences? Pass h_0.repeat(1, 8, 1)."),
    # axes left out or left in
    (lambda: lstm(zeros(4, 5)), ShapeError,
     f"{LSTM_STATE}; got (4, 5). Batched input wants states with a batch axis. "
     "Pass h_0.unsqueeze(1).repeat(1, 8, 1)."),
    (lambda: lstm(zeros(8, 5)), ShapeError,
     f"{LSTM_STATE}; got (8, 5). The axis of layers·directions is missing. Pass h_0.unsqueeze(0).repeat(4, 1, 1)."),
    (lambda: GRU(X[:, 0], zeros(3, 1, 5)), ShapeError,
     "GRU expected h_0 (3, 5), that is (L·D=layers·directions: 3, width: 5); got (3, 1, 5). 2-D input is taken as one "
     "unbatched sequence, whose states have no batch axis. Pass h_0.squeeze(1)."),
    # how many tensors
    (lambda: LSTM(X, zeros(4, 8, 5)), DtypeError,
     "LSTM expected hx=(h_0, c_0), a tuple of 2; got one tensor (4, 8, 5). Is it h_0 alone? "
     "Pass (hx, torch.zeros_like(hx))."),
    (lambda: LSTM(X, zeros(2, 4, 8, 5)), DtypeError,
     "LSTM expected hx=(h_0, c_0), a tuple of 2; got one tensor (2, 4, 8, 5). Pass tuple(hx)."),
    (lambda: LSTM(X, [(zeros(8, 5), zeros(8, 5))] * 2), DtypeError,
     "LSTM expected hx=(h_0, c_0), a tuple of 2 tensors; got one of tuples. Is it a pair of states for each layer? "
     "Pass tuple(map(torch.stack, zip(*hx)))."),
    (lambda: RNN(zeros(8, 9, 1), (zeros(1, 9, 5), zeros(1, 9, 5))), DtypeError,
     "RNN expected hx=h_0, one tensor; got a tuple of 2. Is it an LSTM's (h_0, c_0)? RNN has no c: pass hx[0]."),
    (lambda: GRU(X, [zeros(9, 5)] * 3), DtypeError,
     "GRU expected hx=h_0, one tensor; got a list of 3. Is it a state for each layer? Pass torch.stack(hx)."),
    (lambda: GRU(X, np.zeros((3, 9, 5))), DtypeError, "h_0 must be a tensor; got ndarray (3, 9, 5) of float64."),
    # one step
    (lambda: ours.LSTMCell(7, 5)(zeros(8, 7), zeros(8, 5)), DtypeError,
     "LSTMCell expected hx to be a tuple (h_0, c_0); got Tensor. Is it h_0 alone? Pass (hx, torch.zeros_like(hx))."),
    (lambda: ours.GRUCell(7, 5)(zeros(8, 7), (zeros(8, 5),) * 2), DtypeError,
     "GRUCell expected h_0 to be a tensor; got tuple. Is it an LSTM's (h_0, c_0)? Pass hx[0]."),
    (lambda: ours.GRUCell(7, 5)(zeros(8, 7), zeros(2, 8, 5)), ShapeError,
     "GRUCell expected h_0 (8, 5), that is (N=batch, H=hidden_size); got (2, 8, 5). Is it a layer's? Its last row is "
     "that of the last layer: pass h_0[-1]."),
    (lambda: ours.GRUCell(7, 5)(zeros(8, 7), zeros(5)), ShapeError,
     "GRUCell expected h_0 (8, 5), that is (N=batch, H=hidden_size); got (5,). Is it one state for all of the batch? "
     "Pass h_0.expand(8, -1)."),
    (lambda: ours.GRUCell(7, 5)(zeros(8, 7), zeros(6, 5)), ShapeError,
     "GRUCell expected h_0 (8, 5), that is (N=batch, H=hidden_size); got (6, 5). Is it the state of another batch, "
     "of 6?"),
]  # fmt: skip

COUNTS = "LSTM expected lengths as 8 whole numbers, one a sequence"
RANGE = "LSTM expected lengths from 0 to T=9, the input's time steps"
MASK = torch.ones(8, 9, dtype=torch.bool)

LENGTHS = [
    (MASK, DtypeError, f"{COUNTS}; got Tensor (8, 9) of torch.bool. Is it a mask of valid steps? Pass lengths.sum(1)."),
    (MASK.T, DtypeError,
     f"{COUNTS}; got Tensor (9, 8) of torch.bool. Is it a mask of valid steps? Pass lengths.sum(0)."),
    (torch.ones(8), DtypeError, f"{COUNTS}; got Tensor (8,) of torch.float32. Pass lengths.long()."),
    (np.ones(8), DtypeError, f"{COUNTS}; got ndarray (8,) of float64. Pass lengths.astype(int)."),
    (torch.ones(8, 1).long(), DtypeError, f"{COUNTS}; got Tensor (8, 1) of torch.int64. Pass lengths.flatten()."),
    (torch.ones(8).bool(), DtypeError, f"{COUNTS}; got Tensor (8,) of torch.bool."),
    ([True] * 8, DtypeError, f"{COUNTS}; got {[True] * 8}."),
    ("eight", DtypeError, f"{COUNTS}; got 'eight'."),
    ([10] + [9] * 7, ShapeError,
     f"{RANGE}; got lengths[0]=10. Was x cut after they were counted? Pass [min(n, 9) for n in lengths]."),
    (torch.tensor([10] + [9] * 7), ShapeError,
     f"{RANGE}; got lengths[0]=10. Was x cut after they were counted? Pass lengths.clamp(max=9)."),
    ([10, -1] + [9] * 6, ShapeError, f"{RANGE}; got lengths[0]=10, lengths[1]=-1."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), INPUTS + STATES)
def test_the_whole_message(call, error, says):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == says


@pytest.mark.parametrize(("lengths", "error", "says"), LENGTHS)
def test_the_whole_message_on_lengths(lengths, error, says):
    with pytest.raises(error) as caught:
        LSTM(X, lengths=lengths)
    assert str(caught.value) == says


def test_as_many_lengths_as_steps_are_exchanged_axes():
    with pytest.raises(ShapeError, match=r"while lengths is for a batch of 9\. Is the time axis first"):
        LSTM(X, lengths=torch.arange(9))


def test_offsets_are_no_lengths():
    with pytest.raises(ShapeError) as caught:
        LSTM(zeros(4, 9, 7), lengths=torch.tensor([0, 3, 4, 9, 9]))
    assert str(caught.value) == (
        "LSTM expected 4 lengths, one a sequence of the batch; got 5. "
        "Are they offsets, where each sequence starts in a joined one? Pass lengths.diff()."
    )


def test_a_state_taken_apart_is_put_together_as_the_message_says():
    h_n = torch.randn(4, 8, 5)
    by_batch = h_n.transpose(0, 1).reshape(8, 20)
    assert torch.equal(by_batch.unflatten(1, (4, 5)).transpose(0, 1).contiguous(), h_n)
    one_row = by_batch.unsqueeze(0)
    assert torch.equal(one_row.reshape(8, 20).unflatten(1, (4, 5)).transpose(0, 1).contiguous(), h_n)
    side_by_side = torch.cat([h_n[0::2], h_n[1::2]], -1)
    assert torch.equal(side_by_side.unflatten(-1, (2, 5)).permute(0, 2, 1, 3).flatten(0, 1), h_n)
    assert torch.equal(h_n.view(2, 2, 8, 5).flatten(0, 1), h_n)


def test_a_batch_without_sequences_is_run_as_torch_runs_it():
    layer = ours.GRU(3, 4)
    theirs = torch.nn.GRU(3, 4)
    for found, expected in zip(layer(zeros(5, 0, 3)), theirs(zeros(5, 0, 3)), strict=True):
        assert found.shape == expected.shape
    assert layer(zeros(5, 0, 3), lengths=[])[0].shape == (5, 0, 4)


def test_a_batch_without_steps_is_refused():
    with pytest.raises(ShapeError) as caught:
        LSTM(zeros(8, 0, 7))
    assert str(caught.value) == f"{LSTM_INPUT} with at least one time step; got (8, 0, 7)."


def test_all_of_a_list_and_its_states_at_once():
    with pytest.raises(ShapeError) as caught:
        LSTM([zeros(3, 7), zeros(2, 7).double()], (zeros(4, 3, 5), zeros(4, 2)), lengths=[3, 2])
    assert len(caught.value.problems) == 4
