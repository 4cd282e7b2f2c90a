"""`hidden_pca` against the eigenvectors of the covariance, padding left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import unrolled.layers as ours
from analysis.models import KINDS, make, names_of
from unrolled.analysis import hidden_pca, record
from unrolled.errors import ConfigError, ShapeError

LENGTHS = [4, 7, 0, 1]


@pytest.mark.parametrize(
    ("case", "of"),
    [(case, of) for case in KINDS for of in ("hc" if case[0] == "LSTM" else "h")],
    ids=lambda value: value if isinstance(value, str) else names_of(value),
)
def test_against_the_covariance_of_the_valid_steps(case: Any, of: str) -> None:
    layer = make(case, 3, 5, 2, bidirectional=True)
    trace = layer.trace(torch.randn(7, 4, 3), lengths=LENGTHS)
    found = hidden_pca(trace, components=2, of=of)
    for part in trace.parts:
        rows = np.array([part[of][t, n] for n in range(4) for t in range(LENGTHS[n])])
        values, vectors = np.linalg.eigh(np.cov(rows.T))
        named = {p.of: p.values for p in found.parts if (p.layer, p.direction) == (part.layer, part.direction)}
        np.testing.assert_allclose(named["mean"].values, rows.mean(0), rtol=1e-12, atol=1e-14)
        shares = values[::-1][:2] / values.sum()
        np.testing.assert_allclose(named["explained"].values, shares, rtol=1e-9)
        for k in range(2):
            vector = vectors[:, -1 - k] * np.sign(vectors[np.abs(vectors[:, -1 - k]).argmax(), -1 - k])
            np.testing.assert_allclose(named["components"][k], vector, rtol=1e-7, atol=1e-9)
            for n in range(4):
                for t in range(7):
                    at = (part[of][t, n] - rows.mean(0)) @ vector if t < LENGTHS[n] else 0
                    assert named[of][t, n, k] == pytest.approx(at, rel=1e-7, abs=1e-9)


def test_all_components_are_a_turn() -> None:
    (recorded,) = record(torch.nn.LSTM(3, 4, batch_first=True), torch.randn(2, 6, 3), [6, 3])
    found = hidden_pca(recorded.trace, components=4)
    turn = found.find("components").values.values
    np.testing.assert_allclose(turn @ turn.T, np.eye(4), atol=1e-14)
    assert found.find("explained").values.values.sum() == pytest.approx(1, rel=1e-14)
    back = found.find("h").values.values @ turn + found.find("mean").values.values
    h = recorded.trace[0, "forward"]["h"].values
    valid = recorded.trace.valid.values
    np.testing.assert_allclose(back[valid], h[valid], atol=1e-14)
    assert found.find("h").values.axes == ("time", "batch", "component")


def test_fewer_steps_than_components_and_states_that_do_not_vary() -> None:
    layer = ours.RNN(3, 5)
    found = hidden_pca(layer.trace(torch.randn(3, 1, 3)), components=5)
    np.testing.assert_allclose(found.find("explained").values.values[2:], 0, atol=1e-28)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    still = hidden_pca(layer.trace(torch.randn(3, 1, 3)))
    assert not still.find("explained").values.values.any()
    assert np.isfinite(still.find("components").values.values).all()


def test_errors_teach() -> None:
    trace = ours.GRU(3, 4).trace(torch.randn(5, 2, 3))
    with pytest.raises(ConfigError, match="expected of='h', or 'c' where there is one; got 'c' for GRU"):
        hidden_pca(trace, of="c")
    for wrong in (0, 5, True):
        with pytest.raises(ConfigError, match="expected 1 to 4 components, the state's width"):
            hidden_pca(trace, components=wrong)
    with pytest.raises(ShapeError, match="at least two valid steps"):
        hidden_pca(ours.GRU(3, 4).trace(torch.randn(5, 2, 3), lengths=[0, 1]))
