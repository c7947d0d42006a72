"""Parquet files prepared part by part: the result of `load`, with far less memory."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import nn
from gpugrad.data import larger, load
from gpugrad.data.larger import open_parquet
from gpugrad.errors import ArgumentError, DataError, StorageError

COLUMNS = [f"x{i}" for i in range(58)]  # of a table of 1.5 GB
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def table(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "size": rng.normal(1e3, 5, rows).astype(np.float32),
        "town": rng.choice(["Ulm", "Köln ", "Bonn"], rows),
        "kind": rng.integers(0, 3, rows),
        "new": rng.choice([True, False], rows),
        "cost": rng.normal(size=rows),
    }


def rows_of(data, part):
    """Return the rows of a part, features and target, sorted."""
    x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
    return sorted(map(tuple, np.column_stack([x, y]).tolist()))


def check_same(streamed, loaded):
    """Assert that statistics, and the rows in each part, are bit-for-bit identical."""
    assert streamed.preprocessing == loaded.preprocessing
    assert (streamed.task, streamed.classes, streamed.scale) == (loaded.task, loaded.classes, loaded.scale)
    for part in ("train", "test"):
        x, y = getattr(streamed, f"x_{part}"), getattr(streamed, f"y_{part}")
        assert (x.dtype, y.dtype) == (getattr(loaded, f"x_{part}").dtype, getattr(loaded, f"y_{part}").dtype)
        assert isinstance(x, np.memmap)
        assert rows_of(streamed, part) == rows_of(loaded, part)


def outcome(make):
    """Return the result, or the error."""
    try:
        return make()
    except DataError as error:
        return error


numbers = st.one_of(
    st.floats(-1e6, 1e6, width=32), st.floats(allow_nan=False, allow_infinity=False), st.just(0.1), st.just(-0.0)
)
whole = st.one_of(st.integers(-3, 3), st.integers(-(2**53), 2**53), st.integers(-(2**63), 2**63 - 1))
texts = st.sampled_from(["a", "b", " b", "cd", "é", "7", "07", "7.0", "NA", "-", "2e3"])
as_written = st.sampled_from(["$5", "6", "1,5", "2,50 €", "7%", "TRUE", "true", "−8"])


@st.composite
def tables(draw):
    """Draw columns of a few kinds, one of them the target, cut into files and row groups."""
    rows = draw(st.integers(6, 40))
    columns = {}
    for i in range(draw(st.integers(2, 4))):
        values, dtype = draw(
            st.sampled_from(
                [
                    (numbers, pa.float64()),
                    (st.floats(-1e6, 1e6, width=32), pa.float32()),
                    (whole, pa.int64()),
                    (st.integers(0, 2), pa.int8()),
                    (texts, pa.string()),
                    (as_written, pa.string()),
                    (st.integers(5, 30).map(str), pa.string()),
                    (st.integers(2**60, 2**60 + 3), pa.uint64()),
                    (st.sampled_from(["x", "y"]), pa.string()),
                    (st.booleans(), pa.bool_()),
                ]
            )
        )
        columns[f"c{i}"] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype)
    return pa.table(columns), draw(st.sampled_from(sorted(columns))), draw(st.integers(1, 50)), draw(st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(["auto", "classification", "regression"]), st.integers(0, 5))
def test_it_is_what_load_makes_of_the_same_rows(tmp_path_factory, drawn, task, seed):
    made, target, batch_rows, group_rows = drawn
    path = tmp_path_factory.mktemp("table") / "table.parquet"
    pq.write_table(made, path, row_group_size=group_rows)
    options = {"target": target, "task": task, "seed": seed}
    loaded = outcome(lambda: load(path, **options))
    streamed = outcome(lambda: open_parquet(path, batch_rows=batch_rows, **options))
    if isinstance(loaded, DataError):
        assert isinstance(streamed, DataError), f"refused in memory: {loaded}"
    else:
        assert not isinstance(streamed, DataError), streamed
        check_same(streamed, loaded)


@pytest.mark.parametrize("target", ["kind", "town", "new", "cost", "size"])
def test_each_kind_of_target_and_column(target, tmp_path, monkeypatch):
    monkeypatch.setattr(larger, "COLUMN_BYTES", 200 * 8 * 2)  # two columns at once
    path = write(tmp_path / "table.parquet", table(), row_group_size=33)
    data = open_parquet(path, target=target, test_fraction=0.3, seed=4, batch_rows=17)
    check_same(data, load(path, target=target, test_fraction=0.3, seed=4))
    assert data.name == "table.parquet"


def test_a_folder_of_files_is_one_table(tmp_path):
    columns = table()
    one = write(tmp_path / "one.parquet", columns)
    (tmp_path / "parts").mkdir()
    for i, (start, stop) in enumerate([(0, 90), (90, 90), (90, 200)]):
        part = {name: values[start:stop] for name, values in columns.items()}
        turned = dict(reversed(part.items())) if i == 2 else part
        write(tmp_path / "parts" / f"{i}.parquet", turned)
    loaded = load(one, target="kind")
    check_same(open_parquet(tmp_path / "parts", target="kind", batch_rows=50), loaded)
    check_same(open_parquet([tmp_path / "parts" / f"{i}.parquet" for i in range(3)], target="kind"), loaded)


def test_the_index_of_pandas_is_no_feature(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table())
    one = frame.set_index(pd.Index(range(1000, 1200), name="id"))
    two = frame.set_index(pd.MultiIndex.from_product([range(20), range(10)], names=["block", None]))
    path = tmp_path / "t.parquet"
    for indexed in (one, two, frame.iloc[::-1]):
        indexed.to_parquet(path)
        loaded = load(path, target="kind")
        assert [column.name for column in loaded.preprocessing.columns] == ["size", "town", "new", "cost"]
        check_same(open_parquet(path, target="kind"), loaded)


def test_rows_with_a_category_of_their_own_are_trained_on(tmp_path):
    columns = table()
    columns["town"] = np.array(["only", *columns["town"][1:199], "last"], object)
    columns["new"] = np.array([*["no"] * 198, "x1", "x2"], object)
    path = write(tmp_path / "table.parquet", columns)
    for seed in range(6):
        check_same(open_parquet(path, target="cost", seed=seed, batch_rows=30), load(path, target="cost", seed=seed))


def test_large_labels_and_large_targets(tmp_path):
    ids = np.array([2**60, 2**60 + 1, 2**60 + 2] * 20)
    path = write(tmp_path / "table.parquet", {"x": np.arange(60.0), "id": ids, "large": np.arange(60) * 1e20})
    for target, task in (("id", "classification"), ("id", "auto"), ("large", "regression")):
        options = {"target": target, "task": task}
        check_same(open_parquet(path, batch_rows=7, **options), load(path, **options))


# ---- training from it ----


def fit(x, y, on_device):
    trainer = gg.Trainer(nn.MLP(x.shape[1], [8], 3, dropout=0.2, seed=0), device="cpu", seed=0)
    trainer.fit(x, y, epochs=3, batch_size=16, data_on_device=on_device, class_weight="balanced")
    return np.concatenate([array.ravel() for array in trainer.model.state_dict().values()]), trainer


@pytest.mark.parametrize("on_device", [None, False])
def test_training_from_it_is_training_in_memory_bit_for_bit_where_it_fits(on_device, tmp_path):
    data = open_parquet(write(tmp_path / "table.parquet", table()), target="kind", batch_rows=50)
    mapped, trainer = fit(data.x_train, data.y_train, on_device)
    in_memory, other = fit(np.array(data.x_train), np.array(data.y_train), None)
    np.testing.assert_array_equal(mapped, in_memory)
    scores = trainer.evaluate(data.x_test, data.y_test)
    assert scores == other.evaluate(np.array(data.x_test), np.array(data.y_test))


CHILD = """
import sys, threading, time
import numpy as np, pyarrow.parquet, sklearn.metrics, sklearn.model_selection
import gpugrad as gg
from gpugrad import nn
from gpugrad.data import larger

def memory():
    lines = (line.split() for line in open("/proc/self/status"))
    return {line[0]: int(line[1]) * 1024 for line in lines if line[0] in ("RssAnon:", "VmRSS:")}

def watch():
    while True:
        for name, size in memory().items():
            peak[name] = max(peak[name], size)
        time.sleep(0.001)

def train(x, y):
    trainer = gg.Trainer(nn.MLP(x.shape[1], [4], 2, seed=0), device="cpu", seed=0)
    trainer.fit(x, y, epochs=2, batch_size=1024, validation_split=0.1, memory="16MB")
    return trainer.evaluate(x, y)

larger.COLUMN_BYTES = 4 * 2**20
train(np.zeros((4096, 64), np.float32), np.zeros(4096, np.int32))
before = memory()
peak = dict(before)
threading.Thread(target=watch, daemon=True).start()
made = larger.open_parquet(sys.argv[1], target="y", folder=sys.argv[2], batch_rows=4096)
print(peak["RssAnon:"] - before["RssAnon:"])
before = memory()
peak["VmRSS:"] = 0
assert train(made.x_train, made.y_train)["accuracy"] > 0.5
print(peak["VmRSS:"] - before["VmRSS:"])
made.x_train.sum(), made.x_test.sum()
time.sleep(0.1)
print(peak["VmRSS:"] - before["VmRSS:"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows the memory of a process")
@pytest.mark.slow
def test_memory_stays_far_below_the_size_of_the_data(tmp_path):
    """To prepare, 0.3 MB per column for pyarrow and 60 bytes per row: little compared with data too large for a test.

    To train and evaluate, the memory for rows and a few bytes per row, pages of the files included.
    """
    columns, rows, blocks = 128, 2**14, 16  # 128 MiB of features
    rng = np.random.default_rng(0)
    x = rng.normal(size=(columns, rows)).astype(np.float32)
    block = pa.table({f"x{i}": x[i] for i in range(columns)} | {"y": (x[0] > 0).astype(np.int8)})
    path = tmp_path / "table.parquet"
    with pq.ParquetWriter(path, block.schema, compression="none", use_dictionary=False) as file:
        for _ in range(blocks):
            file.write_table(block)
    size = blocks * x.nbytes
    command = [sys.executable, "-c", CHILD, str(path), str(tmp_path / "prepared")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    prepared, trained, read = map(int, done.stdout.split())
    assert read > 0.9 * size, "the measure does not see data in memory"
    assert prepared < 0.7 * size, f"{prepared} bytes of {size}"
    assert trained < 16e6 + 60 * blocks * rows, f"{trained} bytes"


IN_LITTLE_MEMORY = """
import sys
import gpugrad as gg
from gpugrad import nn

group, folder, *streamed = sys.argv[1:]
if group:
    open(group + "/cgroup.procs", "w").write("0")
data = gg.data.open_parquet(folder + "/table.parquet", target="y", folder=folder + "/prepared")
options = {"data_on_device": False} if streamed else {"validation_data": (data.x_test, data.y_test)}
trainer = gg.Trainer(nn.MLP(data.n_features, [32], 1), loss="mse", device="cpu")
trainer.fit(data.x_train, data.y_train, epochs=2, batch_size=1024, **options)
assert trainer.evaluate(data.x_test, data.y_test)["r2"] > 0.99
print(gg.device("cpu").peak_memory())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the largest memory differs")
@pytest.mark.long
def test_one_and_a_half_gb_of_parquet_train_in_600_mb(tmp_path):
    """Where a group of processes can be made, the system kills one that needs more, its part of the cache included."""
    rng = np.random.default_rng(0)
    group = Path(f"/sys/fs/cgroup/memory/gpugrad-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("600000000")
    except OSError:
        group = None
    try:
        with pq.ParquetWriter(
            tmp_path / "table.parquet", pa.schema(dict.fromkeys([*COLUMNS, "y"], pa.float64()))
        ) as file:
            for _ in range(32):
                x = rng.normal(size=(len(COLUMNS), 100_000))
                file.write_table(pa.table([*x, 3 * x[0] - x[1]], schema=file.schema))
        assert (tmp_path / "table.parquet").stat().st_size > 1.4e9
        for way in ([], ["streamed"]):
            command = [sys.executable, "-c", IN_LITTLE_MEMORY, str(group or ""), str(tmp_path), *way]
            done = subprocess.run(command, capture_output=True, text=True, timeout=250)
            assert done.returncode == 0, done.stderr
            assert int(done.stdout) < 600e6
    finally:
        shutil.rmtree(tmp_path)
        if group is not None:
            group.rmdir()


# ---- the folder ----


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_temporary_folder_goes_with_the_data_set(tmp_path, monkeypatch):
    path = write(tmp_path / "table.parquet", table())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    data = open_parquet(path, target="kind")
    assert any("x_train.npy" in name for name in tree(tmp_path / "temporary"))
    del data
    gc.collect()
    assert tree(tmp_path / "temporary") == []


def test_a_folder_that_another_process_prepares_meanwhile_is_used(tmp_path, monkeypatch):
    path, folder = write(tmp_path / "table.parquet", table()), tmp_path / "prepared"
    prepare, others = larger._prepare, []

    def prepare_twice(*arguments):
        monkeypatch.setattr(larger, "_prepare", prepare)
        others.append(open_parquet(path, target="kind", folder=folder))
        prepare(*arguments)

    monkeypatch.setattr(larger, "_prepare", prepare_twice)
    check_same(open_parquet(path, target="kind", folder=folder), load(path, target="kind"))
    check_same(others[0], load(path, target="kind"))
    assert sorted(tree(tmp_path))[0] == "prepared"  # and nothing temporary


def test_a_folder_is_prepared_once(tmp_path, monkeypatch):
    path, folder = write(tmp_path / "table.parquet", table()), tmp_path / "new" / "prepared"
    first = open_parquet(path, target="kind", folder=folder)
    files = ["data.json", "x_test.npy", "x_train.npy", "y_test.npy", "y_train.npy"]
    assert tree(tmp_path / "new") == ["prepared", *(f"prepared/{name}" for name in files)]
    monkeypatch.setattr(larger, "_prepare", None)  # not prepared again
    check_same(open_parquet(path, target="kind", folder=folder, batch_rows=3), first)
    for changed in ({"target": "cost"}, {"seed": 1}, {"test_fraction": 0.1}, {"task": "regression"}):
        with pytest.raises(ArgumentError, match=r"of other or changed files, .*: choose another folder, or remove it"):
            open_parquet(path, folder=folder, **{"target": "kind", **changed})
    write(path, table(seed=1))
    with pytest.raises(ArgumentError, match="of other or changed files"):
        open_parquet(path, target="kind", folder=folder)


def test_an_empty_folder_is_taken_and_another_is_not(tmp_path):
    path, folder = write(tmp_path / "table.parquet", table()), tmp_path / "prepared"
    folder.mkdir()
    check_same(open_parquet(path, target="kind", folder=folder), load(path, target="kind"))
    for other in (tmp_path, path):
        with pytest.raises(ArgumentError, match="is not empty and no prepared data set: choose a new folder"):
            open_parquet(path, target="kind", folder=other)


@pytest.mark.parametrize("error", [OSError(28, "No space"), KeyboardInterrupt()])
def test_a_folder_is_whole_or_not_there(error, tmp_path, monkeypatch):
    path, folder = write(tmp_path / "table.parquet", table()), tmp_path / "new" / "prepared"
    (tmp_path / "new").mkdir()

    def fail(handle):
        assert tree(tmp_path / "new") != []
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError if isinstance(error, OSError) else KeyboardInterrupt, match=None) as raised:
        open_parquet(path, target="kind", folder=folder)
    if isinstance(error, OSError):
        assert "free some space or choose another folder" in str(raised.value)
    assert tree(tmp_path / "new") == []


def test_too_little_room_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    path = write(tmp_path / "table.parquet", table())
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    monkeypatch.setattr(larger, "_write_features", None)
    with pytest.raises(StorageError, match=r"take 0\.0 GB, and .* free: free some space or choose another folder"):
        open_parquet(path, target="kind", folder=tmp_path / "prepared")
    assert tree(tmp_path) == ["table.parquet"]


@pytest.mark.parametrize("kept", [0, 100])
@pytest.mark.parametrize("name", ["x_train.npy", "y_test.npy", "data.json"])
def test_a_damaged_folder(name, kept, tmp_path):
    path, folder = write(tmp_path / "table.parquet", table()), tmp_path / "prepared"
    open_parquet(path, target="kind", folder=folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:kept])
    with pytest.raises(DataError, match=r"is damaged .*: remove "):
        open_parquet(path, target="kind", folder=folder)


# ---- errors ----


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"x": [1.0, 2.0, None, 4.0], "y": [0, 1, 0, 1]},
            r"counted from data row 3: column 'x' has no value in data row 1",
        ),
        (
            {"x": [1.0, 2.0, 3.0, np.inf], "y": [0, 1, 0, 1]},
            r"counted from data row 3: column 'x' is infinite in data row 2",
        ),
        (
            {"x": ["a", "b", "a", ""], "y": [0, 1, 0, 1]},
            r"counted from data row 3: column 'x' has no value in data row 2",
        ),
        ({"x": ["1", "2", "1", "NA"], "y": [0, 1, 0, 1]}, "column 'x' has no value in data row 4"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "y": ["0", "1", "0", "none"]}, "column 'y' has no value in data row 4"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "y": [0.5, 1, 1, np.nan]}, "column 'y' has no value in data row 4"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "y": [1, 1, 1, 1]}, "the target 'y' has one class only, '1'"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "z": [1, 1, 1, 1]}, "no column 'y' in .*table.parquet"),
        ({"y": [1, 1, 1, 1]}, "has no column but the target 'y'"),
        ({"x": np.array([1, 2, 3, 4], "M8[us]"), "y": [0, 1, 0, 1]}, "column 'x' is of type timestamp"),
        ({"x": [], "y": []}, "has columns and no rows"),
        (
            {"x": [f"id{i}" for i in range(1002)], "y": [0, 1] * 501},
            "'x' has more than 1000 different texts, such as 'id1001'",
        ),
    ],
)
def test_tables_that_are_refused(columns, message, tmp_path):
    path = write(tmp_path / "table.parquet", columns)
    with pytest.raises(DataError, match=message):
        open_parquet(path, target="y", batch_rows=2, folder=tmp_path / "prepared")
    assert tree(tmp_path) == ["table.parquet"]


def test_a_text_among_the_numbers_of_a_regression(tmp_path):
    path = write(tmp_path / "table.parquet", {"x": [1.0, 2.0, 3.0, 4.0], "y": ["1", "2", "3", "four"]})
    with pytest.raises(DataError, match=r"counted from data row 3: the target 'y' has 'four' in data row 2"):
        open_parquet(path, target="y", task="regression", batch_rows=2)


def test_files_that_are_refused(tmp_path):
    good = write(tmp_path / "good.parquet", table())
    other = write(tmp_path / "other.parquet", {"size": [1.0]})
    kind = write(tmp_path / "kind.parquet", {**table(), "kind": ["a"] * 200})
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:-20])
    (tmp_path / "empty").mkdir()
    for paths, message in (
        (tmp_path / "none.parquet", "there is no file .*none.parquet"),
        (tmp_path / "empty", "holds no .parquet file"),
        (cut, "cut.parquet is not a valid Parquet file"),
        ([good, other], "other.parquet has the columns size, and .*good.parquet has size, town"),
        ([good, kind], "column 'kind' holds texts in .*kind.parquet and numbers in .*good.parquet"),
    ):
        with pytest.raises(DataError, match=message):
            open_parquet(paths, target="kind")
    with pytest.raises(ArgumentError, match="no path was given"):
        open_parquet([], target="kind")
    bad = write(tmp_path / "bad.parquet", {**table(), "cost": [*[1.0] * 199, np.nan]})
    with pytest.raises(
        DataError, match=r"counted from data row 151 of .*bad\.parquet: column 'cost' has no value in data row 50"
    ):
        open_parquet([good, bad], target="kind", batch_rows=50)


def test_arguments_that_are_refused(tmp_path):
    path = write(tmp_path / "table.parquet", table())
    for options, message in (
        ({"batch_rows": 0}, "batch_rows is 0, expected an integer of at least 1"),
        ({"batch_rows": 2.5}, "batch_rows is 2.5"),
        ({"task": "rank"}, "unknown task 'rank'"),
        ({"test_fraction": 1.0}, "test_fraction is 1.0"),
        ({"seed": -1}, "seed is -1"),
    ):
        with pytest.raises(ArgumentError, match=message):
            open_parquet(path, **{"target": "kind", **options})


def test_without_pyarrow(tmp_path, monkeypatch):
    path = write(tmp_path / "table.parquet", table())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'without pyarrow: pip install "gpugrad\[parquet\]"'):
        open_parquet(path, target="kind")
