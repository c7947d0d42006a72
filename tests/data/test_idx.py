"""The IDX reader: it reads every element type and rank, and each fault of a file has its own message."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpugrad.data import read_idx
from gpugrad.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def to_idx(array, code):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@settings(max_examples=50, deadline=None)
@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=4, max_side=5))
    ),
    zipped=st.booleans(),
)
def test_every_type_and_rank_comes_back(tmp_path_factory, array, zipped):
    content = to_idx(array, CODES[array.dtype.str[1:]])
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(content) if zipped else content)
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert read.flags.c_contiguous
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


GOOD = to_idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), 0x08)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"PNG\0abcdef", "starts with the bytes 50 4e 47 00"),
        (b"\0\0\x0a\x01\0\0\0\0", "starts with the bytes 00 00 0a 01"),
        (b"\0\0\x08\0", "starts with the bytes"),
        (GOOD[:10], "ends inside its header of 16 bytes"),
        (GOOD[:-1], "holds less than 2 × 3 × 4 elements of 1 bytes"),
        (GOOD + b"\0", "holds more than 2 × 3 × 4 elements"),
        (gzip.compress(GOOD, mtime=0)[:-10], "damaged gzip file"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\1" * 8, "damaged gzip file"),
        (gzip.compress(GOOD, mtime=0)[:12] + b"\xff" * 30, "starts with the bytes|damaged gzip file"),
    ],
    ids=range(11),
)
def test_a_wrong_file_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert "fetch" in str(error.value)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_idx(tmp_path / "nothing")
