"""Each initialiser against its distribution's own formulas: exact bounds, moments, and the whole CDF.

A Kolmogorov-Smirnov distance over n draws exceeds 1.95/√n with probability 0.001; with the seeds fixed nothing here is
random. The standard error of n draws' mean is σ/√n; 4 of them are allowed.
"""

import math
import re

import numpy as np
import pytest
import torch

from unrolled import init
from unrolled.errors import ConfigError, DtypeError, ShapeError
from unrolled.init.base import check_target, count_problem, number_problem

F, H, B = 12, 60, 4
KEEP = math.erf(2 / math.sqrt(2))  # the part of a normal distribution within 2 standard deviations


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal_cdf(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def cdf_of_uniform(bound):
    return lambda x: np.clip((x + bound) / (2 * bound), 0, 1)


def cdf_of_normal(std, mean=0.0):
    return lambda x: normal_cdf((x - mean) / std)


def cdf_of_truncated(std, mean=0.0):
    return lambda x: np.clip((normal_cdf((x - mean) / std) - normal_cdf(-2.0)) / KEEP, 0, 1)


def distance(values, cdf):
    """How far the empirical distribution is from `cdf`, at most."""
    values = np.sort(values.double().numpy().ravel())
    ranks = np.arange(len(values) + 1) / len(values)
    expected = cdf(values)
    return max(np.abs(ranks[1:] - expected).max(), np.abs(ranks[:-1] - expected).max())


GLOROT_WHOLE, GLOROT_BLOCK = 6 / (F + B * H), 6 / (F + H)
TRUNCATED_VARIANCE = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / KEEP
UNIFORM = [
    (init.uniform(), 1 / math.sqrt(F)),
    (init.uniform(blocks=B), 1 / math.sqrt(F)),
    (init.uniform(bound=0.3), 0.3),
    (init.he_uniform(), math.sqrt(6 / F)),
    (init.glorot_uniform(), math.sqrt(GLOROT_WHOLE)),
    (init.glorot_uniform(blocks=B), math.sqrt(GLOROT_BLOCK)),
    (init.wide_uniform(), 4 * math.sqrt(GLOROT_WHOLE)),
    (init.wide_uniform(blocks=B), 4 * math.sqrt(GLOROT_BLOCK)),
]
NORMAL = [
    (init.he_normal(), math.sqrt(2 / F)),
    (init.glorot_normal(), math.sqrt(GLOROT_WHOLE / 3)),
    (init.glorot_normal(blocks=B), math.sqrt(GLOROT_BLOCK / 3)),
]
TRUNCATED = [
    (init.truncated_normal(), 0.05, 0.0),
    (init.truncated_normal(mean=3.0, std=0.5), 0.5, 3.0),
    (init.he_normal(truncated=True), math.sqrt(2 / F / TRUNCATED_VARIANCE), 0.0),
    (init.glorot_normal(truncated=True), math.sqrt(GLOROT_WHOLE / 3 / TRUNCATED_VARIANCE), 0.0),
    (init.glorot_normal(blocks=B, truncated=True), math.sqrt(GLOROT_BLOCK / 3 / TRUNCATED_VARIANCE), 0.0),
]
ALL = [init.constant(2.0), init.orthogonal(blocks=2), *(row[0] for row in UNIFORM + NORMAL + TRUNCATED)]


@pytest.mark.parametrize(("initialiser", "bound"), UNIFORM)
def test_uniform(initialiser, bound):
    drawn = initialiser(torch.empty(B * H, F, dtype=torch.float64), seeded())
    n = drawn.numel()
    assert drawn.abs().max() <= bound
    # The largest of n draws stays below (1 − a)·bound with probability (1 − a)ⁿ: here less than e⁻⁹.
    assert drawn.abs().max() > (1 - 9 / n) * bound
    assert distance(drawn, cdf_of_uniform(bound)) < 1.95 / math.sqrt(n)


@pytest.mark.parametrize(("initialiser", "std"), NORMAL)
def test_normal(initialiser, std):
    drawn = initialiser(torch.empty(B * H, F, dtype=torch.float64), seeded())
    n = drawn.numel()
    assert abs(drawn.mean()) < 4 * std / math.sqrt(n)
    # The standard error of a normal sample's variance is σ²·√(2/n).
    assert abs(drawn.square().mean() / std**2 - 1) < 4 * math.sqrt(2 / n)
    assert distance(drawn, cdf_of_normal(std)) < 1.95 / math.sqrt(n)
    assert drawn.abs().max() > 2 * std


@pytest.mark.parametrize(("initialiser", "std", "mean"), TRUNCATED)
def test_truncated(initialiser, std, mean):
    drawn = initialiser(torch.empty(B * H, F, dtype=torch.float64), seeded())
    n = drawn.numel()
    assert (drawn - mean).abs().max() <= 2 * std
    assert (drawn - mean).abs().max() > 1.98 * std
    assert abs(drawn.mean() - mean) < 4 * std / math.sqrt(n)
    assert abs((drawn - mean).square().mean() / std**2 - TRUNCATED_VARIANCE) < 4 * math.sqrt(2 / n)
    assert distance(drawn, cdf_of_truncated(std, mean)) < 1.95 / math.sqrt(n)


@pytest.mark.parametrize("name", ["he_normal", "glorot_normal"])
def test_truncating_keeps_the_variance(name):
    plain, cut = (
        getattr(init, name)(truncated=truncated)(torch.empty(B * H, F, dtype=torch.float64), seeded()).std()
        for truncated in (False, True)
    )
    assert abs(cut / plain - 1) < 8 / math.sqrt(2 * B * H * F)


def test_a_vectors_fans_are_its_blocks_length():
    cases = [(init.uniform(blocks=4), 0.5), (init.glorot_uniform(), math.sqrt(6 / 32)), (init.he_uniform(4), 1.5**0.5)]
    for initialiser, bound in cases:
        largest = max(initialiser(torch.empty(16), seeded(seed)).abs().max() for seed in range(40))
        assert 0.95 * bound < largest <= bound


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float32, 1e-6), (torch.float64, 1e-12), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("shape", [(5, 5), (20, 5), (5, 20), (1, 7), (7, 1)])
def test_orthogonal(shape, dtype, tol):
    q = init.orthogonal(gain=1.5)(torch.empty(shape, dtype=dtype), seeded()).double() / 1.5
    gram = q.T @ q if shape[0] >= shape[1] else q @ q.T
    # bfloat16 keeps 8 bits of each entry; the others' own rounding is 1e-7 and 1e-16.
    torch.testing.assert_close(gram, torch.eye(min(shape), dtype=torch.float64), rtol=0, atol=tol)


def test_orthogonal_blocks_are_each_orthogonal_and_differ():
    blocks = init.orthogonal(blocks=3)(torch.empty(15, 5, dtype=torch.float64), seeded()).chunk(3)
    for block in blocks:
        torch.testing.assert_close(block @ block.T, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-12)
    assert not torch.allclose(blocks[0], blocks[1], atol=1e-3)
    whole = init.orthogonal()(torch.empty(15, 5, dtype=torch.float64), seeded())
    torch.testing.assert_close(whole.T @ whole, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-12)
    # The squared norms of the whole kernel's blocks share 5 among them; by itself each would have 5.
    assert max(block.square().sum() for block in whole.chunk(3)) < 4


def test_orthogonal_draws_every_rotation_alike():
    """Without the correction of signs the first entry of a QR's Q is never positive."""
    draws = torch.stack([init.orthogonal()(torch.empty(2, 2), seeded(seed)) for seed in range(400)])
    # The direction of the first column is uniform on the circle; the determinant's sign is a fair coin.
    angles = torch.atan2(draws[:, 1, 0], draws[:, 0, 0])
    assert distance(angles, cdf_of_uniform(math.pi)) < 1.95 / math.sqrt(400)
    assert abs(torch.linalg.det(draws).mean()) < 4 / math.sqrt(400)


@pytest.mark.parametrize("initialiser", ALL, ids=repr)
def test_every_initialiser_keeps_the_contract(initialiser):
    parameter = torch.nn.Parameter(torch.full((8, 6), torch.nan))
    assert initialiser(parameter) is parameter
    assert parameter.requires_grad
    assert parameter.grad_fn is None
    assert parameter.isfinite().all()
    first, second = (initialiser(torch.empty(8, 6), seeded(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert eval(f"init.{initialiser!r}", {"init": init}) == initialiser
    with pytest.raises(AttributeError):
        initialiser.blocks = 7


@pytest.mark.parametrize("initialiser", ALL, ids=repr)
def test_every_initialiser_fills_views_other_types_empty_and_meta_tensors(initialiser):
    around = torch.full((6, 16), torch.nan)
    initialiser(around.T[:8])
    assert around[:, :8].isfinite().all()
    assert around[:, 8:].isnan().all()
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert initialiser(torch.full((8, 6), torch.nan, dtype=dtype)).isfinite().all()
    assert initialiser(torch.empty(0, 6)).shape == (0, 6)
    assert initialiser(torch.empty(8, 0)).shape == (8, 0)
    assert initialiser(torch.empty(8, 6, device="meta"), seeded()).is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_initialiser_draws_on_the_tensors_own_device():
    for initialiser in ALL:
        generators = [torch.Generator("cuda").manual_seed(3) for _ in range(2)]
        first, second = (initialiser(torch.empty(8, 6, device="cuda"), generator) for generator in generators)
        assert first.is_cuda
        assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_are_the_wide_draw_rounded(dtype):
    for initialiser in (init.orthogonal(), init.truncated_normal()):
        wide = initialiser(torch.empty(8, 6), seeded())
        assert torch.equal(initialiser(torch.empty(8, 6, dtype=dtype), seeded()), wide.to(dtype))


def test_any_shape_goes_where_no_fan_is_asked_for():
    for initialiser in (init.constant(1.0), init.truncated_normal(), init.uniform(bound=1.0)):
        assert initialiser(torch.full((2, 3, 4), torch.nan)).isfinite().all()
        assert initialiser(torch.tensor(torch.nan)).isfinite()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: init.glorot_uniform(blocks=4)(torch.empty(10, 3)), ShapeError,
         "glorot_uniform(blocks=4): blocks=4 wants a number of rows that 4 divides, one equal block a gate; got (10,"),
        (lambda: init.orthogonal()(torch.empty(10)), ShapeError,
         "orthogonal(gain=1.0, blocks=1): expected a weight (B·H, F); got (10,), which has 1 axes."),
        (lambda: init.uniform()(torch.empty(2, 3, 4)), ShapeError,
         "expected a weight (B·H, F) or a vector (B·H,); got (2, 3, 4), which has 3 axes."),
        (lambda: init.he_normal()(torch.tensor(1.0)), ShapeError, "got (), which has 0 axes."),
        (lambda: init.constant()(torch.zeros(2, dtype=torch.int64)), DtypeError,
         "constant(value=0.0) fills floating-point tensors; got (2,) of torch.int64."),
        (lambda: init.constant()(torch.zeros(2, dtype=torch.complex64)), DtypeError, "got (2,) of torch.complex64."),
        (lambda: check_target(init.constant(), [1.0], None), DtypeError,
         "constant(value=0.0) fills a tensor in place; got list."),
        (lambda: init.truncated_normal(std=0.0), ConfigError,
         "std must be a finite number greater than 0; got 0.0."),
        (lambda: init.uniform(bound=-1.0), ConfigError, "bound must be a finite number greater than 0; got -1.0."),
        (lambda: init.constant(math.nan), ConfigError, "value must be a finite number; got nan."),
        (lambda: init.orthogonal(gain=math.inf), ConfigError, "gain must be a finite number; got inf."),
        (lambda: init.he_uniform(0), ConfigError, "blocks must be a whole number of at least 1; got 0."),
        (lambda: init.he_normal(0), ConfigError, "blocks must be a whole number of at least 1; got 0."),
        (lambda: init.glorot_uniform(-1), ConfigError, "blocks must be a whole number of at least 1; got -1."),
        (lambda: init.glorot_normal(0), ConfigError, "blocks must be a whole number of at least 1; got 0."),
        (lambda: init.wide_uniform(0), ConfigError, "blocks must be a whole number of at least 1; got 0."),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, says):
    with pytest.raises(error, match=re.escape(says)):
        call()


def test_a_generator_elsewhere_is_refused():
    class Elsewhere(torch.Generator):
        device = torch.device("cuda", 0)

    with pytest.raises(DtypeError, match=re.escape("the generator is on cuda:0. Pass torch.Generator('cpu').")):
        check_target(init.constant(), torch.empty(2), Elsewhere())


def test_all_wrong_arguments_at_once():
    with pytest.raises(ConfigError, match=r"truncated_normal\(\.\.\.\)") as caught:
        init.truncated_normal(mean=math.nan, std=-1.0)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError) as caught:
        init.uniform(bound=0.0, blocks=0)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("value", [True, "1", None, 1j])
def test_what_is_no_number(value):
    assert "must be a finite number" in number_problem("std", value)
    assert "must be a whole number" in count_problem("blocks", value)
    assert count_problem("blocks", 2.0)


def test_a_failed_call_leaves_the_tensor_alone():
    tensor = torch.ones(10, 3)
    with pytest.raises(ShapeError):
        init.orthogonal(blocks=4)(tensor)
    assert torch.equal(tensor, torch.ones(10, 3))
