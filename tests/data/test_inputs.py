"""Data in the forms of other libraries: read in place, or refused with the reason."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn
from gpugrad.data.inputs import as_array, as_input
from gpugrad.errors import DataError
from gpugrad.training.checks import check_features

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
NAMES = ("a", "b", "c")


class Exchanged:
    """An array that only DLPack can access."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def frames(columns):
    """The same table in each installed library."""
    pa = pytest.importorskip("pyarrow")
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    return {"pandas": pandas.DataFrame(columns), "polars": polars.DataFrame(columns), "pyarrow": pa.table(columns)}


def mapped(folder, array, name="x.npy"):
    np.save(folder / name, array)
    return np.load(folder / name, mmap_mode="r")


FORMS = {
    "pandas": lambda x: frames(dict(zip(NAMES, x.T, strict=True)))["pandas"],
    "polars": lambda x: frames(dict(zip(NAMES, x.T, strict=True)))["polars"],
    "pyarrow": lambda x: frames(dict(zip(NAMES, x.T, strict=True)))["pyarrow"],
    "torch": lambda x: pytest.importorskip("torch").tensor(x),
    "jax": lambda x: pytest.importorskip("jax.numpy").asarray(x),
    "DLPack": Exchanged,
    "gpugrad": gg.tensor,
    "list": lambda x: x.tolist(),
}
COLUMNS = {
    "pandas": lambda y: pytest.importorskip("pandas").Series(y),
    "pandas, nullable": lambda y: pytest.importorskip("pandas").Series(y, dtype="Int64"),
    "polars": lambda y: pytest.importorskip("polars").Series(y),
    "pyarrow": lambda y: pytest.importorskip("pyarrow").chunked_array([y[:7], y[7:]]),
    "pyarrow array": lambda y: pytest.importorskip("pyarrow").array(y),
    "torch": lambda y: pytest.importorskip("torch").tensor(y),
    "DLPack": Exchanged,
}


def trained(x, y, **options):
    model = nn.MLP(3, [8], 2, seed=0)
    trainer = gg.Trainer(model, device="cpu", seed=0)
    trainer.fit(x, y, epochs=2, batch_size=16, validation_data=(x, y), **options)
    return trainer


def weights(trainer):
    return np.concatenate([array.ravel() for array in trainer.model.state_dict().values()])


@pytest.fixture(scope="module")
def expected():
    return trained(X, Y)


@pytest.mark.parametrize("form", FORMS)
def test_a_trainer_takes_features_in_every_form(form, expected):
    x = FORMS[form](X)
    trainer = trained(x, Y)
    np.testing.assert_array_equal(weights(trainer), weights(expected))
    assert trainer.evaluate(x, Y) == expected.evaluate(X, Y)
    np.testing.assert_array_equal(trainer.predict_proba(x), expected.predict_proba(X))
    np.testing.assert_array_equal(trainer.predict(x), expected.predict(X))


@pytest.mark.parametrize("form", COLUMNS)
def test_a_trainer_takes_labels_in_every_form(form, expected):
    y = COLUMNS[form](Y)
    trainer = trained(X, y)
    np.testing.assert_array_equal(weights(trainer), weights(expected))
    assert trainer.evaluate(X, y) == expected.evaluate(X, Y)


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow"])
def test_the_columns_of_a_table_have_one_dtype_in_the_end(form):
    table = frames({"a": np.float32([1, 2]), "b": np.int64([3, 4]), "c": np.array([True, False])})[form]
    x = as_array(table)
    assert x.tolist() == [[1, 3, 1], [2, 4, 0]]
    assert check_features(table).dtype.kind == "f"
    for dtype in ("uint8", "float32", "float64"):
        table = frames({"a": np.array([1, 2], dtype), "b": np.array([3, 4], dtype)})[form]
        assert check_features(table).dtype == dtype


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("other", [["x", "y"], ["1", "2"], np.array(["2020", "2021"], "M8[us]")])
def test_a_column_that_is_no_number_is_named(form, other):
    table = frames({"size": [1.0, 2.0], "town": other})[form]
    with pytest.raises(DataError, match=r"column 'town' of x is of type \w+.*, expected numbers"):
        check_features(table)


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow"])
def test_a_cell_without_a_value_is_named(form):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2, 3], "b": [1, 2, None]})
    table = {"pandas": table.to_pandas, "polars": lambda: pytest.importorskip("polars").from_arrow(table)}.get(
        form, lambda: table
    )()
    with pytest.raises(DataError, match="column 'b' has no value in data row 3"):
        check_features(table)


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow"])
def test_cells_without_a_value_are_counted(form):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2, 3], "b": [1, None, None], "c": [None, 2, 3]})
    table = {"pandas": table.to_pandas, "polars": lambda: pytest.importorskip("polars").from_arrow(table)}.get(
        form, lambda: table
    )()
    with pytest.raises(DataError, match=r"column 'b' has no .* row 2, one of 3 missing cells in 2 columns \(b, c\)"):
        check_features(table)


def test_decimals_and_nullable_columns():
    pa, pandas = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    assert as_array(pa.table({"a": pa.array([1, 2]).cast(pa.decimal128(25, 2))})).dtype == np.float64
    nullable = pandas.DataFrame(
        {"a": pandas.Series([1, 2], dtype="Int64"), "b": pandas.Series([1.5, 2], dtype="Float32")}
    )
    assert check_features(nullable).tolist() == [[1, 1.5], [2, 2]]


def test_arrays_are_read_where_they_lie(tmp_path):
    torch, jnp = pytest.importorskip("torch"), pytest.importorskip("jax.numpy")
    for array in (torch.tensor(X), jnp.asarray(X), Exchanged(X), mapped(tmp_path, X)):
        same = check_features(array)
        again = check_features(array)
        assert same.dtype == np.float32
        assert np.shares_memory(same, again), f"{type(array)} was copied"


def test_arrays_that_are_refused():
    torch, sparse = pytest.importorskip("torch"), pytest.importorskip("scipy.sparse")
    for x, message in (
        (torch.tensor(X, requires_grad=True), r"Use tensor\.detach\(\)"),
        (torch.tensor(X, dtype=torch.bfloat16), "BFloat16"),
        (Exchanged(torch.tensor(X, requires_grad=True)), "require gradient"),
        (sparse.csr_array(X), r"x is a csr_array, expected an array of numbers or a table: call its toarray\(\)"),
        (object(), "x is an object, expected an array"),
        ([[1.0], [1.0, 2.0]], "make its rows equally long"),
    ):
        with pytest.raises(DataError, match=message):
            check_features(x)


def test_a_query_without_rows_is_refused():
    polars = pytest.importorskip("polars")
    query = polars.DataFrame({"a": [1.0]}).lazy()
    for take in (check_features, as_input):
        with pytest.raises(DataError, match=r"no rows yet, expected a DataFrame: call its collect\(\)"):
            take(query)


def test_the_first_value_that_is_not_finite_is_found_in_any_block(tmp_path, monkeypatch):
    monkeypatch.setattr("gpugrad.training.checks.CHECKED_BYTES", 64)  # of 5 rows
    for row in (0, 4, 5, 59):
        x = X.copy()
        x[row, 2] = np.inf
        x[row:, 1] = np.nan
        with pytest.raises(DataError, match=rf"x holds nan at \({row}, 1\)"):
            check_features(mapped(tmp_path, x))
    assert check_features(X) is X


# ---- memory ----

CHILD = """
import resource, sys
import numpy as np
import gpugrad as gg
from gpugrad import nn

def trainer():
    return gg.Trainer(nn.MLP(256, [8], 2, seed=0), device="cpu", seed=0)

small = np.zeros((4096, 256), np.float32), np.zeros(4096, np.int32)
warm = trainer()
warm.fit(*small, epochs=1, batch_size=1024, validation_split=float(sys.argv[3]))
warm.evaluate(*small); warm.predict(small[0])
used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData:"))
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[2]), -1))
x = np.load(sys.argv[1], mmap_mode=(sys.argv[4:] or [None])[0])
y = (np.arange(len(x)) % 2).astype(np.int32)
done = trainer()
done.fit(x, y, epochs=1, batch_size=1024, validation_split=float(sys.argv[3]))
done.evaluate(x, y); done.predict(x)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's own memory is Linux's")
@pytest.mark.parametrize(
    ("mode", "split", "fits"),
    [
        ("r", 0.0, True),
        ("r", 0.1, True),
        (None, 0.0, False),
    ],
)
@pytest.mark.slow
def test_a_memory_map_is_not_read_into_memory(mode, split, fits, tmp_path):
    """A quarter of the data may be a process's own memory; that of a file mapped for reading does not count."""
    rows = 2**17  # 128 MiB
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 256))
    x[::1000] = 1
    del x
    command = [sys.executable, "-c", CHILD, str(path), str(rows * 256), str(split), *([mode] if mode else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.stdout == "done\n") == fits, done.stderr
    if not fits:
        assert "MemoryError" in done.stderr


@pytest.mark.parametrize(
    "options", [{}, {"sample_weight": rng.random(60)}, {"data_on_device": False}, {"accumulation_steps": 2}]
)
def test_rows_held_out_of_a_memory_map_are_those_held_out_in_memory(options, tmp_path):
    def fit(x):
        trainer = gg.Trainer(nn.MLP(3, [8], 2, dropout=0.2, seed=0), device="cpu", seed=0)
        return trainer, trainer.fit(x, Y, epochs=3, batch_size=16, validation_split=0.25, **options)

    (mapped_trainer, mapped_history), (trainer, history) = fit(mapped(tmp_path, X)), fit(X)
    np.testing.assert_array_equal(weights(mapped_trainer), weights(trainer))
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        assert mapped_history[name] == history[name]


# ---- functions for the estimators ----


@pytest.mark.parametrize("form", FORMS)
def test_as_input_keeps_tables_and_lists(form):
    x = FORMS[form](X)
    same = as_input(x)
    if form in ("pandas", "polars", "pyarrow", "list"):
        assert same is x
    else:
        assert type(same) is np.ndarray
        np.testing.assert_array_equal(same, X)


def test_as_input_keeps_what_scikit_learn_takes(tmp_path):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    for x in (X, mapped(tmp_path, X), sparse.csr_matrix(X), "text", None, pandas.DataFrame({"a": ["1.5", "2"]})):
        assert as_input(x) is x


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("other", [["x", "y"], np.array(["2020", "2021"], "M8[us]")])
def test_as_input_names_the_column_that_is_no_number(form, other):
    with pytest.raises(DataError, match="column 'town' of X is of type"):
        as_input(frames({"size": [1.0, 2.0], "town": other})[form])
    labels = frames({"town": other})[form]
    assert as_input(labels, "y") is labels


@pytest.mark.parametrize("names", [range(3), [0, "b", 2], [("a", 1), ("a", 2), ("b", 1)], [1.5, 2.5, None]])
def test_columns_of_pandas_may_have_any_name(names):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X.copy())  # pandas 2 would share its memory
    frame.columns = pandas.Index(list(names), tupleize_cols=False)
    np.testing.assert_array_equal(as_array(frame), X)
    assert as_input(frame) is frame
    frame.iloc[3, 1] = np.nan
    with pytest.raises(DataError, match="data row 4"):
        as_array(frame.convert_dtypes())


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "uint8", "bool"])
def test_frames_of_nullable_dtypes_are_numbers(backend, dtype):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    values = (np.arange(6).reshape(3, 2) % 2).astype(dtype)
    frame = pandas.DataFrame(values, columns=["a", "b"]).convert_dtypes(dtype_backend=backend)
    assert check_features(frame).tolist() == values.astype(float).tolist()
    assert as_array(frame["a"], "y").tolist() == values[:, 0].tolist()


def test_masked_values_are_refused():
    masked = np.ma.masked_array(X, X.max() - 0.1 < X)
    for read in (as_array, as_input):
        with pytest.raises(DataError, match="x has masked values, which count as missing: fill them, or drop"):
            read(masked, "x")
        np.testing.assert_array_equal(read(np.ma.masked_array(X), "x"), X)


def test_columns_of_one_name_are_refused_in_one_line():
    frame = pytest.importorskip("pandas").DataFrame(np.ones((3, 2)), columns=["a", "a"])
    for read in (as_array, as_input):
        with pytest.raises(DataError, match=r"^the table has the column 'a' 2 times, expected different names: .*$"):
            read(frame)
