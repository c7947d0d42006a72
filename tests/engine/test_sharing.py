"""Turns: each thread gets its turn, in order, whatever interrupts it."""

from __future__ import annotations

import copy
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpugrad.engine.sharing import Turns


def is_free(turns):
    """Return whether another thread gets its turn."""
    thread = threading.Thread(target=turns.__enter__, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def test_only_one_thread_at_a_time_and_again_for_the_same():
    turns, inside, most = Turns(), 0, 0

    def work(_):
        nonlocal inside, most
        for _ in range(200):
            with turns, turns:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert (most, inside) == (1, 0)


def test_a_thread_that_asks_again_and_again_waits_for_those_before_it():
    turns, got, busy = Turns(), [], threading.Event()

    def ask(i):
        with turns:
            got.append(i)

    def hog():
        for i in range(100):
            with turns:
                got.append(f"hog {i}")
                busy.set()
                time.sleep(0.001)

    holder = threading.Thread(target=hog)
    holder.start()
    busy.wait()
    for i in range(5):
        asker = threading.Thread(target=ask, args=(i,))
        asker.start()
        asker.join(10)  # long before the hog is done
        assert i in got
    assert "hog 99" not in got
    holder.join()


def test_an_error_within_a_turn_ends_it():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    assert is_free(turns)


@pytest.mark.parametrize("handed_over", [False, True])
def test_an_interrupt_while_waiting_passes_the_turn_on(handed_over, monkeypatch):
    """Ctrl-C comes while a thread waits, or just after the turn was handed to it."""
    turns = Turns()

    class Interrupted:
        """Lock whose second acquire, the wait, is interrupted."""

        def __init__(self):
            self.count = 0

        def acquire(self):
            self.count += 1
            if self.count == 2:
                if handed_over:
                    other.put()
                raise KeyboardInterrupt

        def release(self):
            pass

    class Holder(threading.Thread):
        """Another thread, which holds the turn until `put`."""

        def __init__(self):
            super().__init__()
            self.holds, self.done, self.gone = threading.Event(), threading.Event(), threading.Event()

        def run(self):
            with turns:
                self.holds.set()
                self.done.wait(10)
            self.gone.set()

        def put(self):
            self.done.set()
            assert self.gone.wait(10)

    other = Holder()
    other.start()
    other.holds.wait(10)
    monkeypatch.setattr("gpugrad.engine.sharing.threading.Lock", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        turns.__enter__()
    monkeypatch.undo()
    other.done.set()
    other.join(10)
    assert is_free(turns)  # nobody holds it, nobody waits for a turn that was left


def test_a_copy_is_free():
    turns = Turns()
    with turns:
        assert is_free(copy.deepcopy(turns))
        assert is_free(pickle.loads(pickle.dumps(turns)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*fork.*:RuntimeWarning")
@pytest.mark.parametrize("forker", ["another thread", "its holder"])
def test_in_the_child_of_a_fork_no_thread_waits_for_one_that_is_gone(forker):
    turns, held, done = Turns(), threading.Event(), threading.Event()

    def hold():
        with turns:
            held.set()
            done.wait(60)

    def fork():
        child = os.fork()
        if child:
            return child
        with turns:
            pass
        return 0

    thread = threading.Thread(target=hold if forker == "another thread" else lambda: None)
    thread.start()
    if forker == "another thread":
        held.wait(10)
        child = fork()
    else:
        with turns, turns:
            child = fork()
    if child == 0:
        os._exit(7 if is_free(turns) else 1)
    end = time.monotonic() + 30
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    done.set()
    thread.join()
    if found[0] == 0:
        os.kill(child, 9)
    assert os.waitstatus_to_exitcode(found[1]) == 7
