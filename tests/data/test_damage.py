"""Damaged files of data: 500 of each kind are read, or refused in one line, within a memory that their size bounds."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from gpugrad import data
from gpugrad.errors import DataError

RNG = np.random.default_rng(0)
N = 60
MOST = 2**24  # bytes of memory, where a file unpacks to more
TABLE = {
    "size": RNG.normal(size=N).round(3),
    "town": RNG.choice(["Bonn", "Ulm, Donau", 'the "Ruhr"'], N),
    "new": RNG.random(N) < 0.5,
    "y": RNG.integers(0, 3, N),
}
IDX = struct.pack(">4B3I", 0, 0, 8, 3, 20, 4, 4) + bytes(RNG.integers(0, 256, 320, dtype=np.uint8))


def npz(save):
    content = io.BytesIO()
    save(content, x=RNG.normal(size=(40, 3)), y=np.arange(40) % 2)
    return content.getvalue()


def csv_text():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(TABLE).to_csv(index=False).encode()


def parquet(**options):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    return pd.DataFrame(TABLE, index=pd.Index(range(N), name="id")).to_parquet(**options)


def load(path):
    return data.load(path, target=None if path.endswith(".npz") else "y")


@pytest.mark.parametrize(
    ("name", "content", "read", "least"),
    [
        ("a.npz", lambda: npz(np.savez), load, 400),
        ("b.npz", lambda: npz(np.savez_compressed), load, 400),
        ("images", lambda: IDX, data.read_idx, 200),
        ("images.gz", lambda: gzip.compress(IDX, mtime=0), data.read_idx, 400),
        ("t.csv", csv_text, load, 300),
        ("t.csv.gz", lambda: gzip.compress(csv_text(), mtime=0), load, 400),
        ("t.parquet", parquet, load, 250),
        ("u.parquet", lambda: parquet(compression=None, use_dictionary=False), load, 250),
    ],
    ids=["npz", "packed npz", "IDX", "packed IDX", "CSV", "packed CSV", "Parquet", "plain Parquet"],
)
def test_damaged_files_are_read_or_refused(survives, name, content, read, least):
    assert survives(name, content(), read) > least


# ---- small files that unpack to large ones ----


def test_an_idx_file_is_unpacked_as_far_as_its_header_promises(tmp_path, peak):
    path = tmp_path / "images.gz"
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(">4B3I", 0, 0, 8, 3, 100, 10, 10) + bytes(100 << 20))
    with peak(MOST), pytest.raises(DataError, match="holds more than 100 × 10 × 10 elements of 1 bytes"):
        data.read_idx(path)
    path.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 60000, 1000, 1000) + bytes(100)))
    with peak(MOST), pytest.raises(DataError, match="holds less than 60000 × 1000 × 1000 elements"):
        data.read_idx(path)


def write_npz(path, *members):
    """Write arrays as (name, shape in the header, bytes that follow)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, shape, size in members:
            with file.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
                member.write(bytes(size))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("x", (20000, 4096), 20000 * 4096), ("y", (40,), 40)], "'y' of .* has 40 rows: expected 20000"),
        ([("x", (20000, 4096), 20000 * 4096), ("y", (20000, 2), 40000)], "'y' of .* has the shape"),
        ([("x", (40, 2), 80 << 20), ("y", (40,), 40)], "another size than its header promises"),
        ([("x", (20000, 4096), 40), ("y", (20000,), 20000)], "another size than its header promises"),
    ],
)
def test_arrays_are_checked_by_their_headers_before_they_are_unpacked(tmp_path, peak, members, message):
    write_npz(tmp_path / "t.npz", *members)
    with peak(MOST), pytest.raises(DataError, match=message):
        data.load(tmp_path / "t.npz")


def test_a_packed_table_is_unpacked_to_a_bound(tmp_path, peak, monkeypatch):
    monkeypatch.setattr("gpugrad.data.packed.ALWAYS", 2**20)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n" + b"1,u\n" * (16 << 20)))
    with peak(MOST), pytest.raises(DataError, match=r"unpacks to more than .* MB, 100 times its size"):
        data.read_table(path)
    path.write_bytes(gzip.compress(b"a,y\n" + b"1,u\n" * 1000))
    assert len(data.read_table(path)["a"]) == 1000
