"""The work of each kernel written with NumPy, CuPy or PyTorch, for comparison.

A `Way` is a function of the library, the arrays and the scalars of a contract. It prepares the data and returns a call
that does the work once and returns the results under the contract's names.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...engine.check import arrays_of
from ...engine.device import Device
from ...engine.host import to_host
from ...engine.version import installed_version
from ...errors import ArgumentError, DeviceError, KernelError
from ...kernels.activation import ACTIVATIONS
from ...kernels.contract import Contract, Example, tolerance
from ...nn.losses import LOSSES

Work = Callable[[], dict[str, Any]]
Way = Callable[[Any, SimpleNamespace, dict[str, Any]], Work | None]

LIBRARIES = {"cpu": ("numpy", "torch"), "cuda": ("cupy", "torch")}
SLACK = 8  # times our tolerance: a library may sum in another order and use other elementary functions
ROUNDING = {"float32": 0.0, "tf32": 2.0**-11, "bfloat16": 2.0**-8}  # relative rounding error of a number

ARRAY_WAYS: dict[str, Way] = {}
TORCH_WAYS: dict[str, Way] = {}


def check_libraries(names: list[str], device: Device) -> None:
    """Raise ArgumentError for a library that does not compute on this device, DeviceError for a missing one."""
    for name in names:
        if name not in LIBRARIES[device.kind]:
            known = ", ".join(LIBRARIES[device.kind])
            raise ArgumentError(f"--against is {name!r}, expected one of {known}, which compute on {device.name}")
        if installed_version(name) is None:
            raise DeviceError(f"{name} is not installed: install it, or leave it out of --against")


def same_work(name: str, device: Device, contract: Contract, workload: Example, expected: dict) -> Work | None:
    """Return a call of a library that does the work of a kernel; None if the library has no `Way` for it.

    Raise KernelError if its result differs from `expected`, a dict of reference arrays.
    """
    ways = TORCH_WAYS if name == "torch" else ARRAY_WAYS
    if contract.name not in ways:
        return None
    copies = arrays_of(contract, workload, np.float32)
    library, move, stream = _torch(device) if name == "torch" else (device.xp, device.upload, device.current)
    with stream():
        arrays = [None if a is None else move(a) for a in copies]
        named = SimpleNamespace(**dict(zip(contract.arrays, arrays, strict=True)))
        work = ways[contract.name](library, named, workload.scalars)
        if work is None:
            return None
        _check(work(), expected, contract, workload, name)

    def in_order() -> dict[str, Any]:
        with stream():
            return work()

    return work if device.kind == "cpu" else in_order


def _torch(device: Any) -> tuple[Any, Callable, Callable]:
    """Return PyTorch, a function that moves an array to the device, and a context that sets its stream."""
    import torch

    def move(array: np.ndarray) -> Any:
        return torch.from_numpy(array).to(torch_device(device))

    if device.kind == "cpu":
        return torch, move, contextlib.nullcontext
    ours = torch.cuda.ExternalStream(device.stream.ptr)
    return torch, move, lambda: torch.cuda.stream(ours)


def _check(found: dict[str, Any], expected: dict[str, Any], contract: Contract, workload: Example, name: str) -> None:
    unit = max(tolerance(np.float32, workload.terms), ROUNDING[workload.scalars.get("precision", "float32")])
    for array, values in found.items():
        right = expected[array]
        values = values.detach().float().cpu() if hasattr(values, "detach") else values
        wrong = np.abs(to_host(values).reshape(right.shape) - right).max(initial=0)
        if not wrong <= SLACK * unit * np.abs(right).max(initial=0):
            raise KernelError(f"{contract.name} through {name}, {workload.reason}: {array} differs from the reference")


def torch_device(device: Device) -> str:
    """Return PyTorch's name of a device."""
    return f"cuda:{device.index}" if device.kind == "cuda" else "cpu"  # type: ignore[attr-defined]


def torch_product(device: Device, side: int, precision: str) -> Callable[[], Any]:
    """Return a call that multiplies two square matrices with PyTorch."""
    import torch

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn((side, side), device=torch_device(device)).to(dtype) for _ in range(2))

    def product() -> Any:
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        try:
            return torch.mm(a, b)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    return product


def _way(ways: dict[str, Way], *names: str) -> Callable[[Way], Way]:
    def note(way: Way) -> Way:
        ways.update(dict.fromkeys(names, way))
        return way

    return note


arrays_way = functools.partial(_way, ARRAY_WAYS)
torch_way = functools.partial(_way, TORCH_WAYS)


# ---- NumPy and CuPy ----


@arrays_way("matmul")
def _(xp, a, scalars):
    return lambda: {"c": xp.matmul(a.a, a.b, out=a.c)}


@arrays_way("dense_forward")
def _(xp, a, scalars):
    return lambda: {"y": xp.maximum(a.x @ a.w + a.b, 0)}


@arrays_way("dense_backward")
def _(xp, a, scalars):
    def work():
        dz = a.dy * (a.saved > 0)
        found = {"dw": a.x.T @ dz, "db": dz.sum(axis=0)}
        return found if a.dx is None else {**found, "dx": dz @ a.w.T}

    return work


@arrays_way("activation_forward")
def _(xp, a, scalars):
    if scalars["activation"] not in ("relu", "tanh"):
        return None
    return lambda: {"y": xp.tanh(a.z) if scalars["activation"] == "tanh" else xp.maximum(a.z, 0)}


@arrays_way("softmax_cross_entropy")
def _(xp, a, scalars):
    places = xp.arange(len(a.labels))

    def work():
        shifted = a.logits - a.logits.max(axis=1, keepdims=True)
        exponentials = xp.exp(shifted)
        totals = exponentials.sum(axis=1, keepdims=True)
        losses = (xp.log(totals[:, 0]) - shifted[places, a.labels]) / a.norm
        gradient = exponentials / totals
        gradient[places, a.labels] -= 1
        gradient /= a.norm
        return {"losses": losses, "dlogits": gradient}

    return work


@arrays_way("gather")
def _(xp, a, scalars):
    scale = np.float32(scalars["scale"])
    return lambda: {"out": a.data[a.rows].astype(np.float32) * scale}


@arrays_way("sum_elements")
def _(xp, a, scalars):
    return lambda: {"out": a.x.sum()}


@arrays_way("clip_value")
def _(xp, a, scalars):
    return lambda: {"g": xp.clip(a.g, -scalars["limit"], scalars["limit"], out=a.g)}


@arrays_way("clip_norm")
def _(xp, a, scalars):
    return lambda: {"norm": xp.sqrt(xp.dot(a.g, a.g))}


@arrays_way("adam_step")
def _(xp, a, scalars):
    beta1, beta2, eps, steps = 0.9, 0.999, 1e-8, 0
    rate = 1e-3

    def work():
        nonlocal steps
        steps += 1
        a.m[...] = beta1 * a.m + (1 - beta1) * a.g
        a.v[...] = beta2 * a.v + (1 - beta2) * a.g * a.g
        corrected = a.m / (1 - beta1**steps) / (xp.sqrt(a.v / (1 - beta2**steps)) + eps)
        a.p -= rate * corrected
        return {"p": a.p}

    return work


# ---- PyTorch ----


@torch_way("matmul")
def _(torch, a, scalars):
    if scalars["precision"] != "float32":
        return _lower(torch, lambda x, y: {"c": torch.mm(x, y)}, a.a, a.b, scalars["precision"])
    return lambda: {"c": torch.mm(a.a, a.b, out=a.c)}


@torch_way("dense_forward")
def _(torch, a, scalars):
    if scalars["precision"] != "float32":
        forward = lambda x, w: {"y": torch.relu(torch.addmm(a.b.to(x.dtype), x, w))}  # noqa: E731
        return _lower(torch, forward, a.x, a.w, scalars["precision"])
    return lambda: {"y": torch.relu_(torch.addmm(a.b, a.x, a.w))}


@torch_way("dense_backward")
def _(torch, a, scalars):
    if scalars["precision"] != "float32":
        return None

    def work():
        dz = torch.ops.aten.threshold_backward(a.dy, a.saved, 0)
        found = {"dw": a.x.T @ dz, "db": dz.sum(dim=0)}
        return found if a.dx is None else {**found, "dx": dz @ a.w.T}

    return work


def _lower(torch, product, left, right, precision):
    """Multiply in a lower precision: bfloat16 inputs, or float32 inputs that tensor cores round to TF32."""
    if precision == "bfloat16":
        left, right = left.bfloat16(), right.bfloat16()

    def work():
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        try:
            return product(left, right)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    return work


@torch_way("activation_forward")
def _(torch, a, scalars):
    activate = getattr(torch.nn.functional, scalars["activation"], None)
    if activate is None:
        return None
    slope = (0.01,) if ACTIVATIONS[scalars["activation"]].sloped else ()
    return lambda: {"y": activate(a.z, *slope)}


@torch_way("activation_backward")
def _(torch, a, scalars):
    name, aten = scalars["activation"], torch.ops.aten
    if name == "relu":
        return lambda: {"dz": aten.threshold_backward(a.dy, a.saved, 0)}
    backward = getattr(aten, f"{name}_backward", None)
    if backward is None:
        return None
    slope = (0.01, True) if ACTIVATIONS[name].sloped else ()  # True: `saved` is the output
    return lambda: {"dz": backward(a.dy, a.saved, *slope)}


def _loss(torch, prediction, gradient_name, loss):
    """Return a call for forward and backward of a mean loss, up to the gradient of the predictions."""
    prediction.requires_grad_(True)

    def work():
        prediction.grad = None
        loss(prediction).backward()
        return {gradient_name: prediction.grad}

    return work


@torch_way("softmax_cross_entropy")
def _(torch, a, scalars):
    labels = a.labels.long()
    return _loss(torch, a.logits, "dlogits", lambda z: torch.nn.functional.cross_entropy(z, labels))


@torch_way("binary_cross_entropy")
def _(torch, a, scalars):
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return _loss(torch, a.logits, "dlogits", lambda z: loss(z, a.targets))


@torch_way("regression_loss")
def _(torch, a, scalars):
    name = next(loss.__name__ for loss in LOSSES.values() if getattr(loss, "loss", None) == scalars["loss"])
    loss = getattr(torch.nn, name, None)  # our classes have PyTorch's names
    return None if loss is None else _loss(torch, a.predictions, "dpredictions", lambda p: loss()(p, a.targets))


@torch_way("dropout_forward")
def _(torch, a, scalars):
    return lambda: torch.nn.functional.dropout(a.x, scalars["p"]) is None or {}  # another mask, so nothing to compare


@torch_way("gather")
def _(torch, a, scalars):
    rows = a.rows.long()
    return lambda: {"out": a.data[rows].float().mul_(scalars["scale"])}


@torch_way("sum_elements")
def _(torch, a, scalars):
    return lambda: {"out": a.x.sum()}


@torch_way("clip_norm")
def _(torch, a, scalars):
    return lambda: {"norm": torch.linalg.vector_norm(a.g)}


@torch_way("clip_value")
def _(torch, a, scalars):
    return lambda: {"g": a.g.clamp_(-scalars["limit"], scalars["limit"])}


def _optimizer(torch, a, make):
    parameter = torch.nn.Parameter(a.p)
    parameter.grad = a.g
    optimizer = make([parameter])

    def work():
        optimizer.step()
        return {"p": parameter}

    return work


@torch_way("adam_step")
def _(torch, a, scalars):
    return _optimizer(torch, a, lambda p: torch.optim.Adam(p, lr=1e-3, fused=True))


@torch_way("sgd_step")
def _(torch, a, scalars):
    momentum = scalars.get("momentum", 0.0)
    return _optimizer(torch, a, lambda p: torch.optim.SGD(p, lr=1e-3, momentum=momentum, fused=True))


@torch_way("adagrad_step")
def _(torch, a, scalars):
    return _optimizer(torch, a, lambda p: torch.optim.Adagrad(p, lr=1e-3))


@torch_way("rmsprop_step")
def _(torch, a, scalars):
    return _optimizer(torch, a, lambda p: torch.optim.RMSprop(p, lr=1e-3))


@torch_way("adadelta_step")
def _(torch, a, scalars):
    return _optimizer(torch, a, lambda p: torch.optim.Adadelta(p, lr=1e-3))
