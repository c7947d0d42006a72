"""Dense layer: y = act(x·w + b), its backward, and the plain matrix product.

With z = x·w + b and dz = dy · act'(z):

    dx = dz·wᵀ        dw = xᵀ·dz        db = Σ over the batch of dz

Shapes: x (batch, n_in), w (n_in, n_out), b (n_out,), y, z, dy (batch, n_out). The weight is stored input-major, like
scikit-learn's `coefs_`; PyTorch's `Linear.weight` is its transpose. All arrays are C-contiguous and of one dtype,
float32 (or float64, on the CPU). The activations and what they save for backward are those of `kernels.activation`.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..activation import ACTIVATIONS, SAVES_INPUT, check_activation
from ..contract import FLOATS, Cost, Example, check_array, contract


@contract("y", "z")
def dense_forward(x, w, b, y, z, *, activation="identity", negative_slope=0.01):
    """y = act(x·w + b); z = x·w + b where the backward needs it.

    x (batch, n_in), w (n_in, n_out), b (n_out,) or None, y (batch, n_out), z (batch, n_out) or None.
    z must be given for gelu and silu if a backward follows; y and z do not overlap.
    """
    check_activation(activation, negative_slope)
    check_array("x", x, (None, None), FLOATS)
    batch, n_in = x.shape
    check_array("w", w, (n_in, None), x.dtype)
    n_out = w.shape[1]
    if b is not None:
        check_array("b", b, (n_out,), x.dtype)
    check_array("y", y, (batch, n_out), x.dtype)
    if z is not None:
        check_array("z", z, (batch, n_out), x.dtype)


@contract("dx", "dw", "db", "workspace")
def dense_backward(
    dy, x, w, saved, dx, dw, db, workspace, *, activation="identity", negative_slope=0.01, accumulate=False
):
    """dx = dz·wᵀ, dw = xᵀ·dz, db = Σ dz with dz = dy · act'.

    dy (batch, n_out), x (batch, n_in), w (n_in, n_out); saved (batch, n_out): z for gelu and silu, else y.
    dx (batch, n_in), dw (n_in, n_out), db (n_out,): each may be None, and is then not computed.
    accumulate: dw and db are added to, not overwritten; dx is always overwritten.
    workspace (batch, n_out): scratch, undefined afterwards; may be None for the identity.
    """
    check_activation(activation, negative_slope)
    check_array("dy", dy, (None, None), FLOATS)
    batch, n_out = dy.shape
    check_array("x", x, (batch, None), dy.dtype)
    n_in = x.shape[1]
    check_array("w", w, (n_in, n_out), dy.dtype)
    check_array("saved", saved, (batch, n_out), dy.dtype)
    for name, array, shape in (("dx", dx, (batch, n_in)), ("dw", dw, (n_in, n_out)), ("db", db, (n_out,))):
        if array is not None:
            check_array(name, array, shape, dy.dtype)
    if workspace is not None:
        check_array("workspace", workspace, (batch, n_out), dy.dtype)
    elif activation != "identity":
        raise ArgumentError(f"workspace is None, expected an array of shape {dy.shape} for {activation}: pass scratch")


@contract("c")
def matmul(a, b, c, *, transpose_a=False, transpose_b=False):
    """c = a·b, with either factor transposed first.

    a (m, k) or (k, m) if transposed, b (k, n) or (n, k), c (m, n); or all three with one leading axis of the same
    length, a product for each entry of it.
    """
    check_array("a", a, (None,) * max(2, min(a.ndim, 3)), FLOATS)
    batch = a.shape[:-2]
    k, m = a.shape[-2:] if transpose_a else a.shape[:-3:-1]
    check_array("b", b, (*batch, None, k) if transpose_b else (*batch, k, None), a.dtype)
    n = b.shape[-2] if transpose_b else b.shape[-1]
    check_array("c", c, (*batch, m, n), a.dtype)


SIZES = {
    (1, 1, 1): "one product",
    (5, 7, 3): "smaller than any tile",
    (64, 784, 128): "a first layer of MNIST",
    (100, 70, 90): "ragged edges of every tile",
    (128, 256, 10): "few outputs: a last layer",
    (300, 28, 17): "long batch, narrow sides: the weight gradient is a long sum",
}


def _normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@dense_forward.examples
def _(rng):
    for (batch, n_in, n_out), reason in SIZES.items():
        for activation in ACTIVATIONS:
            x, w, b = (
                _normal(rng, batch, n_in),
                _normal(rng, n_in, n_out) / np.sqrt(np.float32(n_in)),
                _normal(rng, n_out),
            )
            y = np.full((batch, n_out), np.nan, np.float32)
            z = np.full_like(y, np.nan) if activation in SAVES_INPUT else None
            bias = None if activation == "identity" else b
            arrays = {"x": x, "w": w, "b": bias, "y": y, "z": z}
            yield Example(f"{activation}, {reason}", arrays, {"activation": activation}, terms=n_in)


@dense_backward.examples
def _(rng):
    for (batch, n_in, n_out), reason in SIZES.items():
        for activation in ACTIVATIONS:
            for only in ("all", "first layer", "frozen") if activation == "relu" else ("all",):
                dy, x, w = _normal(rng, batch, n_out), _normal(rng, batch, n_in), _normal(rng, n_in, n_out)
                accumulate = activation in ("relu", "gelu")
                fill = 1.0 if accumulate else np.nan
                arrays = {
                    "dy": dy,
                    "x": x,
                    "w": w,
                    "saved": rng.uniform(-0.9, 0.9, dy.shape).astype(np.float32),
                    "dx": None if only == "first layer" else np.full_like(x, np.nan),
                    "dw": None if only == "frozen" else np.full_like(w, fill),
                    "db": None if only == "frozen" else np.full(n_out, fill, np.float32),
                    "workspace": None if activation == "identity" else np.full_like(dy, np.nan),
                }
                scalars = {"activation": activation, "accumulate": accumulate}
                yield Example(f"{activation}, {only}, {reason}", arrays, scalars, terms=max(batch, n_out))


@matmul.examples
def _(rng):
    for (m, k, n), reason in SIZES.items():
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                for leading in ((), (3,)):
                    a = _normal(rng, *leading, *((k, m) if transpose_a else (m, k)))
                    b = _normal(rng, *leading, *((n, k) if transpose_b else (k, n)))
                    arrays = {"a": a, "b": b, "c": np.full((*leading, m, n), np.nan, np.float32)}
                    scalars = {"transpose_a": transpose_a, "transpose_b": transpose_b}
                    which = f"transposed {transpose_a:d}{transpose_b:d}, leading axes {leading}"
                    yield Example(f"{reason}, {which}", arrays, scalars, terms=k)


def _bytes(*arrays):
    return sum(array.nbytes for array in arrays if array is not None)


@dense_forward.cost
def _(x, w, b, y, z, **_):
    return Cost(bytes=_bytes(x, w, b, y, z), operations=2 * x.size * w.shape[1])


@dense_backward.cost
def _(dy, x, w, saved, dx, dw, db, workspace, **_):
    products = (dx is not None) + (dw is not None)
    read = _bytes(dy, saved, x if dw is not None else None, w if dx is not None else None)
    return Cost(bytes=read + _bytes(dx, dw, db), operations=2 * products * x.size * dy.shape[1])


@matmul.cost
def _(a, b, c, *, transpose_a=False, transpose_b=False):
    return Cost(bytes=_bytes(a, b, c), operations=2 * c.size * a.shape[-2 if transpose_a else -1])
