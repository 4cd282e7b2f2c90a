from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from makers import QUICK, panel_of, wave_frame
from unrolled import Forecaster
from unrolled.errors import DataError
from unrolled.forecast.batch import Batch
from unrolled.forecast.config import Config
from unrolled.forecast.inputs import Inputs
from unrolled.forecast.losses import DISTRIBUTIONS, DistributionLoss, loss_of
from unrolled.forecast.losses.beta import incomplete_beta
from unrolled.forecast.losses.student import log_gamma_half_step, t_quantile
from unrolled.forecast.losses.targets import refuse_targets

POINTS = ("mae", "mse", "huber", "smape", "mase")
COUNTS = ("poisson", "negative_binomial")
SHARES = (0.001, 0.025, 0.1, 0.5, 0.8, 0.975, 0.999)
POWER = 1.5  # of Tweedie's variance


def batch_of(
    targets: np.ndarray, observed: np.ndarray | None = None, location: float = 0, scale: float = 1, unit: float = 1
) -> Batch:
    """Return a batch of (R, h) scaled targets."""
    targets_Rh = torch.as_tensor(targets, dtype=torch.float32)
    observed_Rh = torch.ones_like(targets_Rh) if observed is None else torch.as_tensor(observed, dtype=torch.float32)
    R, h = targets_Rh.shape
    inputs = Inputs(torch.zeros(R, 3, 2), torch.zeros(R, 3, 0), torch.zeros(R, 3 + h, 0), torch.zeros(R, 0))
    numbers = (torch.full((R, 1), float(one), dtype=torch.float64) for one in (location, scale, unit))
    return Batch(inputs, torch.stack([targets_Rh, observed_Rh], dim=2), *numbers)


def outputs_of(loss: str, R: int = 5, h: int = 7, seed: int = 0) -> torch.Tensor:
    """Return what a network might say."""
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(R, h, loss_of(Config(h, loss=loss)).outputs, generator=draw)


def targets_for(loss: str, scale: float = 1, R: int = 5, h: int = 7) -> np.ndarray:
    """Return (R, h) scaled targets that the loss can be of, zeros among those of counts."""
    draw = np.random.default_rng(1)
    if loss in COUNTS:
        return draw.poisson(3, (R, h)) / scale
    return draw.gamma(1.0, 2.0, (R, h)) * (draw.random((R, h)) > 0.4) if loss == "tweedie" else draw.normal(size=(R, h))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


# --- one number a step ---

BY_HAND = {
    "mae": lambda y, f, **_: np.abs(y - f),
    "mse": lambda y, f, **_: (y - f) ** 2,
    "huber": lambda y, f, **_: np.where(np.abs(y - f) <= 1, 0.5 * (y - f) ** 2, np.abs(y - f) - 0.5),
    "smape": lambda y, f, location, scale, **_: (
        2 * scale * np.abs(y - f) / (np.abs(y * scale + location) + np.abs(f * scale + location))
    ),
    "mase": lambda y, f, scale, unit, **_: np.abs(y - f) * scale / unit,
}


@pytest.mark.parametrize("name", POINTS)
def test_point_losses_are_means_over_observed_points(name: str) -> None:
    forecast, targets = outputs_of(name), targets_for(name)
    observed = np.random.default_rng(2).random(targets.shape) > 0.3
    units = {"location": 50.0, "scale": 4.0, "unit": 2.5}
    y, f = targets.astype(np.float32).astype(float), forecast[..., 0].double().numpy()
    expected = BY_HAND[name](y, f, **units)[observed].mean()
    loss = loss_of(Config(7, loss=name))(forecast, batch_of(targets, observed, **units))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_values_around_zero_do_not_take_smape_over() -> None:
    forecast = torch.zeros(1, 2, 1, requires_grad=True)
    cost = loss_of(Config(2, loss="smape"))(forecast, batch_of(np.array([[0.0, 1e-6]]), scale=7.0))
    cost.backward()
    assert cost.item() == pytest.approx(2 * 1e-6 / 0.1 / 2)
    assert forecast.grad is not None
    assert forecast.grad.abs().max() <= 2 / 0.1


def test_a_series_without_seasonal_change_does_not_take_mase_over() -> None:
    cost = loss_of(Config(1, loss="mase")).costs(torch.zeros(1, 1, 1), batch_of(np.array([[2.0]]), unit=1e-13))
    assert cost.item() == 200


# --- quantiles ---


def test_quantile_loss_is_the_mean_pinball_loss() -> None:
    quantiles = (0.1, 0.5, 0.8)
    forecast = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    targets, cost = targets_for("quantile"), []
    seen = np.random.default_rng(2).random(targets.shape) > 0.3
    for number, q in enumerate(quantiles):
        error = (targets - forecast[..., number].double().numpy())[seen]
        cost.append(np.where(error >= 0, q * error, (q - 1) * error))
    loss = loss_of(Config(7, loss="quantile", quantiles=quantiles))(forecast, batch_of(targets, seen))
    assert loss.item() == pytest.approx(np.mean(cost), rel=1e-5)


def test_the_quantile_loss_is_least_at_the_quantile() -> None:
    sample = batch_of(np.arange(101.0)[:, None])
    loss = loss_of(Config(1, loss="quantile", quantiles=(0.2, 0.5)))
    at = [loss(torch.tensor([[[float(g), 50.0]]]).expand(101, 1, 2), sample).item() for g in range(101)]
    assert int(np.argmin(at)) == 20


def test_learnt_quantiles_never_cross_whatever_the_network_says_and_the_point_is_the_median() -> None:
    config = Config(7)
    loss = loss_of(Config(7, loss="quantile"))
    crossed = outputs_of("quantile")
    assert (crossed.diff(dim=2) < 0).any()
    read = loss.quantiles(crossed, torch.ones(5, 1), config.quantiles)
    assert (read.diff(dim=2) >= 0).all()
    assert torch.equal(read[..., config.quantiles.index(0.5)], loss.point(crossed).double())
    some = loss.quantiles(crossed, torch.ones(5, 1), (0.1, 0.9))
    assert torch.equal(some, read[..., [config.quantiles.index(0.1), config.quantiles.index(0.9)]])


def test_putting_quantiles_in_order_never_costs_more() -> None:
    loss, crossed, batch = loss_of(Config(7, loss="quantile")), outputs_of("quantile"), batch_of(targets_for("mae"))
    assert (loss.costs(crossed.sort(dim=2).values, batch) <= loss.costs(crossed, batch) + 1e-6).all()


# --- distributions ---


def peer(loss: str, raw: np.ndarray, scale: float) -> object:
    """Return scipy's distribution of the values in units of the data, by the documented parametrisation."""
    if loss == "normal":
        return scipy.stats.norm(raw[..., 0] * scale, (softplus(raw[..., 1]) + 1e-4) * scale)
    if loss == "student_t":
        freedom = softplus(raw[..., 2]) + 2.01
        return scipy.stats.t(freedom, raw[..., 0] * scale, (softplus(raw[..., 1]) + 1e-4) * scale)
    mean = (softplus(raw[..., 0]) + 1e-6) * scale
    if loss == "poisson":
        return scipy.stats.poisson(mean)
    shape = softplus(raw[..., 1]) / np.sqrt(scale) + 1e-8
    return scipy.stats.nbinom(1 / shape, 1 / (1 + shape * mean))


def tweedie_share(value: float, mean: float, dispersion: float) -> float:
    """Return P(Y <= value) by summing over the number of amounts, each a gamma of shape (2 - p) / (p - 1)."""
    number = mean ** (2 - POWER) / (dispersion * (2 - POWER))
    amount, shape = dispersion * (POWER - 1) * mean ** (POWER - 1), (2 - POWER) / (POWER - 1)
    counts = np.arange(1, int(number + 12 * np.sqrt(number) + 40))
    weights = scipy.stats.poisson(number).pmf(counts)
    return np.exp(-number) + (weights * scipy.stats.gamma(counts * shape, scale=amount).cdf(value)).sum()


def tweedie_log_density(value: float, mean: float, dispersion: float) -> float:
    number = mean ** (2 - POWER) / (dispersion * (2 - POWER))
    if value == 0:
        return -number
    amount, shape = dispersion * (POWER - 1) * mean ** (POWER - 1), (2 - POWER) / (POWER - 1)
    counts = np.arange(1, int(number + 12 * np.sqrt(number) + 200))
    terms = scipy.stats.poisson(number).logpmf(counts) + scipy.stats.gamma(counts * shape, scale=amount).logpdf(value)
    return scipy.special.logsumexp(terms)


@pytest.mark.parametrize("scale", [1.0, 40.0])
@pytest.mark.parametrize("loss", ["normal", "student_t", "poisson", "negative_binomial"])
def test_costs_are_scipys_negative_log_likelihood(loss: str, scale: float) -> None:
    raw, targets = outputs_of(loss).double(), targets_for(loss, scale)
    costs = loss_of(Config(7, loss=loss)).costs(raw, batch_of(targets, scale=scale)).numpy()
    values = targets.astype(np.float32).astype(float) * scale
    with_scipy = peer(loss, raw.numpy(), scale)
    # A density in the window's scale is that in the data's units times the scale; a probability is the same in both.
    expected = with_scipy.logpmf(values.round()) if loss in COUNTS else with_scipy.logpdf(values) + np.log(scale)
    np.testing.assert_allclose(costs, -expected, rtol=1e-9, atol=1e-9)


def test_tweedies_costs_are_the_negative_log_likelihood_of_the_compound_sum() -> None:
    raw, targets = outputs_of("tweedie").double(), targets_for("tweedie").astype(np.float32).astype(float)
    costs = loss_of(Config(7, loss="tweedie")).costs(raw, batch_of(targets)).numpy()
    mean, dispersion = softplus(raw[..., 0].numpy()) + 1e-6, softplus(raw[..., 1].numpy()) + 1e-3
    assert (targets == 0).any()
    expected = np.vectorize(tweedie_log_density)(targets, mean, dispersion)
    np.testing.assert_allclose(costs, -expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 40.0, 1e5])
@pytest.mark.parametrize("loss", ["normal", "student_t", "poisson", "negative_binomial"])
def test_quantiles_are_scipys(loss: str, scale: float) -> None:
    raw = outputs_of(loss).double()
    found = loss_of(Config(7, loss=loss)).quantiles(raw, torch.full((5, 1), scale), SHARES).numpy() * scale
    expected = np.stack([peer(loss, raw.numpy(), scale).ppf(share) for share in SHARES], axis=2)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-6)
    assert (np.diff(found, axis=2) >= 0).all()


def test_tweedies_quantiles_have_their_share_below_them() -> None:
    raw = outputs_of("tweedie", R=3).double()
    raw[0, 0] = torch.tensor([5.0, -4.0])  # hundreds of amounts: nearly a normal
    raw[0, 1] = torch.tensor([-6.0, 3.0])  # nearly always 0
    found = loss_of(Config(7, loss="tweedie")).quantiles(raw, torch.ones(3, 1), SHARES).numpy()
    mean, dispersion = softplus(raw[..., 0].numpy()) + 1e-6, softplus(raw[..., 1].numpy()) + 1e-3
    for number, share in enumerate(SHARES):
        below = np.vectorize(tweedie_share)(found[..., number], mean, dispersion)
        lump = np.vectorize(tweedie_share)(0.0, mean, dispersion)
        np.testing.assert_allclose(below, np.maximum(share, lump), atol=1e-9)
        assert (found[lump >= share, number] == 0).all()
    assert (found == 0).any()


@pytest.mark.parametrize("loss", DISTRIBUTIONS)
def test_samples_have_the_quantiles_and_come_from_the_seed(loss: str) -> None:
    raw, scale = outputs_of(loss, R=1, h=4, seed=3), torch.full((1, 1), 9.0)
    one = loss_of(Config(4, loss=loss))
    samples = one.sample(raw, scale, 40_000, torch.Generator().manual_seed(0))
    again = one.sample(raw, scale, 40_000, torch.Generator().manual_seed(0))
    assert samples.dtype == torch.float32
    assert torch.equal(samples, again)
    quantiles = one.quantiles(raw, scale, SHARES)
    for number, share in enumerate(SHARES):
        up_to = (samples <= quantiles[..., number : number + 1] * (1 + 1e-5)).double().mean(2)
        under = (samples < quantiles[..., number : number + 1] * (1 - 1e-5)).double().mean(2)
        assert (up_to > share - 0.01).all()
        assert (under < share + 0.01).all()


@pytest.mark.parametrize("loss", DISTRIBUTIONS)
def test_the_point_is_the_mean_of_counts_and_the_median_of_others(loss: str) -> None:
    raw, scale = outputs_of(loss, R=2, h=3, seed=3), torch.full((2, 1), 9.0)
    one = loss_of(Config(3, loss=loss))
    samples = one.sample(raw.double(), scale, 100_000, torch.Generator().manual_seed(0))
    middle = samples.median(2).values if loss in ("normal", "student_t") else samples.mean(2)
    error = samples.std(2) / 100_000**0.5
    assert ((one.point(raw) - middle).abs() < 6 * error).all()


@pytest.mark.parametrize("loss", [*DISTRIBUTIONS, *POINTS, "quantile"])
def test_gradients_are_right(loss: str) -> None:
    raw = outputs_of(loss, R=3, h=4).double().requires_grad_()
    batch = batch_of(targets_for(loss, R=3, h=4), scale=1.0, location=3.0 if loss == "smape" else 0.0)
    assert torch.autograd.gradcheck(lambda raw: loss_of(Config(4, loss=loss)).costs(raw, batch), raw)


@pytest.mark.parametrize("loss", DISTRIBUTIONS)
def test_whatever_a_network_says_of_whatever_value_costs_and_gradients_are_finite(loss: str) -> None:
    one = loss_of(Config(1, loss=loss))
    said, values = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4]), np.array([0.0, 1e-3, 1.0, 1e6])
    raw = said[:, None, None].expand(5, 4, one.outputs).clone().requires_grad_()
    costs = one.costs(raw, batch_of(np.broadcast_to(values, (5, 4)).copy(), scale=100.0))
    costs.sum().backward()
    assert raw.grad is not None
    assert costs.isfinite().all()
    assert raw.grad.isfinite().all()


@pytest.mark.parametrize("loss", DISTRIBUTIONS)
def test_whatever_a_network_says_can_be_drawn_from_and_has_quantiles_in_order(loss: str) -> None:
    one = loss_of(Config(1, loss=loss))
    said = torch.tensor([-1e4, 0.0, 1e4, 1e20])
    raw, scale = said[None, :, None].expand(2, 4, one.outputs), torch.tensor([[1.0], [1e4]])
    quantiles = one.quantiles(raw, scale, (0.1, 0.9))
    assert isinstance(one, DistributionLoss)
    assert quantiles.isfinite().all()
    assert (quantiles.diff(dim=2) >= 0).all()
    assert one.sample(raw, scale, 5, torch.Generator().manual_seed(0)).isfinite().all()


@pytest.mark.parametrize("loss", ["poisson", "negative_binomial"])
def test_of_numbers_that_are_none_no_count_is_looked_for_ever(loss: str) -> None:
    one = loss_of(Config(1, loss=loss))
    assert isinstance(one, DistributionLoss)
    raw = torch.tensor([np.nan, 2.0])[:, None, None].expand(2, 1, one.outputs)
    found = one.quantiles(raw, torch.ones(2, 1), (0.1, 0.9))
    assert found[0].isnan().all()
    np.testing.assert_array_equal(found[1], one.quantiles(raw[1:], torch.ones(1, 1), (0.1, 0.9))[0])


def test_a_wrong_missing_value_of_a_count_loss_is_harmless() -> None:
    for loss in (*COUNTS, "tweedie"):
        one = loss_of(Config(2, loss=loss))
        raw = torch.zeros(1, 2, one.outputs, requires_grad=True)
        cost = one(raw, batch_of(np.array([[1.0, -7.3]]), np.array([[1.0, 0.0]])))
        cost.backward()
        alone = one(raw[:, :1], batch_of(np.array([[1.0]])))
        assert cost.item() == pytest.approx(alone.item())
        assert raw.grad is not None
        assert raw.grad.isfinite().all()


def test_counts_of_millions_keep_their_digits() -> None:
    raw = torch.tensor([[[0.5, -3.0]]])
    value, scale = 1_234_567.0, 1_000_003.0
    cost = loss_of(Config(1, loss="negative_binomial")).costs(raw, batch_of(np.array([[value / scale]]), scale=scale))
    expected = -peer("negative_binomial", raw.double().numpy(), scale).logpmf(value)
    assert cost.item() == pytest.approx(expected.item(), rel=1e-7)


# --- all of them ---


@pytest.mark.parametrize("name", [*POINTS, "quantile", *DISTRIBUTIONS])
def test_missing_points_give_no_loss_and_no_gradient(name: str) -> None:
    forecast = outputs_of(name).requires_grad_()
    observed = np.random.default_rng(2).random((5, 7)) > 0.3
    loss_of(Config(7, loss=name))(forecast, batch_of(targets_for(name), observed)).backward()
    assert forecast.grad is not None
    assert (forecast.grad[~torch.as_tensor(observed)] == 0).all()
    assert (forecast.grad[torch.as_tensor(observed)] != 0).any()


@pytest.mark.parametrize("name", [*POINTS, "quantile", *DISTRIBUTIONS])
def test_a_batch_with_nothing_observed_costs_nothing(name: str) -> None:
    batch = batch_of(targets_for(name), np.zeros((5, 7)))
    assert loss_of(Config(7, loss=name))(outputs_of(name), batch).item() == 0


# --- functions that PyTorch lacks ---


def test_the_incomplete_beta_function_is_scipys() -> None:
    draw = np.random.default_rng(0)
    a, b = 10 ** draw.uniform(-2, 4, (2, 500))
    x = np.clip(a / (a + b) + draw.normal(size=500) * np.sqrt(a * b) / (a + b) ** 1.5, 1e-6, 1 - 1e-6)
    found = incomplete_beta(*map(torch.as_tensor, (a, b, x))).numpy()
    np.testing.assert_allclose(found, scipy.special.betainc(a, b, x), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("share", [1e-5, 0.025, 0.4, 0.5, 0.9, 0.9999])
def test_the_quantiles_of_students_t_are_scipys(share: float) -> None:
    freedom = np.array([2.01, 2.5, 3, 4.7, 10, 33, 1e3, 1e6])
    found = t_quantile(share, torch.as_tensor(freedom)).numpy()
    np.testing.assert_allclose(found, scipy.stats.t.ppf(share, freedom), rtol=1e-8)


def test_the_difference_of_log_gammas_keeps_its_digits() -> None:
    x = np.array([1.0, 3.3, 19.999, 20.0, 77.0, 1e5, 1e12])
    expected = scipy.special.poch(x, 0.5)
    np.testing.assert_allclose(log_gamma_half_step(torch.as_tensor(x)).numpy(), np.log(expected), rtol=1e-13)


# --- values that a loss can't be of ---


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("poisson", "loss='poisson' is of counts, whole numbers from 0 up; ('s0', 2) is 2.5 and 1 more is as wrong."),
        ("negative_binomial", "('s0', 2) is 2.5 and 1 more is as wrong"),
        ("tweedie", "loss='tweedie' is of amounts from 0 up; ('s1', 1) is -4. Of the others"),
    ],
)
def test_values_that_a_loss_cannot_be_of_are_named(loss: str, expected: str) -> None:
    panel = panel_of([np.array([1.0, np.nan, 2.5]), np.array([0.0, -4.0, 2.0])])
    with pytest.raises(DataError) as caught:
        refuse_targets(panel, Config(1, loss=loss))
    assert expected in str(caught.value)


@pytest.mark.parametrize("loss", ["mae", "quantile", "normal", "student_t"])
def test_other_losses_take_any_value(loss: str) -> None:
    refuse_targets(panel_of([np.array([-1.5, np.nan])]), Config(1, loss=loss))


def test_they_are_refused_before_any_training(monkeypatch) -> None:
    monkeypatch.setattr("unrolled.forecast.fitting.train", lambda *_, **__: pytest.fail("trained"))
    table = wave_frame(2, 60)
    for loss in (*COUNTS, "tweedie"):
        with pytest.raises(DataError, match=rf"loss='{loss}' is of .* \('s0', 2024-02-20\) is -7"):
            Forecaster(h=2, loss=loss, **QUICK).fit(table.assign(y=table["y"].round().where(table.index != 50, -7)))


def test_counts_take_zeros_and_gaps() -> None:
    for loss in (*COUNTS, "tweedie"):
        refuse_targets(panel_of([np.array([0.0, np.nan, 7.0])]), Config(1, loss=loss))
