"""The page as a person uses it: five levels, by mouse and by keyboard alone, in both languages, light and dark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import unrolled
from browser import drive
from page_numbers import numbers
from unrolled.view.page import html as page_html
from unrolled.view.page.html import tour_document

LEVELS = ("cube", "stack", "step", "unit", "sum")
TITLE = "#picture h2"
HASH: dict[str, Any] = {"hash": 1}
FOCUS: dict[str, Any] = {"focus": 1}
AXE: dict[str, Any] = {"axe": 1}


def selection(link: str) -> dict[str, str]:
    return dict(re.findall(r"[#&](\w+)=([^&]*)", link))


def test_the_built_page_is_small() -> None:
    built = page_html.built_page()
    assert len(built.encode()) < 200 * 1024


def test_the_five_levels_each_draw_what_they_are_about(tour: Path) -> None:
    by_level = [
        (
            {"click": f"nav li:nth-child({k + 1}) button"},
            {"text": TITLE},
            {"count": "#picture svg, #picture canvas"},
            HASH,
        )
        for k in range(5)
    ]
    seen = drive(tour, *(action for actions in by_level for action in actions))
    assert seen.errors == []
    titles, drawings, links = (seen.results[k::4] for k in (1, 2, 3))
    assert [selection(link)["level"] for link in links] == list(LEVELS)
    assert len(set(titles)) == 5
    assert "4 samples × 7 steps × 3 features" in titles[0]
    assert "used 7 times" in titles[1]
    assert min(drawings) >= 1


def test_one_number_is_followed_through_all_levels(tour: Path) -> None:
    """A click pins it; every view then shows that one, and says where it is in the tensors."""
    seen = drive(
        tour,
        {"go": "level=stack&sample=1"},
        {"cell": {"block": "h l1", "row": 2, "column": 4}},
        HASH,
        {"texts": ".inspector code"},
        {"text": ".inspector .what"},
        *(action for key in "345" for action in ({"press": key}, {"text": ".inspector .what"}, HASH)),
    )  # fmt: skip
    assert seen.errors == []
    chosen = selection(seen.results[2])
    assert {key: chosen[key] for key in ("sample", "layer", "step", "unit", "gate")} == {
        "sample": "1", "layer": "1", "step": "4", "unit": "2", "gate": "h",
    }  # fmt: skip
    # Oslo has five days: its fourth step is its last, and so is also in h_n.
    codes = " ".join(seen.results[3]).replace(" ", "")
    assert "output[1,4,2]" in codes
    assert "h_n[1,1,2]" in codes
    sentences, links = seen.results[6::3], seen.results[7::3]
    assert set(sentences) == {seen.results[4]}
    assert [selection(link)["level"] for link in links] == list(LEVELS[2:])


def test_hovering_lights_up_every_place_of_a_number(tour: Path) -> None:
    seen = drive(
        tour,
        {"go": "level=stack&sample=0"},
        {"count": "#picture rect.lit"},
        {"hover": {"block": "h l1", "row": 2, "column": 4}},
        {"count": "#picture rect.lit"},
        {"text": ".inspector .what"},
        HASH,
    )
    assert seen.results[1] == 0
    assert seen.results[3] >= 2  # in the cell, and in the output
    assert "Hidden state" in seen.results[4]
    assert selection(seen.results[5])["unit"] == "0"  # hovering previews: the selection stays


def test_the_page_is_used_by_the_keyboard_alone(tour: Path) -> None:
    seen = drive(
        tour,
        {"press": "Tab"}, FOCUS,  # the way past the controls
        {"press": "Enter"}, {"press": "2"}, HASH,
        {"press": "]"}, HASH, {"press": "["}, {"press": "["}, HASH,
        {"tabTo": "#picture g[data-block='h l1'] .cursor"}, FOCUS,
        {"press": "ArrowRight"}, {"press": "ArrowDown"}, FOCUS,
        {"press": "Enter"}, HASH, {"text": "[role=status]"},
        {"tabTo": ".inspector fieldset input[type=number]"}, FOCUS,
        {"press": "Control+a"}, {"type": "0.5"}, {"press": "Enter"},
        {"count": ".changes li"}, {"attribute": {"selector": ".inspector output", "name": "data-value"}},
        {"tabTo": ".changes .row button"}, {"press": "Enter"}, {"count": ".changes li"},
        {"press": "Escape"}, HASH,
        {"press": "?"}, {"count": "dialog[open]"}, AXE, {"press": "Escape"}, {"count": "dialog[open]"},
    )  # fmt: skip
    assert seen.errors == []
    results = seen.results
    first, steps = results[1], [selection(results[k])["step"] for k in (4, 6, 9)]
    assert first["tag"] == "a"
    assert first["visible"]
    assert [int(step) - int(steps[0]) for step in steps] == [0, 1, -1]
    assert results[10] is not None
    assert results[11]["outline"] > 0
    assert results[11]["label"] != results[14]["label"]
    chosen = selection(results[16])
    assert (chosen["gate"], chosen["layer"]) == ("h", "1")
    assert "Hidden state" in results[17]
    assert results[19]["outline"] > 0
    assert results[23:25] == [1, ["0.5"]]
    assert results[27] == 0
    assert selection(results[29])["level"] == "cube"
    assert results[31] == 1
    assert results[32] == []
    assert results[34] == 0


def test_every_control_shows_that_it_has_the_focus(tour: Path) -> None:
    seen = drive(tour, *[{"press": "Tab"}, FOCUS] * 45)
    inside = [focus for focus in seen.results[1::2] if focus["tag"] != "body"]
    assert len(inside) > 30
    for focus in inside:
        assert focus["outline"] >= 2, focus
        assert focus["label"].strip(), focus


def test_both_languages_say_everything(tour: Path) -> None:
    texts = [{"texts": "h1, h2, h3, nav button, .tools, .player button, .selection label, .inspector legend"}]
    looks = [action for level in LEVELS for action in ({"go": f"level={level}&lang=LANG"}, *texts, {"text": TITLE})]
    both = {}
    for language in ("en", "zh"):
        actions = json.loads(json.dumps(looks).replace("LANG", language))
        seen = drive(tour, *actions, {"attribute": {"selector": "html", "name": "lang"}}, AXE)
        assert seen.errors == []
        both[language] = seen.results
        assert seen.results[-1] == []
    assert (both["en"][-2], both["zh"][-2]) == (["en"], ["zh-Hans"])
    for level in range(5):
        english, chinese = (both[language][3 * level + 1] for language in ("en", "zh"))
        assert len(english) == len(chinese)
        assert re.search(r"[\u4e00-\u9fff]", both["zh"][3 * level + 2])
        assert not re.search(r"[\u4e00-\u9fff]", "".join(english))


def test_a_chinese_browser_gets_chinese(tour: Path) -> None:
    seen = drive(tour, {"attribute": {"selector": "html", "name": "lang"}}, HASH, language="zh-CN")
    assert seen.results[0] == ["zh-Hans"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("level", LEVELS)
def test_no_level_breaks_a_rule_of_accessibility(tour: Path, level: str, theme: str) -> None:
    seen = drive(
        tour,
        {"go": f"level={level}&theme={theme}"}, AXE,
        {"go": f"network=1&level={level}&direction=reverse&sample=1&step=2"}, AXE,
        scheme="light" if theme == "dark" else "dark",
    )  # fmt: skip
    assert seen.results[1] == []
    assert seen.results[3] == []


def test_nothing_leaves_the_page(tour: Path) -> None:
    everything = [{"go": f"level={level}&overlay=attribution"} for level in LEVELS]
    tools = [{"download": ".stage .tools button.save + button"}, {"click": ".player button.main"}, {"pause": 700}]
    seen = drive(tour, *everything, *tools, motion="no-preference")
    assert seen.errors == []
    others = [address for address in seen.requests if not address.startswith(("data:", "blob:"))]
    assert {address.partition("#")[0] for address in others} == {seen.url}


def test_the_tour_has_twelve_steps_of_one_picture_and_two_sentences(tour: Path) -> None:
    step = [{"text": ".tour h2"}, {"text": ".tour .said p:last-child"}, {"count": "#picture svg"}, AXE]
    walk = [action for _ in range(11) for action in (*step, {"press": "ArrowRight"})]
    start = [{"click": "header button"}, {"wait": ".tour"}]
    seen = drive(
        tour, *start, *walk, *step, {"click": ".tour button.next"}, {"count": ".tour"}, {"count": "#picture svg"}
    )
    assert seen.errors == []
    results = seen.results[2:]
    titles, words, drawn, rules = (results[k::5][:12] for k in range(4))
    assert len(set(titles)) == len(titles) == 12
    assert all(rule == [] for rule in rules)
    assert all(count >= 1 for count in drawn)
    for text in words:
        # A full stop inside code, such as torch.nn, ends no sentence.
        assert len(re.findall(r"[.!?:](?=\s|$)", text.strip())) >= 2, text
    assert results[-2] == 0
    assert results[-1] >= 1


def shown(numbers: str) -> list[float]:
    """The numbers of a trap, as the page writes them: four significant digits, some left out."""
    return [float(text) for text in re.findall(r"-?\d[\d.e-]*", numbers.replace("−", "-"))]


def test_the_traps_show_the_wrong_and_the_right_numbers_of_this_batch(tour: Path) -> None:
    forecasting, both_ways = tour_document()["networks"]
    texts = [{"texts": ".traps article"}]
    seen = drive(tour, *texts, {"go": "network=1"}, *texts)
    assert seen.errors == []

    def layer_of(network: dict[str, Any], layer: unrolled.LSTM) -> unrolled.LSTM:
        for part in network["weights"]:
            for name, array in part["arrays"].items():
                suffix = f"_l{part['layer']}" + "_reverse" * (part["direction"] == "reverse")
                getattr(layer, name + suffix).data = torch.from_numpy(numbers(array).copy())
        return layer

    x = torch.from_numpy(numbers(forecasting["inputs"]).copy())
    lengths = numbers(forecasting["trace"]["lengths"]).tolist()
    lstm = layer_of(forecasting, unrolled.LSTM(3, 5, 2, batch_first=True))
    both = layer_of(both_ways, unrolled.LSTM(3, 4, batch_first=True, bidirectional=True))
    with torch.no_grad():
        output, (h_n, _) = lstm(x, lengths=lengths)
        _, (without, _) = lstm(x)
        both_output, (both_n, _) = both(x, lengths=lengths)
    first = {trap.splitlines()[0].strip(): trap for trap in seen.results[0]}
    padded, _, reshaped, untold = first.values()
    sample = 1  # Oslo, the first that is padded
    assert_pair(padded, output[sample, -1], h_n[-1][sample])
    wrong, right = h_n.reshape(4, -1)[0], h_n.transpose(0, 1).reshape(4, -1)[0]
    start = int((wrong != right).nonzero()[0, 0])
    assert_pair(reshaped, wrong[start:], right[start:])
    assert_pair(untold, without[-1][sample], h_n[-1][sample])
    backward = seen.results[2][1]
    # The backward half at the last step saw one step alone; its final state is at the first.
    assert_pair(backward, both_output[0, -1, 4:], both_n[-1][0])


def assert_pair(trap: str, wrong: torch.Tensor, right: torch.Tensor) -> None:
    said = [shown(line) for line in trap.splitlines() if re.fullmatch(r"[…,\s\d.e−]+", line.strip()) and line.strip()]
    assert len(said) == 2, trap
    for values, tensor in zip(said, (wrong, right), strict=True):
        np.testing.assert_allclose(values, tensor.flatten()[: len(values)], rtol=1e-3, atol=1e-6)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H=512, T=1000: what the page must bear."""
    path: Path = tmp_path_factory.mktemp("large") / "large.html"
    torch.manual_seed(0)
    unrolled.explore(nn.LSTM(8, 512, batch_first=True), torch.randn(4, 1000, 8), out=path)
    return path


def test_the_large_model_is_sampled_and_says_so(large: Path) -> None:
    assert large.stat().st_size < 20_000_000
    drawn = {"count": "#picture svg, #picture canvas"}
    looks = [action for level in LEVELS[:4] for action in ({"go": f"level={level}"}, drawn)]
    seen = drive(large, {"text": "[role=note]"}, *looks, AXE)
    assert seen.errors == []
    assert re.search(r"512 of 1[,\u202f\u00a0 ]?000", seen.results[0])
    assert "64 of 512" in seen.results[0]
    assert min(seen.results[2:-1:2]) >= 1
    assert seen.results[-1] == []


def test_the_large_model_computes_what_was_left_out_when_asked(large: Path) -> None:
    seen = drive(
        large,
        {"go": "level=sum&step=500&unit=0&gate=f"}, {"count": "#picture svg"},
        {"click": "[role=note] button"}, {"wait": "#picture svg"}, {"text": "#picture .equation"},
        {"go": "level=unit&step=501&unit=3&gate=h"},  # neither of them is in the page
        {"attribute": {"selector": ".inspector output", "name": "data-value"}},
    )  # fmt: skip
    assert seen.errors == []
    torch.manual_seed(0)
    layer, x = nn.LSTM(8, 512, batch_first=True), torch.randn(4, 1000, 8)
    with torch.no_grad():
        h = float(layer(x)[0][0, 501, 3])
    assert float(seen.results[-1][0]) == pytest.approx(h, abs=1e-5)


def test_names_that_look_like_markup_are_text(write: Callable[..., Path]) -> None:
    nasty = "</script><img src=x onerror=alert(1)>"
    page = write(unrolled.GRU(2, 3), torch.randn(4, 2, 2), names={"batch": [nasty, "b"], "feature": ["&amp;", "<b>"]})
    seen = drive(page, {"texts": ".selection option"}, {"count": "img"}, {"contents": "#picture text"})
    assert seen.errors == []
    assert any(nasty in text for text in seen.results[0])
    assert seen.results[1] == 0
    assert {"&amp;", "<b>"} <= set(seen.results[2])


def test_a_network_that_the_page_cannot_compute_is_shown_with_the_reason(write: Callable[..., Path]) -> None:
    page = write(unrolled.SLSTM(2, 4), torch.randn(5, 2, 2))
    looks = [action for level in LEVELS for action in ({"go": f"level={level}"}, {"text": TITLE})]
    seen = drive(page, {"text": ".inspector"}, *looks)
    assert seen.errors == []
    assert "this is SLSTM" in seen.results[0]
