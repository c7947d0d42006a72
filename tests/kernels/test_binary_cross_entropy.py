import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def run(toolchain, logits, targets, pos_weight=None, sample_weight=None, norm=1.0, *, evaluation=False):
    """Return (losses, dlogits) of one checked launch."""
    losses = np.full_like(logits, np.nan)
    dlogits = None if evaluation else np.full_like(logits, np.nan)
    arrays = (logits, targets, pos_weight, sample_weight, np.array([norm], logits.dtype))
    kernels.load(toolchain).binary_cross_entropy(*arrays, losses, dlogits)
    return losses, dlogits


@st.composite
def problems(draw):
    batch, n_out = draw(st.integers(1, 5)), draw(st.integers(1, 18))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pos_weight = rng.uniform(0.1, 5, n_out) if draw(st.booleans()) else None
    sample_weight = rng.uniform(0, 3, batch) if draw(st.booleans()) else None
    logits = rng.normal(0, 3, (batch, n_out))
    targets = rng.uniform(size=logits.shape) if draw(st.booleans()) else rng.integers(0, 2, logits.shape).astype(float)
    return logits, targets, pos_weight, sample_weight, rng.uniform(0.5, 9)


@each_toolchain
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_losses_are_the_literal_formula(toolchain, problem):
    logits, targets, pos_weight, sample_weight, norm = problem
    losses, _ = run(toolchain, *problem)
    for (i, j), z in np.ndenumerate(logits):
        probability, t = 1 / (1 + math.exp(-z)), targets[i, j]
        q = 1 if pos_weight is None else pos_weight[j]
        s = 1 if sample_weight is None else sample_weight[i]
        expected = -s / norm * (q * t * math.log(probability) + (1 - t) * math.log1p(-probability))
        np.testing.assert_allclose(losses[i, j], expected, rtol=1e-10, atol=1e-13)


@each_toolchain
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_gradient_agrees_with_central_differences(toolchain, problem):
    logits, *rest = problem
    _, dlogits = run(toolchain, logits, *rest)
    step = 1e-5  # the loss of an element depends on its own logit alone, so all logits are shifted together
    above, _ = run(toolchain, logits + step, *rest, evaluation=True)
    below, _ = run(toolchain, logits - step, *rest, evaluation=True)
    np.testing.assert_allclose(dlogits, (above - below) / (2 * step), rtol=1e-6, atol=1e-8)


@each_toolchain
@each_dtype
@pytest.mark.parametrize("shape", [(128, 1), (64, 20)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_losses_and_gradient_are_those_of_pytorch(toolchain, dtype, shape, weighted, soft):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 5, shape).astype(dtype)
    targets = (rng.uniform(size=shape) if soft else rng.integers(0, 2, shape)).astype(dtype)
    pos_weight = rng.uniform(0.1, 5, shape[1]).astype(dtype) if weighted else None
    losses, dlogits = run(toolchain, logits, targets, pos_weight, None, logits.size)

    weight = None if pos_weight is None else torch.from_numpy(pos_weight)
    theirs = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=weight)(theirs, torch.from_numpy(targets))
    loss.backward()

    relative = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    np.testing.assert_allclose(losses.sum(dtype=np.float64), loss.item(), rtol=relative)
    gradient = theirs.grad.numpy()
    np.testing.assert_allclose(dlogits, gradient, rtol=relative, atol=relative * np.abs(gradient).max())


@each_toolchain
@each_dtype
def test_small_probabilities_keep_their_digits(toolchain, dtype):
    """At z = −20 the loss of target 0 is e^−20, which 1 − p would lose in float32."""
    logits, targets = np.array([[-20.0, 20.0]], dtype), np.array([[0.0, 1.0]], dtype)
    losses, dlogits = run(toolchain, logits, targets)
    np.testing.assert_allclose(losses, math.log1p(math.exp(-20)), rtol=1e-6)
    np.testing.assert_allclose(dlogits, [[math.exp(-20), -math.exp(-20)]], rtol=1e-6)


@each_toolchain
@each_dtype
def test_logits_far_from_zero_are_finite(toolchain, dtype):
    logits = np.array([[1e4, 1e4, -1e4, -1e4, 3e38]], dtype)
    losses, dlogits = run(toolchain, logits, np.array([[0, 1, 0, 1, 1]], dtype))
    np.testing.assert_allclose(losses, [[1e4, 0, 0, 1e4, 0]], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(dlogits, [[1, 0, 0, -1, 0]], rtol=1e-6, atol=1e-30)


@each_toolchain
def test_a_row_of_weight_zero_is_left_out_and_no_rows_are_no_error(toolchain):
    logits, targets = np.ones((3, 2)), np.zeros((3, 2))
    losses, dlogits = run(toolchain, logits, targets, None, np.array([1.0, 0, 2]))
    assert losses[1].tolist() == dlogits[1].tolist() == [0, 0]
    np.testing.assert_array_equal(losses[2], 2 * losses[0])
    losses, _ = run(toolchain, np.empty((0, 2)), np.empty((0, 2)))
    assert losses.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.ones((2, 3), np.int64)}, "logits has dtype int64"),
        ({"logits": np.ones((2, 0))}, "at least one column"),
        ({"targets": np.ones((2, 3), np.int32)}, "targets has dtype int32, expected float64"),
        ({"targets": np.ones((3, 2))}, r"targets has shape \(3, 2\)"),
        ({"pos_weight": np.ones(2)}, "pos_weight has shape"),
        ({"sample_weight": np.ones(3)}, "sample_weight has shape"),
        ({"norm": np.ones((1, 1))}, "norm has shape"),
        ({"losses": np.ones(2)}, "losses has shape"),
        ({"dlogits": np.ones((2, 3), np.float32)}, "dlogits has dtype float32"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arrays = {
        "logits": np.ones((2, 3)),
        "targets": np.ones((2, 3)),
        "pos_weight": np.ones(3),
        "sample_weight": np.ones(2),
        "norm": np.ones(1),
        "losses": np.ones((2, 3)),
        "dlogits": np.ones((2, 3)),
    }
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").binary_cross_entropy(*{**arrays, **change}.values())
