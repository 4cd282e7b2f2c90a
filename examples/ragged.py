"""Ragged batches: the old way, and one call
=========================================

Sentences of 3, 1 and 2 words, padded with 0 to one batch. For torch.nn.LSTM they are sorted by length, packed, run,
padded again and put back in order; for ours the lengths are said, in the call. The numbers are the same. A second batch
whose longest sentence has 2 words shows what ``total_length`` was for: without it the two could not be joined.

Run it: ``python examples/ragged.py [folder]``
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled
from unrolled import figures

FIRST, FIRST_LENGTHS = [[1, 2, 3], [6, 0, 0], [4, 5, 0]], [3, 1, 2]
SECOND, SECOND_LENGTHS = [[2, 0, 0], [5, 1, 0]], [1, 2]


def the_old_way(lstm: nn.LSTM, x: Tensor, lengths: Tensor, total_length: int | None) -> tuple[Tensor, Tensor, Tensor]:
    order = lengths.argsort(descending=True)  # sort: the longest first
    packed = pack_padded_sequence(x[order], lengths[order], batch_first=True)
    packed_output, (h_n, c_n) = lstm(packed)
    output, _ = pad_packed_sequence(packed_output, batch_first=True, total_length=total_length)
    back = order.argsort()  # unsort; the batch is axis 0 of output, but axis 1 of h_n and c_n
    return output[back], h_n[:, back], c_n[:, back]


def the_new_way(lstm: unrolled.LSTM, x: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    output, (h_n, c_n) = lstm(x, lengths=lengths)
    return output, h_n, c_n


@torch.no_grad()
def main(folder: Path) -> tuple[list[Tensor], list[Tensor]]:
    torch.manual_seed(0)
    embedding = nn.Embedding(7, 4, padding_idx=0, dtype=torch.float64)
    torch_lstm = nn.LSTM(4, 5, batch_first=True, dtype=torch.float64)
    lstm = unrolled.LSTM(4, 5, batch_first=True, dtype=torch.float64)
    lstm.load_state_dict(torch_lstm.state_dict())

    old, new = [], []
    for tokens, lengths in ((FIRST, FIRST_LENGTHS), (SECOND, SECOND_LENGTHS)):
        x = embedding(torch.tensor(tokens))
        short, _, _ = the_old_way(torch_lstm, x, torch.tensor(lengths), total_length=None)
        old.append(the_old_way(torch_lstm, x, torch.tensor(lengths), total_length=3))
        new.append(the_new_way(lstm, x, lengths))
        print(f"tokens {tokens}, lengths {lengths}: embedded {tuple(x.shape)}")
        print(f"  the old way: output {tuple(short.shape)}, with total_length=3 {tuple(old[-1][0].shape)}")
        print(f"  ours:        output {tuple(new[-1][0].shape)}, h_n {tuple(new[-1][1].shape)}")
        apart = max(float((theirs - ours).abs().max()) for theirs, ours in zip(old[-1], new[-1], strict=True))
        print(f"  largest difference between the two: {apart:.0e}")

    joined = torch.cat([output for output, _, _ in new])
    steps = [int((row.abs().sum(-1) > 0).sum()) for row in joined]
    print(f"joined: output {tuple(joined.shape)}; steps that are not 0, row by row: {steps}")
    last = joined[torch.arange(5), torch.tensor(FIRST_LENGTHS + SECOND_LENGTHS) - 1]
    h_n = torch.cat([h_n for _, h_n, _ in new], dim=1)
    print("h_n[-1] is each row's last valid step:", torch.equal(last, h_n[-1]))

    folder.mkdir(parents=True, exist_ok=True)
    x = embedding(torch.tensor(FIRST))
    figures.packing(x, FIRST_LENGTHS, total_length=3).savefig(folder / "ragged.png", dpi=144)
    x = embedding(torch.tensor(SECOND))
    figures.packing(x, SECOND_LENGTHS, total_length=3).savefig(folder / "ragged_second.png", dpi=144)
    print(f"Pictures: {folder / 'ragged.png'}, {folder / 'ragged_second.png'}")
    return old, new


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
