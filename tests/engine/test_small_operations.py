"""Small operations: the number of functions that each one calls, which determines its time, and its lookups.

No time is measured here: `gpugrad bench operations` does that, next to PyTorch.
"""

import gc
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.engine.arithmetic import log_softmax
from gpugrad.engine.cpu_device import CpuDevice
from gpugrad.engine.device import BLOCK_BYTES, MOST_IN_BLOCK, MOST_SHAPES, broadcast_shapes
from gpugrad.errors import ArgumentError
from gpugrad.kernels.contract import CHECKED, MOST_CHECKED
from gpugrad.kernels.cpu import CompilationError
from gpugrad.kernels.dense import forward_workspace, matmul_workspace, variant


def calls(operation) -> int:
    """Count the functions of Python that one run of an operation calls, once it is known."""
    for _ in range(3):
        operation()
    counts = []
    for _ in range(3):  # the least: now and then an array comes from a new block, or garbage is collected
        found = []
        sys.setprofile(lambda frame, event, argument, found=found: found.append(event))
        try:
            operation()
        finally:
            sys.setprofile(None)
        counts.append(found.count("call"))
    return min(counts) - 1  # the operation itself


@pytest.fixture
def tensors():
    def leaf(*shape):
        return gg.tensor(np.ones(shape, np.float32), requires_grad=True, device="cpu")

    return leaf(64), leaf(64), leaf(8, 8), leaf(1, 64), leaf(64, 8)


@pytest.mark.parametrize(
    ("most", "operation"),
    [
        (13, lambda a, b, m, x, w: a + b),
        (13, lambda a, b, m, x, w: a + 1.0),
        (13, lambda a, b, m, x, w: a * b),
        (13, lambda a, b, m, x, w: a / b),
        (10, lambda a, b, m, x, w: a > b),
        (11, lambda a, b, m, x, w: a.exp()),
        (14, lambda a, b, m, x, w: a.sum()),
        (16, lambda a, b, m, x, w: a.mean()),
        (18, lambda a, b, m, x, w: a.max()),
        (10, lambda a, b, m, x, w: a.clip(0.0, 1.0)),
        (12, lambda a, b, m, x, w: m.softmax(1)),
        (11, lambda a, b, m, x, w: gg.relu(a)),
        (11, lambda a, b, m, x, w: gg.tanh(a)),
        (11, lambda a, b, m, x, w: gg.sigmoid(a)),
        (7, lambda a, b, m, x, w: a.reshape(8, 8)),
        (10, lambda a, b, m, x, w: m.T),
        (14, lambda a, b, m, x, w: a[3:40]),
        (15, lambda a, b, m, x, w: m @ m),
        (15, lambda a, b, m, x, w: x @ w),
    ],
)
def test_a_small_operation_calls_few_functions(tensors, most, operation):
    assert calls(lambda: operation(*tensors)) <= most


@pytest.mark.parametrize(
    ("most", "operation"),
    [
        (7, lambda a, m: a + a),
        (10, lambda a, m: a * 2.0),
        (8, lambda a, m: a.exp()),
        (8, lambda a, m: a.sum()),
        (8, lambda a, m: gg.relu(a)),
        (8, lambda a, m: m @ m),
    ],
)
def test_a_small_operation_leaves_few_objects_to_the_garbage_collector(tensors, most, operation):
    """Once enough were made, Python looks through all that exist: that took longer than the operations."""
    a, _, m, *_ = tensors
    operation(a, m)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        kept = [operation(a, m) for _ in range(100)]
        made = len(gc.get_objects()) - before
    finally:
        gc.enable()
    assert made / len(kept) < most


def test_a_training_step_calls_few_functions():
    model = gg.nn.MLP(4, [4], 3, seed=0, device="cpu")
    optimizer, loss = gg.optim.Adam(model.parameters()), gg.nn.CrossEntropyLoss()
    x, labels = gg.ones(5, 4, device="cpu"), gg.zeros(5, dtype="int32", device="cpu")

    def step():
        optimizer.zero_grad()
        loss(model(x), labels).backward()
        optimizer.step()

    assert calls(step) <= 330


def test_a_known_launch_is_not_checked_again_and_another_one_is(monkeypatch):
    kernel = gg.device("cpu").kernels.activation_forward
    checks = []
    monkeypatch.setattr(kernel.contract, "_check", lambda *arrays, **scalars: checks.append(scalars))
    CHECKED.clear()
    x, y = np.ones(3, np.float32), np.empty(3, np.float32)
    for _ in range(3):
        kernel(x, y, activation="relu")
    assert len(checks) == 1
    kernel(x, y, activation="tanh")
    kernel(np.ones(4, np.float32), np.empty(4, np.float32), activation="relu")
    kernel(np.ones(3), np.empty(3), activation="relu")
    assert len(checks) == 4
    CHECKED.clear()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["identity", "relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"])
@pytest.mark.parametrize("shape", [(0,), (1,), (67,), (3, 21)])
def test_a_prepared_activation_writes_the_same_bits(dtype, activation, shape):
    """The first launch chooses the parts of the work; later ones with the same shapes do not."""
    kernels = gg.device("cpu").kernels
    z, dy = np.random.default_rng(0).standard_normal((2, *shape)).astype(dtype)
    z.reshape(-1)[:1] = np.nan
    CHECKED.clear()
    y, dz = (np.empty((3, *shape), dtype) for _ in range(2))
    for i in range(3):
        kernels.activation_forward(z.copy(), y[i], activation=activation, negative_slope=0.3)
        kernels.activation_backward(dy.copy(), z, dz[i], activation=activation, negative_slope=0.3)
    for found in (y, dz):
        assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


@pytest.mark.parametrize("transposed", [{}, {"transpose_a": True}, {"transpose_b": True}])
@pytest.mark.parametrize(("m", "k", "n"), [(8, 8, 8), (1, 64, 8), (64, 3, 1), (5, 0, 3), (17, 70, 33)])
def test_a_prepared_product_writes_the_same_bits(m, k, n, transposed):
    kernel, rng = gg.device("cpu").kernels.matmul, np.random.default_rng(0)
    CHECKED.clear()
    a = rng.standard_normal((k, m) if "transpose_a" in transposed else (m, k)).astype(np.float32)
    b = rng.standard_normal((n, k) if "transpose_b" in transposed else (k, n)).astype(np.float32)
    c = np.full((3, m, n), np.nan, np.float32)
    scratch = np.empty(matmul_workspace(m, k, n), np.float32)
    for i in range(3):
        kernel(a.copy(), b.copy(), c[i], scratch, **transposed)
    assert c[0].tobytes() == c[1].tobytes() == c[2].tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 20, 64), (8, 0, 3), (17, 70, 33)])
def test_a_prepared_layer_writes_the_same_bits(dtype, activation, bias, m, k, n):
    kernel, rng = gg.device("cpu").kernels.dense_forward, np.random.default_rng(0)
    CHECKED.clear()
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (n,)))
    y, scratch = np.full((3, m, n), np.nan, dtype), np.empty(forward_workspace(m, k, n), dtype)
    for i in range(3):
        kernel(x.copy(), w.copy(), b.copy() if bias else None, y[i], None, scratch, activation=activation)
    assert y[0].tobytes() == y[1].tobytes() == y[2].tobytes()
    assert any(CHECKED.values()) == (activation != "tanh" and k > 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operations_that_are_known_are_not_confused(dtype):
    """The same shapes with other options, and products with either factor transposed, each three times."""
    values = np.random.default_rng(0).standard_normal((2, 8, 8)).astype(dtype)
    CHECKED.clear()
    for _ in range(3):
        for slope in (0.1, 0.2, 1, True):
            y = gg.leaky_relu(gg.tensor(values[0], device="cpu"), slope).numpy()
            np.testing.assert_array_equal(y, np.where(values[0] > 0, values[0], dtype(slope) * values[0]))
        a, b = (gg.tensor(value, device="cpu", requires_grad=True) for value in values)
        (a @ b).sum().backward()
        np.testing.assert_allclose((a @ b).numpy(), values[0] @ values[1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a.grad.numpy(), np.ones((8, 8)) @ values[1].T, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(b.grad.numpy(), values[0].T @ np.ones((8, 8)), rtol=1e-4, atol=1e-5)


def test_a_known_operation_is_observed_and_recorded():
    x, seen = gg.ones(4, device="cpu"), []
    for _ in range(2):
        gg.relu(x)
    with x.device.observe(lambda launch, arrays, scalars: seen.append(launch.__name__)):
        gg.relu(x)
    assert seen == ["activation_forward"]
    assert gg.record(lambda x: gg.relu(x))(x).numpy().tolist() == [1] * 4


def test_only_work_for_one_core_is_prepared():
    kernel = gg.device("cpu").kernels.activation_forward
    for n, expected in ((64, True), (1 << 20, False)):
        CHECKED.clear()
        kernel(np.ones(n, np.float32), np.empty(n, np.float32), activation="relu")
        assert [prepared is not None for prepared in CHECKED.values()] == [expected]


def test_nothing_that_was_prepared_runs_after_a_fallback():
    device = CpuDevice("numba")
    kernel, x = device.kernels.activation_forward, np.ones(3, np.float32)
    kernel(x, np.empty_like(x), activation="relu")
    assert any(key[0] is kernel for key in CHECKED)
    with pytest.warns(RuntimeWarning, match="NumPy toolchain"):
        device._fall_back(CompilationError("no compiler"))
    assert not CHECKED
    kernel(x, np.empty_like(x), activation="relu")
    assert list(CHECKED.values()) == [None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_softmax_in_one_launch_is_the_composed_one(dtype, axis):
    values = (10 * np.random.default_rng(0).standard_normal((7, 37))).astype(dtype)
    shifted = values - values.max(axis, keepdims=True)
    powers = np.exp(shifted)
    x = gg.tensor(values, device="cpu")
    assert (x.softmax(axis).numpy() == powers / powers.sum(axis, keepdims=True)).all()
    assert (log_softmax(x, axis).numpy() == shifted - np.log(powers.sum(axis, keepdims=True))).all()


@pytest.mark.parametrize("toolchain", ["numba", "numpy"])
def test_a_wrong_launch_is_refused_after_a_right_one(toolchain):
    kernel = gg.device("cpu", toolchain).kernels.activation_forward
    x = np.ones((4, 4), np.float32)
    kernel(x, np.empty_like(x), activation="relu")
    for _ in range(2):
        with pytest.raises(ArgumentError, match="unknown activation 'rleu': did you mean 'relu'"):
            kernel(x, np.empty_like(x), activation="rleu")
        with pytest.raises(ArgumentError, match="z is not C-contiguous"):
            kernel(x.T, np.empty_like(x), activation="relu")
        with pytest.raises(ArgumentError, match="y has shape"):
            kernel(x, np.empty((4, 5), np.float32), activation="relu")
        with pytest.raises(ArgumentError, match="y has dtype float64"):
            kernel(x, np.empty((4, 4)), activation="relu")
        with pytest.raises(ArgumentError, match="negative_slope is nan"):
            kernel(x, np.empty_like(x), activation="relu", negative_slope=float("nan"))
    CHECKED.clear()


def test_equal_scalars_of_other_types_are_checked_each():
    kernel = gg.device("cpu").kernels.dropout_forward
    arrays = np.ones(3, np.float32), np.zeros(1, np.int64), np.empty(3, np.float32), np.empty(3, np.uint8)
    kernel(*arrays, p=0.5, seed=1)
    with pytest.raises(TypeError):
        kernel(*arrays, p=0.5, seed=1.0)


def test_another_variant_is_checked_anew():
    """It may need more scratch than the rule's, with the same arrays."""
    kernel = gg.device("cpu").kernels.dense_forward
    assert forward_workspace(4, 256, 4) == 4 * 4 * 4
    arrays = [np.ones(shape, np.float32) for shape in ((4, 256), (256, 4), (4,), (4, 4))]
    scratch = np.empty(4 * 4 * 4, np.float32)
    kernel(*arrays, None, scratch)
    with variant(splits=8), pytest.raises(ArgumentError, match="workspace"):
        kernel(*arrays, None, scratch)
    kernel(*arrays, None, scratch)


def test_launches_are_not_remembered_without_end():
    kernel = gg.device("cpu", "numpy").kernels.clip_value
    g = np.ones(2, np.float32)
    for i in range(MOST_CHECKED + 10):
        kernel(g, limit=1.0 + i)
    assert len(CHECKED) <= MOST_CHECKED
    CHECKED.clear()


def test_small_arrays_do_not_overlap():
    device = gg.device("cpu", "numpy")
    arrays = [device.empty((3, 5)) for _ in range(3 * MOST_IN_BLOCK)]
    for i, array in enumerate(arrays):
        array[:] = i
    assert all((array == i).all() for i, array in enumerate(arrays))
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays)


def test_a_small_array_holds_a_bounded_block():
    device = gg.device("cpu", "numpy")
    for shape in ((), (1,), (1000,), (BLOCK_BYTES // 4,), (BLOCK_BYTES,)):
        array = device.empty(shape)
        assert array.base.nbytes <= max(BLOCK_BYTES, array.nbytes + 64) + 64


def test_shapes_are_not_kept_without_end():
    device = gg.device("cpu", "numpy")
    for n in range(2 * MOST_SHAPES):
        device.empty((n + 1,))
    assert len(device._stock) <= MOST_SHAPES


def test_shapes_that_do_not_broadcast_are_refused_each_time():
    a, b = gg.ones(3), gg.ones(4)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"the shapes \(3,\) and \(4,\) do not broadcast"):
            a + b
    assert broadcast_shapes((3, 1), (4,)) == (3, 4)


def test_a_result_has_the_dtype_that_numpy_gives_it():
    """Also where the operation was seen with other dtypes before: Python's numbers do not widen, arrays do."""
    a = gg.ones(3)
    assert (a + 1).dtype == (a + 1.0).dtype == (a + True).dtype == np.float32
    assert (a + np.ones(3)).dtype == (a + np.float64(1)).dtype == np.float64
    assert (gg.arange(3) + 1).dtype == np.int64
    assert (gg.arange(3) + 1.0).dtype == np.float64
    assert ((a > 0) + True).dtype == np.bool_
