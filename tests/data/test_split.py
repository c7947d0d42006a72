"""Rows held out for testing and for validation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from gpugrad.data import hold_out_rows
from gpugrad.data.split import split_rows
from gpugrad.errors import DataError


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    share=st.sampled_from([0.01, 0.1, 0.5, 0.9]),
    seed=st.integers(0, 2**40),
)
def test_every_row_is_in_one_part_and_every_class_is_trained(counts, share, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    classes = tuple(f"class {i}" for i in range(len(counts)))
    if max(counts) < 2:
        with pytest.raises(DataError, match="--validation 0"):
            hold_out_rows(y, classes, share=share, seed=seed)
        return
    kept, held = hold_out_rows(y, classes, share=share, seed=seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(y)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    assert set(y[kept]) == set(y)
    assert len(held)
    np.testing.assert_array_equal(hold_out_rows(y, classes, share=share, seed=seed)[1], held)


def test_quantities_are_split_by_the_share():
    kept, held = hold_out_rows(np.zeros((50, 1), np.float32), None, share=0.1, seed=3)
    assert (len(kept), len(held)) == (45, 5)
    with pytest.raises(DataError, match="too few"):
        hold_out_rows(np.zeros((1, 1), np.float32), None, share=0.1, seed=3)


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(2, 30), min_size=1, max_size=12),
    fraction=st.sampled_from([0.01, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9]),
    seed=st.integers(0, 2**32 - 1),
    stratify=st.booleans(),
)
def test_the_rows_are_those_of_train_test_split(counts, fraction, seed, stratify):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    codes, classes = (y, tuple(map(str, range(len(counts))))) if stratify else (None, None)
    train, test = split_rows(len(y), codes, classes, test_fraction=fraction, seed=seed)
    expected = train_test_split(np.arange(len(y)), test_size=len(test), random_state=seed, stratify=codes)
    for rows, theirs in zip((train, test), expected, strict=True):
        np.testing.assert_array_equal(rows, theirs)
        assert rows.dtype == theirs.dtype
