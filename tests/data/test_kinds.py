"""Every kind of table and file comes in, and goes out again as the same kind with the same types."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from utilsforecast.evaluation import evaluate
from utilsforecast.losses import mae

from unrolled.data.arrow import encode
from unrolled.data.frames import TableKind, to_native
from unrolled.data.table import read_panel

NAMES = [
    ("unique_id", "ds", "y"),
    ("item_id", "timestamp", "target"),
    ("Series", "DATE", "Value"),
]
KINDS = ["pandas", "polars", "lazy", "pyarrow", "csv", "csv.gz", "tsv", "txt", "parquet", "folder"]

IDS = ["a"] * 4 + ["b"] * 3
DAYS = [dt.date(2024, 2, day) for day in (27, 28, 29)]
TIMES = [dt.datetime(2024, 2, 27 + k) if k < 3 else dt.datetime(2024, 3, 1) for k in (0, 1, 2, 3, 0, 1, 2)]
VALUES = [1.0, 2.5, float("nan"), 4.0, 5.0, 6.0, 7.0]


def columns(names=NAMES[0]):
    return dict(zip(names, (IDS, TIMES, VALUES), strict=True))


def make(kind, data, folder):
    table = pa.table(data)
    if kind == "pandas":
        return pd.DataFrame(data)
    if kind in ("polars", "lazy"):
        frame = pl.DataFrame(data)
        return frame.lazy() if kind == "lazy" else frame
    if kind == "pyarrow":
        return table
    if kind == "folder":
        pq.write_table(table.slice(0, 5), folder / "part-0.parquet")
        pq.write_table(table.slice(5), folder / "part-1.parquet")
        return folder
    path = folder / f"table.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        separator = {"tsv": "\t", "txt": ";"}.get(kind, ",")
        pd.DataFrame(data).to_csv(path, index=False, sep=separator)
    return str(path) if kind == "csv" else path


def check(panel):
    np.testing.assert_array_equal(panel.values, VALUES)
    np.testing.assert_array_equal(panel.offsets, [0, 4, 7])
    np.testing.assert_array_equal(panel.times, np.array(TIMES, dtype="M8[us]"))
    assert panel.ids.tolist() == ["a", "b"]
    assert panel.freq.name == "daily"
    assert len(panel) == 2
    assert np.isnan(panel.values).any()


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_known(kind, names, tmp_path):
    check(read_panel(make(kind, columns(names), tmp_path)))


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_given(kind, tmp_path):
    data = columns(("shop", "when", "sold")) | {"price": [1.0] * 7, "y": ["x"] * 7, "date": ["-"] * 7}
    source = make(kind, data, tmp_path)
    panel = read_panel(source, id_col="shop", time_col="when", target_col="sold")
    check(panel)
    assert panel.notes == (
        "columns: when is the time, sold the target; shop names the 2 series",
        "columns not used: price, y, date",
        "when: daily; 1 of 7 days are missing, 1 with no value (first ('a', 2024-02-29)), and are masked",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_one_series_by_the_only_date_and_the_only_number(kind, tmp_path):
    data = {"Tag": TIMES[:4], "remark": list("wxyz"), "Absatz": VALUES[:4]}
    panel = read_panel(make(kind, data, tmp_path))
    np.testing.assert_array_equal(panel.values, VALUES[:4])
    assert panel.ids.tolist() == ["Absatz"]
    assert panel.notes[:2] == (
        "columns: Tag is the time, Absatz the target; one series",
        "columns not used: remark",
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [NAMES[0], ("shop", "when", "sold")])
def test_written_and_read_again(kind, names, tmp_path):
    given = dict(zip(("id_col", "time_col", "target_col"), names, strict=True))
    panel = read_panel(make(kind, columns(names), tmp_path), **given)
    frame = native(panel)
    expected = {"polars": pl.DataFrame, "lazy": pl.DataFrame, "pyarrow": pa.Table}.get(kind, pd.DataFrame)
    assert type(frame) is expected
    check(read_panel(frame))


def native(panel):
    ids = np.repeat(panel.ids, panel.lengths)
    return to_native(panel.table, {"unique_id": ids, "ds": panel.times, "y": panel.values})


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(pd.date_range("2024-01-30", periods=3, unit="ns")),
        pd.Series(pd.date_range("2024-01-30", periods=3, unit="s")),
        pd.Series(pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin")),
        pd.Series(pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin", freq="h")),
        pd.Series(pd.date_range("2024-03-30", periods=3, tz="UTC")),
        pd.Series(DAYS),
        pd.Series([4, 5, 6]),
    ],
    ids=lambda times: f"{times.dtype}",
)
@pytest.mark.parametrize("dtype", ["object", "string", "category", "int64", "Int64", "int32"])
def test_pandas_types_come_back(times, dtype):
    ids = ["7", "7", "7"] if dtype in ("object", "string", "category") else [7, 7, 7]
    frame = pd.DataFrame({"unique_id": pd.Series(ids, dtype=dtype), "ds": times, "y": [1.0, 2.0, 3.0]})
    pd.testing.assert_frame_equal(native(read_panel(frame)), frame)


@pytest.mark.parametrize(
    "times",
    [
        pl.Series(DAYS),
        pl.Series(TIMES[:3], dtype=pl.Datetime("ms")),
        pl.Series(TIMES[:3], dtype=pl.Datetime("ns")),
        pl.Series(TIMES[:3]).dt.replace_time_zone("America/New_York"),
        pl.Series([1, 2, 3]),
    ],
    ids=lambda times: f"{times.dtype}",
)
@pytest.mark.parametrize(
    "ids", [pl.Series(["a"] * 3), pl.Series(["a"] * 3, dtype=pl.Categorical), pl.Series([1] * 3, dtype=pl.UInt8)]
)
def test_polars_types_come_back(times, ids):
    frame = pl.DataFrame({"unique_id": ids, "ds": times, "y": [1.0, 2.0, 3.0]})
    back = native(read_panel(frame))
    assert back.schema == frame.schema
    assert back.equals(frame)


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", tz="Asia/Tokyo"), pa.int64()]
)
@pytest.mark.parametrize("ids", [pa.string(), pa.large_string(), pa.int16(), pa.dictionary(pa.int32(), pa.string())])
def test_pyarrow_types_come_back(kind, ids):
    times = pa.array([1, 2, 3]) if pa.types.is_integer(kind) else pa.array(DAYS).cast(pa.timestamp("s")).cast(kind)
    names = pa.array([1, 1, 1] if pa.types.is_integer(ids) else ["a"] * 3).cast(ids)
    table = pa.table({"unique_id": names, "ds": times, "y": [1.0, 2.0, 3.0]})
    back = native(read_panel(table))
    assert back.schema == table.schema
    assert back.equals(table)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("names", NAMES)
def test_output_suits_utilsforecast(kind, names, tmp_path):
    panel = read_panel(make(kind, columns(names), tmp_path)).drop_last(1)
    future = panel.future_times(2)
    ends = np.repeat(panel.times[panel.offsets[1:] - 1], 2)
    frame = to_native(
        panel.table,
        {
            "unique_id": np.repeat(panel.ids, 2),
            "ds": future.ravel(),
            "cutoff": ends,
            "y": np.arange(4.0),
            "LSTM": np.arange(4.0) + 0.5,
        },
    )
    assert frame["cutoff"].dtype == frame["ds"].dtype
    scores = evaluate(frame, metrics=[mae])
    assert list(scores["LSTM"]) == [0.5, 0.5]


def test_a_kind_survives_json():
    kind = TableKind("polars", "String", "datetime", "ms", "Europe/Berlin", True)
    assert TableKind.from_json(json.loads(json.dumps(kind.to_json()))) == kind


def test_a_pandas_index_of_dates_is_a_column():
    frame = pd.DataFrame({"sales": [1.0, 2.0, 3.0]}, index=pd.date_range("2024-01-01", periods=3))
    assert read_panel(frame).freq.name == "daily"
    nested = pd.DataFrame(columns()).set_index(["unique_id", "ds"])
    check(read_panel(nested))


def test_an_index_that_says_nothing_or_nothing_new_is_left_alone():
    frame = pd.DataFrame(columns())
    check(read_panel(frame[frame["unique_id"] != "c"].set_index(frame.index * 2)))
    check(read_panel(frame.set_index("ds", drop=False)))


def test_parts_of_a_date_are_neither_time_nor_target():
    frame = pd.DataFrame({"year": 2024, "week": [1, 1, 1], "order_date": DAYS, "sales": [1.0, 2.0, 3.0]})
    assert read_panel(frame).notes[:2] == (
        "columns: order_date is the time, sales the target; one series",
        "columns not used: year, week",
    )


def test_a_year_alone_is_a_time():
    panel = read_panel(pd.DataFrame({"Year": [1700, 1701, 1702], "Sunspots": [5, 11, 16]}))
    assert panel.times.tolist() == [1700, 1701, 1702]
    assert panel.freq.name == "steps of 1"


def test_dates_with_hours_asked_for_come_back_as_datetimes():
    frame = pl.DataFrame({"ds": DAYS, "y": [1.0, 2.0, 3.0]})
    panel = read_panel(frame, freq="12h")
    assert native(panel)["ds"].dtype == pl.Datetime("us")
    assert len(panel.values) == 5


def test_ids_of_files_stay_as_written(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("unique_id,ds,y\n007,1,1\n007,2,2\n12,1,3\n12,2,4\n")
    assert read_panel(path).ids.tolist() == ["007", "12"]
    path.write_text("unique_id,ds,y\n7,1,1\n7,2,2\n12,1,3\n12,2,4\n")
    assert read_panel(path).ids.tolist() == [7, 12]


def test_csv_with_byte_order_mark_quotes_and_spaces(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_bytes(b'\xef\xbb\xbf"ds", y\r\n"2024-01-01", 1\r\n2024-01-02, NA\r\n\r\n2024-01-03,3.5\r\n')
    np.testing.assert_array_equal(read_panel(path).values, [1, np.nan, 3.5])


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_row_numbers_that_pandas_wrote_are_no_target(name, tmp_path):
    path = tmp_path / "sales.csv"
    pd.DataFrame({"day": DAYS, "sales": [4.0, 5.0, 6.0]}).rename_axis(name or None).to_csv(path)
    assert path.read_text().startswith(f"{name},day,sales\n")
    panel = read_panel(path)
    assert panel.values.tolist() == [4, 5, 6]
    assert panel.ids.tolist() == ["sales"]


def test_an_index_of_dates_that_pandas_wrote_without_a_name(tmp_path):
    pd.Series([4.0, 5.0, 6.0], index=pd.DatetimeIndex(DAYS), name="sales").to_csv(tmp_path / "sales.csv")
    assert read_panel(tmp_path / "sales.csv").values.tolist() == [4, 5, 6]


def test_columns_of_a_spreadsheet_without_name_and_value(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("ds,y,,\n1,4,,\n2,5,,\n")
    panel = read_panel(path)
    assert (panel.values.tolist(), panel.notes[1]) == ([4, 5], "ds: steps of 1; no gaps")


def test_column_names_of_several_lines(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text('"day","sales\n(EUR)"\n2024-01-01,4\n2024-01-02,5\n')
    assert read_panel(path).ids.tolist() == ["sales\n(EUR)"]


def test_parquet_in_partitions(tmp_path):
    table = pa.table({"ds": [1, 2, 3], "y": [1.0, 2.0, 3.0]})
    for name in ("a", "b"):
        (tmp_path / f"unique_id={name}").mkdir()
        pq.write_table(table, tmp_path / f"unique_id={name}" / "0.parquet")
    panel = read_panel(tmp_path)
    assert panel.ids.tolist() == ["a", "b"]
    np.testing.assert_array_equal(panel.values, [1, 2, 3, 1, 2, 3])


@pytest.mark.parametrize(
    ("values", "second"),
    [
        (pd.Series([1, 2, 3], dtype="int8"), 2),
        (pd.Series([1, None, 3], dtype="Int64"), np.nan),
        (pd.Series([1.0, None, 3.0], dtype="float32"), np.nan),
        (pd.Series(["1", "", " 3 "]), np.nan),
        (pd.Series(["1e0", "NaN", "3."]), np.nan),
        (pd.Series(["+1", "-2", " +3 "]), -2),
        (pa.array([1, None, 3], pa.decimal128(10, 2)), np.nan),
    ],
)
def test_numbers(values, second):
    source = pa.table({"ds": [1, 2, 3], "y": values})
    np.testing.assert_array_equal(read_panel(source).values, [1, second, 3])


def test_whole_numbers_beyond_64_bits():
    frame = pd.DataFrame({"ds": [1, 2], "y": pd.Series([2**70, 1], dtype=object), "other": [3**50, 4**50]})
    np.testing.assert_array_equal(read_panel(frame).values, [2.0**70, 1])


@given(st.lists(st.sampled_from([None, "x", "y", "z"]), max_size=12), st.permutations(["z", "unused", "y", "x"]))
def test_categories_are_numbered_in_the_order_in_which_they_appear(texts, order):
    """However a file or a frame has numbered them, and whatever else it has numbered."""
    codes = pa.array([None if text is None else order.index(text) for text in texts], type=pa.int8())
    parts = [pa.DictionaryArray.from_arrays(part, pa.array(order)) for part in (codes[:5], codes[5:])]
    for column in (pa.chunked_array(parts), pa.chunked_array([pa.array(texts, type=pa.string())])):
        numbers, words = encode(column)
        assert [None if number < 0 else words[int(number)].as_py() for number in numbers] == texts
        assert words.to_pylist() == list(dict.fromkeys(text for text in texts if text is not None))


def test_texts_of_parquet_files_come_in_the_order_of_their_rows(tmp_path):
    frame = pd.DataFrame({"unique_id": list("bbaacc"), "ds": [1, 2] * 3, "y": 1.0, "sky": list("rsrttr")})
    frame["unique_id"] = frame.unique_id.astype(pd.CategoricalDtype(list("cab")))
    frame[:3].to_parquet(tmp_path / "1.parquet")
    frame[3:].to_parquet(tmp_path / "2.parquet")
    panel = read_panel(tmp_path, past=["sky"])
    assert panel.ids.tolist() == ["b", "a", "c"]
    words = panel.covariates.words["sky"]
    assert [words[code] for code in panel.covariates.values["sky"]] == list("rsrttr")
