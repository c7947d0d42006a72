"""Threads that train, predict, build and fork at once, for a time: the same bits, and no memory or file kept."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import gc, hashlib, os, random, sys, threading, time, warnings
    warnings.simplefilter("ignore")  # of a fork in a process with threads
    import numpy as np
    import gpugrad as gg
    from gpugrad import nn, optim

    SECONDS = float(sys.argv[1])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)

    def bits(arrays):
        return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()

    def fit(seed):
        "A Trainer with dropout, recorded."
        trainer = gg.Trainer(nn.MLP(12, [24, 8], 2, dropout=0.2, seed=seed, device="cpu"), device="cpu", seed=seed)
        trainer.fit(x, y, epochs=2, batch_size=32, validation_split=0.1, progress=False)
        return bits([trainer.predict_proba(x), *trainer.model.state_dict().values()])

    def by_hand(seed):
        "A loop on the tape, unrecorded, clipped by norm."
        model = nn.MLP(12, [16], 2, activation="tanh", seed=seed, device="cpu")
        optimizer, criterion = optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropyLoss()
        a, b = gg.tensor(x[:64], device="cpu"), gg.tensor(y[:64], device="cpu")
        for _ in range(15):
            loss = criterion(model(a), b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.clip_grad_norm(0.5)
            optimizer.step()
        return bits([p.numpy() for p in model.parameters()])

    def large(seed):
        "Products that the team shares out."
        model = nn.MLP(256, [512], 64, seed=seed, device="cpu")
        rows = np.random.default_rng(seed).normal(size=(512, 256)).astype(np.float32)
        with gg.no_grad():
            return bits([model(gg.tensor(rows, device="cpu")).numpy()])

    def estimator(seed):
        model = gg.MLPClassifier((10,), random_state=seed, max_iter=3, device="cpu").fit(x, y)
        return bits([model.predict_proba(x), *model.coefs_])

    WORK = [fit, by_hand, large, estimator]
    expected = {(work, seed): work(seed) for work in WORK for seed in range(3)}
    served = gg.Trainer(nn.MLP(12, [24], 2, seed=9, device="cpu"), device="cpu")
    served_bits = bits([served.predict_proba(x)])
    wrong, counts, stop = [], dict.fromkeys([*(w.__name__ for w in WORK), "predict", "fork"], 0), threading.Event()

    def worker(index):
        order = random.Random(index)
        while not stop.is_set():
            work, seed = order.choice(WORK), order.randrange(3)
            try:
                if work(seed) != expected[work, seed]:
                    wrong.append((work.__name__, seed, "other bits"))
            except Exception as error:
                wrong.append((work.__name__, seed, repr(error)))
            counts[work.__name__] += 1

    def server():
        while not stop.is_set():
            if bits([served.predict_proba(x)]) != served_bits:
                wrong.append("prediction")
            counts["predict"] += 1
            time.sleep(0.001)

    def fork_once():
        child = os.fork()
        if child == 0:
            try:
                same = by_hand(1) == expected[by_hand, 1] and fit(0) == expected[fit, 0]
                os._exit(0 if same else 3)
            except BaseException:
                os._exit(4)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                if status:
                    wrong.append(("fork", os.waitstatus_to_exitcode(status)))
                break
            time.sleep(0.005)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            wrong.append("a child hung")
        counts["fork"] += 1

    def kept():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir("/proc/self/fd"))

    def run(seconds):
        stop.clear()
        threads = [threading.Thread(target=worker, args=(i,)) for i in range(4)] + [threading.Thread(target=server)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            fork_once()
        stop.set()
        for thread in threads:
            thread.join()

    run(SECONDS / 4)  # every thread has allocated what it keeps
    memory, files = kept()
    run(SECONDS * 3 / 4)
    more, now = kept()
    print(counts, f"memory {memory:.0f} to {more:.0f} MiB, files {files} to {now}")
    if wrong:
        sys.exit(f"{len(wrong)} wrong: {wrong[:5]}")
    if more > memory + 40 or now != files:
        sys.exit("kept memory or files")
    if not all(counts.values()):
        sys.exit("something never ran")
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd") or not hasattr(os, "fork"), reason="needs fork and /proc")
@pytest.mark.parametrize(
    "seconds",
    [pytest.param(12, marks=pytest.mark.slow(5)), pytest.param(3600, marks=[pytest.mark.slow, pytest.mark.long])],
)
def test_everything_at_once(seconds, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(seconds)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=2 * seconds + 300,
    )
    print(done.stdout)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
