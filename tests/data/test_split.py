"""The rows held out to validate on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad.data import hold_out_rows
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
