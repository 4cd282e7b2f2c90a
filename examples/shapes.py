"""Every argument of LSTM, and the shapes that follow from it
==========================================================

One argument at a time gets another value than in ``LSTM(3, 4, num_layers=2)``, and the layer is run on 5 sequences of 7
steps. The table lists what then has another shape; the picture draws it to scale, without the batch, changes
solid. Run it: ``python examples/shapes.py [folder]``
"""

import sys
import textwrap
from pathlib import Path

import torch
from matplotlib.figure import Figure

import unrolled

N, T, BASE, RESULTS, TOPS = 5, 7, "LSTM(3, 4, num_layers=2)", ("c_n", "h_n", "output"), (0, -54, -126, -180, -234)
VALUES = [("input_size", 6), ("hidden_size", 5), ("num_layers", 3), ("hidden_size", [4, 2]), ("bidirectional", True)]
VALUES += [("proj_size", 2), ("bias", False), ("batch_first", True), ("peephole", True), ("layer_norm", True)]
VALUES += [("coupled_gates", True), ("initial_state", "learned"), ("dropout", 0.1), ("recurrent_dropout", 0.1)]
VALUES += [("zoneout", 0.1), ("weight_drop", 0.1), ("residual", True), ("init", "keras"), ("forget_bias", 1.0)]
VALUES += [("activation", "relu"), ("recurrent_activation", "relu"), ("cell_clip", 3), ("preactivation_clip", 9)]
VALUES += [("device", "cpu"), ("dtype", torch.float64), ("precision", "bf16"), ("kernel", "torch"), ("recompute", True)]
WORDS = ["layers 0 and 1: 4 gates · 4 units", "layer 0 reads 6 features", "4 gates · 5 units", "a layer more"]
WORDS += ["a width for each layer", "all twice; layer 1 reads both", "weight_hr cuts h to 2, but not c", "no biases"]
WORDS += ["output is (N, T, 4)", "3 gates read c", "gains, a shift for c", "3 gates: i = 1 − f", "the first h and c"]
COLOURS = {"weight_ih": "#0072B2", "weight_hh": "#009E73", "output": "#009E73", "h_n": "#009E73", "c_n": "#E69F00"}
NOTE = "Blue: weight_ih. Green: weight_hh; output, h_n. Amber: c_n. Grey: others.\nBelow, pale: as here; empty: gone."


def shapes_of(changed: dict) -> dict[str, str]:
    lstm = unrolled.LSTM(**{"input_size": 3, "hidden_size": 4, "num_layers": 2} | changed)
    x = torch.zeros(*((N, T) if lstm.batch_first else (T, N)), lstm.input_size, dtype=lstm.weight_ih_l0.dtype)
    output, (h_n, c_n) = lstm(x)  # of layers of different widths h_n and c_n are tuples, a tensor for each layer
    tensors = {"output": output, "h_n": h_n, "c_n": c_n, **dict(lstm.named_parameters())}.items()
    return {k: ", ".join("×".join(map(str, x.shape)) for x in ([t] if torch.is_tensor(t) else t)) for k, t in tensors}


def draw(axes, left: int, top: int, shapes: dict[str, str], changed: list[str], drawn: dict[str, str]) -> None:
    layers, high = 2 + ("weight_ih_l2" in drawn), int(drawn["weight_ih_l0"].split("×")[0]) + 2
    foot = {k: top - 8 - high * (layers - k) for k in range(layers)}
    foot |= {name: foot[0] + 11 * k for k, name in enumerate(RESULTS)}
    ends = {row: left + (45 if row in RESULTS else 6) for row in foot}  # where the next block of a row begins
    for name, several in drawn.items():
        row = name if name in RESULTS else int(name.split("_l")[-1][0])
        look = {"color": COLOURS.get(name.split("_l")[0], "#888888"), "alpha": 0.8 if name in changed else 0.2}
        for shape in several.split(", "):
            rows, columns, *last = [*map(int, shape.split("×")), 1]
            wide, tall = (T if name == "output" else rows, last[0]) if row == name else (columns, rows)
            axes.bar(ends[row], tall, wide, foot[row], align="edge", fill=name in shapes, **look)
            ends[row] += wide + 1
    for row, y in foot.items():
        axes.text(left + 55 * (row in RESULTS), y, f"{row} {drawn.get(row, '')}".replace(", ", ",\n"), size=9)


def main(folder: Path) -> dict[str, dict[str, str]]:
    every = {BASE: (base := shapes_of({}))} | {f"{name}={value!r}": shapes_of({name: value}) for name, value in VALUES}
    same = [call.split("=")[0] for call, shapes in every.items() if shapes == base][1:]
    axes = Figure(figsize=(9, 10.4)).add_axes((0, 0, 1, 1), xlim=(0, 270), ylim=(-292, 20), frame_on=False)
    for k, (call, shapes) in enumerate(every.items()):
        changed = [name for name in base | shapes if call == BASE or base.get(name) != shapes.get(name)]
        told = textwrap.wrap(", ".join(f"{name} {shapes.get(name, 'gone')}" for name in changed) or "–", 83)
        print(f"{call:37}" + f"\n{'':37}".join(told))
        if changed:
            left, top = 4 + 90 * ((k + 2) % 3 if k else 0), TOPS[(k + 2) // 3]
            axes.text(left, top, call, family="monospace", weight="bold", size=10)
            axes.text(left, top - 5, WORDS[k], size=9)
            draw(axes, left, top, shapes, changed, base | shapes)
    axes.text(94, -43, NOTE + "\n\n" + textwrap.fill(f"No shape depends on {', '.join(same)}.", 80), size=9)
    axes.text(4, 10, f"{len(dict(VALUES)) - len(same)} arguments of LSTM set its shapes, {len(same)} do not", size=13)
    folder.mkdir(parents=True, exist_ok=True)
    axes.figure.savefig(folder / "shapes.png", dpi=144)
    print(f"Picture: {folder / 'shapes.png'}")
    return every


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
