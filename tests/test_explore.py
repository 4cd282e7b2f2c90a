"""`unrolled.explore`: what it takes, what its page holds, and what it says of it."""

from __future__ import annotations

import html
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled
from makers import QUICK, wave_frame
from page_numbers import numbers
from unrolled.cli import main
from unrolled.errors import ConfigError, DtypeError, NotFittedError, PageAbsentError, ShapeError, UnrolledError
from unrolled.explorer import attribution
from unrolled.forecast.networks.steps import Recursive

BUILT = """<!doctype html><html><head><title>unrolled</title></head><body>
<script type="application/json" id="unrolled-page"></script>
<script type="application/json" id="unrolled-tour"></script></body></html>"""


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page around the documents: these tests are of what is in them, with or without Node."""
    module: Any = ModuleType("unrolled.view._page_build")
    module.ABSENCE, module.__file__ = "", str(tmp_path / "package" / "_page_build.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "page.html").write_text(BUILT)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return module


def explore(*args: Any, **keywords: Any) -> unrolled.Explorer:
    return unrolled.explore(*args, **{"out": None} | keywords)


def first(explorer: unrolled.Explorer) -> dict[str, Any]:
    network: dict[str, Any] = explorer.document["networks"][0]
    return network


class Model(nn.Module):
    """A recurrent layer between two dense ones."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.before, self.layer, self.head = nn.Linear(3, 3), layer, nn.Sequential(nn.ReLU(), nn.Linear(5, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2) from (N, T, 3)."""
        answer: Tensor = self.head(self.layer(self.before(x))[0][:, -1])
        return answer


def test_a_layer_of_ours_ragged_with_names() -> None:
    names = {"batch": ["a", "b", "c", "d"], "feature": ["sun", "wind", "rain"], "time": range(7)}
    page = explore(unrolled.LSTM(3, 5, batch_first=True), torch.randn(4, 7, 3), [7, 5, 3, 6], names)
    assert page.document["names"] == {
        "batch": ["a", "b", "c", "d"], "feature": ["sun", "wind", "rain"], "time": list("0123456"),
    }  # fmt: skip
    assert page.document["purpose"] == "model"
    assert numbers(first(page)["trace"]["lengths"]).tolist() == [7, 5, 3, 6]
    assert first(page)["head"] is None
    assert {found["name"] for found in first(page)["analyses"]} == {
        "saturation", "memory", "contributions", "gradient_flow", "attribution",
    }  # fmt: skip


def test_a_model_with_a_layer_of_torchs_inside_and_a_head() -> None:
    model, x = Model(nn.LSTM(3, 5, batch_first=True)).train(), torch.randn(4, 7, 3)
    page = explore(model, x)
    network = first(page)
    assert (network["name"], network["source"]) == ("layer", "torch.nn.LSTM")
    assert network["head"]["reads"] == "output[:, -1]"
    assert [layer["kind"] for layer in network["head"]["layers"]] == ["ReLU", "Linear"]
    np.testing.assert_allclose(numbers(network["head"]["output"]), model(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert model.training
    assert "attribution" not in {found["name"] for found in network["analyses"]}
    assert any("does not read x itself" in note for note in page.notes)


def test_several_recurrent_layers_each_have_their_own_numbers() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = unrolled.GRU(3, 5), nn.LSTM(5, 4)
            self.head = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            answer: Tensor = self.head(self.second(self.first(x)[0])[1][0][-1])
            return answer

    page = explore(Two(), torch.randn(7, 4, 3))
    gru, lstm = page.document["networks"]
    assert (gru["name"], gru["trace"]["kind"], gru["head"]) == ("first", "GRU", None)
    assert (lstm["name"], lstm["trace"]["kind"], lstm["head"]["reads"]) == ("second", "LSTM", "h_n[-1]")
    flows = [[found for found in network["analyses"] if found["name"] == "gradient_flow"] for network in (gru, lstm)]
    assert [[found["of"] for found in of_network] for of_network in flows] == [["h"], ["h", "c"]]
    assert "attribution" in {found["name"] for found in gru["analyses"]}
    assert "attribution" not in {found["name"] for found in lstm["analyses"]}


def test_unbatched_packed_and_token_inputs() -> None:
    page = explore(unrolled.GRU(3, 5), torch.randn(7, 3))
    assert first(page)["sizes"] == {"batch": 1, "time": 7, "feature": 3}
    assert first(page)["trace"]["batched"] is False
    packed = pack_padded_sequence(torch.randn(7, 2, 3), [7, 4])
    assert numbers(first(explore(nn.GRU(3, 5), packed))["trace"]["lengths"]).tolist() == [7, 4]
    tokens = nn.Sequential(nn.Embedding(10, 3), nn.GRU(3, 5, batch_first=True))
    assert first(explore(tokens, torch.randint(10, (2, 6))))["sizes"]["time"] == 6


def test_a_layer_alone_runs_on_no_more_samples_than_are_shown() -> None:
    x, lengths = torch.randn(7, 1000, 3), torch.randint(1, 8, (1000,))
    layer = unrolled.GRU(3, 5)
    page = explore(layer, x, lengths, {"batch": range(1000)})
    network = first(page)
    shown = network["shown"]["batch"]
    assert network["sizes"]["batch"] == 1000
    assert (len(shown), shown[0], shown[-1]) == (64, 0, 999)
    h = layer.trace(x, lengths=lengths)[0, "forward"]["h"].values[:, shown]
    np.testing.assert_allclose(numbers(network["trace"]["parts"][0]["arrays"]["h"]), h, atol=1e-6)
    assert page.document["names"]["batch"][333] == "333"
    assert "64 of 1,000 samples" in repr(page)


def loop_attribution(layer: nn.Module, x: Tensor, points: int) -> np.ndarray:
    """Integrated gradients by the midpoint rule, one point after the other."""
    total = torch.zeros_like(x)
    for k in range(points):
        at = (x * ((k + 0.5) / points)).requires_grad_()
        layer(at)[0].sum().backward()
        total += at.grad
    values: np.ndarray = (x * total / points).numpy()
    return values


def test_attribution_is_integrated_gradients_with_captum() -> None:
    pytest.importorskip("captum", reason="Captum, the extra for integrated gradients, is not installed.")
    layer, x = unrolled.GRU(3, 5, batch_first=True), torch.randn(4, 7, 3)
    (found,) = [one for one in first(explore(layer, x))["analyses"] if one["name"] == "attribution"]
    assert found["facts"]["method"] == "integrated gradients"
    assert abs(found["facts"]["completeness_gap"]) < 1e-4
    np.testing.assert_allclose(numbers(found["array"]), loop_attribution(layer, x, 400), atol=1e-4)


def test_attribution_without_captum_is_occlusion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "find_spec", lambda _: None)
    layer, x = unrolled.GRU(3, 5), torch.randn(7, 2, 3)
    page = explore(layer, x)
    (found,) = [one for one in first(page)["analyses"] if one["name"] == "attribution"]
    assert found["facts"]["method"] == "occlusion"
    covered = x.clone()
    covered[2, 1, 0] = 0
    with torch.no_grad():
        fall = layer(x)[0][:, 1].sum() - layer(covered)[0][:, 1].sum()
    assert numbers(found["array"])[1, 2, 0] == pytest.approx(float(fall), abs=1e-5)
    assert any("Captum is not installed" in note for note in page.notes)


def test_a_costly_attribution_gives_way_to_one_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MOST_PRODUCTS", 1000)
    layer, x = nn.LSTM(3, 5), torch.randn(7, 2, 3)
    page = explore(layer, x)
    (found,) = [one for one in first(page)["analyses"] if one["name"] == "attribution"]
    assert found["facts"]["method"] == "gradient times input"
    assert "too many for a model and batch of this size" in found["facts"]["why"]
    assert found["facts"]["why"] in " ".join(page.notes)
    given = x.clone().requires_grad_()
    layer(given)[0].sum().backward()
    np.testing.assert_allclose(numbers(found["array"]), (given.grad * x).numpy().swapaxes(0, 1), atol=1e-6)


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("loss", ["mae", "quantile"])
def test_a_forecaster_is_shown_on_the_last_windows(decoder: str, loss: str) -> None:
    frame = wave_frame(3, 60)
    settings = QUICK | {"decoder": decoder, "loss": loss, "input_size": 12, "scaling": "standard", "network": "steps"}
    model = unrolled.Forecaster(h=4, **settings).fit(frame)
    page = explore(model)
    network, names = first(page), page.document["names"]
    assert page.document["purpose"] == "forecaster"
    assert names["batch"] == ["s0", "s1", "s2"]
    assert names["feature"] == ["value", "observed"]
    assert names["time"] == [str(day.date()) for day in pd.date_range(end="2024-02-29", periods=12)]
    # What the window is, worked out from the table alone.
    for number, (_, series) in enumerate(frame.groupby("unique_id")):
        window = series.y.to_numpy()[-12:]
        scaled = (window - window.mean()) / window.std()
        np.testing.assert_allclose(numbers(network["inputs"])[number, :, 0], scaled, atol=1e-5)
        unscale = {key: numbers(array)[number] for key, array in network["head"]["unscale"].items()}
        assert unscale == pytest.approx({"location": window.mean(), "scale": window.std()})
    head = network["head"]
    fed_back = decoder == "recursive" and loss == "mae"
    steps = 1 if decoder == "recursive" and not fed_back else 4  # the median of quantiles is no output of its own
    answer = numbers(head["output"]).reshape(3, steps, -1)
    location, scale = (numbers(head["unscale"][key])[:, None, None] for key in ("location", "scale"))
    middle = answer.shape[2] // 2
    forecast = np.sort(answer * scale + location, axis=2)[..., middle]
    np.testing.assert_allclose(forecast, model.predict().LSTM.to_numpy().reshape(3, 4)[:, :steps], rtol=1e-5)
    assert len(head["labels"]) == answer[0].size
    assert head["labels"][0].startswith("2024-03-01")
    assert (head["feedback"] is not None) == fed_back
    _check_feedback(model, head)
    assert {found["facts"]["answer"] for found in network["analyses"] if "answer" in found["facts"]} == {
        "the first step's answer" if decoder == "recursive" else "the sum of all steps' answers"
    }


def _check_feedback(model: unrolled.Forecaster, head: dict[str, Any]) -> None:
    """Follow the page's own account of the feedback, with the encoder as it is."""
    if head["feedback"] is None:
        return
    windows = model.last_windows()
    network = windows.fitted.network
    assert isinstance(network, Recursive)
    weight, bias = (numbers(head["layers"][0][name]) for name in ("weight", "bias"))
    with torch.no_grad():
        output, state = network.encoder(windows.batch.inputs.past_NTF)
        for step in range(head["feedback"]["steps"]):
            answer = output[:, -1].numpy() @ weight.T + bias
            np.testing.assert_allclose(numbers(head["output"])[:, step], answer, atol=1e-5)
            fed = answer[:, [head["feedback"]["output"]]]
            read = np.concatenate([fed, np.broadcast_to(head["feedback"]["constants"], fed.shape)], axis=1)
            output, state = network.encoder(torch.from_numpy(read).float()[:, None], state)


SHORT: dict[str, Any] = QUICK | {"max_steps": 4, "val_every": 2, "input_size": 14, "season": 7}
FORECASTERS: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"network": "segments", "segment": 4},
        ["a piece of 4 steps", "Without the forecast itself", "Without attribution"],
    ),
    ({"network": "seq2seq", "cell": "GRU"}, ["Without the forecast itself: it comes of the decoder"]),
    (
        {"network": "deepar"},
        ["goes on over the horizon", "the first step is shown", "window's scale: loss='student_t'"],
    ),
    ({"network": "steps", "pooling": "attention"}, ["a weighted mean of all outputs"]),
    ({"network": "steps", "cell": ["GRU", {"type": "LSTM", "peephole": True}], "hidden_size": [5, 3]}, []),
    ({"network": "steps", "ensemble": 2, "scaling": "revin"}, ["first of the ensemble's 2 networks"]),
    (
        {"network": "steps", "scaling": "revin", "decoder": "recursive", "loss": "quantile"},
        ["goes on over the horizon", "the first step is shown"],
    ),
    ({"network": "steps", "transform": "log"}, ["in the window's scale: transform='log'"]),
    ({"network": "steps", "loss": "normal"}, ["in the window's scale: loss='normal'"]),
    ({"network": "segments", "scaling": "revin", "cell": "GRU"}, []),
]


@pytest.mark.parametrize(("settings", "words"), FORECASTERS, ids=lambda one: str(one) if isinstance(one, dict) else "")
def test_every_network_of_a_forecaster_has_its_page(settings: dict[str, Any], words: list[str]) -> None:
    model = unrolled.Forecaster(h=4, **SHORT | settings).fit(wave_frame(3, 60))
    page = explore(model)
    network, names = first(page), page.document["names"]
    for word in words:
        assert any(word in note for note in page.notes), page.notes
    sizes = network["sizes"]
    assert names["batch"] == ["s0", "s1", "s2"]
    assert all(len(names[axis]) == sizes[axis] for axis in names)
    assert "time" in names
    # The recorded layer, run on what the page says it was given, gives what the page says it gave.
    encoder = _core(model).encoder
    with torch.no_grad():
        output, _ = encoder(torch.from_numpy(np.array(numbers(network["inputs"]))).float())
    np.testing.assert_allclose(numbers(network["trace"]["output"]).reshape(output.shape), output.numpy(), atol=1e-5)
    _check_forecast(model, network)


def _core(model: unrolled.Forecaster) -> Any:
    network: Any = model.last_windows().fitted.network
    return network.network if hasattr(network, "network") else network


def _check_forecast(model: unrolled.Forecaster, network: dict[str, Any]) -> None:
    """Follow the page's own account from its recorded output to the forecast in the units of the data."""
    head = network["head"]
    if head is None:
        return
    weight, bias = (numbers(head["layers"][0][name]) for name in ("weight", "bias"))
    last = numbers(network["trace"]["output"])[:, -1]
    first_answer = last @ weight.T + bias
    answer = numbers(head["output"])
    shown = answer[:, 0] if head["feedback"] else answer
    np.testing.assert_allclose(shown, first_answer, atol=1e-5)
    assert len(head["labels"]) == answer[0].size
    if head["unscale"] is None or model.config.ensemble > 1:
        return
    location, scale = (numbers(head["unscale"][key])[:, None, None] for key in ("location", "scale"))
    steps = len({label.partition(",")[0] for label in head["labels"]})
    forecast = np.sort(answer.reshape(3, steps, -1) * scale + location, axis=2)
    expected = model.predict()[model.config.name].to_numpy().reshape(3, 4)[:, :steps]
    np.testing.assert_allclose(forecast[..., forecast.shape[2] // 2], expected, rtol=1e-5)


def test_a_forecaster_with_covariates_names_what_it_reads() -> None:
    frame = wave_frame(2, 60)
    frame["rain"], frame["price"] = np.arange(120.0) % 13, np.arange(120.0) % 7
    frame["town"] = frame.unique_id.map({"s0": "York", "s1": "Bath"})
    past, future = frame.groupby("unique_id").head(56), frame.groupby("unique_id").tail(4)
    covariates = {"past_covariates": ["rain"], "future_covariates": ["price"], "static_covariates": ["town"]}
    for network in ("steps", "deepar", "segments"):
        model = unrolled.Forecaster(h=4, network=network, **SHORT | covariates).fit(past)
        page = model.explain(past, out=None, future=future)
        names, seen = page.document["names"], first(page)
        if network == "segments":
            assert "feature" not in names
            continue
        price = "price of the next step" if network == "deepar" else "price"
        assert names["feature"] == ["value", "observed", "rain", price, "town [0]"]
        inputs, shift = numbers(seen["inputs"]), 1 if network == "deepar" else 0
        prices = frame.price.to_numpy().reshape(2, 60)[:, 56 - 14 + shift : 56 + shift]
        assert np.corrcoef(inputs[..., 3].ravel(), prices.ravel())[0, 1] == pytest.approx(1)
        rain = past.rain.to_numpy().reshape(2, 56)[:, -14:]
        assert np.corrcoef(inputs[..., 2].ravel(), rain.ravel())[0, 1] == pytest.approx(1)


def test_targets_that_are_read_together_are_shown_together() -> None:
    frame = wave_frame(2, 60).assign(other=lambda table: table.y**2)
    model = unrolled.Forecaster(h=4, network="steps", target_col=["y", "other"], channels="joint", **SHORT).fit(frame)
    page = explore(model)
    network, names = first(page), page.document["names"]
    assert (names["batch"], network["sizes"]["batch"]) == (["s0", "s1"], 2)
    assert names["feature"] == ["y", "other", "y observed", "other observed"]
    assert network["head"]["unscale"] is None
    assert network["head"]["labels"][:2] == ["2024-03-01, y", "2024-03-01, other"]
    windows = frame.groupby("unique_id").tail(14)
    for k, name in enumerate(("y", "other")):
        values = windows[name].to_numpy().reshape(2, 14)
        scaled = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
        np.testing.assert_allclose(numbers(network["inputs"])[..., k], scaled, atol=1e-4)
    forecast = model.predict().pivot_table(index=["unique_id", "ds"], columns="target", values="LSTM")
    answer = numbers(network["head"]["output"]).reshape(2, 4, 2)
    for k, name in enumerate(("y", "other")):
        values = windows[name].to_numpy().reshape(2, 14)
        found = answer[..., k] * values.std(1, keepdims=True) + values.mean(1, keepdims=True)
        np.testing.assert_allclose(found.ravel(), forecast[name], rtol=1e-4)


def test_explain_writes_the_page_of_the_forecast(tmp_path: Path) -> None:
    model = unrolled.Forecaster(h=4, network="steps", **SHORT)
    with pytest.raises(NotFittedError):
        model.explain(out=tmp_path / "page.html")
    page = model.fit(wave_frame(2, 60)).explain(out=tmp_path / "page.html")
    assert page.path == tmp_path / "page.html"
    assert page.html == explore(model).html


def test_a_forecaster_on_other_series_of_unlike_ends() -> None:
    model = unrolled.Forecaster(h=3, input_size=6, network="steps", **QUICK).fit(wave_frame(2, 40))
    frame = wave_frame(2, 30)
    frame = frame[(frame.unique_id == "s0") | (frame.ds < "2024-01-25")]
    page = explore(model, frame)
    assert page.document["names"]["time"] == ["t-5", "t-4", "t-3", "t-2", "t-1", "t"]
    assert first(page)["head"]["labels"] == ["t+1", "t+2", "t+3"]


def test_of_many_series_evenly_many_are_shown() -> None:
    model = unrolled.Forecaster(h=2, input_size=4, **QUICK | {"max_steps": 2}).fit(wave_frame(5, 20))
    many = pd.concat([wave_frame(1, 10).assign(unique_id=f"x{k:03}") for k in range(100)])
    page = explore(model, many)
    assert first(page)["sizes"]["batch"] == 100
    assert len(first(page)["shown"]["batch"]) == 64
    assert first(page)["shown"]["batch"][-1] == 99
    assert page.document["names"]["batch"][99] == "x099"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: explore(unrolled.LSTM), DtypeError, ["the class LSTM"]),
        (lambda: explore("model"), DtypeError, ["torch.nn.Module", "got str"]),
        (lambda: explore(unrolled.LSTM(3, 5)), ConfigError, ["explore(model, x)"]),
        (lambda: explore(nn.Linear(3, 5), torch.randn(4, 3)), ConfigError, ["recurrent layers"]),
        (lambda: explore(unrolled.LSTM(3, 5), torch.randn(4, 2, 7)), ShapeError, ["F=3", "7"]),
        (lambda: explore(unrolled.LSTM(3, 5), torch.randn(4, 2, 3), [9, 9]), UnrolledError, ["9"]),
        (lambda: explore(None, torch.randn(4, 2, 3), names={}), ConfigError, ["no x here", "no names here"]),
        (lambda: explore(unrolled.Forecaster(h=2)), NotFittedError, ["fit"]),
        (lambda: explore(unrolled.Forecaster(h=2), names={"batch": []}), ConfigError, ["a forecaster brings its own"]),
        (lambda: named([1, 2]), ConfigError, ["must be a dict", "got list"]),
        (
            lambda: named({"bach": ["a"], "time": "Monday", "feature": ["a", "b"], "batch": ["only one"]}),
            ConfigError,
            ["'bach'", "Did you mean 'batch'?", "names['time'] must be a list", "of the 3 features", "got 2", "got 1"],
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told_all_at_once(call: Any, error: type[UnrolledError], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def named(names: Any) -> unrolled.Explorer:
    return explore(unrolled.LSTM(3, 5), torch.randn(4, 2, 3), names=names)


def test_the_file_is_the_page_and_replaces_an_older_one(tmp_path: Path) -> None:
    out = tmp_path / "new" / "page.html"
    for _ in range(2):
        page = explore(unrolled.GRU(3, 5), torch.randn(4, 2, 3), out=out)
        assert page.path == out
        assert out.read_text(encoding="utf-8") == page.html
        assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    assert out.stat().st_mode & 0o777 == 0o644


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "page.html"
    out.write_text("older")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ConfigError, match=r"page\.html can't be written: No space left on device"):
        explore(out=out)
    assert {path.name for path in tmp_path.iterdir()} == {"package", "page.html"}
    assert out.read_text() == "older"
    with pytest.raises(ConfigError, match="is a folder"):
        explore(out=tmp_path)


def test_its_text_says_what_is_inside(tmp_path: Path) -> None:
    page = explore(Model(unrolled.LSTM(3, 5, batch_first=True)), torch.randn(4, 7, 3), out=tmp_path / "page.html")
    text = repr(page)
    assert text.startswith("Explorer: Model\n")
    for part in (
        "layer: unrolled.LSTM, 1 layer, N=4 · T=7 · F=3 · H=5",
        "output[:, -1] → ReLU → Linear(5, 2)",
        "saturation, memory, contributions, gradient_flow",
        "The page computes it",
        f"{page.path} (0.",
    ):
        assert part in text
    assert "not written to a file" in repr(explore(unrolled.GRU(3, 80), torch.randn(4, 2, 3)))
    assert "64 of 80 units" in repr(explore(unrolled.GRU(3, 80), torch.randn(4, 2, 3)))


def test_a_notebook_shows_the_page_in_place() -> None:
    page = explore()
    frame = page._repr_html_()
    assert frame.startswith("<iframe ")
    assert html.unescape(frame.partition('srcdoc="')[2].removesuffix('"></iframe>')) == page.html


def test_open_opens_the_file_or_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    explore(out=tmp_path / "a b.html").open()
    page = explore()
    page.open()
    assert opened[0] == (tmp_path / "a b.html").as_uri()
    assert Path(opened[1].removeprefix("file://")).read_text(encoding="utf-8") == page.html


def test_without_a_page_nothing_is_computed(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    build.ABSENCE = "no Node with npm was found on the path"
    monkeypatch.setattr("unrolled.explorer.public._document", lambda *_: pytest.fail("it began to compute"))
    with pytest.raises(PageAbsentError, match=r"Node 20\.19 or newer"):
        explore(unrolled.GRU(3, 5), torch.randn(4, 2, 3))


def test_the_function_stays_a_function_whatever_is_imported_first() -> None:
    imports = "import unrolled; from unrolled.explorer import Explorer; import unrolled.explorer.public"
    program = f"{imports}; print(unrolled.explore)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("<function explore")


# --- The command line ------------------------------------------------------------------------------------------------

FAST = ["--max-steps", "4", "--val-every", "2", "--hidden-size", "4", "--input-size", "12"]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_the_commands_write_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wave_frame(2, 80).to_csv("sales.csv", index=False)
    assert run("forecast", "sales.csv", "-h", "5", *FAST, "-o", "out") == 0
    assert "explorer.html" in capsys.readouterr().out
    written = Path("out/explorer.html").read_text(encoding="utf-8")
    assert '"purpose":"forecaster"' in written
    assert run("explore", "out/model", "sales.csv", "-o", "page.html") == 0
    assert capsys.readouterr().out.startswith("Explorer: LSTM forecaster: the next 5 days of 2 series\n")
    assert Path("page.html").read_text(encoding="utf-8") == written
    assert run("explore") == 0
    assert '"purpose":"tour"' in Path("explorer.html").read_text(encoding="utf-8")


def test_a_forecast_without_a_page_says_so_in_one_line(build: Any, capsys: pytest.CaptureFixture[str]) -> None:
    build.ABSENCE = "no Node with npm was found on the path"
    wave_frame(2, 80).to_csv("sales.csv", index=False)
    assert run("forecast", "sales.csv", "-h", "5", *FAST, "-o", "out", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    (note,) = [note for note in report["notes"] if "explorer.html" in note]
    assert note.startswith("explorer.html was left out. This installation of unrolled has no explorer page")
    assert "\n" not in note
    assert not Path("out/explorer.html").exists()
    assert Path("out/forecast.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explore", "model"], "unrolled explore MODEL DATA"),
        (["explore", "nowhere", "sales.csv"], "is no folder"),
        (["explore", "-o", "package"], "is a folder"),
    ],
)
def test_wrong_use_is_one_readable_block(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert words in error
    assert "Traceback" not in error


def test_importing_it_needs_no_figures() -> None:
    importlib.import_module("unrolled.explorer")
    program = "import sys, unrolled; unrolled.explore; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("ends", [lambda y: y.sum(), lambda y: y.sum().item(), lambda y: y[:, -1].argmax(-1)])
def test_a_model_whose_answer_cannot_be_attributed_has_its_page(ends: Any) -> None:
    class Ends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.GRU(3, 5, batch_first=True)

        def forward(self, x: Tensor) -> Any:
            return ends(self.layer(x)[0])

    page = explore(Ends(), torch.randn(4, 7, 3))
    assert "attribution" not in {found["name"] for found in first(page)["analyses"]}
    assert any(note.startswith("Without attribution: ") for note in page.notes)


def test_a_batch_with_nothing_in_it() -> None:
    with pytest.raises(ShapeError, match=r"the input has not one valid step: N=0, T=7\. Pass"):
        explore(unrolled.LSTM(3, 5), torch.randn(7, 0, 3))
    with pytest.raises(ShapeError, match="of its part '0' has not one valid step"):
        explore(nn.Sequential(unrolled.LSTM(3, 5)), torch.randn(7, 0, 3))
    with pytest.raises(ShapeError, match="N=2, T=7, all lengths 0"):
        explore(unrolled.LSTM(3, 5), torch.randn(7, 2, 3), [0, 0])


@pytest.mark.parametrize("wrong", [[5], "abc", [7] * 99 + [8], [7, 8] + [7] * 98])
def test_wrong_lengths_of_a_large_batch_are_told_of_the_whole(wrong: Any) -> None:
    with pytest.raises(UnrolledError, match=r"LSTM expected (100 )?lengths"):
        explore(unrolled.LSTM(3, 5), torch.randn(7, 100, 3), wrong)


def test_a_batch_with_nan_is_still_what_the_layer_reads() -> None:
    page = explore(unrolled.LSTM(3, 5), torch.full((7, 2, 3), float("nan")))
    assert not any("does not read" in note for note in page.notes)


def test_what_is_given_in_place_of_a_model() -> None:
    with pytest.raises(DtypeError, match=r"got str\. A saved forecaster is loaded first"):
        explore("model", "data.csv")
    with pytest.raises(DtypeError, match=r"got Trace\. A trace has a run's numbers, but no weights"):
        explore(unrolled.LSTM(3, 5).trace(torch.randn(7, 2, 3)))
