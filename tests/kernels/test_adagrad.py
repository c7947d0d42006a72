"""Adagrad follows PyTorch; AdaGrad-norm, which PyTorch lacks, follows its formula."""

import numpy as np
import pytest

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.contract import PARTIALS

OPTIONS = [{}, {"weight_decay": 0.01, "eps": 1e-6}, {"maximize": True}]
each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@each_toolchain
@each_dtype
@pytest.mark.parametrize("lr", [1e-2, 1.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_200_steps_follow_pytorch(assert_follows_pytorch, toolchain, dtype, lr, options):
    adagrad_step = kernels.load(toolchain).adagrad_step
    state = {}

    def launch(g, rate, grad_scale, p):
        adagrad_step(g, rate, grad_scale, p, state.setdefault("sum", np.zeros_like(p)), **options)

    assert_follows_pytorch(launch, lambda optim, p, lr: optim.Adagrad(p, lr=lr, **options), dtype, lr)


@each_toolchain
@each_dtype
@pytest.mark.parametrize("lr", [1e-2, 10.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_adagrad_norm_shares_one_sum_between_groups(gradients, toolchain, dtype, lr, options):
    """200 steps of two parameter groups equal the formula over all parameters, in double precision."""
    launchers = kernels.load(toolchain)
    n = gradients.shape[1]
    groups = [slice(0, 20), slice(20, n)]
    p = np.random.default_rng(6).normal(size=n).astype(dtype)
    rate, grad_scale, square_sum = np.array([lr], dtype), np.array([0.5], dtype), np.zeros(1, dtype)
    partials = np.full(PARTIALS, np.nan, dtype)
    accumulate_options = {name: value for name, value in options.items() if name != "eps"}

    q, total = p.astype(np.float64), 0.0
    relative = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    for g in gradients.astype(dtype):
        for group in groups:
            launchers.adagrad_norm_accumulate(
                g[group], grad_scale, p[group], square_sum, partials, **accumulate_options
            )
        for group in groups:
            launchers.adagrad_norm_step(g[group], rate, grad_scale, square_sum, p[group], **options)

        sign = -1 if options.get("maximize") else 1
        h = sign * 0.5 * g.astype(np.float64) + options.get("weight_decay", 0.0) * q
        total += np.sum(h**2)
        q -= lr * h / np.sqrt(options.get("eps", 1e-10) + total)
        np.testing.assert_allclose(p, q, rtol=relative, atol=relative)
    np.testing.assert_allclose(square_sum, total, rtol=relative)


@each_toolchain
def test_first_step_of_adagrad_norm_has_the_length_of_the_learning_rate(toolchain):
    launchers = kernels.load(toolchain)
    g, p, square_sum, partials = np.array([3.0, -4.0]), np.zeros(2), np.zeros(1), np.empty(PARTIALS)
    launchers.adagrad_norm_accumulate(g, None, p, square_sum, partials)
    assert square_sum[0] == 25.0
    launchers.adagrad_norm_step(g, np.array([0.1]), None, square_sum, p)
    np.testing.assert_allclose(p, [-0.06, 0.08], rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "arrays", "scalars", "message"),
    [
        ("adagrad_step", [np.ones(3)], {"eps": -1e-8}, "eps is -1e-08"),
        ("adagrad_step", [np.ones(2)], {}, r"square_sum has shape \(2,\)"),
        ("adagrad_step", [np.ones(3)], {"weight_decay": float("nan")}, "weight_decay is nan"),
    ],
)
def test_bad_arguments_of_adagrad_are_refused(name, arrays, scalars, message):
    with pytest.raises(ArgumentError, match=message):
        getattr(kernels.load("reference"), name)(np.ones(3), np.ones(1), None, np.ones(3), *arrays, **scalars)


def test_bad_arguments_of_adagrad_norm_are_refused():
    launchers = kernels.load("reference")
    g, p, word, partials = np.ones(3), np.ones(3), np.ones(1), np.ones(PARTIALS)
    with pytest.raises(ArgumentError, match=r"partials has shape \(7,\), expected \(256,\)"):
        launchers.adagrad_norm_accumulate(g, None, p, word, np.ones(7))
    with pytest.raises(ArgumentError, match="square_sum has shape"):
        launchers.adagrad_norm_accumulate(g, None, p, p, partials)
    with pytest.raises(ArgumentError, match="weight_decay is -1"):
        launchers.adagrad_norm_accumulate(g, None, p, word, partials, weight_decay=-1)
    with pytest.raises(ArgumentError, match="square_sum has shape"):
        launchers.adagrad_norm_step(g, word, None, g, p)
    with pytest.raises(ArgumentError, match="eps is -1"):
        launchers.adagrad_norm_step(g, word, None, word, p, eps=-1)
