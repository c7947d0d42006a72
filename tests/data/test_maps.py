"""Memory maps: read like arrays in memory, and no page of them stays."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad.data import maps
from gpugrad.data.maps import is_mapped, parts, read
from gpugrad.training.checks import check_features

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)


def mapped(folder, array, mode="r"):
    np.save(folder / "x.npy", array)
    return np.load(folder / "x.npy", mmap_mode=mode)


def test_what_is_mapped(tmp_path):
    x = mapped(tmp_path, X)
    for array in (x, np.asarray(x), x[3:, :2], check_features(x), np.memmap(tmp_path / "x.npy", np.uint8, "r")):
        assert is_mapped(array)
    for array in (X, X[1:], x[[1, 2]], x + 1, np.array(x)):
        assert not is_mapped(array)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 2999), min_size=1), st.integers(1, 50_000), st.booleans())
def test_rows_are_read_as_from_memory(tmp_path_factory, chosen, size, of_a_map):
    x = np.arange(9000, dtype=np.float64).reshape(3000, 3)
    array = mapped(tmp_path_factory.mktemp("map"), x) if of_a_map else x
    rows = np.array(sorted(chosen), np.int32)
    out = np.empty((len(rows), 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "READ_BYTES", size)
        read(array, rows, out)
    np.testing.assert_array_equal(out, x[rows])
    np.testing.assert_array_equal(np.concatenate([part.copy() for part in parts(array, size, rows)]), x[rows])
    np.testing.assert_array_equal(np.concatenate([part.copy() for part in parts(array, size)]), x)


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_changes_of_a_map_are_kept(mode, tmp_path):
    x = mapped(tmp_path, X, mode)
    x[:] = 7
    out = np.empty_like(X)
    read(x, np.arange(60), out)
    assert (out == 7).all()
    assert all((part == 7).all() for part in parts(x, 16))
    assert (x == 7).all()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows which pages are in memory")
def test_no_page_stays_in_memory(tmp_path):
    def pages():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))

    rows, before = 2**14, pages()
    x = mapped(tmp_path, np.ones((rows, 256), np.float32))  # 16 MiB
    read(x, np.arange(0, rows, 3), np.empty((-(-rows // 3), 256), np.float32))
    for some in (None, np.arange(0, rows, 7)):
        for part in parts(x, 1000, some):
            part.sum()
    assert pages() - before < 1024  # KiB
    x.sum()
    assert pages() - before > 8 * 1024, "the measure does not see pages of a map"
