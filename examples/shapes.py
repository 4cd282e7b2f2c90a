"""Every argument of LSTM, and the shapes that follow from it
==========================================================

One argument at a time gets another value than in ``LSTM(3, 4, num_layers=2)``, and the layer is run on 5 sequences of 7
steps. The table lists what then has another shape; the picture draws it to scale, without the batch, changes solid.

Run it: ``python examples/shapes.py [folder]``
"""

import re
import sys
import textwrap
from pathlib import Path

import torch
from matplotlib.figure import Figure

import unrolled

N, T, BASE, RESULTS = 5, 7, "LSTM(3, 4, num_layers=2)", ("output", "h_n", "c_n")
VALUES = [("input_size", 6), ("hidden_size", 5), ("hidden_size", [4, 2]), ("num_layers", 3), ("bidirectional", True)]
VALUES += [("proj_size", 2), ("bias", False), ("batch_first", True), ("peephole", True), ("layer_norm", True)]
VALUES += [("coupled_gates", True), ("initial_state", "learned"), ("dropout", 0.1), ("recurrent_dropout", 0.1)]
VALUES += [("zoneout", 0.1), ("weight_drop", 0.1), ("residual", True), ("init", "keras"), ("forget_bias", 1.0)]
VALUES += [("activation", "relu"), ("recurrent_activation", "relu"), ("cell_clip", 3), ("preactivation_clip", 9)]
VALUES += [("device", "cpu"), ("dtype", torch.float64), ("precision", "bf16"), ("kernel", "torch"), ("recompute", True)]
COLOURS = {"output": "#009E73", "h_n": "#009E73", "c_n": "#E69F00", "weight_ih": "#0072B2", "weight_hh": "#009E73"}
NOTE = "Blue: weight_ih. Green: weight_hh; output, h_n. Amber: c_n. Grey: all others. Empty: gone. No shape depends on "
BARE = {"xlim": (-1, 98), "ylim": (-1, 59), "aspect": "equal", "xticks": [], "yticks": [], "frame_on": False}


def shapes_of(changed: dict) -> dict[str, str]:
    lstm = unrolled.LSTM(**{"input_size": 3, "hidden_size": 4, "num_layers": 2} | changed)
    x = torch.zeros(*((N, T) if lstm.batch_first else (T, N)), lstm.input_size, dtype=lstm.weight_ih_l0.dtype)
    output, (h_n, c_n) = lstm(x)  # of layers of different widths h_n and c_n are tuples, a tensor for each layer
    tensors = {"output": output, "h_n": h_n, "c_n": c_n} | dict(lstm.named_parameters())
    several = [(name, x if isinstance(x, tuple) else (x,)) for name, x in tensors.items()]
    return {name: ", ".join("×".join(map(str, x.shape)) for x in xs) for name, xs in several}


def draw(axes, call: str, shapes: dict[str, str], changed: list[str], drawn: dict[str, str]) -> None:
    axes.set_title(call, loc="left", family="monospace", fontsize=9)
    ends = {"output": 42, "h_n": 52, "c_n": 64, 0: 0, 1: 0, 2: 0}  # where the next block of a row begins
    for name, several in drawn.items():
        look = {"color": COLOURS.get(name.split("_l")[0], "#888888"), "alpha": 0.8 if name in changed else 0.2}
        row = name if name in RESULTS else int(re.findall(r"_l(\d)", name)[0])
        for first, *rest in (map(int, shape.split("×")) for shape in several.split(", ")):
            last = rest[-1] if rest else 1
            wide, high, foot = (
                (T if name == "output" else first, last, 26) if name in RESULTS else (last, first, 21 * row)
            )
            axes.bar(ends[row], high, wide, foot, align="edge", fill=name in shapes, **look)
            ends[row] += wide + 1
    for y, name in zip((18, 10, 2), RESULTS, strict=True):
        axes.text(42, y, f"{name:7}{shapes[name]}", family="monospace", size=8, alpha=1 if name in changed else 0.6)


def main(folder: Path) -> dict[str, dict[str, str]]:
    base = shapes_of({})
    every = {BASE: base} | {f"{name}={value!r}": shapes_of({name: value}) for name, value in VALUES}
    same = [call.split("=")[0] for call, shapes in every.items() if shapes == base][1:]
    figure = Figure(figsize=(9, 11), layout="constrained")
    for k, (call, shapes) in enumerate(every.items(), start=1):
        changed = [name for name in base | shapes if call == BASE or base.get(name) != shapes.get(name)]
        told = ", ".join(f"{name} {shapes.get(name, 'gone')}" for name in changed) or "–"
        print(f"{call:37}" + f"\n{'':37}".join(textwrap.wrap(told, 83)))
        if changed:
            draw(figure.add_subplot(5, 3, k, **BARE), call, shapes, changed, base | shapes)
    figure.text(0.34, 0.1, textwrap.fill(NOTE + ", ".join(same) + ".", 80), fontsize=9)
    count = len(dict(VALUES)) - len(same)
    figure.suptitle(f"{count} arguments of LSTM set its shapes, {len(same)} do not", x=0.01, ha="left")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "shapes.png", dpi=144)
    print(f"Picture: {folder / 'shapes.png'}")
    return every


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
