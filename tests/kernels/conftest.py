"""Fixtures of the optimizers' tests: a fixed sequence of gradients, and the comparison with PyTorch."""

import numpy as np
import pytest

STEPS = 200
N = 67  # elements; not a multiple of any vector length


@pytest.fixture
def gradients():
    """Return (STEPS, N) gradients in float64 over seven orders of magnitude, some exactly zero."""
    rng = np.random.default_rng(5)
    g = rng.normal(size=(STEPS, N)) * 10.0 ** rng.uniform(-5, 2, N)
    g[rng.uniform(size=g.shape) < 0.05] = 0
    return g


@pytest.fixture
def assert_follows_pytorch(gradients):
    """Return a function that compares every step of a launcher with those of a PyTorch optimizer.

    `launch(g, lr, grad_scale, p)` takes one step. PyTorch gets the gradient already multiplied by grad_scale. The error
    allowed is relative to the largest value that the element has had: a parameter that returns from −1000 to near zero
    still carries the rounding errors of its path.
    """
    torch = pytest.importorskip("torch")

    def run(launch, make_optimizer, dtype, lr):
        p = np.random.default_rng(6).normal(size=N).astype(dtype)
        parameter = torch.tensor(p, requires_grad=True)
        optimizer = make_optimizer(torch.optim, [parameter], lr)
        rate, grad_scale = np.array([lr], dtype), np.array([0.5], dtype)
        relative = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
        largest = np.abs(p)
        for step, g in enumerate(gradients.astype(dtype)):
            launch(g, rate, grad_scale, p)
            parameter.grad = torch.from_numpy(g * grad_scale)
            optimizer.step()
            expected = parameter.detach().numpy()
            largest = np.maximum(largest, np.abs(expected))
            np.testing.assert_allclose(p / largest, expected / largest, rtol=0, atol=relative, err_msg=f"step {step}")

    return run
