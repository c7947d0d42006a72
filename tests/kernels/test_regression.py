import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.regression import LOSSES

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_loss = pytest.mark.parametrize("loss", LOSSES)


def run(toolchain, predictions, targets, sample_weight=None, norm=1.0, *, evaluation=False, **scalars):
    """Return (losses, dpredictions) of one checked launch."""
    losses = np.full_like(predictions, np.nan)
    gradient = None if evaluation else np.full_like(predictions, np.nan)
    arrays = (predictions, targets, sample_weight, np.array([norm], predictions.dtype))
    kernels.load(toolchain).regression_loss(*arrays, losses, gradient, **scalars)
    return losses, gradient


def literal_loss(loss, p, t, delta):
    if loss == "squared_error":
        return (p - t) ** 2
    if loss == "absolute_error":
        return abs(p - t)
    if loss == "huber":
        distance = abs(p - t)
        return distance**2 / 2 if distance <= delta else delta * distance - delta**2 / 2
    return math.exp(p) - t * p


@st.composite
def problems(draw):
    batch, n_out = draw(st.integers(1, 5)), draw(st.integers(1, 18))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sample_weight = rng.uniform(0, 3, batch) if draw(st.booleans()) else None
    predictions, targets = rng.normal(0, 2, (2, batch, n_out))
    return (predictions, targets, sample_weight, rng.uniform(0.5, 9)), draw(st.sampled_from([0.1, 1.0, 2.5]))


@each_toolchain
@each_loss
@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_losses_are_the_literal_formula(toolchain, loss, problem):
    (predictions, targets, sample_weight, norm), delta = problem
    losses, _ = run(toolchain, predictions, targets, sample_weight, norm, loss=loss, delta=delta)
    for (i, j), p in np.ndenumerate(predictions):
        s = 1 if sample_weight is None else sample_weight[i]
        expected = s / norm * literal_loss(loss, p, targets[i, j], delta)
        np.testing.assert_allclose(losses[i, j], expected, rtol=1e-11, atol=1e-13)


@each_toolchain
@each_loss
@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_gradient_agrees_with_central_differences(toolchain, loss, problem):
    (predictions, *rest), delta = problem
    step = 1e-5
    distance = np.abs(predictions - rest[0])
    smooth = (distance > 2 * step) & (np.abs(distance - delta) > 2 * step)  # away from the kinks
    _, gradient = run(toolchain, predictions, *rest, loss=loss, delta=delta)
    above, _ = run(toolchain, predictions + step, *rest, loss=loss, delta=delta, evaluation=True)
    below, _ = run(toolchain, predictions - step, *rest, loss=loss, delta=delta, evaluation=True)
    np.testing.assert_allclose(gradient[smooth], ((above - below) / (2 * step))[smooth], rtol=1e-6, atol=1e-7)


@each_toolchain
@each_dtype
@each_loss
@pytest.mark.parametrize("shape", [(128, 1), (40, 7)])
@pytest.mark.parametrize("delta", [1.0, 0.3])
def test_losses_and_gradient_are_those_of_pytorch(toolchain, dtype, loss, shape, delta):
    torch = pytest.importorskip("torch")
    criterion = {
        "squared_error": torch.nn.MSELoss(),
        "absolute_error": torch.nn.L1Loss(),
        "huber": torch.nn.HuberLoss(delta=delta),
        "poisson": torch.nn.PoissonNLLLoss(log_input=True, full=False),
    }[loss]
    rng = np.random.default_rng(1)
    predictions = rng.normal(0, 2, shape).astype(dtype)
    targets = (rng.poisson(3, shape) if loss == "poisson" else rng.normal(0, 2, shape)).astype(dtype)
    losses, gradient = run(toolchain, predictions, targets, None, predictions.size, loss=loss, delta=delta)

    theirs = torch.tensor(predictions, requires_grad=True)
    value = criterion(theirs, torch.from_numpy(targets))
    value.backward()
    relative = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    np.testing.assert_allclose(losses.sum(dtype=np.float64), value.item(), rtol=relative)
    expected = theirs.grad.numpy()
    np.testing.assert_allclose(gradient, expected, rtol=relative, atol=relative * np.abs(expected).max())


@each_toolchain
@each_dtype
def test_the_kinks(toolchain, dtype):
    predictions, targets = np.array([[2.0, 1, 3, 2]], dtype), np.array([[2.0, 3, 1, -2]], dtype)
    losses, gradient = run(toolchain, predictions, targets, loss="absolute_error")
    assert losses.tolist() == [[0, 2, 2, 4]]
    assert gradient.tolist() == [[0, -1, 1, 1]]
    losses, gradient = run(toolchain, predictions, targets, loss="huber", delta=2.0)
    assert losses.tolist() == [[0, 2, 2, 6]]
    assert gradient.tolist() == [[0, -2, 2, 2]]


@each_toolchain
@each_dtype
def test_poisson_of_large_and_small_predictions(toolchain, dtype):
    predictions = np.array([[-1e4, -80, 0, 80, 1e4]], dtype)
    losses, gradient = run(toolchain, predictions, np.zeros_like(predictions), loss="poisson")
    expected = np.array([[0, math.exp(-80), 1, math.exp(80), math.inf]])
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@each_toolchain
@each_loss
def test_a_row_of_weight_zero_is_left_out_and_no_rows_are_no_error(toolchain, loss):
    predictions, targets = np.full((3, 2), 0.5), np.full((3, 2), 2.0)
    losses, gradient = run(toolchain, predictions, targets, np.array([1.0, 0, 2]), loss=loss)
    assert losses[1].tolist() == gradient[1].tolist() == [0, 0]
    np.testing.assert_array_equal(losses[2], 2 * losses[0])
    np.testing.assert_array_equal(gradient[2], 2 * gradient[0])
    assert losses[0].all()
    losses, _ = run(toolchain, np.empty((0, 2)), np.empty((0, 2)), np.empty(0), loss=loss)
    assert losses.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "scalars", "message"),
    [
        ({}, {"loss": "square_error"}, "unknown regression loss 'square_error': did you mean 'squared_error'"),
        ({}, {"loss": "huber", "delta": 0.0}, "delta is 0.0"),
        ({}, {"loss": "huber", "delta": math.inf}, "delta is inf"),
        ({"predictions": np.ones((2, 3), np.float16)}, {"loss": "huber"}, "predictions has dtype float16"),
        ({"predictions": np.ones(3)}, {"loss": "huber"}, "predictions has shape"),
        ({"targets": np.ones((2, 3), np.float32)}, {"loss": "huber"}, "targets has dtype float32, expected float64"),
        ({"targets": np.ones((2, 1))}, {"loss": "huber"}, r"targets has shape \(2, 1\), expected \(2, 3\)"),
        ({"sample_weight": np.ones((2, 3))}, {"loss": "huber"}, "sample_weight has shape"),
        ({"norm": np.ones(1, np.float32)}, {"loss": "huber"}, "norm has dtype"),
        ({"losses": np.ones(2)}, {"loss": "huber"}, "losses has shape"),
        ({"dpredictions": np.ones((3, 2))}, {"loss": "huber"}, "dpredictions has shape"),
    ],
)
def test_bad_arguments_are_refused(change, scalars, message):
    arrays = {
        "predictions": np.ones((2, 3)),
        "targets": np.ones((2, 3)),
        "sample_weight": np.ones(2),
        "norm": np.ones(1),
        "losses": np.ones((2, 3)),
        "dpredictions": np.ones((2, 3)),
    }
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").regression_loss(*{**arrays, **change}.values(), **scalars)
