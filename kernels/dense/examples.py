"""Examples and workloads of the dense layer and the matrix product."""

from __future__ import annotations

import numpy as np

from ..activation import ACTIVATIONS
from ..contract import Example, draw
from . import PRECISIONS, backward_workspace, dense_backward, dense_forward, forward_workspace, matmul, matmul_workspace

SIZES = {
    (1, 1, 1): "one product",
    (5, 7, 3): "smaller than any tile",
    (64, 784, 128): "a first layer of MNIST",
    (100, 70, 90): "ragged edges of every tile",
    (128, 256, 10): "few outputs: a last layer",
    (300, 28, 17): "long batch, narrow sides: the weight gradient is a long sum",
}
# Small enough for Numba's simulator.
SMALL_TILES = (17, 17, 17), "one more row, column and term than a tile of 16"
LARGE = (70, 9, 16300), "enough outputs for large tiles"
ROUNDED_SIZES = {(5, 7, 3): "smaller than any tile", (100, 70, 90): "ragged edges", (64, 256, 64): "split sums"}


def _normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def _scratch(size):
    return np.full(size, np.nan, np.float32) if size else None


def _layers(rounded_activations):
    """Yield (sizes, reason, activation, precision) of the layers of forward and backward examples."""
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
    # Lower precisions are tested where dz is exact: otherwise its last bit decides the direction of the rounding.
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


# ---- workloads ----


# (batch, n_in, n_out) of the measured layers: of three networks on MNIST, the first of a narrow table, a square one.
MEASURED_LAYERS = (
    (64, 784, 128),
    (64, 128, 10),
    (128, 784, 512),
    (512, 1024, 1024),
    (7000, 28, 1024),
    (4096, 4096, 4096),
)


def _measured_layers():
    """Yield (sizes, precision, label); lower precisions only for layers large enough to be limited by arithmetic."""
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
