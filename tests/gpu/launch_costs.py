"""What a launch costs on this GPU: through CuPy and Numba, one at a time and as nodes of a graph."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad import nn, optim

ELEMENTS = 256  # of the array that a launch works on: so few that the work itself takes no time
LAUNCHES, ROUNDS = 500, 15
NODES = (1, 2, 4, 8, 16, 32, 64)


def measure(work: Callable[[], Any], device: Any, count: int = LAUNCHES) -> tuple[float, float]:
    """Microseconds of one call: the median over rounds of `count` calls and a wait, and the median deviation."""
    work()
    device.synchronize()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            work()
        device.synchronize()
        rounds.append((time.perf_counter() - start) / count * 1e6)
    middle = statistics.median(rounds)
    return middle, statistics.median(abs(r - middle) for r in rounds)


def sgd_arguments(device: Any) -> tuple:
    ones = np.ones(ELEMENTS, np.float32)
    return device.upload(ones), device.upload(ones[:1]), None, device.upload(ones), None


def launches(toolchain: str) -> dict[str, tuple[float, float]]:
    """One launch of the smallest optimizer, eagerly and in graphs of several."""
    device = gg.device("cuda", toolchain)
    launcher, arguments = device.kernels.sgd_step, sgd_arguments(device)
    with device.current():
        found = {
            "launch, arguments checked": measure(lambda: launcher(*arguments), device),
            "launch alone": measure(lambda: launcher.launch(*arguments), device),
        }
    for nodes in NODES:
        replay = device.replayer([lambda: launcher.launch(*arguments)] * nodes)
        found[f"graph of {nodes}"] = measure(replay, device)
    return found


def steps(toolchain: str) -> dict[str, tuple[float, float]]:
    """A whole training step, recorded and through the tape: 784-128-10, batch 64, Adam."""
    device = gg.device("cuda", toolchain)
    rng = np.random.default_rng(0)
    x = gg.tensor(rng.normal(size=(64, 784)).astype(np.float32), device=device)
    y = gg.tensor(rng.integers(0, 10, 64).astype(np.int32), device=device)
    model = nn.MLP(784, [128], 10, seed=0).to(device)
    optimizer, criterion = optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def step() -> Any:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return {
        "step through the tape": measure(step, device, 100),
        "step recorded": measure(gg.record(step, device), device),
    }


def table(found: dict[str, dict[str, tuple[float, float]]]) -> str:
    """Markdown: a row for each thing measured, a column for each toolchain."""
    rows = dict.fromkeys(name for column in found.values() for name in column)
    lines = [f"| µs | {' | '.join(found)} |", f"| --- |{' ---: |' * len(found)}"]
    for row in rows:
        cells = [column.get(row) for column in found.values()]
        lines.append(f"| {row} | {' | '.join('' if c is None else f'{c[0]:.2f} ± {c[1]:.2f}' for c in cells)} |")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) > 1:  # in a process of its own, since Numba reads its setting when it is imported
        print(launches("numba")["launch alone"][0])
        return
    found = {toolchain: launches(toolchain) | steps(toolchain) for toolchain in ("cupy", "numba")}
    print(table(found))
    waiting = subprocess.run(
        [sys.executable, __file__, "numba"],
        env={**os.environ, "NUMBA_CUDA_ARRAY_INTERFACE_SYNC": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"\nNumba's launch alone with its wait for the stream of each argument: {float(waiting.stdout):.2f} µs")


if __name__ == "__main__":
    main()
