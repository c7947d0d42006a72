"""Dense layer: y = act(x·w + b), its backward, and the plain matrix product.

With z = x·w + b and dz = dy · act'(z):

    dx = dz·wᵀ        dw = xᵀ·dz        db = Σ over the batch of dz

Shapes: x (batch, n_in), w (n_in, n_out), b (n_out,), y, z, dy (batch, n_out). The weight is stored input-major, like
scikit-learn's `coefs_`; PyTorch's `Linear.weight` is its transpose. All arrays are C-contiguous and of one dtype,
float32 (or float64, on the CPU). The activations and what they save for backward are those of `kernels.activation`.

`precision` says how the two factors of a product are rounded before they are multiplied: "float32" not at all, "tf32"
to 10 bits of mantissa, "bfloat16" to 7. Products are added up in float32 in each of them, and everything is stored in
float32, so that weights, gradients and what an optimizer keeps are float32 by construction: there is no second,
rounded copy of a weight that an update could be lost in. db is no product, and is the sum of dz unrounded. (float64
arrays are rounded in the same way and added up in float64: the reference of the two lower precisions.)

`workspace` is scratch, flat and undefined afterwards: at least `forward_workspace`, `backward_workspace` or
`matmul_workspace` numbers of the dtype of the other arrays, or None where that is 0. The CPU keeps dz there, the GPU
the partial sums of a product that is split over blocks (`variants`). A tuned variant may split into more parts than the
rule, which these sizes follow: `Device.workspace` has room for them, and in less the rule's variant runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, choose
from ..activation import ACTIVATIONS, check_activation
from ..contract import FLOATS, Cost, Example, check_array, contract, draw
from .rounding import PRECISIONS
from .variants import choose_variant, variant

__all__ = [
    "PRECISIONS",
    "backward_workspace",
    "dense_backward",
    "dense_forward",
    "forward_workspace",
    "matmul",
    "matmul_workspace",
    "variant",
]


@contract("y", "z", "workspace")
def dense_forward(x, w, b, y, z, workspace, *, activation="identity", negative_slope=0.01, precision="float32"):
    """y = act(x·w + b); z = x·w + b where the backward needs it.

    x (batch, n_in), w (n_in, n_out), b (n_out,) or None, y (batch, n_out), z (batch, n_out) or None.
    z must be given for gelu and silu if a backward follows; y and z do not overlap.
    workspace: `forward_workspace(batch, n_in, n_out)` numbers or more.
    """
    check_activation(activation, negative_slope)
    check_precision(precision)
    check_array("x", x, (None, None), FLOATS)
    batch, n_in = x.shape
    check_array("w", w, (n_in, None), x.dtype)
    n_out = w.shape[1]
    if b is not None:
        check_array("b", b, (n_out,), x.dtype)
    check_array("y", y, (batch, n_out), x.dtype)
    if z is not None:
        check_array("z", z, (batch, n_out), x.dtype)
    check_workspace(workspace, forward_workspace(batch, n_in, n_out), x.dtype)


@contract("dx", "dw", "db", "workspace")
def dense_backward(
    dy,
    x,
    w,
    saved,
    dx,
    dw,
    db,
    workspace,
    *,
    activation="identity",
    negative_slope=0.01,
    accumulate=False,
    precision="float32",
):
    """dx = dz·wᵀ, dw = xᵀ·dz, db = Σ dz with dz = dy · act'.

    dy (batch, n_out), x (batch, n_in), w (n_in, n_out); saved (batch, n_out): z for gelu and silu, else y.
    dx (batch, n_in), dw (n_in, n_out), db (n_out,): each may be None, and is then not computed.
    accumulate: dw and db are added to, not overwritten; dx is always overwritten.
    precision: that of the forward. workspace: `backward_workspace(batch, n_in, n_out, activation)` numbers or more.
    """
    check_activation(activation, negative_slope)
    check_precision(precision)
    check_array("dy", dy, (None, None), FLOATS)
    batch, n_out = dy.shape
    check_array("x", x, (batch, None), dy.dtype)
    n_in = x.shape[1]
    check_array("w", w, (n_in, n_out), dy.dtype)
    check_array("saved", saved, (batch, n_out), dy.dtype)
    for name, array, shape in (("dx", dx, (batch, n_in)), ("dw", dw, (n_in, n_out)), ("db", db, (n_out,))):
        if array is not None:
            check_array(name, array, shape, dy.dtype)
    check_workspace(workspace, backward_workspace(batch, n_in, n_out, activation), dy.dtype)


@contract("c", "workspace")
def matmul(a, b, c, workspace, *, transpose_a=False, transpose_b=False, precision="float32"):
    """c = a·b, with either factor transposed first.

    a (m, k) or (k, m) if transposed, b (k, n) or (n, k), c (m, n); or all three with one leading axis of the same
    length, a product for each entry of it. workspace: `matmul_workspace(m, k, n, entries)` numbers or more.
    """
    check_precision(precision)
    check_array("a", a, (None,) * max(2, min(a.ndim, 3)), FLOATS)
    batch = a.shape[:-2]
    k, m = a.shape[-2:] if transpose_a else a.shape[:-3:-1]
    check_array("b", b, (*batch, None, k) if transpose_b else (*batch, k, None), a.dtype)
    n = b.shape[-2] if transpose_b else b.shape[-1]
    check_array("c", c, (*batch, m, n), a.dtype)
    check_workspace(workspace, matmul_workspace(m, k, n, *batch), a.dtype)


def check_precision(precision: str) -> None:
    """Refuse an unknown precision."""
    if precision not in PRECISIONS:
        choose("precision", precision, PRECISIONS)


def check_workspace(workspace: Any, size: int, dtype: Any) -> None:
    """Refuse a workspace that is not flat, of this dtype and of at least this size; None will do for 0."""
    if workspace is not None:
        check_array("workspace", workspace, (None,), dtype)
    if size > (0 if workspace is None else workspace.size):
        given = "None" if workspace is None else f"an array of {workspace.size} elements"
        raise ArgumentError(f"workspace is {given}, expected at least {size} elements: pass scratch of that size")


# ---- how much scratch ----


def forward_workspace(batch: int, n_in: int, n_out: int) -> int:
    """Numbers of scratch that dense_forward needs."""
    return matmul_workspace(batch, n_in, n_out)


def backward_workspace(batch: int, n_in: int, n_out: int, activation: str) -> int:
    """Numbers of scratch that dense_backward needs: for dz, or for partial sums of dx, or of dw and db."""
    splits = choose_variant(n_in, n_out, batch).splits
    dw_db = splits * (n_in + 1) * n_out if splits > 1 else 0
    return max(0 if activation == "identity" else batch * n_out, matmul_workspace(batch, n_out, n_in), dw_db)


def matmul_workspace(m: int, k: int, n: int, entries: int = 1) -> int:
    """Numbers of scratch that `entries` products (m, k)·(k, n) need: partial sums, where the sum over k is split."""
    splits = choose_variant(m, n, k, entries).splits
    return splits * entries * m * n if splits > 1 else 0


# ---- examples ----


SIZES = {
    (1, 1, 1): "one product",
    (5, 7, 3): "smaller than any tile",
    (64, 784, 128): "a first layer of MNIST",
    (100, 70, 90): "ragged edges of every tile",
    (128, 256, 10): "few outputs: a last layer",
    (300, 28, 17): "long batch, narrow sides: the weight gradient is a long sum",
}
# Small enough for Numba's simulator.
SMALL_TILES = (17, 17, 17), "one more each way than a tile of 16"
LARGE = (70, 9, 16300), "outputs enough for large tiles"
ROUNDED_SIZES = {(5, 7, 3): "smaller than any tile", (100, 70, 90): "ragged edges", (64, 256, 64): "split sums"}


def _normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def _scratch(size):
    return np.full(size, np.nan, np.float32) if size else None


def _layers(rounded_activations):
    """Yield (sizes, reason, activation, precision) of the layers that forward and backward are tested at."""
    for sizes, reason in SIZES.items():
        for activation in ACTIVATIONS:
            yield sizes, reason, activation, "float32"
    for sizes, reason in (SMALL_TILES, LARGE):
        yield sizes, reason, "relu", "float32"
    for sizes, reason in ROUNDED_SIZES.items():
        for activation, precision in zip(rounded_activations, PRECISIONS[1:], strict=True):
            yield sizes, reason, activation, precision


@dense_forward.examples
def _(rng):
    for (batch, n_in, n_out), reason, activation, precision in _layers(("gelu", "tanh")):
        y = np.full((batch, n_out), np.nan, np.float32)
        arrays = {
            "x": _normal(rng, batch, n_in),
            "w": _normal(rng, n_in, n_out) / np.sqrt(np.float32(n_in)),
            "b": None if activation == "identity" else _normal(rng, n_out),
            "y": y,
            "z": np.full_like(y, np.nan) if ACTIVATIONS[activation].saves_input else None,
            "workspace": _scratch(forward_workspace(batch, n_in, n_out)),
        }
        scalars = {"activation": activation, "precision": precision}
        yield Example(f"{activation}, {precision}, {reason}", arrays, scalars, terms=n_in)


@dense_backward.examples
def _(rng):
    # Lower precisions are tested where dz is exact: elsewhere its last bit decides which way it is rounded.
    for (batch, n_in, n_out), reason, activation, precision in _layers(("identity", "relu")):
        for only in ("all", "first layer", "frozen") if (activation, precision) == ("relu", "float32") else ("all",):
            dy, x, w = _normal(rng, batch, n_out), _normal(rng, batch, n_in), _normal(rng, n_in, n_out)
            accumulate = activation in ("relu", "gelu")
            reach = np.float32(5 if ACTIVATIONS[activation].saves_input else 1)
            fill = 1.0 if accumulate else np.nan
            arrays = {
                "dy": dy,
                "x": x,
                "w": w,
                "saved": rng.uniform(-0.9, 0.9, dy.shape).astype(np.float32) * reach,
                "dx": None if only == "first layer" else np.full_like(x, np.nan),
                "dw": None if only == "frozen" else np.full_like(w, fill),
                "db": None if only == "frozen" else np.full(n_out, fill, np.float32),
                "workspace": _scratch(backward_workspace(batch, n_in, n_out, activation)),
            }
            scalars = {"activation": activation, "accumulate": accumulate, "precision": precision}
            yield Example(f"{activation}, {only}, {precision}, {reason}", arrays, scalars, terms=max(batch, n_out))


@matmul.examples
def _(rng):
    sizes = {(size, "float32"): reason for size, reason in (*SIZES.items(), SMALL_TILES)}
    sizes |= {(size, precision): reason for precision in PRECISIONS[1:] for size, reason in ROUNDED_SIZES.items()}
    for ((m, k, n), precision), reason in sizes.items():
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                for leading in ((), (3,)):
                    a = _normal(rng, *leading, *((k, m) if transpose_a else (m, k)))
                    b = _normal(rng, *leading, *((n, k) if transpose_b else (k, n)))
                    c = np.full((*leading, m, n), np.nan, np.float32)
                    workspace = _scratch(matmul_workspace(m, k, n, *leading))
                    scalars = {"transpose_a": transpose_a, "transpose_b": transpose_b, "precision": precision}
                    which = f"transposed {transpose_a:d}{transpose_b:d}, leading axes {leading}, {precision}"
                    arrays = {"a": a, "b": b, "c": c, "workspace": workspace}
                    yield Example(f"{reason}, {which}", arrays, scalars, terms=k)


# ---- workloads and cost ----


# (batch, n_in, n_out) of layers that are measured: of three networks on MNIST, a narrow table's first, a square one.
MEASURED_LAYERS = (
    (64, 784, 128),
    (64, 128, 10),
    (128, 784, 512),
    (512, 1024, 1024),
    (7000, 28, 1024),
    (4096, 4096, 4096),
)


def _measured_layers():
    """Yield (sizes, precision, label): lower precisions for the layers that are large enough to be limited by them."""
    for sizes in MEASURED_LAYERS:
        for precision in PRECISIONS if min(sizes) >= 512 else ("float32",):
            yield sizes, precision, f"{precision}, {sizes[0]} × {sizes[1]} → {sizes[2]}"


@dense_forward.workloads
def _(rng):
    for (batch, n_in, n_out), precision, label in _measured_layers():
        arrays = {
            "x": draw(rng, batch, n_in),
            "w": draw(rng, n_in, n_out) / np.sqrt(np.float32(n_in)),
            "b": draw(rng, n_out),
            "y": np.zeros((batch, n_out), np.float32),
            "z": None,
            "workspace": _scratch(forward_workspace(batch, n_in, n_out)),
        }
        yield Example(label, arrays, {"activation": "relu", "precision": precision}, terms=n_in)


@dense_backward.workloads
def _(rng):
    for (batch, n_in, n_out), precision, label in _measured_layers():
        for whole in (True, False) if n_in == 784 else (True,):
            x, w = draw(rng, batch, n_in), draw(rng, n_in, n_out)
            arrays = {
                "dy": draw(rng, batch, n_out),
                "x": x,
                "w": w,
                "saved": draw(rng, batch, n_out),
                "dx": np.zeros_like(x) if whole else None,
                "dw": np.zeros_like(w),
                "db": np.zeros(n_out, np.float32),
                "workspace": _scratch(backward_workspace(batch, n_in, n_out, "relu")),
            }
            scalars = {"activation": "relu", "precision": precision}
            yield Example(label if whole else f"{label}, no dx", arrays, scalars, terms=max(batch, n_out))


@matmul.workloads
def _(rng):
    for side in (128, 512, 2048):
        for precision in PRECISIONS if side > 128 else ("float32",):
            a, b = draw(rng, side, side), draw(rng, side, side)
            arrays = {"a": a, "b": b, "c": np.zeros_like(a), "workspace": _scratch(matmul_workspace(side, side, side))}
            yield Example(f"{precision}, {side} × {side} × {side}", arrays, {"precision": precision}, terms=side)


def _bytes(*arrays):
    return sum(array.nbytes for array in arrays if array is not None)


@dense_forward.cost
def _(x, w, b, y, z, workspace, **_):
    return Cost(bytes=_bytes(x, w, b, y, z), operations=2 * x.size * w.shape[1])


@dense_backward.cost
def _(dy, x, w, saved, dx, dw, db, workspace, **_):
    products = (dx is not None) + (dw is not None)
    read = _bytes(dy, saved, x if dw is not None else None, w if dx is not None else None)
    return Cost(bytes=read + _bytes(dx, dw, db), operations=2 * products * x.size * dy.shape[1])


@matmul.cost
def _(a, b, c, workspace, *, transpose_a, **_):
    return Cost(bytes=_bytes(a, b, c), operations=2 * c.size * a.shape[-2 if transpose_a else -1])
