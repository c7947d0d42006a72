import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

from gpugrad import kernels
from gpugrad.errors import ArgumentError

OPTIONS = [
    {},
    {"weight_decay": 0.01},
    {"maximize": True, "betas": (0.5, 0.9), "eps": 1e-4},
    {"betas": (0.0, 0.99)},
    {"amsgrad": True, "weight_decay": 0.01},
    {"decoupled": True, "weight_decay": 0.1},
    {"decoupled": True, "weight_decay": 0.1, "amsgrad": True, "maximize": True},
]
each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])


@each_toolchain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lr", [1e-3, 0.1])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_200_steps_follow_pytorch(assert_follows_pytorch, toolchain, dtype, lr, options):
    adam_step = kernels.load(toolchain).adam_step
    theirs = dict(options)
    decoupled = theirs.pop("decoupled", False)
    ours = {name: value for name, value in theirs.items() if name not in ("betas", "amsgrad")}
    ours["beta1"], ours["beta2"] = options.get("betas", (0.9, 0.999))
    state = {}

    def launch(g, rate, grad_scale, p):
        if not state:
            state.update(m=np.zeros_like(p), v=np.zeros_like(p), v_max=None, step=np.zeros(1, np.int32))
            if options.get("amsgrad"):
                state["v_max"] = np.zeros_like(p)
        adam_step(g, rate, grad_scale, p, *state.values(), decoupled=decoupled, **ours)

    def make_optimizer(optim, p, lr):
        return (optim.AdamW if decoupled else optim.Adam)(p, lr=lr, **{"weight_decay": 0.0, **theirs})

    assert_follows_pytorch(launch, make_optimizer, dtype, lr)
    assert state["step"][0] == 200


@each_toolchain
@pytest.mark.parametrize("eps", [1e-8, 1e-3])
def test_with_eps_hat_100_steps_follow_scikit_learn(toolchain, eps):
    rng = np.random.default_rng(0)
    theirs, ours = (rng.normal(size=50) for _ in range(2))
    ours[...] = theirs
    optimizer = AdamOptimizer([theirs], learning_rate_init=0.01, epsilon=eps)
    m, v, step = np.zeros(50), np.zeros(50), np.zeros(1, np.int32)
    for _ in range(100):
        g = rng.normal(size=50) * 1e-4
        optimizer.update_params([theirs], [g])
        kernels.load(toolchain).adam_step(g, np.array([0.01]), None, ours, m, v, None, step, eps=eps, eps_hat=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)


@each_toolchain
def test_first_step_moves_by_the_learning_rate(toolchain):
    """The first step is lr·sign(g) for any g well above eps, since m/c1 = g and v/c2 = g², also in single precision."""
    g = np.array([1e-3, -5.0, 1e4], np.float32)
    p, m, v, step = np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(1, np.int32)
    kernels.load(toolchain).adam_step(g, np.array([0.01], np.float32), None, p, m, v, None, step)
    np.testing.assert_allclose(p, [-0.01, 0.01, -0.01], rtol=1.2e-5)  # eps is 1e-5 of the smallest gradient
    assert step[0] == 1


@each_toolchain
@pytest.mark.parametrize("amsgrad", [False, True])
def test_nan_reaches_its_own_element_only(toolchain, amsgrad):
    g = np.ones(40, np.float32)
    g[17] = np.nan
    p, m, v, step = np.zeros(40, np.float32), np.zeros(40, np.float32), np.zeros(40, np.float32), np.zeros(1, np.int32)
    v_max = np.zeros(40, np.float32) if amsgrad else None
    kernels.load(toolchain).adam_step(g, np.array([0.01], np.float32), None, p, m, v, v_max, step)
    for array in (p, m, v, v_max) if amsgrad else (p, m, v):
        np.testing.assert_array_equal(np.isnan(array), np.isnan(g))


@pytest.mark.parametrize(
    ("change", "scalars", "message"),
    [
        ({}, {"beta1": 1.0}, "beta1 is 1.0"),
        ({}, {"beta2": -0.1}, "beta2 is -0.1"),
        ({}, {"eps": -1.0}, "eps is -1.0"),
        ({"m": np.ones(2)}, {}, r"m has shape \(2,\)"),
        ({"v": np.ones(3, np.float32)}, {}, "v has dtype float32"),
        ({"v_max": np.ones(2)}, {}, r"v_max has shape \(2,\)"),
        ({"step": np.zeros(1, np.int64)}, {}, "step has dtype int64, expected int32"),
        ({"step": np.zeros(2, np.int32)}, {}, "step has shape"),
    ],
)
def test_bad_arguments_are_refused(change, scalars, message):
    state = {"m": np.ones(3), "v": np.ones(3), "v_max": None, "step": np.zeros(1, np.int32), **change}
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").adam_step(np.ones(3), np.ones(1), None, np.ones(3), *state.values(), **scalars)
