"""Tables from CSV and Parquet: the written values are read back, and missing ones are named by column and row."""

import csv
import io
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpugrad.data import csv_file, read_table
from gpugrad.errors import ArgumentError, DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write_csv(folder, content, name="table.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def written(columns):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


finite = st.floats(allow_nan=False, allow_infinity=False)
# "x" first, so that a text is neither a number nor a word for a missing value.
words = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    .map(lambda s: ("x" + s).strip())
    .filter(lambda s: not is_number(s))
)


@st.composite
def tables(draw):
    n_rows = draw(st.integers(1, 12))
    names = draw(st.lists(words, min_size=2, max_size=4, unique=True))
    kinds = [draw(st.sampled_from([finite, words])) for _ in names]
    return {
        name: draw(st.lists(kind, min_size=n_rows, max_size=n_rows)) for name, kind in zip(names, kinds, strict=True)
    }


def check(actual, expected):
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].dtype == (np.float64 if isinstance(values[0], float) else object)
        assert actual[name].tolist() == values


@settings(max_examples=80, deadline=None)
@given(columns=tables())
@example(columns={"x|\n0": [0.0], "x": [0.0]})
def test_csv_comes_back_to_the_bit(tmp_path_factory, columns):
    path = write_csv(tmp_path_factory.mktemp("csv"), written(columns))
    check(read_table(path), columns)


@settings(max_examples=40, deadline=None)
@given(columns=tables())
def test_parquet_comes_back_to_the_bit(tmp_path_factory, columns):
    path = tmp_path_factory.mktemp("parquet") / "table.parquet"
    pq.write_table(pa.table(columns), path)
    check(read_table(path), columns)


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(st.sampled_from(["1", "2.5", "-3e4", "a", "1_0", "nan", "NA"]), min_size=1, max_size=9),
    chunk=st.integers(1, 4),
)
def test_reading_in_pieces_changes_nothing(tmp_path_factory, cells, chunk):
    path = write_csv(tmp_path_factory.mktemp("csv"), written({"a": cells, "b": range(len(cells))}))

    def read():
        try:
            return {name: values.tolist() for name, values in read_table(path).items()}
        except DataError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        whole = read()
        patch.setattr(csv_file, "_read_with_pyarrow", lambda *arguments: None)
        assert read() == whole
        patch.setattr(csv_file, "CHUNK_ROWS", chunk)
        assert read() == whole


def test_what_a_csv_may_look_like(tmp_path):
    path = write_csv(tmp_path, b'\xef\xbb\xbf age , "job, title"\r\n\r\n1, a \r\n 2,"b, ""c"""\r\n', "TABLE.CSV")
    columns = read_table(path)
    assert columns["age"].tolist() == [1.0, 2.0]
    assert columns["job, title"].tolist() == ["a", 'b, "c"']


def test_quotes_and_blank_lines(tmp_path):
    columns = read_table(write_csv(tmp_path, '"a","b, c"\n\n1,"x\ny"\n\n2,"say ""z"""\n\n'))
    assert columns["a"].tolist() == [1, 2]
    assert columns["b, c"].tolist() == ["x\ny", 'say "z"']


def test_a_number_with_underscores_is_text(tmp_path):
    assert read_table(write_csv(tmp_path, "a,b\n1_2,1\n3_4,2\n"))["a"].tolist() == ["1_2", "3_4"]


def test_columns_stay_text_or_unread_on_demand(tmp_path):
    columns = read_table(write_csv(tmp_path, "a,b,c\n01,,1\n2,3,2\n"), text=["a"], ignore=["b"])
    assert columns["a"].tolist() == ["01", "2"]
    assert columns["c"].tolist() == [1, 2]
    assert list(columns) == ["a", "c"]


def test_a_word_for_missing_is_a_category_among_texts(tmp_path):
    assert read_table(write_csv(tmp_path, "a,b\nNA,1\nyes,2\n"))["a"].tolist() == ["NA", "yes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: expected a header line"),
        ("\n\n", "is empty"),
        ("a,b\n", "has a header and no rows"),
        ("a,b,a\n1,2,3\n", "two columns named 'a'"),
        (",a\n0,1\n", "column 1 of .* has no name.*index=False"),
        ("a,b\n1,2\n1,2,3\n", r"data row 2 of .* has 3 cells: expected 2"),
        ("a,b\n1,2\n3\n", "data row 2 of .* has 1 cell: expected 2"),
        ('a,b\n"1,2\n', "line 2 of .* is not a valid CSV"),
        (b"a,b\n1,\xff\n", "not UTF-8"),
        ("a,b\n1,2\n,3\n", "column 'a' has no value in data row 2"),
        ("a,b\nx,2\n ,3\n", "column 'a' has no value in data row 2"),
        ("a,b\n1,2\n1,NA\n", "column 'b' has no value in data row 2"),
        ("a,b\n1,?\n1,null\n1,3\n", "column 'b' has no value in data row 1"),
        ("a,b\n1,2\n1,nan\n", "column 'b' has no value in data row 2"),
        ("a,b\n1,NA\n1,\n1,2\n", "'b' has no value in data row 1, one of 2 missing cells in it: fill them in"),
        ("a,b\nx,NA\n,y\n,\n", r"'a' has no value in data row 2, one of 3 missing cells in 2 columns \(a, b\)"),
        ("a,b,c\n1,nan,x\n1,2,\n1,2,\n", r"'b' has no value in data row 1, one of 3 missing .* \(b, c\): fill them"),
        ("a,b\n1,2\n1,3\n-inf,3\n", "column 'a' is infinite in data row 3"),
        ("a,b\n1,1e999\n", "column 'b' is infinite in data row 1"),
    ],
)
def test_a_wrong_csv_is_refused_in_one_sentence(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_table(write_csv(tmp_path, content))
    assert "\n" not in str(error.value)


def test_rows_are_counted_through_the_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "CHUNK_ROWS", 3)
    rows = "".join(f"{i},{i}\n" for i in range(7))
    for bad, message in ((",1\n", "no value in data row 8"), ("1\n", "data row 8 .* has 1 cell")):
        with pytest.raises(DataError, match=message):
            read_table(write_csv(tmp_path, f"a,b\n{rows}{bad}"))


def test_paths_that_are_no_table(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*absent\.csv"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(
        ArgumentError, match=r"table\.xlsx is not a data file, expected a name that ends in \.csv, .*export"
    ):
        read_table(tmp_path / "table.xlsx")


def write_parquet(folder, columns):
    path = folder / "table.parquet"
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return path


def test_the_types_of_parquet(tmp_path):
    columns = {
        "int": pa.array([1, 2], pa.int8()),
        "big": pa.array([2**60, 1], pa.uint64()),
        "half": pa.array(np.array([0.5, 1.5], np.float16)),
        "decimal": pa.array(["1.25", "2.50"]).cast(pa.decimal128(6, 2)),
        "bool": [True, False],
        "category": pa.array(["u", "v"]).dictionary_encode(),
        "large": pa.array([" s ", "t"], pa.large_string()),
        "__index_level_0__": [7, 8],
    }
    read = read_table(write_parquet(tmp_path, columns), text=["int"])
    assert {name: values.tolist() for name, values in read.items()} == {
        "int": ["1", "2"],
        "big": [2.0**60, 1],
        "half": [0.5, 1.5],
        "decimal": [1.25, 2.5],
        "bool": ["True", "False"],
        "category": ["u", "v"],
        "large": ["s", "t"],
    }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, None]}, "column 'a' has no value in data row 2"),
        ({"a": [None, "x"]}, "column 'a' has no value in data row 1"),
        ({"a": ["x", ""]}, "column 'a' has no value in data row 2"),
        ({"a": [1.0, float("nan")]}, "column 'a' has no value in data row 2"),
        ({"a": [1.0, float("inf")]}, "column 'a' is infinite in data row 2"),
        ({"a": ["1", "NA"]}, "column 'a' has no value in data row 2"),
        ({"a": [1, 2], "b": ["x", None], "c": [float("nan"), None]}, r"'b' .* row 2, one of 2 missing .* \(b, c\)"),
        ({"a": [[1], [2]]}, "column 'a' is of type list"),
        ({"a": pa.array([0], pa.timestamp("us"))}, r"column 'a' is of type timestamp\[us\]: expected numbers"),
        ({"a": pa.array([], pa.int64())}, "columns and no rows"),
        (pa.Table.from_arrays([[1], [2]], names=["a", "a"]), "two columns named 'a'"),
    ],
)
def test_a_wrong_parquet_is_refused_in_one_sentence(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        read_table(write_parquet(tmp_path, columns))


def test_a_damaged_parquet_is_refused(tmp_path):
    path = write_parquet(tmp_path, {"a": list(range(100))})
    content = path.read_bytes()
    for damaged, message in (
        (content[:-20], "not a valid Parquet"),
        (b"", "is empty"),
        (b"a,b\n1,2\n", "not a valid Parquet"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=message) as error:
            read_table(path)
        assert "\n" not in str(error.value)


def test_parquet_without_pyarrow_names_the_command(tmp_path, monkeypatch):
    path = write_parquet(tmp_path, {"a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'pip install "gpugrad\[parquet\]"'):
        read_table(path)
