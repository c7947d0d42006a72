"""Recorded launches on a CPU whose loops are joined: the same results, in the same order, at every run."""

import functools

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import arrays_of
from gpugrad.kernels.contract import PARTIALS
from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.cpu.program import join_loops
from gpugrad.kernels.cpu.team import Program

KERNELS = gg.device("cpu").kernels
CONTRACTS = [contract for _, contract in kernels.contracts()]


def call_of(name, arrays, **scalars):
    return functools.partial(getattr(KERNELS, name).launch, *arrays, **scalars)


def bits(arrays):
    return [None if array is None else array.tobytes() for array in arrays]


@pytest.fixture
def three_threads(monkeypatch):
    team = cpu_team.Team(3)
    monkeypatch.setattr(cpu_team, "GRAIN", 1 / 64)
    monkeypatch.setattr(cpu_team, "the_team", lambda: team)
    yield
    team.close()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
@pytest.mark.slow
def test_what_is_join_loops_does_the_same(contract, three_threads):
    for example in contract.draw_examples():
        arrays, others = (arrays_of(contract, example, np.float32) for _ in range(2))
        before = [None if array is None else array.copy() for array in others]
        call_of(contract.name, arrays, **example.scalars)()
        calls = join_loops([call_of(contract.name, others, **example.scalars)])
        assert bits(others) == bits(before), "it ran while it was joined"
        for _ in range(2):
            for array, content in zip(others, before, strict=True):
                if array is not None:
                    array[...] = content
            for call in calls:
                call()
            assert bits(others) == bits(arrays), example.reason


def test_adjacent_loops_become_one_program_and_the_order_stays():
    z, y, total = np.array([-1, 2, 3], np.float32), np.zeros(3, np.float32), np.zeros(1, np.float32)
    partials, totals = np.empty(PARTIALS, np.float32), []
    relu = call_of("activation_forward", (z, y), activation="relu")
    calls = join_loops(
        [
            relu,
            call_of("sum_elements", (y, total, partials)),
            functools.partial(lambda: totals.append(float(total[0]))),
            call_of("clip_value", (y,), limit=2.5),
            call_of("sum_elements", (y, total, partials)),
        ]
    )
    assert [type(call) is Program for call in calls] == [True, False, True]
    for sign in (1, -1):
        z *= sign
        for call in calls:
            call()
        totals.append(float(total[0]))
    assert totals == [5, 4.5, 1, 1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_launch_that_does_more_than_run_loops_stays_a_call(precision):
    a, c = np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32)
    (call,) = join_loops([call_of("matmul", (a, a, c, None), precision=precision)])
    assert (type(call) is Program) == (precision == "float32")
    call()
    assert (c == a).all()


def test_a_launcher_that_reads_on_the_host_is_called_every_time():
    p, g, m, v = (np.ones(5, np.float32) for _ in range(4))
    lr, step = np.full(1, 0.1, np.float32), np.zeros(1, np.int32)
    (call,) = join_loops([call_of("adam_step", (g, lr, None, p, m, v, None, step))])
    call()
    lr[0] = 0
    before = p.copy()
    call()
    assert (p == before).all()
    assert step[0] == 2
