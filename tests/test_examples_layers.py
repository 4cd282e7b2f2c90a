"""What the examples of layers say is so: from_scratch, two_wirings, seq2seq, text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from example_runs import load, run


def test_an_lstm_from_scratch_is_the_librarys_and_learns_as_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    furthest, losses, our_losses = run("from_scratch", tmp_path)
    assert furthest < 1e-5
    assert our_losses == pytest.approx(losses, abs=2e-3)
    assert losses[-1] < losses[0] / 20
    assert f"loss from scratch {losses[-1]:.5f}" in capsys.readouterr().out


def test_the_scratch_lstm_starts_from_its_chains() -> None:
    made = load("from_scratch")
    torch.manual_seed(0)
    model = made["FromScratch"]()
    x = torch.randn(1, 4, 32)
    expected = x[0]
    for k, weight in enumerate(model.chains[1]):
        expected = (expected @ weight.T).tanh()
        gates = [slice(gate * weight.shape[0], (gate + 1) * weight.shape[0]) for gate in range(4)]
        with torch.no_grad():  # a forget gate of 1 and an input gate of 0: c after the step is c before it
            for rows, value in ((gates[0], -50.0), (gates[1], 50.0)):
                model.layers[k][0][rows], model.layers[k][1][rows] = 0.0, 0.0
                model.layers[k][2][rows] = value
        _, states = model(x)
        torch.testing.assert_close(states[k][1], expected, atol=1e-6, rtol=0)


def test_one_weight_or_two_are_the_same_lstm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proven, furthest = run("two_wirings", tmp_path)
    assert proven
    assert furthest < 1e-6
    out = capsys.readouterr().out
    assert "W on [h, x]: (20, 8). weight_hh on h: (20, 5), weight_ih on x: (20, 3)." in out
    assert "unit vectors, and so they are one function: True" in out


def test_the_textbooks_wiring_is_that_of_torch_nn() -> None:
    made = load("two_wirings")
    torch.manual_seed(1)
    theirs = torch.nn.LSTM(made["F"], made["H"])
    x = torch.randn(7, 2, made["F"])
    W = torch.cat([theirs.weight_hh_l0, theirs.weight_ih_l0], dim=1)
    torch.testing.assert_close(made["run_joined"](W, theirs.bias_ih_l0 + theirs.bias_hh_l0, x), theirs(x)[0])
    swapped = torch.cat([theirs.weight_ih_l0, theirs.weight_hh_l0], dim=1)
    assert not torch.allclose(made["run_joined"](swapped, theirs.bias_ih_l0 + theirs.bias_hh_l0, x), theirs(x)[0])


def test_a_decoder_knows_what_h_and_c_tell_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    furthest, right = run("seq2seq", tmp_path)
    assert furthest < 1e-6
    assert right["h and c"] > 0.95
    assert right["zeros"] < 0.3
    assert right["c and zeros"] < right["h and c"] - 0.1
    assert "decoder started from zeros" in capsys.readouterr().out


def test_attention_finds_the_words_that_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, texts, alpha_TN = run("text", tmp_path)
    assert right["attention"] > 0.97
    assert right["attention"] >= right["h_n"] > 0.45
    torch.testing.assert_close(alpha_TN.sum(0), torch.ones(len(texts)))
    deciding = len(load("text")["FILLER"])
    shares = [float(alpha_TN[: len(text), n][text >= deciding].sum()) for n, text in enumerate(texts)]
    assert all(share > 0.9 for share, text in zip(shares, texts, strict=True) if (text >= deciding).any())
    assert max(shares) > 0.9
    assert all(alpha_TN[len(text) :, n].sum() == 0 for n, text in enumerate(texts))
    assert "by attention" in capsys.readouterr().out


def test_pooling_the_last_step_of_both_directions_reads_h_n() -> None:
    made = load("text")
    torch.manual_seed(0)
    model = made["Critic"](made["unrolled"].Pool("last", bidirectional=True))
    texts, _ = made["sentences"](20)
    assert len({len(text) for text in texts}) > 1
    output, (h_n, _) = model.lstm([model.embed(text) for text in texts])
    assert torch.equal(model.pool(output), torch.cat([h_n[0], h_n[1]], dim=-1))


def test_the_rule_of_the_sentences() -> None:
    made = load("text")
    torch.manual_seed(0)
    texts, answers = made["sentences"](200)
    verdicts = {"very good": 1, "not bad": 1, "very bad": 2, "not good": 2}
    for text, answer in zip(texts, answers.tolist(), strict=True):
        words = " ".join(made["WORDS"][number] for number in text)
        assert [value for verdict, value in verdicts.items() if verdict in words] == ([answer] if answer else [])
        assert 8 <= len(text) <= 40
    assert set(answers.tolist()) == {0, 1, 2}
