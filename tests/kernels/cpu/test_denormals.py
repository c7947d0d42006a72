"""Moving averages that shrink become 0, and never stay denormal."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim

SHRINKING = {
    "adam": {},
    "amsgrad": {"amsgrad": True},
    "adadelta": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "rmsprop": {"alpha": 0.9},
}
CLASSES = {"amsgrad": "Adam", "adam": "Adam", "adadelta": "Adadelta", "rmsprop": "RMSprop"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHRINKING)
def test_averages_of_gradients_that_have_ended_become_zero(name, dtype):
    p = nn.Parameter(np.ones(40, dtype), device=gg.device("cpu", "numba"))
    optimizer = getattr(optim, CLASSES.get(name, "SGD"))([p], lr=1e-3, **SHRINKING[name])
    (p * p).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    (p * np.zeros(40, dtype)).sum().backward()
    for _ in range(8000 if dtype == "float64" else 1000):
        optimizer.step()
    averages = [a for a in optimizer.state_dict()["state"].values() if isinstance(a, np.ndarray) and a.size == 40]
    assert averages
    assert not any(((a != 0) & (np.abs(a) < np.finfo(dtype).tiny)).any() for a in averages)
    assert any((a == 0).all() for a in averages)


def test_nan_and_infinity_stay():
    p = nn.Parameter(np.ones(3, np.float32), device=gg.device("cpu", "numba"))
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5)
    (p * gg.tensor(np.array([np.nan, np.inf, 0], np.float32))).sum().backward()
    optimizer.step()
    assert np.isnan(p.numpy()[0])
    assert np.isinf(p.numpy()[1])
    assert p.numpy()[2] == 1
