from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import norm

from makers import QUICK, wave_frame
from unrolled import Forecaster
from unrolled.errors import ConfigError, NotFittedError
from unrolled.forecast.losses import loss_of
from unrolled.forecast.said import Numbers, Paths, forecast_of, quantiles_of, samples_of

SMALL = QUICK | {"network": "steps", "input_size": 12, "max_steps": 10}


@pytest.fixture(scope="module")
def student() -> Forecaster:
    return Forecaster(h=4, loss="student_t", **SMALL).fit(wave_frame(2, 70))


def test_samples_come_as_a_long_table_of_the_inputs_kind(student: Forecaster) -> None:
    samples = student.sample(n=3)
    assert samples.columns.tolist() == ["unique_id", "ds", "sample", "value"]
    assert len(samples) == 2 * 3 * 4
    assert samples["sample"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [0] * 4 + [1] * 4 + [2] * 4
    forecast = student.predict()
    assert samples["ds"].tolist()[:4] == forecast["ds"].tolist()[:4]
    assert samples["unique_id"].unique().tolist() == ["s0", "s1"]
    assert isinstance(student.sample(pl.from_pandas(wave_frame(2, 70)), n=2), pl.DataFrame)


def test_one_seed_gives_one_set_of_samples(student: Forecaster) -> None:
    first, again, other = (student.sample(n=5, seed=seed)["value"] for seed in (7, 7, 8))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    assert student.sample(n=5)["value"].tolist() == student.sample(n=5)["value"].tolist()


def test_the_quantiles_of_many_samples_are_those_of_predict(student: Forecaster) -> None:
    samples = student.sample(n=20_000, seed=1)
    forecast = student.predict(quantiles=[0.1, 0.5, 0.9])
    merged = samples.merge(forecast, on=["unique_id", "ds"])
    for share in (0.1, 0.5, 0.9):
        shares = (merged["value"] < merged[f"LSTM-ql{share:g}"]).groupby([merged["unique_id"], merged["ds"]]).mean()
        assert (abs(shares - share) < 0.02).all()


def test_samples_of_a_transformed_model_are_in_units_of_the_data() -> None:
    table = wave_frame(1, 70)
    table["y"] = np.exp(table["y"])
    samples = Forecaster(h=4, loss="normal", transform="boxcox", **SMALL).fit(table).sample(n=50)["value"]
    assert (samples >= 0).all()
    assert table["y"].min() / 100 < samples.median() < table["y"].max() * 100


def test_counts_are_drawn_whole() -> None:
    table = wave_frame(1, 70)
    table["y"] = table["y"].round() * 10
    samples = Forecaster(h=4, loss="negative_binomial", **SMALL).fit(table).sample(n=50)["value"]
    np.testing.assert_allclose(samples, samples.round(), atol=1e-4)
    assert (samples >= 0).all()


def test_paths_are_drawn_by_networks_that_feed_back_samples() -> None:
    table = wave_frame(2, 70)
    model = Forecaster(h=4, **SMALL | {"network": "deepar"}).fit(table)
    first, again = model.sample(n=6, seed=3), model.sample(n=6, seed=3)
    assert len(first) == 2 * 6 * 4
    assert first["value"].tolist() == again["value"].tolist()
    assert model.predict()["LSTM"].tolist() == model.predict()["LSTM"].tolist()


@pytest.mark.parametrize("loss", ["mae", "quantile"])
def test_losses_without_a_distribution_say_which_have_one(loss: str) -> None:
    model = Forecaster(h=4, loss=loss, **SMALL | {"max_steps": 1}).fit(wave_frame(1, 70))
    with pytest.raises(ConfigError, match=rf"loss='{loss}' tells no distribution.*'normal', 'student_t'"):
        model.sample()


def test_wrong_numbers_are_named(student: Forecaster) -> None:
    with pytest.raises(ConfigError) as caught:
        student.sample(n=0, seed=-1)
    assert caught.value.problems == (
        "n is a whole number of at least 1; got 0.",
        "seed is a whole number of at least 0; got -1.",
    )
    with pytest.raises(ConfigError, match=r"seed is below 2\*\*63; got 9223372036854775808\."):
        student.sample(seed=1 << 63)
    with pytest.raises(NotFittedError):
        Forecaster(h=2, loss="normal").sample()


# --- ensembles ---


def _units(location: float, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[location]], dtype=torch.float64), torch.tensor([[scale]], dtype=torch.float64)


def _normals() -> list[Numbers]:
    """Return three networks' normals, told in three scales."""
    loss = loss_of(Forecaster(h=1, loss="normal").config)
    told = [((0.0, 1.0), 0.3, 0.5), ((5.0, 2.0), -2.0, 1.0), ((1.0, 10.0), 0.05, -3.0)]
    return [Numbers(*_units(*units), loss, torch.tensor([[[mean, raw]]])) for units, mean, raw in told]


def test_an_ensembles_quantiles_are_the_medians_of_its_networks() -> None:
    said, shares = _normals(), (0.05, 0.5, 0.8)
    found = quantiles_of(said, shares, None)[0, 0]
    moments = [(0.3, 0.5, 0.0, 1.0), (-2.0, 1.0, 5.0, 2.0), (0.05, -3.0, 1.0, 10.0)]
    each = [
        norm(mean * scale + location, (np.log1p(np.exp(raw)) + 1e-4) * scale).ppf(shares)
        for mean, raw, location, scale in moments
    ]
    np.testing.assert_allclose(found, np.median(each, axis=0), rtol=1e-5)
    assert forecast_of(said).item() == pytest.approx(found[1])


def test_an_ensembles_samples_have_its_quantiles() -> None:
    said = _normals()
    samples = samples_of(said, 50_000, torch.Generator().manual_seed(0))[0, 0]
    found = quantiles_of(said, (0.05, 0.5, 0.8), None)[0, 0]
    np.testing.assert_allclose(np.quantile(samples, (0.05, 0.5, 0.8)), found, atol=0.05)


def test_an_ensembles_paths_hang_together_as_the_first_networks_do() -> None:
    draw = torch.Generator().manual_seed(0)
    walks = [torch.randn(1, 6, 400, generator=draw, dtype=torch.float64).cumsum(1) for _ in range(3)]
    said = [Paths(*_units(0, 1), walk) for walk in walks]
    joined = samples_of(said, 400, draw)[0]
    first = walks[0][0].numpy()
    assert (joined.argsort(axis=1) == first.argsort(axis=1)).all()
    expected = np.median([np.sort(walk[0].numpy(), axis=1) for walk in walks], axis=0)
    np.testing.assert_allclose(np.sort(joined, axis=1), expected)


def test_paths_are_read_by_their_order() -> None:
    paths = torch.randn(2, 3, 200, generator=torch.Generator().manual_seed(0))
    said = Paths(torch.tensor([[1.0], [2.0]]).double(), torch.tensor([[3.0], [0.5]]).double(), paths)
    back = paths.double().numpy() * np.array([3, 0.5])[:, None, None] + np.array([1, 2])[:, None, None]
    np.testing.assert_allclose(said.point(), np.median(back, axis=2))
    np.testing.assert_allclose(said.quantiles((0.1, 0.9))[..., 0], np.quantile(back, 0.1, axis=2))


# --- several targets ---


@pytest.mark.parametrize("settings", [{}, {"channels": "joint"}, {"channels": "joint", "network": "deepar"}], ids=str)
def test_several_targets_are_drawn_and_have_quantiles_each_in_its_units(settings) -> None:
    table = wave_frame(1, 70).assign(warm=lambda rows: 1000 + 100 * rows["y"])
    model = Forecaster(h=3, loss="normal", target_col=["y", "warm"], **SMALL | settings).fit(table)
    forecast, samples = model.predict(quantiles=[0.1, 0.9]), model.sample(n=300)
    assert samples.columns.tolist() == ["unique_id", "ds", "target", "sample", "value"]
    for name, low, high in (("y", -20, 30), ("warm", 0, 3000)):
        of_target = forecast[forecast["target"] == name]
        drawn = samples[samples["target"] == name]
        assert ((low < of_target["LSTM-ql0.1"]) & (of_target["LSTM-ql0.9"] < high)).all()
        inside = drawn.merge(of_target, on=["ds"])
        share = (inside["value"].between(inside["LSTM-ql0.1"], inside["LSTM-ql0.9"])).mean()
        assert share == pytest.approx(0.8, abs=0.06)
