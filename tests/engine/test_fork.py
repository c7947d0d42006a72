"""A fork: the child computes as a new process does, whatever other threads of the parent were doing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

BEGIN = """
    import os, sys, threading, time, warnings
    warnings.simplefilter("ignore")  # of a fork in a process with threads
    import numpy as np
    import gpugrad as gg
    from gpugrad import nn, optim
    from gpugrad.training.callbacks import Callback

    x = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)

    def train(seed=0, epochs=2, callbacks=None):
        trainer = gg.Trainer(nn.MLP(16, [32], 2, dropout=0.1, seed=seed, device="cpu"), device="cpu", seed=seed)
        trainer.fit(x, y, epochs=epochs, batch_size=20, callbacks=callbacks, progress=False)
        return trainer.predict_proba(x).tobytes()

    def in_child(work, seconds=60):
        "Return whether work() is true in a forked process that ends in time."
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if work() else 1)
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr, flush=True)
                os._exit(2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status) == 0
            time.sleep(0.01)
        os.kill(child, 9)
        os.waitpid(child, 0)
        print("the child hung", file=sys.stderr)
        return False
"""

PROGRAMS = {
    "while threads train": """
        expected = train()
        stop = threading.Event()

        def others(seed):
            while not stop.is_set():
                train(seed)

        threads = [threading.Thread(target=others, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        results = []
        for i in range(12):
            time.sleep(0.003 * i)
            results.append(in_child(lambda: train() == expected))
        stop.set()
        for thread in threads:
            thread.join()
        print(all(results), train() == expected)
    """,
    "while a thread compiles": """
        slow = threading.Thread(target=train)  # with an empty cache it compiles for seconds
        slow.start()
        results = []
        while slow.is_alive() and len(results) < 4:
            time.sleep(0.3)
            results.append(in_child(lambda: len(train()) > 0, 120))
        slow.join()
        print(len(results) > 0, all(results))
    """,
    "while a thread loads a module that adds a lock": """
        from gpugrad.kernels import fork

        late, begun = threading.RLock(), threading.Event()

        def load():
            with fork.LOADING:
                begun.set()
                time.sleep(0.3)  # the fork waits for LOADING
                fork.waits_for(late)
                late.acquire()
            time.sleep(0.3)
            late.release()

        thread = threading.Thread(target=load)
        thread.start()
        begun.wait()
        print(in_child(lambda: late.acquire(timeout=5)), late.acquire(blocking=False))
        thread.join()
    """,
    "in the middle of a recorded step": """
        weight = gg.tensor(np.ones(3), device="cpu")
        results = []

        def step(rows):
            out = rows * weight
            if os.getpid() == parent:
                results.append(in_child(lambda: np.array_equal((out + weight).numpy(), [4.0, 4, 4]) if free else True))
            return out + weight

        parent, free = os.getpid(), False
        recorded = gg.record(step, device="cpu")
        first = recorded(np.full(3, 3.0)).tolist()
        print(results == [True], first == recorded(np.full(3, 3.0)).tolist() == [4, 4, 4])
    """,
    "in a callback of a run": """
        expected = train(3)

        class Fork(Callback):
            results = []

            def on_step_end(self, trainer, step):
                if step % 7 == 0 and os.getpid() == parent:
                    bits = trainer.predict_proba(x).tobytes()
                    same = lambda: trainer.predict_proba(x).tobytes() == bits and train(3) == expected
                    self.results.append(in_child(same))

        parent, fork = os.getpid(), Fork()
        print(train(3, callbacks=fork) == expected, fork.results == [True] * 5)
    """,
    "while another thread draws initial weights": """
        gg.manual_seed(0)
        stop = threading.Event()

        def draw():
            while not stop.is_set():
                nn.Dense(300, 300, device="cpu")

        thread = threading.Thread(target=draw)
        thread.start()
        results = [in_child(lambda: nn.Dense(3, 3, device="cpu").weight.shape == (3, 3)) for _ in range(20)]
        stop.set()
        thread.join()
        print(all(results), len(results) == 20)
    """,
    "a child's child": """
        expected = train()
        print(in_child(lambda: in_child(lambda: train() == expected) and train() == expected), train() == expected)
    """,
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow(3)) for name in PROGRAMS])
def test_the_child_computes_what_a_process_alone_does(name, tmp_path):
    environment = dict(os.environ)
    if "compiles" in name:
        environment["NUMBA_CACHE_DIR"] = str(tmp_path)
    program = textwrap.dedent(BEGIN) + textwrap.dedent(PROGRAMS[name])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=500, cwd=tmp_path
    )
    assert (done.stdout.split(), done.stderr) == (["True", "True"], "")


@pytest.mark.slow(2)
def test_daemon_threads_that_train_do_not_disturb_the_end_of_a_process(tmp_path):
    program = textwrap.dedent(BEGIN) + textwrap.dedent("""
        train()
        for seed in range(3):
            threading.Thread(target=train, args=(seed, 10**6), daemon=True).start()
        time.sleep(0.3)
        print("end")
    """)
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


@pytest.mark.slow(2)
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_of_multiprocessing_compute_the_same(method, tmp_path):
    (tmp_path / "program.py").write_text(
        textwrap.dedent(BEGIN)
        + textwrap.dedent(f"""
            import multiprocessing

            if __name__ == "__main__":
                expected = [train(seed) for seed in range(4)]
                with multiprocessing.get_context({method!r}).Pool(2) as pool:
                    print(pool.map(train, range(4)) == expected, train(0) == expected[0])
        """)
    )
    done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (done.stdout.split(), done.stderr) == (["True", "True"], "")
