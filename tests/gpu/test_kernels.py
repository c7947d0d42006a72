"""Kernels on a GPU beyond the examples of their contracts: a thousand random shapes, and the compute sanitizer."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.engine.check import compare
from gpugrad.kernels.contract import Example
from gpugrad.kernels.dense import backward_workspace, forward_workspace, matmul_workspace

SHAPES = 250  # shapes per operation, for the four operations whose kernels depend most on the shape
SANITIZER = "compute-sanitizer"
CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}


def size(rng, largest):
    """Draw an integer of at least 1, log-uniformly, with many powers of two and their neighbours."""
    n = int(np.exp(rng.uniform(0, np.log(largest))))
    return max(1, 2 ** int(np.log2(n)) + int(rng.integers(-1, 2))) if rng.random() < 0.3 else n


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def nan(*shape):
    return np.full(shape, np.nan, np.float32)


def dense_forward(rng):
    batch, n_in, n_out = size(rng, 600), size(rng, 600), size(rng, 600)
    bias = normal(rng, n_out) if rng.random() < 0.5 else None
    arrays = {"x": normal(rng, batch, n_in), "w": normal(rng, n_in, n_out), "b": bias, "y": nan(batch, n_out)}
    space = nan(forward_workspace(batch, n_in, n_out))
    return arrays | {"z": nan(batch, n_out), "workspace": space}, {"activation": "gelu"}, n_in


def dense_backward(rng):
    batch, n_in, n_out = size(rng, 2000), size(rng, 400), size(rng, 400)
    arrays = {
        "dy": normal(rng, batch, n_out),
        "x": normal(rng, batch, n_in),
        "w": normal(rng, n_in, n_out),
        "saved": np.maximum(normal(rng, batch, n_out), 0),
        "dx": nan(batch, n_in),
        "dw": nan(n_in, n_out),
        "db": nan(n_out),
        "workspace": nan(backward_workspace(batch, n_in, n_out, "relu")),
    }
    return arrays, {"activation": "relu"}, max(batch, n_out)


def matmul(rng):
    m, k, n = size(rng, 500), size(rng, 3000), size(rng, 500)
    a, b = rng.random(2) < 0.5
    arrays = {
        "a": normal(rng, *((k, m) if a else (m, k))),
        "b": normal(rng, *((n, k) if b else (k, n))),
        "c": nan(m, n),
        "workspace": nan(matmul_workspace(m, k, n)),
    }
    return arrays, {"transpose_a": bool(a), "transpose_b": bool(b)}, k


def softmax_cross_entropy(rng):
    batch, classes = size(rng, 2000), size(rng, 5000)
    arrays = {
        "logits": 5 * normal(rng, batch, classes),
        "labels": rng.integers(0, classes, batch).astype(np.int32),
        "class_weight": None,
        "sample_weight": np.abs(normal(rng, batch)) if rng.random() < 0.5 else None,
        "norm": np.full(1, batch, np.float32),
        "losses": nan(batch),
        "dlogits": nan(batch, classes),
    }
    return arrays, {"label_smoothing": 0.1}, classes


@pytest.mark.parametrize("draw", [dense_forward, dense_backward, matmul, softmax_cross_entropy])
def test_random_shapes(cuda, draw):
    contract = CONTRACTS[draw.__name__]
    rng = np.random.default_rng(0)
    for _ in range(SHAPES):
        arrays, scalars, terms = draw(rng)
        example = Example(reason="random", arrays=arrays, scalars=scalars, terms=terms)
        for name, _, problem in compare(cuda, contract, example):
            shapes = {key: None if array is None else array.shape for key, array in arrays.items()}
            assert not problem, f"{draw.__name__}: {name} {problem}; shapes {shapes}, {scalars}"


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
def test_compute_sanitizer(request, cuda, tool):
    if shutil.which(SANITIZER) is None:
        must = request.config.getoption("--require-gpu")
        (pytest.fail if must else pytest.skip)(f"{SANITIZER} of the CUDA toolkit is not on the PATH")
    check = ["-m", "gpugrad", "check", "--device", "cuda", "--toolchain", cuda.toolchain, "--quick"]
    result = subprocess.run(
        [SANITIZER, "--tool", tool, "--error-exitcode", "9", sys.executable, *check],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert "ERROR SUMMARY: 0 errors" in result.stdout or "RACECHECK SUMMARY: 0 hazards" in result.stdout
