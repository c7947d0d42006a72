import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.errors import ArgumentError

OPTIONS = [{}, {"rho": 0.5, "weight_decay": 0.01, "eps": 1e-4}, {"maximize": True}]


@pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lr", [1e-2, 10.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_200_steps_follow_pytorch(assert_follows_pytorch, toolchain, dtype, lr, options):
    adadelta_step = kernels.load(toolchain).adadelta_step
    state = {}

    def launch(g, rate, grad_scale, p):
        averages = state.setdefault("v", np.zeros_like(p)), state.setdefault("u", np.zeros_like(p))
        adadelta_step(g, rate, grad_scale, p, *averages, **options)

    assert_follows_pytorch(launch, lambda optim, p, lr: optim.Adadelta(p, lr=lr, **options), dtype, lr)


def test_one_step_by_hand():
    p, v, u = np.array([1.0]), np.array([4.0]), np.array([1.0])
    kernels.load("reference").adadelta_step(np.array([6.0]), np.array([0.1]), None, p, v, u, rho=0.75, eps=0.5)
    delta = np.sqrt((1.0 + 0.5) / (12.0 + 0.5)) * 6
    assert v[0] == 0.75 * 4 + 0.25 * 36
    assert u[0] == pytest.approx(0.75 * 1 + 0.25 * delta**2, abs=1e-15)
    assert p[0] == pytest.approx(1 - 0.1 * delta, abs=1e-15)


@pytest.mark.parametrize(
    ("v", "u", "scalars", "message"),
    [
        (np.ones(3), np.ones(3), {"rho": -0.1}, "rho is -0.1"),
        (np.ones(3), np.ones(3), {"eps": 0.0}, r"eps is 0.0, expected a number in \(0.0, inf\]"),
        (np.ones(2), np.ones(3), {}, r"square_average has shape \(2,\)"),
        (np.ones(3), np.ones(2), {}, r"delta_average has shape \(2,\)"),
    ],
)
def test_bad_arguments_are_refused(v, u, scalars, message):
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").adadelta_step(np.ones(3), np.ones(1), None, np.ones(3), v, u, **scalars)
