"""Each example runs as it stands, is short, and shows what it says."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import unrolled
from example_runs import FOLDER, run, run_with_names

EXAMPLES = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


def test_sine_is_continued_to_within_a_thousandth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sine", tmp_path) < 1e-3
    assert "Test MSE over 40 recursive steps" in capsys.readouterr().out


def test_a_replaced_model_has_the_same_losses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = run("speed_up_my_model", tmp_path)
    assert after == pytest.approx(before, abs=5e-3)
    assert before[-1] < 0.6 < before[0]
    assert "unrolled: loss" in capsys.readouterr().out


def test_shapes_has_every_argument_and_torch_has_the_same_shapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every, example = run_with_names("shapes", tmp_path)
    arguments = {*inspect.signature(unrolled.LSTM).parameters, *unrolled.LayerOptions.__annotations__} - {"options"}
    assert {name for name, _ in example["VALUES"]} == arguments
    values = {f"{name}={value!r}": (name, value) for name, value in example["VALUES"]}
    for call in (
        "input_size=6",
        "hidden_size=5",
        "num_layers=3",
        "bidirectional=True",
        "proj_size=2",
        "bias=False",
        "batch_first=True",
    ):
        name, value = values[call]
        lstm = torch.nn.LSTM(**{"input_size": 3, "hidden_size": 4, "num_layers": 2} | {name: value})
        output, (h_n, c_n) = lstm(torch.zeros(*((5, 7) if lstm.batch_first else (7, 5)), lstm.input_size))
        tensors = {"output": output, "h_n": h_n, "c_n": c_n} | dict(lstm.named_parameters())
        assert every[call] == {key: "×".join(map(str, x.shape)) for key, x in tensors.items()}
    assert every["hidden_size=[4, 2]"]["h_n"] == "1×5×4, 1×5×2"
    assert "peephole=True                        weight_peephole_l0 3×4" in capsys.readouterr().out


def test_the_data_cube_holds_every_number_of_the_table_once(tmp_path: Path) -> None:
    found, example = run_with_names("data_cube", tmp_path, "data_cube_batch_first")
    cities, dates = sorted(example["CITIES"]), sorted(found["table"]["date"].unique())
    for _, row in found["table"].iterrows():
        cell = found["cube"][cities.index(row["city"]), dates.index(row["date"])]
        np.testing.assert_array_equal(cell, row[example["FEATURES"]].to_numpy(dtype=float))
    assert found["cube"].shape == (4, 7, 3)
    np.testing.assert_array_equal(found["matrix"], found["cube"][:, 0])
    np.testing.assert_array_equal(found["lags"].reshape(4, 7, 3), found["cube"])
    assert torch.equal(found["output"], found["other"].transpose(0, 1))


def test_batches_are_two_windows_and_one_and_are_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shapes, losses, guessed), example = run_with_names("batches", tmp_path)
    assert shapes == [(2, 2, 5), (1, 2, 5)] * example["EPOCHS"]
    assert guessed == "CDE"
    assert losses[-1] < 0.1 < 1 < losses[0]
    assert "AB→C, BC→D, CD→E" in capsys.readouterr().out


def test_the_old_way_with_ragged_batches_has_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old, new), _ = run_with_names("ragged", tmp_path, "ragged_second")
    for theirs, ours in zip(old, new, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    assert [tuple(output.shape) for output, _, _ in new] == [(3, 3, 5), (2, 3, 5)]
    assert new[1][0][0, 1:].abs().max() == 0
    said = capsys.readouterr().out
    assert "output (2, 2, 5), with total_length=3 (2, 3, 5)" in said
    assert "row by row: [3, 1, 2, 1, 2]" in said
    assert "last valid step: True" in said


def test_heads_read_every_step_or_the_last(tmp_path: Path) -> None:
    found, example = run_with_names("regression_head", tmp_path, "regression_head_every", "regression_head_last")
    (steps, of_steps), (last, of_last) = found["every step"], found["last step"]
    assert (steps, last) == ((3, 24), (3,))
    assert max(of_steps, of_last) < 0.05
    model, x = example["Regression"](every_step=False), torch.randn(3, 6, 1)
    _, (h_n, _) = model.lstm(x, lengths=[5, 3, 6])
    torch.testing.assert_close(model(x, torch.tensor([5, 3, 6])), model.dense(h_n[-1]).squeeze(-1))


def test_cells_and_tensorflows_weights_give_the_layers_outputs(tmp_path: Path) -> None:
    (output, of_cells, pairs), _ = run_with_names("stacked_widths", tmp_path)
    torch.testing.assert_close(of_cells, output, rtol=0, atol=1e-6)
    assert tuple(output.shape) == (3, 5, 30)
    assert len(pairs) == 5
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_the_stored_weights_and_outputs_are_what_their_script_makes() -> None:
    made = runpy.run_path(str(FOLDER / "data" / "make_tf1_two_layers.py"))["arrays"]()
    stored = load_file(FOLDER / "data" / "tf1_two_layers.safetensors")
    assert made.keys() == stored.keys()
    for name, array in made.items():
        assert array.dtype == stored[name].dtype
        np.testing.assert_allclose(array, stored[name], rtol=0, atol=1e-14)


def test_that_scripts_equations_are_tensorflows() -> None:
    dynamic_rnn = runpy.run_path(str(FOLDER / "data" / "make_tf1_two_layers.py"))["dynamic_rnn"]
    golden = load_file(Path(__file__).parent / "golden" / "convert" / "tf1.safetensors")  # what TensorFlow computed
    case = {key.split("|")[1]: value for key, value in golden.items() if key.startswith("BasicLSTMCell|")}
    kernel, bias = (next(v for k, v in case.items() if k.endswith(f"{name}:0")) for name in ("kernel", "bias"))
    output, h, _ = dynamic_rnn(golden["x"], golden["lengths"], kernel, bias)
    np.testing.assert_allclose(output, case["output"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(h, case["h"][0], rtol=0, atol=1e-12)
