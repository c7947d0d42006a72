"""Loops that are shared out over the cores: the same bits as in one piece, and nothing left out."""

import multiprocessing

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.check import arrays_of
from gpugrad.kernels import cpu_threads

CPU = gg.device("cpu")
CONTRACTS = [contract for _, contract in kernels.contracts()]


@pytest.fixture
def parts(monkeypatch):
    """Even short loops are shared out over three threads; returns how many pieces there were."""
    counted = []
    monkeypatch.setattr(cpu_threads, "GRAIN", 64)
    monkeypatch.setattr(cpu_threads, "cores", lambda: 3)
    pool = cpu_threads._pool

    def counting():
        counted.append(1)
        return pool()

    monkeypatch.setattr(cpu_threads, "_pool", counting)
    return counted


def run(contract, example):
    arrays = arrays_of(contract, example, np.float32)
    getattr(CPU.kernels, contract.name)(*arrays, **example.scalars)
    return [None if a is None else a.tobytes() for a in arrays]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_parts_give_the_same_bits_as_the_whole(contract, parts, monkeypatch):
    for example in contract.draw_examples():
        shared_out = run(contract, example)
        with monkeypatch.context() as one:
            one.setattr(cpu_threads, "cores", lambda: 1)
            assert run(contract, example) == shared_out, example.reason


@pytest.mark.parametrize(
    "name", ["activation_forward", "adam_step", "softmax_cross_entropy", "gather", "dropout_forward"]
)
def test_large_work_is_shared_out(name, parts):
    contract = next(c for c in CONTRACTS if c.name == name)
    for example in contract.draw_examples():
        run(contract, example)
    assert parts


def test_every_row_is_done_once(parts):
    for rows in (1, 63, 64, 65, 1000, 1025):
        done = np.zeros(rows, np.int64)
        starts = []

        def loop(piece, start, amount, starts=starts):
            starts.append((start, piece.size))
            piece += amount

        cpu_threads.spread(loop, (done,), 7, tell_start=True)
        assert (done == 7).all()
        assert sum(size for _, size in starts) == rows
        assert all(start % cpu_threads.ALIGNED == 0 for start, _ in starts)


def test_a_failure_in_a_thread_is_raised(parts):
    def loop(piece):
        if piece.size != 384:  # the first piece, of this thread, is done
            raise ValueError("in a thread")

    with pytest.raises(ValueError, match="in a thread"):
        cpu_threads.spread(loop, (np.zeros(1000),))


def _relu_in_child(queue):
    z = np.full(4 * cpu_threads.GRAIN, -1, np.float32)
    y = np.full_like(z, np.nan)
    CPU.kernels.activation_forward(z, y, activation="relu")
    queue.put(bool((y == 0).all()))


def test_a_forked_process_has_threads_of_its_own(parts):
    context = multiprocessing.get_context("fork")
    _relu_in_child(queue := context.SimpleQueue())  # the pool of this process is running
    assert queue.get()
    child = context.Process(target=_relu_in_child, args=(queue,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get()
