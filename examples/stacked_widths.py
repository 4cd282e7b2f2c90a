"""A width per layer, and TensorFlow 1's weights in it
===================================================

Layers of 20 and 30 units in one LSTM, which torch.nn's cannot have; the same as a list of cells; and a stack that was
trained with TensorFlow 1's ``MultiRNNCell`` and ``dynamic_rnn``, loaded by ``unrolled.convert.from_tf1``. Its file
holds the outputs too, and how it was made stands in ``examples/data/make_tf1_two_layers.py``.

Run it: ``python examples/stacked_widths.py [folder]``
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

import unrolled
from unrolled import figures

HERE = Path(__file__).parent if "__file__" in globals() else Path()  # the gallery runs it without
LENGTHS = [3, 1, 5]


def as_cells(lstm: unrolled.LSTM) -> unrolled.Stack:
    """The same layers as a list of cells, with the same weights."""
    widths = [lstm.input_size, *lstm.hidden_size]
    cells = [unrolled.LSTMCell(size, width) for size, width in zip(widths, lstm.hidden_size, strict=False)]
    for k, cell in enumerate(cells):
        cell.load_state_dict({name: getattr(lstm, f"{name}_l{k}") for name in cell.state_dict()})
    return unrolled.Stack(cells, batch_first=lstm.batch_first)


def from_tensorflow(stored: dict[str, Tensor]) -> unrolled.LSTM:
    """Their kernel is (F + H, 4H), gates i, j, f, o, and the forget bias of 1 is added as it runs, not stored."""
    layers = [{name: value.double() for name, value in stored.items() if f"/cell_{k}/" in name} for k in range(2)]
    for name, value in (layers[0] | layers[1]).items():
        print(f"  {name} {tuple(value.shape)}")
    return unrolled.convert.from_tf1(*layers, kind="LSTM", forget_bias=1.0)


@torch.no_grad()
def main(folder: Path) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
    torch.manual_seed(0)
    lstm = unrolled.LSTM(7, [20, 30], batch_first=True)
    x = torch.randn(3, 5, 7)
    output, (h_n, _) = lstm(x, lengths=LENGTHS)
    print(f"{lstm}: output {tuple(output.shape)}")
    print(f"  h_n and c_n have a tensor for each layer: {[tuple(h.shape) for h in h_n]}")

    stack = as_cells(lstm)
    of_cells, _ = stack(x, lengths=LENGTHS)
    print(f"{stack}\n  its outputs are equal: {torch.allclose(output, of_cells, atol=1e-6)}")

    stored = load_file(HERE / "data" / "tf1_two_layers.safetensors")
    print("TensorFlow 1's variables")
    loaded = from_tensorflow(stored)
    result, (h_n, c_n) = loaded(stored["x"].double(), lengths=stored["lengths"])
    pairs = [(result, stored["output"])]
    for k in range(2):
        pairs += [(h_n[k][0], stored[f"h_{k}"]), (c_n[k][0], stored[f"c_{k}"])]
    apart = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
    print(f"are {loaded}\n  largest difference from the stored outputs and states: {apart:.0e}")

    folder.mkdir(parents=True, exist_ok=True)
    figures.parameters(loaded).savefig(folder / "stacked_widths.png", dpi=144)
    print(f"Picture: {folder / 'stacked_widths.png'}")
    return output, of_cells, pairs


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
