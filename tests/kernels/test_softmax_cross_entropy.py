import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError

TOOLCHAINS = ("reference", "numba_cpu")
each_toolchain = pytest.mark.parametrize("toolchain", TOOLCHAINS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def run(toolchain, logits, labels, class_weight=None, sample_weight=None, norm=1.0, *, evaluation=False, smoothing=0.0):
    """Return (losses, dlogits) of one checked launch."""
    losses = np.full(logits.shape[0], np.nan, logits.dtype)
    dlogits = None if evaluation else np.full_like(logits, np.nan)
    arrays = (logits, np.asarray(labels, np.int32), class_weight, sample_weight, np.array([norm], logits.dtype))
    kernels.load(toolchain).softmax_cross_entropy(*arrays, losses, dlogits, label_smoothing=smoothing)
    return losses, dlogits


def literal_loss(row, label, class_weight, smoothing):
    """Return loss and gradient of one row by the formula, without subtracting the maximum."""
    log_total = math.log(sum(math.exp(z) for z in row))
    surprise = [log_total - z for z in row]
    hard = class_weight[label] * surprise[label]
    smooth = sum(w * s for w, s in zip(class_weight, surprise, strict=True)) / len(row)
    return (1 - smoothing) * hard + smoothing * smooth


@st.composite
def problems(draw):
    batch, n_classes = draw(st.integers(1, 6)), draw(st.integers(1, 19))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    class_weight = rng.uniform(0.1, 3, n_classes) if draw(st.booleans()) else None
    sample_weight = rng.uniform(0, 3, batch) if draw(st.booleans()) else None
    smoothing = draw(st.sampled_from([0.0, 0.1, 1.0]))
    logits = rng.normal(0, 3, (batch, n_classes))
    return logits, rng.integers(0, n_classes, batch), class_weight, sample_weight, rng.uniform(0.5, 9), smoothing


@each_toolchain
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_losses_are_the_literal_formula(toolchain, problem):
    logits, labels, class_weight, sample_weight, norm, smoothing = problem
    losses, _ = run(toolchain, logits, labels, class_weight, sample_weight, norm, smoothing=smoothing)
    classes = np.ones(logits.shape[1]) if class_weight is None else class_weight
    samples = np.ones(logits.shape[0]) if sample_weight is None else sample_weight
    expected = [
        s / norm * literal_loss(row, label, classes, smoothing)
        for row, label, s in zip(logits, labels, samples, strict=True)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-12, atol=1e-13)


@each_toolchain
@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_gradient_agrees_with_central_differences(toolchain, problem):
    logits, labels, class_weight, sample_weight, norm, smoothing = problem
    arguments = (labels, class_weight, sample_weight, norm)
    _, dlogits = run(toolchain, logits, *arguments, smoothing=smoothing)
    step = 1e-5
    for place in np.ndindex(logits.shape):
        sums = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[place] += sign * step
            sums.append(run(toolchain, moved, *arguments, smoothing=smoothing, evaluation=True)[0].sum())
        np.testing.assert_allclose(dlogits[place], (sums[0] - sums[1]) / (2 * step), rtol=1e-6, atol=1e-8)


@each_toolchain
@each_dtype
@pytest.mark.parametrize("shape", [(128, 10), (300, 64), (150, 65), (33, 257)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_and_gradient_are_those_of_pytorch(toolchain, dtype, shape, weighted, smoothing, reduction):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 4, shape).astype(dtype)
    labels = rng.integers(0, shape[1], shape[0]).astype(np.int32)
    class_weight = rng.uniform(0.1, 5, shape[1]).astype(dtype) if weighted else None

    norm = np.ones(1, dtype)
    if reduction == "mean":
        kernels.load(toolchain).softmax_cross_entropy_norm(labels, class_weight, None, norm)
    losses, dlogits = run(toolchain, logits, labels, class_weight, None, norm[0], smoothing=smoothing)

    weight = None if class_weight is None else torch.from_numpy(class_weight)
    criterion = torch.nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing, reduction=reduction)
    theirs = torch.tensor(logits, requires_grad=True)
    loss = criterion(theirs, torch.from_numpy(labels).long())
    loss.backward()

    relative = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    np.testing.assert_allclose(losses.sum(dtype=np.float64), loss.item(), rtol=relative)
    gradient = theirs.grad.numpy()
    np.testing.assert_allclose(dlogits, gradient, rtol=relative, atol=relative * np.abs(gradient).max())


@each_toolchain
def test_a_sample_weight_is_as_good_as_repeating_the_sample(toolchain):
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(4, 5)), np.array([0, 4, 2, 2])
    times = np.array([1, 3, 0, 2])
    norms = np.zeros(1), np.zeros(1)
    norm_of = kernels.load(toolchain).softmax_cross_entropy_norm
    norm_of(labels.astype(np.int32), None, times.astype(float), norms[0])
    norm_of(np.repeat(labels, times).astype(np.int32), None, None, norms[1])
    weighted, _ = run(toolchain, logits, labels, None, times.astype(float), norms[0][0])
    repeated, _ = run(toolchain, np.repeat(logits, times, axis=0), np.repeat(labels, times), norm=norms[1][0])
    np.testing.assert_allclose(weighted.sum(), repeated.sum(), rtol=1e-14)


@each_toolchain
@each_dtype
def test_evaluation_gives_the_bits_of_training(toolchain, dtype):
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(50, 37)).astype(dtype), rng.integers(0, 37, 50)
    trained, _ = run(toolchain, logits, labels, smoothing=0.1)
    evaluated, _ = run(toolchain, logits, labels, smoothing=0.1, evaluation=True)
    assert trained.tobytes() == evaluated.tobytes()


@each_toolchain
@each_dtype
def test_a_label_outside_the_classes_spoils_its_own_row_only(toolchain, dtype):
    logits = np.zeros((5, 3), dtype)
    losses, dlogits = run(toolchain, logits, [0, -1, 3, 2, -(2**31)], smoothing=0.1)
    assert np.isnan(losses).tolist() == [False, True, True, False, True]
    assert np.isnan(dlogits).all(axis=1).tolist() == [False, True, True, False, True]
    np.testing.assert_allclose(losses[[0, 3]], math.log(3), rtol=1e-6)


@each_toolchain
@each_dtype
def test_huge_and_infinite_logits(toolchain, dtype):
    inf, nan = math.inf, math.nan
    finite = [[1e4, -1e4, 0], [-1e4, 1e4, 0], [3e38, -3e38, 0]]
    logits = np.array([*finite, [0, -inf, 0], [-inf, 0, 0], [inf, 0, 0], [-inf, -inf, -inf], [0, nan, 0]], dtype)
    losses, dlogits = run(toolchain, logits, np.zeros(8))
    np.testing.assert_allclose(losses, [0, 2e4, 0, math.log(2), inf, nan, nan, nan], rtol=1e-6)
    np.testing.assert_allclose(
        dlogits,
        [[0, 0, 0], [-1, 1, 0], [0, 0, 0], [-0.5, 0, 0.5], [-1, 0.5, 0.5], [nan] * 3, [nan] * 3, [nan] * 3],
        atol=1e-6,
    )
    smoothed, _ = run(toolchain, logits[3:4], [0], smoothing=0.1)
    assert smoothed[0] == inf
    weightless = np.array([1, 0, 1], dtype)
    for label in (0, 1):  # a class of weight 0 adds nothing, whatever its probability
        losses, dlogits = run(toolchain, logits[3:4], [label], weightless, smoothing=0.5)
        assert np.isfinite(losses).all()
        assert np.isfinite(dlogits).all()


@each_toolchain
@each_dtype
def test_a_norm_of_zero_is_no_error(toolchain, dtype):
    """As in PyTorch, the mean over rows of weight 0 is 0/0."""
    losses, dlogits = run(toolchain, np.ones((2, 3), dtype), [0, 1], None, np.zeros(2, dtype), 0.0)
    assert np.isnan(losses).all()
    assert np.isnan(dlogits).all()


@each_toolchain
def test_one_class_and_no_rows(toolchain):
    losses, dlogits = run(toolchain, np.array([[5.0], [-3.0]]), [0, 0], smoothing=0.2)
    np.testing.assert_allclose(losses, 0, atol=1e-15)
    np.testing.assert_allclose(dlogits, 0, atol=1e-15)
    losses, dlogits = run(toolchain, np.empty((0, 4), np.float32), [])
    assert losses.shape == (0,)
    norm = np.array([np.nan])
    kernels.load(toolchain).softmax_cross_entropy_norm(np.empty(0, np.int32), np.ones(3), None, norm)
    assert norm[0] == 0


@pytest.mark.parametrize(
    ("change", "smoothing", "message"),
    [
        ({}, -0.1, "label_smoothing is -0.1"),
        ({}, 1.5, "label_smoothing is 1.5"),
        ({}, math.nan, "label_smoothing is nan"),
        ({"logits": np.ones((2, 3), np.int32)}, 0.0, "logits has dtype int32"),
        ({"logits": np.ones(3)}, 0.0, r"logits has shape \(3,\)"),
        ({"logits": np.ones((2, 0))}, 0.0, "at least one column"),
        ({"labels": np.zeros(2, np.int64)}, 0.0, "labels has dtype int64, expected int32"),
        ({"labels": np.zeros(3, np.int32)}, 0.0, r"labels has shape \(3,\)"),
        ({"class_weight": np.ones(2)}, 0.0, r"class_weight has shape \(2,\), expected \(3,\)"),
        ({"sample_weight": np.ones(2, np.float32)}, 0.0, "sample_weight has dtype float32"),
        ({"norm": np.ones(2)}, 0.0, "norm has shape"),
        ({"losses": np.ones((2, 3))}, 0.0, "losses has shape"),
        ({"dlogits": np.ones((3, 2)).T}, 0.0, "dlogits is not C-contiguous"),
    ],
)
def test_bad_arguments_are_refused(change, smoothing, message):
    arrays = {
        "logits": np.ones((2, 3)),
        "labels": np.zeros(2, np.int32),
        "class_weight": np.ones(3),
        "sample_weight": np.ones(2),
        "norm": np.ones(1),
        "losses": np.ones(2),
        "dlogits": np.ones((2, 3)),
    }
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").softmax_cross_entropy(*{**arrays, **change}.values(), label_smoothing=smoothing)


def test_bad_arguments_of_the_norm_are_refused():
    norm_of = kernels.load("reference").softmax_cross_entropy_norm
    labels = np.zeros(2, np.int32)
    with pytest.raises(ArgumentError, match="class_weight is empty"):
        norm_of(labels, np.ones(0), None, np.ones(1))
    with pytest.raises(ArgumentError, match="sample_weight has shape"):
        norm_of(labels, None, np.ones(3), np.ones(1))
    with pytest.raises(ArgumentError, match="norm has dtype int32"):
        norm_of(labels, None, None, np.ones(1, np.int32))
