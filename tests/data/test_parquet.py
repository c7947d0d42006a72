"""Parquet files read in batches of rows, in order and with column names, for partial_fit."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.data import load, parquet
from gpugrad.data.parquet import parquet_batches
from gpugrad.errors import ArgumentError, DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path, columns):
    pq.write_table(pa.table(columns), path)
    return path


def table(rows=200):
    rng = np.random.default_rng(0)
    return {
        "size": rng.normal(1e3, 5, rows).astype(np.float32),
        "town": rng.choice(["Ulm", "Köln ", "Bonn"], rows),
        "kind": rng.integers(0, 3, rows),
        "new": rng.choice([True, False], rows),
        "cost": rng.normal(size=rows),
    }


def test_batches_are_the_rows_in_their_order(tmp_path):
    columns = {name: values for name, values in table().items() if name not in ("town", "new")}
    folder = tmp_path / "parts"
    folder.mkdir()
    for i, (start, stop) in enumerate([(0, 90), (90, 200)]):
        write(folder / f"{i}.parquet", {name: values[start:stop] for name, values in columns.items()})
    batches = list(parquet_batches(folder, target="kind", rows=40))
    assert [len(y) for _, y in batches] == [40, 40, 10, 40, 40, 30]
    assert {tuple(x.column_names) for x, _ in batches} == {("size", "cost")}
    for name in ("size", "cost"):
        whole = np.concatenate([x.column(name).to_numpy() for x, _ in batches])
        assert whole.dtype == columns[name].dtype
        np.testing.assert_array_equal(whole, columns[name])
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), columns["kind"])


def test_batches_through_a_preprocessing(tmp_path):
    path = write(tmp_path / "table.parquet", table())
    data = load(path, target="kind")
    whole = data.preprocessing.transform(
        {n: v for n, v in gg.data.read_table(path, text=["town"]).items() if n != "kind"}
    )
    batches = list(parquet_batches(path, target="kind", rows=64, preprocessing=data.preprocessing))
    assert all(tuple(x.column_names) == data.preprocessing.feature_names for x, _ in batches)
    np.testing.assert_array_equal(np.concatenate([np.asarray(x) for x, _ in batches]), whole)
    assert np.asarray(batches[0][0]).dtype == np.float32


def test_batches_train_an_estimator_that_knows_their_names(tmp_path):
    columns = {name: values for name, values in table().items() if name not in ("town", "new")}
    columns["size"] = (columns["size"] - 1000) / 5
    path = write(tmp_path / "table.parquet", columns)
    x = np.column_stack([columns["size"], columns["cost"]])
    streamed, whole = (gg.MLPClassifier((4,), shuffle=False, random_state=0, device="cpu") for _ in range(2))
    for batch, y in parquet_batches(path, target="kind", rows=50):
        streamed.partial_fit(batch, y, classes=[0, 1, 2])
    for start in range(0, 200, 50):
        whole.partial_fit(x[start : start + 50], columns["kind"][start : start + 50], classes=[0, 1, 2])
    assert streamed.feature_names_in_.tolist() == ["size", "cost"]
    for ours, theirs in zip(streamed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_batches_that_are_refused(tmp_path):
    path = write(tmp_path / "table.parquet", table())
    for options, message in (
        ({"target": "kind"}, "column 'town' of .*table.parquet holds texts, expected numbers"),
        ({"target": "kinds"}, "no column 'kinds' in .*: did you mean 'kind'"),
        ({"target": "kind", "rows": 0}, "rows is 0"),
    ):
        with pytest.raises((ArgumentError, DataError), match=message):
            parquet_batches(path, **options)  # at the call, before reading
    path = write(tmp_path / "null.parquet", {"x": [1.0, 2.0, None], "y": [0, 1, 0]})
    batches = parquet_batches(path, target="y", rows=2)
    assert len(next(batches)[1]) == 2
    with pytest.raises(DataError, match="counted from data row 3: column 'x' has no value in data row 1"):
        next(batches)


def test_the_size_of_a_batch_follows_the_number_of_columns(tmp_path):
    narrow = parquet.ParquetFiles(write(tmp_path / "narrow.parquet", {"x": [1.0]}))
    wide = parquet.ParquetFiles(write(tmp_path / "wide.parquet", {f"x{i}": [1.0] for i in range(500)}))
    assert narrow.batch_rows() * 8 == parquet.BATCH_BYTES
    assert 0 <= parquet.BATCH_BYTES - wide.batch_rows() * 500 * 8 < 500 * 8
