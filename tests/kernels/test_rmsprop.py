import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.errors import ArgumentError

OPTIONS = [{}, {"alpha": 0.9, "weight_decay": 0.01, "eps": 1e-6}, {"maximize": True}]


@pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lr", [1e-3, 0.1])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_200_steps_follow_pytorch(assert_follows_pytorch, toolchain, dtype, lr, options):
    rmsprop_step = kernels.load(toolchain).rmsprop_step
    state = {}

    def launch(g, rate, grad_scale, p):
        rmsprop_step(g, rate, grad_scale, p, state.setdefault("average", np.zeros_like(p)), **options)

    assert_follows_pytorch(launch, lambda optim, p, lr: optim.RMSprop(p, lr=lr, **options), dtype, lr)


def test_one_step_by_hand():
    p, average = np.array([1.0]), np.array([4.0])
    kernels.load("reference").rmsprop_step(np.array([6.0]), np.array([0.1]), None, p, average, alpha=0.75, eps=0.5)
    assert average[0] == 0.75 * 4 + 0.25 * 36
    assert p[0] == pytest.approx(1 - 0.1 * 6 / (np.sqrt(12.0) + 0.5), abs=1e-15)


@pytest.mark.parametrize(
    ("average", "scalars", "message"),
    [
        (np.ones(3), {"alpha": 1.5}, r"alpha is 1.5, expected a number in \[0.0, 1.0\]"),
        (np.ones(3), {"eps": -1.0}, "eps is -1.0"),
        (np.ones(2), {}, r"square_average has shape \(2,\)"),
    ],
)
def test_bad_arguments_are_refused(average, scalars, message):
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").rmsprop_step(np.ones(3), np.ones(1), None, np.ones(3), average, **scalars)
