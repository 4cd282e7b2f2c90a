"""New data put to a panel, held to a table of all rows read at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from unrolled.data.joining import joined_panel
from unrolled.data.panel import Panel
from unrolled.data.table import read_panel
from unrolled.errors import DataError

COLUMNS = {"static": ["kind"], "past": ["rain", "sky"], "future": ["price"]}


def _rows(draw: np.random.Generator, ids: list[str], freq: str, first: int, last: int) -> pd.DataFrame:
    """Return rows at some of the times between two steps, each series with times of its own."""
    times = pd.date_range("2023-01-01", periods=200, freq=freq)
    parts = []
    for name in ids:
        begin, end = np.sort(draw.choice(np.arange(first, last), 2, replace=False))
        chosen = np.arange(begin, end + 1)
        kept = chosen[draw.random(len(chosen)) < 0.8] if len(chosen) > 3 else chosen
        kept = np.union1d(kept, [begin, end])
        sky = draw.choice(["sun", "cloud", f"only-{first}"], len(kept))
        numbers = draw.normal(size=(4, len(kept)))
        parts.append(
            pd.DataFrame(
                {"unique_id": name, "ds": times[kept], "y": numbers[0], "z": numbers[1], "rain": numbers[2]}
            ).assign(sky=sky, price=numbers[3], kind=f"kind {name}")
        )
    return pd.concat(parts, ignore_index=True).sample(frac=1, random_state=int(draw.integers(1000)))


def _read(frame: pd.DataFrame, freq: str, targets: list[str], covariates: bool) -> Panel:
    return read_panel(frame, freq=freq, target_col=targets, **(COLUMNS if covariates else {}))


def _texts(panel: Panel, name: str) -> list[str]:
    assert panel.covariates is not None
    words = [*panel.covariates.words[name], "missing"]
    return [words[code] for code in panel.covariates.values[name]]


@pytest.mark.parametrize("freq", ["D", "h", "ME", "B"])
@pytest.mark.parametrize("targets", [["y"], ["y", "z"]])
@pytest.mark.parametrize("covariates", [False, True])
def test_it_is_the_panel_of_all_rows_at_once(freq: str, targets: list[str], covariates: bool) -> None:
    for seed in range(6):
        draw = np.random.default_rng(seed)
        before = _rows(draw, ["b", "a", "c"], freq, 20, 90)
        after = _rows(draw, ["d", "a", "b"], freq, 0 if seed % 2 else 40, 140)
        old, new = (_read(frame, freq, targets, covariates) for frame in (before, after))
        both = pd.concat([before, after]).drop_duplicates(["unique_id", "ds"], keep="last")
        order = {
            name: number
            for number, name in enumerate([*old.item_ids, *(i for i in new.item_ids if i not in old.item_ids)])
        }
        both = both.sort_values("unique_id", key=lambda ids: ids.map(order), kind="stable")
        expected, found = _read(both, freq, targets, covariates), joined_panel(old, new)
        assert found.ids.tolist() == expected.ids.tolist()
        assert np.array_equal(found.offsets, expected.offsets)
        assert np.array_equal(found.times, expected.times)
        assert np.array_equal(found.values, expected.values, equal_nan=True)
        assert (found.channels, found.freq, found.table) == (expected.channels, expected.freq, expected.table)
        if covariates:
            assert found.covariates is not None
            assert expected.covariates is not None
            for name in ("rain", "price"):
                ours, theirs = (one.covariates.values[name] for one in (found, expected))  # type: ignore[union-attr]
                assert np.array_equal(ours, theirs, equal_nan=True)
            for name in ("sky", "kind"):
                assert _texts(found, name) == _texts(expected, name)


def _series(values: list[float], start: str = "2024-01-01") -> Panel:
    hours = np.arange(len(values)) * np.timedelta64(1, "h")
    times = pd.DatetimeIndex(np.datetime64(start, "s") + hours)  # seconds reach further than pandas 2's own ranges do
    return read_panel(pd.DataFrame({"unique_id": "a", "ds": times, "y": values}), freq="h")


def test_a_new_value_counts_and_a_missing_one_does_not() -> None:
    found = joined_panel(_series([1, 2, 3]), _series([np.nan, 7, np.nan, 9], "2024-01-01 01:00"))
    assert found.values.tolist() == pytest.approx([1, 2, 7, np.nan, 9], nan_ok=True)


def test_what_lies_between_is_missing() -> None:
    found = joined_panel(_series([1, 2]), _series([5.0], "2024-01-01 04:00"))
    assert found.values.tolist() == pytest.approx([1, 2, np.nan, np.nan, 5], nan_ok=True)
    assert found.times[-1] == np.datetime64("2024-01-01T04")


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (
            _series([5.0], "2024-01-01 04:30"),
            "Times lie between the hourly steps of the series: ('a', 2024-01-01 04:30). Correct or round them.",
        ),
        (
            _series([5.0], "9999-01-01 04:00"),
            "The series would have 69,907,421 points for 3 that are known. Are the times right?",
        ),
        (
            read_panel(pd.DataFrame({"unique_id": [7], "ds": pd.to_datetime(["2024-01-02"]), "y": [1.0]}), freq="h"),
            "Its ids are whole numbers; those of the series are texts.",
        ),
        (
            read_panel(
                pd.DataFrame({"unique_id": "a", "ds": pd.to_datetime(["2024-01-02"], utc=True), "y": [1.0]}), freq="h"
            ),
            "Its times are in the zone UTC; those of the series are without a zone.",
        ),
    ],
)
def test_what_does_not_go_together_is_said(new: Panel, message: str) -> None:
    with pytest.raises(DataError) as caught:
        joined_panel(_series([1, 2]), new)
    assert str(caught.value) == f"This table can't be put to the series that are known:\n  - {message}"
