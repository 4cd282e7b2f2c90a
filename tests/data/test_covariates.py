"""Covariates and several targets, from tables to panels: what is read, what is refused, and how both are cut."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.covariates import Column, Features, compact, filled_forward
from unrolled.data.future import with_future
from unrolled.data.table import read_panel
from unrolled.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=6)
SETTINGS = {"static": ["region", "size"], "past": ["temp"], "future": ["promo", "kind"]}


def table(**columns):
    """Two shops, six days, columns of every sort."""
    return pd.DataFrame(
        {
            "unique_id": ["a"] * 6 + ["b"] * 6,
            "ds": [*DAYS, *DAYS],
            "y": np.arange(12.0),
            "region": ["north"] * 6 + ["south"] * 6,
            "size": [7] * 6 + [9] * 6,
            "temp": np.arange(12.0) / 4,
            "promo": [False, True] * 6,
            "kind": ["x", "z", None] * 4,
        }
        | columns
    )


def problems(source, **options):
    with pytest.raises(DataError) as error:
        read_panel(source, **options)
    return error.value.problems


def texts(panel, name, values):
    return [None if code < 0 else panel.covariates.words[name][code] for code in values.ravel().tolist()]


def as_csv(frame, path):
    frame.to_csv(path / "table.csv", index=False)
    return path / "table.csv"


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "csv"])
def test_numbers_texts_and_bools(kind, tmp_path):
    frame = table().sample(frac=1, random_state=0)
    made = {
        "pandas": lambda: frame,
        "polars": lambda: pl.from_pandas(frame),
        "pyarrow": lambda: pa.Table.from_pandas(frame),
        "csv": lambda: as_csv(frame.assign(promo=frame.promo.astype(int)), tmp_path),
    }
    panel = read_panel(made[kind](), **SETTINGS)
    order = [s * 6 + step for s in range(2) for step in range(6)]
    by_id = frame.sort_values(["unique_id", "ds"]).reset_index(drop=True)
    order = [row for one in panel.ids for row in by_id.index[by_id.unique_id == one]]
    values = panel.covariates.values
    np.testing.assert_array_equal(values["temp"], by_id.temp[order])
    np.testing.assert_array_equal(values["promo"], by_id.promo[order])
    assert texts(panel, "kind", values["kind"]) == [None if pd.isna(one) else one for one in by_id.kind[order]]
    assert dict(zip(panel.ids, texts(panel, "region", values["region"]), strict=True)) == {"a": "north", "b": "south"}
    assert dict(zip(panel.ids, values["size"].tolist(), strict=True)) == {"a": 7, "b": 9}
    assert {values[name].dtype for name in ("temp", "promo", "size")} == {np.dtype(np.float32)}
    assert "kind: no value for 4 of 12 days; it counts as unknown" in panel.notes


def test_a_text_file_tells_names_from_numbers(tmp_path):
    frame = table(temp=["1.5", "-2", "", "3e2"] * 3, kind=["007", "008"] * 6, region=["1"] * 6 + ["2"] * 6)
    panel = read_panel(as_csv(frame, tmp_path), past=["temp", "kind"], static="region", future="promo")
    assert panel.covariates.words.keys() == {"kind"}
    np.testing.assert_array_equal(panel.covariates.values["temp"], np.float32([1.5, -2, np.nan, 300] * 3))
    assert panel.covariates.values["promo"].tolist() == [0, 1] * 6  # True and False
    assert panel.covariates.values["region"].tolist() == [1, 2]
    panel = read_panel(frame, past=["temp", "kind"])
    assert panel.covariates.words.keys() == {"temp", "kind"}  # whoever makes text of numbers means names


def test_what_a_model_learnt_decides_how_a_column_is_read(tmp_path):
    learnt = Features((Column("size", "static", ("7",)), Column("temp", "past")))
    panel = read_panel(table(), static=["size"], past=["temp"], learnt=learnt)
    assert texts(panel, "size", panel.covariates.values["size"]) == ["7", "9"]
    assert "temp" not in panel.covariates.words
    assert problems(table(temp="warm", size=1.5), static=["size"], past=["temp"], learnt=learnt) == (
        "'size' holds numbers with fractions where the model was trained on texts.",
        "'temp' has text where numbers belong, in 12 rows: 'warm' in row 0, 'warm' in row 1, 'warm' in row 2 "
        "and 9 more.",
    )


def test_absent_rows_and_values_are_missing_and_said():
    frame = table(temp=[np.nan, 1, 2, 3, 4, 5] * 2, region=["north", *[None] * 5, *[None] * 6]).drop(index=[3])
    panel = read_panel(frame, **SETTINGS)
    values = panel.covariates.values
    np.testing.assert_array_equal(values["temp"], [np.nan, 1, 2, np.nan, 4, 5, np.nan, 1, 2, 3, 4, 5])
    assert texts(panel, "region", values["region"]) == ["north", None]
    assert panel.notes[-4:] == (
        "region: no value for 1 of 2 series; it counts as unknown",
        "temp: no value for 3 of 12 days; the last one known stands for it, else the mean",
        "promo: no value for 1 of 12 days; the last one known stands for it, else the mean",
        "kind: no value for 5 of 12 days; it counts as unknown",
    )


def test_the_ids_may_be_a_static_covariate():
    frame = table(unique_id=[10] * 6 + [20] * 6)
    panel = read_panel(frame, static=["unique_id"])
    assert panel.item_ids.tolist() == [10, 20]
    assert texts(panel, "unique_id", panel.covariates.values["unique_id"]) == ["10", "20"]
    assert problems(frame, past=["unique_id"], id_col="unique_id") == (
        "Column 'unique_id' is given as id_col and as a past covariate; it can't be both.",
    )


def test_a_covariate_is_never_taken_for_the_target():
    frame = table().rename(columns={"y": "sales"})[["unique_id", "ds", "sales", "temp"]]
    assert read_panel(frame, past=["temp"]).values[1] == 1
    assert problems(frame)[0].startswith("'sales' or 'temp' may be the target.")


def test_all_that_is_wrong_at_once():
    frame = table(
        temp=[np.inf, *[1.0] * 11],
        region=["north", "south", *["north"] * 4, *["south"] * 6],
        size=[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3.5],
        promo=np.array([*DAYS, *DAYS], "datetime64[us]"),
        kind=[[1]] * 12,
    )
    options = SETTINGS | {"past": ["temp", "tmp"]}
    assert problems(frame, **options) == (
        "There is no column 'tmp', given as a past covariate. Did you mean 'temp'? The columns are 'unique_id', 'ds', "
        "'y', 'region', 'size', 'temp', 'promo', 'kind'.",
        "'temp' is infinite in 1 row: row 0. Leave unknown values empty.",
        "'promo' holds timestamp[us]; covariates are numbers, texts, or true and false. calendar='auto' makes features "
        "of the time column; of another one make numbers, such as days since then.",
        "'kind' holds list<item: int64>; covariates are numbers, texts, or true and false.",
        "'region' is given as a static covariate, and changes within 1 series: series 'a' has 'north' and 'south'. "
        "Make it a past or future covariate, or correct it.",
        "'size' is given as a static covariate, and changes within 2 series: series 'a' has 1 and 2; series 'b' has 3 "
        "and 3.5. Make it a past or future covariate, or correct it.",
    )
    assert problems(table(kind=["2024-01-01", "2024-01-02"] * 6), future=["kind"])[0].startswith(
        "'kind' holds dates; covariates are numbers, texts, or true and false."
    )


TARGETS = {"target_col": ["y", "temp"]}


def test_each_target_is_a_series_of_its_own():
    lengths = {"a": 6, "b": 3}
    frame = table(temp=[np.nan, *np.arange(1.0, 12)])
    frame = frame[frame.groupby("unique_id").cumcount() < frame.unique_id.map(lengths)].drop(index=[2])
    panel = read_panel(frame, **TARGETS, past=["promo"])
    assert panel.channels == ("y", "temp")
    assert panel.ids.tolist() == ["a", "a", "b", "b"]
    assert panel.names.tolist() == ["a · y", "a · temp", "b · y", "b · temp"]
    assert (panel.item_ids.tolist(), panel.item_offsets.tolist()) == (["a", "b"], [0, 6, 9])
    nan = np.nan
    expected = [[0, 1, nan, 3, 4, 5], [nan, 1, nan, 3, 4, 5], [6, 7, 8], [6, 7, 8]]
    for number, values in enumerate(expected):
        whole = slice(panel.offsets[number], panel.offsets[number + 1])
        np.testing.assert_array_equal(panel.values[whole], values)
        np.testing.assert_array_equal(panel.times[whole], DAYS[: len(values)].to_numpy())
    np.testing.assert_array_equal(panel.item_times, [*DAYS.to_numpy(), *DAYS.to_numpy()[:3]])
    assert len(panel.covariates.values["promo"]) == 9
    assert panel.notes[0] == (
        "columns: ds is the time, y and temp the targets; unique_id names the 2 series; promo is a past covariate"
    )
    assert [note for note in panel.notes if "missing" in note] == [
        "ds, y: daily; 1 of 9 days are missing, 1 with no row (first ('a', 2024-01-03)), and are masked",
        "ds, temp: daily; 2 of 9 days are missing, 1 with no row and 1 with no value (first ('a', 2024-01-01)), "
        "and are masked",
    ]


def test_a_table_without_ids_names_its_series_by_their_targets():
    panel = read_panel(table()[:6].drop(columns="unique_id"), **TARGETS)
    assert panel.names.tolist() == ["y", "temp"]


def test_targets_that_lack_or_have_nothing():
    frame = table(temp=[*[1.0] * 6, *[np.nan] * 6])
    assert problems(frame, **TARGETS) == ("1 series without any value of 'temp': 'b'. Leave them out.",)
    assert problems(frame.drop(columns="temp"), **TARGETS)[0].startswith(
        "There is no column 'temp', given as target_col."
    )


LENGTHS = st.lists(st.integers(4, 9), min_size=1, max_size=4)


def random_panel(lengths, targets):
    draw = np.random.default_rng(sum(lengths))
    parts = [
        pd.DataFrame({"id": f"s{k}", "t": np.arange(n), "region": draw.choice(["n", "s"])})
        for k, n in enumerate(lengths)
    ]
    frame = pd.concat(parts, ignore_index=True)
    for name in ("y", "v", "temp", "price"):
        frame[name] = draw.normal(size=len(frame)).astype(np.float32)
    frame["kind"] = draw.choice(["x", "z"], size=len(frame))
    columns = {"target_col": ["y", "v"][:targets], "past": ["temp"], "future": ["price", "kind"], "static": ["region"]}
    return read_panel(frame, **columns)


def in_items(panel):
    """Everything that a panel holds, item by item, by loops."""
    found = []
    for item in range(len(panel.item_ids)):
        series = range(item * panel.n_channels, (item + 1) * panel.n_channels)
        points = slice(panel.item_offsets[item], panel.item_offsets[item + 1])
        found.append(
            {
                "ids": [str(panel.ids[s]) for s in series],
                "values": [panel.values[panel.offsets[s] : panel.offsets[s + 1]].tolist() for s in series],
                "times": [panel.times[panel.offsets[s] : panel.offsets[s + 1]].tolist() for s in series],
                "past": panel.covariates.values["temp"][points].tolist(),
                "price": panel.covariates.values["price"][points].tolist(),
                "kind": panel.covariates.values["kind"][points].tolist(),
                "ahead": [
                    panel.covariates.ahead[k][item].tolist() if panel.covariates.ahead else []
                    for k in ("price", "kind")
                ],
                "static": int(panel.covariates.values["region"][item]),
            }
        )
    return found


def cut(item, part):
    """One item with `part` taken of all that runs along time."""
    along = ("past", "price", "kind")
    return item | {k: item[k][part] for k in along} | {k: [one[part] for one in item[k]] for k in ("values", "times")}


@settings(deadline=None, max_examples=30)
@given(LENGTHS, st.integers(1, 2), st.integers(1, 3), st.data())
def test_covariates_are_cut_with_the_values(lengths, targets, n, data):
    panel = random_panel(lengths, targets)
    whole = in_items(panel)
    dropped = [cut(one, slice(-n)) | {"ahead": [one["price"][-n:], one["kind"][-n:]]} for one in whole]
    assert in_items(panel.drop_last(n)) == dropped
    # What was known ahead stays known behind what is dropped next.
    twice = (
        [
            cut(one, slice(-1)) | {"ahead": [one["price"][-1:] + one["ahead"][0], one["kind"][-1:] + one["ahead"][1]]}
            for one in dropped
        ]
        if min(lengths) > n + 1
        else None
    )
    if twice is not None:
        assert in_items(panel.drop_last(n).drop_last(1)) == twice
    assert in_items(panel.keep_last(n)) == [cut(one, slice(-n, None)) for one in whole]
    chosen = sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1)))
    assert in_items(panel.of_items(np.array(chosen))) == [whole[k] for k in chosen]


@settings(deadline=None)
@given(st.lists(st.lists(st.one_of(st.just(np.nan), st.floats(-9, 9)), min_size=1, max_size=5), min_size=1, max_size=4))
def test_numbers_are_carried_forward_within_an_item(items):
    expected = []
    for one in items:
        last = np.nan
        for value in one:
            last = last if np.isnan(value) else value
            expected.append(last)
    found = filled_forward(np.concatenate(items), np.cumsum([0, *map(len, items)]))
    np.testing.assert_array_equal(found, expected)


def test_numbers_are_kept_small_where_that_loses_nothing():
    assert compact(np.array([0.1, np.nan, 2.0])).dtype == np.float32
    assert compact(np.array([1e9, 1e9 + 1, 1e9 + 2])).dtype == np.float64
    assert compact(np.full(3, np.nan)).dtype == compact(np.zeros(3)).dtype == np.float32
    assert np.array_equal(compact(np.array([np.inf, 1.0])), [np.inf, 1.0])  # and nothing warns


# The future

LEARNT = Features((Column("promo", "future", None), Column("kind", "future", ("x", "z"))))


def past():
    return read_panel(table(), **SETTINGS)


def to_come(**columns):
    """The three days that follow, of both shops."""
    days = list(pd.date_range("2024-01-07", periods=3))
    frame = {"unique_id": ["b"] * 3 + ["a"] * 3, "ds": days * 2, "promo": [1.0, 2, 3, 4, 5, 6], "kind": list("xzwxzw")}
    return pd.DataFrame(frame | columns)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_the_future_stands_behind_each_series(kind):
    panel = with_future(past(), kind(to_come().sample(frac=1, random_state=1)), LEARNT, 3)
    ahead = panel.covariates.ahead
    assert ahead["promo"].tolist() == [[4, 5, 6], [1, 2, 3]]
    assert texts(panel, "kind", ahead["kind"]) == list("xzwxzw")
    assert texts(panel, "kind", panel.covariates.values["kind"]) == ["x", "z", None] * 4  # numbered as before
    assert panel.notes == past().notes


def test_rows_that_nobody_needs_are_said():
    more = pd.concat([table(), to_come(), to_come(unique_id="new"), to_come(ds=pd.Timestamp("2024-03-01 05:00"))[2:4]])
    panel = with_future(past(), more.assign(extra=DAYS[0]), LEARNT, 2)
    assert panel.covariates.ahead["promo"].tolist() == [[4, 5], [1, 2]]
    assert panel.notes[-1] == (
        "rows of the future not used: 12 of the past, 2 beyond the horizon, 2 between the steps, "
        "6 of series that are not forecast"
    )


def future_problems(panel, source, features=LEARNT, h=3, **columns):
    with pytest.raises(DataError, match="table of the future cannot be used") as error:
        with_future(panel, source, features, h, **columns)
    return error.value.problems


def test_missing_rows_and_values_are_named_by_id_and_date():
    lacking = to_come(promo=[1, np.nan, 3, 4, 5, np.inf], kind=["x", None, None, "x", "z", 3]).drop(index=[0, 4])
    assert future_problems(past(), lacking) == (
        "'promo' is infinite in 1 row: row 3. Leave unknown values empty.",
        "The next 3 days of 'a' lack 2024-01-08. Add a row for each.",
        "The next 3 days of 'b' lack 2024-01-07. Add a row for each.",
        "'promo' has no value in 1 row of the future: ('b', 2024-01-08). Fill them.",
        "'kind' has no value in 2 rows of the future: ('b', 2024-01-08), ('b', 2024-01-09). Fill them.",
    )


def test_hours_are_named_in_full():
    hours = pd.date_range("2024-02-29", periods=24, freq="h")
    panel = read_panel(pd.DataFrame({"ds": hours, "y": 1.0, "promo": 1.0, "kind": "x"}), future=["promo", "kind"])
    ahead = pd.date_range("2024-03-01", periods=24, freq="h").delete([5, 7, 8, 9])
    assert future_problems(panel, pd.DataFrame({"ds": ahead, "promo": 1, "kind": "x"}), h=24) == (
        "The next 24 hours lack 2024-03-01 05:00, 2024-03-01 07:00, 2024-03-01 08:00 and 1 more. Add a row for each.",
    )


def test_columns_of_the_future():
    renamed = to_come().rename(columns={"unique_id": "shop", "ds": "day", "kind": "knd"})
    assert future_problems(past(), renamed) == (
        "There is no column 'kind', given as a future covariate. Did you mean 'knd'? The columns are 'shop', 'day', "
        "'promo', 'knd'.",
        "There is no column of ids, and there are 2 series to forecast. The other table calls it 'unique_id'.",
    )
    found = with_future(past(), renamed.rename(columns={"knd": "kind"}), LEARNT, 3, id_col="shop", time_col="day")
    assert found.covariates.ahead["promo"].tolist() == [[4, 5, 6], [1, 2, 3]]
    assert future_problems(past(), to_come(kind=1.5, promo="p"))[:2] == (
        "'promo' has text where numbers belong, in 6 rows: 'p' in row 0, 'p' in row 1, 'p' in row 2 and 3 more.",
        "'kind' holds numbers with fractions where the model was trained on texts.",
    )


def test_times_of_another_sort():
    assert future_problems(past(), to_come(ds=[6, 7, 8] * 2)) == (
        "'ds' holds whole numbers, and the times of the series are dates.",
    )
    zoned = to_come(ds=to_come().ds.dt.tz_localize("UTC"))
    assert future_problems(past(), zoned) == (
        "'ds' has a time zone, and the times of the series have none. Write both alike.",
    )
    assert future_problems(past(), pd.concat([to_come(), to_come()[:1]])) == (
        "Times appear more than once: ('b', 2024-01-07). A series has one row at a time.",
    )


@pytest.mark.parametrize("freq", ["D", "h"])
def test_the_future_may_be_in_another_zone(freq):
    times = pd.date_range("2024-03-28", periods=6, freq=freq, tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": times, "y": 1.0, "promo": 0.0, "kind": "x"})
    ahead = pd.date_range(times[-1], periods=4, freq=freq)[1:]
    future = pd.DataFrame({"ds": ahead.tz_convert("Asia/Tokyo"), "promo": [1.0, 2, 3], "kind": "x"})
    panel = with_future(read_panel(frame, future=["promo", "kind"]), future, LEARNT, 3)
    assert panel.covariates.ahead["promo"].tolist() == [[1, 2, 3]]


def test_of_several_targets_the_future_is_that_of_the_item():
    panel = with_future(read_panel(table(), **TARGETS, future=["promo", "kind"]), to_come(), LEARNT, 3)
    assert panel.covariates.ahead["promo"].tolist() == [[4, 5, 6], [1, 2, 3]]
