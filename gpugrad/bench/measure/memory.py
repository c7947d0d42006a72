"""Compare the peak memory of a run with its bound: data, optimizer state and the arrays of one step."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ...engine.device import Device
from ...engine.device import device as get_device
from ...engine.host import resident_memory
from ...errors import ArgumentError, KernelError
from ...optim import Adam
from ...training.trainer import Trainer
from ..engines import OWN
from .kernels import MEASURABLE
from .networks import NETWORKS, TRAIN_ROWS, Problem, random_problem

COPIES = 8  # arrays of the parameters' size: p, g, m, v; p, m, v of the last epoch as a backup; and one spare
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
    """Measure the peak memory of `Trainer.fit` in bytes, for each network in its own process.

    The bound is data + 8 × parameters + activations + a constant: the memory of the process before it has data, that
    is Python, the libraries and the kernels, each of which has run once. On a GPU only the GPU's memory counts.

    Parameters
    ----------
    device : Device
        The device.
    networks : sequence of (hidden sizes, batch size)
        The networks.
    rows : int
        Number of rows of MNIST's shape.
    on_row : callable, default print
        Receives each row as it is measured.

    Returns
    -------
    list of dict
        One row per network.

    Raises
    ------
    ArgumentError
        If the device is not measurable.
    KernelError
        If the process ends early.
    """
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"the {device.kind} needs more memory than training does: measure cpu or cuda")
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
    """Return the bytes of x, y and the int32 row order of an epoch."""
    return steps * problem.batch * (problem.sizes[0] + 4 + 4)


def activation_bytes(problem: Problem) -> int:
    """Return the bytes of a step: the batch, output and gradient of each layer, and scratch for the widest one."""
    n_in, *n_out = problem.sizes
    return 4 * problem.batch * (n_in + 2 * sum(n_out) + max(n_out))


def _in_new_process(hidden: tuple[int, ...], batch: int, steps: int, device: Device) -> tuple[int, int]:
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(constant_and_peak, hidden, batch, steps, device.name, device.toolchain).result()
    except BrokenProcessPool:
        raise KernelError(
            f"the process that trained {hidden} ended early, perhaps out of memory: measure fewer rows"
        ) from None


def constant_and_peak(
    hidden: tuple[int, ...], batch: int, steps: int, device: str, toolchain: str | None
) -> tuple[int, int]:
    """Return the memory of this process after a small run, and its peak after a run of `steps` steps, in bytes."""
    target = get_device(device, toolchain)
    train(random_problem((256,), 256, 2), target)
    now = None if target.kind == "cuda" else resident_memory("VmRSS")
    constant = target.peak_memory() if now is None else now
    train(random_problem(hidden, batch, steps), target)
    return constant, target.peak_memory()


def train(problem: Problem, device: Device) -> None:
    """Train on the problem's rows as a user would."""
    model = problem.model()
    trainer = Trainer(model, optimizer=Adam(model.parameters(), lr=problem.lr), device=device, seed=problem.seed)
    trainer.fit(problem.x, problem.y, epochs=EPOCHS, batch_size=problem.batch, scale=problem.scale, progress=False)
