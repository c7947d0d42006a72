"""Loops distributed over the cores: the same result as on one core, every row once, and no thread left over."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from numba import types

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import arrays_of
from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.cpu.options import compile_cpu

CPU = gg.device("cpu")
CONTRACTS = [contract for _, contract in kernels.contracts()]


@compile_cpu
def add_number(piece, number):
    for i in range(piece.size):
        piece[i] += number


@compile_cpu
def add_starts(piece, sizes, start):
    for i in range(piece.size):
        piece[i] += start
        sizes[i] = piece.size


@pytest.fixture(scope="module")
def team():
    made = cpu_team.Team(3)
    yield made
    made.close()


@pytest.fixture
def parts(monkeypatch, team):
    """Distribute even short loops over three threads; return (rows, rows of a part) of each job."""
    runs = []
    monkeypatch.setattr(cpu_team, "GRAIN", 1 / 64)
    monkeypatch.setattr(cpu_team, "the_team", lambda: team)
    run = team.run
    monkeypatch.setattr(team, "run", lambda job: (runs.append((job.rows, job.step)), run(job)))
    return runs


def run(contract, example):
    arrays = arrays_of(contract, example, np.float32)
    getattr(CPU.kernels, contract.name)(*arrays, **example.scalars)
    return [None if a is None else a.tobytes() for a in arrays]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_parts_give_the_same_bits_as_the_whole(contract, parts, monkeypatch):
    for example in contract.draw_examples():
        shared_out = run(contract, example)
        with monkeypatch.context() as whole:
            whole.setattr(cpu_team, "GRAIN", 1 << 60)
            assert run(contract, example) == shared_out, example.reason


@pytest.mark.parametrize(
    "name",
    [
        *("activation_forward", "adam_step", "dense_forward", "dense_backward", "matmul", "softmax_cross_entropy"),
        *("gather", "dropout_forward"),
    ],
)
def test_work_is_distributed(name, parts):
    contract = next(c for c in CONTRACTS if c.name == name)
    for example in contract.draw_examples():
        run(contract, example)
    assert any(step < rows for rows, step in parts)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 129, 1000, 1025])
def test_every_row_is_done_once(parts, rows):
    starts, sizes = np.zeros(rows), np.zeros(rows)
    cpu_team.spread(add_starts, (starts, sizes), extras=1)
    assert sizes.sum() >= rows
    place = 0
    while place < rows:
        size = int(sizes[place])
        assert (starts[place : place + size] == place).all()
        assert size % cpu_team.ALIGNED == 0 or place + size == rows
        place += size


def test_many_short_jobs_one_after_the_other(parts):
    piece = np.zeros(192, np.int64)
    for number in range(20_000):
        cpu_team.spread(add_number, (piece,), number)
    assert (piece == 20_000 * 19_999 // 2).all()
    assert len(parts) == 20_000


def test_threads_that_lead_at_the_same_time(parts):
    pieces = [np.zeros(192, np.int64) for _ in range(4)]

    def lead(piece):
        for _ in range(3000):
            cpu_team.spread(add_number, (piece,), 1)

    leaders = [threading.Thread(target=lead, args=(piece,)) for piece in pieces]
    for leader in leaders:
        leader.start()
    for leader in leaders:
        leader.join()
    assert all((piece == 3000).all() for piece in pieces)


def test_a_thread_does_not_wait_for_another_one_that_leads(parts, team):
    """It runs its loops alone, and finishes while the other thread still has the team."""
    piece, teams = np.zeros(192), []
    leads, may_end, done = threading.Event(), threading.Event(), threading.Event()
    cpu_team.spread(add_number, (piece,), 1)  # compiles it

    def lead(address, scratch):
        teams.append(address)
        leads.set()
        may_end.wait()

    def work_alone():
        leads.wait()
        team.lead(lambda address, scratch: teams.append(address), False)
        cpu_team.spread(add_number, (piece,), 1)
        done.set()

    threads = [threading.Thread(target=team.lead, args=(lead, False)), threading.Thread(target=work_alone)]
    for thread in threads:
        thread.start()
    done_meanwhile = done.wait(30)
    may_end.set()
    for thread in threads:
        thread.join()
    assert done_meanwhile
    assert teams == [team._address, 0]
    assert (piece == 2).all()
    assert parts == [(192, 64)] * 2  # a loop that is distributed if no other thread leads


def test_members_sleep_when_there_is_no_work_and_wake_for_more(parts, team):
    piece = np.zeros(192)
    cpu_team.spread(add_number, (piece,), 1)
    deadline = time.monotonic() + 30
    while team._awake.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not team._awake.is_set()
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.15  # two members that watch would take 0.6 s
    cpu_team.spread(add_number, (piece,), 1)
    assert (piece == 2).all()
    if hasattr(os, "sched_setaffinity") and (there := len(os.sched_getaffinity(0))) > 1:
        # They must not wait for the core of the thread that woke them.
        assert [len(os.sched_getaffinity(member.native_id)) for member in team._members] == [there - 1] * 2


def test_a_closed_team_has_no_threads():
    team = cpu_team.Team(3)
    members = team._members
    assert [member.is_alive() for member in members] == [True, True]
    team.close()
    assert [member.is_alive() for member in members] == [False, False]


LOOPS = """\
from gpugrad.kernels.cpu.options import compile_cpu

@compile_cpu
def plus(piece, number):
    for i in range(piece.size):
        piece[i] += number

@compile_cpu
def times(piece, number):
    for i in range(piece.size):
        piece[i] *= number
"""


def program(text, folder):
    """Run a program next to `loops.py`, with its own cache."""
    if not (loops := folder / "loops.py").exists():  # older versions of Numba recompile a rewritten file
        loops.write_text(LOOPS)
    head = """
        import numpy as np
        from gpugrad.kernels.cpu import team as cpu_team
        import loops
        cpu_team.GRAIN = 1 / 64
        cpu_team.cores = lambda: 3
        piece = np.ones(192)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(text)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_team_of_its_own(tmp_path):
    """Threads do not survive a fork. It forks in a process that has not imported JAX, which warns of every fork."""
    forked = """
        import multiprocessing

        def add_in_child():
            cpu_team.spread(loops.plus, (piece,), 1.0)
            members = cpu_team.the_team()._members
            print(piece.min(), piece.max(), *(member.is_alive() for member in members), flush=True)

        cpu_team.spread(loops.plus, (piece,), 1.0)
        child = multiprocessing.get_context("fork").Process(target=add_in_child)
        child.start()
        child.join()
        cpu_team.spread(loops.plus, (piece,), 1.0)
        print(child.exitcode, piece.min(), piece.max())
    """
    assert program(forked, tmp_path) == ["3.0", "3.0", "True", "True", "0", "3.0", "3.0"]


@pytest.mark.slow
def test_machine_code_of_several_processes_is_kept_apart(tmp_path):
    """Each process numbers its compiled functions from the start: cached loops of two must not be mixed up."""
    show = "print(piece[0], piece[191])"
    add, multiply = (f"cpu_team.spread(loops.{name}, (piece,), 5.0)" for name in ("plus", "times"))
    assert program(f"{add}; {show}", tmp_path) == ["6.0", "6.0"]
    assert program(f"{multiply}; {show}", tmp_path) == ["5.0", "5.0"]
    assert program(f"{add}; {multiply}; {show}", tmp_path) == ["30.0", "30.0"]
    compiled = "print(sum(cpu_team._runner(loop, 0).stats.cache_misses[s] for loop in (loops.plus, loops.times) "
    compiled += "for s in cpu_team._runner(loop, 0).stats.cache_misses))"
    assert program(f"{add}; {multiply}; {compiled}", tmp_path) == ["0"]


def test_a_process_may_end_while_members_watch(tmp_path):
    assert program("cpu_team.spread(loops.plus, (piece,), 1.0); print('end')", tmp_path) == ["end"]


@compile_cpu
def doubled(x):
    for i in range(x.size):
        x[i] *= 2


@compile_cpu
def quadrupled(x):
    doubled(x)
    doubled(x)


def test_code_is_made_executable_only_with_what_it_is_linked_into():
    quadrupled.compile((types.float64[::1],))
    for loop in (doubled, quadrupled):
        (version,) = loop.overloads.values()
        assert not version.library.codegen._engine.is_symbol_defined(version.fndesc.llvm_func_name)
    x = np.ones(3)
    for loop, expected in ((quadrupled, 4), (doubled, 8), (quadrupled, 32)):
        cpu_team.run_once(loop, x)
        assert x.tolist() == [expected] * 3


def test_a_loop_refuses_to_be_called_from_python():
    """Before it is compiled and afterwards, when a plain dispatcher would jump to a missing entry point."""
    x = np.ones(3)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"doubled is for compiled code alone: run it with spread\(\) or run_once"):
            doubled(x)
        cpu_team.run_once(doubled, x)
    assert x.tolist() == [4, 4, 4]
