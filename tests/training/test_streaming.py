"""Memory maps larger than the memory for them: shuffled in blocks, read ahead, the same bits in each way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import ArgumentError, CheckpointError
from gpugrad.training import streaming
from gpugrad.training.minibatches import Minibatches, epoch_order
from gpugrad.training.streaming import shuffled_in_blocks
from gpugrad.training.values import size_in_bytes

ROWS, FEATURES = 600, 3
ROW_BYTES = 4 * (FEATURES + 1)
MEMORY = 2 * 96 * ROW_BYTES + 5  # two parts of three steps of 32 rows
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)


@pytest.fixture
def maps(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "BLOCKS", 8)
    for name, array in (("x", X), ("y", Y)):
        np.save(tmp_path / f"{name}.npy", array)
    return tuple(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")


# ---- the order ----


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 4000), st.integers(1, 300), st.booleans(), st.integers(0, 9))
def test_each_row_once_in_blocks_within_windows(rows, window, blocks, old, seed):
    make = np.random.RandomState if old else np.random.default_rng
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "BLOCKS", blocks)
        order = shuffled_in_blocks(make(seed), rows, window)
        np.testing.assert_array_equal(order, shuffled_in_blocks(make(seed), rows, window))
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))
    size = max(1, window // blocks)
    for start in range(0, rows, window):  # a window holds whole blocks, but for the two at its ends and the last one
        touched, counts = np.unique(order[start : start + window] // size, return_counts=True)
        last = (rows - 1) // size
        cut = [block for block, count in zip(touched, counts, strict=True) if count < size and block != last]
        assert len(cut) <= 2


def test_a_window_is_shuffled_row_by_row():
    order = epoch_order(0, 0, 10_000, window=1280)  # blocks of ten rows
    assert (np.abs(np.diff(order)) == 1).mean() < 0.01
    assert len({tuple(epoch_order(seed, epoch, 1000, 128)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def batches(data, epoch=0):
    data.begin_epoch(epoch)
    for size in (size for group in data.groups for size in group):
        data.prepare(size)
        yield [array.numpy() for array in data.next(size) if array is not None]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 400),
    batch_size=st.integers(1, 40),
    accumulation=st.integers(1, 3),
    steps=st.integers(2, 12),
    kept=st.booleans(),
    shuffle=st.booleans(),
)
def test_each_row_of_a_map_once(tmp_path_factory, rows, batch_size, accumulation, steps, kept, shuffle):
    path = tmp_path_factory.mktemp("map") / "x.npy"
    np.save(path, np.arange(rows, dtype=np.float32)[:, None])
    x, y = np.load(path, mmap_mode="r"), np.arange(rows, dtype=np.int32)
    chosen = np.arange(0, rows, 3) if kept else None
    count = rows if chosen is None else len(chosen)
    batch_size = min(batch_size, count)
    memory = 8 * min(batch_size * accumulation, count) * steps
    options = {"rows": chosen, "batch_size": batch_size, "accumulation_steps": accumulation, "shuffle": shuffle}
    device = gg.device("cpu", "numpy")
    first = None
    for on_device in (None, False, True):
        data = Minibatches(device, x, y, on_device=on_device, memory=memory, seed=3, **options)
        assert (data.window is None) == (4 * rows <= memory)
        found = [np.concatenate(arrays) for arrays in zip(*batches(data, 1), strict=True)]
        np.testing.assert_array_equal(found[0][:, 0], found[1])  # a row keeps its target
        np.testing.assert_array_equal(np.sort(found[1]), np.arange(rows) if chosen is None else chosen)
        first = found[1] if first is None else first
        np.testing.assert_array_equal(found[1], first)
    if not shuffle:
        np.testing.assert_array_equal(first, np.sort(first))


def test_the_buffers_stay_within_the_memory(maps):
    data = Minibatches(gg.device("cpu"), *maps, batch_size=32, memory=MEMORY)
    assert sum(array.nbytes for array in data._stream.buffers) == 2 * 96 * ROW_BYTES <= MEMORY
    assert (data.window, data.settings["memory"]) == (96, MEMORY)
    assert Minibatches(gg.device("cpu"), *maps, batch_size=32).settings["memory"] is None


def test_only_maps_larger_than_the_memory_are_shuffled_in_blocks(maps):
    def order(x, y, **options):
        return [
            row for x, _ in batches(Minibatches(gg.device("cpu"), x, y, batch_size=32, **options)) for row in x[:, 0]
        ]

    usual = order(X, Y)
    assert order(X, Y, memory=MEMORY) == order(X, Y, memory=MEMORY, on_device=False) == usual
    assert order(*maps) == order(*maps, memory=X.nbytes + Y.nbytes) == usual
    assert order(*maps, memory=X.nbytes + Y.nbytes, on_device=False) == usual
    assert order(*maps, memory=X.nbytes + Y.nbytes - 1) != usual


# ---- training ----


def trained(x, y, epochs=4, *, record=True, **options):
    model = nn.MLP(FEATURES, [8], 2, dropout=0.2, seed=0)
    trainer = gg.Trainer(model, device="cpu", seed=0, record=record)
    trainer.fit(x, y, epochs=epochs, batch_size=32, **{"memory": MEMORY, **options})
    return trainer


def check_same(one, other):
    for name, array in one.model.state_dict().items():
        np.testing.assert_array_equal(array, other.model.state_dict()[name])
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        if name in one.history[0]:
            assert one.history[name] == other.history[name]


@pytest.mark.parametrize("validate", [{}, {"validation_split": 0.25}, {"validation_data": "maps"}])
@pytest.mark.parametrize("other", [{"data_on_device": False}, {"data_on_device": True}, {"record": False}])
def test_a_run_is_the_same_on_the_device_streamed_and_unrecorded(maps, validate, other):
    validate = {name: maps if value == "maps" else value for name, value in validate.items()}
    one = trained(*maps, **validate)
    check_same(one, trained(*maps, **validate, **other))
    assert one.history["train_loss"][-1] < one.history["train_loss"][0]
    assert one.history["train_loss"] != trained(X, Y, **validate).history["train_loss"]
    assert one.evaluate(*maps) == one.evaluate(X, Y)


@pytest.mark.parametrize("split", [0.0, 0.25])
def test_a_resumed_run_is_the_same(maps, tmp_path, split):
    file = tmp_path / "checkpoint"
    whole = trained(*maps, validation_split=split)
    trained(*maps, 2, validation_split=split, checkpoint=file)
    check_same(whole, trained(*maps, validation_split=split, resume=file))
    for other in ({"memory": 2 * MEMORY}, {"memory": "1GB"}):
        with pytest.raises(CheckpointError, match=r"was written with memory \d+, this run has .*same settings"):
            trained(*maps, validation_split=split, resume=file, **other)


def test_an_interrupted_run_goes_on(maps):
    class Interrupt(gg.Callback):
        def on_step_end(self, trainer, step):
            if step == 7:  # while a part is read
                raise KeyboardInterrupt

    trainer = trained(*maps, callbacks=Interrupt())
    assert (trainer.epoch, trainer.history.stopped) == (0, "interrupted in epoch 1")
    trainer.fit(*maps, epochs=2, batch_size=32, memory=MEMORY)
    assert trainer.epoch == 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_estimators_shuffle_a_map_in_blocks(maps, name, monkeypatch, tmp_path):
    def fit(x, y, **options):
        options = {"max_iter": 4, "batch_size": 32, "random_state": 0, "device": "cpu", "tol": 0, **options}
        estimator = getattr(gg, name)(hidden_layer_sizes=(8,), **options)
        estimator.fit(x, y, resume="checkpoint" in options)
        return estimator

    in_memory = fit(X, Y)
    np.testing.assert_array_equal(fit(*maps).coefs_[0], in_memory.coefs_[0])
    monkeypatch.setattr("gpugrad.training.minibatches.MEMORY", MEMORY)
    np.testing.assert_array_equal(fit(X, Y).coefs_[0], in_memory.coefs_[0])
    mapped = fit(*maps)
    assert not np.array_equal(mapped.coefs_[0], in_memory.coefs_[0])
    assert mapped.score(*maps) == mapped.score(X, Y)
    file = tmp_path / "checkpoint"
    fit(*maps, max_iter=2, checkpoint=file)
    np.testing.assert_array_equal(fit(*maps, checkpoint=file).coefs_[0], mapped.coefs_[0])
    with pytest.raises(CheckpointError, match=r"was written with memory \d+, this run has None"):
        fit(X, Y, max_iter=6, checkpoint=file)


# ---- the option ----


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, 1),
        (np.int64(7), 7),
        ("12", 12),
        ("12 B", 12),
        ("256MB", 256 * 10**6),
        ("256 MiB", 256 * 2**20),
        ("1.5gb", 1.5e9),
        ("2k", 2000),
        (" 1TiB ", 2**40),
    ],
)
def test_sizes(size, expected):
    assert size_in_bytes("memory", size) == expected


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "", "MB", "1 XB", "1.2.3MB", "-1MB", "0.1", "9" * 400, [1], "1iB"])
def test_sizes_that_are_refused(size):
    with pytest.raises(ArgumentError, match=r"memory is .*, expected bytes, or a text such as '256MB' or '1.5GiB'"):
        trained(X, Y, memory=size)


def test_too_little_memory_for_two_steps_is_refused(maps):
    message = r"memory is 1023 bytes, expected at least 1024 for two optimizer steps of 32 rows: raise it, or lower"
    for options in ({}, {"data_on_device": False}):
        with pytest.raises(ArgumentError, match=message):
            trained(*maps, memory=1023, **options)
    with pytest.raises(ArgumentError, match=message):
        trained(X, Y, memory=1023, data_on_device=False)
    trained(X, Y, 1, memory=1023)  # they are in memory already
    trained(*maps, 1, memory=1024)
