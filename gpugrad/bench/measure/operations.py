"""Small operations of the tape and a training step that is not recorded, next to PyTorch: what one call costs."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import nn, optim
from ...engine import functional
from ...engine.arithmetic import exp, matmul, mean, softmax, sum
from ...engine.creation import tensor
from ...engine.device import Device
from ...errors import ArgumentError
from .timing import sampler

SIZES = (64, 1000)  # elements
STEP = (784, 128, 10, 64)  # features, neurons, classes, batch

Call = Callable[[], Any]


def measure(device: Device, *, rounds: int = 50, on_row: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """Time each operation in turn with PyTorch's, round by round.

    Parameters
    ----------
    device : Device
        A CPU.
    rounds : int, default 50
        Number of timings of each side; the sides alternate, so that both share the machine with the same programs.
    on_row : function
        Called with each row once it is measured.

    Returns
    -------
    list of dict
        Rows with `operation`, `median` and `pytorch` (seconds), and the ratio PyTorch / gpugrad of the same round:
        its median `times_ours` and its 20th and 80th percentile, `low` and `high`.

    Raises
    ------
    ArgumentError
        If the device is not a CPU, or PyTorch is not installed.
    """
    if device.kind != "cpu":
        raise ArgumentError(
            f"the device is {device.name}, expected a CPU: a GPU's launches are measured by `bench kernels`"
        )
    try:
        import torch
    except ImportError:
        raise ArgumentError("PyTorch, the library to compare with, is not installed: pip install torch") from None
    rows = []
    for name, ours, theirs in (*_operations(device, torch), *_steps(device, torch)):
        row = {"operation": name, **_compare(device, ours, theirs, rounds)}
        rows.append(row)
        on_row(row)
    return rows


def _compare(device: Device, ours: Call, theirs: Call, rounds: int) -> dict[str, float]:
    samples = sampler(device, ours), sampler(device, theirs)
    pairs = [(samples[0](), samples[1]()) for _ in range(rounds)]
    ratios = [b / a for a, b in pairs]
    low, high = np.percentile(ratios, (20, 80))
    return {
        "median": statistics.median(a for a, _ in pairs),
        "pytorch": statistics.median(b for _, b in pairs),
        "times_ours": statistics.median(ratios),
        "low": float(low),
        "high": float(high),
    }


def _operations(device: Device, torch: Any) -> list[tuple[str, Call, Call]]:
    """Return (name, ours, PyTorch's) for operations on leaves that require a gradient."""
    found: list[tuple[str, Call, Call]] = []
    rng = np.random.default_rng(0)
    for n in SIZES:
        a, b = rng.standard_normal((2, n)).astype(np.float32)
        x, y = (tensor(array, device=device, requires_grad=True) for array in (a, b))
        u, v = (torch.tensor(array, requires_grad=True) for array in (a, b))
        for name, ours, theirs in (
            ("x + y", lambda x=x, y=y: x + y, lambda u=u, v=v: u + v),
            ("x · y", lambda x=x, y=y: x * y, lambda u=u, v=v: u * v),
            ("exp", lambda x=x: exp(x), lambda u=u: torch.exp(u)),
            ("relu", lambda x=x: functional.activation(x, "relu"), lambda u=u: torch.relu(u)),
            ("sum", lambda x=x: sum(x), lambda u=u: torch.sum(u)),
            ("mean", lambda x=x: mean(x), lambda u=u: torch.mean(u)),
            ("softmax", lambda x=x: softmax(x), lambda u=u: torch.softmax(u, -1)),
        ):
            found.append((f"{name}, {n}", ours, theirs))
    square = rng.standard_normal((8, 8)).astype(np.float32)
    x, u = tensor(square, device=device, requires_grad=True), torch.tensor(square, requires_grad=True)
    found.append(("8 × 8 @ 8 × 8", lambda: matmul(x, x), lambda: u @ u))
    return found


def _steps(device: Device, torch: Any) -> list[tuple[str, Call, Call]]:
    """Return (name, ours, PyTorch's) for a training step, with PyTorch's default Adam and with its fused one."""
    n_in, hidden, n_out, batch = STEP
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((batch, n_in)).astype(np.float32), rng.integers(0, n_out, batch)
    model, loss = nn.MLP(n_in, [hidden], n_out, seed=0, device=device), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters())
    rows, targets = tensor(x, device=device), tensor(labels, np.int32, device=device)

    def ours() -> None:
        optimizer.zero_grad()
        loss(model(rows), targets).backward()
        optimizer.step()

    return [
        (f"step, {fused}", ours, _torch_step(torch, x, labels, hidden, fused == "fused Adam"))
        for fused in ("Adam", "fused Adam")
    ]


def _torch_step(torch: Any, x: Any, labels: Any, hidden: int, fused: bool) -> Call:
    layers = torch.nn.Linear(x.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, STEP[2])
    model, loss = torch.nn.Sequential(*layers), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=fused or None)
    rows, targets = torch.tensor(x), torch.tensor(labels)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(rows), targets).backward()
        optimizer.step()

    return step
