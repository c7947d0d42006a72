import numpy as np
import pytest

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
        (None, {"nesterov": True}, "momentum is 0, expected more with nesterov"),
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
