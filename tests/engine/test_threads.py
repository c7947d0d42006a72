"""Threads that share a device: each computes the bits it would have alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim


def at_once(*functions):
    """Run functions in threads that begin together; return their results, or raise the first error."""
    start = threading.Barrier(len(functions))

    def run(function):
        start.wait(30)
        return function()

    with ThreadPoolExecutor(len(functions)) as threads:
        return [future.result(120) for future in [threads.submit(run, function) for function in functions]]


def by_hand(seed, steps=60, recorded=False):
    """Return a function that trains a network on the tape, and returns its weights as bytes."""
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(48, 20)).astype(np.float32), rng.integers(3, size=48)

    def train():
        sizes = [[24], [40, 16], [8, 8, 8]][seed % 3]
        model = nn.MLP(20, sizes, 3, activation=["relu", "tanh", "gelu"][seed % 3], seed=seed, device="cpu")
        optimizer = [optim.SGD, optim.Adam, optim.RMSprop][seed % 3](model.parameters(), lr=0.01)
        x, y, criterion = gg.tensor(features, device="cpu"), gg.tensor(labels, device="cpu"), nn.CrossEntropyLoss()

        def step():
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.clip_grad_norm(1.0)
            optimizer.step()
            return loss

        run = gg.record(step, device="cpu") if recorded else step
        for _ in range(steps):
            run()
        return b"".join(p.numpy().tobytes() for p in model.parameters())

    return train


@pytest.mark.parametrize("recorded", [False, True, "both"])
def test_training_by_hand_in_threads_gives_the_bits_of_each_alone(recorded):
    trainings = [by_hand(seed, recorded=seed % 2 == 0 if recorded == "both" else recorded) for seed in range(4)]
    alone = [train() for train in trainings]
    for _ in range(4):
        assert at_once(*trainings) == alone


def test_other_threads_build_upload_and_read_while_one_records():
    recording, done = threading.Event(), threading.Event()
    x = gg.tensor(np.arange(6.0), device="cpu")

    def step():
        y = x * 2
        recording.set()
        assert done.wait(60)
        return y + 1

    def meanwhile():
        assert recording.wait(60)
        try:
            model = nn.MLP(4, [3], 2, seed=0, device="cpu")
            out = model(gg.ones(5, 4, device="cpu"))
            out.sum().backward()
            return model.state_dict(), out.numpy(), gg.record(lambda: model(gg.zeros(1, 4, device="cpu")) * 2, "cpu")
        finally:
            done.set()

    recorded = gg.record(step, device="cpu")
    out, _ = at_once(recorded, meanwhile)
    assert out.tolist() == [1, 3, 5, 7, 9, 11]
    x[...] = 1
    assert recorded().tolist() == [3] * 6  # of the other thread's launches none was recorded
    assert len(recorded._variants[next(iter(recorded._variants))][0].recorder.launches) == 2


def test_an_observer_sees_the_launches_of_its_thread():
    device, seen, ready, done = gg.device("cpu"), [], threading.Event(), threading.Event()
    x = gg.tensor([1.0, 2.0], device=device)

    def observed():
        with device.observe(lambda launch, arrays, scalars: seen.append(launch.__name__)):
            ready.set()
            assert done.wait(30)
            return x.exp()

    def other():
        assert ready.wait(30)
        assert not device.observed
        x.log()
        done.set()

    at_once(observed, other)
    assert seen == ["exp"]


def test_a_profile_times_its_thread():
    device, ready, done = gg.device("cpu"), threading.Event(), threading.Event()
    x = gg.tensor([1.0, 2.0], device=device)
    profile = gg.Profile(device)

    def profiled():
        with profile.step():
            ready.set()
            assert done.wait(30)
            x.exp()

    def other():
        assert ready.wait(30)
        x.log()
        done.set()

    at_once(profiled, other)
    assert [operation.name for operation in profile.operations()] == ["exp"]


def test_scratch_belongs_to_a_thread_or_to_a_recorded_step():
    device = gg.device("cpu")

    def scratch():
        return device.workspace(100, np.float32), device.partials(np.float32)

    mine, (theirs,) = scratch(), at_once(scratch)
    assert all(np.shares_memory(a, b) for a, b in zip(mine, scratch(), strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(mine, theirs, strict=True))
    found = []

    def step():
        found.append(scratch())
        return gg.zeros(2, device=device) + 1

    gg.record(step, device)()
    assert not any(np.shares_memory(a, b) for a, b in zip(mine, found[0], strict=True))


def test_a_recorded_step_may_be_called_by_several_threads():
    weight = gg.tensor(np.arange(1.0, 4.0), device="cpu")
    step = gg.record(lambda x: x * weight, device="cpu")
    results = at_once(*[lambda i=i: [step(np.full(3, i, np.float32)).shape for _ in range(50)] for i in range(4)])
    assert results == [[(3,)] * 50] * 4
    assert step.recordings == 1
    assert step(np.ones(3, np.float32)).tolist() == [1, 2, 3]


def test_summaries_in_threads_see_their_own_model():
    models = [nn.MLP(6, [5 + i], 3, device="cpu") for i in range(4)]
    alone = [str(nn.summary(model, (6,))) for model in models]
    for _ in range(5):
        assert at_once(*[lambda m=m: str(nn.summary(m, (6,))) for m in models]) == alone
