"""Bad input: one error, before anything else happens, that says all that is wrong and what to do."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unrolled.data.table import read_panel
from unrolled.errors import DataError

DAYS = list(pd.date_range("2024-01-01", periods=40))


def table(**columns):
    ids = ["a"] * 20 + ["b"] * 20
    return pd.DataFrame({"unique_id": ids, "ds": DAYS[:20] * 2, "y": np.arange(40.0)} | columns)


def problems(source, **options):
    with pytest.raises(DataError) as error:
        read_panel(source, **options)
    return error.value.problems


@pytest.fixture
def write(tmp_path):
    def write(content, name="sales.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_everything_at_once_under_the_name_of_the_table(write):
    text = "".join(f"a,2024-01-{day:02},{'?' if day == 3 else day}\n" for day in [*range(1, 11), 10])
    with pytest.raises(DataError) as error:
        read_panel(write("unique_id,ds,y\n" + text), min_length=30)
    assert str(error.value) == (
        "sales.csv cannot be used:\n"
        "  - 'y' has text where numbers belong, in 1 row: '?' in line 4.\n"
        "  - Times appear more than once, in 1 row: 2024-01-10. A series has one row at a time.\n"
        "  - 1 series shorter than one window of 30 points: 'a' (10). "
        "Give longer ones, or choose a smaller input_size or h."
    )


def test_every_wrong_argument_at_once():
    assert problems(table(y=["x"] * 40), id_col="unique", time_col="day", freq="hourly") == (
        "There is no column 'unique', given as id_col. Did you mean 'unique_id'? "
        "The columns are 'unique_id', 'ds', 'y'.",
        "There is no column 'day', given as time_col. The columns are 'unique_id', 'ds', 'y'.",
        "freq='hourly' is not a frequency. Did you mean 'h'? The codes are s, min, h, D, B, W, MS, ME, QS, QE, "
        "YS, YE, with a count before them if need be ('15min'); integer times take a number.",
        "'y' has text where numbers belong, in 40 rows: 'x' in row 0, 'x' in row 1, 'x' in row 2 and 37 more.",
    )


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_the_kind_of_table_is_named(kind):
    with pytest.raises(DataError, match=r"^The (pandas|polars|pyarrow) table cannot be used:\n  - "):
        read_panel(kind({"ds": [1, 1], "y": [1, 2]}))


COLUMNS = {
    "two targets": (
        table().rename(columns={"y": "sales"}).assign(price=1.0),
        {},
        "'sales' or 'price' may be the target. Say which: target_col='sales' (on the command line --target-col).",
    ),
    "two times": (
        table().assign(date=DAYS, time=DAYS).drop(columns="ds"),
        {},
        "'date' or 'time' may be the time. Say which: time_col='date' (on the command line --time-col).",
    ),
    "no time": (
        table().drop(columns="ds"),
        {},
        "No column is the time: none is named so, and no other one holds dates. "
        "The columns are 'unique_id', 'y'. Say which: time_col=... (on the command line --time-col).",
    ),
    "no target": (
        table().drop(columns="y"),
        {},
        "No column is the target: none is named so, and no other one holds numbers. "
        "The columns are 'unique_id', 'ds'. Say which: target_col=... (on the command line --target-col).",
    ),
    "one column twice": (
        table(),
        {"id_col": "unique_id", "time_col": "unique_id"},
        "Column 'unique_id' is given as time_col and for another role as well.",
    ),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns(case):
    source, options, message = COLUMNS[case]
    assert problems(source, **options) == (message,)


VALUES = {
    "text": (
        ["1"] * 36 + ["w", "x", "y", "z"],
        "'y' has text where numbers belong, in 4 rows: 'w' in row 36, 'x' in row 37, 'y' in row 38 and 1 more.",
    ),
    "decimal commas": (
        ["1,5"] * 40,
        "'y' has text where numbers belong, in 40 rows: '1,5' in row 0, '1,5' in row 1, '1,5' in row 2 "
        "and 37 more. Write numbers with a decimal point and without thousands separators.",
    ),
    "mixed objects": (
        pd.Series([1.0] * 39 + ["n.a."], dtype=object),
        "'y' has text where numbers belong, in 1 row: 'n.a.' in row 39.",
    ),
    "infinite": (
        [1.0] * 30 + [np.inf, -np.inf] * 5,
        "'y' is infinite in 10 rows: row 30, row 31, row 32 and 7 more. Leave unknown values empty.",
    ),
    "bools": ([True, False] * 20, "'y' holds true and false where numbers belong. Write 1 and 0."),
    "dates": (DAYS, "'y' holds timestamp"),
    "nothing": ([1.0] * 20 + [np.nan] * 20, "1 series without any value: 'b'. Leave them out."),
}


@pytest.mark.parametrize("case", VALUES)
def test_values(case):
    values, message = VALUES[case]
    (problem,) = problems(table(y=values))
    assert problem.startswith(message) if case == "dates" else problem == message


TIMES = {
    "null ids": ({"unique_id": ["a"] * 20 + [None] + ["b"] * 19}, "'unique_id': 1 row without an id: row 20."),
    "null ids among texts and numbers": (
        {"unique_id": pd.Series(["a"] * 20 + [7] * 19 + [None], dtype=object)},
        "'unique_id': 1 row without an id: row 39.",
    ),
    "float ids": ({"unique_id": [0.5] * 40}, "'unique_id' holds double; ids are text or whole numbers."),
    "null ids among whole numbers": (
        {"unique_id": [1.0] * 20 + [np.nan] + [2.0] * 19},
        "'unique_id': 1 row without an id: row 20.",
    ),
    "null times": ({"ds": [pd.NaT, *DAYS[1:]]}, "'ds': 1 row without a time: row 0."),
    "unreadable": (
        {"ds": [*(str(day.date()) for day in DAYS[:37]), "2024-02-30", "soon", "2024-01-01 25:00"]},
        "'ds': 3 rows cannot be read as times: '2024-02-30' in row 37, 'soon' in row 38, "
        "'2024-01-01 25:00' in row 39. Write dates like 2024-01-31 or 2024-01-31 13:00.",
    ),
    "day or month": (
        {"ds": ["01/02/2024", "02/02/2024"] * 20},
        "'ds': '01/02/2024' may be day/month or month/day, and no row tells which. Write dates like 2024-01-31.",
    ),
    "zones here and there": (
        {"ds": ["2024-01-01T00:00Z", "2024-01-02T00:00"] * 20},
        "'ds': some times have a zone and others have none. Write all of them alike.",
    ),
    "periods": (
        {"ds": list(pd.period_range("2024-01", periods=20, freq="M")) * 2},
        "'ds' holds periods of pandas. Make them datetimes: .dt.to_timestamp().",
    ),
    "fractions": (
        {"ds": np.arange(40) + 0.5},
        "'ds' holds fractions, or numbers of more than 64 bits; times are dates, datetimes or whole numbers.",
    ),
    "off the grid": (
        {"ds": [*DAYS[:20], *DAYS[:10], DAYS[10] + pd.Timedelta("3h"), *DAYS[11:20]]},
        "'ds' is mostly daily, but 1 time does not fit: ('b', 2024-01-11 03:00). Correct or round these times. "
        "Give the frequency: freq='h' (on the command line --freq h).",
    ),
}


@pytest.mark.parametrize("case", TIMES)
def test_ids_and_times(case):
    columns, message = TIMES[case]
    assert problems(table(**columns)) == (message,)


def test_days_written_as_numbers(write):
    text = "date,co2\n19580329,316.1\n19580405,317.3\n19580412,317.6\n"
    assert problems(write(text)) == (
        "'date' is mostly steps of 7, but 2 times do not fit: 19580405, 19580412. "
        "Correct or round these times. If they are dates, write them like 2024-01-31.",
    )


def test_repeated_times_name_the_first_three_and_the_likely_id():
    extra = table().iloc[[3, 5, 7, 9]]
    assert problems(pd.concat([table(), extra])) == (
        "Times appear more than once, in 4 rows: ('a', 2024-01-04), ('a', 2024-01-06), ('a', 2024-01-08) "
        "and 1 more. A series has one row at a time.",
    )
    assert problems(table().rename(columns={"unique_id": "store"})) == (
        "Times appear more than once, in 20 rows: 2024-01-01, 2024-01-02, 2024-01-03 and 17 more. A series has "
        "one row at a time. Is 'store' the id column? Give id_col='store' (on the command line --id-col store).",
    )


@pytest.mark.parametrize("freq", ["h", "2D", "W", "MS"])
@pytest.mark.parametrize("length", [4, 200])
def test_mixed_frequencies_whether_finer_or_coarser_than_most(freq, length):
    name = read_panel(pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=30, freq=freq), "y": 1.0})).freq.name
    other = pd.DataFrame({"unique_id": "z", "ds": pd.date_range("2024-01-01", periods=length, freq=freq), "y": 1.0})
    (problem,) = problems(pd.concat([table(), other]))
    daily, others = "daily (2 series: 'a', 'b')", f"{name} (1 series: 'z')"
    ending = ". Use one frequency at a time, or resample them to one."
    assert problem in (
        f"The series mix frequencies: {daily}; {others}{ending}",
        f"The series mix frequencies: {others}; {daily}{ending}",
    )


def test_a_series_with_many_gaps_is_not_another_frequency():
    rng = np.random.default_rng(0)
    sparse = [
        pd.DataFrame({"unique_id": f"s{k}", "ds": DAYS, "y": 1.0}).sample(15, random_state=rng) for k in range(50)
    ]
    assert read_panel(pd.concat([table(), *sparse])).freq.name == "daily"


def test_short_series_are_named_with_their_lengths():
    ids = np.repeat([f"s{k}" for k in range(8)], np.arange(3, 11))
    times = np.concatenate([np.arange(n) for n in range(3, 11)])
    assert problems(pd.DataFrame({"id": ids, "t": times, "y": 1.0}), min_length=11) == (
        "8 series shorter than one window of 11 points: 's0' (3), 's1' (4), 's2' (5), 's3' (6), 's4' (7) and 3 more. "
        "Give longer ones, or choose a smaller input_size or h.",
    )


def test_a_long_series_is_enough():
    ids = np.repeat([f"s{k}" for k in range(8)], np.arange(3, 11))
    times = np.concatenate([np.arange(n) for n in range(3, 11)])
    panel = read_panel(pd.DataFrame({"id": ids, "t": times, "y": 1.0}), min_length=10)
    assert panel.lengths.tolist() == list(range(3, 11))


def test_frequencies_that_are_given():
    assert problems(table(), freq="W") == (
        "'ds': freq is weekly, but 34 times do not fit: ('a', 2024-01-02), ('a', 2024-01-03), ('a', 2024-01-04) "
        "and 31 more. Correct them, or give another freq.",
    )
    assert problems(table(), freq=1) == (
        "freq=1 counts whole numbers, but 'ds' holds dates. Give a code such as 'h' or 'D'.",
    )
    assert problems(table(ds=list(range(20)) * 2), freq="D") == (
        "freq is daily, but 'ds' holds whole numbers. Give a number such as freq=1, or make dates.",
    )


def test_no_frequency_can_be_inferred():
    assert problems(table(unique_id=range(40))) == (
        "Every series has one row alone, so that no frequency can be inferred. Does the id column number the "
        "rows? Leave it out, or say which column is the id: id_col=... (on the command line --id-col).",
    )
    assert problems(table()[:1]) == (
        "'ds' has one time alone, so that no frequency can be inferred. "
        "Give the frequency: freq='h' (on the command line --freq h).",
    )
    assert len(read_panel(table()[:1], freq="h").values) == 1


def test_a_grid_that_would_not_fit_into_memory():
    times = pd.to_datetime(["1970-01-01 00:00:00", "1970-01-01 00:00:01", "2024-01-01 00:00:00"])
    assert problems(pd.DataFrame({"ds": times, "y": 1.0})) == (
        "The whole grid (every second) would have 1,704,067,201 points for 3 rows, nearly all missing. "
        "Is the frequency right, and are the first and last times? Give a longer one as freq=...",
    )


FILES = {
    "empty": ("sales.csv", b"", "sales.csv is empty."),
    "blank": ("sales.csv", b"\n\n", "sales.csv is empty."),
    "header": ("sales.csv", b"unique_id,ds,y\n", "sales.csv has no rows, only the columns unique_id, ds, y."),
    "no header": (
        "sales.csv",
        b"2024-01-01,1\n2024-01-02,2\n",
        "sales.csv: the first line has values. Add a line of column names before it.",
    ),
    "binary": ("sales.csv", b"PK\x03\x04\x00\xff", "sales.csv is not UTF-8 text. Save it anew as CSV in UTF-8."),
    "latin": (
        "sales.csv",
        "ds,y,Stadt\n1,2,Köln\n".encode("latin-1"),
        "sales.csv is not UTF-8 text. Save it anew as CSV in UTF-8.",
    ),
    "not gzip": ("sales.csv.gz", b"ds,y\n1,2\n", "sales.csv.gz is not UTF-8 text. Save it anew as CSV in UTF-8."),
    "ragged": (
        "sales.csv",
        b"ds,y\n\n1,1\n2\n3,1,2\n",
        "sales.csv: the first line names 2 columns, but line 4 has 1, line 5 has 3.",
    ),
    "too wide": ("sales.csv", b"ds\n1,2\n", "sales.csv: the first line names 1 column, but line 2 has 2."),
    "two without a name": ("sales.csv", b",,y\n1,2,3\n", "sales.csv: the first line names '' more than once."),
    "open quote": (
        "sales.csv",
        b'ds,y\n1,1\n2,"2\n' + b"3,3\n" * 40_000,
        "sales.csv cannot be read as CSV from line 3 on: field larger than field limit (131072). "
        "Is a quote opened there and never closed?",
    ),
    "twice": ("sales.csv", b"ds,y, y\n1,2,3\n", "sales.csv: the first line names 'y' more than once."),
    "not parquet": ("x.parquet", b"nothing of the kind", "x.parquet is no Parquet file, or a damaged one."),
    "empty parquet": ("x.parquet", b"", "x.parquet is empty."),
    "suffix": (
        "x.xlsx",
        b"PK",
        "x.xlsx: files are read by their suffix, and '.xlsx' is not known. Known are .csv, .tsv, .txt, .csv.gz, "
        ".tsv.gz, .txt.gz, .parquet, .pq, and folders of Parquet files.",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files(case, write):
    name, content, message = FILES[case]
    assert problems(write(content, name)) == (message,)


def test_lines_are_counted_as_an_editor_does(write, tmp_path):
    text = 'ds,y,note\n1,1,"two\nlines"\n\n2,x,\n3,3,\n4,z,\n'
    message = ("'y' has text where numbers belong, in 2 rows: 'x' in line 5, 'z' in line 7.",)
    assert problems(write(text)) == message
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert problems(tmp_path / "sales.csv.gz") == message


def test_paths_that_lead_nowhere(write, tmp_path):
    write("ds,y\n1,2\n")
    assert problems(tmp_path / "salse.csv") == (
        f"There is no file 'salse.csv' in {tmp_path.resolve()}. Did you mean 'sales.csv'?",
    )
    nowhere = tmp_path / "no" / "x.csv"
    assert problems(nowhere) == (f"There is no file {nowhere}, nor a folder {nowhere.parent}.",)
    assert problems(tmp_path) == (f"The folder {tmp_path} holds no Parquet files (.parquet or .pq).",)


@pytest.mark.parametrize(
    ("source", "kind"), [({"a": 1}, "dict"), (pd.Series([1.0]), "pandas.Series"), (None, "NoneType")]
)
def test_things_that_are_no_tables(source, kind):
    (problem,) = problems(source)
    assert problem.startswith(
        f"A table is a path to CSV or Parquet files, or a pandas, polars or pyarrow table; got {kind}."
    )


def test_a_frame_without_rows():
    assert problems(table()[:0]) == ("The pandas table has no rows, only the columns unique_id, ds, y.",)
    assert problems(pl.DataFrame()) == ("The polars table has no rows, and no columns.",)


def test_frames_that_cannot_be_read_by_column():
    twice = pa.table([pa.array([1]), pa.array([1]), pa.array([2])], names=["ds", "y", "y"])
    assert problems(twice) == ("The table has two columns of one name among ['ds', 'y', 'y'].",)
    levels = pd.DataFrame([[1, 2.0]], columns=pd.MultiIndex.from_tuples([("ds", "a"), ("y", "b")]))
    (problem,) = problems(levels)
    assert problem.startswith("The pandas table has column names of several levels. Join them: df.columns = ")
    (problem,) = problems(pa.record_batch({"ds": [1, 2], "y": [1, 2]}))
    assert problem.endswith(
        "got pyarrow.RecordBatch. A DataFrame can be made of most things: pandas.DataFrame({'ds': times, 'y': values})."
    )


def test_an_index_of_periods_is_seen():
    frame = pd.DataFrame({"y": np.arange(5.0)}, index=pd.period_range("2024-01", periods=5, freq="M"))
    assert problems(frame) == ("'index' holds periods of pandas. Make them datetimes: .dt.to_timestamp().",)


def test_rows_that_cannot_be_read_do_not_hide_what_else_is_wrong(tmp_path):
    rows = [f"a,2024-01-{day:02},{day}" for day in range(1, 21)]
    rows[3], rows[5], rows[8] = "a,2024-01-04,n/k", "a,2024-01-06,inf", "a,2024-02-31,9"
    rows += ["a,2024-01-02,2", "b,2024-01-01,1", "b,2024-01-02,2", "c,soon,1"]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    with pytest.raises(DataError) as caught:
        read_panel(path, min_length=30)
    starts = [
        "'y' has text where numbers belong, in 1 row: 'n/k' in line 5",
        "'y' is infinite in 1 row: line 7",
        "'ds': 2 rows cannot be read as times: '2024-02-31' in line 10, 'soon' in line 25",
        "Times appear more than once, in 1 row: ('a', 2024-01-02)",
        "2 series shorter than one window of 30 points: 'a' (20), 'b' (2)",
    ]
    assert len(caught.value.problems) == len(starts)
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(start)


def test_a_file_of_quite_another_name_is_not_suggested(tmp_path):
    (tmp_path / "mixed.csv").write_text("ds,y\n")
    with pytest.raises(DataError) as caught:
        read_panel(tmp_path / "nofile.csv")
    assert "Did you mean" not in str(caught.value)


def test_problems_without_a_heading_are_lines_of_their_own():
    assert str(DataError("One.", "Two.")) == "One.\nTwo."
    assert str(DataError("One.", "Two.", heading="Both:")) == "Both:\n  - One.\n  - Two."
