"""The catalogue: gradients computed three ways, stationary points in the listed places, a view that shows them."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError
from gpugrad.lab import NAMES, SURFACES, surface
from gpugrad.lab.hessian import MAXIMUM, MINIMUM, SADDLE, curvature, hessian
from gpugrad.lab.objective import Objective
from gpugrad.optim import NAMES as OPTIMIZERS

EVERY = list(SURFACES.values())
IDS = list(SURFACES)
ANY_DIMENSION = [made for made in EVERY if made.dim is None]
STATIONARY = [
    (made, kind, point)
    for made in EVERY
    for kind, points in ((MINIMUM, made.minima), (SADDLE, made.saddles), (MAXIMUM, made.maxima))
    for point in points
]


def objective(made, dim=2):
    return Objective(made, dim, gg.device("cpu"), np.float64)


def points_in(made, n=50, seed=0):
    low, high = np.transpose(made.bounds)
    return np.random.default_rng(seed).uniform(low, high, size=(n, 2))


@pytest.mark.parametrize("made", EVERY, ids=IDS)
def test_the_closed_form_gradient_is_the_tape_s(made):
    points = points_in(made)
    values, gradients = objective(made).gradients(points)
    np.testing.assert_allclose(made.gradient(points), gradients, rtol=1e-10, atol=1e-10 * np.abs(gradients).max())
    np.testing.assert_array_equal(values, objective(made).values(points))


@pytest.mark.parametrize("made", EVERY, ids=IDS)
def test_the_gradient_is_that_of_finite_differences(made):
    x = gg.tensor(points_in(made, 5, seed=1), requires_grad=True)
    assert gg.gradcheck(made, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dim", [1, 3, 7])
@pytest.mark.parametrize("made", ANY_DIMENSION, ids=lambda made: made.name)
def test_in_any_dimension(made, dim):
    points = np.random.default_rng(2).uniform(-1, 1, size=(4, dim))
    values, gradients = objective(made, dim).gradients(points)
    assert values.shape == (4,)
    np.testing.assert_allclose(made.gradient(points), gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("made", "kind", "point"), STATIONARY, ids=[f"{made.name}-{kind}-{point}" for made, kind, point in STATIONARY]
)
def test_stationary_points(made, kind, point):
    """The gradient is zero, and the Hessian's eigenvalues have the signs of the kind."""
    np.testing.assert_allclose(made.gradient(np.array(point)), 0, atol=1e-9)
    found = curvature(objective(made), np.array(point))
    assert found.kind == kind
    if made.name == "monkey saddle":
        return
    signs = np.sign(found.eigenvalues).tolist()
    assert signs == {MINIMUM: [1, 1], SADDLE: [-1, 1], MAXIMUM: [-1, -1]}[kind]


@pytest.mark.parametrize("made", [made for made in EVERY if made.minima], ids=lambda made: made.name)
def test_no_point_of_the_view_is_lower_than_the_lowest_minimum(made):
    lowest = objective(made).values(np.array(made.minima, float)).min()
    assert objective(made).values(points_in(made, 2000)).min() >= lowest


@pytest.mark.parametrize("made", EVERY, ids=IDS)
def test_the_view_shows_what_there_is(made):
    low, high = np.transpose(made.bounds)
    for point in (*made.minima, *made.saddles, *made.maxima, *made.starts):
        assert (low <= point).all()
        assert (point <= high).all()
    values = objective(made).values(points_in(made, 2000))
    assert list(made.levels) == sorted(set(made.levels))
    crossed = [values.min() < level < values.max() for level in made.levels]
    assert np.mean(crossed) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_gradient_descent_falls_at_the_rate_of_the_surface(name):
    made = surface(name)
    path = gg.minimize(made, made.starts[0], lr=made.lr, max_steps=25)
    assert path.values[-1] < path.values[0] - 1e-4
    assert all(made.rate(optimizer) > 0 for optimizer in OPTIMIZERS)


def test_known_hessians():
    np.testing.assert_allclose(
        hessian(objective(surface("ravine")), np.array([3.0, -1.0])), np.diag([1, 40]), atol=1e-6
    )
    rosenbrock = hessian(objective(surface("rosenbrock")), np.array([1.0, 1.0]))
    np.testing.assert_allclose(rosenbrock, [[802, -400], [-400, 200]], rtol=1e-7)
    beale = hessian(objective(surface("beale")), np.array([0.0, 1.0]))
    np.testing.assert_allclose(beale, [[0, 27.75], [27.75, 0]], atol=1e-5)


def test_the_slope_of_ackley_s_tip_is_zero_and_not_nan():
    values, gradients = objective(surface("ackley")).gradients(np.zeros((1, 2)))
    np.testing.assert_allclose(values, 0, atol=1e-10)
    np.testing.assert_array_equal(gradients, 0)


def test_an_unknown_surface_is_named():
    with pytest.raises(ArgumentError, match="unknown surface 'rosenbrok': did you mean 'rosenbrock'"):
        surface("rosenbrok")
