"""The peak memory of a training, beside what it must hold: the data, the optimizer's state and one step's arrays."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ...engine.device import Device
from ...engine.device import device as get_device
from ...errors import ArgumentError, KernelError
from ...optim import Adam
from ...training.trainer import Trainer
from ..engines import OWN
from .kernels import MEASURABLE
from .networks import NETWORKS, TRAIN_ROWS, Problem, random_problem

COPIES = 8  # of the parameters: p, g, m and v; p, m and v as of the last epoch, to go back to; and one to spare
EPOCHS = 2
MEASURED = (NETWORKS[0], NETWORKS[-1])
Row = dict[str, Any]


def measure(
    device: Device,
    *,
    networks: Sequence[tuple[tuple[int, ...], int]] = MEASURED,
    rows: int = TRAIN_ROWS,
    on_row: Callable[[Row], None] = print,
) -> list[Row]:
    """The peak of a training by `Trainer.fit` on `rows` rows of MNIST's shape, each in a process of its own, in bytes.

    The bound is data + 8 × parameters + activations + a constant, which is what the process has before there is data:
    Python, the libraries and the kernels, all of which have run once. On a GPU it is the GPU's memory that counts.
    Raises ArgumentError for a device that is not worth measuring, KernelError where the process ends early.
    """
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"the {device.kind} keeps more than a training needs: measure cpu or cuda")
    found = []
    for hidden, batch in networks:
        problem = random_problem(hidden, batch, 1)
        steps = rows // batch
        constant, peak = _in_new_process(hidden, batch, steps, device)
        parts = {
            "data": data_bytes(problem, steps),
            "parameters": 4 * problem.parameters,
            "activations": activation_bytes(problem),
            "constant": constant,
        }
        bound = parts["data"] + COPIES * parts["parameters"] + parts["activations"] + constant
        found.append(
            {
                "network": problem.network,
                "batch": batch,
                "rows": steps * batch,
                "engine": OWN,
                "device": device.name,
                **parts,
                "bound": bound,
                "peak": peak,
                "holds": peak <= bound,
            }
        )
        on_row(found[-1])
    return found


def data_bytes(problem: Problem, steps: int) -> int:
    """Bytes of x and y, and of the order of an epoch's rows (int32)."""
    return steps * problem.batch * (problem.sizes[0] + 4 + 4)


def activation_bytes(problem: Problem) -> int:
    """Bytes of a step's arrays: the minibatch, output and its gradient of each layer, scratch for the widest one."""
    n_in, *n_out = problem.sizes
    return 4 * problem.batch * (n_in + 2 * sum(n_out) + max(n_out))


def _in_new_process(hidden: tuple[int, ...], batch: int, steps: int, device: Device) -> tuple[int, int]:
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(constant_and_peak, hidden, batch, steps, device.name, device.toolchain).result()
    except BrokenProcessPool:
        raise KernelError(
            f"the process that trained {hidden} ended early, perhaps for want of memory: measure fewer rows"
        ) from None


def constant_and_peak(
    hidden: tuple[int, ...], batch: int, steps: int, device: str, toolchain: str | None
) -> tuple[int, int]:
    """Bytes that this process has after a small training, and the most that it has had after one of `steps` steps."""
    target = get_device(device, toolchain)
    train(random_problem((256,), 256, 2), target)
    constant = occupied(target, "VmRSS")
    train(random_problem(hidden, batch, steps), target)
    return constant, occupied(target, "VmHWM")


def train(problem: Problem, device: Device) -> None:
    """Train as a user does, over the problem's rows."""
    model = problem.model()
    trainer = Trainer(model, optimizer=Adam(model.parameters(), lr=problem.lr), device=device, seed=problem.seed)
    trainer.fit(problem.x, problem.y, epochs=EPOCHS, batch_size=problem.batch, scale=problem.scale, progress=False)


def occupied(device: Device, name: str) -> int:
    """Bytes of a GPU's pool, or of this process: resident now (VmRSS), or at most so far (VmHWM).

    The kernel of Linux hands the largest size of the parent on to a child as the child's own, in what getrusage tells;
    /proc knows better.
    """
    status = Path("/proc/self/status")
    if device.kind == "cuda" or not status.exists():
        return device.peak_memory()
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
