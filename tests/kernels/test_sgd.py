import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from gpugrad import kernels
from gpugrad.errors import ArgumentError

OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.01, "maximize": True},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "nesterov": True, "weight_decay": 0.01},
]


@pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lr", [1e-2, 1.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_200_steps_follow_pytorch(assert_follows_pytorch, toolchain, dtype, lr, options):
    sgd_step = kernels.load(toolchain).sgd_step
    state = {}

    def launch(g, rate, grad_scale, p):
        if "momentum" in options:
            state.setdefault("buffer", np.zeros_like(p))
        sgd_step(g, rate, grad_scale, p, state.get("buffer"), **options)

    assert_follows_pytorch(launch, lambda optim, p, lr: optim.SGD(p, lr=lr, **options), dtype, lr)


@pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_with_the_rate_in_the_buffer_steps_follow_scikit_learn_while_the_rate_changes(toolchain, nesterov):
    rng = np.random.default_rng(0)
    theirs, buffer = rng.normal(size=50), np.zeros(50)
    ours, outside, other = theirs.copy(), theirs.copy(), np.zeros(50)
    optimizer = SGDOptimizer(
        [theirs], learning_rate_init=0.1, lr_schedule="invscaling", momentum=0.9, nesterov=nesterov
    )
    options = {"momentum": 0.9, "nesterov": nesterov}
    sgd_step = kernels.load(toolchain).sgd_step
    for t in range(100):
        g, rate = rng.normal(size=50), np.array([optimizer.learning_rate])
        optimizer.update_params([theirs], [g])
        sgd_step(g, rate, None, ours, buffer, lr_in_buffer=True, **options)
        sgd_step(g, rate, None, outside, other, **options)
        optimizer.iteration_ends(t)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert not np.allclose(outside, theirs, rtol=1e-3)  # a different path


@pytest.mark.parametrize("nesterov", [False, True])
def test_at_a_constant_rate_it_does_not_matter_where_the_rate_is(nesterov):
    rng = np.random.default_rng(0)
    p, other = np.zeros((2, 50))
    buffers = np.zeros((2, 50))
    options = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.1}
    for _ in range(50):
        g = rng.normal(size=50)
        kernels.load("reference").sgd_step(g, np.array([0.1]), None, p, buffers[0], **options)
        kernels.load("reference").sgd_step(g, np.array([0.1]), None, other, buffers[1], lr_in_buffer=True, **options)
    np.testing.assert_allclose(other, p, rtol=1e-12, atol=1e-14)


def test_nesterov_by_hand():
    p, buffer, rate, mu = np.array([1.0]), np.array([2.0]), 0.1, 0.5
    kernels.load("reference").sgd_step(np.array([3.0]), np.array([rate]), None, p, buffer, momentum=mu, nesterov=True)
    assert buffer[0] == 0.5 * 2.0 + 3.0
    assert p[0] == pytest.approx(1.0 - 0.1 * (3.0 + 0.5 * 4.0), abs=1e-15)


@pytest.mark.parametrize(
    ("buffer", "scalars", "message"),
    [
        (None, {"momentum": 0.9}, "momentum_buffer is None, expected an array like p"),
        (np.zeros(3), {}, "momentum_buffer is an array, expected None at momentum 0.0"),
        (None, {"nesterov": True}, "momentum is 0, expected a positive number with nesterov"),
        (np.zeros(3), {"momentum": -0.1}, "momentum is -0.1"),
        (np.zeros(3), {"momentum": float("nan")}, "momentum is nan"),
        (np.zeros(4), {"momentum": 0.9}, r"momentum_buffer has shape \(4,\)"),
        (None, {"weight_decay": -1.0}, "weight_decay is -1.0"),
    ],
)
def test_bad_arguments_are_refused(buffer, scalars, message):
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").sgd_step(np.ones(3), np.ones(1), None, np.ones(3), buffer, **scalars)


@pytest.mark.parametrize(
    ("argument", "array", "message"),
    [
        ("g", np.ones(4), r"g has shape \(4,\), expected \(3,\)"),
        ("g", np.ones(3, np.float32), "g has dtype float32, expected float64"),
        ("lr", np.ones(2), "lr has shape"),
        ("lr", np.ones(1, np.float32), "lr has dtype"),
        ("grad_scale", np.ones(3), "grad_scale has shape"),
        ("p", np.ones((3, 1)), r"p has shape \(3, 1\)"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(argument, array, message):
    arrays = {"g": np.ones(3), "lr": np.ones(1), "grad_scale": None, "p": np.ones(3), argument: array}
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").sgd_step(*arrays.values(), None)
