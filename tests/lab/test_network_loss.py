"""The loss of a network on a plane: equal to the network's, along directions normalized per unit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn
from gpugrad.errors import ArgumentError
from gpugrad.lab import network_loss, surface
from gpugrad.lab.network_loss import filter_normalised, moons

POINTS = np.random.default_rng(0).uniform(-1.5, 1.5, size=(6, 2))


@pytest.fixture
def trained():
    x, y = moons()
    return nn.MLP(2, [5], 2, activation="tanh", seed=1), x, y


def literal_loss(weights, x, y):
    """Cross-entropy of a network with one hidden layer of tanh units, in NumPy."""
    w1, b1, w2, b2 = weights
    logits = np.tanh(x @ w1 + b1) @ w2 + b2
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]))


def test_it_is_the_network_s_loss(trained):
    model, x, y = trained
    before = model.state_dict()
    plane = network_loss(model, x, y, seed=3)
    weights = [p.numpy().astype(float) for p in model.parameters()]
    for point, value in zip(POINTS, plane(POINTS), strict=True):
        moved = [w + point[0] * a + point[1] * b for w, a, b in zip(weights, *plane.directions, strict=True)]
        assert value == pytest.approx(literal_loss(moved, x, y), rel=1e-12)
    for name, array in model.state_dict().items():  # the model itself is unchanged
        np.testing.assert_array_equal(array, before[name])


def test_threads_share_it(trained):
    plane = network_loss(*trained)
    values, gradients = plane(POINTS), plane.grad(POINTS)

    def same(k):
        order = np.roll(np.arange(len(POINTS)), k)
        return np.array_equal(plane(POINTS[order]), values[order]) and np.array_equal(
            plane.grad(POINTS[order]), gradients[order]
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(same, range(40)))


def test_its_gradient_is_that_of_finite_differences(trained):
    plane = network_loss(*trained)
    step = 1e-6
    for axis in range(2):
        by = step * np.eye(2)[axis]
        numeric = (plane(POINTS + by) - plane(POINTS - by)) / (2 * step)
        np.testing.assert_allclose(plane.grad(POINTS)[:, axis], numeric, rtol=1e-6, atol=1e-8)


def test_directions_are_as_long_as_each_unit_s_weights():
    weights = np.random.default_rng(1).normal(size=(7, 4)) * [1, 10, 100, 0.01]
    direction = filter_normalised(weights, np.random.default_rng(2))
    np.testing.assert_allclose(np.linalg.norm(direction, axis=0), np.linalg.norm(weights, axis=0))
    np.testing.assert_array_equal(filter_normalised(np.ones(4), np.random.default_rng(2)), 0)


def test_scaling_a_layer_leaves_the_picture_alone():
    """A network of relu whose layers are scaled by 10 and 1/10 computes the same, and so does its plane."""
    x, y = moons()
    model = nn.MLP(2, [6], 2, activation="relu", seed=1, dtype=np.float64)
    scaled = nn.MLP(2, [6], 2, activation="relu", seed=1, dtype=np.float64)
    state = {name: array * 10 if name.startswith("0") else array for name, array in model.state_dict().items()}
    scaled.load_state_dict({name: array / 10 if name == "1.weight" else array for name, array in state.items()})
    np.testing.assert_allclose(network_loss(model, x, y)(POINTS), network_loss(scaled, x, y)(POINTS), rtol=1e-10)


def test_the_surface_of_the_catalogue_is_trained_and_descended():
    made = surface("network loss")
    at_rest = made(np.zeros((1, 2)))[0]
    assert at_rest < 0.1
    assert at_rest < made(POINTS).min()
    paths = gg.minimize(made, made.starts[:2], "adam", lr=0.1, max_steps=60)
    for path in paths:
        assert path.value < path.values[0] / 2
    assert list(made.levels) == sorted(made.levels)


def test_another_loss_and_regression():
    x = np.linspace(-1, 1, 20)[:, None]
    model = nn.MLP(1, [4], 1, activation="tanh", seed=0)
    plane = network_loss(model, x, x**2, loss=nn.MSELoss())
    outputs = model(gg.tensor(x.astype(np.float32))).numpy()
    assert plane(np.zeros((1, 2)))[0] == pytest.approx(np.mean((outputs - x**2) ** 2), rel=1e-5)


def test_what_it_refuses(trained):
    model, x, y = trained
    with pytest.raises(ArgumentError, match="a model without its data"):
        network_loss(model)
    with pytest.raises(ArgumentError, match="has no parameters"):
        network_loss(nn.Sequential(), x, y)
    with pytest.raises(ArgumentError, match="cannot be computed on this x and y"):
        network_loss(model, x[:, :1], y)
    with pytest.raises(ArgumentError, match="expected a finite one"):
        network_loss(model, x * np.nan, y)
