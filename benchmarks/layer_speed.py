"""How fast the layers are: ours, PyTorch's and (for inference) ONNX Runtime's, taking turns in one process.

A turn is one call to warm up and a few that count; then the next contestant has its turn, round and round, so that a
machine that slows down slows all alike. Beside them runs a plain product of matrices, the best of several
sizes, which is what the machine can do: its share that each contestant reaches is told too. Prints a table, writes
results/layer_speed.csv and the README's table. Run it: python benchmarks/layer_speed.py [--quick]
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from measure import show_in_readme, spread, write
from onnx_layer import onnx_session

import unrolled

SECONDS, QUICK_SECONDS = 2.0, 0.4  # of each contestant in each case
TURN = 0.06  # seconds of calls in one turn
REST = 0.06  # after each turn: until the threads of the one before have stopped spinning, ONNX Runtime's being the last
BLOCKS = {"LSTM": 4, "GRU": 3, "RNN": 1}


class Case(NamedTuple):
    """One layer, one input, and what is done with them."""

    kind: str
    work: str  # "inference", "training", "forward" (gradients on, no backward), "ragged training"
    batch: int
    steps: int
    features: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    dtype: torch.dtype = torch.float32
    options: str = ""  # of ours alone: "bf16", "recompute"

    @property
    def title(self) -> str:
        """The case in words."""
        extra = [f"{self.layers} layers"] if self.layers > 1 else []
        extra += ["bidirectional"] if self.bidirectional else []
        extra += ["float64"] if self.dtype == torch.float64 else []
        extra += [self.options] if self.options else []
        return ", ".join([f"{self.kind} {self.work}", *extra])

    @property
    def size(self) -> str:
        """The input's sizes and the hidden units."""
        return f"{self.batch}, {self.steps}, {self.features}, {self.hidden}"


TABLE = [
    (1, 40, 1, 50),
    (32, 40, 1, 50),
    (32, 40, 1, 64),
    (128, 96, 7, 64),
    (64, 100, 32, 128),
    (256, 365, 27, 64),
    (256, 365, 27, 256),
    (64, 336, 1, 512),
]
MIDDLE = (128, 96, 7, 64)
CASES = [
    *(Case("LSTM", "inference", *size) for size in TABLE),
    *(Case("LSTM", "training", *size) for size in TABLE),
    *(Case("LSTM", "forward", *size) for size in (TABLE[1], MIDDLE, TABLE[5])),
    *(Case(kind, work, *size) for kind in ("GRU", "RNN") for work in ("inference", "training") for size in TABLE[1:6]),
    *(Case("LSTM", "ragged training", *size) for size in (MIDDLE, TABLE[4], TABLE[5])),
    Case("GRU", "ragged training", *MIDDLE),
    *(Case("LSTM", work, *MIDDLE, bidirectional=True) for work in ("inference", "training")),
    *(Case("LSTM", work, *MIDDLE, layers=2) for work in ("inference", "training")),
    *(Case("LSTM", work, *MIDDLE, dtype=torch.float64) for work in ("inference", "training")),
    *(Case("LSTM", "inference", 1, 1, 7, hidden) for hidden in (64, 256, 512)),
    *(Case("LSTM", "training", *size, options="bf16") for size in TABLE[6:]),
    *(Case("LSTM", "training", *size, options="recompute") for size in (MIDDLE, TABLE[5])),
    Case("LSTM", "script with replace()", *MIDDLE),
]


def operations(case: Case, lengths: list[int]) -> float:
    """Return the floating-point operations of the matrix products that the work can't do without."""
    directions, rows, total = 1 + case.bidirectional, BLOCKS[case.kind] * case.hidden, 0
    for layer in range(case.layers):
        features = case.features if layer == 0 else directions * case.hidden
        forward = 2 * rows * (features + case.hidden)
        backward = forward + 2 * rows * (case.hidden + (features if layer > 0 else 0))
        total += directions * (forward + (backward if _trains(case) else 0))
    return total * sum(lengths)


def _trains(case: Case) -> bool:
    return "training" in case.work or "script" in case.work


def contestants(case: Case) -> dict[str, Callable[[], object]]:
    """Return each contestant's call; all have the same weights and input."""
    torch.manual_seed(0)
    shape = {"num_layers": case.layers, "bidirectional": case.bidirectional, "dtype": case.dtype}
    theirs = getattr(nn, case.kind)(case.features, case.hidden, **shape)
    x = torch.randn(case.steps, case.batch, case.features, dtype=case.dtype)
    if "script" in case.work:
        return {"torch": script(nn.Sequential(theirs), x), "ours": script(replaced(theirs, case), x)}
    ours = replaced(theirs, case)[0]
    if case.work == "ragged training":
        return ragged(theirs, ours, x, draw_lengths(case))
    if _trains(case):
        d_output = torch.randn_like(theirs(x)[0])
        return {"torch": training(theirs, x, d_output), "ours": training(ours, x, d_output)}
    calls = {"torch": forward(theirs, x, case.work), "ours": forward(ours, x, case.work)}
    plain = case.layers == 1 and not case.bidirectional and case.dtype == torch.float32
    if case.work == "inference" and plain:
        session = onnx_session(case.kind, theirs)
        values = {"x": x.numpy()}
        calls["onnxruntime"] = lambda: session.run(None, values)
    return calls


def replaced(theirs: nn.Module, case: Case) -> nn.Sequential:
    """Return a model with our layer on the same weights."""
    model = unrolled.replace(nn.Sequential(theirs))
    if case.options == "bf16":
        model[0].precision = "bf16"
    model[0].recompute = case.options == "recompute"
    return model


def forward(layer: nn.Module, x: torch.Tensor, work: str) -> Callable[[], object]:
    layer.eval()

    def call() -> object:
        with torch.set_grad_enabled(work == "forward"):
            return layer(x)

    return call


def training(layer: nn.Module, x: torch.Tensor, d_output: torch.Tensor) -> Callable[[], object]:
    def call() -> None:
        layer.train().zero_grad(set_to_none=True)
        layer(x)[0].backward(d_output)

    return call


def draw_lengths(case: Case) -> list[int]:
    """Return lengths spread evenly over 1 to T, in random order."""
    lengths = np.linspace(1, case.steps, case.batch).round().astype(int)
    return np.random.default_rng(0).permutation(lengths).tolist()


def ragged(theirs: nn.Module, ours: nn.Module, x: torch.Tensor, lengths: list[int]) -> dict[str, Callable[[], object]]:
    """Return training on a ragged batch: theirs packed, ours with lengths, and ours on the full batch."""
    d_output = torch.randn_like(ours(x)[0])
    pack, pad = nn.utils.rnn.pack_padded_sequence, nn.utils.rnn.pad_packed_sequence

    def packed() -> None:
        theirs.zero_grad(set_to_none=True)
        output, _ = theirs(pack(x, torch.tensor(lengths), enforce_sorted=False))
        pad(output, total_length=len(x))[0].backward(d_output)

    def with_lengths() -> None:
        ours.zero_grad(set_to_none=True)
        ours(x, lengths=lengths)[0].backward(d_output)

    return {"torch": packed, "ours": with_lengths, "ours, full": training(ours, x, d_output)}


def script(layers: nn.Sequential, x: torch.Tensor) -> Callable[[], object]:
    """Return a step of a plain training script: a head on the last output, a loss, Adam."""
    layer, head = layers[0], nn.Linear(layers[0].hidden_size, 1)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()])
    target = x[-1, :, :1].clone()

    def step() -> None:
        optimiser.zero_grad()
        output, _ = layer(x)
        nn.functional.mse_loss(head(output[-1]), target).backward()
        optimiser.step()

    return step


def products(dtype: torch.dtype) -> tuple[list[Callable[[], object]], list[int]]:
    """Return matrix products of several sizes, and the operations of each."""
    sizes = [(256, 1024, 256), (1024, 1024, 1024), (2048, 2048, 2048), (12800, 256, 64), (256, 256, 12800)]

    def product(m: int, n: int, k: int) -> Callable[[], object]:
        a, b, c = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype), torch.empty(m, n, dtype=dtype)
        return lambda: torch.mm(a, b, out=c)

    return [product(*size) for size in sizes], [2 * m * n * k for m, n, k in sizes]


def peak(dtype: torch.dtype) -> float:
    """Return the most operations a second that PyTorch's own product reaches now."""
    calls, flops = products(dtype)
    best = 0.0
    for call, count in zip(calls, flops, strict=True):
        best = max(best, count / min(timed(call, 6)))
    return best


def timed(call: Callable[[], object], count: int) -> list[float]:
    """Warm up once, then time each of `count` calls, in seconds."""
    call()
    times = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


def take_turns(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Let the contestants take turns until each has had about so many seconds."""
    trial = max(min(timed(call, 2)) for call in calls.values())
    each = max(1, min(100, round(TURN / trial)))
    rounds = max(5, min(15, round(seconds / (trial * (each + 1)))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(float(np.median(timed(call, each))))
            time.sleep(REST)
    return times


def measure(case: Case, seconds: float) -> list[dict[str, object]]:
    """Return one row for each contestant."""
    top = peak(case.dtype)
    times = take_turns(contestants(case), seconds)
    top = max(top, peak(case.dtype))
    lengths = draw_lengths(case) if "ragged" in case.work else [case.steps] * case.batch
    rows = []
    for name, values in times.items():
        ratio = spread(np.divide(times["torch"], values).tolist())
        full = [case.steps] * case.batch if name == "ours, full" else lengths
        speed = operations(case, full) / spread(values)["median"]
        rows.append(
            {"case": case.title, "N, T, F, H": case.size, "contestant": name}
            | {f"ms_{key}": round(1e3 * value, 4) for key, value in spread(values).items()}
            | {f"times_torch_{key}": round(value, 2) for key, value in ratio.items()}
            | {"gflops": round(speed / 1e9, 1), "gemm_peak_gflops": round(top / 1e9, 1)}
            | {"percent_of_peak": round(100 * speed / top, 1)}
        )
    return rows


MEMORY = (256, 365, 27, 64)


def memory_step(contestant: str) -> None:
    """Print by how many MiB one training step raises the process's peak of memory."""
    batch, steps, features, hidden = MEMORY
    layer = nn.LSTM(features, hidden)
    layer = layer if contestant == "torch" else unrolled.replace(layer)
    layer.recompute = contestant == "ours, recompute"
    x = torch.randn(steps, batch, features)
    layer(x[:2, :2])[0].sum().backward()
    before = most_memory()
    layer(x)[0].square().mean().backward()
    print((most_memory() - before) / 1024)


def most_memory() -> int:
    """Return the most memory that this process has had, in KiB; on Linux alone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def memory() -> list[dict[str, object]]:
    """Return a training step's memory for each contestant, each in a process of its own."""
    found = {}
    for name in ("torch", "ours", "ours, recompute"):
        command = [sys.executable, __file__, "--memory", name]
        runs = [float(subprocess.run(command, capture_output=True, check=True, text=True).stdout) for _ in range(3)]
        found[name] = float(np.median(runs))
    return [
        {
            "case": "LSTM training's memory, MiB",
            "N, T, F, H": ", ".join(map(str, MEMORY)),
            "contestant": name,
            "mib": round(value, 1),
            "share_of_torch": round(value / found["torch"], 3),
        }
        for name, value in found.items()
    ]


def in_readme(row: dict[str, object]) -> bool:
    """Whether the README shows a row: the plain LSTM in all sizes, everything else in one; the CSV has them all."""
    table, middle = [", ".join(map(str, size)) for size in TABLE], ", ".join(map(str, MIDDLE))
    plain = row["case"] in ("LSTM inference", "LSTM training") and row["N, T, F, H"] in table
    return plain or row["N, T, F, H"] == middle or "bf16" in str(row["case"])


def readme_rows(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return one line a case: ours beside PyTorch and ONNX Runtime."""
    rows = [row for row in rows if in_readme(row)]
    cases: dict[tuple[object, object], dict[str, dict[str, object]]] = {}
    for row in rows:
        cases.setdefault((row["case"], row["N, T, F, H"]), {})[str(row["contestant"])] = row
    lines = []
    for (case, size), by_name in cases.items():
        ours = by_name["ours"]
        ort = by_name.get("onnxruntime")
        lines.append(
            {
                "case": case,
                "size": size,
                "torch": by_name["torch"]["ms_median"],
                "ort": ort["ms_median"] if ort else "",
                "ours": ours["ms_median"],
                "ratio": f"**{ours['times_torch_median']}** ({ours['times_torch_p20']}–{ours['times_torch_p80']})",
                "peak": ours["percent_of_peak"],
            }
        )
    return lines


def main() -> None:
    if "--memory" in sys.argv:
        return memory_step(sys.argv[-1])
    seconds = QUICK_SECONDS if "--quick" in sys.argv else SECONDS
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    rows: list[dict[str, object]] = []
    for case in CASES:
        if wanted and not any(word in f"{case.title} {case.size}" for word in wanted):
            continue
        for row in measure(case, seconds):
            rows.append(row)
            print(*row.values(), sep=" | ", flush=True)
    if wanted or "--quick" in sys.argv:
        return None
    memory_rows = memory()
    print(*memory_rows, sep="\n")
    versions = {"onnxruntime": onnxruntime.__version__, "isa": unrolled.info().native}
    print(write("layer_speed", [row | versions for row in rows]))
    print(write("layer_memory", [row | versions for row in memory_rows]))
    show_in_readme(
        "layer_speed",
        readme_rows(rows),
        {
            "case": "layer and work",
            "size": "N, T, F, H",
            "torch": "torch.nn, ms",
            "ort": "ONNX Runtime, ms",
            "ours": "unrolled, ms",
            "ratio": "times torch.nn (p20–p80)",
            "peak": "% of the machine's matrix product",
        },
    )
    return None


if __name__ == "__main__":
    main()
