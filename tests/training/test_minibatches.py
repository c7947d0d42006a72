"""Minibatches: every row once per epoch, in an order that follows from the seed; weights and accumulated gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad.training.minibatches import Minibatches

DEVICE = gg.device("cpu")


def minibatches(rows, weight=None, **options):
    x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    return Minibatches(DEVICE, x, np.arange(rows, dtype=np.int32), weight, **{"batch_size": 4, **options})


def walk(data, epoch):
    data.begin_epoch(epoch)
    batches = []
    for size in (size for group in data.groups for size in group):
        data.prepare(size)
        batches.append(data.next(size))
    return batches


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    accumulation=st.integers(1, 5),
    shuffle=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_every_row_once_in_groups_of_the_right_size(rows, batch_size, accumulation, shuffle, epoch):
    data = minibatches(rows, batch_size=batch_size, accumulation_steps=accumulation, shuffle=shuffle, seed=7)
    sizes = [size for group in data.groups for size in group]
    assert sizes == [batch_size] * (rows // batch_size) + [rows % batch_size] * (rows % batch_size > 0)
    assert [len(group) for group in data.groups[:-1]] == [accumulation] * (len(data.groups) - 1)
    assert 1 <= len(data.groups[-1]) <= accumulation
    batches = walk(data, epoch)
    x, y = (np.concatenate([batch[i].numpy() for batch in batches]) for i in (0, 1))
    assert sorted(y) == list(range(rows))
    np.testing.assert_array_equal(x, np.stack([2 * y, 2 * y + 1], axis=1))  # a row keeps its target
    assert all(weight is None for _, _, weight in batches)
    if not shuffle:
        assert list(y) == list(range(rows))


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 31.0)])
@pytest.mark.parametrize(("batch_size", "accumulation"), [(1, 1), (4, 1), (4, 2), (7, 3), (30, 1)])
def test_streamed_data_are_the_same_minibatches(monkeypatch, weight, batch_size, accumulation):
    monkeypatch.setattr("gpugrad.training.minibatches.MEMORY", 240)  # parts of ten rows of 12 bytes, or of one step
    options = {"batch_size": batch_size, "accumulation_steps": accumulation}
    kept, streamed = (minibatches(30, weight, on_device=on_device, **options) for on_device in (True, False))
    for epoch in range(3):
        if epoch == 1:  # an epoch that ends early
            streamed.begin_epoch(5)
        for kept_batch, streamed_batch in zip(walk(kept, epoch), walk(streamed, epoch), strict=True):
            for one, other in zip(kept_batch, streamed_batch, strict=True):
                if one is not None:
                    np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return [int(i) for _, y, _ in walk(minibatches(30, seed=seed), epoch) for i in y.numpy()]

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    data = minibatches(30, seed=1)
    walk(data, 0)
    assert [int(i) for _, y, _ in walk(data, 3) for i in y.numpy()] == order(1, 3)


@pytest.mark.parametrize("stored", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_cast_and_scaled(stored, dtype):
    x = np.arange(12).reshape(6, 2).astype(stored)
    y = np.linspace(0, 1, 6)[:, None]
    data = Minibatches(DEVICE, x, y, batch_size=6, shuffle=False, dtype=dtype, scale=0.5)
    data.begin_epoch(0)
    got_x, got_y, _ = data.next(6)
    assert got_x.dtype == got_y.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(got_x.numpy(), x.astype(dtype) / 2)
    np.testing.assert_array_equal(got_y.numpy(), y.astype(dtype))


@settings(max_examples=40, deadline=None)
@given(
    weight=st.lists(st.floats(0, 1.7e308), min_size=1, max_size=30).filter(any),
    batch_size=st.integers(1, 9),
    accumulation=st.integers(1, 4),
)
def test_the_shares_of_an_epoch_are_the_shares_of_the_weight(weight, batch_size, accumulation):
    weight = np.array(weight)
    options = {"batch_size": batch_size, "accumulation_steps": accumulation, "shuffle": False, "dtype": np.float64}
    data = minibatches(len(weight), weight, **options)
    data.begin_epoch(0)
    start, total = 0, 0.0
    fraction = (weight / weight.max()) / (weight / weight.max()).sum()
    for group in data.groups:
        for size in group:
            _, _, w = data.next(size)
            share = float(data.share(w, size, sum(group))) * sum(group) / len(weight)
            assert share == pytest.approx(fraction[start : start + size].sum(), rel=1e-12, abs=1e-300)
            start, total = start + size, total + share
    assert total == pytest.approx(1)


def test_the_shares_without_weights():
    data = minibatches(10, batch_size=4, accumulation_steps=3)
    assert float(data.share(None, 4, 10)) == pytest.approx(0.4)
    assert data.share(None, 10, 10) is None
