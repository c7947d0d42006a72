"""The estimators accept arrays and tables of other libraries, and memory maps, like NumPy's arrays."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = ["a", "b", "c"]
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
LABELS = (X[:, 0] > 0).astype(np.int64)
TARGETS = X[:, 1] - X[:, 2]
KINDS = {"MLPClassifier": LABELS, "MLPRegressor": TARGETS}


class Exchanged:
    """An array that only DLPack can access."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def columns(x):
    return dict(zip(NAMES, x.T, strict=True))


TABLES = {
    "pandas": lambda x: pytest.importorskip("pandas").DataFrame(columns(x)),
    "polars": lambda x: pytest.importorskip("polars").DataFrame(columns(x)),
    "pyarrow": lambda x: pytest.importorskip("pyarrow").table(columns(x)),
}
FORMS = {
    **TABLES,
    "torch": lambda x: pytest.importorskip("torch").tensor(x),
    "DLPack": Exchanged,
    "gpugrad": lambda x: gg.tensor(x, device="cpu"),
}
COLUMNS = {
    "pandas": lambda y: pytest.importorskip("pandas").Series(y),
    "polars": lambda y: pytest.importorskip("polars").Series(y),
    "pyarrow": lambda y: pytest.importorskip("pyarrow").chunked_array([y[:7], y[7:]]),
    "torch": lambda y: pytest.importorskip("torch").tensor(y),
    "DLPack": Exchanged,
}


def make(name, **options):
    return getattr(gg, name)(hidden_layer_sizes=(5,), max_iter=3, random_state=0, device="cpu", **options)


def check_same(model, expected):
    for ours, theirs in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_features_in_every_form(form, name):
    y = KINDS[name]
    expected, x = make(name, early_stopping=True).fit(X, y), FORMS[form](X)
    model = make(name, early_stopping=True).fit(x, y)
    check_same(model, expected)
    np.testing.assert_array_equal(model.predict(x), expected.predict(X))
    if name == "MLPClassifier":
        np.testing.assert_array_equal(model.predict_proba(x), expected.predict_proba(X))
    classes = {"classes": [0, 1]} if name == "MLPClassifier" else {}
    check_same(make(name).partial_fit(x, y, **classes), make(name).partial_fit(X, y, **classes))
    assert getattr(model, "feature_names_in_", np.array([])).tolist() == (NAMES if form in TABLES else [])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", COLUMNS)
def test_targets_in_every_form(form, name):
    y = KINDS[name]
    check_same(make(name).fit(X, COLUMNS[form](y)), make(name).fit(X, y))


@pytest.mark.parametrize("form", TABLES)
def test_the_names_of_columns_are_checked(form):
    model = make("MLPClassifier").fit(TABLES[form](X), LABELS)
    table = TABLES["pyarrow"](X).rename_columns(["a", "c", "b"])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table)


@pytest.mark.parametrize("form", TABLES)
def test_a_column_that_is_no_number_is_named(form):
    table = {"size": [1.0, 2.0] * 30, "town": ["Ulm", "Bonn"] * 30}
    x = {
        "pandas": lambda: pytest.importorskip("pandas").DataFrame(table),
        "polars": lambda: pytest.importorskip("polars").DataFrame(table),
        "pyarrow": lambda: pytest.importorskip("pyarrow").table(table),
    }[form]()
    with pytest.raises(DataError, match="column 'town' of X is of type"):
        make("MLPClassifier").fit(x, LABELS)


def test_labels_may_be_texts_of_a_table():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    texts = np.where(LABELS, "yes", "no")
    expected = make("MLPClassifier").fit(X, texts)
    for y in (pandas.Series(texts), polars.Series(texts), pandas.DataFrame({"y": texts})["y"]):
        model = make("MLPClassifier").fit(X, y)
        check_same(model, expected)
        assert model.classes_.tolist() == ["no", "yes"]


def test_an_array_that_cannot_be_shared():
    torch = pytest.importorskip("torch")
    with pytest.raises(DataError, match=r"X is not an array of numbers .*Use tensor\.detach\(\)"):
        make("MLPClassifier").fit(torch.tensor(X, requires_grad=True), LABELS)


CHILD = """
import resource, sys, warnings
import numpy as np
import gpugrad as gg

warnings.simplefilter("ignore")

def use(x, y):
    model = gg.MLPClassifier((8,), max_iter=1, batch_size=1024, device="cpu").fit(x, y)
    model.partial_fit(x, y)
    model.predict(x)

use(np.zeros((4096, 256), np.float32), np.arange(4096) % 2)
used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData:"))
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[2]), -1))
x = np.load(sys.argv[1], mmap_mode=(sys.argv[3:] or [None])[0])
use(x, np.arange(len(x)) % 2)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's own memory is Linux's")
@pytest.mark.parametrize(("mode", "fits"), [("r", True), (None, False)])
@pytest.mark.slow
def test_a_memory_map_is_not_read_into_memory(mode, fits, tmp_path):
    """A third of the data may be a process's own memory; that of a file mapped for reading does not count."""
    rows, path = 2**17, tmp_path / "x.npy"  # 128 MiB
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 256))
    x[::1000] = 1
    del x
    command = [sys.executable, "-c", CHILD, str(path), str(rows * 256 * 4 // 3), *([mode] if mode else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.stdout == "done\n") == fits, done.stderr
    if not fits:
        assert "MemoryError" in done.stderr


DAYS = np.arange("2026-01", "2026-02", dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["1", "2", "dear"], "y has 'dear' in data row 3, expected numbers: correct or drop the row, or train"),
        (np.array([1.5, "cheap", "dear"], object), "y has 'cheap' in data row 2, expected numbers"),
        (np.array([b"1", b"2", b"dear"]), "y has 'dear' in data row 3"),
        ([["1", "2"], ["3", "x"], ["4", "5"]], "y has 'x' in data row 2"),
        (np.array(["1", None, "dear"], object), "y has 'dear' in data row 3"),
        (["1", "2", "nan"], "y contains NaN"),
        ([1.0, None, 2.0], "y contains NaN"),
        (DAYS[:3], r"y is of type datetime64\[D\], expected numbers"),
        ([["1"], ["2", "3"], ["4"]], "inhomogeneous"),
        (None, "requires y to be passed"),
    ],
)
def test_targets_that_are_no_numbers_are_named(y, message):
    x, model = np.eye(3), gg.MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, device="cpu")
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            method(x, y)
    if y is not None:
        with pytest.raises(ValueError, match=re.sub("^y (has|is)", r"y of validation_data \1", message)):
            model.fit(x, [1, 2, 3], validation_data=(x, y))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_of_targets_that_are_no_numbers(library):
    column = pytest.importorskip(library).Series(["1", None, "dear"])
    with pytest.raises(DataError, match="y has 'dear' in data row 3, expected numbers"):
        gg.MLPRegressor(hidden_layer_sizes=(2,), device="cpu").fit(np.eye(3), column)


@pytest.mark.parametrize("form", [list, np.array, lambda y: np.array(y, object), lambda y: np.array(y, "S")])
def test_targets_may_be_texts_of_numbers(form):
    x, model = np.eye(3), gg.MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, device="cpu", random_state=0)
    expected = model.fit(x, [1.5, 2.0, -3e2]).predict(x)
    np.testing.assert_array_equal(model.fit(x, form(["1.5", "2", "-3e2"])).predict(x), expected)
